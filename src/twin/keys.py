"""The secrets of one environment: one key a purpose, in a file that only the service reads.

A key of one purpose makes tokens that cannot be joined with another's (`seal.token`).
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from twin.errors import Fault, InputError

_DAY_US: Final = 86_400 * 1_000_000
_TRAVEL_KEPT_US: Final = 2 * 3600 * 1_000_000


class Purpose(StrEnum):
    """What a key may be used for; each has its own."""

    TRANSPORT = "transport"
    ACCESS = "access"
    STATISTICS = "statistics"
    EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A named 256-bit secret."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.id})"

    @classmethod
    def fresh(cls, name: str) -> Key:
        """Make a new random key called `name`."""
        return cls(id=name, secret=secrets.token_bytes(32))


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of one environment, one a purpose."""

    keys: dict[Purpose, Key]

    def __getitem__(self, purpose: Purpose) -> Key:
        return self.keys[purpose]

    @classmethod
    def fresh(cls, environment: str) -> KeyRing:
        """Make a ring of new keys, named after the environment so that none is used in another."""
        return cls({purpose: Key.fresh(f"{environment}-{purpose}-1") for purpose in Purpose})

    def refuse_other(self, environment: str, *, of: Iterable[str], path: Path) -> None:
        """Raise InputError when a key is named after another of the environments `of`."""
        others = set(of) - {environment}
        for key in self.keys.values():
            owner = key.id.partition("-")[0]
            if owner in others:
                rule = f"key {key.id} is of {owner}; TWIN_ENVIRONMENT is {environment}"
                raise InputError(Fault("TWIN_KEYS", str(path), rule))

    def save(self, path: Path) -> None:
        """Write the ring to a file, in a folder made if missing, that only its owner can read."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        document = {
            str(purpose): {"id": key.id, "secret": base64.b64encode(key.secret).decode()}
            for purpose, key in self.keys.items()
        }
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """Read a ring written by `save`. Raises InputError naming the file and what is wrong."""
        try:
            _refuse_wide(path, path.stat().st_mode)
            document = json.loads(path.read_text(encoding="utf-8"))
            keys = {
                purpose: Key(
                    id=str(document[purpose]["id"]),
                    secret=base64.b64decode(document[purpose]["secret"], validate=True),
                )
                for purpose in Purpose
            }
        except FileNotFoundError as error:
            rule = "the key file does not exist; `twin keys new PATH` makes one"
            raise InputError(Fault("TWIN_KEYS", str(path), rule, "missing")) from error
        except OSError as error:
            rule = f"cannot be read ({error.strerror})"
            raise InputError(Fault("TWIN_KEYS", str(path), rule)) from error
        except KeyError as error:
            rule = f"not a key file: it has no {error.args[0]}"
            raise InputError(Fault("TWIN_KEYS", str(path), rule)) from error
        except (TypeError, ValueError) as error:
            rule = f"not a key file ({type(error).__name__}: {error})"
            raise InputError(Fault("TWIN_KEYS", str(path), rule)) from error
        for purpose, key in keys.items():
            if len(key.secret) != 32:
                rule = f"the {purpose} key has {len(key.secret)} bytes, 32 are needed"
                raise InputError(Fault("TWIN_KEYS", str(path), rule))
        return cls(keys)


class TravelKeys:
    """Keys for travel times: one a day, made here, kept in memory alone, destroyed with the day.

    A number under such a key cannot be joined with that of another day, another start of the
    service or another purpose.
    """

    def __init__(self) -> None:
        """Have none yet."""
        self._keys: dict[int, Key] = {}
        self._now_us = 0

    def advance(self, now_us: int) -> None:
        """Destroy the keys of days that were over two hours ago."""
        self._now_us = max(self._now_us, now_us)
        self._keys = {day: key for day, key in self._keys.items() if day >= self._oldest}

    @property
    def _oldest(self) -> int:
        return (self._now_us - _TRAVEL_KEPT_US) // _DAY_US

    def at(self, time_us: int) -> Key | None:
        """Return the key of a moment's UTC day; None: destroyed, or a day that is not there yet."""
        day = time_us // _DAY_US
        if not self._oldest <= day <= self._now_us // _DAY_US + 1:
            return None
        return self._keys.setdefault(day, Key.fresh(f"travel-{day}"))


def _refuse_wide(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode) and mode & 0o177:
        rule = f"has mode {stat.S_IMODE(mode):04o}, wider than 0600; `chmod 600` it"
        raise InputError(Fault("TWIN_KEYS", str(path), rule))
