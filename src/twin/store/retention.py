"""What may not be kept for ever, and is removed when its time is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from twin.clock import us_from_seconds
from twin.store.database import Database
from twin.store.deadletters import expire
from twin.store.minutes import forget_minutes
from twin.store.passages import forget_passages
from twin.store.people import tidy

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Keep:
    """How long each kind is kept, s after its own time."""

    passage_s: float = 1 * _DAY_S
    dead_letter_s: float = 30 * _DAY_S
    minute_s: float = 400 * _DAY_S


class Forgotten(NamedTuple):
    """How many rows went."""

    passages: int
    dead_letters: int
    minutes: int


async def forget_old(database: Database, keep: Keep, *, now_us: int) -> Forgotten:
    """Remove what is older than `keep` allows, and sessions and links that are over.

    Of a dead letter only the payload goes: that it was refused, and why, stays countable.
    """
    await tidy(database, now_us=now_us)
    return Forgotten(
        passages=await forget_passages(database, now_us - us_from_seconds(keep.passage_s)),
        dead_letters=await expire(
            database, now_us - us_from_seconds(keep.dead_letter_s), now_us=now_us
        ),
        minutes=await forget_minutes(database, now_us - us_from_seconds(keep.minute_s)),
    )
