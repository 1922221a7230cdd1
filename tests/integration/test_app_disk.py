"""The disk fills up while `twin serve` runs: it says so, refuses, and goes on with new room."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from app_process import Sender, disk, embedded, serving

pytestmark = pytest.mark.timeout(300)


def fill(path: Path) -> None:
    """Write until there is no room."""
    command = ["dd", "if=/dev/zero", f"of={path}", "bs=1k"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_a_disk_that_fills_up(tmp_path: Path, migrated_file: Path) -> None:
    sender = Sender()
    with disk("16m") as folder, serving(tmp_path, embedded(folder, migrated_file)) as twin:
        twin.make_key()
        twin.start().wait_ready()
        with twin.client() as client:
            answer = sender.post(client)
            assert answer is not None
            assert answer.status_code == 202

            fill(folder / "other")
            twin.wait_not_ready(str(folder / "twin.db"), "the disk is full")
            while answer.status_code == 202:  # the log's own file may have room left inside
                answer = sender.post(client)
                assert answer is not None
            assert answer.status_code == 503
            assert "the disk is full" in answer.json()["detail"]

            (folder / "other").unlink()
            twin.wait_ready()
            sender.send_again(client)
        sender.check_books(twin)
        assert twin.stop(signal.SIGTERM) == 0
        away = [line for line in twin.lines if " server_away " in line]
        assert len(away) <= 2, "one line a task, however often it tried"
        assert "Traceback" not in "\n".join(twin.lines)
