"""The topics of the log, and the partition in which a record lands."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from twin.events import Topic
from twin.log.contract import Place, TopicSpec
from twin.network.model import SingleMap
from twin.network.regions import regions

PASSAGE_RETENTION_S: Final = 86_400.0
"""Sealed plates stay on the log for 24 hours by append time, and no longer."""
INCOMING: Final = (
    Topic.READING,
    Topic.READING_COLUMNS,
    Topic.ANPR_READ,
    Topic.INCIDENT,
    Topic.STATUS,
    Topic.ACKNOWLEDGEMENT,
    Topic.ACT,
    Topic.AUTHORISATION,
)
OF_READINGS: Final = frozenset({Topic.READING, Topic.READING_COLUMNS})
"""Topics with one partition a region."""
OUTGOING: Final = (Topic.DECISION, Topic.TICK)


class InnerTopic(StrEnum):
    """The streams between the processes of one service; partners neither write nor read them."""

    APPLIED = "reading.applied"  # applied readings as arrays; partition = that of `reading`
    PICTURE = "picture"  # key frames and changes of the picture
    FORECAST = "forecast"  # whole forecasts


APPLIED_RETENTION_S: Final = 86_400.0
"""A snapshot of live state must be newer than this when it is taken up again."""
PICTURE_RETENTION_S: Final = 3_600.0
_INNER_RETENTION_S: Final = {
    InnerTopic.APPLIED: APPLIED_RETENTION_S,
    InnerTopic.PICTURE: PICTURE_RETENTION_S,
    InnerTopic.FORECAST: PICTURE_RETENTION_S,
}


@dataclass(frozen=True)
class Topics:
    """The partitions of the topics of one map. What a broker puts before names is the log's.

    `reading_partitions` is how many `reading` has, `reading.columns` and `reading.applied` with
    it; None takes one a region. Region r of R keeps the partitions r, r + R, r + 2R …, and a
    sensor's is chosen among them by the CRC-32 of its id: it never moves while both numbers stay.
    """

    network: SingleMap
    reading_partitions: int | None = None

    def partitions(self, topic: Topic | InnerTopic) -> int:
        """Return how many partitions a topic is created with: one a region for readings."""
        if topic not in OF_READINGS and topic is not InnerTopic.APPLIED:
            return 1
        return self.reading_partitions or max(1, len(regions(self.network)))

    def specs(self) -> list[TopicSpec]:
        """Return what `Log.create_topics` needs."""
        return [
            TopicSpec(
                str(topic),
                self.partitions(topic),
                PASSAGE_RETENTION_S if topic is Topic.ANPR_READ else None,
            )
            for topic in (*INCOMING, *OUTGOING)
        ] + [
            TopicSpec(str(topic), self.partitions(topic), _INNER_RETENTION_S[topic])
            for topic in InnerTopic
        ]

    def place(self, topic: Topic) -> Place:
        """Return the first partition of a topic, the only one of those without regions."""
        return Place(topic.value, 0)

    def reading_place(self, sensor: str, topic: Topic = Topic.READING) -> Place:
        """Return the partition of a sensor's region; 0 for a sensor that the map does not know."""
        return Place(topic.value, self._partition_by_sensor.get(sensor, 0))

    @cached_property
    def _partition_by_sensor(self) -> Mapping[str, int]:
        row_of = {name: row for row, name in enumerate(regions(self.network))}
        partitions = self.partitions(Topic.READING)
        return {
            sensor.id: partition_of(
                sensor.id, row_of.get(sensor.region, 0), regions=len(row_of), partitions=partitions
            )
            for sensor in self.network.sensors
        }


def partition_of(sensor: str, region: int, *, regions: int, partitions: int) -> int:
    """Return the partition of a sensor of region number `region`; see `Topics`."""
    first = region % partitions
    places = len(range(first, partitions, regions))
    return first + regions * (zlib.crc32(sensor.encode()) % places)


def applied_place(partition: int) -> Place:
    """Return where what partition `partition` of `reading` brought is handed on."""
    return Place(InnerTopic.APPLIED.value, partition)


def topic_specs(network: SingleMap) -> list[TopicSpec]:
    """Return every topic of the service, to be created at the start."""
    return Topics(network).specs()


def group_by_place(
    topics: Topics, topic: Topic, keyed: Iterable[tuple[str, bytes]]
) -> dict[Place, list[bytes]]:
    """Sort values into partitions, in order. `keyed` holds (sensor id or "", value)."""
    groups: dict[Place, list[bytes]] = {}
    for sensor, value in keyed:
        place = topics.reading_place(sensor) if topic is Topic.READING else topics.place(topic)
        groups.setdefault(place, []).append(value)
    return groups


def topic_again(topic: Topic, value: bytes) -> Topic:
    """Return the topic on which a refused record is sent again.

    A reading that was refused alone out of a record of many is kept as JSON.
    """
    packed = topic is Topic.READING_COLUMNS and not value.lstrip().startswith(b"{")
    return Topic.READING if topic in OF_READINGS and not packed else topic
