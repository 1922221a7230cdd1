"""The demo's story in short, seen through the API alone; the whole one is tools/proofs/demo.py."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
MINUTES = 0.35  # at thirty times life: ten minutes from 07:30 on


def story_tools() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_story", TOOLS / "demo_story.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.mark.timeout(180)  # it takes what its clock takes, and the start of two programs
def test_the_corridor_tells_its_story_and_sums_up(tmp_path: Path) -> None:
    tools = story_tools()
    command = [sys.executable, "-m", "twin", "demo", "--corridor", "--port", "0", "--rate", "30"]
    with tools.running(
        [*command, "--minutes", str(MINUTES), "--data", str(tmp_path)],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "200"},
        cwd=TOOLS.parent,
    ) as (process, link):
        story = tools.watch(process, link, road="A1-N", began_s=time.monotonic())
        words = process.stdout.read()
        assert process.wait(60) == 0, words
    assert set(story.seen) >= {"lives", "waits", "stranger"}, story.seen
    assert story.warnings, "no forecast foretold a jam"
    assert "accounts balance: yes" in words
    assert "reading from demo integrator" in words
