"""The pages about the API say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from ingest_city import small_city
from twin.api.board import KEY_EVERY
from twin.api.bodies import MOST_BYTES, MOST_ITEM_BYTES, MOST_ITEMS
from twin.api.frames import HEADER_BYTES
from twin.api.problems import ProblemView
from twin.api.roles import MATRIX, Role
from twin.api.schemas import TakenView
from twin.api.stream import MOST_CLIENTS, SEND_S
from twin.clock import us_from_datetime
from twin.events import Passage, Reading, Topic
from twin.ingest.answer import check_items

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```json\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> list[bytes]:
    return [block.encode() for block in BLOCK.findall((DOCS / page).read_text())]


def role_table() -> str:
    lines = ["| route | " + " | ".join(role.replace("_", " ") for role in Role) + " |"]
    lines.append("|---|" + "---|" * len(Role))
    for (method, path), allowed in MATRIX.items():
        marks = ["✓" if allowed is None or role in allowed else "" for role in Role]
        name = "the console" if path == "/{page:path}" else path.removeprefix("/api/v1")
        note = " (no key needed)" if allowed is None else ""
        lines.append(f"| `{method} {name}`{note} | " + " | ".join(marks) + " |")
    return "\n".join(lines)


def test_the_table_of_roles_is_the_code() -> None:
    page = (DOCS / "reference" / "api.md").read_text()
    shown = page.partition("<!-- roles: begin -->")[2].partition("<!-- roles: end -->")[0]
    assert shown.strip() == role_table()


@pytest.mark.parametrize(("topic", "kind"), [(Topic.READING, Reading), (Topic.ANPR_READ, Passage)])
def test_the_examples_of_events_are_good_ones(topic: Topic, kind: type[msgspec.Struct]) -> None:
    index = 0 if kind is Reading else 2
    example = blocks("how-to/send-data.md")[index]
    event = msgspec.json.decode(example, type=kind)
    time_us = us_from_datetime(event.time)  # type: ignore[attr-defined] # both have a time
    faults = check_items(topic, [example], network=small_city(), now_us=time_us)
    assert {fault.field for _, fault in faults} <= {"sensor", "gate"}  # of another city


def test_the_examples_of_answers_have_the_answers_form() -> None:
    taken = msgspec.json.decode(blocks("how-to/send-data.md")[1], type=TakenView)
    assert taken.received == taken.accepted + taken.rejected
    (problem,) = blocks("reference/api.md")
    assert msgspec.json.decode(problem, type=ProblemView).status == 422


def test_the_numbers_in_the_pages() -> None:
    api = (DOCS / "reference" / "api.md").read_text()
    stream = (DOCS / "reference" / "stream.md").read_text()
    assert f"{MOST_BYTES // 2**20} MiB, {MOST_ITEMS:,} items".replace(",0", " 0") in api
    assert f"{MOST_ITEM_BYTES // 1024} KiB an item" in api
    assert f"length of this header, {HEADER_BYTES}" in stream
    assert f"Above {MOST_CLIENTS}" in stream
    assert (SEND_S, KEY_EVERY) == (20.0, 60)
