"""A past day done again, step by step, and compared with what was made of it when it was live.

The steps say what happened in which order: batches with the readings by their place on the log,
beats with the forecast that was taken in or dropped, changes of the map, starts. The same live
state does them again; every picture, every decision and every forecast must come out the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np

from twin.clock import iso_from_us, us_from_datetime
from twin.columns import ReadingBatch
from twin.control.access.counts import HOUR_US, GateCount
from twin.control.access.rules import AccessRules
from twin.errors import Fault, InputError
from twin.events import DecisionEvent, DecisionKind
from twin.forecast.first import ForecastInput, make_forecast
from twin.forecast.learned.model_file import SavedModel
from twin.forecast.learning import Given
from twin.forecast.result import Forecast
from twin.ingest.journal import BATCH, START, TICK, batch_body
from twin.ingest.past_vehicles import PastVehicles
from twin.ingest.topics import OF_READINGS
from twin.live import Live, LiveBatch
from twin.log.contract import Place
from twin.network.difference import difference
from twin.opening import Opened, Terms, decode_opening
from twin.picture import decisions_digest, forecast_digest
from twin.store.origins import Origins
from twin.store.past import Past, Readings, Vehicles
from twin.store.records import Opening, Step
from twin.units import SECOND_US

Make = Callable[[ForecastInput], Forecast]
_MOST_NAMED: Final = 20
_SOON_US: Final = 300 * SECOND_US


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that came out differently: when, what, as it was live, and as it is now."""

    time: str
    what: str
    live: str
    replayed: str


