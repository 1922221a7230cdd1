"""From a read string to the plates that it may be: the only step of control that sees a plate.

A plate's key is its country and its canonical text (upper case, A-Z and 0-9 only), because two
countries share a syntax. A string that no syntax of its country accepts is repaired where a
letter stands in a digit's place or a digit in a letter's; it is never refused for its syntax.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from twin.keys import Key
from twin.seal import Plate, token

_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS: Final = frozenset("0123456789")
_SPANISH: Final = frozenset("BCDFGHJKLMNPRSTVWXYZ")  # no vowels, no Q
_KINDS: Final = {"A": _LETTERS, "9": _DIGITS, "C": _SPANISH}

_PROVINCIAL: Final = tuple(
    "A" * before + "9999" + "A" * after for before in (1, 2) for after in (0, 1, 2)
)
_GERMAN: Final = tuple(
    "A" * letters + "9" * digits
    for letters in (2, 3, 4, 5)  # one to three of the district, one or two of the series
    for digits in (1, 2, 3, 4)
    if letters + digits <= 8
)
SYNTAXES: Final = {
    "DE": _GERMAN,
    "ES": ("9999CCC", *_PROVINCIAL),
    "FR": ("AA999AA",),
    "GB": ("AA99AAA",),
    "IT": ("AA999AA",),
    "PT": ("AA9999", "9999AA", "99AA99", "AA99AA"),
}
_NAMES: Final = {
    "D": "DE", "DEU": "DE", "E": "ES", "ESP": "ES", "F": "FR", "FRA": "FR", "GBR": "GB",
    "UK": "GB", "I": "IT", "ITA": "IT", "P": "PT", "PRT": "PT",
}  # fmt: skip
_PAIRS: Final = ("O0", "Q0", "D0", "I1", "Z2", "S5", "G6", "B8")


class ReadQuality(StrEnum):
    """How a read string became plates."""

    EXACT = "exact"
    REPAIRED = "repaired"
    UNUSUAL = "unusual"  # no known syntax accepts it; taken as it stands
    UNREAD = "unread"


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """The plates that a read may be: one where the country is known, none if nothing was read."""

    plates: tuple[Plate, ...]
    quality: ReadQuality
    country_known: bool

    def __repr__(self) -> str:
        return f"Identity({len(self.plates)} plates, {self.quality})"


def canonical(raw: str, country: str | None) -> Identity:
    """Read a string as plates of `country`, or of every country that it fits when none is given.

    Never raises: what fits no syntax is kept as it stands, marked UNUSUAL.
    """
    text = _plain(raw)
    code = country_code(country)
    if not text:
        return Identity((), ReadQuality.UNREAD, bool(code))
    if code:
        return _in_country(text, code)
    fitting = tuple(Plate(name, text) for name in SYNTAXES if _fits(text, name))
    if fitting:
        return Identity(fitting, ReadQuality.EXACT, country_known=False)
    repaired = [Plate(name, fixed) for name in SYNTAXES if (fixed := _repair(text, name))]
    if repaired:
        return Identity(tuple(repaired), ReadQuality.REPAIRED, country_known=False)
    return Identity((Plate("", text),), ReadQuality.UNUSUAL, country_known=False)


def country_code(country: str | None) -> str:
    """Return the two letters of a country as gates write it (`E`, `ESP`, `uk`), "" if not given."""
    name = (country or "").strip().upper()
    return _NAMES.get(name, name)


def tokens(identity: Identity, *, key: Key) -> tuple[str, tuple[str, ...]]:
    """Turn an identity into (token, candidates) for a `PassageFact`, under the access key.

    A known country gives one token and no candidates; an unknown one gives its candidates and the
    first of them as the token; nothing read gives ("", ()).
    """
    made = tuple(token(plate, key=key) for plate in identity.plates)
    if not made:
        return "", ()
    return made[0], () if identity.country_known else made


def _in_country(text: str, code: str) -> Identity:
    if _fits(text, code):
        return Identity((Plate(code, text),), ReadQuality.EXACT, country_known=True)
    repaired = _repair(text, code)
    if repaired is not None:
        return Identity((Plate(code, repaired),), ReadQuality.REPAIRED, country_known=True)
    quality = ReadQuality.UNUSUAL if code in SYNTAXES else ReadQuality.EXACT
    return Identity((Plate(code, text),), quality, country_known=True)


def _plain(raw: str) -> str:
    spread = unicodedata.normalize("NFKD", raw).upper()
    return "".join(sign for sign in spread if sign in _LETTERS or sign in _DIGITS)


def _fits(text: str, code: str) -> bool:
    return any(
        len(pattern) == len(text)
        and all(sign in _KINDS[kind] for sign, kind in zip(text, pattern, strict=True))
        for pattern in SYNTAXES.get(code, ())
    )


@cache
def _other_kind() -> dict[str, str]:
    """Map each sign to the signs of the other kind that it is mistaken for."""
    table: dict[str, str] = {}
    for letter, digit in _PAIRS:
        table[letter] = table.get(letter, "") + digit
        table[digit] = table.get(digit, "") + letter
    return table


def _repair(text: str, code: str) -> str | None:
    """Return the valid text with the fewest substitutions, None if there is none or several."""
    found: dict[str, int] = {}
    for pattern in SYNTAXES.get(code, ()):
        for fixed, changes in _readings(text, pattern):
            found[fixed] = min(changes, found.get(fixed, changes))
    if not found:
        return None
    fewest = min(found.values())
    best = [fixed for fixed, changes in found.items() if changes == fewest]
    return best[0] if len(best) == 1 else None


def _readings(text: str, pattern: str) -> Iterator[tuple[str, int]]:
    """Yield every way to make `text` fit the pattern, with the number of signs changed."""
    if len(text) != len(pattern):
        return
    choices = []
    for sign, kind in zip(text, pattern, strict=True):
        alphabet = _KINDS[kind]
        if sign in alphabet:
            choices.append(sign)
        else:
            right_kind = (sign in _DIGITS) == (kind == "9")
            others = "" if right_kind else _other_kind().get(sign, "")
            choices.append("".join(other for other in others if other in alphabet))
    for signs in itertools.product(*choices):
        fixed = "".join(signs)
        yield fixed, sum(a != b for a, b in zip(fixed, text, strict=True))
