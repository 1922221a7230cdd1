"""From a read string to a key (country and canonical text), by the tables of the rule set."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from twin.control.access.casebook.ruleset import ReadingRules
from twin.control.access.identity import ReadQuality, country_code


@dataclass(frozen=True, slots=True, repr=False)
class PlateReading:
    """The keys that a read may be. Several only where nobody knows the country."""

    keys: tuple[str, ...]
    quality: ReadQuality
    country_known: bool

    def __repr__(self) -> str:
        return f"PlateReading({len(self.keys)} keys, {self.quality})"

    @property
    def key(self) -> str:
        """The key where there is one, else a text that stands for all of them."""
        return "/".join(self.keys)


class PlateTables:
    """The alphabets, syntaxes and confusions of one rule set, ready to be looked up."""

    def __init__(self, rules: ReadingRules) -> None:
        self._rules = rules
        self._alphabets = {kind: frozenset(signs) for kind, signs in rules.alphabets.items()}
        self._other_kind = _both_ways(rules.repair_pairs)
        self._same_kind = _both_ways(rules.confusable_pairs)

    def read(self, raw: str, country: str) -> PlateReading:
        """Return what a string is in its country, or in every country that accepts it."""
        text, code = canonical_text(raw), country_code(country)
        if not text:
            return PlateReading((), ReadQuality.UNREAD, bool(code))
        if code and code not in self._rules.countries:
            return PlateReading((f"{code} {text}",), ReadQuality.EXACT, country_known=True)
        asked = (code,) if code else tuple(sorted(self._rules.countries))
        fitting = tuple(f"{one} {text}" for one in asked if self._fits(text, one))
        if fitting:
            return PlateReading(fitting, ReadQuality.EXACT, bool(code))
        repaired = tuple(f"{one} {fixed}" for one in asked if (fixed := self._repair(text, one)))
        if repaired:
            return PlateReading(repaired, ReadQuality.REPAIRED, bool(code))
        return PlateReading((f"{code or '??'} {text}",), ReadQuality.UNUSUAL, bool(code))

    def neighbours(self, key: str) -> tuple[str, ...]:
        """Return the valid plates that differ from a key by one confusable sign of its kind."""
        code, _, text = key.partition(" ")
        found = {
            text[:at] + other + text[at + 1 :]
            for at, sign in enumerate(text)
            for other in self._same_kind.get(sign, ())
        }
        return tuple(f"{code} {one}" for one in sorted(found) if self._fits(one, code))

    def stranger_rate(self, key: str, neighbours: int, listed: int) -> float:
        """Return the expected share of strangers that one of the neighbours would let in."""
        country = self._rules.countries.get(key.partition(" ")[0])
        return 1.0 if country is None else neighbours * listed / country.issued

    def _fits(self, text: str, code: str) -> bool:
        row = self._rules.countries.get(code)
        return row is not None and any(
            len(pattern) == len(text)
            and all(sign in self._alphabets[kind] for sign, kind in zip(text, pattern, strict=True))
            for pattern in row.patterns
        )

    def _repair(self, text: str, code: str) -> str | None:
        """Return the valid text with the fewest substitutions, None if none or several have it."""
        found: dict[str, int] = {}
        for pattern in self._rules.countries[code].patterns:
            if len(pattern) == len(text):
                for fixed, changes in self._made_to_fit(text, pattern):
                    found[fixed] = min(changes, found.get(fixed, changes))
        fewest = min(found.values(), default=0)
        best = [fixed for fixed, changes in found.items() if changes == fewest]
        return best[0] if len(best) == 1 else None

    def _made_to_fit(self, text: str, pattern: str) -> Iterator[tuple[str, int]]:
        choices = [
            [sign]
            if sign in self._alphabets[kind]
            else sorted(self._other_kind.get(sign, set()) & self._alphabets[kind])
            for sign, kind in zip(text, pattern, strict=True)
        ]
        for signs in itertools.product(*choices):
            yield "".join(signs), sum(a != b for a, b in zip(signs, text, strict=True))


def canonical_text(raw: str) -> str:
    """Keep the letters A-Z and the digits of a string, in upper case."""
    spread = unicodedata.normalize("NFKD", raw).upper()
    return "".join(sign for sign in spread if sign.isascii() and sign.isalnum())


def _both_ways(pairs: Iterable[str]) -> dict[str, set[str]]:
    table: dict[str, set[str]] = {}
    for pair in pairs:
        one, other = pair[0], pair[1]
        table.setdefault(one, set()).add(other)
        table.setdefault(other, set()).add(one)
    return table
