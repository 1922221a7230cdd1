"""The first forecast: physics where flows are known, else the last value fading to the usual day.

A pure function of its input: the same input gives the same bytes, wherever it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from twin.columns import Floats, Ints
from twin.forecast.blended import Blended, blended
from twin.forecast.learned.standing import Standing
from twin.forecast.network import ForecastNetwork
from twin.forecast.physics import Physics, Start, free_share, habit, run_physics
from twin.forecast.result import Forecast, Method
from twin.ids import derived_id
from twin.perceive.estimate import Belief, Perception
from twin.perceive.incidents import Incidents
from twin.perceive.state import Codes, Source
from twin.units import SECOND_US

STEP_S = 300.0
STEPS = 12
HABIT_MEMORY_S = 14400.0  # signals and habits, which the physics does not know, change slowly
FADE_S = 2700.0  # by which a last value fades to the usual one
PHYSICS_MEMORY_S = 5400.0  # by which physics fades to the usual day
NORMAL_80 = 1.2816  # standard deviations that bound 80 % of a normal distribution
WIDEST_FRAC = 0.2  # of free speed: no link wanders by a larger standard deviation
MODEL = "first-3"


@dataclass(frozen=True, slots=True)
class ForecastInput:
    """A frozen copy of all that a forecast depends on. Arrays are (links,) where not said.

    steady_vps       the line through the last half hour of counts; growth_vps2: its rise a second
    usual            (1 + STEPS, links, 4) as `Perception.profile`, for now and every step
    capacity_share   (STEPS, links) what incidents and weather leave
    weather          (1 + STEPS, links) what weather leaves of free speeds, for now and every step
    learned          what was learned on line; None where nothing was
    """

    network: ForecastNetwork
    made_us: int
    speed_mps: Floats
    speed_sd_mps: Floats
    flow_vps: Floats
    density_vpm: Floats
    drift_mps2_pmin: Floats
    steady_vps: Floats
    growth_vps2: Floats
    source: Codes
    usual: Floats
    capacity_share: Floats
    weather: Floats
    learned: Standing | None = None


def forecast_input(
    network: ForecastNetwork,
    perception: Perception,
    incidents: Incidents,
    now_us: int,
    *,
    learned: Standing | None = None,
) -> ForecastInput:
    """Freeze what is believed at `now_us` for a forecast made elsewhere."""
    belief: Belief = perception.belief(now_us, incidents.weather(now_us))
    weather = incidents.weather_speed(now_us, STEP_S, STEPS)
    middle_us = now_us + ((np.arange(STEPS) + 0.5) * STEP_S * SECOND_US).astype(np.int64)
    moments: Ints = np.concatenate([[now_us], middle_us]).astype(np.int64)
    return ForecastInput(
        network=network,
        made_us=now_us,
        speed_mps=belief.links.speed_mps,
        speed_sd_mps=belief.links.speed_sd_mps,
        flow_vps=belief.links.flow_vps,
        density_vpm=belief.links.density_vpm,
        drift_mps2_pmin=belief.drift_mps2_pmin,
        steady_vps=belief.steady_vps,
        growth_vps2=belief.growth_vps2,
        source=belief.links.source,
        usual=_slowed(perception.profile(moments), weather),
        capacity_share=incidents.capacity_share(now_us, STEP_S, STEPS),
        weather=weather,
        learned=learned,
    )


def _slowed(usual: Floats, weather: Floats) -> Floats:
    """Return the usual day as it is in this weather."""
    slowed = usual.copy()
    slowed[:, :, 0] *= weather
    slowed[:, :, 1] *= weather**2
    return slowed


def make_forecast(given: ForecastInput) -> Forecast:
    """Forecast the next hour of every link."""
    method = _methods(given)
    speed, flow, density = _without_flows(given, method)
    physical = method == Method.PHYSICS
    physics = None
    if physical.any():
        physics = run_physics(given.network, _start(given), step_s=STEP_S)
        speed[:, physical] = _speeds(given, physics)[:, physical]
        flow[:, physical] = physics.flow_vps[:, physical]
    alone = np.where(physical, speed, np.nan)
    mixed = _blend(given, alone, speed, method)
    if physics is not None:
        density[:, physical] = _densities(given, physics, speed, flow)[:, physical]
    speed_lo, speed_hi = _interval(given, speed)
    if mixed is not None:
        known = np.isfinite(mixed.low) & np.isfinite(mixed.high)
        for bound, own in ((speed_lo, mixed.low), (speed_hi, mixed.high)):
            bound[:, mixed.link] = np.where(known, own, bound[:, mixed.link])
        speed_hi = np.minimum(speed_hi, np.maximum(_fastest(given), speed))
        speed_lo = np.minimum(speed_lo, speed)
    return Forecast(
        id=derived_id("forecast", MODEL, given.network.version, given.made_us, _hash(given)),
        made_us=given.made_us,
        map_version=given.network.version,
        step_s=STEP_S,
        speed_mps=speed,
        speed_lo_mps=speed_lo,
        speed_hi_mps=speed_hi,
        flow_vps=flow,
        density_vpm=density,
        method=method,
        weights=_spread(given, mixed),
        physics_mps=alone.astype(np.float32) if mixed is not None else _nothing(),
        learned_us=given.learned.row_us if mixed is not None and given.learned else -1,
    )


def _blend(given: ForecastInput, alone: Floats, speed: Floats, method: Codes) -> Blended | None:
    """Write the blend of all experts into `speed` and `method` where stations have learned."""
    if given.learned is None:
        return None
    mixed = blended(given.learned, alone, given.made_us, step_s=STEP_S)
    known = np.isfinite(mixed.value).all(axis=0) & np.isfinite(given.speed_mps[mixed.link])
    mixed = mixed.take(known)
    value = np.clip(mixed.value, 0.3, np.maximum(_fastest(given)[mixed.link], 0.3))
    speed[:, mixed.link] = value
    method[mixed.link] = Method.BLEND
    return mixed


def _fastest(given: ForecastInput) -> Floats:
    """Return how fast traffic can be at the utmost, (links,)."""
    free = 1.2 * given.network.roads.free_speed_mps
    return np.asarray(np.fmax(free, given.speed_mps), np.float64)


def _spread(given: ForecastInput, mixed: Blended | None) -> npt.NDArray[np.float32]:
    """Return the weights of every link, (links, experts)."""
    if mixed is None:
        return _nothing()
    found = np.zeros((len(given.speed_mps), mixed.weight.shape[1]), np.float32)
    found[mixed.link] = mixed.weight
    return found


def _nothing() -> npt.NDArray[np.float32]:
    return np.empty((0, 0), np.float32)


def _methods(given: ForecastInput) -> Codes:
    """Choose for every link: physics with a flow, the usual day with a profile, else last value."""
    method: Codes = np.full(len(given.speed_mps), Method.NONE, np.uint8)
    seen = ~np.isnan(given.speed_mps)
    usual = ~np.isnan(given.usual[:, :, 0]).any(axis=0)
    method[seen] = Method.LAST_VALUE
    method[seen & usual] = Method.FADE_TO_PROFILE
    believed = np.isin(given.source, (Source.MEASURED, Source.NEIGHBOURS))
    method[seen & believed & ~np.isnan(given.flow_vps)] = Method.PHYSICS
    return method


def _ahead_s() -> Floats:
    """Return how far ahead the middle of each step is, (STEPS, 1)."""
    return np.asarray((np.arange(STEPS) + 0.5) * STEP_S, np.float64)[:, None]


def _fading(now: Floats, usual: Floats, memory_s: float) -> Floats:
    """Return values that start at `now` and fade to the usual ones, (STEPS, links)."""
    fade = np.exp(-_ahead_s() / memory_s)
    faded = usual[1:] + fade * (now - usual[0])
    return np.where(np.isnan(faded), now, faded)


def _without_flows(given: ForecastInput, method: Codes) -> tuple[Floats, Floats, Floats]:
    """Return speed, flow and density of links without physics; NaN where nothing is known."""
    speed = np.where(
        method == Method.FADE_TO_PROFILE,
        _fading(given.speed_mps, given.usual[:, :, 0], FADE_S),
        given.speed_mps * (given.weather[1:] / given.weather[0]),
    )
    flow = _fading(given.flow_vps, given.usual[:, :, 2], FADE_S)
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.where(speed > 0, flow / speed, np.nan)
    return speed, flow, density


def _start(given: ForecastInput) -> Start:
    return Start(
        speed_mps=given.speed_mps,
        flow_vps=given.flow_vps,
        density_vpm=given.density_vpm,
        steady_vps=np.where(np.isnan(given.flow_vps), np.nan, given.steady_vps),
        growth_vps2=given.growth_vps2,
        usual_flow_vps=given.usual[:, :, 2],
        capacity_share=given.capacity_share,
    )


def _speeds(given: ForecastInput, physics: Physics) -> Floats:
    """Start at the belief, follow the physics, end near the usual day; (STEPS, links)."""
    fade = np.exp(-_ahead_s() / HABIT_MEMORY_S)
    followed = physics.speed_mps * habit(given.network, _start(given), physics, fade)
    # The habit holds the weather of now; free traffic follows what it will be.
    freedom = free_share(given.network, physics)
    followed *= 1.0 + (given.weather[1:] / given.weather[0] - 1.0) * freedom
    usual = given.usual[1:, :, 0]
    weight = np.exp(-_ahead_s() / PHYSICS_MEMORY_S)
    mixed = weight * followed + (1.0 - weight) * usual
    speed = np.where(np.isnan(usual), followed, mixed)
    fastest = np.maximum(given.network.roads.free_speed_mps, given.speed_mps)
    return np.asarray(np.clip(speed, 0.3, fastest), np.float64)


def _densities(given: ForecastInput, physics: Physics, speed: Floats, flow: Floats) -> Floats:
    """Return flow over speed, as the three must agree; in standing traffic the physics' own."""
    standing = speed < 1.0
    moving = flow / np.maximum(speed, 1.0)
    density = np.where(standing, np.maximum(physics.density_vpm, moving), moving)
    return np.minimum(density, given.network.roads.jam_vpm)


