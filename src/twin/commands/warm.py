"""`twin warm`: compile every kernel before anybody waits for one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twin.commands.console import plain_errors, progress
from twin.perceive.warm import warm_perception
from twin.simulate.warm import warm_cells, warm_paths, warm_transmission, warm_vehicles

Kernel = tuple[str, Callable[[], None]]

LIVE: Final[tuple[Kernel, ...]] = (
    ("perception", warm_perception),
    ("link transmission", warm_transmission),
    ("cell transmission", warm_cells),
)
"""What the service itself runs: a start waits for these alone."""
STUDIES: Final[tuple[Kernel, ...]] = (
    ("shortest paths", warm_paths),
    ("vehicles", warm_vehicles),
)


def warm() -> None:
    """Compile the numerical kernels and keep them; the next start is quick.

    One process does this alone: two that write the same cache at once can crash.
    """
    with plain_errors():
        warm_with_bar((*LIVE, *STUDIES))


def warm_with_bar(kernels: Sequence[Kernel] = LIVE) -> None:
    """Compile kernels before the eyes of a person: the first time takes half a minute."""
    with progress() as bar:
        task = bar.add_task("compiling", total=len(kernels))
        warm_kernels(
            kernels,
            on_kernel=lambda name: bar.update(task, description=f"compiling {name}"),
            on_done=lambda: bar.advance(task),
        )


def warm_kernels(
    kernels: Sequence[Kernel] = LIVE,
    *,
    on_kernel: Callable[[str], None] | None = None,
    on_done: Callable[[], None] | None = None,
) -> None:
    """Run every kernel once on a tiny input, so that it is compiled and cached."""
    for name, run in kernels:
        if on_kernel is not None:
            on_kernel(name)
        run()
        if on_done is not None:
            on_done()
