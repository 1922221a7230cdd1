"""From what loops see to what vehicles experience along whole links, minute by minute.

Density is what flow and travel time make of each other (Little): q times the time on the link.
The standard deviations hold for the mean over a minute: few vehicles are on a link, each waits
anything from nothing to a red, and neither the plan nor the flow is known for sure.
"""

from __future__ import annotations

import dataclasses
from typing import Final, NamedTuple

import numpy as np

from twin.columns import Floats
from twin.network.model import SingleMap
from twin.perceive.control_delay import Approaches, approaches_of, control_delay
from twin.perceive.state import LinkState, Origin

MINUTE_S: Final = 60.0
SLOWEST_MPS: Final = 0.5
PLAN_DOUBT: Final = 0.5  # of the delay: signals that answer to traffic leave their plan


class Streets(NamedTuple):
    """What does not change: (links,) metres, and the movements with signals."""

    length_m: Floats
    approaches: Approaches


def streets_of(network: SingleMap) -> Streets:
    """Read what travel times need of a map."""
    length = np.array([max(link.length_m, 1.0) for link in network.links], np.float64)
    return Streets(length, approaches_of(network))


def travelled(state: LinkState, streets: Streets) -> LinkState:
    """Return the state with delay at signals in speed and density, and honest deviations."""
    length = streets.length_m
    delay = control_delay(streets.approaches, state.flow_vps)
    drive_s = length / np.maximum(state.speed_mps, SLOWEST_MPS)
    total_s = drive_s + delay.mean_s
    at_signal = (delay.mean_s > 0) & np.isfinite(state.speed_mps)
    with np.errstate(divide="ignore", invalid="ignore"):
        pace_share = state.speed_sd_mps / np.maximum(state.speed_mps, SLOWEST_MPS)
        passed = np.maximum(np.nan_to_num(state.flow_vps) * MINUTE_S, 1.0)
        doubt_s2 = (drive_s * pace_share) ** 2 + (PLAN_DOUBT * delay.mean_s) ** 2
        time_var = doubt_s2 + delay.spread_s**2 / passed
        speed = np.where(at_signal, length / total_s, state.speed_mps)
        speed_sd = np.where(at_signal, speed * np.sqrt(time_var) / total_s, state.speed_sd_mps)
        flowing = at_signal & np.isfinite(state.flow_vps)
        density = np.where(flowing, state.flow_vps * total_s / length, state.density_vpm)
        # Without a signal the stated deviation holds flow and speed; with one it is made anew.
        known = (state.flow_sd_vps * total_s) ** 2 + (state.flow_vps**2) * doubt_s2
        own = np.where(flowing, known / length**2, state.density_sd_vpm**2)
        alike = np.minimum((total_s + delay.spread_s**2 / total_s) / MINUTE_S, 1.0)
        few = density / length * np.where(np.isfinite(alike), alike, 1.0)
        density_sd = np.sqrt(own + few)
    return dataclasses.replace(
        state,
        speed_mps=speed,
        speed_sd_mps=speed_sd,
        density_vpm=density,
        density_sd_vpm=density_sd,
        origins=state.origins | np.where(at_signal, Origin.SIGNAL_PLAN, 0).astype(np.uint8),
    )
