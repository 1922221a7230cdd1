"""The event log: one contract (`contract.py`), two engines (`kafka.py`, `embedded.py`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from twin.errors import Fault, SettingsError
from twin.log.contract import Log

_KAFKA: Final = "kafka://"


def open_log(url: str, database_path: Path | None, prefix: str = "") -> Log:
    """Make the log that `url` names: `embedded` (in `database_path`) or `kafka://HOST:PORT[,…]`.

    Nothing is connected yet: `start` does that. Raises SettingsError for any other text.
    """
    if url.startswith(_KAFKA):
        from twin.log.kafka import KafkaLog  # its import costs 0.2 s that the demo need not wait

        return KafkaLog(url.removeprefix(_KAFKA), prefix)
    if url == "embedded" and database_path is not None:
        from twin.log.embedded import EmbeddedLog

        return EmbeddedLog(database_path)
    rule = "must be embedded (with a sqlite:/// database) or kafka://HOST:PORT"
    raise SettingsError(Fault("TWIN_LOG", url, rule))
