"""Writes the JSON Schemas of the files of `twin access` from the types."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from twin.commands.access import SCHEMAS

FOLDER = Path(__file__).resolve().parents[1] / "docs/reference"

if __name__ == "__main__":
    for name, kind in SCHEMAS.items():
        target = FOLDER / f"access-{name}.schema.json"
        text = json.dumps(msgspec.json.schema(kind), indent=1, ensure_ascii=False)
        target.write_text(text + "\n", encoding="utf-8")
        print(f"written: {target}")
