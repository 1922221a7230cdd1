"""The report of a run, in Markdown: what was done to the service, and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from fault_plan import IN_FILE, KINDS

ENGINES: Final = {
    "embedded": "embedded log, SQLite",
    "servers": "Kafka, PostGIS",
    "workers": "Kafka, PostGIS, three workers",
}
_MIDST: Final = ("killed_written", "killed_committed")
LEAST_OF_A_KIND, LEAST_MIDST, LEAST_FAULTS, LEAST_EVENTS = 10, 20, 100, 1_000_000
"""What a whole run must have seen; what was planned and did not happen does not count."""
_VERDICTS: Final = ("applied", "duplicate", "late", "rejected")

Outcome = dict[str, Any]


def report(outcomes: Sequence[Outcome], seed: int) -> str:
    """Write the report of all engines."""
    events = sum(one["events"] for one in outcomes)
    kinds = _kinds(outcomes)
    done = kinds.total() - sum(kinds[kind] for kind in IN_FILE)
    midst = sum(kinds[kind] for kind in _MIDST)
    wrong = sum(len(one["books"]["wrong"]) for one in outcomes)
    verdict = "nothing lost, nothing twice" if not wrong else f"{wrong} findings, listed below"
    lines = [
        f"{events:,} events; {done} faults while they were sent, {midst} of them kills between "
        f"write and commit or between commit and publish; {kinds.total() - done} stretches of the "
        f"file itself repeated, shuffled or late; seed {seed}. **{verdict.capitalize()}.**",
        "",
        *_accounts(outcomes),
        *_faults(outcomes),
        *_states(outcomes),
        *_findings(outcomes),
    ]
    return "\n".join(lines) + "\n"


def shortfalls(outcomes: Sequence[Outcome]) -> list[str]:
    """Say of what a whole run has seen too little; nothing when it saw enough."""
    kinds = _kinds(outcomes)
    done = kinds.total() - sum(kinds[kind] for kind in IN_FILE)
    seen = [(kinds[kind], LEAST_OF_A_KIND, words) for kind, words in KINDS.items()]
    midst = sum(kinds[kind] for kind in _MIDST)
    seen.append((midst, LEAST_MIDST, "kills between write and commit or commit and publish"))
    seen.append((done, LEAST_FAULTS, "faults while events were sent"))
    seen.append((sum(one["events"] for one in outcomes), LEAST_EVENTS, "events"))
    return [f"{words}: {count} of {least}" for count, least, words in seen if count < least]


def _accounts(outcomes: Sequence[Outcome]) -> list[str]:
    heads = ("acknowledged", "sent again", "received", *_VERDICTS, "rest")
    lines = ["## Accounting against the senders' own record", ""]
    lines += ["| engine | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for one in outcomes:
        books = one["books"]
        sums = {
            name: sum(tally[name] for tally in books["tallies"].values())
            for name in ("received", *_VERDICTS)
        }
        rest = sums["received"] - sum(sums[name] for name in _VERDICTS)
        row = [books["acknowledged"], books["repeated"], *sums.values(), rest]
        lines.append(f"| {_engine(one)} | " + " | ".join(f"{number:,}" for number in row) + " |")
    lines += [
        "",
        "*acknowledged* is the senders' count of events that the API answered with 202 or the "
        "broker acknowledged; *sent again* are copies of attempts that were never acknowledged "
        "and stand on the log all the same. acknowledged + sent again = received, source by source "
        "and topic by topic, and each source's rest is 0. Dead letters = rejected: "
        + ", ".join(f"{one['books']['dead_letters']:,}" for one in outcomes)
        + ". Failed attempts: "
        + ", ".join(f"{one['failed_attempts']:,}" for one in outcomes)
        + ".",
        "",
    ]
    return lines


def _faults(outcomes: Sequence[Outcome]) -> list[str]:
    lines = ["## Faults", ""]
    lines += ["| kind | " + " | ".join(map(_engine, outcomes)) + " | in all | longest, s |"]
    lines += ["|---|" + "---|" * (len(outcomes) + 2)]
    for kind, words in KINDS.items():
        counts = [_of(one)[kind] for one in outcomes]
        seconds = [
            fault["seconds"]
            for one in outcomes
            for fault in one["faults"]
            if fault["kind"] == kind and "seconds" in fault
        ]
        longest = f"{max(seconds):.1f}" if seconds else "–"
        cells = " | ".join(str(count) for count in counts)
        lines.append(f"| {words} | {cells} | {sum(counts)} | {longest} |")
    lines += [
        "",
        "*longest* is from the beginning of a fault until the service was ready again, or until "
        "the next fault in the one case of five where it was not waited for.",
        "",
        *_others(outcomes),
        *_disks(outcomes),
    ]
    return lines


def _others(outcomes: Sequence[Outcome]) -> list[str]:
    others = sum("planned" in fault for one in outcomes for fault in one["faults"])
    if not others:
        return []
    return [
        f"{others} of the kills at a random moment were planned for a chosen moment to which no "
        "process came any more at the end of the sending. They count as what they were.",
        "",
    ]


def _disks(outcomes: Sequence[Outcome]) -> list[str]:
    seen = Counter(
        fault["how"] for one in outcomes for fault in one["faults"] if fault["kind"] == "disk"
    )
    if not seen:
        return []
    lines = [
        "A disk is a tmpfs of its own for the SQLite file, the broker, or the database; full means "
        "that its size is set to what is used. What happened:",
        "",
    ]
    return [*lines, *(f"- {how}: {count} ×" for how, count in sorted(seen.items())), ""]


def _states(outcomes: Sequence[Outcome]) -> list[str]:
    lines = [
        "## State and aggregates",
        "",
        "| engine | oracle | service at its end | recovered | windows compared | starts | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in outcomes:
        books, hashes = one["books"], list(one["hashes"].values())
        cells = [f"`{text[:12]}…`" for text in (books["oracle_hash"], *hashes)]
        lines.append(
            f"| {_engine(one)} | {' | '.join(cells)} | {books['windows']:,} | {one['starts']} | "
            f"{one['seconds']:.0f} |"
        )
    lines += [
        "",
        "The oracle replays the file in one thread, without log, database or restart. The windows "
        "(five minutes of one sensor: readings, sums of counts, speeds and occupancies, late ones "
        "apart) are counted again from the file by `tools/faults/recount.py`, which imports "
        "nothing of `twin`.",
        "",
        "## What depends on order",
        "",
        "A reading is *late* by what came before it on its partition, and of two readings with one "
        "key and different values the first counts. So the senders keep order where order means "
        "something: a lane sends to one partition, one delivery after the other, each again until "
        "it is acknowledged. Lanes share no sensor. What a crash adds to the log are copies of a "
        "delivery that was not acknowledged, and a copy is a duplicate or is refused once more: it "
        "moves no watermark. The file alone therefore fixes which readings are applied and which "
        "are late, and this is not taken on trust: the log is read from its beginning, each "
        "partition must hold the records in the order in which the senders had them when copies "
        "are passed over, nothing more than what was attempted, and the recount of the log must "
        "come to the same readings, applied and late, as the recount of the file.",
        "",
    ]
    return lines


def _findings(outcomes: Sequence[Outcome]) -> list[str]:
    wrong = [
        f"- {_engine(one)}: {words}" for one in outcomes for words in one["books"]["wrong"][:10]
    ]
    return ["## Findings", "", *wrong, ""] if wrong else []


def _of(outcome: Outcome) -> Counter[str]:
    counts = Counter(fault["kind"] for fault in outcome["faults"])
    counts.update({kind: outcome["bursts"][kind] for kind in IN_FILE})
    return counts


def _kinds(outcomes: Sequence[Outcome]) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in outcomes:
        found += _of(one)
    return found


def _engine(outcome: Outcome) -> str:
    return ENGINES[outcome["setup"]["engine"]]
