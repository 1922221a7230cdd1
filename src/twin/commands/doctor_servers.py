"""What `twin doctor` asks of the servers' own settings: how safely they keep what they get."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import text

from twin.api.issuer import fetch_https
from twin.commands.doctor_checks import Finding, State
from twin.errors import BackendError
from twin.events import Topic
from twin.ingest.topics import INCOMING, PASSAGE_RETENTION_S
from twin.log.kafka_settings import TopicKept, topics_kept
from twin.settings import Environment, Settings
from twin.store.database import Database

_KAFKA: Final = "kafka://"
_HOUR_S: Final = 3600.0
LEAST_RETENTION_S: Final = 24 * _HOUR_S
"""A worker may be away over a day off; what came meanwhile must still be there."""
REPLICAS: Final = 3
FULL_SHARE: Final = 0.8
BACKUP_OLD_S: Final = 26 * _HOUR_S  # a backup every day, and two hours for it
_ASKED: Final = (
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "autovacuum",
    "max_connections",
)
_MUST_BE_ON: Final[Mapping[str, str]] = {
    "fsync": "a power cut can destroy the database",
    "full_page_writes": "a power cut can leave torn pages",
    "synchronous_commit": "a power cut loses the newest commits, and what was published from them",
    "autovacuum": "tables and indexes grow without end",
}


async def broker(settings: Settings) -> list[Finding]:
    """Look at retention, replicas and cleaning of the topics; nothing for the embedded log."""
    if not settings.log.startswith(_KAFKA):
        return []
    names = [settings.topic_prefix + topic.value for topic in INCOMING]
    try:
        found = await topics_kept(settings.log.removeprefix(_KAFKA), names)
    except BackendError as error:
        advice = "start the broker, or let this user describe its topics"
        return [Finding("broker", State.WARNING, str(error), advice)]
    kept = {name.removeprefix(settings.topic_prefix): topic for name, topic in found.items()}
    return judge_topics(kept, _grave(settings))


def judge_topics(kept: Mapping[str, TopicKept], grave: State) -> list[Finding]:
    """Judge topics by their names without prefix; `grave` is what a risk to the data counts as."""
    if not kept:
        return []
    return [_retention(kept), _plates(kept), _replicas(kept, grave)]


def _retention(kept: Mapping[str, TopicKept]) -> Finding:
    others = [topic for name, topic in kept.items() if name != Topic.ANPR_READ]
    compacted = [topic.name for topic in others if "compact" in topic.cleanup]
    if compacted:
        advice = "set cleanup.policy=delete: compaction throws events away that nobody has read"
        return Finding("retention", State.BAD, f"compacted: {', '.join(compacted)}", advice)
    short = [
        f"{topic.name} keeps {topic.retention_s / _HOUR_S:.1f} h"
        for topic in others
        if topic.retention_s is not None and topic.retention_s < LEAST_RETENTION_S
    ]
    if short:
        advice = "raise retention.ms to 86400000 or more, above the time between two backups"
        return Finding("retention", State.BAD, "; ".join(short), advice)
    bounded = [topic.retention_s for topic in others if topic.retention_s is not None]
    least = f"{min(bounded) / _HOUR_S:.0f} h" if bounded else "for ever"
    return Finding("retention", State.GOOD, f"events are kept {least} at least")


def _plates(kept: Mapping[str, TopicKept]) -> Finding:
    topic = kept.get(Topic.ANPR_READ.value)
    if topic is None:
        return Finding("sealed plates", State.GOOD, "no topic yet")
    if topic.retention_s is None or topic.retention_s > PASSAGE_RETENTION_S:
        lasts = "for ever" if topic.retention_s is None else f"{topic.retention_s / _HOUR_S:.0f} h"
        advice = f"set retention.ms={PASSAGE_RETENTION_S * 1000:.0f} on {topic.name}"
        found = f"{topic.name} keeps sealed plates {lasts}; 24 h is the most"
        return Finding("sealed plates", State.BAD, found, advice)
    return Finding("sealed plates", State.GOOD, f"{topic.name}: 24 h at most")


def _replicas(kept: Mapping[str, TopicKept], grave: State) -> Finding:
    """Return what is found of the topic that is worst off."""
    order = list(State)
    return max(
        (_copies(topic, grave) for topic in kept.values()), key=lambda f: order.index(f.state)
    )


def _copies(topic: TopicKept, grave: State) -> Finding:
    found = (
        f"{topic.name}: {topic.replicas} replicas, min.insync.replicas {topic.min_insync}, "
        f"{topic.partitions} partitions"
    )
    if topic.replicas < REPLICAS:
        advice = f"{REPLICAS} brokers and replicas: with fewer the loss of a disk loses events"
        return Finding("replicas", grave, found, advice)
    if topic.min_insync < 2:
        advice = "set min.insync.replicas=2: an acknowledged event is then on two disks"
        return Finding("replicas", grave, found, advice)
    if topic.min_insync >= topic.replicas:
        advice = "leave one replica of room: now a broker that restarts stops every append"
        return Finding("replicas", State.WARNING, found, advice)
    return Finding("replicas", State.GOOD, found)


async def database_settings(settings: Settings, opened: Database) -> list[Finding]:
    """Look at how PostgreSQL keeps commits and how many connections are left."""
    if opened.dialect != "postgresql":
        return []
    async with opened.read() as connection:
        shown = {
            name: (await connection.execute(text(f"SHOW {name}"))).scalar_one() for name in _ASKED
        }
        used = (
            await connection.execute(text("SELECT count(*) FROM pg_stat_activity"))
        ).scalar_one()
        size = text("SELECT pg_database_size(current_database())")
        size_bytes = (await connection.execute(size)).scalar_one()
    return [
        *judge_database(shown, _grave(settings)),
        judge_connections(int(used), int(shown["max_connections"])),
        Finding("database size", State.GOOD, f"{size_bytes / 1e9:.2f} GB"),
    ]


def judge_database(shown: Mapping[str, str], grave: State) -> list[Finding]:
    """Judge what `SHOW` says of each setting."""
    off = [name for name in _MUST_BE_ON if shown[name] == "off"]
    if not off:
        return [Finding("database settings", State.GOOD, "commits are safe on the disk")]
    return [
        Finding(
            "database settings",
            grave,
            f"{name} is off: {_MUST_BE_ON[name]}",
            f"ALTER SYSTEM SET {name} = on, and reload the server",
        )
        for name in off
    ]


def judge_connections(used: int, most: int) -> Finding:
    """Judge how many connections are left."""
    found = f"{used} of {most} connections are in use"
    if used < FULL_SHARE * most:
        return Finding("connections", State.GOOD, found)
    advice = "raise max_connections, or look for who keeps so many open"
    return Finding("connections", State.WARNING, found, advice)


def backups(folder: Path | None) -> list[Finding]:
    """Look at the age of the newest backup in a folder; nothing without one."""
    if folder is None:
        return []
    try:
        files = [path for path in folder.iterdir() if path.is_file() and path.suffix != ".partial"]
        newest = max(files, key=lambda path: path.stat().st_mtime, default=None)
        times_s = newest.stat().st_mtime if newest is not None else None
    except OSError as error:
        advice = "name the folder of the backups, readable for this user"
        return [Finding("backup", State.BAD, f"{folder}: {error.strerror}", advice)]
    advice = "run `twin database backup` every day, and keep the file on another machine"
    if newest is None or times_s is None:
        return [Finding("backup", State.BAD, f"{folder}: there is none", advice)]
    age_s = time.time() - times_s
    found = f"{newest.name} is {age_s / _HOUR_S:.1f} h old"
    if newest.stat().st_size == 0:
        return [Finding("backup", State.BAD, f"{newest.name} is empty", advice)]
    state = State.GOOD if age_s <= BACKUP_OLD_S else State.BAD
    return [Finding("backup", state, found, "" if state is State.GOOD else advice)]


async def identity(settings: Settings) -> list[Finding]:
    """Look whether the identity provider answers; nothing without one."""
    if not settings.oidc_issuer:
        return []
    place = settings.oidc_issuer.rstrip("/") + "/.well-known/openid-configuration"
    try:
        await fetch_https(place)
    except BackendError as error:
        advice = "tokens work until the known keys expire; mend TWIN_OIDC_ISSUER or the way there"
        return [Finding("identity provider", State.WARNING, str(error), advice)]
    return [Finding("identity provider", State.GOOD, f"{settings.oidc_issuer} answers")]


def _grave(settings: Settings) -> State:
    """What a risk to the data counts as: a test installation may take it."""
    return State.WARNING if settings.environment is Environment.TEST else State.BAD
