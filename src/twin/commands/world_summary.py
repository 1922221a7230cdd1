"""The summary of `twin world`."""

from __future__ import annotations

from rich.table import Table

from twin.commands.console import OUT
from twin.world.books import Books, Line
from twin.world.sumo.outcome import Accounts, Outcome


def print_outcome(outcome: Outcome, *, name: str, rate: float, faults_on: bool) -> None:
    """Print delay, lease, violations, faults and accounts of one run."""
    OUT.print(_delays(name, outcome))
    ledger = outcome.ledger
    OUT.print(
        f"{ledger.simulated_s} s simulated, rate {rate:g}, lowest {outcome.lowest_rate:.2f}; "
        f"largest lag behind the clock {ledger.behind_s:.1f} s; "
        f"gridlock: {'YES' if ledger.gridlock else 'no'}"
    )
    OUT.print(
        f"under the service's lease: {100 * ledger.lease_share:.2f} % of junction-seconds; "
        f"longest without: {ledger.longest_alone_s} s; "
        f"without at the end: {len(ledger.alone_since)} junctions"
    )
    for junction, (cycles, hit) in outcome.cycles.items():
        changes = len(ledger.changes.get(junction, []))
        OUT.print(f"  {junction}: {changes} changes accepted, in {hit} of {cycles} cycles")
    OUT.print(f"violations: {sum(outcome.violations.values())} {dict(outcome.violations)}")
    for text in outcome.first_violations:
        OUT.print(f"  {text}", style="red")
    if faults_on:
        OUT.print(f"faults: {dict(sorted(outcome.faults.items()))}")
    _print_accounts(outcome.accounts)
    if outcome.books is not None:
        _print_books(outcome.books)


def _delays(name: str, outcome: Outcome) -> Table:
    table = Table("SUMO " + name, "with the service", "own program", box=None)
    rows = (
        ("vehicles that wanted to travel", "vehicles", "d"),
        ("delay, all together (h)", "total_h", ".2f"),
        ("delay a vehicle (s)", "mean_s", ".1f"),
        ("on the way at the end", "unfinished", "d"),
        ("never departed", "undeparted", "d"),
    )
    for text, field, form in rows:
        alone = f"{getattr(outcome.baseline, field):{form}}" if outcome.baseline else "-"
        table.add_row(text, f"{getattr(outcome.delay, field):{form}}", alone)
    return table


def _print_accounts(accounts: Accounts | None) -> None:
    if accounts is None:
        OUT.print("accounts: the service did not tell them")
        return
    parts = ", ".join(f"{name} {count}" for name, count in accounts.parts.items())
    again = f" ({accounts.again} another time)" if accounts.again else ""
    OUT.print(f"readings sent {accounts.sent}{again}; the service counts: {parts}")
    OUT.print(f"accounts agree: {'yes' if accounts.agree else 'NO'}")


def _print_books(books: Books) -> None:
    """Show the world's own record beside the service's, item for item."""
    table = Table(
        "source", "topic", "sent", "received", "applied", "duplicate", "late", "rejected", box=None
    )
    for line in books.lines:
        cells = [_cell(line, name) for name in ("applied", "duplicate", "late", "rejected")]
        sent = f"{line.expected['received']}" + (f" +{line.in_doubt}?" if line.in_doubt else "")
        table.add_row(line.source, line.topic, sent, str(line.said["received"]), *cells)
    OUT.print(table)
    for one in books.devices:
        told = ", ".join(f"{name} {count}" for name, count in sorted(one.faults.items()))
        OUT.print(f"{one.kind}s: {told}; posted {one.posted}")
    OUT.print(f"difference between the world's record and the service's: {books.difference} items")


def _cell(line: Line, name: str) -> str:
    """Write what the service says; beside it what was expected where that differs."""
    said, expected = line.said[name], line.expected[name]
    return str(said) if said == expected else f"{said} (expected {expected})"
