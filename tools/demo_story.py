"""Watches a running demo through its public API, as a person before the console would.

Notes when each of five things was first seen: the map lives, a jam builds, a forecast had shown it
before it was there, a decision waits for approval, a vehicle without authorisation enters.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx

LOGIN: Final = re.compile(r"http://\S+/login\?code=\S+")
SLOW_SHARE: Final = 0.5
"""Of free speed: half of it or less is a jam, on the corridor as in the forecast."""
STILL_FREE_SHARE: Final = 0.75
LEAST_JAM_M: Final = 600.0
LEAST_LEAD: Final = timedelta(minutes=3)
NEAR: Final = timedelta(minutes=20)
"""A forecast is right about a jam when it comes so near to the forecast moment."""
LOOK_S: Final = 1.0
FACTS: Final = {
    "lives": "the map lives",
    "jam": "a jam builds",
    "foreseen": "a forecast had shown it before it was there",
    "waits": "a decision waits for approval",
    "stranger": "a vehicle without authorisation enters",
}


@dataclass(frozen=True)
class Sight:
    """When something was first seen: seconds since the start of the command, and city time."""

    wall_s: float
    city: datetime
    what: str


@dataclass(frozen=True)
class Warned:
    """The first forecast that said of a link, free then, that it would jam."""

    made: datetime
    expected: datetime
    speed_kph: float


@dataclass
class Story:
    """What was seen so far. `road` is the corridor that is watched."""

    client: httpx.Client
    road: str
    began_s: float
    link_s: float = 0.0
    seen: dict[str, Sight] = field(default_factory=dict)
    warnings: dict[str, list[Warned]] = field(default_factory=dict)
    jammed: dict[str, datetime] = field(default_factory=dict)
    right: Warned | None = None  # the first warning that came true
    oldest_s: float = 0.0
    looks: int = 0
    diagrams: list[dict[str, Any]] = field(default_factory=list)
    minutes: dict[datetime, list[Any]] = field(default_factory=dict)
    _forecast: str = ""

    @property
    def complete(self) -> bool:
        """All five were seen."""
        return set(self.seen) == set(FACTS)

    def look(self) -> None:
        """Ask the API once for everything; before its first picture there is nothing to see."""
        if self.client.get("/api/v1/picture").status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            return
        clock = self._get("clock")
        now = datetime.fromisoformat(clock["now"]).astimezone(ZoneInfo(clock["timezone"]))
        picture = self._get("picture")
        self.looks += 1
        measured = sum(link["source"] == "measured" for link in picture["links"])
        self.oldest_s = max(self.oldest_s, picture["newest_age_s"] or 0.0)
        if measured and picture["newest_freshness"] == "live":
            self._note("lives", now, f"{measured} of {len(picture['links'])} links measured")
        self._watch_road(now)
        waiting = self._get("decisions?limit=50")["decisions"]
        for one in waiting:
            if one["can_approve"]:
                self._note("waits", now, f"{one['kind']} at {one['target']}: {one['text']}")
        for event in self._get("gates/events?limit=200"):
            if event["reason"] == "NO_AUTHORISATION" and event["direction"] == "in":
                self._note("stranger", now, f"gate {event['gate']}: {event['text']}")

    def measured_after(self, moment: datetime) -> list[list[Any]]:
        """Return a row of speeds for every minute from `moment` on, up to the newest."""
        last = max(self.minutes)
        rows, cells = [], len(self.minutes[last])
        while moment <= last:
            moment += timedelta(minutes=1)
            close = min(self.minutes, key=lambda minute: abs(minute - moment))
            there = abs(close - moment) <= timedelta(minutes=1)
            rows.append(self.minutes[close] if there else [None] * cells)
        return rows

    def _get(self, path: str) -> Any:
        answer = self.client.get(f"/api/v1/{path}")
        answer.raise_for_status()
        return answer.json()

    def _note(self, fact: str, now: datetime, what: str) -> None:
        if fact not in self.seen:
            self.seen[fact] = Sight(time.monotonic() - self.began_s, now, what)

    def _watch_road(self, now: datetime) -> None:
        diagram = self._get(f"corridors/{self.road}/timespace?minutes=2")
        ahead = diagram["forecast"]
        speeds = [
            later if later is not None else earlier
            for earlier, later in zip(*diagram["speed_kph"], strict=True)
        ]
        self.minutes[datetime.fromisoformat(diagram["end"])] = speeds
        if ahead is not None and ahead["id"] != self._forecast:
            self._forecast = ahead["id"]
            self.diagrams.append({"forecast": ahead, "cells": diagram["cells"]})
            self._heed(diagram["cells"], speeds, ahead)
        self._find_jam(diagram["cells"], speeds, now)

    def _heed(self, cells: list[Any], speeds: list[Any], ahead: dict[str, Any]) -> None:
        """Keep what a forecast says of links that are free when it is made."""
        made = datetime.fromisoformat(ahead["start"])
        for place, cell in enumerate(cells):
            free, now = cell["free_speed_kph"], speeds[place]
            if now is None or now < STILL_FREE_SHARE * free:
                continue
            for step, row in enumerate(ahead["speed_kph"]):
                if row[place] is not None and row[place] <= SLOW_SHARE * free:
                    middle = made + timedelta(seconds=(step + 0.5) * ahead["step_s"])
                    told = Warned(made, middle, row[place])
                    self.warnings.setdefault(cell["link"], []).append(told)
                    break

    def _find_jam(self, cells: list[Any], speeds: list[Any], now: datetime) -> None:
        """A jam is a stretch of slow links; each is held against what forecasts had said of it."""
        length_m = 0.0
        names: list[str] = []
        for cell, speed in zip(cells, speeds, strict=True):
            if speed is None or speed > SLOW_SHARE * cell["free_speed_kph"]:
                length_m, names = 0.0, []
                continue
            self.jammed.setdefault(cell["link"], now)
            self._compare(cell["link"], now)
            length_m += cell["end_m"] - cell["start_m"]
            names.append(cell["link"])
            if length_m >= LEAST_JAM_M:
                self._note("jam", now, f"{length_m:.0f} m at half of free speed or less, {names}")

    def _compare(self, link: str, now: datetime) -> None:
        came = self.jammed[link]
        for told in self.warnings.get(link, ()):
            if told.made <= came - LEAST_LEAD and abs(told.expected - came) <= NEAR:
                lead = (came - told.made).total_seconds() / 60
                made = told.made.astimezone(now.tzinfo)
                expected = told.expected.astimezone(now.tzinfo)
                text = (
                    f"{link} jammed at {came:%H:%M}; the forecast of {made:%H:%M}, {lead:.0f} min "
                    f"before, said {told.speed_kph:.0f} km/h for {expected:%H:%M}"
                )
                self._note("foreseen", now, text)
                self.right = self.right or told
                return


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a demo and give the process with its login link; it is stopped in the end."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    assert process.stdout is not None
    try:
        found = (LOGIN.search(line) for line in process.stdout)
        yield process, next(match[0] for match in found if match)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)
        process.stdout.close()


def watch(
    process: subprocess.Popen[str], link: str, *, road: str, began_s: float, enough: bool = False
) -> Story:
    """Look once a second until the service stops; with `enough` until all was seen."""
    with httpx.Client(base_url=link.split("/api/")[0], timeout=30, follow_redirects=True) as client:
        client.get(link).raise_for_status()
        story = Story(client, road, began_s, link_s=time.monotonic() - began_s)
        while process.poll() is None and not (story.complete and enough):
            try:
                story.look()
            except httpx.TransportError:  # it ends by itself
                break
            time.sleep(LOOK_S)
        return story
