"""Events over HTTP: everything reaches the log, the answer counts, nothing leaks."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from api_house import House
from ingest_city import passage, reading
from twin.api.roles import Role
from twin.errors import BackendError
from twin.events import Passage
from twin.keys import Purpose
from twin.seal import is_sealed, unseal

JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
PLATE = "1234BCD"
SPELLINGS = re.compile("1234-?_? ?BCD", re.IGNORECASE)


async def test_one_reading(house: House) -> None:
    async with house.client(Role.INTEGRATOR) as client:
        answer = await client.post("/api/v1/readings", content=reading(), headers=JSON)
    assert answer.status_code == 202
    assert answer.json() == {"received": 1, "accepted": 1, "rejected": 0, "items": []}
    ((partition, value, headers),) = await house.records("reading")
    assert value == reading()
    assert partition == 0
    assert headers["source"] == "the integrator"


async def test_an_array_goes_to_the_partitions_of_its_sensors_in_order(house: House) -> None:
    sent = [reading(sensor, at_s=at) for at in (0, -60) for sensor in ("S1", "S2", "S3")]
    async with house.client(Role.INTEGRATOR) as client:
        body = b"[" + b" , ".join(sent) + b"]"
        answer = await client.post("/api/v1/readings", content=body, headers=JSON)
    assert answer.json()["received"] == 6
    found = await house.records("reading")
    assert [value for part, value, _ in found if part == 0] == [sent[0], sent[1], sent[3], sent[4]]
    assert [value for part, value, _ in found if part == 1] == [sent[2], sent[5]]


async def test_bad_items_are_named_and_still_reach_the_log(house: House) -> None:
    items = [
        reading(),
        reading(occupancy_pct=140),
        reading("S9"),
        reading(at_s=600.0),
        reading(time="2026-06-16T08:00:00"),
        b"17",
    ]
    body = b"[" + b",".join(items) + b"]"
    async with house.client(Role.INTEGRATOR) as client:
        answer = await client.post("/api/v1/readings", content=body, headers=JSON)
    found = answer.json()
    assert (found["received"], found["accepted"], found["rejected"]) == (6, 1, 5)
    by_index = {item["index"]: item for item in found["items"]}
    assert sorted(by_index) == [1, 2, 3, 4, 5]
    assert by_index[1]["id"] == "S1-0"
    assert by_index[1]["errors"][0]["field"] == "occupancy_pct"
    assert by_index[1]["errors"][0]["value"].startswith("140")
    assert by_index[2]["errors"][0]["value"] == "S9"
    assert by_index[3]["errors"][0]["reason"] == "future"
    values = [value for _, value, _ in await house.records("reading")]
    assert sorted(values) == sorted(items)


async def test_ndjson_with_a_broken_line(house: House) -> None:
    body = reading(at_s=0) + b"\r\n\n" + b'{"id": "x", ' + b"\n" + reading(at_s=-60)
    async with house.client(Role.INTEGRATOR) as client:
        answer = await client.post("/api/v1/readings", content=body, headers=NDJSON)
    found = answer.json()
    assert (found["received"], found["accepted"], found["rejected"]) == (3, 2, 1)
    assert found["items"][0]["index"] == 1
    assert len(await house.records("reading")) == 3


@pytest.mark.parametrize(("body", "media"), [(b"[]", JSON), (b"", NDJSON), (b"\n\n", NDJSON)])
async def test_nothing_is_nothing(house: House, body: bytes, media: dict[str, str]) -> None:
    async with house.client(Role.INTEGRATOR) as client:
        answer = await client.post("/api/v1/readings", content=body, headers=media)
    assert answer.json() == {"received": 0, "accepted": 0, "rejected": 0, "items": []}


@pytest.mark.parametrize(
    ("path", "topic", "body"),
    [
        (
            "incidents",
            "incident",
            {"id": "i", "link": "L0", "time": "2026-06-16T08:00:00Z", "kind": "works"},
        ),
        (
            "street/status",
            "street.status",
            {
                "id": "s",
                "junction": "J1",
                "time": "2026-06-16T08:00:00Z",
                "since": "2026-06-16T07:59:50Z",
                "stage": "1",
                "mode": "own_plan",
            },
        ),
        (
            "street/acknowledgements",
            "street.ack",
            {
                "id": "a",
                "decision": "d",
                "device": "J1",
                "time": "2026-06-16T08:00:00Z",
                "accepted": True,
            },
        ),
    ],
)
async def test_the_other_events(house: House, path: str, topic: str, body: dict[str, Any]) -> None:
    async with house.client(Role.INTEGRATOR) as client:
        if path == "incidents":
            answer = await client.post(f"/api/v1/{path}", json=body)
        else:
            key = {"Authorization": f"Bearer {house.keys[Role.GATE]}"}
            answer = await client.post(f"/api/v1/{path}", json=body, headers=key)
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == 1, answer.text
    ((_, value, _),) = await house.records(topic)
    assert json.loads(value) == body


async def test_a_plate_is_sealed_before_the_log_and_opens_again(house: House) -> None:
    async with house.client(Role.GATE) as client:
        answer = await client.post("/api/v1/passages", content=passage(PLATE), headers=JSON)
    assert answer.json()["accepted"] == 1
    ((_, value, headers),) = await house.records("anpr.read")
    assert headers["source"] == "the gate"
    kept = msgspec.json.decode(value, type=Passage)
    assert is_sealed(kept.plate)
    key = house.served.keys[Purpose.TRANSPORT]
    assert unseal(kept.plate, key=key, context=kept.id) == PLATE


CANARIES = [
    passage(PLATE),
    passage(PLATE, confidence=7),
    passage(PLATE, gate="G9"),
    passage(PLATE, direction="sideways"),
    passage(PLATE, at_s=900.0),
    passage(PLATE, note="1234 bcd"),
    passage(PLATE, **{PLATE: 1}),
    passage(["1234-BCD"]),
    passage({"text": PLATE}),
    passage(..., licence=PLATE),
    passage(PLATE, id=...),
    passage(1234, id=PLATE, gate=PLATE, direction=PLATE),
    b'"1234BCD"',
    b'{"plate": "1234BCD", ',
]


@pytest.mark.parametrize("item", CANARIES)
@pytest.mark.parametrize("form", ["one", "array", "lines"])
async def test_no_plate_stands_on_the_log_or_in_an_answer(
    house: House, item: bytes, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    media = NDJSON if form == "lines" else JSON
    body = {"one": item, "array": b"[" + item + b"]", "lines": item + b"\n"}[form]
    async with house.client(Role.GATE) as client:
        answer = await client.post("/api/v1/passages", content=body, headers=media)
        again = await client.get("/api/v1/nothing")
    assert answer.status_code in (202, 400, 422)
    shown = [answer.text, str(answer.headers), again.text, caplog.text]
    shown += [
        value.decode() + str(headers) for _, value, headers in await house.records("anpr.read")
    ]
    for text in shown:
        assert not SPELLINGS.search(text), text
    if answer.status_code == 202:
        assert len(await house.records("anpr.read")) == 1


@pytest.mark.parametrize("path", ["readings", "passages"])
async def test_a_log_that_is_away_acknowledges_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def away(*_: object, **__: object) -> int:
        message = "no broker at 127.0.0.1:9092"
        raise BackendError(message)

    monkeypatch.setattr(house.served.log, "append", away)
    sent = {"readings": reading(), "passages": passage(PLATE)}[path]
    async with house.client(Role.INTEGRATOR) as client:
        answer = await client.post(f"/api/v1/{path}", content=sent, headers=JSON)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert "received" not in answer.json()
    assert not SPELLINGS.search(answer.text)


async def test_the_answer_comes_after_the_append(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    append = house.served.log.append

    async def slow(*arguments: Any, **named: Any) -> int:
        offset = await append(*arguments, **named)
        order.append("durable")
        return offset

    monkeypatch.setattr(house.served.log, "append", slow)
    async with house.client(Role.INTEGRATOR) as client:
        await client.post("/api/v1/readings", content=reading(), headers=JSON)
        order.append("answered")
    assert order == ["durable", "answered"]


DEEP = b'{"id":"q","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"


@pytest.mark.parametrize("path", ["readings", "passages", "incidents"])
@pytest.mark.parametrize(
    ("body", "headers", "refused"),
    [
        (DEEP, JSON, [0]),
        (b'[{"id":"]},"},' + DEEP + b" , 17 ]", JSON, [0, 1, 2]),
        (b'{"id":"a"}\n' + DEEP, NDJSON, [0, 1]),
    ],
)
async def test_an_item_nested_too_deeply_is_refused_alone(
    house: House, path: str, body: bytes, headers: dict[str, str], refused: list[int]
) -> None:
    async with house.client(Role.INTEGRATOR) as client:
        answer = await client.post(f"/api/v1/{path}", content=body, headers=headers)
    assert answer.status_code == 202
    items = {item["index"]: item["errors"][0] for item in answer.json()["items"]}
    assert sorted(items) == refused
    assert "undecodable" in {error["reason"] for error in items.values()}


async def test_the_answer_knows_how_far_ahead_an_event_may_be(house: House) -> None:
    house.served.future_s = 60.0
    async with house.client(Role.INTEGRATOR) as client:
        answer = await client.post("/api/v1/readings", content=reading(at_s=45.0), headers=JSON)
    assert answer.json()["rejected"] == 0
