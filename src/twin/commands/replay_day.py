"""The part of `twin replay` that does a past day again."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.table import Table

from twin.clock import WallClock, iso_from_us, us_from_datetime
from twin.commands.console import OUT, progress
from twin.control.access.rules import AccessRules, load_rules
from twin.errors import Fault, InputError
from twin.forecast.learned.model_file import load_model
from twin.ingest.past_day import DayOutcome, PastDay
from twin.settings import Settings, read_settings
from twin.store import history
from twin.store.database import Database
from twin.store.days import DAY_US
from twin.store.past import Past, StoredDays, StoredVehicles, Vehicles
from twin.store.past_folder import FolderDays
from twin.units import SECOND_US

_HOUR_US: Final = 3600 * SECOND_US


@dataclass(frozen=True)
class PastJob:
    """Which part of which UTC day is done again, and where it lies.

    folder     of exported days; database: of a service or restored from it; neither: TWIN_*, and
               with them vehicles whose time is not over
    """

    day: str
    first: str
    last: str
    folder: Path | None
    database: str | None

    def span_us(self) -> tuple[int, int]:
        """Return the first and the last microsecond. Raises InputError for what is no time."""
        try:
            day = date.fromisoformat(self.day)
        except ValueError as error:
            raise InputError(Fault("--day", self.day, "must be a day, YYYY-MM-DD")) from error
        begin_us = history.first_us(day)
        first_us = _moment("--from", self.first, day) if self.first else begin_us
        last_us = _moment("--to", self.last, day) if self.last else begin_us + DAY_US - 1
        if not begin_us <= first_us < last_us < begin_us + 2 * DAY_US:
            raise InputError(Fault("--to", self.last, "must come after --from, on the day"))
        return first_us, last_us


async def replay_day(job: PastJob) -> tuple[dict[str, Any], bool]:
    """Do the day again; return the document, and whether all came out equal."""
    wall = WallClock()
    began_us = wall.now_us()
    first_us, last_us = job.span_us()
    async with _opened(job, first_us, now_us=began_us) as (past, vehicles, rules):
        model = os.environ.get("TWIN_FORECAST_MODEL", "")
        engine = PastDay(
            past,
            rules=rules,
            vehicles=vehicles,
            model=load_model(Path(model)) if model else None,
        )
        with _bar(first_us, last_us) as told:
            outcome = await engine.run(first_us, last_us, on_progress=told)
    seconds = (wall.now_us() - began_us) / SECOND_US
    return _document(job, outcome, seconds), outcome.equal


@asynccontextmanager
async def _opened(
    job: PastJob, first_us: int, *, now_us: int
) -> AsyncIterator[tuple[Past, Vehicles | None, AccessRules | None]]:
    if job.folder is not None:
        yield FolderDays(job.folder), None, None
        return
    settings: Settings | None = None if job.database else read_settings(os.environ)
    database = await Database.open(settings.database if settings else job.database or "")
    try:
        await database.check_version()
        if settings is None or first_us < now_us - settings.keep_passages_h * _HOUR_US:
            yield StoredDays(database), None, None
            return
        path = settings.access_rules
        rules = load_rules(path) if path is not None else None
        yield StoredDays(database), StoredVehicles(database), rules
    finally:
        await database.close()


def show_day(document: dict[str, Any]) -> None:
    """Print the outcome for people."""
    verdict = "equal" if document["equal"] else f"{document['different']} DIFFERENT"
    table = Table(title=f"{document['from']} to {document['to']}: {verdict}")
    names = ("pictures", "decisions", "forecasts", "access_decisions", "batches", "readings")
    for name in (*names, "starts"):
        table.add_column(name.replace("_", " "), justify="right")
    table.add_row(*(f"{document[name]:,}" for name in (*names, "starts")))
    OUT.print(table)
    if document["access"] == "counts":
        OUT.print("vehicles at gates: as counts (their time is over, or the rules are others now)")
    if document["unchecked"]:
        OUT.print(f"{document['unchecked']:,} decisions equal by hash; their rows are gone")
    for one in document["differences"]:
        OUT.print(
            f"{one['time']}  {one['what']}: live {one['live']}, replayed {one['replayed']}",
            highlight=False,
            soft_wrap=True,
        )
    OUT.print(f"{document['seconds']} s")


def _document(job: PastJob, outcome: DayOutcome, seconds: float) -> dict[str, Any]:
    found = asdict(outcome)
    found["from"], found["to"] = (iso_from_us(found.pop(name)) for name in ("from_us", "to_us"))
    source = str(job.folder) if job.folder else ("--database" if job.database else "TWIN_*")
    head = {"day": job.day, "source": source, "equal": outcome.equal}
    return head | found | {"seconds": round(seconds, 2)}


def _moment(name: str, text: str, day: date) -> int:
    """Read 07:30 of the day, or a whole time with its offset; UTC without one."""
    try:
        if len(text) <= len("HH:MM:SS"):
            local = datetime.combine(day, time.fromisoformat(text))
        else:
            local = datetime.fromisoformat(text)
    except ValueError as error:
        rule = "must be a time such as 07:30 or 2026-06-16T07:30:00+02:00"
        raise InputError(Fault(name, text, rule)) from error
    return us_from_datetime(local if local.tzinfo else local.replace(tzinfo=ZoneInfo("UTC")))


@contextmanager
def _bar(first_us: int, last_us: int) -> Iterator[Any]:
    with progress() as bar:
        task = bar.add_task("replayed", total=(last_us - first_us) // SECOND_US)
        yield lambda now_us: bar.update(
            task, completed=max(0, min(now_us, last_us) - first_us) // SECOND_US
        )
