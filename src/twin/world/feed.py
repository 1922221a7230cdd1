"""The command feed as a device meets it: wait for orders, carry each out, answer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from twin.clock import datetime_from_us
from twin.events import Acknowledgement, DecisionEvent
from twin.ids import derived_id
from twin.world.service import Pause, Service, wait_s

_POLL_S: Final = 20.0
_TRIES: Final = 6


async def listen(
    service: Service,
    names: Sequence[str],
    obey: Callable[[Sequence[DecisionEvent]], Awaitable[None]],
    *,
    pause: Pause,
) -> None:
    """Hand every command to one of `names` on to `obey`, in order, until cancelled.

    Waits longer and longer while the service is away. Raises InputError when it refuses the key.
    """
    after, failures = 0, 0
    while True:
        heard = await service.commands(tuple(names), after=after, wait_s=_POLL_S)
        if heard is None:
            failures += 1
            await pause(wait_s(failures))
            continue
        failures = 0
        after, commands = heard
        await obey(commands)
        await pause(0)


async def answer(
    service: Service,
    commands: Sequence[DecisionEvent],
    carry_out: Callable[[DecisionEvent], str | None],
    now_us: int,
) -> int:
    """Carry commands out and send the answers; return how many.

    `carry_out` says why not (empty: done; None: nothing to answer).
    """
    answers = []
    for command in commands:
        refusal = carry_out(command)
        if refusal is not None:
            answers.append(acknowledgement(command, now_us, accepted=not refusal, reason=refusal))
    if answers:
        await service.send("/street/acknowledgements", answers, tries=_TRIES)
    return len(answers)


def acknowledgement(
    command: DecisionEvent, now_us: int, *, accepted: bool, reason: str = ""
) -> bytes:
    """Make the JSON of a device's answer to one version of a command; the same answer, one id."""
    return msgspec.json.encode(
        Acknowledgement(
            id=derived_id("ack", command.target, command.id, command.version, str(accepted)),
            decision=command.id,
            device=command.target,
            time=datetime_from_us(now_us),
            accepted=accepted,
            reason=reason,
        )
    )
