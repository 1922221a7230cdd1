"""`twin deadletters`: refused records, read, mended and sent again."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
import typer

from twin.clock import WallClock, iso_from_us
from twin.commands.console import ERR, plain_errors, print_json
from twin.errors import Fault, InputError
from twin.events import Topic
from twin.ingest.decode import UNREADABLE
from twin.ingest.sealing import seal_items
from twin.ingest.topics import Topics, group_by_place, topic_again
from twin.keys import KeyRing
from twin.log import open_log
from twin.network.gmns import read_gmns
from twin.settings import Environment, Settings, read_settings
from twin.store import audit
from twin.store import deadletters as letters
from twin.store.database import Database
from twin.store.deadletters import LetterState, StoredLetter

Result = TypeVar("Result")
LetterId = Annotated[str, typer.Argument(help="Id of the dead letter.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]

deadletters = typer.Typer(
    no_args_is_help=True,
    help="Refused records: list them, mend them, send them again. Uses the TWIN_* settings.",
)


class _Sensor(msgspec.Struct):
    sensor: str = ""


_SENSORS: Final = msgspec.json.Decoder(_Sensor)


@deadletters.command("list")
def list_command(
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    state: Annotated[LetterState | None, typer.Option(help="Only this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    *,
    as_json: AsJson = False,
) -> None:
    """List refused records, newest first."""

    async def work(_: Settings, database: Database) -> list[StoredLetter]:
        return await letters.list_letters(database, reason=reason, state=state, limit=limit)

    found = _do(work)
    if as_json:
        print_json([_document(stored) for stored in found])
        return
    if not found:
        typer.echo("No dead letters.")
    for stored in found:  # two plain lines: a table would cut the ids on a narrow screen
        letter = stored.letter
        field, value, rule = letter.faults[0]
        words = (iso_from_us(letter.arrival_us), letter.place.topic, letter.source, letter.reason)
        typer.echo("  ".join((letter.id, *words, str(stored.state))))
        typer.echo(f"    {field} = {value}: {rule}")


@deadletters.command("show")
def show_command(letter_id: LetterId, *, as_json: AsJson = False) -> None:
    """Show one refused record with every rule that it broke."""

    async def work(_: Settings, database: Database) -> StoredLetter:
        return await _letter(database, letter_id)

    document = _document(_do(work))
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        if name != "errors":
            typer.echo(f"{name:12} {'-' if value is None else value}")
    for error in document["errors"]:
        line = f"{'broken':12} {error['field']} = {error['value']}: {error['rule']}"
        typer.echo(line)


@deadletters.command("mend")
def mend_command(
    letter_id: LetterId,
    payload: Annotated[Path, typer.Argument(help="File with the mended JSON record; - reads it.")],
) -> None:
    """Keep a mended record beside the refused one; `replay` then sends the mended one."""

    async def work(settings: Settings, database: Database) -> None:
        stored = await _letter(database, letter_id)
        value = _read(payload)
        if stored.letter.place.topic == Topic.ANPR_READ:
            keys = KeyRing.load(settings.keys)
            keys.refuse_other(settings.environment, of=Environment, path=settings.keys)
            (value,) = seal_items([value], keys)
        now_us = WallClock().now_us()
        if not await letters.mend(database, letter_id, value, by=_person(), now_us=now_us):
            raise InputError(_closed(stored))
        await _record(database, "deadletter.mend", letter_id)

    _do(work)
    ERR.print(f"{letter_id} mended", highlight=False)


@deadletters.command("replay")
def replay_command(
    letter_ids: Annotated[list[str], typer.Argument(help="Ids of the dead letters.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Append refused records to the log again, mended or as kept; they are judged anew."""

    async def work(settings: Settings, database: Database) -> list[str]:
        return [await _replay(settings, database, letter_id) for letter_id in letter_ids]

    places = _do(work)
    if as_json:
        print_json(dict(zip(letter_ids, places, strict=True)))
        return
    for letter_id, place in zip(letter_ids, places, strict=True):
        ERR.print(f"{letter_id} appended to {place}", highlight=False)


async def _replay(settings: Settings, database: Database, letter_id: str) -> str:
    stored = await _letter(database, letter_id)
    if stored.state not in {LetterState.OPEN, LetterState.MENDED}:
        raise InputError(_closed(stored))
    value = stored.to_replay
    if value is None:
        rule = "was not kept because a clear plate may stand in it; mend it first"
        raise InputError(Fault("payload", "(none)", rule, "conflict"))
    topic = topic_again(Topic(stored.letter.place.topic), value)
    network = read_gmns(settings.map)[0]
    now_us = WallClock().now_us()
    log = open_log(settings.log, database.path, settings.topic_prefix)
    try:
        await log.start()
        topics = Topics(network, await log.partitions(Topic.READING) or None)
        ((place, values),) = group_by_place(topics, topic, [(_sensor(value), value)]).items()
        headers = {"source": stored.letter.source}
        await log.append(place, values, arrival_us=now_us, headers=headers)
    finally:
        await log.close()
    await letters.mark_replayed(database, [letter_id], by=_person(), now_us=now_us)
    await _record(database, "deadletter.replay", letter_id)
    return str(place)


def _do(work: Callable[[Settings, Database], Awaitable[Result]]) -> Result:
    """Run one command against the database of the settings; errors become one line."""

    async def opened() -> Result:
        settings = read_settings(os.environ)
        async with _database(settings.database) as database:
            return await work(settings, database)

    with plain_errors():
        return asyncio.run(opened())


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    database = await Database.open(url)
    try:
        await database.check_version()
        yield database
    finally:
        await database.close()


async def _letter(database: Database, letter_id: str) -> StoredLetter:
    found = await letters.get_letter(database, letter_id)
    if found is None:
        rule = "is no dead letter; `twin deadletters list` shows them"
        raise InputError(Fault("id", letter_id, rule, "unknown"))
    return found


async def _record(database: Database, act: str, letter_id: str) -> None:
    await audit.record(
        database,
        time_us=WallClock().now_us(),
        person=_person(),
        act=act,
        target=letter_id,
        detail={"by": "command line"},
    )


def _closed(stored: StoredLetter) -> Fault:
    return Fault("state", str(stored.state), "only an open or mended one can be sent", "conflict")


def _person() -> str:
    return f"{getpass.getuser()} (command line)"


def _read(path: Path) -> bytes:
    """Read a record and make sure that it is one JSON object, without quoting it."""
    value = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        msgspec.json.decode(value, type=dict[str, Any])
    except UNREADABLE as error:
        raise InputError(Fault("payload", str(path), "must be one JSON object")) from error
    return value.strip()


def _sensor(value: bytes) -> str:
    try:
        return _SENSORS.decode(value).sensor
    except UNREADABLE:
        return ""


def _document(stored: StoredLetter) -> dict[str, Any]:
    letter = stored.letter
    fields: Sequence[tuple[str, str, str]] = letter.faults
    payload = stored.to_replay
    return {
        "id": letter.id,
        "topic": letter.place.topic,
        "partition": letter.place.partition,
        "offset": letter.offset,
        "arrived": iso_from_us(letter.arrival_us),
        "source": letter.source,
        "reason": letter.reason,
        "errors": [{"field": name, "value": value, "rule": rule} for name, value, rule in fields],
        "payload": None if payload is None else payload.decode("utf-8", "replace"),
        "state": str(stored.state),
        "changed": None if stored.changed_us is None else iso_from_us(stored.changed_us),
        "changed_by": stored.changed_by,
    }
