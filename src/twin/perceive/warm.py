"""Runs every kernel of perception once, so that nobody waits for a compiler later."""

from __future__ import annotations

from twin.columns import ReadingBatch
from twin.network.model import SingleMap
from twin.perceive.estimate import Perception


def warm_perception() -> None:
    """Compile what takes readings in and what makes link states of them."""
    perception = Perception(SingleMap(name="warm", version="", timezone="UTC", nodes=(), links=()))
    perception.observe(ReadingBatch.empty())
    perception.link_state(0)
