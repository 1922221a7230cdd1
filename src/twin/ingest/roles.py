"""What a process of the service is there for."""

from __future__ import annotations

from enum import StrEnum


class ProcessRole(StrEnum):
    """Which part of the work a process does.

    `docs/how-to/grow-beyond-one-machine.md` shows how they fit.
    """

    ALL = "all"  # everything in one process
    API = "api"  # serves pictures made elsewhere, takes events and acts
    WORKER = "worker"  # judges and commits the readings of some partitions
    FORECASTER = "forecaster"  # owns the live state; all but one of them stand by

    @property
    def serves(self) -> bool:
        """Whether the whole API is here, not the probes alone."""
        return self in {ProcessRole.ALL, ProcessRole.API}

    @property
    def computes(self) -> bool:
        """Whether the live state is here, or may be soon: the kernels must be compiled."""
        return self in {ProcessRole.ALL, ProcessRole.FORECASTER}
