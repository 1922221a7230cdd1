"""Invented number plates: the right form, letters that no office has issued, and misreadings."""

from __future__ import annotations

import numpy as np

_LETTERS = "BCDFGHJKLMNPRSTVWXYZ"
_NOT_ISSUED = "VWXYZ"  # Spanish first letters that lie decades ahead
_CONFUSED = {
    "0": "O8",
    "1": "7I",
    "2": "Z",
    "3": "8",
    "5": "S6",
    "6": "58",
    "7": "1",
    "8": "3B",
    "B": "R8",
    "C": "G",
    "D": "0",
    "F": "P",
    "G": "C",
    "H": "NM",
    "K": "X",
    "M": "NH",
    "N": "MH",
    "P": "R",
    "R": "BP",
    "S": "5",
    "V": "Y",
    "X": "K",
    "Y": "V",
    "Z": "2",
}


class Plates:
    """A source of plates, each given once."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw from `rng`."""
        self._rng = rng
        self._given: set[str] = set()

    def spanish(self) -> tuple[str, str]:
        """Return (country, plate) of the Spanish form."""
        while True:
            digits = f"{int(self._rng.integers(0, 10_000)):04d}"
            first = _NOT_ISSUED[int(self._rng.integers(len(_NOT_ISSUED)))]
            rest = (_LETTERS[int(row)] for row in self._rng.integers(0, len(_LETTERS), 2))
            plate = f"{digits}{first}{''.join(rest)}"
            if plate not in self._given:
                self._given.add(plate)
                return "ES", plate

    def foreign(self) -> tuple[str, str]:
        """Return (country, plate) of a French or Portuguese form."""
        letters = [_LETTERS[int(row)] for row in self._rng.integers(0, len(_LETTERS), 4)]
        number = int(self._rng.integers(0, 1000))
        if self._rng.random() < 0.6:
            return "FR", f"Z{letters[0]}{number:03d}{letters[1]}{letters[2]}"
        return "PT", f"Z{letters[0]}{number % 100:02d}{letters[1]}{letters[2]}"


def misread(plate: str, rng: np.random.Generator) -> str:
    """Return the plate with one character read as another that looks like it."""
    places = [row for row, sign in enumerate(plate) if sign in _CONFUSED]
    if not places:
        return plate
    at = places[int(rng.integers(len(places)))]
    options = _CONFUSED[plate[at]]
    return plate[:at] + options[int(rng.integers(len(options)))] + plate[at + 1 :]
