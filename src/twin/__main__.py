"""`twin`: the command line. Each command is a file in `commands/`, imported when it is asked for.

The whole service costs seconds to import; `twin settings` must not wait for it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from twin import __version__

COMMANDS: Final = {
    "demo": "twin.commands.demo:demo",
    "serve": "twin.commands.serve:serve",
    "replay": "twin.commands.replay:replay",
    "simulate": "twin.commands.simulate:simulate",
    "scenario": "twin.commands.scenario:scenario",
    "world": "twin.commands.world:world",
    "forecast": "twin.commands.forecast:forecast",
    "evaluate": "twin.commands.evaluate:evaluate",
    "perceive": "twin.commands.perceive:perceive",
    "access": "twin.commands.access:access",
    "map": "twin.commands.maps:maps",
    "deadletters": "twin.commands.deadletters:deadletters",
    "doctor": "twin.commands.doctor:doctor",
    "database": "twin.commands.database:database",
    "history": "twin.commands.history:history",
    "keys": "twin.commands.keys:keys",
    "settings": "twin.commands.settings:settings",
    "warm": "twin.commands.warm:warm",
}
"""Name of each command and where it is, in the order of the help."""

_INTERRUPTED: Final = 130  # as shells say it: 128 + SIGINT


class _Lazy(TyperGroup):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command; None when there is none of this name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(module), name)
        if isinstance(found, typer.Typer):
            command: Any = get_group(found)
        else:
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(cmd_name)(found)
            command = get_command(alone)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_Lazy,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A streaming traffic digital twin: one live, running copy of a road network.\n\n"
    "Start with `twin demo`. A deployment: `twin keys new`, then the TWIN_* variables that "
    "`twin settings --explain` lists, then `twin serve`.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"twin {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line."""
    try:
        app()
    except KeyboardInterrupt:  # Ctrl-C while a command is still being imported
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
