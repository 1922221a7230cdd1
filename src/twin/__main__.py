"""`twin`: the command line. Each command is a file in `commands/`."""

from __future__ import annotations

from typing import Annotated

import typer

from twin import __version__
from twin.commands.database import database
from twin.commands.deadletters import deadletters
from twin.commands.demo import demo
from twin.commands.keys import keys
from twin.commands.maps import maps
from twin.commands.replay import replay
from twin.commands.serve import serve
from twin.commands.settings import settings
from twin.commands.simulate import simulate
from twin.commands.warm import warm
from twin.commands.world import world

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A streaming traffic digital twin: one live, running copy of a road network.\n\n"
    "Start with `twin demo`. A deployment: `twin keys new`, then the TWIN_* variables that "
    "`twin settings --explain` lists, then `twin serve`.",
)
app.command()(demo)
app.command()(serve)
app.command()(replay)
app.command()(simulate)
app.command()(world)
app.add_typer(maps, name="map")
app.add_typer(deadletters, name="deadletters")
app.add_typer(database, name="database")
app.add_typer(keys, name="keys")
app.command()(settings)
app.command()(warm)


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
    app()


if __name__ == "__main__":
    main()
