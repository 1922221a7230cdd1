"""How the errors of Kafka, and of the network on the way to it, reach us: as BackendError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiokafka.errors import ConsumerStoppedError, IllegalOperation, KafkaError

from twin.errors import BackendError

KAFKA_ERRORS: Final = (KafkaError, ConsumerStoppedError, IllegalOperation, OSError, TimeoutError)


@contextmanager
def mapped(bootstrap: str, doing: str) -> Iterator[None]:
    """Turn every error of the client or the network into one line that names the broker."""
    try:
        yield
    except KAFKA_ERRORS as error:
        raise away(bootstrap, doing, error) from error


def away(bootstrap: str, doing: str, error: BaseException) -> BackendError:
    """Word one error: which broker, what we wanted, what it said."""
    if isinstance(error, TimeoutError):
        reason = "no answer in time"
    else:
        said = str(error).split("\n", maxsplit=1)[0]
        name = type(error).__name__
        reason = said if name in said else f"{name}: {said}" if said else name
    return BackendError(f"Kafka {bootstrap}: {doing} failed: {reason}")
