"""The whole live state as bytes, to go on from it exactly: where the replay of a day begins.

A snapshot holds what a restart needs. An opening holds besides what lives in memory only: the open
decisions, the newest of every junction and the forecast in force. Decisions about single vehicles
stay out.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import msgspec
import numpy as np

from twin.errors import MapError
from twin.events import DecisionEvent
from twin.forecast.result import Forecast

FORMAT: Final = 1
_DEFLATED: Final = b"\x78"
"""A deflated opening begins so, a plain one never does."""
_LARGE: Final = 4_000_000
"""Bytes from which deflating would keep the beat waiting: a day has one opening."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Under which terms a live state works.

    rules      version of the rules of access
    holidays   ISO dates that the learned forecast takes for a weekend
    model      hash of its fitted model, "" for none
    """

    automatic: tuple[str, ...]
    lease_s: float
    timezone: str
    rules: str = ""
    holidays: tuple[str, ...] = ()
    model: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """What an opening holds.

    state       as `Live.state_bytes`
    standing    open decisions; `newest`: the newest of every kind and target, over or not
    forecast    the one in force, `forecast_hash` over its content
    positions   next offset by the name of each partition
    terms       under which decisions were made, as `Live.terms`
    """

    state: bytes
    standing: tuple[DecisionEvent, ...]
    newest: tuple[DecisionEvent, ...]
    forecast: Forecast | None
    forecast_hash: str
    positions: Mapping[str, int]
    terms: Terms


class _Column(msgspec.Struct, frozen=True, array_like=True):
    dtype: str
    shape: tuple[int, ...]
    body: bytes


class _Saved(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    state: bytes
    decisions: bytes  # JSON, as on the log: (standing, newest)
    forecast: dict[str, Any] | None
    columns: dict[str, _Column]
    forecast_hash: str
    positions: dict[str, int]
    terms: Terms


_ENCODER: Final = msgspec.msgpack.Encoder(order="sorted")
_DECODER: Final = msgspec.msgpack.Decoder(_Saved)
_DECISIONS: Final = msgspec.json.Decoder(
    tuple[tuple[DecisionEvent, ...], tuple[DecisionEvent, ...]]
)


def encode_opening(opened: Opened) -> bytes:
    """Write an opening down."""
    forecast = opened.forecast
    values = {} if forecast is None else _values(forecast)
    columns = {
        name: _Column(value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes())
        for name, value in values.items()
        if isinstance(value, np.ndarray)
    }
    plain = {name: value for name, value in values.items() if name not in columns}
    saved = _Saved(
        format=FORMAT,
        state=opened.state,
        decisions=msgspec.json.encode((opened.standing, opened.newest)),
        forecast=None if forecast is None else plain,
        columns=columns,
        forecast_hash=opened.forecast_hash,
        positions=dict(opened.positions),
        terms=opened.terms,
    )
    body = _ENCODER.encode(saved)
    return zlib.compress(body, 1) if len(body) < _LARGE else body


def decode_opening(body: bytes) -> Opened:
    """Read an opening. Raises MapError for bytes that are none of this format."""
    try:
        plain = zlib.decompress(body) if body.startswith(_DEFLATED) else body
        saved = _DECODER.decode(plain)
        standing, newest = _DECISIONS.decode(saved.decisions)
        values: dict[str, Any] = {
            name: np.frombuffer(column.body, np.dtype(column.dtype)).reshape(column.shape)
            for name, column in saved.columns.items()
        }
        forecast = None if saved.forecast is None else Forecast(**(saved.forecast | values))
    except (msgspec.MsgspecError, zlib.error, ValueError, TypeError) as error:
        message = f"the opening of a day cannot be read: {error}"
        raise MapError(message) from error
    if saved.format != FORMAT:
        message = f"the opening of a day has format {saved.format}, wanted is {FORMAT}"
        raise MapError(message)
    return Opened(
        state=saved.state,
        standing=standing,
        newest=newest,
        forecast=forecast,
        forecast_hash=saved.forecast_hash,
        positions=saved.positions,
        terms=saved.terms,
    )


def _values(forecast: Forecast) -> dict[str, Any]:
    return {field.name: getattr(forecast, field.name) for field in fields(forecast)}
