"""The rules of the restricted zones: versioned data, read from JSON, frozen.

{"version": "RS-1-demo", "timezone": "Europe/Madrid", "confidence_min": 0.9,
 "zones": {"OLD": {"gates": ["G1", "G2"]}},
 "profiles": {"RESIDENT": {"windows": [{"days": ["mon"], "from": "08:00", "to": "11:00"}]},
              "TAXI": {"windows": "always"}}}
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from twin.control.access.windows import DAYS, Window
from twin.errors import Fault, InputError
from twin.units import SECOND_US

DEDUPLICATE_S: Final = 10.0
_FIELDS: Final = frozenset({"version", "timezone", "zones", "confidence_min", "profiles"})
_TIME: Final = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)$|^(24):(00)$")


@dataclass(frozen=True, slots=True)
class Profile:
    """When one kind of authorisation may enter: in one of its windows, or always."""

    name: str
    always: bool
    windows: tuple[Window, ...] = ()

    def text(self) -> str:
        """Write the windows in one line."""
        return "always" if self.always else "; ".join(window.text() for window in self.windows)


@dataclass(frozen=True, slots=True)
class AccessRules:
    """One version of the rules. `zones_by_gate` holds the zones that a gate guards, in order."""

    version: str
    timezone: ZoneInfo
    confidence_min: float
    profiles: Mapping[str, Profile]
    zones_by_gate: Mapping[str, tuple[str, ...]]
    deduplicate_s: float = DEDUPLICATE_S


def load_rules(path: Path) -> AccessRules:
    """Read a rules file. Raises InputError naming the file and every field that is wrong."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        rule = f"cannot be read ({error.strerror})"
        raise InputError(Fault("access_rules", str(path), rule, "missing")) from error
    except ValueError as error:
        raise InputError(Fault("access_rules", str(path), f"is not JSON: {error}")) from error
    try:
        return read_rules(document)
    except InputError as error:
        raise in_file(path, error) from error


def in_file(path: Path, error: InputError) -> InputError:
    """Put the name of the rules' file before every field that is wrong."""
    faults = error.faults
    return InputError(*(replace(fault, field=f"{path}: {fault.field}") for fault in faults))


def read_rules(document: Any) -> AccessRules:
    """Check a decoded document and freeze it. Raises InputError with every fault found."""
    reader = _Reader()
    fields = reader.table(document, "rules")
    for name in sorted(set(fields) - _FIELDS):
        reader.fault(name, name, f"is no field of the rules; known: {', '.join(sorted(_FIELDS))}")
    version = reader.word(fields.get("version"), "version")
    timezone = reader.zone(fields.get("timezone"))
    confidence = reader.share(fields.get("confidence_min", 0.9), "confidence_min")
    profiles = {
        name: reader.profile(name, body)
        for name, body in reader.table(fields.get("profiles"), "profiles").items()
    }
    zones_by_gate = reader.zones(fields.get("zones"))
    if reader.faults:
        raise InputError(*reader.faults)
    return AccessRules(version, timezone, confidence, profiles, zones_by_gate)


class _Reader:
    """Reads values of unknown type and collects what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def fault(self, field: str, value: object, rule: str) -> None:
        self.faults.append(Fault(field, json.dumps(value, default=str)[:100], rule))

    def table(self, value: object, field: str) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.fault(field, value, "must be an object with named entries")
        return {}

    def rows(self, value: object, field: str) -> list[Any]:
        if isinstance(value, list) and value:
            return value
        self.fault(field, value, "must be a list with at least one entry")
        return []

    def word(self, value: object, field: str) -> str:
        if isinstance(value, str) and 0 < len(value) <= 128:
            return value
        self.fault(field, value, "must be a text of 1 to 128 characters")
        return ""

    def share(self, value: object, field: str) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
            return float(value)
        self.fault(field, value, "must be a number from 0 to 1")
        return 1.0

    def zone(self, value: object) -> ZoneInfo:
        try:
            return ZoneInfo(str(value))
        except (KeyError, ValueError, OSError):
            self.fault("timezone", value, "must be an IANA time zone such as Europe/Madrid")
            return ZoneInfo("UTC")

    def profile(self, name: str, body: object) -> Profile:
        field = f"profiles.{name}"
        fields = self.table(body, field)
        for extra in sorted(set(fields) - {"windows"}):
            self.fault(f"{field}.{extra}", fields[extra], "is no field of a profile")
        windows = fields.get("windows")
        if windows == "always":
            return Profile(name, always=True)
        rows = self.rows(windows, f"{field}.windows")
        read = [self.window(row, f"{field}.windows[{at}]") for at, row in enumerate(rows)]
        return Profile(name, always=False, windows=tuple(read))

    def window(self, row: object, field: str) -> Window:
        fields = self.table(row, field)
        for extra in sorted(set(fields) - {"days", "from", "to"}):
            self.fault(f"{field}.{extra}", fields[extra], "is no field of a window")
        days = self.rows(fields.get("days"), f"{field}.days")
        for day in days:
            if day not in DAYS:
                self.fault(f"{field}.days", day, f"must be one of {', '.join(DAYS)}")
        known = frozenset(DAYS.index(day) for day in days if day in DAYS)
        start_us = self.clock(fields.get("from"), f"{field}.from")
        end_us = self.clock(fields.get("to"), f"{field}.to")
        if start_us == end_us:
            self.fault(field, row, "must not end when it starts; for all day write 00:00 to 24:00")
        return Window(known, start_us, end_us)

    def clock(self, value: object, field: str) -> int:
        match = _TIME.match(value) if isinstance(value, str) else None
        if match is None:
            self.fault(field, value, "must be a time from 00:00 to 24:00, as HH:MM")
            return 0
        hours, minutes = (int(part) for part in match.groups() if part is not None)
        return (hours * 60 + minutes) * 60 * SECOND_US

    def zones(self, value: object) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for zone, body in self.table(value, "zones").items():
            field = f"zones.{zone}"
            fields = self.table(body, field)
            for extra in sorted(set(fields) - {"gates"}):
                self.fault(f"{field}.{extra}", fields[extra], "is no field of a zone")
            for gate in self.rows(fields.get("gates"), f"{field}.gates"):
                name = self.word(gate, f"{field}.gates")
                if zone in found.get(name, ()):
                    self.fault(f"{field}.gates", gate, "stands twice in the zone")
                found[name] = (*found.get(name, ()), zone)
        return found
