"""The pages about what-ifs show files that are right, and every edit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from twin.scenario.edits.form import AnyEdit
from twin.scenario.form import Scenario
from twin.scenario.read import read_scenario
from what_if_town import HEAD

DOCS = Path(__file__).parents[2] / "docs"
FILE = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
EXAMPLE = re.compile(r"^\| `(?P<name>\w+)` \| `(?P<text>\{edit: .*?\})` \|", re.MULTILINE)


def test_every_edit_has_an_example_that_is_right() -> None:
    page = (DOCS / "reference" / "scenario.md").read_text()
    shown = {match["name"]: match["text"] for match in EXAMPLE.finditer(page)}
    listed = "\n".join(f"  - {text}" for text in shown.values())
    scenario = read_scenario(f"{HEAD}\nedits:\n{listed}\n".encode())
    assert [edit.__struct_config__.tag for edit in scenario.edits] == list(shown)
    assert set(shown) == {kind.__struct_config__.tag for kind in get_args(AnyEdit)}


def test_every_member_of_a_file_is_described() -> None:
    page = (DOCS / "reference" / "scenario.md").read_text()
    for name in Scenario.__struct_fields__:
        assert f"`{name}`" in page or f"`{name}." in page, name


def test_the_files_of_the_pages_are_right() -> None:
    for page in ("reference/scenario.md", "how-to/ask-what-if.md"):
        text = FILE.findall((DOCS / page).read_text())[0]
        assert read_scenario(text.encode()).edits
