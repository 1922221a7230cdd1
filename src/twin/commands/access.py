"""`twin access`: decide passages from files, without a service; and the form of those files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from twin.commands.console import ERR, plain_errors, print_json
from twin.control.access.casebook.facts import Event, World
from twin.control.access.casebook.history import decide_history
from twin.control.access.casebook.rows import Row
from twin.control.access.casebook.rulebook import load_rulebook
from twin.control.access.casebook.ruleset import RuleSet
from twin.errors import Fault, InputError

access = typer.Typer(
    no_args_is_help=True,
    help="Access to restricted zones, from files: decide a history of passages (`decide`), "
    "check rule sets (`check`), print the form of the files (`schema`).",
)

SCHEMAS: dict[str, Any] = {"rules": RuleSet, "world": World, "event": Event, "row": Row}
"""What `twin access schema` can print, by name."""


@access.command("decide")
def decide(
    *,
    rules: Annotated[Path, typer.Option(help="folder of rule sets, one JSON file a version")],
    world: Annotated[Path, typer.Option(help="JSON: what stands before the first event")],
    events: Annotated[Path, typer.Option(help="JSON lines: reads, register, officers, questions")],
    out: Annotated[Path, typer.Option(help="JSON lines to write; `-` is standard output")],
    language: Annotated[str, typer.Option(help="of the texts: en, es, eu, zh")] = "en",
) -> None:
    """Decide a history of passages and write every version of everything that was decided."""
    with plain_errors():
        book = load_rulebook(rules)
        start = _world(world)
        rows = decide_history(book, start, read_events(events), language=language)
        encoded = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        if str(out) == "-":
            typer.get_binary_stream("stdout").write(encoded)
            return
        out.write_bytes(encoded)
        ERR.print(f"{out}: {len(rows)} rows", highlight=False)


@access.command("check")
def check(folder: Annotated[Path, typer.Argument(help="folder of rule sets")]) -> None:
    """Check rule sets: form, unknown names, overlaps, gaps, missing texts."""
    with plain_errors():
        book = load_rulebook(folder)
        names = ", ".join(one.version for one in book.versions)
        ERR.print(f"{folder}: right: {names}", highlight=False)


@access.command("schema")
def schema(name: Annotated[str, typer.Argument(help="rules, world, event or row")]) -> None:
    """Print the JSON Schema of one of the files."""
    with plain_errors():
        if name not in SCHEMAS:
            raise InputError(Fault("NAME", name, f"must be one of {', '.join(SCHEMAS)}"))
        print_json(msgspec.json.schema(SCHEMAS[name]))


def read_events(path: Path) -> list[Event]:
    """Read JSON lines of events. Raises InputError naming each line that is wrong."""
    decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
    found: list[Event] = []
    faults: list[Fault] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found.append(decoder.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            faults.append(Fault(f"{path.name} line {number}", "event", str(error)))
    if faults:
        raise InputError(*faults)
    return found


def _world(path: Path) -> World:
    try:
        return msgspec.json.decode(path.read_bytes(), type=World)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(Fault(path.name, "world", str(error))) from error
