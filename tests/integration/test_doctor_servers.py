"""What `twin doctor` says of real servers' settings, and of each setting that is wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ingest_city import small_city
from oidc_issuer import AUDIENCE, running
from twin.commands import doctor_servers as servers
from twin.commands.doctor_checks import Finding, State
from twin.events import Topic
from twin.ingest.topics import Topics
from twin.log.kafka import KafkaLog
from twin.log.kafka_settings import TopicKept
from twin.settings import Settings, read_settings
from twin.store.database import Database

GOOD = TopicKept("reading", 4, replicas=3, min_insync=2, retention_s=604_800.0, cleanup="delete")
PLATES = replace(GOOD, name="anpr.read", retention_s=86_400.0)
SAFE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "autovacuum": "on"}


def given(**more: str) -> Settings:
    return read_settings(
        {
            "TWIN_MAP": "m",
            "TWIN_KEYS": "k",
            "TWIN_DATABASE": "postgresql://twin@h/t",
            "TWIN_LOG": "kafka://h:1",
            **more,
        }
    )


def judged(*topics: TopicKept) -> Mapping[str, tuple[State, str]]:
    kept = {topic.name: topic for topic in topics}
    found = servers.judge_topics(kept, State.BAD)
    return {one.check: (one.state, one.advice) for one in found}


def test_a_safe_broker_is_good() -> None:
    assert {state for state, _ in judged(GOOD, PLATES).values()} == {State.GOOD}
    for_ever = replace(GOOD, retention_s=None)
    assert judged(for_ever, PLATES)["retention"] == (State.GOOD, "")


@pytest.mark.parametrize(
    ("check", "reading", "plates", "words"),
    [
        ("retention", replace(GOOD, retention_s=3600.0), PLATES, "retention.ms"),
        ("retention", replace(GOOD, cleanup="compact,delete"), PLATES, "cleanup.policy=delete"),
        ("sealed plates", GOOD, replace(PLATES, retention_s=86_401.0), "retention.ms=86400000"),
        ("sealed plates", GOOD, replace(PLATES, retention_s=None), "retention.ms=86400000"),
        ("replicas", replace(GOOD, replicas=1, min_insync=1), PLATES, "3 brokers"),
        ("replicas", replace(GOOD, min_insync=1), PLATES, "min.insync.replicas=2"),
    ],
)
def test_each_risk_of_a_broker_is_bad_and_says_what_to_mend(
    check: str, reading: TopicKept, plates: TopicKept, words: str
) -> None:
    found = judged(reading, plates)
    assert found[check][0] is State.BAD
    assert words in found[check][1]
    others = {state for name, (state, _) in found.items() if name != check}
    assert others == {State.GOOD}


def test_no_room_for_a_restart_is_a_warning() -> None:
    assert judged(replace(GOOD, min_insync=3), PLATES)["replicas"][0] is State.WARNING


def test_unsafe_commits_are_named_one_by_one() -> None:
    assert [one.state for one in servers.judge_database(SAFE, State.BAD)] == [State.GOOD]
    shown = SAFE | {"fsync": "off", "autovacuum": "off"}
    found = servers.judge_database(shown, State.BAD)
    assert [one.found.partition(" ")[0] for one in found] == ["fsync", "autovacuum"]
    assert all(one.advice.startswith("ALTER SYSTEM SET") for one in found)
    assert servers.judge_connections(79, 100).state is State.GOOD
    assert servers.judge_connections(80, 100).state is State.WARNING


def test_the_newest_backup_is_a_day_old_at_most(tmp_path: Path) -> None:
    def state() -> State:
        (finding,) = servers.backups(tmp_path)
        return finding.state

    assert servers.backups(None) == []
    assert state() is State.BAD
    backup = tmp_path / "a.backup"
    backup.write_bytes(b"x")
    assert state() is State.GOOD
    old_s = time.time() - servers.BACKUP_OLD_S - 60
    os.utime(backup, (old_s, old_s))
    assert state() is State.BAD
    (tmp_path / "b.backup").touch()
    assert state() is State.BAD, "an empty file is no backup"
    (finding,) = servers.backups(tmp_path / "nowhere")
    assert finding.state is State.BAD


@pytest.mark.kafka
async def test_a_real_broker_tells_its_settings(kafka_bootstrap: str, topic_prefix: str) -> None:
    settings = given(TWIN_LOG=f"kafka://{kafka_bootstrap}", TWIN_TOPIC_PREFIX=topic_prefix)
    assert await servers.broker(settings) == []
    log = KafkaLog(kafka_bootstrap, topic_prefix)
    await log.start()
    await log.create_topics(Topics(small_city()).specs())
    await log.close()
    found = {one.check: one for one in await servers.broker(settings)}
    assert found["sealed plates"].state is State.GOOD
    assert topic_prefix + Topic.ANPR_READ in found["sealed plates"].found
    assert found["retention"].state is State.GOOD
    assert found["replicas"].state is State.WARNING, "a test installation may have one broker"
    assert "1 replicas, min.insync.replicas 1" in found["replicas"].found
    away = given(TWIN_LOG="kafka://127.0.0.1:1")
    (finding,) = await servers.broker(away)
    assert finding.state is State.WARNING


@pytest.mark.postgis
async def test_a_real_database_tells_its_settings(postgis_database: Database) -> None:
    found = {one.found.partition(" ")[0]: one for one in await _database(postgis_database, {})}
    assert found["fsync"].state is State.WARNING, "the tests' server keeps nothing over a power cut"
    live = await _database(postgis_database, {"TWIN_ENVIRONMENT": "production"})
    assert {one.state for one in live if one.check == "database settings"} == {State.BAD}
    assert {"connections", "database size"} <= {one.check for one in live}


async def _database(opened: Database, more: Mapping[str, str]) -> list[Finding]:
    return await servers.database_settings(given(**more), opened)


async def test_the_identity_provider_is_asked() -> None:
    assert await servers.identity(given()) == []
    with running() as provider:
        settings = given(TWIN_OIDC_ISSUER=provider.issuer, TWIN_OIDC_AUDIENCE=AUDIENCE)
        (finding,) = await servers.identity(settings)
        assert finding.state is State.GOOD
        provider.away = True
        (finding,) = await servers.identity(settings)
        assert finding.state is State.WARNING
