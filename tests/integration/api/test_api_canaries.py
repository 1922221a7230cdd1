"""Plates in every wrong place, over HTTP and through the worker: none is found anywhere after."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from api_house import House
from ingest_city import passage, reading
from ingest_house import QUIET, fresh_live
from twin.api.roles import Role
from twin.events import Topic
from twin.ingest.worker import Worker
from twin.keys import Key, Purpose
from twin.log.contract import Place
from twin.seal import seal
from twin.store import deadletters

JSON = {"Content-Type": "application/json"}
CANARY = re.compile(r"QQ[0-9]{2}AAA")


def twice(first: str, second: str) -> bytes:
    """Write a passage in which the key `plate` stands twice."""
    return passage(first, id="twice")[:-1] + f',"plate":"{second}"}}'.encode()


def wrong_places(key: Key) -> list[bytes]:
    """Make a refused passage for every place in which a plate may stand by mistake."""
    real = seal("QQ00AAA", key=key, context="P-0")
    return [
        passage("QQ01AAA", id="QQ03AAA", gate="G9"),
        passage("QQ01AAA", gate="QQ02AAA"),
        passage("QQ01AAA", country="QQ06AAA"),
        passage("QQ01AAA", direction="QQ07AAA"),
        passage("QQ01AAA", time="QQ08AAA"),
        passage("QQ01AAA", confidence="QQ09AAA"),
        passage("QQ01AAA", id="QQ03AAA", confidence=7, track="QQ05AAA", source="QQ04AAA"),
        passage("QQ01AAA", track="QQ05AAA" * 10),
        passage("QQ01AAA", QQ10AAA="QQ10AAA"),
        twice("QQ14AAA", "sealed1.a.b"),
        passage("sealed1.x.QQ15AAA", id="QQ03AAA"),
        passage(f"sealed1.{key.id}.QQ15AAA"),
        passage(real + "QQ15AAA="),
        passage(real, id="another"),
        b'{"sealed_whole":"QQ16AAA"}',
        b'{"sealed_whole":"sealed1.x.QQ16AAA"}',
    ]


def right_places() -> list[bytes]:
    """Make accepted passages that say a plate more often than they should."""
    return [
        passage("QQ01AAA", id="a", track="QQ05AAA", source="QQ04AAA"),
        passage("QQ01AAA", id="b", track="QQ05AAA"),
        twice("QQ14AAA", ""),
    ]


def written(folder: Path) -> list[str]:
    """Read the files of log and database, byte by byte."""
    return [file.read_bytes().decode("latin-1") for file in folder.glob("house.db*")]


async def work(house: House) -> None:
    """Let a worker take everything that is on the log."""
    served = house.served
    worker = Worker(
        network=served.network,
        live=fresh_live(served.network),
        log=served.log,
        database=served.database,
        clock=house.clock,
        policy=QUIET,
        keys=served.keys,
        on_picture=lambda _: None,
        on_decisions=lambda _: None,
    )
    places = [
        Place(topic.value, part)
        for topic in Topic
        if topic not in {Topic.DECISION, Topic.TICK}
        for part in range(served.topics.partitions(topic))
    ]
    await worker.run_until(await served.log.end_offsets(places), on_batch=house.clock.advance_to)
    await worker.close()


async def test_no_canary_is_found_anywhere(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    wrong = wrong_places(house.served.keys[Purpose.TRANSPORT])
    right = right_places()
    body = b"[" + b",".join([*wrong, *right]) + b"]"
    async with house.client(Role.GATE) as client:
        answer = await client.post("/api/v1/passages", content=body, headers=JSON)
    found = answer.json()
    assert (found["accepted"], found["rejected"]) == (len(right), len(wrong))
    assert {item["id"] for item in found["items"]} == {""}
    await work(house)
    shown = [answer.text, str(answer.headers), caplog.text]
    async with house.client(Role.ADMINISTRATOR) as client:
        for path in ("/api/v1/accounting", "/metrics", "/api/v1/deadletters"):
            page = await client.get(path)
            assert page.status_code == 200, path
            shown.append(page.text)
    shown += [f"{value!r} {said}" for _, value, said in await house.records("anpr.read")]
    shown += written(tmp_path)
    for text in shown:
        assert CANARY.findall(text) == []
    kept = await deadletters.list_letters(house.served.database, limit=100)
    assert len(kept) == len(wrong)
    assert all(stored.letter.payload is not None for stored in kept)


async def test_the_answer_and_the_worker_give_the_same_reasons(house: House) -> None:
    wrong = wrong_places(house.served.keys[Purpose.TRANSPORT])
    async with house.client(Role.GATE) as client:
        body = b"[" + b",".join(wrong) + b"]"
        answer = await client.post("/api/v1/passages", content=body, headers=JSON)
    await work(house)
    kept = await deadletters.list_letters(house.served.database, limit=100)
    by_offset = {stored.letter.offset: stored.letter for stored in kept}
    for item in answer.json()["items"]:
        assert by_offset[item["index"]].reason in {error["reason"] for error in item["errors"]}
    assert {"unknown_gate", "seal_key_unknown", "seal_broken"} <= {
        letter.reason for letter in by_offset.values()
    }


async def test_the_sender_is_the_key_whatever_the_body_says(house: House) -> None:
    async with house.client(Role.INTEGRATOR) as client:
        for path, item in (
            ("readings", reading(source="QQ04AAA")),
            ("passages", passage(source="QQ04AAA")),
            ("incidents", None),
        ):
            told = {"id": "i", "link": "L0", "time": "2026-06-16T08:00:00Z", "kind": "works"}
            content = item or json.dumps({**told, "source": "QQ04AAA"}).encode()
            answer = await client.post(f"/api/v1/{path}", content=content, headers=JSON)
            assert answer.json()["accepted"] == 1, answer.text
    await work(house)
    async with house.client(Role.ADMINISTRATOR) as client:
        told = (await client.get("/api/v1/accounting")).json()
        numbers = (await client.get("/metrics")).text
    assert {entry["source"] for entry in told["sources"]} == {"the integrator"}
    assert len(told["sources"]) == 3
    assert "QQ04AAA" not in numbers
