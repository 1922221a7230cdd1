"""The whole live state as bytes and back, small and large, and bytes that are none."""

from __future__ import annotations

import numpy as np
import pytest

from control_city import START_US, crossing, forecast_of, state
from twin.errors import MapError
from twin.opening import Opened, Terms, decode_opening, encode_opening

TERMS = Terms(automatic=("J",), lease_s=15.0, timezone="Europe/Madrid", rules="RS-1")


def opened(*, state_bytes: bytes = b"state") -> Opened:
    """Make an opening with a forecast."""
    return Opened(
        state=state_bytes,
        standing=(),
        newest=(),
        forecast=forecast_of(state(crossing(), START_US), START_US),
        forecast_hash="f" * 32,
        positions={"reading/0": 12},
        terms=TERMS,
    )


@pytest.mark.parametrize("size", [5, 6_000_000])
def test_it_comes_back_as_it_was(size: int) -> None:
    one = opened(state_bytes=b"x" * size)
    body = encode_opening(one)
    again = decode_opening(body)
    assert (again.state, again.positions, again.terms) == (one.state, one.positions, TERMS)
    assert again.forecast is not None
    assert one.forecast is not None
    assert np.array_equal(again.forecast.speed_mps, one.forecast.speed_mps)
    assert (again.forecast.id, again.forecast_hash) == (one.forecast.id, one.forecast_hash)


@pytest.mark.parametrize("body", [b"", b"\x78\x01 no", b"\x81\xa1x\x01"])
def test_other_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(MapError, match="opening of a day"):
        decode_opening(body)
