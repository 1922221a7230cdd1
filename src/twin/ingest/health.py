"""What a worker says about itself, for readiness, metrics and people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twin.log.contract import Place


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """One moment of a worker.

    state           starting, running, stopped
    positions       next offset a partition, as committed
    lag             records that wait on the log, by partition, when last asked
    last_commit_us  service time of the last commit, None before the first
    last_tick_us    service time of the last beat
    problem         what is wrong now in one line, None when all is well
    lost            records that retention removed before they were read, by partition
    """

    state: str
    positions: Mapping[str, int]
    lag: Mapping[str, int]
    last_commit_us: int | None
    last_tick_us: int | None
    problem: str | None
    lost: Mapping[str, int]
    records: int
    commits: int
    forecasts: int
    forecasts_dropped: int
    published: int

    @property
    def ready(self) -> bool:
        """Say whether the worker does its work: started, and no server is away."""
        return self.state == "running" and self.problem is None


@dataclass
class Vitals:
    """The counters behind `WorkerHealth`, written by the worker alone."""

    state: str = "starting"
    lag: dict[Place, int] = field(default_factory=dict)
    lost: dict[Place, int] = field(default_factory=dict)
    last_commit_us: int | None = None
    last_tick_us: int | None = None
    records: int = 0
    commits: int = 0
