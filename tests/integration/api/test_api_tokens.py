"""Bearer tokens of an identity provider, over real HTTP, with real keys."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api_house import HOST, House, Line, proposal, scope_of
from oidc_issuer import AUDIENCE, Provider, ec_key, rsa_key, running
from twin.api.issuer import ASK_AGAIN_US, FRESH_US, KEPT_US, Issuer
from twin.api.roles import API, Role
from twin.api.tokens import TokenRules
from twin.clock import ManualClock
from twin.units import SECOND_US


@pytest.fixture
def provider(house: House) -> Iterator[Provider]:
    """Serve an identity provider that the house knows."""
    with running() as found:
        house.served.tokens = Issuer(TokenRules(issuer=found.issuer, audience=AUDIENCE))
        yield found


def wall(house: House) -> ManualClock:
    assert isinstance(house.served.wall, ManualClock)
    return house.served.wall


def now_s(house: House) -> float:
    return wall(house).now_us() / SECOND_US


async def ask(house: House, token: str, path: str = f"{API}/me") -> httpx.Response:
    async with house.client(Authorization=f"Bearer {token}") as client:
        return await client.get(path)


async def reason(house: House, token: str) -> tuple[int, str]:
    answer = await ask(house, token)
    assert answer.headers["content-type"].startswith("application/problem+json")
    errors = answer.json()["errors"]
    return answer.status_code, errors[0]["reason"] if errors else ""


async def test_a_good_token_is_its_subject_with_its_role(house: House, provider: Provider) -> None:
    answer = await ask(house, provider.token(now_s(house)))
    assert (answer.status_code, answer.json()) == (200, {"name": "oidc:ana", "role": "operator"})
    provider.keys["e1"] = ec_key("e1")
    wall(house).advance_to(wall(house).now_us() + ASK_AGAIN_US)
    assert (await ask(house, provider.token(now_s(house), kid="e1"))).status_code == 200


async def test_roles_are_those_of_the_table(house: House, provider: Provider) -> None:
    viewer = provider.token(now_s(house), roles=["viewer"])
    async with house.client(Authorization=f"Bearer {viewer}") as client:
        assert (await client.get(f"{API}/network")).status_code == 200
        body = {"kind": "ramp_rate", "target": "x", "value": "300"}
        assert (await client.post(f"{API}/commands", json=body)).status_code == 403


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"aud": "https://elsewhere.example"}, (401, "wrong_audience")),
        ({"iss": "https://elsewhere.example"}, (401, "wrong_issuer")),
        ({"exp": 1}, (401, "token_expired")),
        ({"exp": None}, (401, "claim_missing")),
        ({"sub": None}, (401, "claim_missing")),
        ({"sub": "a\nb"}, (401, "unreadable")),
        ({"exp": "soon"}, (401, "unreadable")),
        ({"roles": []}, (403, "no_role")),
        ({"roles": ["viewer", "operator"]}, (403, "no_role")),
        ({"roles": {"operator": True}}, (403, "no_role")),
    ],
)
async def test_a_token_that_breaks_a_rule_is_refused_by_its_name(
    house: House, provider: Provider, claims: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert await reason(house, provider.token(now_s(house), **claims)) == expected


async def test_the_clocks_may_be_a_minute_apart_and_no_more(
    house: House, provider: Provider
) -> None:
    moment = now_s(house)
    assert (await ask(house, provider.token(moment, exp=int(moment) - 59))).status_code == 200
    over = provider.token(moment, exp=int(moment) - 60)
    assert await reason(house, over) == (401, "token_expired")
    assert (await ask(house, provider.token(moment, nbf=int(moment) + 60))).status_code == 200
    ahead = provider.token(moment, nbf=int(moment) + 61)
    assert await reason(house, ahead) == (401, "token_ahead")


async def test_no_signature_and_no_other_algorithm(house: House, provider: Provider) -> None:
    good = provider.token(now_s(house))
    _, claims, signature = good.split(".")

    def forged(header: dict[str, Any], sign: str = "") -> str:
        text = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
        return f"{text}.{claims}.{sign}"

    for algorithm in ("none", "None", "HS256", "RS512", "PS256", ""):
        token = forged({"alg": algorithm, "kid": "r1"}, signature)
        assert await reason(house, token) == (401, "algorithm"), algorithm
    assert await reason(house, forged({"alg": "ES256", "kid": "r1"}, signature)) == (
        401,
        "algorithm",  # of another kind than the key it names
    )
    crit = forged({"alg": "RS256", "kid": "r1", "crit": ["b64"], "b64": False}, signature)
    assert (await reason(house, crit))[0] == 401
    assert await reason(house, good[:-8] + "AAAAAAAA") == (401, "bad_signature")


async def test_a_new_key_is_found_and_a_withdrawn_one_ends(
    house: House, provider: Provider
) -> None:
    old = provider.token(now_s(house))
    assert (await ask(house, old)).status_code == 200
    provider.keys = {"r2": rsa_key("r2")}
    fresh = provider.token(now_s(house), kid="r2")
    # a flood of unknown keys does not become a flood of questions
    asked = len(provider.asked)
    assert await reason(house, fresh) == (401, "unknown_key")
    assert len(provider.asked) == asked
    wall(house).advance_to(wall(house).now_us() + ASK_AGAIN_US)
    assert (await ask(house, fresh)).status_code == 200
    assert await reason(house, old) == (401, "unknown_key")


async def test_known_keys_work_while_the_provider_is_away_until_they_expire(
    house: House, provider: Provider
) -> None:
    token = provider.token(now_s(house), exp=int(now_s(house)) + 3 * 86_400)
    assert (await ask(house, token)).status_code == 200
    provider.away = True
    start_us = wall(house).now_us()
    wall(house).advance_to(start_us + FRESH_US + SECOND_US)
    asked = len(provider.asked)
    assert (await ask(house, token)).status_code == 200
    assert len(provider.asked) > asked, "an hour old keys are asked for again"
    wall(house).advance_to(start_us + KEPT_US + SECOND_US)
    answer = await ask(house, token)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "API keys" in answer.json()["detail"]
    async with house.client(Role.VIEWER) as client:
        assert (await client.get(f"{API}/me")).status_code == 200
    provider.away = False
    wall(house).advance_to(start_us + KEPT_US + SECOND_US + ASK_AGAIN_US)
    assert (await ask(house, token)).status_code == 200


async def test_a_provider_that_says_another_name_is_not_believed(
    house: House, provider: Provider
) -> None:
    provider.about = {"issuer": "https://elsewhere.example"}
    assert (await ask(house, provider.token(now_s(house)))).status_code == 503
    wall(house).advance_to(wall(house).now_us() + ASK_AGAIN_US)
    provider.about = {"jwks_uri": "http://keys.example/keys"}
    assert (await ask(house, provider.token(now_s(house)))).status_code == 503


async def test_keys_of_another_use_and_weak_ones_are_passed_over(
    house: House, provider: Provider
) -> None:
    provider.keys["weak"] = rsa_key("weak", 1024)
    provider.more = [{"kty": "oct", "k": "c2VjcmV0", "kid": "oct"}, "no key"]  # type: ignore[list-item]
    with pytest.warns(UserWarning, match="below"):
        weak = provider.token(now_s(house), kid="weak")
    assert await reason(house, weak) == (401, "unknown_key")
    assert (await ask(house, provider.token(now_s(house)))).status_code == 200


async def test_without_a_provider_a_token_is_no_key(house: House) -> None:
    house.served.tokens = None
    answer = await ask(house, "a.b.c")
    assert answer.status_code == 401


async def test_the_audit_names_the_subject(house: House, provider: Provider) -> None:
    house.served.board.publish_decisions([proposal()])
    async with house.client(Authorization=f"Bearer {provider.token(now_s(house))}") as client:
        answer = await client.post(
            f"{API}/decisions/p-1/reject", json={"seen_version": 1, "reason": "not needed any more"}
        )
    assert answer.status_code in (200, 202), answer.text
    acts = await house.records("act")
    assert json.loads(acts[-1][1])["person"] == "oidc:ana"


async def test_a_socket_opens_with_a_token_and_ends_with_it(
    house: House, provider: Provider
) -> None:
    now_us = wall(house).now_us()
    token = provider.token(now_s(house), exp=now_us // SECOND_US - 60 + 1, roles=["viewer"])
    headers = {"authorization": f"Bearer {token}", "host": HOST}
    line = Line(house.app, scope_of(f"{API}/stream", headers=headers))
    await line.send(type="websocket.connect")
    assert (await line.receive())["type"] == "websocket.accept"
    ended = await line.receive()  # after the second that the token has left
    assert (ended["type"], ended["code"]) == ("websocket.close", 1008)


async def test_alerts_come_for_a_token_and_end_with_it(
    house: House, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twin.api.alerts.HEARTBEAT_S", 0.01)
    token = provider.token(now_s(house), roles=["viewer"])
    headers = {"authorization": f"Bearer {token}", "host": HOST}
    line = Line(house.app, scope_of(f"{API}/alerts/stream", kind="http", headers=headers))
    await line.send(type="http.request", body=b"", more_body=False)
    assert (await line.receive())["status"] == 200
    assert b"event: clock" in (await line.receive())["body"]
    wall(house).advance_to(wall(house).now_us() + 400 * SECOND_US)
    async with asyncio.timeout(5):
        while (await line.receive()).get("more_body"):
            pass
