"""A change of the map while the service runs: asked by an act, made ready beside, done at a tick.

The version must be stored. Reading it and laying it out takes seconds on a large map and happens
in a thread; the swap itself is one beat of the owner of the live state: what holds on both maps is
carried over, open decisions of what changed are withdrawn, and the commit of that beat carries the
snapshot of the new version, so that a restart begins there.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from twin.clock import us_from_datetime
from twin.columns import Ints
from twin.control.handover import HandoverReason
from twin.errors import InputError, MapError
from twin.events import Act, DecisionEvent, OperatorAct
from twin.ingest.patience import Patience
from twin.live import Carried, Live
from twin.network.difference import MapDifference, difference
from twin.network.model import SingleMap
from twin.store import map_changes, maps, observations, snapshots
from twin.store.database import Database
from twin.store.records import MapChange, MapChangeState, Snapshot

_LOG: Final = logging.getLogger(__name__)
_NAMED: Final = 500
"""So many things that were dropped are named in the report of a change; all are counted."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Another map, laid out and ready to be stood on.

    live        knows nothing yet but its map
    newest_us   (sensors,) newest reading that history has of each sensor of that map, -1 for none
    """

    live: Live
    stays: MapDifference
    newest_us: Ints


@dataclass(frozen=True, slots=True)
class Turn:
    """What one beat did about changes of the map; `prepared` None: it was refused."""

    changes: tuple[MapChange, ...]
    decisions: tuple[DecisionEvent, ...] = ()
    snapshot: Snapshot | None = None
    prepared: Prepared | None = None


@dataclass
class MapSwitch:
    """The changes that were asked for and are not settled. Belongs to the owner of a live state."""

    database: Database
    patience: Patience
    _asked: deque[MapChange] = field(default_factory=deque)
    _preparing: asyncio.Task[Prepared | str] | None = None

    def ask(self, acts: Iterable[OperatorAct], now_us: int) -> tuple[MapChange, ...]:
        """Take up what people ask for; return it, to be written with the commit of their acts."""
        asked = tuple(
            MapChange(
                id=act.id,
                version=act.target,
                person=act.person,
                reason=act.reason,
                asked_us=min(us_from_datetime(act.time), now_us),
            )
            for act in acts
            if act.act is Act.ACTIVATE_MAP
        )
        self._asked.extend(asked)
        return asked

    def resume(self, asked: Sequence[MapChange]) -> None:
        """Go on with what was asked for and not settled before a restart."""
        self._asked = deque(asked)

    def begin(self, live: Live) -> None:
        """Make the next change ready, unless one is under way or nothing is asked for."""
        if self._asked and self._preparing is None:
            work = self._prepare(live, self._asked[0].version)
            self._preparing = asyncio.create_task(work, name="map change")

    async def ready(self, live: Live) -> None:
        """Wait until the next change can be made at a beat; at once where nothing is asked for."""
        self.begin(live)
        if self._preparing is not None:
            await asyncio.wait({self._preparing})

    def turn(self, live: Live, now_us: int) -> Turn | None:
        """Do the change that is ready: to be called at a beat, by the owner of `live`."""
        if self._preparing is None or not self._preparing.done():
            return None
        prepared, self._preparing = self._preparing.result(), None
        change = replace(self._asked.popleft(), before=str(live.network.version), settled_us=now_us)
        if isinstance(prepared, str):
            _LOG.error("map_change_refused", extra={"version": change.version, "why": prepared})
            refused = replace(change, state=MapChangeState.REFUSED, report={"why": prepared})
            return Turn((refused,))
        carried = prepared.live.carry(live, prepared.stays, now_us)
        report = _report(prepared, carried)
        _LOG.warning(
            "map_changed",
            extra={"before": change.before, "version": change.version, "by": change.person}
            | {name: report[name] for name in ("carried", "dropped")},
        )
        return Turn(
            changes=(replace(change, state=MapChangeState.DONE, report=report),),
            decisions=carried.decisions,
            snapshot=snapshot_of(prepared.live, now_us),
            prepared=prepared,
        )

    async def close(self) -> None:
        """Forget what is being made ready."""
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
            self._preparing = None

    async def _prepare(self, live: Live, version: str) -> Prepared | str:
        """Lay the other map out, or say why it cannot be stood on."""
        if version == live.network.version:
            return "this version is in use already"
        try:
            network = await self.patience.until_done(lambda: maps.load_map(self.database, version))
            fresh, stays = await asyncio.to_thread(_lay_out, live, network)
        except (MapError, InputError) as error:
            return str(error)
        ids = [str(sensor.id) for sensor in network.sensors]
        newest_us = await self.patience.until_done(
            lambda: observations.newest_by_sensor(self.database, ids)
        )
        return Prepared(fresh, stays, newest_us)


async def map_in_use(database: Database, named: SingleMap) -> SingleMap | None:
    """Return the map that was activated last where it is another than the one that is named.

    Says so in the log: whoever names a map at the start must know that it is not the one in use.
    """
    active = await map_changes.active_version(database)
    if active is None:
        await _tell_refused_snapshot(database, str(named.version))
    if active is None or active == named.version:
        return None
    extra = {"in_use": active, "named": str(named.version), "activate": "twin map activate"}
    _LOG.warning("map_named_is_not_in_use", extra=extra)
    return await maps.load_map(database, active)


async def _tell_refused_snapshot(database: Database, named: str) -> None:
    """Say that live state is there, but of another map: nothing of it can be stood on."""
    of_map = await snapshots.newest_version(database)
    if of_map not in (None, named):
        why = "rows of another map; go over with `twin map activate` to carry the state"
        _LOG.warning("snapshot_refused", extra={"of_map": of_map, "named": named, "why": why})


def snapshot_of(live: Live, now_us: int) -> Snapshot:
    """Take the live state down."""
    return Snapshot(
        map_version=live.network.version,
        time_us=now_us,
        state_hash=live.state_hash(),
        body=live.state_bytes(),
    )


def _lay_out(live: Live, network: SingleMap) -> tuple[Live, MapDifference]:
    return live.on(network), difference(live.network, network)


def _report(prepared: Prepared, carried: Carried) -> dict[str, Any]:
    counts = Counter(one.kind for one in carried.dropped)
    changed = str(HandoverReason.MAP_CHANGED)
    return {
        "carried": {
            "sensors": len(prepared.stays.sensors_after),
            "junctions": len(prepared.stays.junctions),
        },
        "dropped": dict(sorted(counts.items())),
        "named": [
            {"kind": one.kind, "id": one.id, "why": one.reason} for one in carried.dropped[:_NAMED]
        ],
        "withdrawn": [event.id for event in carried.decisions if event.reason == changed][:_NAMED],
    }
