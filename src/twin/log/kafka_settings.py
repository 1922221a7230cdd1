"""What a broker keeps of each topic and how safely: asked for `twin doctor`, changed by nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from twin.errors import BackendError
from twin.log.kafka_faults import mapped
from twin.log.kafka_reader import ANSWER_S

_WANTED: Final = ("retention.ms", "min.insync.replicas", "cleanup.policy")


@dataclass(frozen=True, slots=True)
class TopicKept:
    """One topic as the broker has it. `retention_s` None keeps for ever."""

    name: str
    partitions: int
    replicas: int
    min_insync: int
    retention_s: float | None
    cleanup: str


async def topics_kept(bootstrap: str, names: Sequence[str]) -> dict[str, TopicKept]:
    """Return the named topics that exist, by name. Raises BackendError when nobody answers."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=int(ANSWER_S * 1000)
    )
    with mapped(bootstrap, "asking for the settings of topics"):
        try:
            async with asyncio.timeout(ANSWER_S):
                await admin.start()
                described = await admin.describe_topics(list(names))
                places = {one["topic"]: one["partitions"] for one in described if one["partitions"]}
                asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in places]
                answers = await admin.describe_configs(asked) if asked else []
        finally:
            await admin.close()
    settings = _settings(bootstrap, answers)
    return {name: _kept(name, parts, settings.get(name, {})) for name, parts in places.items()}


def _settings(bootstrap: str, answers: Sequence[Any]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for answer in answers:
        for code, said, _, name, entries in answer.resources:
            if code:
                message = f"Kafka {bootstrap}: settings of {name}: {said or f'error {code}'}"
                raise BackendError(message)
            found[name] = {entry[0]: str(entry[1]) for entry in entries if entry[0] in _WANTED}
    return found


def _kept(name: str, parts: Sequence[Any], settings: dict[str, str]) -> TopicKept:
    retention_ms = int(settings.get("retention.ms", -1))
    return TopicKept(
        name=name,
        partitions=len(parts),
        replicas=min(len(part["replicas"]) for part in parts),
        min_insync=int(settings.get("min.insync.replicas", 1)),
        retention_s=None if retention_ms < 0 else retention_ms / 1000,
        cleanup=settings.get("cleanup.policy", "delete"),
    )
