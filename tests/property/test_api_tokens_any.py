"""Whatever is sent as a token: a person with our role, or an InputError; never anything else."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oidc_issuer import AUDIENCE, rsa_key
from twin.api.roles import Role
from twin.api.tokens import TokenRules, is_token, key_wanted, parse_roles, read_token
from twin.errors import InputError, SettingsError
from twin.units import SECOND_US

NOW_S = 1_800_000_000
ISSUER = "https://id.example"
RULES = TokenRules(issuer=ISSUER, audience=AUDIENCE)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
GOOD = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "exp": NOW_S + 60, "roles": ["viewer"]}


def signed(claims: dict[str, Any]) -> str:
    """Sign whatever claims, also those that a library would not let pass."""
    body = json.dumps(claims).encode()
    return jwt.PyJWS().encode(body, rsa_key("any"), "RS256")


def read(token: str, rules: TokenRules = RULES) -> Role:
    return read_token(token, rsa_key("any").public_key(), "RS256", rules, NOW_S * SECOND_US).role


@given(st.sampled_from(sorted(GOOD)), VALUES)
@settings(max_examples=150)
def test_one_claim_is_anything(name: str, value: Any) -> None:
    claims = {**GOOD, name: value}
    try:
        role = read(signed(claims))
    except InputError:
        return
    assert role in Role
    assert claims["iss"] == ISSUER
    assert claims["aud"] == AUDIENCE or AUDIENCE in claims["aud"]
    assert claims["exp"] + 60 > NOW_S


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.decode("latin-1")))
def test_any_text_is_no_token(text: str) -> None:
    with pytest.raises(InputError):
        key_wanted(text)


@given(VALUES)
def test_any_header_is_refused_or_names_an_algorithm(header: Any) -> None:
    first = urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    with pytest.raises(InputError):
        key_wanted(f"{first}.e30.AAAA")


@given(st.integers(0, 2**40))
def test_no_bit_of_a_signature_may_change(seed: int) -> None:
    token = signed(GOOD)
    head, body, signature = token.split(".")
    at = seed % (len(signature) - 1)  # the last letter holds bits that mean nothing
    other = "A" if signature[at] != "A" else "B"
    with pytest.raises(InputError, match="signed"):
        read(f"{head}.{body}.{signature[:at]}{other}{signature[at + 1 :]}")


def test_roles_by_name_in_their_order() -> None:
    rules = TokenRules(
        issuer=ISSUER,
        audience=AUDIENCE,
        role_claim="realm_access.roles",
        roles=parse_roles("city-ops=operator, city-all=viewer"),
    )
    inside = {"realm_access": {"roles": ["city-all", "city-ops", "x"]}, "roles": None}
    assert read(signed({**GOOD, **inside}), rules) is Role.OPERATOR
    with pytest.raises(InputError, match="city-ops, city-all"):
        read(signed({**GOOD, "realm_access": {"roles": ["viewer"]}}), rules)
    with pytest.raises(SettingsError, match="king"):
        parse_roles("boss=king")


def test_a_key_of_ours_is_no_token() -> None:
    assert not is_token("twk_a.b.c_d")
    assert is_token("a.b.c")
