"""What a device can do to the traffic in SUMO: hold a vehicle at a line, let it go, set a speed.

Everything here blocks, as the engine does. A vehicle that SUMO will not hold (it is too fast to
stop any more, or gone) drives on; that is counted and no error.
"""

from __future__ import annotations

from typing import Any, Final

_FOR_EVER_S: Final = 1e6


class Hands:
    """Hands on the vehicles and lanes of one run of SUMO. `missed` counts whom no line held."""

    def __init__(self, client: Any, refusal: type[Exception]) -> None:
        """Use a connected client of SUMO, and the error with which it refuses."""
        self._sumo = client
        self._refusal = refusal
        self._speeds: dict[str, dict[str, float]] = {}
        self._allowed: dict[str, tuple[str, ...]] = {}
        self.missed = 0

    def hold(self, vehicle: str, link: str, at_m: float) -> bool:
        """Make a vehicle stop at a line on a link of its way; False when it cannot any more."""
        try:
            lane = 0
            if self._sumo.vehicle.getRoadID(vehicle) == link:
                lane = self._sumo.vehicle.getLaneIndex(vehicle)
            self._sumo.vehicle.setStop(vehicle, link, at_m, lane, _FOR_EVER_S)
        except self._refusal:
            self.missed += 1
            return False
        return True

    def let_go(self, vehicle: str) -> None:
        """Let a vehicle that was held, or is about to be, drive on."""
        try:
            if self._sumo.vehicle.isStopped(vehicle):
                self._sumo.vehicle.resume(vehicle)
            else:
                self._sumo.vehicle.replaceStop(vehicle, 0, "")
        except self._refusal:
            self.missed += 1

    def turn_away(self, vehicle: str) -> None:
        """Let a vehicle turn round at a barrier: it leaves the simulated streets."""
        try:
            self._sumo.vehicle.remove(vehicle)
        except self._refusal:
            self.missed += 1

    def comes_to(self, vehicle: str, link: str) -> bool:
        """Say whether a link is the next one on a vehicle's way."""
        try:
            at = self._sumo.vehicle.getRouteIndex(vehicle)
            return bool(self._sumo.vehicle.getRoute(vehicle)[at + 1 : at + 2] == (link,))
        except self._refusal:
            return False

    def is_emergency(self, vehicle: str) -> bool:
        """Say whether a vehicle shows a blue light."""
        try:
            return bool(self._sumo.vehicle.getVehicleClass(vehicle) == "emergency")
        except self._refusal:
            return False

    def limit(self, link: str, speed_mps: float) -> None:
        """Let a link be driven no faster than this, and never faster than without it."""
        own = self._speeds.setdefault(link, self._own_speeds(link))
        for lane, own_mps in own.items():
            self._sumo.lane.setMaxSpeed(lane, min(speed_mps, own_mps))

    def lift_limit(self, link: str) -> None:
        """Give a link its own speeds back."""
        for lane, own_mps in self._speeds.pop(link, {}).items():
            self._sumo.lane.setMaxSpeed(lane, own_mps)

    def _own_speeds(self, link: str) -> dict[str, float]:
        lanes = [f"{link}_{row}" for row in range(self._sumo.edge.getLaneNumber(link))]
        return {lane: float(self._sumo.lane.getMaxSpeed(lane)) for lane in lanes}

    def close_lane(self, link: str, number: int) -> None:
        """Close a lane, counted from the left, to all but emergency vehicles."""
        lane = f"{link}_{max(self._sumo.edge.getLaneNumber(link) - number, 0)}"
        self._allowed.setdefault(lane, tuple(self._sumo.lane.getAllowed(lane)))
        self._sumo.lane.setAllowed(lane, ["emergency"])

    def open_lanes(self, link: str) -> None:
        """Open the closed lanes of a link again."""
        for lane in [one for one in self._allowed if one.rpartition("_")[0] == link]:
            self._sumo.lane.setAllowed(lane, list(self._allowed.pop(lane)))
