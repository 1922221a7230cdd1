"""Plates before the log: nothing that left `seal_items` holds one in clear."""

from __future__ import annotations

import msgspec
import pytest

from ingest_city import passage
from twin.ingest.sealing import SEALED_WHOLE, is_sealed_whole, kept_payload, seal_items
from twin.keys import KeyRing, Purpose
from twin.seal import is_sealed, unseal

KEYS = KeyRing.fresh("test")


def test_the_plate_of_a_passage_becomes_an_envelope() -> None:
    (sealed,) = seal_items([passage("1234BCD")], KEYS)
    document = msgspec.json.decode(sealed)
    assert b"1234BCD" not in sealed
    assert unseal(document["plate"], key=KEYS[Purpose.TRANSPORT], context="P-0") == "1234BCD"
    assert document["gate"] == "G1"
    assert document["time"] == "2026-06-16T08:00:00Z"


@pytest.mark.parametrize(
    "item", [b"1234BCD", b'{"plate":"1234BCD"}', passage("1234BCD", gate=7), b"\xff1234BCD"]
)
def test_what_is_no_passage_is_sealed_whole_and_can_be_restored(item: bytes) -> None:
    (sealed,) = seal_items([item], KEYS)
    assert b"1234BCD" not in sealed
    assert is_sealed_whole(sealed)
    envelope = msgspec.json.decode(sealed)[SEALED_WHOLE]
    opened = unseal(envelope, key=KEYS[Purpose.TRANSPORT], context=SEALED_WHOLE)
    assert opened.encode("latin-1") == item


def test_a_sealed_plate_and_an_unread_one_stay() -> None:
    sealed = seal_items([passage("1234BCD"), passage("")], KEYS)
    assert seal_items(sealed, KEYS) == sealed
    assert msgspec.json.decode(sealed[1])["plate"] == ""


def test_each_envelope_is_another_one() -> None:
    one, two = seal_items([passage("1234BCD"), passage("1234BCD")], KEYS)
    assert one != two
    assert is_sealed(msgspec.json.decode(one)["plate"])


def test_a_refused_passage_is_kept_only_where_no_plate_can_stand_in_it() -> None:
    sealed = seal_items([passage("1234BCD"), b"1234BCD"], KEYS)
    assert [kept_payload(value) for value in sealed] == sealed
    assert kept_payload(passage("1234BCD")) is None
    assert kept_payload(b"1234BCD") is None
    assert kept_payload(b'["1234BCD"]') is None
    document = msgspec.json.decode(sealed[0])
    assert kept_payload(msgspec.json.encode({**document, "note": "1234BCD"})) is None
    assert kept_payload(b'{"sealed_whole":"1234BCD"}') is None
