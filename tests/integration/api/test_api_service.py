"""Health, metrics, accounting, dead letters, authorisations, and the console's files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api_house import NOW_US, House, picture
from ingest_city import passage, reading
from twin.api.roles import Role
from twin.errors import BackendError
from twin.events import Authorisation, Passage, Topic
from twin.keys import Purpose
from twin.log.contract import Place
from twin.seal import Plate, is_sealed, token
from twin.store import audit
from twin.store.commit import assign, write_commit
from twin.store.records import Commit, DeadLetter, Tally
from twin.units import SECOND_US

PLATE = "1234BCD"


async def commit(house: House, **parts: Any) -> None:
    place = Place("test", 0)
    _, epochs = await assign(house.served.database, [place], "test")
    done = Commit(epochs=epochs, positions={place: 1}, **parts)
    await write_commit(house.served.database, done)


async def ready(house: House) -> tuple[int, list[str]]:
    async with house.client() as client:
        answer = await client.get("/health/ready")
        assert (await client.get("/health/live")).json() == {"status": "alive"}
    document = answer.json()
    assert document["ready"] is (answer.status_code == 200)
    return answer.status_code, document["reasons"]


async def test_ready_when_everything_works(house: House) -> None:
    assert await ready(house) == (503, ["there is no picture yet"])
    house.served.board.publish(picture(house.served.network))
    assert await ready(house) == (200, [])


async def test_not_ready_says_why(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.served.board.publish(picture(house.served.network))
    worker = house.worker
    assert worker is not None
    house.worker = None
    assert await ready(house) == (503, ["the worker has not started"])
    house.worker = replace(worker, problem="commit: no answer from 10.0.0.9")
    assert await ready(house) == (503, ["the worker waits: commit: no answer from 10.0.0.9"])
    house.worker = replace(worker, state="starting")
    assert await ready(house) == (503, ["the worker is starting"])
    house.worker = worker

    async def away(*_: object) -> dict[Place, int]:
        message = "no broker"
        raise BackendError(message)

    @asynccontextmanager
    async def gone() -> AsyncIterator[None]:
        message = "no database"
        raise BackendError(message)
        yield

    monkeypatch.setattr(house.served.log, "end_offsets", away)
    monkeypatch.setattr(house.served.database, "read", gone)
    assert await ready(house) == (
        503,
        ["the log is away: no broker", "the database is away: no database"],
    )


TALLY = Tally(
    "the integrator", "reading", received=10, applied=6, revised=1, duplicate=2, late=1,
    rejected=1, reasons={"future": 1},
)  # fmt: skip


async def test_accounting(house: House) -> None:
    await commit(house, tallies=(TALLY,))
    async with house.client(Role.VIEWER) as client:
        found = (await client.get("/api/v1/accounting")).json()
    assert found["balanced"] is True
    assert found["received"] == 10
    (source,) = found["sources"]
    assert source["reasons"] == {"future": 1}
    assert found["applied"] + found["duplicate"] + found["late"] + found["rejected"] == 10


async def test_accounting_that_does_not_balance_says_so(house: House) -> None:
    await commit(house, tallies=(TALLY._replace(received=11),))
    async with house.client(Role.VIEWER) as client:
        assert (await client.get("/api/v1/accounting")).json()["balanced"] is False


async def test_metrics_are_what_prometheus_reads(house: House) -> None:
    assert house.worker is not None
    house.worker = replace(
        house.worker, requests_refused=5, junction_findings=2, decisions_dropped=1
    )
    await commit(house, tallies=(TALLY,))
    house.served.board.publish(picture(house.served.network))
    house.clock.advance_to(NOW_US + 5 * SECOND_US)
    async with house.client() as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["twin_ready",] == 1.0
    assert samples["twin_events_total", "applied", "reading", "the integrator"] == 6.0
    assert samples["twin_events_rejected_total", "future", "reading", "the integrator"] == 1.0
    assert samples["twin_lag_records", "reading/0"] == 3.0
    assert samples["twin_picture_age_seconds",] == 5.0
    assert samples["twin_forecast_age_seconds",] == 5.0
    assert samples["twin_commit_age_seconds",] == 5.0
    assert samples["twin_links", "A"] == 3.0
    assert samples["twin_forecasts_total",] == 1.0
    assert samples["twin_signal_requests_refused_total",] == 5.0
    assert samples["twin_junction_findings",] == 2.0
    assert samples["twin_stored_stages_dropped_total",] == 1.0


def letter(topic: Topic, payload: bytes | None) -> DeadLetter:
    return DeadLetter(
        id="l-1",
        place=Place(topic.value, 0),
        offset=3,
        arrival_us=NOW_US,
        source="the integrator",
        reason="invalid",
        faults=(("speed_kph", "-3", "is not negative"),),
        payload=payload,
    )


async def replay(house: House, body: dict[str, Any]) -> Any:
    async with house.client(Role.ADMINISTRATOR) as client:
        return await client.post("/api/v1/deadletters/l-1/replay", json=body)


async def test_a_dead_letter_is_listed_read_mended_and_replayed(house: House) -> None:
    await commit(house, dead_letters=(letter(Topic.READING, reading(speed_kph=-3)),))
    async with house.client(Role.AUDITOR) as client:
        (listed,) = (await client.get("/api/v1/deadletters?reason=invalid")).json()["deadletters"]
        assert (await client.get("/api/v1/deadletters?reason=future")).json() == {"deadletters": []}
        one = (await client.get("/api/v1/deadletters/l-1")).json()
    assert listed == one
    assert one["errors"] == [{"field": "speed_kph", "value": "-3", "rule": "is not negative"}]
    assert one["state"] == "open"
    mended = json.loads(reading("S3"))
    answer = await replay(house, {"payload": mended})
    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["changed_by"]) == (
        "replayed",
        "the administrator",
    )
    ((partition, value, headers),) = await house.records("reading")
    assert json.loads(value) == mended
    assert partition == 1
    assert headers["source"] == "the integrator"
    again = await replay(house, {})
    assert again.status_code == 409
    assert [row.act for row in await audit.list_entries(house.served.database)] == [
        "deadletter.replay"
    ]


async def test_a_dead_letter_is_replayed_as_it_was_kept(house: House) -> None:
    await commit(house, dead_letters=(letter(Topic.READING, reading()),))
    assert (await replay(house, {})).status_code == 202
    ((_, value, _),) = await house.records("reading")
    assert value == reading()


async def test_a_mended_passage_is_sealed(house: House) -> None:
    await commit(house, dead_letters=(letter(Topic.ANPR_READ, None),))
    unkept = await replay(house, {})
    assert unkept.status_code == 409
    assert unkept.json()["errors"][0]["field"] == "payload"
    answer = await replay(house, {"payload": json.loads(passage(PLATE))})
    assert answer.status_code == 202
    assert PLATE not in answer.text
    ((_, value, _),) = await house.records("anpr.read")
    assert is_sealed(msgspec.json.decode(value, type=Passage).plate)


RIGHT: dict[str, Any] = {
    "authorisation": "R-1",
    "profile": "RESIDENT",
    "zone": "Z1",
    "plates": [{"country": "E", "plate": "1234-bcd"}],
    "valid_from": "2026-01-01T00:00:00+01:00",
}


async def authorise(house: House, body: Any) -> Any:
    async with house.client(Role.ACCESS_CLERK) as client:
        return await client.post("/api/v1/authorisations", json=body)


async def test_plates_become_tokens_before_the_log(house: House) -> None:
    answer = await authorise(house, [RIGHT])
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1
    ((_, value, headers),) = await house.records("authorisation")
    event = msgspec.json.decode(value, type=Authorisation)
    key = house.served.keys[Purpose.ACCESS]
    assert event.tokens == (token(Plate("ES", PLATE), key=key),)
    assert (event.by, headers["source"]) == ("the access_clerk", "the access_clerk")
    assert b"1234" not in value


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"zone": "Z9"}, 202, "zone"),
        ({"valid_to": "2025-01-01T00:00:00Z"}, 202, "valid_to"),
        ({"plates": [{"country": "ES", "plate": "-"}]}, 202, "plates[0].plate"),
        ({"plates": []}, 422, "[0].plates"),
        ({"plates": [PLATE]}, 422, "[0].plates[0]"),
        ({"plates": [{"plate": PLATE}]}, 422, "[0].plates[0].country"),
        ({"valid_from": "2026-01-01"}, 422, "[0].valid_from"),
        ({PLATE: 1}, 422, "[0]"),
        ({"authorisation": 7}, 422, "[0].authorisation"),
    ],
)
async def test_a_wrong_right_is_named_without_its_plate(
    house: House, change: dict[str, Any], status: int, field: str
) -> None:
    answer = await authorise(house, [{**RIGHT, **change}])
    assert answer.status_code == status
    document = answer.json()
    errors = document["items"][0]["errors"] if status == 202 else document["errors"]
    assert errors[0]["field"] == field
    assert PLATE not in answer.text
    assert "1234" not in answer.text
    assert await house.records("authorisation") == []


async def test_without_a_built_console_there_is_a_plain_page(house: House) -> None:
    async with house.client() as client:
        first = await client.get("/")
        other = await client.get("/corridor/R1")
        missing = await client.get("/assets/app.js")
    assert first.status_code == other.status_code == 200
    assert "make console" in first.text
    assert missing.status_code == 404


async def test_the_console_is_served_with_its_policy(house: House) -> None:
    folder = house.served.console
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>console</title>")
    (folder / "assets" / "app-1a2b.js").write_text("export {}")
    (folder.parent / "secret.txt").write_text("outside")
    async with house.client() as client:
        first = await client.get("/")
        screen = await client.get("/corridor/R1")
        script = await client.get("/assets/app-1a2b.js")
        outside = await client.get("/%2e%2e/secret.txt")
        link = await client.get("/..%2fsecret.txt")
    assert first.text == screen.text == "<title>console</title>"
    assert first.headers["cache-control"] == "no-cache"
    policy = first.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert first.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in script.headers["cache-control"]
    assert script.headers["content-type"].startswith("text/javascript")
    assert "outside" not in outside.text + link.text
