"""Moments in query parameters: RFC 3339 with an offset, nothing looser."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from pydantic import WithJsonSchema

from twin.clock import us_from_datetime
from twin.errors import Fault, InputError

MomentText = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]

_Aware = Annotated[datetime, msgspec.Meta(tz=True)]


def moment_us(text: str, name: str) -> int:
    """Turn RFC 3339 text into microseconds.

    Raises InputError naming the parameter when it is no moment or has no offset.
    """
    try:
        return us_from_datetime(msgspec.convert(text, _Aware))
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        rule = "is RFC 3339 with Z or an offset, such as 2026-06-16T06:30:00Z"
        raise InputError(Fault(name, text[:80], rule)) from error
