"""The form of a rule set: one JSON file, one version, nothing of a city in the code."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from twin.events import Moment, Name

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Language = Literal["en", "es", "eu", "zh"]
ClockText = Annotated[str, Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
Pair = Annotated[str, Meta(pattern=r"^[A-Z0-9]{2}$", description="two signs, both ways")]
Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]


class _Form(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class WindowRow(_Form, frozen=True, kw_only=True):
    """From a time of the local clock to before another, on some weekdays and kinds of day."""

    days: Annotated[list[Day], Meta(min_length=1)]
    start: ClockText = field(name="from")
    end: ClockText = field(name="to")
    day_types: list[Name] | None = None


class Quota(_Form, frozen=True, kw_only=True):
    """How many admitted entries one authorisation has in a local month and a local year."""

    month: Count | None = None
    year: Count | None = None


class BackDating(_Form, frozen=True, kw_only=True):
    """Until when a later version of an authorisation may still cover a passage."""

    until: Literal["never", "entry_midnight", "hours"] = "never"
    hours: Positive | None = None


class VehicleLimit(_Form, frozen=True, kw_only=True):
    """What a vehicle may weigh and measure at most, by the register's data."""

    mass_max_kg: Positive | None = None
    height_below_m: Positive | None = None


class ProfileRow(_Form, frozen=True, kw_only=True):
    """What one kind of authorisation allows."""

    windows: Literal["always"] | Annotated[list[WindowRow], Meta(min_length=1)]
    quota: Quota | None = None
    stay_limit_s: Positive | None = None
    day_total_s: Positive | None = None
    crossing: bool = False
    back_dating: BackDating = BackDating()
    vehicle: VehicleLimit | None = None

    @property
    def opens_session(self) -> bool:
        """Say whether an entry must be matched with its exit."""
        return self.stay_limit_s is not None or self.day_total_s is not None or self.crossing


class ZoneRow(_Form, frozen=True, kw_only=True):
    """A zone and the gates that guard it."""

    gates: Annotated[list[Name], Meta(min_length=1)]


class Country(_Form, frozen=True, kw_only=True):
    """Syntaxes of a country's plates as patterns of alphabets, and how many are issued."""

    patterns: Annotated[list[Annotated[str, Meta(min_length=2)]], Meta(min_length=1)]
    issued: Count


class ReadingRules(_Form, frozen=True, kw_only=True):
    """How a read string becomes a plate."""

    confidence_min: Share
    duplicate_s: Positive
    repair_pairs: list[Pair]
    confusable_pairs: list[Pair]
    stranger_rate_max: Share
    alphabets: dict[Annotated[str, Meta(min_length=1, max_length=1)], str]
    countries: dict[Annotated[str, Meta(pattern=r"^[A-Z]{2}$")], Country]


class TimeRules(_Form, frozen=True, kw_only=True):
    """Limits on clocks, and how long facts may still change something."""

    offset_max_s: Positive
    uncertainty_max_s: Positive
    watermark_s: Positive
    horizon_s: Positive
    session_s: Positive
    kept_s: Positive
    snapshot_max_s: Positive
    stay_tolerance: Annotated[float, Meta(ge=1)]
    crossing_s: Positive
    travel_share: Share


class CaseRules(_Form, frozen=True, kw_only=True):
    """How long a case counts as history, and until when it must be notified."""

    history_months: Count
    deadline_months: Count


class Statistics(_Form, frozen=True, kw_only=True):
    """What a published count must satisfy."""

    vehicles_min: Count
    round_to: Count


class Calendar(_Form, frozen=True, kw_only=True):
    """The city's own table of days; a day that is not listed has the default type."""

    version: Name
    first: date
    last: date
    default: Name
    days: dict[date, Name] = {}


class RuleSet(_Form, frozen=True, kw_only=True):
    """One published version of all rules of a city."""

    version: Name
    valid_from: Moment
    published: Moment
    timezone: Name
    zones: Annotated[dict[Name, ZoneRow], Meta(min_length=1)]
    profiles: Annotated[dict[Name, ProfileRow], Meta(min_length=1)]
    open_offline: list[Name]
    reading: ReadingRules
    times: TimeRules
    cases: CaseRules
    statistics: Statistics
    calendar: Calendar
    languages: Annotated[list[Language], Meta(min_length=1)]
    texts: dict[Language, dict[Name, Annotated[str, Meta(min_length=1)]]]
