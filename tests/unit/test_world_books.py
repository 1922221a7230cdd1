"""The world's own record of what it sent, and how it is held beside the service's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from scenario_city import CITY
from twin.clock import datetime_from_us
from twin.events import Direction, Passage, Reading
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.units import SECOND_US
from twin.world.books import Books, Line, compare, tell
from twin.world.faults import Distorter, Faults, Timed
from twin.world.service import Service
from twin.world.wiretap import Wiretap

START_US = 1_780_000_000 * SECOND_US
KEYS = {"k1": "street", "k2": "cameras"}


@cache
def city_map() -> SingleMap:
    return read_gmns(CITY / "network")[0]


class Book:
    """A service that only keeps accounts, and keeps them wrong when told so."""

    def __init__(self, accounts: dict[tuple[str, str], dict[str, int]]) -> None:
        self.accounts = accounts
        self.status = 202

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer), base_url="http://s")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(self.status, json={"rejected": 0})
        nothing = dict.fromkeys(("received", "applied", "duplicate", "late", "rejected"), 0)
        sources = [
            {"source": source, "topic": topic, **nothing, **counts}
            for (source, topic), counts in self.accounts.items()
        ]
        return httpx.Response(200, json={"sources": sources})


def reading(sensor: str, second: float, count: int = 3) -> bytes:
    moment = datetime_from_us(START_US + round(second * SECOND_US)).isoformat()
    body = {"id": f"{sensor}{second}", "sensor": sensor, "time": moment, "period_s": 60}
    return json.dumps({**body, "count": count}).encode()


def passage(gate: str, name: str, second: float) -> bytes:
    moment = datetime_from_us(START_US + round(second * SECOND_US)).isoformat()
    return json.dumps({"id": name, "gate": gate, "time": moment, "plate": "sealed"}).encode()


async def sent(book: Book, path: str, items: Iterable[bytes], *, key: str = "k1") -> Wiretap:
    tap = Wiretap(city_map(), KEYS)
    async with book.client() as client:
        tap.attach(client)
        await Service(client, key=key).send(path, list(items), tries=1)
    return tap


async def test_every_item_gets_the_verdict_of_the_published_rules() -> None:
    one, other = "A10-N-00.42", "L-G01G-ACC54-a"  # two regions: two watermarks
    tap = await sent(
        Book({}),
        "/readings",
        [
            reading(one, 0),
            reading(one, 0),
            reading(one, 0, count=4),
            reading(one, 601),
            reading(one, 0.5),
            reading(one, 1),
            reading(other, 0.5),
            reading(one, 0.5),
        ],
    )
    account = tap.accounts["street", "reading"]
    assert (account.posted, account.refused, account.in_doubt) == (8, 0, 0)
    assert account.expected == {"applied": 4, "duplicate": 2, "rejected": 1, "late": 1}


async def test_passages_are_late_sooner_and_their_text_does_not_count() -> None:
    items = [passage("G", "a", 0), passage("G", "b", 121), passage("G", "c", 0.9)]
    again = passage("G", "a", 0).replace(b"sealed", b"sealed another time")
    tap = await sent(Book({}), "/passages", [*items, again, passage("H", "a", 121)], key="k2")
    account = tap.accounts["cameras", "anpr.read"]
    assert account.expected == {"applied": 3, "late": 1, "duplicate": 1}


async def test_what_was_refused_or_got_no_answer_is_not_on_the_log() -> None:
    book = Book({})
    book.status = 422
    account = (await sent(book, "/readings", [reading("a", 0)])).accounts["street", "reading"]
    assert (account.posted, account.refused, account.in_doubt) == (0, 1, 0)
    book.status = 503
    account = (await sent(book, "/readings", [reading("a", 0)])).accounts["street", "reading"]
    assert (account.posted, account.refused, account.in_doubt) == (0, 0, 1)


def line(in_doubt: int = 0, **said: int) -> Line:
    expected = {"received": 10, "applied": 8, "duplicate": 1, "late": 1, "rejected": 0}
    return Line("street", "reading", expected, {**expected, **said}, in_doubt)


def test_nothing_may_differ_but_what_is_in_doubt() -> None:
    assert line().agrees
    assert not line(applied=9, late=0).agrees, "one verdict for another"
    assert not line(received=11, duplicate=2).agrees
    assert line(in_doubt=1, received=11, duplicate=2).agrees
    assert not line(in_doubt=5, received=11).agrees, "received, and no verdict"
    assert not line(received=9, applied=7).agrees
    assert Books((line(received=9, applied=7),), ()).difference == 2


async def test_a_lost_item_shows_in_the_sum_whoever_lost_it(tmp_path: Path) -> None:
    moment = datetime_from_us(START_US)
    items: list[Timed] = [
        Timed(
            START_US + second,
            Reading(id=f"r{second}", sensor="s", time=moment, period_s=60.0, count=1.0),
        )
        for second in range(200)
    ]
    items += [
        Timed(
            START_US + number,
            Passage(
                id=f"p{number}",
                gate="G1",
                time=moment,
                plate="0000AAA",
                confidence=0.9,
                direction=Direction.OUT,
            ),
        )
        for number in range(200)
    ]
    faults = Faults(seed=3, lost=0.1, duplicated=0.1, missing_exit=0.1, cloned=0.1)
    distorter = Distorter(faults, start_us=START_US, gates=("G1", "G2"))
    out = distorter.feed(items)
    said = {
        ("street", "reading"): {"received": sum(isinstance(i.event, Reading) for i in out)},
        ("cameras", "anpr.read"): {"received": sum(isinstance(i.event, Passage) for i in out)},
    }
    tap = Wiretap(city_map(), KEYS)
    for (source, topic), counts in said.items():
        account = (await sent(Book({}), "/readings", [])).accounts["street", "reading"]
        account = replace(account, posted=counts["received"], expected=Counter())
        account.expected["applied"] = counts["received"]
        counts["applied"] = counts["received"]
        tap.accounts[source, topic] = account
    books = await compared(said, tap, distorter)
    assert books.difference == 0
    assert {one.kind: one.posted - one.sent for one in books.devices} == {
        "reading": 0,
        "passage": 0,
    }
    assert all(distorter.kinds["passage"][name] for name in ("lost", "missing_exit", "cloned"))
    books.save(tmp_path / "books.json")
    assert json.loads((tmp_path / "books.json").read_text())["difference"] == 0
    said["street", "reading"]["received"] -= 1
    said["street", "reading"]["applied"] -= 1
    assert (await compared(said, tap, distorter)).difference == 2
    distorter.kinds["passage"]["made"] += 1
    assert (await compared(said, tap, distorter)).difference == 3


async def compared(said: Any, tap: Wiretap, distorter: Distorter) -> Books:
    async def no_pause(_: float) -> None:
        return

    async with Book(said).client() as client:
        return await compare(tap, distorter, client, key="k1", before={}, pause=no_pause)


async def test_a_service_that_does_not_tell_has_received_nothing() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(500))
    async with httpx.AsyncClient(transport=transport, base_url="http://s") as client:
        assert await tell(client, "k") == {}


@pytest.mark.parametrize("path", ["/street/status", "/incidents"])
async def test_other_topics_know_their_ids(path: str) -> None:
    body = json.dumps({"id": "x", "time": "2026-09-22T06:00:00Z"}).encode()
    tap = await sent(Book({}), path, [body, body])
    (account,) = tap.accounts.values()
    assert account.expected == {"applied": 1, "duplicate": 1}
