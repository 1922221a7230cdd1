"""`twin serve` ends in good order on Ctrl-C and SIGTERM, whoever is connected; and what it logs."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app_process import Sender, Twin, embedded, serving

pytestmark = pytest.mark.timeout(300)

PLATES = ("4821KLM", "7730BCD")
_EVENT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (INFO|WARNING) [a-z_]+( |$)")


def drain(socket: ClientConnection) -> None:
    """Take what was still on its way, until the connection is over."""
    while True:
        socket.recv()


@contextmanager
def watched(twin: Twin, client: httpx.Client) -> Iterator[ClientConnection]:
    """Keep a live stream and a stream of alerts open."""
    url = twin.url.replace("http", "ws") + "/api/v1/stream"
    headers = {"Authorization": f"Bearer {twin.key}"}
    with ExitStack() as clients:
        frames = clients.enter_context(connect(url, additional_headers=headers))
        assert frames.recv(decode=False)[:4] == b"TWIN"
        alerts = clients.enter_context(client.stream("GET", "/api/v1/alerts/stream"))
        assert next(alerts.iter_bytes()).startswith(b"event: clock")
        yield frames


def leave_in_the_middle(twin: Twin) -> None:
    """Say that 1000 bytes follow, send ten and hang up."""
    place = urlsplit(twin.url)
    head = (
        f"POST /api/v1/readings HTTP/1.1\r\nHost: {place.netloc}\r\n"
        f"Authorization: Bearer {twin.key}\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000\r\n\r\n"
    )
    with socket.create_connection((place.hostname or "", place.port or 0)) as wire:
        wire.sendall(head.encode() + b'[{"id": "x')
    twin.until(lambda: any("client_left" in line for line in twin.lines), "nobody noticed")


def send_plates(client: httpx.Client, now: str) -> None:
    """Send passages with plates in clear: a good one, one with a wrong gate, one that is none."""
    good = {"id": "p1", "gate": "G1", "time": now, "plate": PLATES[0], "confidence": 0.95}
    good |= {"country": "ES", "direction": "in", "track": "t1"}
    wrong = {**good, "id": "p2", "gate": "NONE", "plate": PLATES[1]}
    answer = client.post("/api/v1/passages", json=[good, wrong, {"plate": PLATES[1]}])
    assert answer.status_code == 202, answer.text
    assert not any(plate in answer.text for plate in PLATES)
    answer = client.post("/api/v1/passages", content=b"{" + PLATES[0].encode())
    assert answer.status_code in (400, 415)


def test_it_ends_in_good_order_with_clients_connected(tmp_path: Path, migrated_file: Path) -> None:
    """Ctrl-C, and at the second start SIGTERM; nothing that was acknowledged is missing."""
    sender = Sender()
    with serving(tmp_path, embedded(tmp_path, migrated_file)) as twin:
        twin.make_key()
        for how in (signal.SIGINT, signal.SIGTERM):
            twin.start().wait_ready()
            sender.check_books(twin)  # what came before the first end
            with twin.client() as client, watched(twin, client) as frames:
                leave_in_the_middle(twin)
                send_plates(client, sender.now())
                answer = sender.post(client)
                assert answer is not None
                assert answer.status_code == 202
                assert twin.stop(how) == 0
                with pytest.raises(ConnectionClosed):
                    drain(frames)
            check_log(twin)


def check_log(twin: Twin) -> None:
    """Every line is a constant event name with keys, none an error, none holds a plate."""
    said = [line for line in twin.lines if not line.startswith("twin serves ")]
    assert said
    assert [line for line in said if not _EVENT.match(line)] == []
    assert [line for line in said if any(plate in line for plate in PLATES)] == []
