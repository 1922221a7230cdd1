"""What-ifs through the API: sent, watched, cancelled, fetched; lost with their process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api_house import House, Template, open_house
from twin.api.roles import Role
from twin.api.scenario_jobs import MOST_WAITING, JobState, ScenarioJobs
from what_if_town import HEAD, town

YAML = {"Content-Type": "application/yaml"}
FILE = (
    HEAD.replace("map: {folder: net}", "map: {}") + "\nedits: [{edit: close_link, links: [AN]}]\n"
)
LONG = FILE.replace('ends: "07:40"', 'ends: "40:00"').replace(
    'trips: 250, from: "07:00", until: "07:30"', 'trips: 30000, from: "07:00", until: "39:00"'
)


@pytest.fixture
async def house(tmp_path: Path, house_template: Template) -> AsyncIterator[House]:
    """Open a house on the map of the town."""
    async with open_house(tmp_path, house_template, network=town()) as opened:
        opened.served.scenario_folder = tmp_path / "jobs"
        yield opened
        await opened.served.close_scenarios()


async def over(client: httpx.AsyncClient, href: str, *, begun: bool = False) -> dict[str, Any]:
    """Watch a job until it is over, or has made some progress."""
    while True:
        job: dict[str, Any] = (await client.get(href)).json()
        assert 0.0 <= job["progress"] <= 1.0
        if job["state"] not in ("queued", "running") or (begun and job["progress"] > 0):
            return job
        await asyncio.sleep(0.05)


async def test_a_job_from_its_file_to_its_report(house: House) -> None:
    async with house.client(Role.PLANNER) as client:
        sent = await client.post("/api/v1/scenarios", content=FILE, headers=YAML)
        assert sent.status_code == 202, sent.text
        href = sent.headers["Location"]
        early = await client.get(f"{href}/results")
        assert early.status_code == 409
        job = await over(client, href)
        assert job["state"] == "done", job
        assert (job["progress"], job["name"]) == (1.0, "town")
        assert job["map_version"] == house.served.network.version
        found = (await client.get(job["results"])).json()
        assert found["summary"]["map_version"] == house.served.network.version
        rows = {row["key"]: row for row in found["summary"]["measures"]}
        assert rows["distance"]["difference"] > 0
        report = await client.get(found["report"])
        assert report.headers["content-type"].startswith("text/html")
        assert "AN closed" in report.text
        table = await client.get(found["files"]["results/measures.csv"])
        assert table.text.startswith('"measure"')
        for name in ("job.json", "../../house.db", "runs/frame.npz"):
            assert (await client.get(f"{href}/file", params={"name": name})).status_code == 404
        assert [one["id"] for one in (await client.get("/api/v1/scenarios")).json()] == [job["id"]]


async def test_a_job_is_cancelled_while_it_waits_and_while_it_runs(house: House) -> None:
    async with house.client(Role.PLANNER) as client:
        hrefs = []
        for _ in range(2):
            sent = await client.post("/api/v1/scenarios", content=LONG, headers=YAML)
            hrefs.append(sent.headers["Location"])
        await client.delete(hrefs[1])
        assert (await client.get(hrefs[1])).json()["state"] == "cancelled"
        assert (await over(client, hrefs[0], begun=True))["state"] == "running"
        answer = await client.delete(hrefs[0])
        assert answer.status_code == 202
        assert (await over(client, hrefs[0]))["state"] == "cancelled"
        again = await client.delete(hrefs[0])
        assert again.json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("links: [AN]", "links: [XX]", "edits[0].links"),
        ("map: {}", "map: {folder: /etc}", "map.folder"),
        ("map: {}", "map: {version: ffffffff}", "map.version"),
        ("demand:\n", "demand:\n  tables: [{file: ../keys.csv}]\n", "demand.tables[0].file"),
        ("demand:\n", "demand:\n  tables: [{file: /etc/passwd}]\n", "demand.tables[0].file"),
        ("name: town", "nam: town", "nam"),
    ],
)
async def test_a_wrong_scenario_is_refused_before_it_is_queued(
    house: House, old: str, new: str, field: str
) -> None:
    async with house.client(Role.PLANNER) as client:
        text = FILE.replace(old, new, 1)
        answer = await client.post("/api/v1/scenarios", content=text, headers=YAML)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == field
        assert (await client.get("/api/v1/scenarios")).json() == []


async def test_only_so_many_jobs_wait(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*arguments: object) -> None:
        del arguments
        await asyncio.Event().wait()

    monkeypatch.setattr(house.served.scenarios._offload, "run_process", never)
    async with house.client(Role.PLANNER) as client:
        for _ in range(MOST_WAITING):
            sent = await client.post("/api/v1/scenarios", content=FILE, headers=YAML)
            assert sent.status_code == 202
        refused = await client.post("/api/v1/scenarios", content=FILE, headers=YAML)
        assert refused.status_code == 429
        assert refused.headers["Retry-After"]


async def test_a_job_that_breaks_in_any_way_is_over(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*arguments: object) -> None:
        del arguments
        message = "no room for 8 TiB"
        raise MemoryError(message)

    monkeypatch.setattr(house.served.scenarios._offload, "run_process", breaks)
    async with house.client(Role.PLANNER) as client:
        sent = await client.post("/api/v1/scenarios", content=FILE, headers=YAML)
        job = await over(client, sent.headers["Location"])
        assert job["state"] == "failed"
        assert "8 TiB" in job["problem"]


async def test_jobs_of_a_process_that_ended_are_lost_and_results_stay(tmp_path: Path) -> None:
    for name, state in (("a", JobState.DONE), ("b", JobState.RUNNING), ("c", JobState.QUEUED)):
        record = {"id": name, "name": name, "person": "p", "map_version": "", "state": state}
        (tmp_path / name).mkdir()
        text = json.dumps(record | {"created_us": 1})
        (tmp_path / name / "job.json").write_text(text)
    jobs = ScenarioJobs(tmp_path, now_us=lambda: 5)
    states = {job.id: job.state for job in jobs.jobs.values()}
    assert states == {"a": JobState.DONE, "b": JobState.LOST, "c": JobState.LOST}
    assert jobs.jobs["b"].problem
    assert jobs.progress(jobs.jobs["a"]) == 1.0
    await jobs.close()
    again = ScenarioJobs(tmp_path, now_us=lambda: 6)
    assert again.jobs["b"].state is JobState.LOST
    await again.close()


async def test_time_left_follows_the_time_taken(tmp_path: Path) -> None:
    now = [0]
    jobs = ScenarioJobs(tmp_path, now_us=lambda: now[0])
    (tmp_path / "a").mkdir()
    record = {"id": "a", "name": "a", "person": "p", "map_version": "", "state": "done"}
    (tmp_path / "a" / "job.json").write_text(json.dumps(record | {"created_us": 0}))
    await jobs.close()
    jobs = ScenarioJobs(tmp_path, now_us=lambda: now[0])
    job = jobs.jobs["a"]
    job.state, now[0] = JobState.RUNNING, 10_000_000
    assert jobs.time_left_s(job) is None
    (tmp_path / "a" / "progress").write_text("0.25")
    assert jobs.time_left_s(job) == 30.0
    await jobs.close()
