"""The keys of an identity provider: found by discovery, kept, renewed when they change.

A good set is used for an hour, then renewed; while the provider is away the known keys go on
working for a day. A key that is not known asks for the set again, but not more often than every
ten seconds: a flood of made-up tokens may not become a flood of requests. API keys and sessions
never come here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from twin.api.tokens import PublicKey, TokenPerson, TokenRules, check_key, key_wanted, read_token
from twin.errors import BackendError, Fault, InputError
from twin.units import SECOND_US

_LOG: Final = logging.getLogger(__name__)
FRESH_US: Final = 3600 * SECOND_US
KEPT_US: Final = 24 * 3600 * SECOND_US
ASK_AGAIN_US: Final = 10 * SECOND_US
MOST_BYTES: Final = 1_000_000
_WAIT_S: Final = 5.0
_ALGORITHMS: Final = {"RSA": "RS256", "EC": "ES256"}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

Fetch = Callable[[str], Awaitable[bytes]]
"""Gives the body at an address. Raises BackendError when there is no good answer."""


class Issuer:
    """One identity provider, as `Tokens`."""

    def __init__(self, rules: TokenRules, fetch: Fetch | None = None) -> None:
        """Ask nothing yet: the first token does. `fetch` is HTTP unless given."""
        self._rules = rules
        self._fetch = fetch or fetch_https
        self._keys: dict[str, PublicKey] = {}
        self._read_us: int | None = None
        self._asked_us: int | None = None
        self._asking = asyncio.Lock()
        self.problem = ""
        """Why the last question to the provider failed; empty when it did not."""

    async def person(self, token: str, now_us: int) -> TokenPerson:
        """Return who a token names.

        Raises InputError naming why it is not good, and BackendError when the provider is away and
        no key is known that could tell.
        """
        algorithm, key_id = key_wanted(token)
        key = await self._key(key_id, algorithm, now_us)
        return read_token(token, key, algorithm, self._rules, now_us)

    async def _key(self, key_id: str, algorithm: str, now_us: int) -> PublicKey:
        found = self._known(key_id, algorithm, now_us)
        if found is None or self._age_us(now_us) > FRESH_US:
            async with self._asking:
                found = self._known(key_id, algorithm, now_us)
                if found is None or self._age_us(now_us) > FRESH_US:
                    await self._renew(now_us)
            found = self._known(key_id, algorithm, now_us)
        if found is not None:
            return found
        if self.problem:
            raise BackendError(self.problem)
        rule = "must be signed with a key that the issuer publishes"
        raise InputError(Fault("token", key_id[:40] or "(no kid)", rule, "unknown_key"))

    def _age_us(self, now_us: int) -> int:
        return KEPT_US + 1 if self._read_us is None else now_us - self._read_us

    def _known(self, key_id: str, algorithm: str, now_us: int) -> PublicKey | None:
        """Find a kept key; a token without `kid` may use the only key of its kind."""
        if self._age_us(now_us) > KEPT_US:
            return None
        if key_id:
            return self._keys.get(key_id)
        kind = rsa.RSAPublicKey if algorithm == "RS256" else ec.EllipticCurvePublicKey
        fitting = [key for key in self._keys.values() if isinstance(key, kind)]
        return fitting[0] if len(fitting) == 1 else None

    async def _renew(self, now_us: int) -> None:
        """Read the set of keys again unless that was just done; keep the old one on failure."""
        if self._asked_us is not None and 0 <= now_us - self._asked_us < ASK_AGAIN_US:
            return
        self._asked_us = now_us
        try:
            self._keys = await self._published()
        except BackendError as error:
            self.problem = str(error)
            _LOG.warning("identity_provider_away", extra={"problem": self.problem})
            return
        self._read_us = now_us
        self.problem = ""

    async def _published(self) -> dict[str, PublicKey]:
        issuer = self._rules.issuer
        place = issuer.rstrip("/") + "/.well-known/openid-configuration"
        about = self._document(await self._fetch(place), place)
        if about.get("issuer") != issuer:
            raise self._bad(f"{place} names the issuer {about.get('issuer')!r}")
        keys_at = about.get("jwks_uri")
        if not isinstance(keys_at, str) or not trusted(keys_at):
            raise self._bad(f"{place} names no https address of keys")
        listed = self._document(await self._fetch(keys_at), keys_at).get("keys")
        if not isinstance(listed, list):
            raise self._bad(f"{keys_at} holds no list of keys")
        found = [_key_of(entry) for entry in listed]
        return {name: key for name, key in found if key is not None}

    def _document(self, body: bytes, place: str) -> dict[str, Any]:
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._bad(f"{place} is no JSON") from error
        if not isinstance(found, dict):
            raise self._bad(f"{place} is no JSON object")
        return found

    def _bad(self, detail: str) -> BackendError:
        return BackendError(f"identity provider {self._rules.issuer}: {detail}")


def trusted(address: str) -> bool:
    """Say whether keys may come from an address: https, or this machine itself."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    )


def _key_of(entry: Any) -> tuple[str, PublicKey | None]:
    """Read one published key; None for a key of another kind or use, or one too weak."""
    if not isinstance(entry, Mapping) or entry.get("use", "sig") != "sig":
        return "", None
    algorithm = _ALGORITHMS.get(str(entry.get("kty")))
    if algorithm is None or entry.get("alg", algorithm) != algorithm or "d" in entry:
        return "", None
    try:
        key = jwt.PyJWK(dict(entry), algorithm).key
        check_key(key, algorithm)
    except (jwt.PyJWTError, InputError, ValueError, TypeError) as error:
        _LOG.warning("identity_key_passed_over", extra={"problem": str(error)})
        return "", None
    return str(entry.get("kid", "")), key


async def fetch_https(address: str) -> bytes:
    """Get a document. Raises BackendError for anything but a 200 of modest size; no redirects."""
    import httpx  # its import costs what a service without a provider need not wait for

    try:
        async with (
            httpx.AsyncClient(timeout=_WAIT_S, follow_redirects=False) as client,
            client.stream("GET", address, headers={"Accept": "application/json"}) as answer,
        ):
            if answer.status_code != 200:
                message = f"identity provider: {address} answered {answer.status_code}"
                raise BackendError(message)
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    message = f"identity provider: {address} sent more than {MOST_BYTES} bytes"
                    raise BackendError(message)
            return bytes(body)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        detail = str(error) or type(error).__name__
        message = f"identity provider: {address} does not answer: {detail}"
        raise BackendError(message) from error
