"""`twin doctor`: looks at a deployment and says what is wrong and what to do."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from twin.commands import doctor_checks as checks
from twin.commands import doctor_servers as servers
from twin.commands.console import OUT, print_json
from twin.commands.doctor_checks import Finding, State
from twin.errors import BackendError, SettingsError, StoreError
from twin.settings import Settings, read_settings

_COLOURS = {State.GOOD: "green", State.WARNING: "yellow", State.BAD: "bold red"}


def doctor(
    *,
    backups: Annotated[
        Path | None,
        typer.Option(help="Folder of the backups: the newest must not be older than a day."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")] = False,
) -> None:
    """Check a deployment by its TWIN_* settings; exit code 1 when something must be mended."""
    findings = [*_examine(), *servers.backups(backups)]
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            _print(finding)
    if any(finding.state is State.BAD for finding in findings):
        raise typer.Exit(1)


def _examine() -> list[Finding]:
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        advice = "`twin settings --explain` lists every variable with its meaning"
        return [Finding("settings", State.BAD, str(fault), advice) for fault in error.faults]
    found = Finding("settings", State.GOOD, f"environment {settings.environment}")
    return [found, *asyncio.run(_look(settings))]


async def _look(settings: Settings) -> list[Finding]:
    findings, network = checks.files(settings)
    findings += [*checks.disk(settings), checks.kernels(os.environ)]
    about_database, database = await checks.database(settings)
    findings += about_database
    try:
        if network is not None:
            findings += await checks.log(settings, network, database)
            findings += await servers.broker(settings)
        if database is not None:
            findings += await servers.database_settings(settings, database)
            findings += await checks.contents(settings, database)
        findings += await servers.identity(settings)
    except (BackendError, StoreError) as error:
        advice = "the server went away meanwhile; look again"
        findings.append(Finding("database", State.BAD, str(error), advice))
    finally:
        if database is not None:
            await database.close()
    return findings


def _print(finding: Finding) -> None:
    OUT.print(
        f"[{_COLOURS[finding.state]}]{finding.state.value:8}[/] {finding.check:17} "
        + finding.found.replace("[", r"\["),
        highlight=False,
        soft_wrap=True,
    )
    if finding.advice:
        OUT.print(f"{'':26} → {finding.advice}", highlight=False, soft_wrap=True)
