"""What-ifs as jobs: send a scenario, watch it, cancel it, fetch what came out."""

from __future__ import annotations

import mimetypes
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from fastapi import Path, Query, Request
from msgspec import Meta, Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from twin.api.auth import Asking, House
from twin.api.bodies import body_bytes
from twin.api.problems import Problem, not_found
from twin.api.roles import API
from twin.api.routes import JSON, Body, Endpoint, json_answer
from twin.api.scenario_jobs import MOST_WAITING, JobRecord, JobState, QueueFull, ScenarioJobs
from twin.api.schemas import Moment
from twin.api.served import Served
from twin.clock import datetime_from_us
from twin.errors import Fault, InputError, MapError
from twin.scenario.form import scenario_schema
from twin.scenario.store import REPORT, RESULTS, SUMMARY
from twin.store import audit

YAML: Final = "application/yaml"
_RETRY_S: Final = 30
_TOP: Final = (SUMMARY, REPORT)
_JobPath = Annotated[str, Path(description="of a job, from POST /scenarios")]


class ScenarioJobView(Struct, frozen=True, kw_only=True):
    """A job: where it is, and how long it takes."""

    id: str
    name: str
    state: JobState
    progress: Annotated[float, Meta(ge=0, le=1)]
    time_left_s: Annotated[float, Meta(ge=0, description="by how long it took so far")] | None
    created: Moment
    ended: Moment | None
    map_version: str
    problem: Annotated[str, Meta(description="why it failed or was lost")]
    href: str
    results: Annotated[str, Meta(description="where the results are, once it is done")] | None


async def post_scenario(request: Request, served: House, person: Asking) -> Response:
    """Check a scenario and queue it as a job; it runs on the map of the service, in a process."""
    content = await body_bytes(request, (JSON, YAML))
    try:
        job = await served.scenarios.submit(content, served.network, person.name)
    except InputError as error:
        detail = "The scenario breaks a rule."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, *error.faults) from error
    except (MapError, OSError) as error:
        fault = Fault("$", "", str(error))
        detail = "The scenario names what is not there."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, fault) from error
    except QueueFull as error:
        detail = f"{MOST_WAITING} jobs wait or run; try again when one is done."
        headers = {"Retry-After": str(_RETRY_S)}
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers=headers) from error
    await _audit(served, person.name, "scenario.run", job)
    view = job_view(served.scenarios, job)
    return json_answer(view, HTTPStatus.ACCEPTED, headers={"Location": view.href})


async def list_scenarios(served: House) -> Response:
    """List the jobs, the newest first."""
    jobs = sorted(served.scenarios.jobs.values(), key=lambda job: -job.created_us)
    return json_answer([job_view(served.scenarios, job) for job in jobs])


async def scenario_job(served: House, job_id: _JobPath) -> Response:
    """Tell how far a job is."""
    return json_answer(job_view(served.scenarios, _job(served, job_id)))


async def cancel_scenario(served: House, person: Asking, job_id: _JobPath) -> Response:
    """Cancel a job: at once when it waits, at the next report when it runs; else change nothing."""
    job = _job(served, job_id)
    served.scenarios.cancel(job)
    await _audit(served, person.name, "scenario.cancel", job)
    return json_answer(job_view(served.scenarios, job), HTTPStatus.ACCEPTED)


async def scenario_results(served: House, job_id: _JobPath) -> Response:
    """Give the summary of a job that is done: measures with intervals, edits, links to files."""
    job = _job(served, job_id)
    folder = _done(served, job)
    summary = await run_in_threadpool((folder / SUMMARY).read_bytes)
    files = await run_in_threadpool(_files, folder)
    links = {name: f"{_href(job)}/file?name={quote(name)}" for name in files}
    return json_answer({"report": links[REPORT], "files": links, "summary": msgspec.Raw(summary)})


async def scenario_file(
    served: House,
    job_id: _JobPath,
    name: Annotated[str, Query(description="of a file, from the results")],
) -> Response:
    """Give one file of a job: the report as HTML, a table, a map layer."""
    folder = _done(served, _job(served, job_id))
    if name not in await run_in_threadpool(_files, folder):
        raise not_found("name", name, "is a file that the results name")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return FileResponse(folder / name, media_type=kind, headers={"Cache-Control": "no-store"})


