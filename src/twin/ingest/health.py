"""What a worker says about itself, for readiness, metrics and people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from twin.ingest.patience import Patience
from twin.ingest.timings import Timing, Timings
from twin.log.contract import Place


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """One moment of a worker.

    state           starting, running, standby (of a forecaster), stopped
    positions       next offset a partition, as committed
    lag             records that wait on the log, by partition, when last asked
    last_commit_us  service time of the last commit, None before the first
    last_tick_us    service time of the last beat
    problem         what is wrong now in one line, None when all is well
    lost            records that retention removed before they were read, by partition

    requests_refused   requests to signals and devices that a safety gate did not let out
    junction_findings  faults of the map for which junctions are never controlled
    decisions_dropped  stored signal stages that were not taken back in at the start
    rebuilt            how often the log's reader stood still and was rebuilt
    behind_s           time since the newest record taken had arrived, where records wait; else 0
    idle               partitions in which nothing waits and nothing came for two minutes
    timings            how long its steps took so far
    """

    state: str
    positions: Mapping[str, int] = field(default_factory=dict)
    lag: Mapping[str, int] = field(default_factory=dict)
    last_commit_us: int | None = None
    last_tick_us: int | None = None
    problem: str | None = None
    lost: Mapping[str, int] = field(default_factory=dict)
    records: int = 0
    commits: int = 0
    forecasts: int = 0
    forecasts_dropped: int = 0
    published: int = 0
    requests_refused: int = 0
    junction_findings: int = 0
    decisions_dropped: int = 0
    rebuilt: int = 0
    behind_s: float = 0.0
    idle: tuple[str, ...] = ()
    timings: Mapping[str, Timing] = field(default_factory=dict)

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
    timings: Timings = field(default_factory=Timings)

    def told(self, positions: Mapping[Place, int], waits: Iterable[Patience]) -> WorkerHealth:
        """Return what every worker can say of itself; `waits`: where it may wait for servers."""
        return WorkerHealth(
            state=self.state,
            positions={str(place): offset for place, offset in positions.items()},
            lag={str(place): count for place, count in self.lag.items()},
            last_commit_us=self.last_commit_us,
            last_tick_us=self.last_tick_us,
            problem=next((wait.problem for wait in waits if wait.problem is not None), None),
            lost={str(place): count for place, count in self.lost.items()},
            records=self.records,
            commits=self.commits,
            timings=self.timings.steps(),
        )
