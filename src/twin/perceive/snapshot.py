"""The live state as bytes: equal states give equal bytes."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from twin.errors import MapError
from twin.events import Incident, SignalStatus

FORMAT = 1


class SavedArray(msgspec.Struct, frozen=True, array_like=True):
    """One array: its dtype, shape and little-endian bytes."""

    dtype: str
    shape: tuple[int, ...]
    body: bytes


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a restart needs besides open decisions."""

    format: int
    map_version: str
    arrays: dict[str, SavedArray]
    incidents: tuple[Incident, ...]
    statuses: tuple[SignalStatus, ...]
    signals: bytes = b""


_encoder = msgspec.msgpack.Encoder(order="sorted")
_decoder = msgspec.msgpack.Decoder(Saved)


def encode(
    map_version: str,
    arrays: dict[str, npt.NDArray[Any]],
    incidents: tuple[Incident, ...],
    statuses: tuple[SignalStatus, ...],
    signals: bytes = b"",
) -> bytes:
    """Write a state down; `signals` is the memory of signal control."""
    saved = {
        name: SavedArray(array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes())
        for name, array in arrays.items()
    }
    return _encoder.encode(
        Saved(
            format=FORMAT,
            map_version=map_version,
            arrays=saved,
            incidents=incidents,
            statuses=statuses,
            signals=signals,
        )
    )


def decode(body: bytes, map_version: str) -> tuple[Saved, dict[str, npt.NDArray[Any]]]:
    """Read a state. Raises MapError when it is damaged or belongs to another map version."""
    try:
        saved = _decoder.decode(body)
        arrays = {
            name: np.frombuffer(array.body, np.dtype(array.dtype)).reshape(array.shape)
            for name, array in saved.arrays.items()
        }
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        message = f"the saved live state cannot be read: {error}"
        raise MapError(message) from error
    if (saved.format, saved.map_version) != (FORMAT, map_version):
        message = (
            f"the saved live state has format {saved.format} and map {saved.map_version}; "
            f"wanted are format {FORMAT} and map {map_version}"
        )
        raise MapError(message)
    return saved, arrays
