"""Speed limits as OpenStreetMap writes them: `50`, `30 mph`, `ES:urban`, `walk`, `none`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from twin.network.osm.roads import Tags
from twin.units import kph_from_mph

FASTEST_KPH: Final = 200.0
WALK_KPH: Final = 7.0
UNLIMITED_KPH: Final = 130.0  # what people drive where nothing forbids more: our assumption
_UNLIMITED_FROM_KPH: Final = 80.0  # "none" on a road that is usually slower says too little
_KNOT_KPH: Final = 1.852
_NUMBER: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(km/h|kmh|kph|mph|knots)?")
_ZONE: Final = re.compile(r"(?:[a-z]{2}:)?zone:?(\d+)")
_FROM_TYPE: Final = ("maxspeed:type", "source:maxspeed", "zone:maxspeed", "zone:traffic")

# Limits that a country's law gives to a kind of place, km/h; "" where the country is not listed.
_MPH: Final = kph_from_mph
_BY_LAW: Final[dict[str, dict[str, float]]] = {
    "urban": {"": 50.0, "gb": _MPH(30.0), "us": _MPH(25.0), "jp": 60.0},
    "rural": {
        "": 90.0,
        **dict.fromkeys(("de", "at", "ro"), 100.0),
        **dict.fromkeys(("fr", "nl", "dk", "ch", "no", "fi"), 80.0),
        **dict.fromkeys(("se", "be-vlg"), 70.0),
        "gb": _MPH(60.0),
        "jp": 60.0,
    },
    "trunk": {"": 100.0, "fr": 110.0, "it": 110.0, "es": 100.0, "ch": 100.0, "cz": 110.0},
    "motorway": {
        "": 120.0,
        **dict.fromkeys(("fr", "it", "at", "cz", "dk", "hr", "si", "sk", "hu", "ro"), 130.0),
        **dict.fromkeys(("bg", "pl"), 140.0),
        **dict.fromkeys(("se", "no"), 110.0),
        "de": UNLIMITED_KPH,
        "nl": 100.0,
        "jp": 100.0,
        "gb": _MPH(70.0),
    },
    "nsl_single": {"": _MPH(60.0)},
    "nsl_dual": {"": _MPH(70.0)},
    "nsl_restricted": {"": _MPH(30.0)},
    "living_street": {"": 20.0, **dict.fromkeys(("de", "at", "nl"), WALK_KPH)},
    "bicycle_road": {"": 30.0},
    "school": {"": 30.0},
}
_SURE: Final = frozenset(
    ["es", "pt", "fr", "de", "it", "at", "ch", "nl", "be", "gb", "se", "no", "dk", "fi", "cz", "pl"]
)


@dataclass(frozen=True, slots=True)
class Speed:
    """A free speed in km/h; `is_impossible` names a value of the source that nobody can drive."""

    kph: float
    is_guessed: bool
    is_impossible: bool = False


def free_speed(tags: Tags, direction: str, *, usual_kph: float) -> Speed:
    """Return the speed for `direction` (forward or backward): the limit, else the usual."""
    text = tags.get(f"maxspeed:{direction}", tags.get("maxspeed", ""))
    said = _limit(text)
    if text == "none" and usual_kph < _UNLIMITED_FROM_KPH:
        said = None
    if said is None:
        kinds = (_limit(tags[key]) for key in _FROM_TYPE if key in tags)
        said = next((kind for kind in kinds if kind is not None), None)
    if said is None:
        return Speed(usual_kph, is_guessed=True)
    if not 0.0 < said.kph <= FASTEST_KPH:
        return Speed(usual_kph, is_guessed=True, is_impossible=True)
    return said


@lru_cache(4096)
def _limit(text: str) -> Speed | None:
    """Return what one value says, None when it says no number; of several the lowest."""
    limits = [limit for word in text.split(";") if (limit := _one(word.strip().lower()))]
    return min(limits, key=lambda limit: limit.kph) if limits else None


def _one(word: str) -> Speed | None:
    if found := _NUMBER.fullmatch(word):
        value, unit = float(found[1]), found[2]
        if unit == "mph":
            value = kph_from_mph(value)
        return Speed(value * _KNOT_KPH if unit == "knots" else value, is_guessed=False)
    if re.fullmatch(r"-\d+(?:\.\d+)?.*", word):
        return Speed(0.0, is_guessed=False)
    if found := _ZONE.fullmatch(word):
        return Speed(float(found[1]), is_guessed=False)
    if word in {"walk", "walking_pace"} or word.endswith(":walk"):
        return Speed(WALK_KPH, is_guessed=False)
    if word == "none":
        return Speed(UNLIMITED_KPH, is_guessed=True)
    return _by_law(word)


def _by_law(word: str) -> Speed | None:
    country, _, place = word.rpartition(":")
    law = _BY_LAW.get(place)
    if law is None:
        return None
    whole = re.split("[-:]", country)[0]
    kph = law.get(country, law.get(whole, law[""]))
    is_sure = whole in _SURE or whole in law or len(law) == 1
    return Speed(kph, is_guessed=not is_sure or (kph == UNLIMITED_KPH and whole == "de"))
