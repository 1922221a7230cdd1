"""Writes the JSON Schema of scenario files from the types: python tools/scenario_schema.py."""

from __future__ import annotations

import json
from pathlib import Path

from twin.scenario.form import scenario_schema

TARGET = Path(__file__).resolve().parents[1] / "docs/reference/scenario.schema.json"

if __name__ == "__main__":
    TARGET.write_text(json.dumps(scenario_schema(), indent=2) + "\n", encoding="utf-8")
