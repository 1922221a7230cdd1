"""The reference of the events lists every field, every topic and every reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from twin.events import Incident, Passage, Reading, ReadingColumns, SignalStatus, Topic
from twin.ingest.topics import InnerTopic

PAGE = (Path(__file__).parents[2] / "docs/reference/events.md").read_text(encoding="utf-8")
SOURCES = sorted((Path(__file__).parents[2] / "src/twin/ingest").glob("*.py"))


@pytest.mark.parametrize("kind", [Reading, ReadingColumns, Passage, Incident, SignalStatus])
def test_the_table_of_an_event_has_exactly_its_fields(kind: type) -> None:
    (section,) = re.findall(rf"^## {kind.__name__}\n(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE)
    listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(listed) == sorted(kind.__struct_fields__)  # type: ignore[attr-defined]


def test_every_topic_within_the_service_is_listed() -> None:
    (section,) = re.findall(
        r"^## Topics within the service\n(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE
    )
    assert re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE) == [
        str(one) for one in InnerTopic
    ]


def test_every_topic_is_listed() -> None:
    (section,) = re.findall(r"^## Topics\n(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE)
    assert re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE) == [str(one) for one in Topic]


def test_every_reason_that_the_code_gives_is_listed() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    given = set(re.findall(r'"(unknown_\w+|undecodable|future|conflict)"', text))
    listed = set(re.findall(r"`(\w+)`", PAGE.split("## Reasons")[1]))
    assert given <= listed
    assert len(given) >= 8
