"""Plates: sealed before the log, opened once on the way in, tokens from there on.

The only file of `ingest` that names a clear plate. Over HTTP a clear plate exists between the
request's body and `seal_items`; in the worker between `open_passage` and its return. No clear
plate is put into a message, a fault or a dead letter: a record that may hold one is kept sealed,
or not kept at all (`kept_payload`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from twin.clock import us_from_datetime
from twin.columns import PassageFact
from twin.control.access.identity import canonical, country_code, tokens
from twin.events import Direction, Passage, Topic
from twin.ids import derived_id
from twin.ingest.decode import TYPES
from twin.keys import Key, KeyRing, Purpose
from twin.seal import Plate, is_sealed, seal, token, unseal

SEALED_WHOLE: Final = "sealed_whole"
_PASSAGES: Final = msgspec.json.Decoder(Passage)
_ENCODER: Final = msgspec.json.Encoder()
_FIELDS: Final = frozenset(TYPES[Topic.ANPR_READ].__struct_fields__)


def seal_items(items: Sequence[bytes], keys: KeyRing) -> list[bytes]:
    """Replace the plate of every passage by an envelope, before anything is written anywhere.

    An item that is no passage is sealed whole, because nobody can tell where in it a plate
    stands: `{"sealed_whole": "<envelope>"}`. A plate that came sealed stays as it is.
    """
    key = keys[Purpose.TRANSPORT]
    return [_seal_item(item, key) for item in items]


def open_passage(passage: Passage, keys: KeyRing) -> PassageFact:
    """Open the envelope of a passage and put tokens in the plate's place.

    The plate as read goes into an envelope of its own for the evidence key. Raises InputError
    (`plate_not_sealed`, `seal_key_unknown`, `seal_broken`) that quotes nothing.
    """
    raw = ""
    if passage.plate:
        raw = unseal(passage.plate, key=keys[Purpose.TRANSPORT], context=passage.id)
    identity = canonical(raw, passage.country)
    first, candidates = tokens(identity, key=keys[Purpose.ACCESS])
    country = country_code(passage.country)
    # a keyed hash: the same passage sealed again is the same, and nobody can try all plates on it
    content = token(Plate(country, raw), key=keys[Purpose.ACCESS])
    return PassageFact(
        id=passage.id,
        gate=passage.gate,
        time_us=us_from_datetime(passage.time),
        inbound=passage.direction is Direction.IN,
        token=first,
        candidates=candidates,
        country=country,
        confidence=passage.confidence,
        track=passage.track or "",
        sealed=seal(f"{country}|{raw}", key=keys[Purpose.EVIDENCE], context=passage.id),
        payload_hash=derived_id(
            us_from_datetime(passage.time),
            passage.direction,
            repr(passage.confidence),
            passage.track or "",
            content,
        ),
    )


def kept_payload(value: bytes) -> bytes | None:
    """Return a refused passage as it may be kept, None where a clear plate may stand in it."""
    try:
        document: Any = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not isinstance(document, dict):
        return None
    envelope = document.get(SEALED_WHOLE, document.get("plate"))
    if not isinstance(envelope, str) or (envelope and not is_sealed(envelope)):
        return None
    known = document.keys() == {SEALED_WHOLE} or document.keys() <= _FIELDS
    return value if known else None


def is_sealed_whole(value: bytes) -> bool:
    """Say whether a record is an item that was sealed whole because it was no passage."""
    return value.startswith(b'{"sealed_whole":')


def _seal_item(item: bytes, key: Key) -> bytes:
    try:
        passage = _PASSAGES.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # latin-1 takes any byte, so that the item can be restored to the bit
        envelope = seal(item.decode("latin-1"), key=key, context=SEALED_WHOLE)
        return _ENCODER.encode({SEALED_WHOLE: envelope})
    if not passage.plate or is_sealed(passage.plate):
        return item
    envelope = seal(passage.plate, key=key, context=passage.id)
    return _ENCODER.encode(msgspec.structs.replace(passage, plate=envelope))
