"""The next hour by the link transmission model, from the state that is believed now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Bools, Floats
from twin.forecast.network import ForecastNetwork
from twin.forecast.shares import route
from twin.simulate.ltm import LinkTransmission
from twin.simulate.steps import choose_step

WANTED_STEP_S = 10.0
SHORTEST_STEP_S = 2.5
CONGESTED_SHARE = 0.7  # of free speed: a queue is slower, and denser than a road at capacity
QUEUE_SHARE = 0.4  # of free speed: slower is a queue for certain, and not the squeeze before a head
INFLOW_MEMORY_S = 3600.0  # by which a measured inflow fades to the usual one
GROWTH_MEMORY_S = 1800.0  # by which the growth of the last half hour dies out
MOST_GROWTH = 5.0
LEAST_DISCHARGE_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Physics:
    """Means of the physics: (steps, links) float64 each."""

    speed_mps: Floats
    flow_vps: Floats
    density_vpm: Floats


@dataclass(frozen=True, slots=True)
class Start:
    """What the physics starts from: (links,), and (steps, links) for what is expected.

    steady_vps is the flow without the noise of counting, growth_vps2 its rise a second.
    usual_flow_vps has a row for now and then one a step; NaN where nothing was learned.
    """

    speed_mps: Floats
    flow_vps: Floats
    density_vpm: Floats
    steady_vps: Floats
    growth_vps2: Floats
    usual_flow_vps: Floats
    capacity_share: Floats


def run_physics(network: ForecastNetwork, start: Start, *, step_s: float) -> Physics:
    """Run the network over all steps of `start.capacity_share`, each `step_s` long."""
    roads, steps = network.roads, len(start.capacity_share)
    routing = route(network, start.steady_vps, congested(network, start))
    run = LinkTransmission(
        roads,
        network.turns,
        step_s=kernel_step_s(network, start.flow_vps),
        density_vpm=_loaded_density(network, start),
    )
    run.share_turns(routing.turn_share, routing.exit_share)
    discharge = _discharge(network, start)
    out = Physics(*(np.empty((steps, len(roads))) for _ in range(3)))
    for step in range(steps):
        _limit(run, network, discharge, start.capacity_share[step])
        run.demand(routing.joining_vps * _growth(start, step, (step + 0.5) * step_s))
        means = run.means_over(step_s)
        out.speed_mps[step] = means.speed_mps
        out.flow_vps[step] = means.flow_vps
        out.density_vpm[step] = means.density_vpm
    return out


def _growth(start: Start, step: int, ahead_s: float) -> Floats:
    """Return by what factor the inflow of each link will have changed, (links,).

    The usual day says how flows grow from now on, and pulls an unusual flow back towards it. Where
    nothing was learned the growth of the last half hour goes on, ever less of it.
    """
    now, then = start.usual_flow_vps[0], start.usual_flow_vps[step + 1]
    expected = then + np.exp(-ahead_s / INFLOW_MEMORY_S) * (start.steady_vps - now)
    trend = start.growth_vps2 * GROWTH_MEMORY_S * -np.expm1(-ahead_s / GROWTH_MEMORY_S)
    expected = np.where(np.isnan(expected), start.steady_vps + trend, expected)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = expected / start.steady_vps
    return np.clip(np.where(np.isfinite(factor), factor, 1.0), 0.0, MOST_GROWTH)


def kernel_step_s(network: ForecastNetwork, flow_vps: Floats) -> float:
    """Return the kernel's step: at most 10 s, shorter while short links would be slowed down."""
    weights = np.nan_to_num(flow_vps, nan=0.0)
    choice = choose_step(network.roads, weights, wanted_s=WANTED_STEP_S)
    parts = min(round(WANTED_STEP_S / choice.step_s), round(WANTED_STEP_S / SHORTEST_STEP_S))
    return WANTED_STEP_S / parts


