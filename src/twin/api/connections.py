"""Connections whose other end takes nothing: cut off, so that they cost the others nothing.

A server that writes to a peer who never reads waits for room for ever, and so does every polite
way to close: the closing words wait behind the rest. Here a connection whose buffer stays full is
aborted. What it may hold until then is the transport's own buffer and one message.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

STUCK_S: Final = 20.0
"""A connection may stand so long with a full buffer."""
_LOG: Final = logging.getLogger(__name__)


@dataclass
class Cut:
    """How many connections were cut off, and after how long a full buffer."""

    limit_s: float = STUCK_S
    count: int = 0


class _Patience(asyncio.Protocol):
    """Aborts a transport unless it has room again in time; `cut` is that of the class."""

    cut: Cut
    _waits: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Begin to wait for room."""
        super().pause_writing()
        if self._waits is None:
            loop = asyncio.get_running_loop()
            self._waits = loop.call_later(self.cut.limit_s, self._abort)

    def resume_writing(self) -> None:
        """Go on: room was made."""
        super().resume_writing()
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._rest()
        super().connection_lost(exc)

    def _rest(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None

    def _abort(self) -> None:
        self._waits = None
        transport: asyncio.Transport = self.transport  # type: ignore[attr-defined] # uvicorn's own
        self.cut.count += 1
        extra = {"peer": str(transport.get_extra_info("peername")), "stuck_s": self.cut.limit_s}
        _LOG.warning("client_cut_off", extra=extra)
        transport.abort()


def patient_protocols(
    cut: Cut,
) -> tuple[type[HttpToolsProtocol], type[WebSocketsSansIOProtocol]]:
    """Return uvicorn's protocols with this limit, for `http` and `ws` of its configuration."""
    limit = {"cut": cut}
    http = type("PatientHttp", (_Patience, HttpToolsProtocol), limit)
    socket = type("PatientSocket", (_Patience, WebSocketsSansIOProtocol), limit)
    return http, socket
