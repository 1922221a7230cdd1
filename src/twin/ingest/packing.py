"""Objects with arrays as bytes, and bytes as records that fit the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import numpy as np

from twin.errors import Fault, InputError

Kind = TypeVar("Kind")

PIECE_BYTES: Final = 800_000
"""Below the 900 kB that a record may have, header and envelope included."""


class _Array(msgspec.Struct, frozen=True, array_like=True):
    dtype: str
    shape: tuple[int, ...]
    body: bytes


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """One record of something larger.

    epoch         of the writer: what an older one still sends does not count any more
    number        of the thing, rising within one epoch
    part, parts   which piece this is, from 0, and how many there are
    """

    epoch: int
    number: int
    part: int
    parts: int
    body: bytes


class Whole(NamedTuple):
    """What all pieces of one number make."""

    epoch: int
    number: int
    body: bytes


_ENCODER: Final = msgspec.msgpack.Encoder()
_PIECES: Final = msgspec.msgpack.Decoder(Piece)


def pack(value: Any) -> bytes:
    """Return any of our dataclasses or structs as MessagePack; arrays keep dtype and shape."""
    return msgspec.msgpack.encode(value, enc_hook=_array)


def unpack(body: bytes, kind: Any) -> Any:
    """Return what `pack` wrote as the type `kind`; arrays cannot be written to.

    Raises InputError for bytes that are nothing of the kind.
    """
    try:
        return msgspec.msgpack.decode(body, type=kind, dec_hook=_restored)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        rule = f"is no {getattr(kind, '__name__', kind)}: {error}"
        raise InputError(Fault("record", f"{len(body)} bytes", rule)) from error


def _array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _Array(value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes())
    if isinstance(value, np.generic):
        return value.item()
    message = f"{type(value).__name__} is nothing that a record carries"
    raise NotImplementedError(message)


def _restored(_kind: Any, said: Any) -> Any:
    array = msgspec.convert(said, _Array)
    return np.frombuffer(array.body, np.dtype(array.dtype)).reshape(array.shape)


def cut(body: bytes, *, epoch: int, number: int, at: int = PIECE_BYTES) -> list[bytes]:
    """Return the records that carry `body`, in order; at least one."""
    parts = max(-(-len(body) // at), 1)
    return [
        _ENCODER.encode(Piece(epoch, number, part, parts, body[part * at : (part + 1) * at]))
        for part in range(parts)
    ]


class Joiner:
    """Puts pieces together as they come; what is incomplete or from an older epoch is dropped."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.epoch = 0
        self._pieces: list[Piece] = []

    def take(self, value: bytes) -> Whole | None:
        """Return the whole that this record completes, if it does. Raises InputError."""
        try:
            piece = _PIECES.decode(value)
        except msgspec.DecodeError as error:
            fault = Fault("record", f"{len(value)} bytes", f"is no piece of anything: {error}")
            raise InputError(fault) from error
        if piece.epoch < self.epoch:
            return None
        self.epoch = piece.epoch
        if piece.part != len(self._pieces) or not self._fits(piece):
            self._pieces = []
            if piece.part:
                return None
        self._pieces.append(piece)
        if len(self._pieces) < piece.parts:
            return None
        pieces, self._pieces = self._pieces, []
        return Whole(piece.epoch, piece.number, b"".join(one.body for one in pieces))

    def _fits(self, piece: Piece) -> bool:
        if not self._pieces:
            return True
        first = self._pieces[0]
        return (first.epoch, first.number, first.parts) == (piece.epoch, piece.number, piece.parts)


def wholes(joiner: Joiner, values: list[bytes]) -> Iterator[Whole]:
    """Give what these records complete, in order; what is no piece is passed over."""
    for value in values:
        try:
            whole = joiner.take(value)
        except InputError:
            continue
        if whole is not None:
            yield whole
