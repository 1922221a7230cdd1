"""How the process writes its log: one line a fact, a constant name and keys, to standard error."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "color_message",
}


class Line(logging.Formatter):
    """`2026-06-16T06:30:00Z WARNING server_away task=worker problem="…"` and a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        extras = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        keys = "".join(f" {name}={_value(value)}" for name, value in extras.items())
        line = f"{moment} {record.levelname} {record.getMessage()}{keys}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def start_logging(level: str) -> None:
    """Send every log line of the process to standard error in our form."""
    handler = logging.StreamHandler()
    handler.setFormatter(Line())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("httpx", "uvicorn.error", "alembic", "aiosqlite"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # it writes a hundred lines a second while a broker is away; we write one that names the broker
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _value(value: object) -> str:
    text = str(value)
    return f'"{text}"' if " " in text or not text else text
