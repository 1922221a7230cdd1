"""What one evaluator says beside the other: every decision, stay, proof and quota."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from twin.control.access.casebook.columns import Compiled
from twin.control.access.casebook.evaluate import Outcome
from twin.control.access.casebook.fact_columns import Columns
from twin.control.access.casebook.replay import Replayed
from twin.control.access.kernels import columns as c

_Said = Mapping[tuple[str, ...], tuple[object, ...]]


def differences(
    outcome: Outcome, compiled: Compiled, given: Columns, found: Replayed, *, most: int = 10
) -> list[str]:
    """Return what the two say differently, in words, at most `most` of each kind."""
    pairs = (
        (_decisions(outcome), _replayed_decisions(compiled, given, found)),
        (_stays(outcome), _replayed_stays(compiled, given, found)),
        (_proofs(outcome), _replayed_proofs(compiled, given, found)),
        (_used(outcome), _replayed_used(compiled, given, found)),
    )
    return [text for one, other in pairs for text in _between(one, other, most)]


def _between(one: _Said, other: _Said, most: int) -> Iterator[str]:
    wrong = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    for name in wrong[:most]:
        yield f"{' '.join(name)}: {one.get(name)} against {other.get(name)}"


def _decisions(outcome: Outcome) -> _Said:
    return {
        ("decision", name): (
            str(one.verdict.state),
            str(one.verdict.reason),
            one.verdict.key,
            one.verdict.fuzzy,
            len(outcome.uses.get(name, ())),
            one.verdict.chosen[0].version.row.id
            if one.verdict.chosen and one.verdict.admitted and one.passage.inbound
            else "",
        )
        for name, one in outcome.decided.items()
    }


def _replayed_decisions(compiled: Compiled, given: Columns, found: Replayed) -> _Said:
    keys, reasons = list(given.vehicles.numbers), compiled.words.reasons
    rows = found.decisions.zone[:, 0, c.Z_ROW].tolist()
    said: dict[tuple[str, ...], tuple[object, ...]] = {}
    for name, code, row in zip(given.ids, found.decisions.code.tolist(), rows, strict=True):
        vehicle = code[c.S_VEHICLE]
        said["decision", name] = (
            c.STATES[code[c.S_STATE]],
            reasons[code[c.S_REASON]],
            keys[vehicle] if vehicle >= 0 else "",
            code[c.S_FUZZY] == 1,
            code[c.S_USED],
            _right(given, row) if row >= 0 else "",
        )
    return said


def _right(given: Columns, row: int) -> str:
    return given.names[int(given.rights.of_right[0].searchsorted(row, side="right")) - 1]


def _stays(outcome: Outcome) -> _Said:
    return {
        ("stay", one.id): (
            str(one.state),
            one.key,
            "" if one.exit is None else one.exit.passage.id,
            "" if one.trial is None else one.trial.version.row.id,
        )
        for one in outcome.stays
    }


def _replayed_stays(compiled: Compiled, given: Columns, found: Replayed) -> _Said:
    keys = list(given.vehicles.numbers)
    said: dict[tuple[str, ...], tuple[object, ...]] = {}
    for zone, vehicle, state, entry, leaving, row in found.stays.code.tolist():
        first = entry if entry >= 0 else leaving
        name = ("stay", f"{given.ids[first]}@{compiled.words.zones[zone]}")
        leg = given.ids[leaving] if leaving >= 0 else ""
        right = _right(given, row) if row >= 0 else ""
        said[name] = (c.STAY_STATES[state], keys[vehicle], leg, right)
    return said


def _proofs(outcome: Outcome) -> _Said:
    return {
        ("proof", *one.id): (
            one.key,
            one.time_us,
            -1 if one.measured_s is None else round(one.measured_s * 1e6),
        )
        for one in outcome.violations
    }


def _replayed_proofs(compiled: Compiled, given: Columns, found: Replayed) -> _Said:
    keys, reasons, proved = list(given.vehicles.numbers), compiled.words.reasons, found.proved
    return {
        ("proof", reasons[kind], compiled.words.zones[zone], given.ids[entry]): (
            keys[vehicle],
            time_us,
            measured_us,
        )
        for kind, zone, vehicle, entry, time_us, measured_us in zip(
            *(column.tolist() for column in proved), strict=True
        )
    }


def _used(outcome: Outcome) -> _Said:
    return {("used", *name): (count,) for name, count in outcome.ledger.used.items() if count}


def _replayed_used(compiled: Compiled, given: Columns, found: Replayed) -> _Said:
    said: dict[tuple[str, ...], tuple[object, ...]] = {}
    for table, periods in ((found.used.month, compiled.months), (found.used.year, compiled.years)):
        for right, period in zip(*table.nonzero(), strict=True):
            said["used", given.names[right], periods[period]] = (int(table[right, period]),)
    return said
