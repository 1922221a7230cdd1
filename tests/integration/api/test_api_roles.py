"""Who may do what: every route with every role, generated from the table."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from api_house import HOST, House, Line, picture, scope_of
from twin.api import roles
from twin.api.application import ENDPOINTS, check_table, create_api
from twin.api.roles import MATRIX, Role, allowed, may
from twin.api.routes import Endpoint, register

HTTP = sorted(key for key in MATRIX if key[0] != "WS")
WHO = [None, *Role]


def address(path: str) -> str:
    filled = path.replace("{page:path}", "map")
    for name in ("version", "layer", "road", "decision_id", "letter_id"):
        filled = filled.replace(f"{{{name}}}", "x")
    return filled


def test_the_table_and_the_routes_are_the_same_set(house: House) -> None:
    check_table(house.app.routes)
    assert {(row.method, row.full_path) for row in ENDPOINTS} == set(MATRIX)


def test_a_route_without_a_row_stops_the_start() -> None:
    async def secret() -> None:
        """Answer nothing."""

    row = Endpoint(method="GET", path="/secret", handler=secret, summary="x", tag="x")
    with pytest.raises(KeyError, match="GET /api/v1/secret has no row"):
        register(FastAPI(), [row])


def test_a_route_added_beside_the_table_stops_the_start(house: House) -> None:
    app = create_api(house.served)
    app.add_api_route("/beside", lambda: None)
    with pytest.raises(KeyError, match="/beside"):
        check_table(app.routes)


def test_the_table_itself() -> None:
    """Rows that a change must not loosen unnoticed."""
    approve = allowed("POST", "/api/v1/decisions/{decision_id}/approve")
    assert approve == frozenset({Role.OPERATOR})
    assert allowed("POST", "/api/v1/authorisations") == frozenset({Role.ACCESS_CLERK})
    assert allowed("POST", "/api/v1/passages") == frozenset({Role.GATE, Role.INTEGRATOR})
    assert not may(Role.PLANNER, allowed("GET", "/api/v1/gates/events"))
    open_to_all = {path for (_, path), row in MATRIX.items() if row is roles.ANYONE}
    assert open_to_all == {
        "/health/live",
        "/health/ready",
        "/metrics",
        "/api/v1/openapi.json",
        "/api/v1/asyncapi.json",
        "/api/v1/login",
        "/{page:path}",
    }


@pytest.mark.parametrize("role", WHO, ids=lambda role: str(role) if role else "anonymous")
async def test_every_route_with_every_role(house: House, role: Role | None) -> None:
    house.served.board.close()  # the endless answers end at once
    house.served.board.publish(picture(house.served.network))
    async with house.client(role) as client:
        for method, path in HTTP:
            answer = await client.request(method, address(path))
            open_to_all = MATRIX[method, path] is None
            if open_to_all or (role is not None and may(role, MATRIX[method, path])):
                # a login without a code is a 422: the guard let it through
                assert answer.status_code not in (401, 403), (method, path, role)
                continue
            assert answer.status_code == (403 if role else 401), (method, path, role)
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("role", WHO, ids=lambda role: str(role) if role else "anonymous")
async def test_the_stream_with_every_role(house: House, role: Role | None) -> None:
    headers = {"host": "twin.test"}
    if role is not None:
        headers["authorization"] = f"Bearer {house.keys[role]}"
    line = Line(house.app, scope_of("/api/v1/stream", headers=headers))
    await line.send(type="websocket.connect")
    first = await line.receive()
    good = role is not None and may(role, MATRIX["WS", "/api/v1/stream"])
    assert first["type"] == ("websocket.accept" if good else "websocket.close")
    await line.close()


async def test_a_guard_stands_before_the_body_is_looked_at(house: House) -> None:
    async with house.client(Role.VIEWER) as client:
        answer = await client.post("/api/v1/readings", content=b"{broken")
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith("The role viewer may not do this")


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer twk_x_y", "Basic dXNlcjpwYXNz", "twk_a_b", "Bearer twk_é_é"],
)
async def test_what_is_no_key_is_refused(house: House, header: str) -> None:
    raw = [(b"authorization", header.encode("latin-1"))]
    async with house.client() as client:
        answer = await client.get("/api/v1/me", headers=raw)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "twk_x" not in answer.text


async def test_a_key_with_another_secret_is_refused(house: House) -> None:
    key = house.keys[Role.VIEWER]
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    async with house.client() as client:
        good = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {key}"})
        bad = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {wrong}"})
    assert good.json() == {"name": "the viewer", "role": "viewer"}
    assert bad.status_code == 401
    assert good.request.url.host in HOST