def congested(network: ForecastNetwork, start: Start) -> Bools:
    """Say where vehicles queue, (links,): slow, and denser than at capacity.

    A street that is slow but not dense waits at its signals, as it always does.
    """
    roads = network.roads
    slow = start.speed_mps < CONGESTED_SHARE * roads.free_speed_mps
    return slow & (start.density_vpm > roads.capacity_vps / roads.free_speed_mps)


def habit(network: ForecastNetwork, start: Start, physics: Physics, fade: Floats) -> Floats:
    """Return how much slower or faster than the physics traffic is, (steps, links), 1 = as it.

    Free traffic keeps its own pace while it stays free, a queue keeps its own while it lasts.
    fade   (steps, 1) from 1 towards 0: by how much the habit of this moment still holds
    """
    roads = network.roads
    queued = congested(network, start)
    loaded = np.maximum(_loaded_density(network, start), 1e-9)
    in_queue = roads.wave_mps * (roads.jam_vpm - loaded) / loaded
    of_model = np.where(queued, np.clip(in_queue, 0.3, roads.free_speed_mps), roads.free_speed_mps)
    ratio = np.clip(start.speed_mps / of_model, 0.3, np.where(queued, 4.0, 1.5))
    freedom = free_share(network, physics)
    alike = np.where(queued, 1.0 - freedom, freedom)
    return 1.0 + (ratio - 1.0) * alike * fade


def free_share(network: ForecastNetwork, physics: Physics) -> Floats:
    """Return how free the traffic of the physics is, (steps, links), 0 in queues to 1."""
    share = 2.5 * physics.speed_mps / network.roads.free_speed_mps - 1.0
    return np.asarray(np.clip(share, 0.0, 1.0), np.float64)


def _loaded_density(network: ForecastNetwork, start: Start) -> Floats:
    """Return the density to start with.

    Below capacity a triangular diagram knows one speed, the free one: a link that is a little
    slower is loaded with its flow, or it would send a wave of vehicles that are not there. A slow
    queue is loaded so densely that it moves on as it was counted: real drivers leave more room than
    the diagram thinks, and a queue that is too thin for it would run into its own head.
    """
    roads = network.roads
    free = start.flow_vps / roads.free_speed_mps
    queue = start.speed_mps < QUEUE_SHARE * roads.free_speed_mps
    counted = np.where(queue, roads.jam_vpm - start.steady_vps / roads.wave_mps, 0.0)
    packed = np.fmax(start.density_vpm, counted)
    density = np.where(congested(network, start), packed, free)
    return np.nan_to_num(np.where(np.isnan(density), free, density), nan=0.0)


def _discharge(network: ForecastNetwork, start: Start) -> Floats:
    """Return the capacity of the end of every approach, from the heads of today's queues.

    Where a congested link leads into free ones, what it sends now is what its end can pass.
    """
    roads, turns = network.roads, network.turns
    slow = congested(network, start)
    leads_into_slow = np.zeros(len(roads), np.bool_)
    inner = turns.approach < len(roads)
    blocked = slow[turns.link] | np.isnan(start.speed_mps[turns.link])
    leads_into_slow[turns.approach[inner & blocked]] = True
    head = slow & ~leads_into_slow & (start.flow_vps > 0)
    capacity = roads.capacity_vps * network.green_share
    least = LEAST_DISCHARGE_SHARE * roads.capacity_vps
    seen = np.maximum(np.where(head, start.steady_vps, np.inf), least)
    return np.minimum(np.where(head, seen, np.inf), capacity)


def _limit(
    run: LinkTransmission, network: ForecastNetwork, discharge: Floats, share: Floats
) -> None:
    """Set the capacities of one step: incidents take their part, closed links take nobody in."""
    roads = network.roads
    origins = np.full(len(roads), np.inf)
    out = np.where(share > 0, np.minimum(discharge, share * roads.capacity_vps), discharge)
    entry = np.where(share > 0, roads.capacity_vps, 0.0)
    run.limit(in_vps=entry, out_vps=np.concatenate([out, origins]))