def _interval(given: ForecastInput, speed: Floats) -> tuple[Floats, Floats]:
    """Return the 80 % interval: what is not known now, and how far the link wanders until then."""
    free = given.network.roads.free_speed_mps
    widest = (WIDEST_FRAC * free) ** 2
    drift = np.where(np.isnan(given.drift_mps2_pmin), 0.0004 * free**2, given.drift_mps2_pmin)
    wandered = widest * -np.expm1(-np.maximum(drift, 1e-9) * (_ahead_s() / 60.0) / widest)
    now = np.nan_to_num(given.speed_sd_mps, nan=0.0) ** 2
    half = NORMAL_80 * np.sqrt(now + wandered)
    top = np.maximum(1.2 * free, speed)
    return np.clip(speed - half, 0.0, None), np.clip(speed + half, None, top)


def _hash(given: ForecastInput) -> str:
    """Return 32 hex digits over every array of the input, and over what was learned."""
    digest = blake2b(digest_size=16)
    for part in (given, given.learned):
        if part is None:
            continue
        for field in fields(part):
            value = getattr(part, field.name)
            if isinstance(value, np.ndarray):
                digest.update(f"{field.name}{value.dtype.str}{value.shape}".encode())
                digest.update(np.ascontiguousarray(value).tobytes())
            elif isinstance(value, int | float):
                digest.update(f"{field.name}{value!r}".encode())
    return digest.hexdigest()
