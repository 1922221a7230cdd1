"""Every command is found by its name, explains itself, and is imported only when it is called."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from twin.__main__ import COMMANDS, app


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str) -> None:
    told = CliRunner().invoke(app, [name, "--help"])
    assert told.exit_code == 0, told.output
    assert f"twin {name}" in told.output or f"root {name}" in told.output


def test_an_unknown_command_is_an_error_with_exit_code_2() -> None:
    told = CliRunner().invoke(app, ["fly"])
    assert told.exit_code == 2
    assert "No such command 'fly'" in told.output


def test_a_small_command_does_not_import_the_service() -> None:
    code = "import sys, twin.__main__, twin.commands.settings; print('numba' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
