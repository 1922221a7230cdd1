"""Plates: sealed before the log, opened once on the way in, tokens from there on.

The only file of `ingest` that names a clear plate. Over HTTP a clear plate exists between the
request's body and `seal_items`; in the worker between `open_passage` and its return. No clear
plate is put into a message, a fault or a dead letter: a record that may hold one is kept sealed,
or not kept at all (`kept_payload`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from twin.clock import us_from_datetime
from twin.columns import PassageFact
from twin.control.access.identity import canonical, country_code, tokens
from twin.errors import Fault, InputError
from twin.events import Direction, Passage
from twin.ids import derived_id
from twin.ingest.decode import HIDDEN, UNREADABLE
from twin.ingest.texts import CONTROL_RULE, has_control
from twin.keys import KeyRing, Purpose, TravelKeys
from twin.seal import Plate, is_sealed, seal, token, unseal

SEALED_WHOLE: Final = "sealed_whole"
_PASSAGES: Final = msgspec.json.Decoder(Passage)
_ENCODER: Final = msgspec.json.Encoder()
_QUOTED: Final = frozenset({"time", "confidence"})
_TRACK: Final = re.compile(r"track1\.[0-9a-f]{32}")


class _Whole(msgspec.Struct, forbid_unknown_fields=True):
    sealed_whole: str


_WHOLES: Final = msgspec.json.Decoder(_Whole)


def seal_items(
    items: Sequence[bytes], keys: KeyRing, *, refused: Collection[int] = ()
) -> list[bytes]:
    """Replace the plate of every passage by an envelope, before anything is written anywhere.

    An item that is no passage, whose envelope does not open, or whose index is in `refused` is
    sealed whole, because nobody can tell where in it a plate stands:
    `{"sealed_whole": "<envelope>"}`. The bytes of an item are never passed on.
    """
    return [
        _seal_whole(item, keys) if index in refused else _seal_item(item, keys)
        for index, item in enumerate(items)
    ]


def envelope_faults(items: Sequence[bytes], keys: KeyRing) -> list[tuple[int, Fault]]:
    """Return (index of the item, fault) for every plate that claims to be sealed and is not."""
    faults: list[tuple[int, Fault]] = []
    for index, item in enumerate(items):
        passage = _passage(item)
        if passage is not None and is_sealed(passage.plate):
            fault = _envelope_fault(passage, keys)
            faults.extend([] if fault is None else [(index, fault)])
    return faults


def hidden(fault: Fault) -> Fault:
    """Take what a passage said out of a fault, but for its time and the confidence, a number."""
    if fault.field in _QUOTED:
        return fault
    return Fault(fault.field, HIDDEN, fault.rule, fault.reason)


def open_passage(
    passage: Passage, keys: KeyRing, *, travel: TravelKeys | None = None
) -> PassageFact:
    """Open the envelope of a passage and put tokens in the place of plate and track.

    The plate as read goes into an envelope of its own for the evidence key. With `travel`, a
    number of the day stands for the vehicle in travel times, which no other purpose has. Raises
    InputError (`plate_not_sealed`, `seal_key_unknown`, `seal_broken`, or `invalid` for control
    characters) that quotes nothing.
    """
    raw = ""
    if passage.plate:
        raw = unseal(passage.plate, key=keys[Purpose.TRANSPORT], context=passage.id)
    if has_control(raw):
        raise InputError(Fault("plate", HIDDEN, CONTROL_RULE))
    identity = canonical(raw, passage.country)
    first, candidates = tokens(identity, key=keys[Purpose.ACCESS])
    country = country_code(passage.country)
    track = _track_token(passage, keys)
    number = 0 if travel is None else _travel_number(passage, raw, travel)
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
        track=track,
        sealed=seal(f"{country}|{raw}", key=keys[Purpose.EVIDENCE], context=passage.id),
        payload_hash=derived_id(
            us_from_datetime(passage.time),
            passage.direction,
            repr(passage.confidence),
            track,
            content,
        ),
        vehicle=number,
    )


def open_wholes(
    values: Sequence[bytes], keys: KeyRing
) -> tuple[list[bytes], dict[int, list[Fault]]]:
    """Open the records that were sealed whole, for judging only; the others stay as they are.

    A clear plate in an opened passage is sealed again at once. Returns the records, and the faults
    of those that cannot be opened, by row.
    """
    opened = list(values)
    faults: dict[int, list[Fault]] = {}
    for row, value in enumerate(values):
        if is_sealed_whole(value):
            try:
                opened[row] = _with_plate_sealed(open_whole(value, keys), keys)
            except InputError as error:
                faults[row] = list(error.faults)
    return opened, faults


def open_whole(value: bytes, keys: KeyRing) -> bytes:
    """Return the item that was sealed whole. Raises InputError that quotes nothing."""
    try:
        whole = _WHOLES.decode(value)
    except UNREADABLE as error:
        fault = Fault("$", HIDDEN, "is no item that was sealed whole", "undecodable")
        raise InputError(fault) from error
    key = keys[Purpose.TRANSPORT]
    return unseal(whole.sealed_whole, key=key, context=SEALED_WHOLE).encode("latin-1")


def kept_payload(value: bytes, keys: KeyRing) -> bytes | None:
    """Return a refused record sealed whole; None where a plate may have come in clear.

    None is for the broker alone: over HTTP nothing is written that was not sealed before.
    """
    if is_sealed_whole(value):
        try:
            open_whole(value, keys)
        except InputError:
            return None
        return _ENCODER.encode(_WHOLES.decode(value))
    passage = _passage(value)
    if passage is None or _envelope_fault(passage, keys) is not None:
        return None
    return _seal_whole(_ENCODER.encode(passage), keys)


def is_sealed_whole(value: bytes) -> bool:
    """Say whether a record claims to be an item that was sealed whole."""
    return value.startswith(b'{"sealed_whole":')


def _seal_item(item: bytes, keys: KeyRing) -> bytes:
    passage = _passage(item)
    if passage is None:
        return _seal_whole(item, keys)
    if is_sealed(passage.plate) and _envelope_fault(passage, keys) is not None:
        return _seal_whole(item, keys)
    # never the item itself: of a key that stands twice, the first value is still in its bytes
    return _ENCODER.encode(
        msgspec.structs.replace(
            passage,
            plate=_sealed_plate(passage, keys),
            track=_track_token(passage, keys) or None,
            source="",
        )
    )


def _seal_whole(item: bytes, keys: KeyRing) -> bytes:
    # latin-1 takes any byte, so that the item can be restored to the bit
    key = keys[Purpose.TRANSPORT]
    envelope = seal(item.decode("latin-1"), key=key, context=SEALED_WHOLE)
    return _ENCODER.encode(_Whole(sealed_whole=envelope))


def _with_plate_sealed(item: bytes, keys: KeyRing) -> bytes:
    passage = _passage(item)
    if passage is None:
        return item
    return _ENCODER.encode(msgspec.structs.replace(passage, plate=_sealed_plate(passage, keys)))


def _sealed_plate(passage: Passage, keys: KeyRing) -> str:
    if not passage.plate or is_sealed(passage.plate):
        return passage.plate
    return seal(passage.plate, key=keys[Purpose.TRANSPORT], context=passage.id)


def _envelope_fault(passage: Passage, keys: KeyRing) -> Fault | None:
    """Say why a plate that is not empty cannot be opened, None where it can."""
    if not passage.plate:
        return None
    try:
        unseal(passage.plate, key=keys[Purpose.TRANSPORT], context=passage.id)
    except InputError as error:
        return error.faults[0]
    return None


def _travel_number(passage: Passage, raw: str, travel: TravelKeys) -> int:
    """Return the vehicle's number of the day, 0 for none: unread, or of a day that is gone."""
    identity = canonical(raw, passage.country)
    key = travel.at(us_from_datetime(passage.time))
    if key is None or not identity.plates:
        return 0
    one = token(Plate("", identity.plates[0].text), key=key)  # some gates do not see the country
    return int.from_bytes(bytes.fromhex(one)[:8], "big", signed=True)


def _track_token(passage: Passage, keys: KeyRing) -> str:
    """Let a keyed token stand for the track at its gate; one that is a token already stays."""
    track = passage.track or ""
    if not track or _TRACK.fullmatch(track):
        return track
    return "track1." + token(Plate(f"track at {passage.gate}", track), key=keys[Purpose.ACCESS])


def _passage(item: bytes) -> Passage | None:
    try:
        return _PASSAGES.decode(item)
    except UNREADABLE:
        return None
