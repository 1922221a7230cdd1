"""Plates before the log: nothing that left `seal_items` holds one in clear."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from ingest_city import passage
from twin.events import Passage
from twin.ingest.sealing import (
    SEALED_WHOLE,
    envelope_faults,
    is_sealed_whole,
    kept_payload,
    open_passage,
    open_whole,
    seal_items,
)
from twin.keys import Key, KeyRing, Purpose
from twin.seal import is_sealed, seal, unseal

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


def test_a_refused_passage_is_kept_whole_only_where_no_clear_plate_came() -> None:
    sealed = seal_items([passage("1234BCD"), b"1234BCD"], KEYS)
    kept = kept_payload(sealed[0], KEYS)
    assert kept is not None
    assert open_whole(kept, KEYS) == sealed[0]
    assert kept_payload(sealed[1], KEYS) == sealed[1]
    assert kept_payload(passage("1234BCD"), KEYS) is None
    assert kept_payload(b"1234BCD", KEYS) is None
    assert kept_payload(b'["1234BCD"]', KEYS) is None
    document = msgspec.json.decode(sealed[0])
    assert kept_payload(msgspec.json.encode({**document, "note": "1234BCD"}), KEYS) is None
    assert kept_payload(b'{"sealed_whole":"1234BCD"}', KEYS) is None
    assert kept_payload(passage("sealed1.x.1234BCD"), KEYS) is None
    twice = b'{"sealed_whole":"1234BCD",' + sealed[1][1:]
    assert kept_payload(twice, KEYS) == sealed[1]


@pytest.mark.parametrize("second", [b'""', b'"sealed1.a.b"', b'"9999ZZZ"'])
def test_of_a_key_that_stands_twice_the_first_value_is_sealed_too(second: bytes) -> None:
    item = passage("1234BCD")[:-1] + b',"plate":' + second + b"}"
    (sealed,) = seal_items([item], KEYS)
    assert b"1234BCD" not in sealed


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _: "sealed1.x.1234BCD", "seal_key_unknown"),
        (lambda key: f"sealed1.{key.id}.1234BCD", "seal_broken"),
        (lambda key: seal("9999ZZZ", key=key, context="P-0") + "1234BCD=", "seal_broken"),
        (lambda key: seal("9999ZZZ", key=key, context="P-0") + " 1234BCD", "seal_broken"),
        (lambda key: seal("1234BCD", key=key, context="another"), "seal_broken"),
    ],
)
def test_what_only_looks_sealed_is_sealed_whole(make: Callable[[Key], str], reason: str) -> None:
    item = passage(make(KEYS[Purpose.TRANSPORT]))
    (sealed,) = seal_items([item], KEYS)
    assert is_sealed_whole(sealed)
    assert b"1234BCD" not in sealed
    assert open_whole(sealed, KEYS) == item
    ((index, fault),) = envelope_faults([item], KEYS)
    assert (index, fault.reason) == (0, reason)
    assert "1234BCD" not in repr(fault)


def test_track_and_source_do_not_reach_the_log() -> None:
    items = [passage("9999ZZZ", track="1234BCD", source="1234BCD", gate=gate) for gate in "AAB"]
    sealed = seal_items(items, KEYS)
    assert not any(b"1234BCD" in value for value in sealed)
    one, same, other = (
        open_passage(msgspec.json.decode(value, type=Passage), KEYS).track for value in sealed
    )
    assert one == same != other
    # from the broker it comes in clear, and becomes the same token
    clear = msgspec.structs.replace(msgspec.json.decode(sealed[0], type=Passage), track="1234BCD")
    assert open_passage(clear, KEYS).track == one
