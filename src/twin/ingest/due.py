"""What the owner of the live state keeps now and then, beside what every commit carries."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from twin.clock import datetime_from_us
from twin.events import DecisionEvent, Tick, Topic
from twin.ingest.forecasting import Swap
from twin.ingest.map_change import snapshot_of
from twin.ingest.order import NEVER_US
from twin.ingest.policy import WorkerPolicy
from twin.ingest.topics import Topics
from twin.live import Live
from twin.picture import Picture
from twin.store.records import MinutePicture, Outgoing, Snapshot
from twin.units import SECOND_US

_ENCODER: Final = msgspec.json.Encoder()
_MINUTE_US: Final = 60 * SECOND_US


class Due:
    """Knows when the next snapshot and the next minute are to be kept."""

    def __init__(self, policy: WorkerPolicy) -> None:
        """Keep no snapshot before `snapshot_was`; the minute of the first picture is kept."""
        self._policy = policy
        self._snapshot_us = NEVER_US
        self._minute_us = NEVER_US

    def snapshot_was(self, time_us: int) -> None:
        """Count on from a snapshot that is stored."""
        self._snapshot_us = time_us + self._policy.snapshot_us

    def snapshot(self, live: Live, now_us: int) -> Snapshot | None:
        """Take the live state down when that is due."""
        if now_us < self._snapshot_us:
            return None
        self.snapshot_was(now_us)
        return snapshot_of(live, now_us)

    def minute(self, picture: Picture) -> MinutePicture | None:
        """Return the estimate of a minute, from its first picture."""
        minute_us = picture.time_us - picture.time_us % _MINUTE_US
        if not self._policy.minutes or minute_us == self._minute_us:
            return None
        self._minute_us = minute_us
        links = picture.links
        return MinutePicture(
            time_us=minute_us,
            map_version=picture.map_version,
            speed_mps=links.speed_mps.astype(np.float32).tobytes(),
            flow_vps=links.flow_vps.astype(np.float32).tobytes(),
            density_vpm=links.density_vpm.astype(np.float32).tobytes(),
            source=links.source.tobytes(),
        )


def decision_records(
    topics: Topics, decided: tuple[DecisionEvent, ...], now_us: int
) -> list[Outgoing]:
    """Return what tells the street and others of decisions."""
    place = topics.place(Topic.DECISION)
    return [Outgoing(place, _ENCODER.encode(event), now_us) for event in decided]


def beat_record(topics: Topics, picture: Picture, offsets: dict[str, int], swap: Swap) -> Outgoing:
    """Return what tells others of a beat: where it stood, and which forecast came in."""
    beat = Tick(
        time=datetime_from_us(picture.time_us),
        offsets=offsets,
        forecast=swap.taken,
        dropped=swap.dropped,
        map_version=picture.map_version,
    )
    return Outgoing(topics.place(Topic.TICK), _ENCODER.encode(beat), picture.time_us)
