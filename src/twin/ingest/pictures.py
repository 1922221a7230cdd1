"""Pictures on their way from the process that makes them to those that show them.

A key frame holds every column whole; the frames after it hold the rows that have moved since they
were last sent, column by column. A value of a link may be behind by less than `STEPS` names, well
below what any answer shows; what sensors measured is exact. Values travel as float32, ages as the
moment of the measurement, which does not move by itself. Everything else in a picture travels
whole whenever it has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, get_type_hints

import msgspec
import numpy as np
import numpy.typing as npt

from twin.errors import Fault, InputError
from twin.ingest.packing import pack, unpack
from twin.perceive.state import LinkState, Measured
from twin.picture import Picture
from twin.units import SECOND_US

KEY_EVERY: Final = 30
"""A reader that starts or erred waits at most so many pictures."""
STEPS: Final[Mapping[str, float]] = {
    "speed_mps": 0.005,
    "speed_sd_mps": 0.02,
    "flow_vps": 5e-5,
    "flow_sd_vps": 2e-4,
    "density_vpm": 2e-5,
    "density_sd_vpm": 1e-4,
    "age_s": 0.01,
}
_NO_BASE: Final = -1
_APART: Final = frozenset({"time_us", "sequence", "map_version", "links", "measured", "forecast"})
_REST: Final = tuple(field.name for field in fields(Picture) if field.name not in _APART)
_KINDS: Final = get_type_hints(Picture)
_LINKS: Final = tuple(field.name for field in fields(LinkState) if field.name != "time_us")
_LATER: Final = ("origins", "detectors")  # a writer of a version before does not give them
_MEASURED: Final = tuple(field.name for field in fields(Measured))

Column = npt.NDArray[Any]


class _Moved(msgspec.Struct, frozen=True, array_like=True):
    """Rows of a column and their new values; `rows` (uint32) is empty where all are given."""

    dtype: str
    rows: bytes
    values: bytes


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    """One picture. `base` is the sequence number of the frame it builds on, -1 for none."""

    sequence: int
    base: int
    time_us: int
    map_version: str
    forecast: str
    columns: dict[str, _Moved]
    rest: dict[str, bytes]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Frame)


class PictureEncoder:
    """Turns pictures into frames; knows what the readers have by now."""

    def __init__(self, *, first: int = 0) -> None:
        """Add `first` to the sequence numbers, so that they rise over a change of the writer."""
        self._first = first
        self._sent: dict[str, Column] = {}
        self._rest: dict[str, bytes] = {}
        self._base = _NO_BASE
        self._since_key = 0
        self._map_version = ""

    def reset(self) -> None:
        """Make the next frame a key frame: one before may not have been read."""
        self._base = _NO_BASE

    def encode(self, picture: Picture) -> tuple[int, bytes]:
        """Return the number and the bytes of the next frame."""
        self._since_key += 1
        if self._since_key >= KEY_EVERY or picture.map_version != self._map_version:
            self.reset()
        if self._base == _NO_BASE:
            self._since_key, self._sent, self._rest = 0, {}, {}
        number = self._first + picture.sequence
        frame = _Frame(
            sequence=number,
            base=self._base,
            time_us=picture.time_us,
            map_version=picture.map_version,
            forecast=picture.forecast.id if picture.forecast is not None else "",
            columns=self._columns(picture),
            rest=self._changed_rest(picture),
        )
        self._base, self._map_version = number, picture.map_version
        return number, _ENCODER.encode(frame)

    def _columns(self, picture: Picture) -> dict[str, _Moved]:
        found: dict[str, _Moved] = {}
        for name in _LINKS:
            column = getattr(picture.links, name)
            step = STEPS.get(name, 0.0)
            if name == "age_s":
                column = picture.time_us / SECOND_US - column
            elif column.dtype.kind == "f":
                column = column.astype(np.float32)
            self._add(found, f"links.{name}", column, step)
        for name in _MEASURED:
            self._add(found, f"measured.{name}", getattr(picture.measured, name), 0.0)
        return found

    def _add(self, found: dict[str, _Moved], name: str, column: Column, step: float) -> None:
        """Add what moved of one column, and remember it as sent."""
        sent = self._sent.get(name)
        dtype = column.dtype.newbyteorder("<").str
        if sent is None or len(sent) != len(column):
            self._sent[name] = column.copy()
            found[name] = _Moved(dtype, b"", column.astype(dtype).tobytes())
            return
        if column.dtype.kind == "f":
            gone = np.isnan(column)
            with np.errstate(invalid="ignore"):
                moved = (np.abs(column - sent) > step) | (gone != np.isnan(sent))
        else:
            moved = column != sent
        rows = np.flatnonzero(moved)
        if len(rows):
            sent[rows] = column[rows]
            values = column[rows].astype(dtype).tobytes()
            found[name] = _Moved(dtype, rows.astype("<u4").tobytes(), values)

    def _changed_rest(self, picture: Picture) -> dict[str, bytes]:
        packed = {name: pack(getattr(picture, name)) for name in _REST}
        changed = {name: body for name, body in packed.items() if self._rest.get(name) != body}
        self._rest = packed
        return changed


class PictureDecoder:
    """Turns frames back into pictures; waits for a key frame where it missed one."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._sequence = _NO_BASE
        self._columns: dict[str, Column] = {}
        self._rest: dict[str, Any] = {}

    def decode(self, body: bytes) -> tuple[Picture, str] | None:
        """Return the picture, without its forecast, and the id of that; None: a frame is missing.

        Raises InputError for bytes that are no frame.
        """
        try:
            frame = _DECODER.decode(body)
        except msgspec.DecodeError as error:
            raise _no_frame(body, error) from error
        if frame.base == _NO_BASE:
            self._columns, self._rest = {}, {}
        elif frame.base != self._sequence:
            return None
        self._sequence = _NO_BASE  # until this one came through whole
        try:
            for name, moved in frame.columns.items():
                self._columns[name] = _applied(self._columns.get(name), moved)
            for name, packed in frame.rest.items():
                if name in _KINDS:  # a newer writer may say more
                    self._rest[name] = unpack(packed, _KINDS[name])
            picture = self._picture(frame)
        except (ValueError, IndexError, KeyError, TypeError) as error:
            raise _no_frame(body, error) from error
        self._sequence = frame.sequence
        return picture, frame.forecast

    def _picture(self, frame: _Frame) -> Picture:
        nothing = np.zeros(len(self._columns["links.closed"]), np.uint8)
        for name in _LATER:
            self._columns.setdefault(f"links.{name}", nothing)
        links = {name: _shown(self._columns[f"links.{name}"]) for name in _LINKS}
        links["age_s"] = frame.time_us / SECOND_US - links["age_s"]
        return Picture(
            time_us=frame.time_us,
            sequence=frame.sequence,
            map_version=frame.map_version,
            links=LinkState(time_us=frame.time_us, **links),
            measured=Measured(**{name: self._columns[f"measured.{name}"] for name in _MEASURED}),
            forecast=None,
            **self._rest,
        )


def _applied(known: Column | None, moved: _Moved) -> Column:
    """Return a column with its moved rows; the one before is left as it is: readers hold it."""
    values = np.frombuffer(moved.values, np.dtype(moved.dtype))
    if not moved.rows:
        return values.copy()
    if known is None:
        raise ValueError("rows of a column that was never given whole")
    column = known.copy()
    column[np.frombuffer(moved.rows, "<u4")] = values
    return column


def _shown(column: Column) -> Column:
    return column.astype(np.float64) if column.dtype.kind == "f" else column


def _no_frame(body: bytes, error: Exception) -> InputError:
    return InputError(Fault("picture", f"{len(body)} bytes", f"is no frame: {error}"))
