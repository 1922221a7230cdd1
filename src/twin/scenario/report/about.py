"""What a report says beside its numbers: what was asked, edited and assumed, and with what."""

from __future__ import annotations

from dataclasses import dataclass

NOT_MODELLED = (
    "Waves are of first order: queues and their tails are right, stop-and-go waves inside a jam "
    "are not there. A bottleneck loses capacity while it is queued only where a share is given.",
    "The lanes of a link are one queue: who waits to turn left may hold up those who go straight "
    "on, and a pocket does not hold its own.",
    "Nobody changes the time of departure, the means of travel or the destination because of the "
    "edit. New routes are taken as the assumptions say, not until everyone is content.",
    "Gaps that drivers accept at junctions without signals, people on foot, cyclists, parking and "
    "public transport stops hold nobody up.",
    "Crashes, breakdowns and weather other than those of the file do not happen: real days are "
    "less reliable than these.",
    "Emissions are of mean speeds by link; who accelerates from a stop emits more than that says.",
)


@dataclass(frozen=True, slots=True)
class EditTold:
    """One edit in words: when it holds, what it is, and why."""

    when: str
    what: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a scenario besides its runs.

    assumptions, versions   (name, text) rows, shown as they are
    warnings                what a reader must know first
    """

    title: str
    description: str = ""
    learn: str = ""
    date: str = ""
    edits: tuple[EditTold, ...] = ()
    assumptions: tuple[tuple[str, str], ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    not_modelled: tuple[str, ...] = NOT_MODELLED
