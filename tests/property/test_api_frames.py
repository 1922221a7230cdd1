"""Frames: deltas applied to a key frame give the next key frame, and cut bytes are refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from twin.api.frames import (
    HEADER_BYTES,
    FrameKind,
    Stamp,
    apply,
    decode,
    encode_delta,
    encode_key,
)
from twin.errors import InputError
from twin.perceive.state import Codes

VERSION = "0123456789abcdef" * 2
SIZES = st.integers(0, 200)


def stamp(sequence: int) -> Stamp:
    return Stamp(sequence, VERSION, event_us=1_000 + sequence, server_us=2_000 + sequence)


@st.composite
def histories(draw: st.DrawFn) -> list[Codes]:
    size = draw(SIZES)
    codes = draw(arrays(np.uint8, size, elements=st.integers(0, 253)))
    history = [codes]
    for _ in range(draw(st.integers(1, 5))):
        codes = codes.copy()
        if size:
            rows = draw(st.lists(st.integers(0, size - 1), max_size=size))
            codes[rows] = draw(st.integers(0, 253))
        history.append(codes)
    return history


@given(histories(), st.integers(0, 2**32 + 5))
def test_deltas_on_a_key_frame_give_the_next_key_frame(history: list[Codes], first: int) -> None:
    held = apply(decode(encode_key(history[0], stamp(first))), None, 0)
    for step, (before, after) in enumerate(itertools.pairwise(history), start=1):
        sequence = first + step
        frame = encode_delta(after, before, stamp(sequence), base_sequence=sequence - 1)
        key = encode_key(after, stamp(sequence))
        if frame is None:
            frame = key
        assert len(frame) <= len(key)
        held = apply(decode(frame), held, sequence - 1)
        assert held.tobytes() == decode(key).codes.tobytes() == after.tobytes()


@given(arrays(np.uint8, SIZES, elements=st.integers(0, 253)), st.integers(1, 60))
def test_a_cut_frame_is_refused(codes: Codes, cut: int) -> None:
    frame = encode_key(codes, stamp(7))
    with pytest.raises(InputError):
        decode(frame[:-cut])


def test_the_header_byte_by_byte() -> None:
    codes = np.array([0, 200, 251], np.uint8)
    frame = encode_key(codes, Stamp(5, VERSION, event_us=1, server_us=-2))
    assert frame[:4] == b"TWIN"
    assert frame[4] == 1
    assert frame[5] == FrameKind.KEY
    assert frame[6:8] == (52).to_bytes(2, "little")
    assert frame[8:12] == (5).to_bytes(4, "little")
    assert frame[12:16] == bytes(4)
    assert frame[16:32] == bytes.fromhex(VERSION)
    assert frame[32:40] == (1).to_bytes(8, "little")
    assert frame[40:48] == (-2).to_bytes(8, "little", signed=True)
    assert frame[48:52] == (3).to_bytes(4, "little")
    assert frame[HEADER_BYTES:] == b"\x00\xc8\xfb"


def test_a_delta_names_its_base_rows_and_values() -> None:
    before = np.arange(20, dtype=np.uint8)
    after = before.copy()
    after[[3, 17]] = (250, 252)
    frame = encode_delta(after, before, stamp(9), base_sequence=8)
    assert frame is not None
    assert frame[5] == FrameKind.DELTA
    assert frame[12:16] == (8).to_bytes(4, "little")
    assert frame[48:52] == (2).to_bytes(4, "little")
    rows = (3).to_bytes(4, "little") + (17).to_bytes(4, "little")
    assert frame[52:] == rows + bytes([250, 252])


def test_a_gap_is_refused_so_that_the_reader_asks_for_a_key_frame() -> None:
    before = np.zeros(20, np.uint8)
    after = before.copy()
    after[0] = 1
    frame = encode_delta(after, before, stamp(9), base_sequence=8)
    assert frame is not None
    with pytest.raises(InputError, match="base_sequence"):
        apply(decode(frame), before, 7)
    with pytest.raises(InputError, match="base_sequence"):
        apply(decode(frame), None, 8)


@pytest.mark.parametrize("spoilt", [0, 4, 5, 6])
def test_another_protocol_is_refused(spoilt: int) -> None:
    frame = bytearray(encode_key(np.zeros(3, np.uint8), stamp(1)))
    frame[spoilt] ^= 0x42
    with pytest.raises(InputError, match="protocol"):
        decode(bytes(frame))
