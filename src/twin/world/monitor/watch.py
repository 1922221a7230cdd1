"""The watch itself: every second it is told what a light shows, and notes what may not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from twin.world.monitor.rules import GREENS, YELLOWS, Rules

SLACK_S: Final = 0.999  # states are seen once a second
_KEPT: Final = 1000
UNKNOWN_S: Final = -1.0e9


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that may not be: when (SUMO's seconds), where, which rule, what was seen."""

    time_s: float
    light: str
    rule: str
    links: tuple[int, ...]
    seen: str

    def __str__(self) -> str:
        where = ", ".join(str(link) for link in self.links)
        return f"{self.time_s:g} s, {self.light}, {self.rule}: links {where}: {self.seen}"


@dataclass
class _Light:
    """What one light has shown: times are since when, or the last end; unknown is long ago."""

    rules: Rules
    begun_s: float
    state: str = ""
    since_s: dict[int, float] = field(default_factory=dict)  # of the present colour
    green_end_s: dict[int, float] = field(default_factory=dict)
    red_told: set[int] = field(default_factory=set)


class Monitor:
    """Watches all lights of a net. `violations` keeps the first thousand, `counts` all by rule."""

    def __init__(self, rules: Mapping[str, Rules]) -> None:
        """Know the rules; nothing has been seen yet."""
        self._rules = dict(rules)
        self._lights: dict[str, _Light] = {}
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        self.seconds = 0

    @property
    def total(self) -> int:
        """How many violations there were."""
        return sum(self.counts.values())

    def watch(self, time_s: float, states: Mapping[str, str]) -> None:
        """Take in what the lights show from this second on; lights without rules are passed by."""
        for name, state in states.items():
            if name not in self._rules:
                continue
            light = self._lights.get(name)
            if light is None:
                light = self._lights[name] = _Light(self._rules[name], time_s)
            self.seconds += 1
            for rule, links, seen in self._judge(light, time_s, state):
                self._note(Violation(time_s, name, rule, links, seen))
            light.state = state

    def _note(self, violation: Violation) -> None:
        self.counts[violation.rule] += 1
        if len(self.violations) < _KEPT:
            self.violations.append(violation)

    def _judge(
        self, light: _Light, time_s: float, state: str
    ) -> Iterator[tuple[str, tuple[int, ...], str]]:
        if len(state) < light.rules.links:
            yield "unknown state", (), state
            return
        yield from _conflicts(light.rules, state)
        before = light.state or state
        for link in range(light.rules.links):
            was, now = _colour(before[link]), _colour(state[link])
            if not light.state:
                light.since_s[link] = time_s
                continue
            if was != now:
                yield from _ended(light, link, time_s, was, now)
                light.since_s[link] = time_s
                if was == "green":
                    light.green_end_s[link] = time_s
                light.red_told.discard(link)
            elif now == "red":
                yield from _waiting(light, link, time_s)
        yield from _starts(light, time_s, before, state)


def _colour(letter: str) -> str:
    if letter in GREENS:
        return "green"
    return "yellow" if letter in YELLOWS else "red"


Found = tuple[str, tuple[int, ...], str]


def _conflicts(rules: Rules, state: str) -> Iterator[Found]:
    """Foes green together: never with priority both, and yielding only as the program does."""
    for one, other in rules.foes:
        if one > other or state[one] not in GREENS or state[other] not in GREENS:
            continue
        both = state[one] == "G" and state[other] == "G"
        if both or (one, other) not in rules.together:
            yield "conflicting greens", (one, other), f"{state[one]} and {state[other]}"


def _ended(light: _Light, link: int, time_s: float, was: str, now: str) -> Iterator[Found]:
    """A colour of one link ends: was it shown long enough, and is the next one allowed?"""
    rules, lasted_s = light.rules, time_s - light.since_s[link]
    known = light.since_s[link] > light.begun_s  # its start was seen
    if was == "green":
        least_s = rules.least_green_s.get(link, 0.0)
        if known and lasted_s + SLACK_S <= least_s:
            yield "minimum green", (link,), f"green for {lasted_s:g} s, at least {least_s:g} s"
        if now == "red" and rules.yellow_s.get(link, 0.0) > SLACK_S:
            yield "yellow too short", (link,), "green to red without yellow"
    if was == "yellow" and now == "red" and known:
        least_s = rules.yellow_s.get(link, 0.0)
        if lasted_s + SLACK_S <= least_s:
            yield "yellow too short", (link,), f"yellow for {lasted_s:g} s, at least {least_s:g} s"


def _waiting(light: _Light, link: int, time_s: float) -> Iterator[Found]:
    """A link stays red: too long is told once."""
    longest_s = light.rules.longest_red_s.get(link)
    red_s = time_s - light.since_s[link]
    if longest_s is not None and red_s > longest_s + SLACK_S and link not in light.red_told:
        light.red_told.add(link)
        yield "overlong red", (link,), f"red for {red_s:g} s, at most {longest_s:g} s"


def _starts(light: _Light, time_s: float, before: str, state: str) -> Iterator[Found]:
    """A link turns green, or gets priority: have all its foes cleared the junction?"""
    if not light.state:
        return
    rules = light.rules
    for (ended, starts), least_s in rules.clearance_s.items():
        if state[starts] in GREENS and before[starts] not in GREENS:
            yield from _gap(light, ended, starts, time_s, least_s)
    for (ended, starts), least_s in rules.protected_s.items():
        if state[starts] == "G" and before[starts] != "G" and state[ended] not in GREENS:
            yield from _gap(light, ended, starts, time_s, least_s)


def _gap(light: _Light, ended: int, starts: int, time_s: float, least_s: float) -> Iterator[Found]:
    gap_s = time_s - light.green_end_s.get(ended, UNKNOWN_S)
    if gap_s + SLACK_S <= least_s:
        rule = "pedestrian clearance" if ended in light.rules.crossings else "short intergreen"
        yield rule, (ended, starts), f"{gap_s:g} s, at least {least_s:g} s"
