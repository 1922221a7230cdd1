"""`twin settings`: what the service would start with, and what each variable means."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from rich.table import Table

from twin.commands.console import OUT, plain_errors, print_json
from twin.settings import PREFIX, Settings, read_settings


def settings(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Only list the variables, with their meaning.")
    ] = False,
) -> None:
    """Print the settings that TWIN_* variables give, or say which one is wrong."""
    if explain:
        _explain()
        return
    with plain_errors():
        shown = read_settings(os.environ).shown()
    if as_json:
        print_json(shown)
        return
    table = Table("variable", "", "value", box=None, pad_edge=False)
    table.columns[2].overflow = "fold"
    for name, value in shown.items():
        given = name in os.environ
        text = value or ("(the map's)" if name == "TWIN_TIMEZONE" else "")
        table.add_row(name, "set" if given else "default", text, style=None if given else "dim")
    OUT.print(table)
    OUT.print("[dim]The meaning of each: twin settings --explain[/]")


def _explain() -> None:
    table = Table("variable", "default", "meaning", box=None, pad_edge=False)
    for name, field in Settings.model_fields.items():
        default = "(must be set)" if field.is_required() else str(field.default)
        table.add_row(f"{PREFIX}{name.upper()}", default, field.description or "")
    OUT.print(table)