@dataclass(slots=True)
class DayOutcome:
    """What a replay of a day compared. `differences` names the first ones; `different` counts all.

    from_us, to_us   times of the first and the last step
    access           `vehicles`: decided again; `counts`: as they were told; "": not compared
    unchecked        decisions that equal by hash, whose kept row is gone
    """

    from_us: int = 0
    to_us: int = 0
    starts: int = 0
    batches: int = 0
    pictures: int = 0
    decisions: int = 0
    forecasts: int = 0
    readings: int = 0
    access: str = ""
    access_decisions: int = 0
    unchecked: int = 0
    map_versions: list[str] = field(default_factory=list)
    different: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Say whether something was compared and all of it came out the same."""
        return self.pictures > 0 and self.different == 0

    def differs(self, time_us: int, what: str, live: object, replayed: object) -> None:
        """Note that something came out differently."""
        self.different += 1
        if len(self.differences) < _MOST_NAMED:
            self.differences.append(
                Difference(iso_from_us(time_us), what, str(live), str(replayed))
            )


class PastDay:
    """Replays what lies in a `Past`. Belongs to one replay."""

    def __init__(
        self,
        past: Past,
        *,
        rules: AccessRules | None = None,
        vehicles: Vehicles | None = None,
        make: Make = make_forecast,
        model: SavedModel | None = None,
    ) -> None:
        """Take the days, and the vehicles where their time is not over (None: only counts).

        model   the fitted model that the service had, if it had one
        """
        self._model = model
        self._past = past
        self._rules = rules
        self._vehicles = PastVehicles(vehicles) if vehicles is not None else None
        self._make = make
        self.outcome = DayOutcome()
        self._positions: dict[Place, int] = {}
        self._pending: ForecastInput | None = None
        self._forecast_hash = ""
        self._made: list[DecisionEvent] = []
        self._live: Live

    async def run(
        self, from_us: int, to_us: int, *, on_progress: Callable[[int], None] = lambda _: None
    ) -> DayOutcome:
        """Replay from `from_us` until `to_us`, and compare.

        It begins at the opening right after `from_us`, where a day has one, else at the last one
        before. `on_progress` gets the time that was come to. Raises InputError when nothing was
        kept of these days, MapError when a map is missing.
        """
        opening = await self._beginning(from_us, to_us)
        if opening is None:
            rule = "no steps were kept of this time; TWIN_KEEP_STEPS_D says how long they are"
            raise InputError(Fault("--day", iso_from_us(from_us), rule, "unknown"))
        await self._open(opening, to_us)
        async for part in self._past.steps(opening.time_us, to_us):
            await self._do(part)
            on_progress(part[-1].time_us)
        return self.outcome

    async def _beginning(self, from_us: int, to_us: int) -> Opening | None:
        """Choose where to begin: soon after `from_us` if that loses next to nothing.

        None where no step was kept between `from_us` and `to_us`.
        """
        first_us = None
        async for part in self._past.steps(from_us - 1, to_us):
            first_us = part[0].time_us
            break
        if first_us is None:
            return None
        after = await self._past.opening_after(from_us - 1)
        if after is not None and after.time_us - first_us <= _SOON_US:
            return after
        return await self._past.opening_before(from_us)

    async def _open(self, opening: Opening, to_us: int) -> None:
        opened = decode_opening(opening.body)
        network = await self._past.network(opening.map_version)
        terms = opened.terms
        rules = self._rules if self._vehicles is not None else None
        if (rules.version if rules else "") != terms.rules:
            rules = self._vehicles = None  # other rules decide otherwise: the counts are taken
        self._live = Live(
            network,
            rules=rules,
            automatic=frozenset(terms.automatic),
            lease_s=terms.lease_s,
            timezone=terms.timezone,
            given=self._given(terms),
        )
        self.outcome.from_us = self.outcome.to_us = opening.time_us
        self.outcome.map_versions.append(opening.map_version)
        first = [
            step
            async for part in self._past.steps(opening.time_us - 1, opening.time_us)
            for step in part
        ]
        self._go_on(opened)
        if first and first[0].begun:
            self._pending = self._live.forecast_input(first[0].now_us)
        await self._feed_counts(first[0].now_us if first else opening.time_us, to_us)
        if self._vehicles is not None:
            await self._vehicles.open(self._live, opening, first)
        self.outcome.access = "vehicles" if self._vehicles is not None else "counts"

    def _given(self, terms: Terms) -> Given:
        """Return what the learned forecast was told. Raises InputError without its model."""
        found = self._model.hash if self._model is not None else ""
        if found != terms.model:
            rule = "is not the model of the forecast that the service had then"
            raise InputError(Fault("TWIN_FORECAST_MODEL", found or "none", rule, "conflict"))
        return Given(frozenset(map(date.fromisoformat, terms.holidays)), self._model)

    def _go_on(self, opened: Opened) -> None:
        self._live.resume(opened)
        self._forecast_hash = opened.forecast_hash
        self._positions = {_place(name): at for name, at in opened.positions.items()}
        self._pending = None

    async def _feed_counts(self, now_us: int, to_us: int) -> None:
        """Give the hours that cannot be counted again, because their vehicles are not there."""
        first_us = now_us // HOUR_US * HOUR_US
        last_us = first_us if self._vehicles is not None else to_us
        begin_us = first_us - 2 * HOUR_US
        told = [GateCount(*one) for one in await self._past.counts(begin_us, last_us)]
        hours = range(begin_us, last_us + 1, HOUR_US)
        self._live.counts.resume(now_us, told, ())
        self._live.counts.feed(told, hours)

    async def _do(self, part: Sequence[Step]) -> None:
        readings = await self._readings(part)
        if self._vehicles is not None:
            await self._vehicles.load(part)
        for step in part:
            if step.kind == BATCH:
                self._batch(step, readings)
            elif step.kind == TICK:
                await self._tick(step)
            elif step.kind == START:
                await self._start(step)
            self.outcome.to_us = step.time_us
        await self._compare_kept(part)

    async def _readings(self, part: Sequence[Step]) -> tuple[ReadingBatch, Origins]:
        spans = [
            body.span_us
            for body in (batch_body(step) for step in part if step.kind == BATCH)
            if body.span_us is not None
        ]
        if not spans:
            return ReadingBatch.empty(), Origins(np.empty(0, np.int64))
        found: Readings = await self._past.readings(
            self._live.network, min(span[0] for span in spans), max(span[1] for span in spans)
        )
        return found[0], Origins(found[1])

    def _batch(self, step: Step, readings: tuple[ReadingBatch, Origins]) -> None:
        body = batch_body(step)
        moved = {_place(name): at for name, at in body.moved.items()}
        taken = self._taken(moved, body.ranges, readings)
        self._positions.update(moved)
        answers, acts = body.acknowledgements, body.acts
        batch = LiveBatch(
            now_us=step.now_us,
            readings=taken,
            incidents=body.incidents,
            statuses=body.statuses,
            acknowledgements=tuple(one for _, one in answers),
            acts=tuple(one for _, one in acts),
            arrivals_us={
                "acknowledgements": [us for us, _ in answers],
                "acts": [us for us, _ in acts],
            },
        )
        if self._vehicles is not None:
            batch = self._vehicles.with_vehicles(batch, step)
        decided = self._live.observe(batch)
        self.outcome.batches += 1
        self.outcome.readings += len(taken)
        if body.span_us is not None and not len(taken):
            self.outcome.differs(step.time_us, "readings", "some", "none are kept")
        if self._vehicles is not None:
            self._vehicles.compare(step, decided, self.outcome)
        self._compare_decided(step, decided)

    def _taken(
        self,
        moved: Mapping[Place, int],
        ranges: Sequence[tuple[str, int, int]],
        readings: tuple[ReadingBatch, Origins],
    ) -> ReadingBatch:
        batch, origins = readings
        rows = [
            origins.rows(place, self._positions.get(place, 0), end)
            for place, end in sorted(moved.items())
            if place.topic in OF_READINGS
        ]
        rows += [origins.rows(_place(name), first, end) for name, first, end in ranges]
        return batch.take(np.concatenate([*rows, np.empty(0, np.int64)]))

    async def _tick(self, step: Step) -> None:
        made: tuple[DecisionEvent, ...] = ()
        if step.map_version != self._live.network.version:
            made = await self._change_map(step)
        if step.taken or step.dropped:
            self._take_forecast(step)
        offsets = {str(place): at for place, at in sorted(self._positions.items())}
        decided = made + self._live.decide(step.now_us, offsets=offsets)
        picture = self._live.picture(step.now_us)
        if picture.forecast is None:
            self._forecast_hash = ""
        found = picture.content_hash(self._forecast_hash)
        self.outcome.pictures += 1
        if found != step.picture:
            self.outcome.differs(step.now_us, "picture", step.picture, found)
        self._live.closed_scores()  # they leave the memory as they left it live
        self._compare_decided(step, decided)
        if step.begun:
            self._pending = self._live.forecast_input(step.now_us)

    async def _change_map(self, step: Step) -> tuple[DecisionEvent, ...]:
        before = self._live
        network = await self._past.network(step.map_version)
        self._live = before.on(network)
        self.outcome.map_versions.append(step.map_version)
        stays = difference(before.network, network)
        return self._live.carry(before, stays, step.now_us).decisions

    def _take_forecast(self, step: Step) -> None:
        """Make again the forecast that was begun, and take it in or drop it as it was live."""
        pending, self._pending = self._pending, None
        told = step.taken or step.dropped
        if pending is None:
            self.outcome.differs(step.now_us, "forecast", told, "none was begun")
            return
        forecast = self._make(pending)
        content = forecast_digest(forecast)
        taken = self._live.take_forecast(forecast, step.now_us)
        self.outcome.forecasts += 1
        if taken:
            self._forecast_hash = content
        live = (told, step.forecast, bool(step.taken))
        if live != (forecast.id, content if step.taken else "", taken):
            self.outcome.differs(step.now_us, "forecast", live, (forecast.id, content, taken))

    async def _start(self, step: Step) -> None:
        """Go on from what the start found, after comparing it with what is known here."""
        opening = await self._past.opening_before(step.time_us)
        if opening is None or opening.time_us != step.time_us:
            self.outcome.differs(step.time_us, "start", "a state was kept", "it is not there")
            return
        before = self._live
        if before.network.version == opening.map_version:
            self._live = before.on(before.network)
        else:
            self._live = before.on(await self._past.network(opening.map_version))
        if before.state_hash() != opening.state_hash:
            self.outcome.differs(
                step.time_us, "state after a start", opening.state_hash, before.state_hash()
            )
        self._go_on(decode_opening(opening.body))
        rights = self._vehicles.known_rights() if self._vehicles is not None else ()
        at_gates = [one for one in before.book.open() if one.kind is DecisionKind.ACCESS]
        self._live.carry_vehicles(before, rights, at_gates)
        self.outcome.starts += 1

    def _compare_decided(self, step: Step, decided: Sequence[DecisionEvent]) -> None:
        public = tuple(one for one in decided if one.kind is not DecisionKind.ACCESS)
        self.outcome.decisions += len(public)
        self._made.extend(public)
        if (found := decisions_digest(public)) != step.decided:
            names = ", ".join(f"{one.target} {one.state} ({one.id[:8]})" for one in public[:5])
            self.outcome.differs(
                step.now_us, "decisions", step.decided or "none", f"{found or 'none'}: {names}"
            )

    async def _compare_kept(self, part: Sequence[Step]) -> None:
        """Compare each version that was made with the row that history keeps of it."""
        if not self._made:
            return
        times = [us_from_datetime(one.time) for one in self._made]
        kept = await self._past.decisions(min(times), max(times))
        for one in self._made:
            known = kept.get((one.id, one.version))
            if known is None:
                self.outcome.unchecked += 1
            elif known != one:
                live, replayed = _first_field(known, one)
                name = f"decision {one.id} version {one.version} of {one.target}"
                self.outcome.differs(us_from_datetime(one.time), name, live, replayed)
        self._made.clear()


def _first_field(known: DecisionEvent, made: DecisionEvent) -> tuple[str, str]:
    for name in known.__struct_fields__:
        one, other = getattr(known, name), getattr(made, name)
        if one != other:
            return f"{name} {one}", f"{name} {other}"
    return "", ""


def _place(name: str) -> Place:
    topic, _, partition = name.rpartition("/")
    return Place(topic, int(partition))
