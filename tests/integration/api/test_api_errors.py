"""Every error is a problem document that names field, value and rule."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api_house import House, picture
from twin.api.bodies import MOST_BYTES, MOST_ITEM_BYTES, MOST_ITEMS
from twin.api.roles import Role
from twin.errors import BackendError
from twin.ingest.health import WorkerHealth


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["instance"] == answer.request.url.path
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/health/else", "/api/v1/picture/", "/a.js"])
async def test_unknown_addresses(house: House, path: str) -> None:
    async with house.client(Role.VIEWER) as client:
        problem(await client.get(path), 404)


async def test_another_method(house: House) -> None:
    async with house.client(Role.VIEWER) as client:
        answer = await client.delete("/api/v1/picture")
    problem(answer, 405)
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/decisions?limit=0", "limit"),
        ("/api/v1/decisions?kind=weather", "kind"),
        ("/api/v1/decisions?state=half", "state"),
        ("/api/v1/corridors/R1/timespace?minutes=1441", "minutes"),
        ("/api/v1/picture/measured?at=2026-06-16", "at"),
        ("/api/v1/picture/measured?at=2026-06-16T08:00:00", "at"),
        ("/api/v1/picture/measured?at=1781596800", "at"),
        ("/api/v1/gates/events?limit=ten", "limit"),
    ],
)
async def test_parameters_are_named_with_value_and_rule(
    house: House, path: str, field: str
) -> None:
    house.served.board.publish(picture(house.served.network))
    async with house.client(Role.OPERATOR) as client:
        document = problem(await client.get(path), 422)
    (error,) = document["errors"]
    assert error["field"] == field
    assert error["value"] == path.rpartition("=")[2]
    assert error["rule"]
    assert error["reason"]


async def test_unknown_things_are_named(house: House) -> None:
    house.served.board.publish(picture(house.served.network))
    async with house.client(Role.OPERATOR) as client:
        for path, field, value in (
            ("/api/v1/picture?link=L0&link=L9", "link", "L9"),
            ("/api/v1/forecast?link=L9", "link", "L9"),
            ("/api/v1/corridors/A9/timespace", "road", "A9"),
            ("/api/v1/decisions/d9", "decision", "d9"),
            ("/api/v1/network/v9/links", "version", "v9"),
            (f"/api/v1/network/{house.served.network.version}/roofs", "layer", "roofs"),
        ):
            (error,) = problem(await client.get(path), 404)["errors"]
            assert (error["field"], error["value"]) == (field, value)


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"{broken", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[1, 2", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"a":' * 100_000, "application/json", 400),
        (b"5", "application/json", 422),
        (b"null", "application/json", 422),
        (b'"text"', "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"{}", "application/x-www-form-urlencoded", 415),
        (b"[" + b" " * MOST_BYTES + b"]", "application/json", 413),
        (b'[{"id": "' + b"x" * MOST_ITEM_BYTES + b'"}]', "application/json", 413),
        (b"[" + b",".join([b"1"] * (MOST_ITEMS + 1)) + b"]", "application/json", 413),
    ],
)
async def test_bodies_that_cannot_be_taken(
    house: House, body: bytes, media: str, status: int
) -> None:
    async with house.client(Role.INTEGRATOR) as client:
        for path in ("/api/v1/readings", "/api/v1/passages"):
            answer = await client.post(path, content=body, headers={"Content-Type": media})
            problem(answer, status)
    assert await house.records("reading") == []
    assert await house.records("anpr.read") == []


async def test_a_compressed_body_is_refused(house: House) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with house.client(Role.INTEGRATOR) as client:
        problem(await client.post("/api/v1/readings", content=b"{}", headers=headers), 415)


async def test_a_body_of_another_form_is_named(house: House) -> None:
    async with house.client(Role.OPERATOR) as client:
        path = "/api/v1/decisions/x/approve"
        short = problem(await client.post(path, json={"reason": "no", "seen_version": 1}), 422)
        missing = problem(await client.post(path, json={"reason": "long enough indeed"}), 422)
        beside = problem(
            await client.post(path, json={"reason": "long enough", "seen_version": 1, "x": 2}), 422
        )
    assert short["errors"][0]["field"] == "reason"
    assert short["errors"][0]["value"] == "no"
    assert missing["errors"][0]["field"] == "seen_version"
    assert missing["errors"][0]["value"] == "(missing)"
    assert beside["errors"][0]["field"] == "x"


async def test_nothing_yet_is_503_and_not_an_empty_picture(house: House) -> None:
    async with house.client(Role.VIEWER) as client:
        problem(await client.get("/api/v1/picture"), 503)
        problem(await client.get("/api/v1/forecast"), 503)


async def test_a_fault_of_ours_is_a_problem_without_its_inside(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> WorkerHealth:
        message = "secret inside"
        raise RuntimeError(message)

    house.served.worker_health = broken
    async with house.client() as client:
        answer = await client.get("/health/ready", headers={"X-Request-ID": "mine-1"})
    document = problem(answer, 500)
    assert document["request_id"] == "mine-1"
    assert "secret inside" not in answer.text
    assert "secret inside" in caplog.text
    assert "mine-1" in [getattr(record, "request_id", "") for record in caplog.records]


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>"])
async def test_a_strange_request_id_is_replaced(house: House, given: str) -> None:
    async with house.client() as client:
        answer = await client.get("/health/live", headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 16


async def test_the_database_away_is_503(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        message = "no answer from db.example:5432"
        raise BackendError(message)

    monkeypatch.setattr(house.served.database, "read", away)
    async with house.client(Role.VIEWER) as client:
        answer = await client.get("/api/v1/accounting")
    assert "db.example" in problem(answer, 503)["detail"]
    assert answer.headers["retry-after"] == "2"
