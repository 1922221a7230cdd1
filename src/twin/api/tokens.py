"""Bearer tokens of an identity provider (OpenID Connect): read, checked, turned into a role.

Signed JSON Web Tokens (RFC 7519) with RS256 or ES256 only: what a token says of its own algorithm
chooses between these two and never anything else, and the key's type must fit. Times are compared
with the service's clock, with a little skew either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from twin.api.roles import Role
from twin.errors import Fault, InputError, SettingsError
from twin.units import SECOND_US

MOST_TOKEN_BYTES: Final = 16_384
MOST_SUBJECT: Final = 128
LEAST_RSA_BITS: Final = 2048
_KEY_TYPES: Final[Mapping[str, type]] = {
    "RS256": rsa.RSAPublicKey,
    "ES256": ec.EllipticCurvePublicKey,
}
_REASONS: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (jwt.InvalidAudienceError, "wrong_audience", "must be a token for this service's audience"),
    (jwt.InvalidIssuerError, "wrong_issuer", "must come from the configured issuer"),
    (jwt.MissingRequiredClaimError, "claim_missing", "must have iss, aud, sub and exp"),
    (jwt.InvalidSignatureError, "bad_signature", "must be signed with the key it names"),
)

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must be.

    issuer, audience   as `iss` and `aud` must say them
    role_claim         where roles stand; dots go into objects (`realm_access.roles`)
    roles              (name in the token, our role), the first that a token has counts; empty: the
                       token uses our names, and must have exactly one of them
    skew_us            how far its clock and ours may be apart, microseconds
    """

    issuer: str
    audience: str
    role_claim: str = "roles"
    roles: tuple[tuple[str, Role], ...] = ()
    skew_us: int = 60 * SECOND_US


@dataclass(frozen=True, slots=True)
class TokenPerson:
    """Who a good token names: `subject` at the issuer, the role, and until when (microseconds)."""

    subject: str
    role: Role
    until_us: int


class Tokens(Protocol):
    """Turns a token into a person."""

    async def person(self, token: str, now_us: int) -> TokenPerson:
        """Raise InputError naming why a token is not good, BackendError without keys."""
        ...


def parse_roles(text: str) -> tuple[tuple[str, Role], ...]:
    """Read `THEIRS=ours,…`. Raises SettingsError naming a role that is none of ours."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    known = {role.value: role for role in Role}
    for _, _, ours in pairs:
        if ours.strip() not in known:
            rule = f"is none of our roles: {', '.join(known)}"
            raise SettingsError(Fault("TWIN_OIDC_ROLES", ours, rule, "unknown"))
    return tuple((theirs.strip(), known[ours.strip()]) for theirs, _, ours in pairs)


def is_token(text: str) -> bool:
    """Say whether a bearer text has the form of a signed token: three parts between dots."""
    return text.count(".") == 2 and not text.startswith("twk_")


def key_wanted(token: str) -> tuple[str, str]:
    """Return (algorithm, key id) of a token before anything of it is believed.

    Raises InputError for what is no token, another algorithm, or demands that we do not know.
    """
    if len(token) > MOST_TOKEN_BYTES:
        raise _refused("(not shown)", f"has at most {MOST_TOKEN_BYTES} bytes", "too_large")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise _refused("(not shown)", "must be a signed JSON Web Token", "unreadable") from error
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in _KEY_TYPES:
        raise _refused(str(algorithm)[:20], "must be signed with RS256 or ES256", "algorithm")
    if "crit" in header or "b64" in header:
        raise _refused("crit", "must ask for no extension of the format", "extension")
    key_id = header.get("kid", "")
    if not isinstance(key_id, str):
        raise _refused("kid", "must name its key by text", "unreadable")
    return algorithm, key_id


def read_token(
    token: str, key: PublicKey, algorithm: str, rules: TokenRules, now_us: int
) -> TokenPerson:
    """Return who the token names. Raises InputError naming the rule that it breaks."""
    check_key(key, algorithm)
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=rules.audience,
            issuer=rules.issuer,
            options={
                "require": ["exp", "iss", "aud", "sub"],
                "verify_exp": False,  # by our own clock, below
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        for kind, reason, rule in _REASONS:
            if isinstance(error, kind):
                raise _refused("(not shown)", rule, reason) from error
        raise _refused("(not shown)", "must be a signed JSON Web Token", "unreadable") from error
    until_us = _check_times(claims, rules.skew_us, now_us)
    return TokenPerson(_subject(claims), _role(claims, rules), until_us)


def check_key(key: PublicKey, algorithm: str) -> None:
    """Raise InputError when a key does not fit an algorithm or is too weak for it."""
    if not isinstance(key, _KEY_TYPES[algorithm]):
        raise _refused(algorithm, "must be the algorithm of the key it names", "algorithm")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < LEAST_RSA_BITS:
        raise _refused(f"{key.key_size} bits", f"needs {LEAST_RSA_BITS} bits or more", "weak_key")
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name != "secp256r1":
        raise _refused(key.curve.name, "must be a key on P-256", "weak_key")


def _check_times(claims: Mapping[str, Any], skew_us: int, now_us: int) -> int:
    """Compare expiry, begin and issue with the clock; return the expiry, skew included."""
    until_us = _moment(claims, "exp") + skew_us
    if now_us >= until_us:
        raise _refused("exp", "must not be over: ask the identity provider again", "token_expired")
    for name in ("nbf", "iat"):
        if name in claims and _moment(claims, name) - skew_us > now_us:
            raise _refused(name, "must not lie ahead: compare the clocks", "token_ahead")
    return until_us


def _moment(claims: Mapping[str, Any], name: str) -> int:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**40:
        raise _refused(name, "must be seconds since 1970", "unreadable")
    return int(value * SECOND_US)


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims["sub"]
    good = isinstance(subject, str) and 0 < len(subject) <= MOST_SUBJECT and subject.isprintable()
    if not good:
        rule = f"must be 1 to {MOST_SUBJECT} printable characters"
        raise _refused("sub", rule, "unreadable")
    return str(subject)


def _role(claims: Mapping[str, Any], rules: TokenRules) -> Role:
    named = _named_roles(claims, rules.role_claim)
    if rules.roles:
        for name, role in rules.roles:
            if name in named:
                return role
        wanted = ", ".join(name for name, _ in rules.roles)
        raise _refused(rules.role_claim, f"must name one of: {wanted}", "no_role")
    found = [role for role in Role if role.value in named]
    if len(found) != 1:
        several = ", ".join(found) or "none"
        raise _refused(rules.role_claim, f"must name exactly one role, not {several}", "no_role")
    return found[0]


def _named_roles(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """Return the names in a claim: a list of texts, or one text with blanks between names."""
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list):
        return frozenset(name for name in value if isinstance(name, str))
    return frozenset()


def _refused(value: str, rule: str, reason: str) -> InputError:
    return InputError(Fault("token", value, rule, reason))
