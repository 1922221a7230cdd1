"""`twin serve` ends in good order: Ctrl-C and SIGTERM, with clients connected."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app_process import Sender, Twin, embedded, serving

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def twin(tmp_path: Path, migrated_file: Path) -> Iterator[Twin]:
    """Give a service on an SQLite file, ready."""
    with serving(tmp_path, embedded(tmp_path, migrated_file)) as twin:
        twin.make_key()
        twin.start().wait_ready()
        yield twin


def drain(socket: ClientConnection) -> None:
    """Take what was still on its way, until the connection is over."""
    while True:
        socket.recv()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_good_order_with_clients_connected(twin: Twin, how: signal.Signals) -> None:
    sender = Sender()
    with ExitStack() as clients:
        client = clients.enter_context(twin.client())
        socket = clients.enter_context(
            connect(
                twin.url.replace("http", "ws") + "/api/v1/stream",
                additional_headers={"Authorization": f"Bearer {twin.key}"},
            )
        )
        assert socket.recv(decode=False)[:4] == b"TWIN"
        events = clients.enter_context(client.stream("GET", "/api/v1/alerts/stream"))
        assert next(events.iter_bytes()).startswith(b"event: clock")
        answer = sender.post(client)
        assert answer is not None
        assert answer.status_code == 202
        assert twin.stop(how) == 0
        with pytest.raises(ConnectionClosed):
            drain(socket)
    assert not [line for line in twin.lines if " ERROR " in line or "Traceback" in line]
    twin.start().wait_ready()
    sender.check_books(twin)
