"""Jobs of what-ifs: a bounded queue, one process beside the service, a folder a job.

What a job has written stays until `MOST_KEPT` newer ones are there. A job that waits or runs when
the service stops is lost: after the next start it says so, and it must be sent again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from twin.errors import SimulationError, TwinError
from twin.network.model import SingleMap
from twin.offload import Offload
from twin.scenario.engine import Cancelled
from twin.scenario.job import CANCEL, open_job, run_job, told_progress

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 8
MOST_KEPT: Final = 50
_RECORD: Final = "job.json"
_LEAST_TOLD: Final = 0.02  # of the work: before it, nobody knows how long the rest takes
_SECOND_US: Final = 1_000_000


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    LOST = "lost"


OVER: Final = frozenset({JobState.DONE, JobState.CANCELLED, JobState.FAILED, JobState.LOST})


class JobRecord(msgspec.Struct, kw_only=True):
    """One job. Times in microseconds UTC; 0: not yet."""

    id: str
    name: str
    person: str
    map_version: str
    state: JobState
    created_us: int
    started_us: int = 0
    ended_us: int = 0
    problem: str = ""


class QueueFull(TwinError):
    """As many jobs wait as may."""


class ScenarioJobs:
    """The jobs of one process. Nothing is started before the first is sent."""

    def __init__(
        self, folder: Path | None = None, *, tables: Path | None = None, now_us: Callable[[], int]
    ) -> None:
        """Take the jobs that a folder holds; None: a folder of its own that goes at the end.

        tables   folder whose demand files a job may name; None: no files
        """
        self._own = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="twin-jobs-")) if folder is None else folder
        self._tables = self.folder if tables is None else tables
        self._now_us = now_us
        self._offload = Offload()
        self._turn = asyncio.Semaphore(1)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.jobs: dict[str, JobRecord] = {}
        if folder is not None:
            self._take_up(folder)

    async def submit(self, content: bytes, network: SingleMap, person: str) -> JobRecord:
        """Check a scenario and queue it. Raises InputError, MapError, OSError, QueueFull."""
        if sum(job.state not in OVER for job in self.jobs.values()) >= MOST_WAITING:
            message = f"{MOST_WAITING} jobs wait or run already"
            raise QueueFull(message)
        project = await asyncio.to_thread(open_job, content, network, self._tables)
        job = JobRecord(
            id=secrets.token_hex(8),
            name=project.scenario.name,
            person=person,
            map_version=network.version,
            state=JobState.QUEUED,
            created_us=self._now_us(),
        )
        self.jobs[job.id] = job
        self.folder_of(job).mkdir(parents=True)
        self._keep(job)
        self._tasks[job.id] = asyncio.create_task(self._work(job, content, network))
        self._forget_oldest()
        return job

    def cancel(self, job: JobRecord) -> None:
        """Ask a job to stop: at once when it waits, else at the next report of its run."""
        if job.state in OVER:
            return
        (self.folder_of(job) / CANCEL).touch()
        if job.state is JobState.QUEUED:
            self._end(job, JobState.CANCELLED)
            task = self._tasks.pop(job.id, None)
            if task is not None:
                task.cancel()

    def progress(self, job: JobRecord) -> float:
        """Return the share of a job that is done, 0..1."""
        if job.state is JobState.DONE:
            return 1.0
        return 0.0 if job.state is JobState.QUEUED else told_progress(self.folder_of(job))

    def time_left_s(self, job: JobRecord) -> float | None:
        """Return how long a running job still takes, judged by how long it took so far."""
        share = self.progress(job)
        if job.state is not JobState.RUNNING or share < _LEAST_TOLD:
            return None
        took_s = (self._now_us() - job.started_us) / _SECOND_US
        return round(took_s * (1.0 - share) / share, 1)

    def folder_of(self, job: JobRecord) -> Path:
        """Return where a job keeps what it writes."""
        return self.folder / job.id

    async def close(self) -> None:
        """Stop what runs; what waits or runs is lost."""
        for job in self.jobs.values():
            if job.state not in OVER:
                with suppress(OSError):
                    (self.folder_of(job) / CANCEL).touch()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await asyncio.to_thread(self._offload.close)
        if self._own:
            await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def _work(self, job: JobRecord, content: bytes, network: SingleMap) -> None:
        async with self._turn:
            job.state, job.started_us = JobState.RUNNING, self._now_us()
            self._keep(job)
            arguments = (content, network, self._tables, self.folder_of(job))
            try:
                await self._offload.run_process(run_job, *arguments)
            except Cancelled:
                self._end(job, JobState.CANCELLED)
            except (TwinError, OSError) as error:
                self._end(job, JobState.FAILED, str(error))
            except Exception as error:  # a job without an end would hold its place for ever
                logger.exception("scenario_job_failed", extra={"job": job.id})
                self._end(job, JobState.FAILED, f"{type(error).__name__}: {error}")
            else:
                self._end(job, JobState.DONE)
        self._tasks.pop(job.id, None)

    def _end(self, job: JobRecord, state: JobState, problem: str = "") -> None:
        job.state, job.ended_us, job.problem = state, self._now_us(), problem
        self._keep(job)

    def _keep(self, job: JobRecord) -> None:
        (self.folder_of(job) / _RECORD).write_bytes(msgspec.json.encode(job))

    def _take_up(self, folder: Path) -> None:
        """Read the jobs of an earlier process; those that were not over are lost."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob(f"*/{_RECORD}")):
            try:
                job = msgspec.json.decode(path.read_bytes(), type=JobRecord)
            except msgspec.MsgspecError as error:
                message = f"{path} is no record of a job: {error}"
                raise SimulationError(message) from error
            self.jobs[job.id] = job
            if job.state not in OVER:
                self._end(job, JobState.LOST, "the service stopped before the job was done")

    def _forget_oldest(self) -> None:
        over = [job for job in self.jobs.values() if job.state in OVER]
        over.sort(key=lambda job: job.created_us)
        for job in over[: max(len(self.jobs) - MOST_KEPT, 0)]:
            del self.jobs[job.id]
            shutil.rmtree(self.folder_of(job), ignore_errors=True)