async def scenario_file_schema() -> Response:
    """Give the JSON Schema of a scenario file."""
    return json_answer(scenario_schema())


def job_view(jobs: ScenarioJobs, job: JobRecord) -> ScenarioJobView:
    """Show a job."""
    done = job.state is JobState.DONE
    return ScenarioJobView(
        id=job.id,
        name=job.name,
        state=job.state,
        progress=jobs.progress(job),
        time_left_s=jobs.time_left_s(job),
        created=datetime_from_us(job.created_us),
        ended=datetime_from_us(job.ended_us) if job.ended_us else None,
        map_version=job.map_version,
        problem=job.problem,
        href=_href(job),
        results=f"{_href(job)}/results" if done else None,
    )


def _href(job: JobRecord) -> str:
    return f"{API}/scenarios/{job.id}"


def _job(served: Served, job_id: str) -> JobRecord:
    job = served.scenarios.jobs.get(job_id)
    if job is None:
        raise not_found("job", job_id, "is a job of GET /scenarios")
    return job


def _done(served: Served, job: JobRecord) -> FilePath:
    if job.state is not JobState.DONE:
        detail = f"The job is {job.state}; there are results when it is done."
        raise Problem(HTTPStatus.CONFLICT, detail, Fault("state", str(job.state), "is done"))
    return served.scenarios.folder_of(job)


def _files(folder: FilePath) -> list[str]:
    inside = sorted(path for path in (folder / RESULTS).rglob("*") if path.is_file())
    return [*_TOP, *(path.relative_to(folder).as_posix() for path in inside)]


async def _audit(served: Served, person: str, act: str, job: JobRecord) -> None:
    await audit.record(
        served.database,
        time_us=served.wall.now_us(),
        person=person,
        act=act,
        target=job.id,
        detail={"name": job.name},
    )


_EXAMPLE: Final[dict[str, Any]] = {
    "format": 1,
    "name": "Link closed from eight to nine",
    "map": {},
    "starts": "07:00",
    "ends": "09:00",
    "seeds": [1, 2, 3, 4, 5],
    "demand": {
        "trips": [
            {
                "origin": "A",
                "destination": "B",
                "trips": 800,
                "from": "07:00",
                "until": "08:30",
            }
        ]
    },
    "edits": [{"edit": "close_link", "links": ["L1"], "from": "08:00", "until": "09:00"}],
}

ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/scenarios",
        handler=post_scenario,
        summary="Ask what if",
        tag="scenarios",
        answer=ScenarioJobView,
        status=202,
        body=Body(
            types=(),
            schema={"type": "object", "description": "see GET /scenarios/schema"},
            media=(JSON, YAML),
            description="a scenario file; `map.folder` is left out",
            examples={"closure": _EXAMPLE},
        ),
        errors=(400, 413, 415, 422, 429),
    ),
    Endpoint(
        method="GET",
        path="/scenarios",
        handler=list_scenarios,
        summary="All jobs",
        tag="scenarios",
        answer=list[ScenarioJobView],
    ),
    Endpoint(
        method="GET",
        path="/scenarios/schema",
        handler=scenario_file_schema,
        summary="JSON Schema of a scenario file",
        tag="scenarios",
        answer={"type": "object"},
    ),
    Endpoint(
        method="GET",
        path="/scenarios/{job_id}",
        handler=scenario_job,
        summary="How far a job is",
        tag="scenarios",
        answer=ScenarioJobView,
        errors=(404, 422),
    ),
    Endpoint(
        method="DELETE",
        path="/scenarios/{job_id}",
        handler=cancel_scenario,
        summary="Cancel a job",
        tag="scenarios",
        answer=ScenarioJobView,
        status=202,
        errors=(404, 422),
    ),
    Endpoint(
        method="GET",
        path="/scenarios/{job_id}/results",
        handler=scenario_results,
        summary="What came out",
        tag="scenarios",
        answer={"type": "object", "required": ["report", "files", "summary"]},
        errors=(404, 409, 422),
    ),
    Endpoint(
        method="GET",
        path="/scenarios/{job_id}/file",
        handler=scenario_file,
        summary="One file of a job",
        tag="scenarios",
        answer={},
        media="application/octet-stream",
        errors=(404, 409, 422),
    ),
)
