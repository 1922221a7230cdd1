"""Number plates: the type that does not print itself, the envelope, and the tokens.

A plate is clear in memory for the few steps that need it and nowhere else. Between a camera and
the service it travels in an AES-GCM envelope; inside, an HMAC token stands for it, with one key
a purpose, so that tokens of two purposes cannot be joined (`docs/explanation/privacy.md`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from twin.errors import Fault, InputError
from twin.keys import Key

PREFIX: Final = "sealed1"
_NONCE_BYTES: Final = 12
_TOKEN_BYTES: Final = 16


@dataclass(frozen=True, slots=True, repr=False)
class Plate:
    """A number plate in clear, as (country, text). Never logged, never stored, never a key."""

    country: str
    text: str

    def __repr__(self) -> str:
        return "Plate(***)"

    __str__ = __repr__


def seal(text: str, *, key: Key, context: str) -> str:
    """Encrypt `text` for `key`; `context` (the event's id) must be given again to open it.

    Returns `sealed1.<key id>.<base64url of nonce and ciphertext>`.
    """
    nonce = os.urandom(_NONCE_BYTES)
    body = AESGCM(key.secret).encrypt(nonce, text.encode(), context.encode())
    return f"{PREFIX}.{key.id}.{base64.urlsafe_b64encode(nonce + body).decode()}"


def is_sealed(text: str) -> bool:
    """Say whether `text` has the form of an envelope (not whether it can be opened)."""
    return text.startswith(PREFIX + ".") and text.count(".") == 2


def unseal(envelope: str, *, key: Key, context: str) -> str:
    """Open an envelope made by `seal`.

    Raises InputError (`plate_not_sealed`, `seal_key_unknown`, `seal_broken`) without ever quoting
    the value.
    """
    if not is_sealed(envelope):
        raise InputError(_fault("a plate must be sealed before it is sent", "plate_not_sealed"))
    _, key_id, body = envelope.split(".")
    if key_id != key.id:
        raise InputError(_fault(f"sealed for another key than {key.id}", "seal_key_unknown"))
    try:
        raw = base64.urlsafe_b64decode(body.encode())
        if base64.urlsafe_b64encode(raw).decode() != body:
            raise InputError(_fault("the envelope has more in it than it needs", "seal_broken"))
        clear = AESGCM(key.secret).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode())
        return clear.decode()
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise InputError(_fault("the envelope was changed or cut", "seal_broken")) from error


def token(plate: Plate, *, key: Key) -> str:
    """Compute the 128-bit keyed token (32 hex digits) that stands for a plate under this key."""
    message = f"{plate.country}|{plate.text}".encode()
    return hmac.digest(key.secret, message, "sha256")[:_TOKEN_BYTES].hex()


def _fault(rule: str, reason: str) -> Fault:
    return Fault("plate", "(not shown)", rule, reason)
