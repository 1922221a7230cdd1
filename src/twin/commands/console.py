"""How commands speak to people: progress, tables, one clear line for an error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from twin.errors import TwinError

OUT = Console()
ERR = Console(stderr=True)  # progress and errors: a program reads standard output


def print_json(document: object) -> None:
    """Write one JSON document to standard output, for programs."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


def progress() -> Progress:
    """Make a progress bar for long work; it draws nothing where there is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=ERR,
        transient=False,
    )


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn an error that somebody outside can mend into one line and exit code 2."""
    try:
        yield
    except TwinError as error:
        ERR.print(f"[bold red]twin:[/] {_one_line(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except OSError as error:
        name = error.filename or ""
        text = _one_line(f"{error.strerror or error}: {name}" if name else str(error))
        ERR.print(f"[bold red]twin:[/] {text}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("[", r"\[")
