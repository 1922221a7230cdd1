"""Writes the JSON Schema of case files from the types: python tools/case_schema.py."""

from __future__ import annotations

import json
from pathlib import Path

from twin.simulate.case.form import case_schema

TARGET = Path(__file__).resolve().parents[1] / "docs/reference/simulate-case.schema.json"

if __name__ == "__main__":
    TARGET.write_text(json.dumps(case_schema(), indent=2) + "\n", encoding="utf-8")
    print(f"written: {TARGET}")
