"""One scenario as a job in a process of its own: it tells its progress and hears a cancel by files.

A job's folder holds what `twin scenario run` writes, and beside it `progress` (a share as text)
and, once somebody has asked, `cancel`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from twin.errors import Fault, InputError
from twin.network.model import SingleMap
from twin.scenario.form import Scenario
from twin.scenario.project import Project, opened
from twin.scenario.run import heard, tell

PROGRESS: Final = "progress"
CANCEL: Final = "cancel"


def open_job(content: bytes, network: SingleMap, tables: Path) -> Project:
    """Read a scenario that somebody sent, on the map of the service.

    Files of demand must stand in `tables`. Raises InputError, MapError.
    """
    return opened(content, tables, network=network, check=_fit_for_service)


def run_job(content: bytes, network: SingleMap, tables: Path, folder: Path) -> None:
    """Run a job to its end. Raises Cancelled, InputError, SimulationError, OSError."""
    # plots and tables cost a second to import: the service that queues jobs does not need them
    from twin.scenario.whole import How, run_scenario

    project = open_job(content, network, tables)
    run_scenario(
        project,
        content,
        folder,
        How(),
        on_progress=lambda share: tell(folder / PROGRESS, share),
        stop=(folder / CANCEL).exists,
    )


def told_progress(folder: Path) -> float:
    """Return the share that a job has told, 0 before the first."""
    return heard(folder / PROGRESS)


def _fit_for_service(scenario: Scenario) -> None:
    """Refuse another map, and files outside the folder of the service. Raises InputError."""
    if scenario.map.folder:
        rule = "is left out: the job runs on the map of the service"
        raise InputError(Fault("map.folder", scenario.map.folder, rule))
    for number, table in enumerate(scenario.demand.tables):
        path = Path(table.file)
        if path.is_absolute() or len(path.parts) != 1:
            rule = "is the plain name of a file beside the service's map; else list `trips`"
            raise InputError(Fault(f"demand.tables[{number}].file", table.file, rule))
