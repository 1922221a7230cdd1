"""Envelopes open only whole, only with their key, only for their event; tokens do not join."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from twin.errors import InputError
from twin.keys import Key, KeyRing, Purpose
from twin.seal import Plate, is_sealed, seal, token, unseal

KEY = Key(id="test-transport-1", secret=bytes(range(32)))
OTHER = Key(id="test-transport-1", secret=bytes(32))
plates = st.text(alphabet="ABCDEFGHJKLMNPRSTUVWXYZ0123456789", min_size=1, max_size=12)


@given(text=st.text(max_size=40), context=st.text(max_size=40))
def test_what_was_sealed_comes_out(text: str, context: str) -> None:
    envelope = seal(text, key=KEY, context=context)
    assert is_sealed(envelope)
    assert unseal(envelope, key=KEY, context=context) == text


@given(text=plates, place=st.integers(min_value=0), letter=st.sampled_from("AZaz09-_"))
def test_a_changed_envelope_does_not_open(text: str, place: int, letter: str) -> None:
    head, body = seal(text, key=KEY, context="p1").rsplit(".", 1)
    place %= len(body)
    changed = body[:place] + letter + body[place + 1 :]
    assume(_raw(changed) != _raw(body))  # the last letters may hold bits that nobody reads
    with pytest.raises(InputError) as caught:
        unseal(f"{head}.{changed}", key=KEY, context="p1")
    assert caught.value.faults[0].reason == "seal_broken"


def _raw(body: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(body)
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        ("1234BCD", "plate_not_sealed"),
        (seal("1234BCD", key=OTHER, context="p1"), "seal_broken"),
        (seal("1234BCD", key=KEY, context="p2"), "seal_broken"),
        ("sealed1.other-key.AAAA", "seal_key_unknown"),
        ("sealed1.test-transport-1.%%%", "seal_broken"),
    ],
)
def test_a_wrong_envelope_names_its_reason_and_no_plate(envelope: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        unseal(envelope, key=KEY, context="p1")
    assert caught.value.faults[0].reason == reason
    assert "1234BCD" not in str(caught.value)


@given(text=plates)
def test_tokens_of_two_purposes_do_not_join(text: str) -> None:
    ring = KeyRing.fresh("test")
    plate = Plate("ES", text)
    tokens = {token(plate, key=ring[purpose]) for purpose in Purpose}
    assert len(tokens) == len(Purpose)
    assert token(plate, key=KEY) == token(Plate("ES", text), key=KEY)
    assert token(plate, key=KEY) != token(Plate("PT", text), key=KEY)


def test_a_plate_does_not_print_itself() -> None:
    plate = Plate("ES", "1234BCD")
    assert "1234" not in f"{plate} {plate!r} {[plate]}"


def test_a_key_file_is_private_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ring = KeyRing.fresh("test")
    ring.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert KeyRing.load(path) == ring
    with pytest.raises(FileExistsError):
        ring.save(path)
    path.write_text("{}")
    with pytest.raises(InputError, match="TWIN_KEYS"):
        KeyRing.load(path)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "made" / "too" / "keys.json"
    KeyRing.fresh("test").save(path)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o640)
    with pytest.raises(InputError, match="mode 0640, wider than 0600"):
        KeyRing.load(path)


def test_keys_of_another_environment_are_refused(tmp_path: Path) -> None:
    known = ("test", "preproduction", "production")
    path = tmp_path / "keys.json"
    KeyRing.fresh("test").refuse_other("test", of=known, path=path)
    KeyRing.fresh("demo").refuse_other("test", of=known, path=path)
    with pytest.raises(InputError, match="key production-transport-1 is of production"):
        KeyRing.fresh("production").refuse_other("test", of=known, path=path)
