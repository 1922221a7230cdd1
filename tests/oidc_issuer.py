"""A small identity provider with real keys, served over HTTP on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE: Final = "https://twin.example"


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Give the RSA key of this name, made once."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    """Give the P-256 key of this name, made once."""
    del name
    return ec.generate_private_key(ec.SECP256R1())


def published(name: str, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """Write the public half of a key as a provider publishes it."""
    if isinstance(key, rsa.RSAPrivateKey):
        entry = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        return {**entry, "kid": name, "use": "sig", "alg": "RS256"}
    entry = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**entry, "kid": name, "use": "sig", "alg": "ES256"}


class Provider:
    """A provider that answers `issuer`, publishes `keys`, and counts how often it was asked."""

    def __init__(self) -> None:
        """Start with one RSA key `r1`."""
        self.issuer = ""
        self.keys: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {"r1": rsa_key("r1")}
        self.more: list[dict[str, Any]] = []
        self.away = False
        self.asked: list[str] = []
        self.about: dict[str, Any] = {}

    def answer(self, path: str) -> bytes | None:
        """Give the document at a path; None while away or where there is none."""
        self.asked.append(path)
        if self.away:
            return None
        if path == "/.well-known/openid-configuration":
            about = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **self.about}
            return json.dumps(about).encode()
        if path == "/keys":
            keys = [published(name, key) for name, key in self.keys.items()] + self.more
            return json.dumps({"keys": keys}).encode()
        return None

    def token(
        self,
        now_s: float,
        *,
        kid: str = "r1",
        headers: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Sign a token that is good for five minutes, with claims changed; None takes one out."""
        key = self.keys[kid]
        values = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "ana",
            "iat": int(now_s),
            "exp": int(now_s) + 300,
            "roles": ["operator"],
            **claims,
        }
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        kept = {name: value for name, value in values.items() if value is not None}
        return jwt.encode(kept, key, algorithm, headers={"kid": kid, **(headers or {})})


@contextmanager
def running() -> Iterator[Provider]:
    """Serve a provider on a free loopback port."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = provider.answer(self.path)
            self.send_response(200 if body is not None else 503)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
