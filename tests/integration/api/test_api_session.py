"""Coming in by a link: once, by cookie, from our own pages only."""

from __future__ import annotations

import pytest

from api_house import HOST, NOW_US, House, Line, picture, proposal, scope_of
from twin.api.roles import Role
from twin.api.session import SESSION_S
from twin.clock import ManualClock
from twin.store import people
from twin.units import SECOND_US

ACT = {"reason": "seen on the camera", "seen_version": 1}


async def come_in(house: House, role: Role = Role.OPERATOR) -> str:
    """Use a login link; return the cookie's value."""
    code = await people.create_login_link(
        house.served.database, name="Ana", role=str(role), expires_us=NOW_US + 60 * SECOND_US
    )
    async with house.client() as client:
        answer = await client.get(f"/api/v1/login?code={code}")
        again = await client.get(f"/api/v1/login?code={code}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert again.status_code == 401
    assert code not in again.text
    return str(answer.cookies["twin_session"])


def with_cookie(secret: str, **headers: str) -> dict[str, str]:
    return {"Cookie": f"twin_session={secret}", **headers}


async def test_a_link_opens_one_session_and_logout_ends_it(house: House) -> None:
    secret = await come_in(house)
    async with house.client() as client:
        me = await client.get("/api/v1/me", headers=with_cookie(secret))
        assert me.json() == {"name": "Ana", "role": "operator"}
        out = await client.post("/api/v1/logout", headers=with_cookie(secret, Origin=HOST))
        assert out.status_code == 204
        after = await client.get("/api/v1/me", headers=with_cookie(secret))
    assert after.status_code == 401


async def test_a_session_ends_by_the_wall_clock(house: House) -> None:
    secret = await come_in(house)
    house.clock.advance_to(NOW_US + 100 * SESSION_S * SECOND_US)  # a fast replay
    async with house.client() as client:
        assert (await client.get("/api/v1/me", headers=with_cookie(secret))).status_code == 200
        wall = house.served.wall
        assert isinstance(wall, ManualClock)
        wall.advance_to(NOW_US + SESSION_S * SECOND_US)
        assert (await client.get("/api/v1/me", headers=with_cookie(secret))).status_code == 401


@pytest.mark.parametrize("origin", [None, "http://evil.test", "null", "", "http://twin.test.evil"])
async def test_another_sites_page_cannot_act(house: House, origin: str | None) -> None:
    house.served.board.publish(picture(house.served.network, decisions=(proposal(),)))
    secret = await come_in(house)
    headers = with_cookie(secret, **({} if origin is None else {"Origin": origin}))
    async with house.client() as client:
        answer = await client.post("/api/v1/decisions/p-1/approve", json=ACT, headers=headers)
        seen = await client.get("/api/v1/decisions", headers=headers)
    assert answer.status_code == 403
    assert "Origin" in answer.json()["detail"]
    assert seen.status_code == 200
    assert await house.records("act") == []


async def test_our_own_page_can(house: House) -> None:
    house.served.board.publish(picture(house.served.network, decisions=(proposal(),)))
    secret = await come_in(house)
    async with house.client() as client:
        headers = with_cookie(secret, Origin=HOST)
        answer = await client.post("/api/v1/decisions/p-1/approve", json=ACT, headers=headers)
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("origin", "first"), [(HOST, "websocket.accept"), ("http://evil.test", "websocket.close")]
)
async def test_the_stream_by_cookie_checks_the_origin(
    house: House, origin: str, first: str
) -> None:
    secret = await come_in(house)
    headers = {"host": "twin.test", "origin": origin, "cookie": f"twin_session={secret}"}
    line = Line(house.app, scope_of("/api/v1/stream", headers=headers))
    await line.send(type="websocket.connect")
    assert (await line.receive())["type"] == first
    await line.close()


async def test_an_invented_session_is_refused(house: House) -> None:
    async with house.client() as client:
        answer = await client.get("/api/v1/me", headers=with_cookie("x" * 43))
    assert answer.status_code == 401
