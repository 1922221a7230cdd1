"""How long a signal controller may put off whoever waits.

Pure arithmetic over one junction: if a stage is shown now, can every waiting group still turn green
within its longest red, one stage after another at minimum greens and with every intergreen kept?
A controller that asks this before each beat is never caught between two groups that are both due.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from twin.clock import us_from_seconds
from twin.ids import StageId
from twin.network.model import Junction, SignalPlan
from twin.units import SECOND_US

BEAT_US: Final = 500_000
_NOBODY_US: Final = 86_400 * SECOND_US
_SEEN_US: Final = SECOND_US  # who looks at the street once a second may see a red 1 s longer


@dataclass(frozen=True, slots=True)
class Heads:
    """What the heads show at a moment: the stage, its groups that are green, since and until when.

    A group of the stage that is not among `greens` is on its way. Times in microseconds; `since_us`
    is when the stage, or the change to it, began.
    """

    now_us: int
    stage: str
    since_us: int
    greens: frozenset[str]
    began_us: Mapping[str, int]
    ended_us: Mapping[str, int]


class Patience:
    """The longest reds of one junction against its minimum greens, yellows and intergreens."""

    def __init__(self, junction: Junction, between_us: Mapping[tuple[str, str], int]) -> None:
        """Read the law of the junction; `between_us` has the intergreens (ending, starting)."""
        self._stages = {str(one.id): frozenset(map(str, one.groups)) for one in junction.stages}
        self._into_us: dict[str, list[tuple[str, int]]] = {}
        for (ending, starting), gap_us in between_us.items():
            self._into_us.setdefault(starting, []).append((ending, gap_us))
        groups = {str(one.id): one for one in junction.groups}
        self._least_us = {name: us_from_seconds(one.min_green_s) for name, one in groups.items()}
        self._yellow_us = {name: us_from_seconds(one.yellow_s) for name, one in groups.items()}
        self._most_us = {
            name: us_from_seconds(one.max_red_s) - _SEEN_US for name, one in groups.items()
        }
        self.served = frozenset().union(*self._stages.values())
        self.planned = frozenset(
            name
            for name in self.served
            if all(self._plan_red_us(plan, name) <= self._most_us[name] for plan in junction.plans)
        )
        self._held_until_us: dict[tuple[str, int, frozenset[str]], int] = {}

    def keeps(self, heads: Heads, wanted: str, groups: frozenset[str]) -> bool:
        """Say whether none of `groups` is red too long if `wanted` is shown next, or held a beat.

        Where somebody is too late already, it must not be made worse.
        """
        if wanted == heads.stage:
            return self._holds(heads, groups)
        late_us = self._late_us(heads, groups - heads.greens, first=wanted)
        return late_us <= 0 or late_us <= self._late_us(heads, groups - heads.greens)

    def _holds(self, heads: Heads, groups: frozenset[str]) -> bool:
        """Say whether the stage may be held one more beat.

        As long as it is held everybody is served so much later, no more: what is left over after
        one look need not be looked at again.
        """
        key = heads.stage, heads.since_us, groups
        if heads.now_us < self._held_until_us.get(key, 0):
            return True
        done = self._complete(heads)
        rest = _at(done, heads.now_us + BEAT_US) if done is heads else done
        late_us = self._late_us(rest, groups - rest.greens)
        if late_us <= 0 and done is heads:
            self._held_until_us = {
                kept: us for kept, us in self._held_until_us.items() if kept[:2] == key[:2]
            }
            self._held_until_us[key] = heads.now_us - late_us
        return late_us <= 0 or late_us <= self._late_us(heads, groups - heads.greens)

    def due(self, heads: Heads, groups: frozenset[str]) -> str:
        """Return the stage that must be next so that `groups` are served in time."""
        waiting = groups - heads.greens - self._stages[heads.stage]
        return self._next(heads, waiting) if waiting else heads.stage

    def _late_us(self, heads: Heads, waiting: frozenset[str], first: str = "") -> int:
        """Return how late the latest of `waiting` turns green; negative: how early, if all are."""
        done, late_us = self._complete(heads), -_NOBODY_US
        late_us = max([late_us, *self._delays(heads, done, waiting)])
        waiting -= done.greens
        while waiting or first:
            following = self._changed(done, first or self._next(done, waiting))
            late_us = max([late_us, *self._delays(done, following, waiting)])
            waiting -= following.greens
            done, first = following, ""
        return late_us

    def _delays(self, before: Heads, after: Heads, waiting: frozenset[str]) -> Iterable[int]:
        """Yield how late those of `waiting` are who have turned green in between."""
        for name in waiting & (after.greens - before.greens):
            yield after.began_us[name] - before.ended_us[name] - self._most_us[name]

    def _next(self, heads: Heads, waiting: frozenset[str]) -> str:
        """Return the stage of whoever must be served first, with most others who wait."""

        def deadline(name: str) -> tuple[int, str]:
            return heads.ended_us[name] + self._most_us[name], name

        first = min(waiting, key=deadline)
        serving = [name for name, groups in self._stages.items() if first in groups]
        return max(serving, key=lambda name: len(self._stages[name] & waiting))

    def _complete(self, heads: Heads) -> Heads:
        """Return the heads with the change that is under way at its end."""
        return self._started(heads, heads.now_us) if self._is_changing(heads) else heads

    def _is_changing(self, heads: Heads) -> bool:
        return heads.greens != self._stages[heads.stage]

    def _changed(self, heads: Heads, stage: str) -> Heads:
        """Return the heads as soon as another stage is green, all minimum greens kept."""
        ending = heads.greens - self._stages[stage]
        leave_us = max(
            [heads.now_us, *(heads.began_us[one] + self._least_us[one] for one in ending)]
        )
        leave_us = _beat_from(leave_us)
        ended_us = {**heads.ended_us, **dict.fromkeys(ending, leave_us)}
        greens = heads.greens - ending
        left = Heads(leave_us, stage, leave_us, greens, heads.began_us, ended_us)
        return self._started(left, leave_us)

    def _started(self, heads: Heads, from_us: int) -> Heads:
        """Let the groups of the stage turn green, each as soon as it may from `from_us` on."""
        groups = self._stages[heads.stage]
        began_us = dict(heads.began_us)
        last_us = from_us
        for name in groups - heads.greens:
            start_us = max(from_us + BEAT_US, heads.ended_us[name] + self._yellow_us[name])
            for ending, gap_us in self._into_us.get(name, ()):
                start_us = max(start_us, heads.ended_us[ending] + gap_us)
            began_us[name] = _beat_from(start_us)
            last_us = max(last_us, began_us[name])
        return Heads(last_us, heads.stage, heads.since_us, groups, began_us, heads.ended_us)

    def _clearing_us(self, name: str) -> int:
        return max((gap_us for _, gap_us in self._into_us.get(name, ())), default=0)

    def _plan_red_us(self, plan: SignalPlan, name: str) -> int:
        """Return the longest red that a plan itself gives a group, without end if it has none."""
        longest_s = red_s = 0.0
        steps = [(name in self._stages[StageId(stage)], seconds) for stage, seconds in plan.steps]
        if not any(green for green, _ in steps):
            return us_from_seconds(2 * 86_400.0)
        for green, seconds in [*steps, *steps]:
            red_s = 0.0 if green else red_s + seconds
            longest_s = max(longest_s, red_s)
        return us_from_seconds(longest_s) + self._clearing_us(name)


def _at(heads: Heads, now_us: int) -> Heads:
    """Return the same heads at another moment."""
    return Heads(now_us, heads.stage, heads.since_us, heads.greens, heads.began_us, heads.ended_us)


def _beat_from(moment_us: int) -> int:
    """Return the first beat that is not before a moment."""
    return -(-moment_us // BEAT_US) * BEAT_US
