"""What a deployment decides about its worker; the names are those of the settings."""

from __future__ import annotations

from dataclasses import dataclass

from twin.ingest.patience import FIRST_PAUSE_S
from twin.units import SECOND_US


@dataclass(frozen=True, slots=True)
class WorkerPolicy:
    """How often, how late, how much. Times in microseconds of service time, unless said.

    owner           name of this process in the table of partitions
    tick_us         signals are decided so often
    forecast_us     a forecast is begun so often
    snapshot_us     live state is kept so often, by arrival time
    future_us       an event further ahead of its arrival is rejected
    lateness_*_us   how far behind the watermark is late
    minutes         keep the estimate of every minute
    steps           keep what a replay of the day needs (`ingest/journal.py`)
    forecasts       make forecasts at all (a replay of a recording does not)
    max_records     most records of one fetch, and so of one commit
    ahead_s         further behind than this, the newest readings are shown before their verdict
    stall_s         a partition may stand so long while its lag grows, wall time; then the reader
                    is rebuilt, and after as long again the process ends
    first_pause_s   first wait before a server that is away is tried again, wall time
    """

    owner: str = "worker"
    tick_us: int = SECOND_US
    forecast_us: int = 60 * SECOND_US
    snapshot_us: int = 60 * SECOND_US
    future_us: int = 30 * SECOND_US
    lateness_reading_us: int = 600 * SECOND_US
    lateness_passage_us: int = 120 * SECOND_US
    minutes: bool = True
    steps: bool = True
    forecasts: bool = True
    max_records: int = 5000
    ahead_s: float = 10.0
    stall_s: float = 60.0
    first_pause_s: float = FIRST_PAUSE_S
