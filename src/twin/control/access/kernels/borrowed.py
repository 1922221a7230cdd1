"""How functions are compiled that only look at arrays which their caller holds.

Without counted references: each look at an array of a tuple would count up and down, atomically,
and that took most of the time of a decision. Such a function must not make an array.
"""

from __future__ import annotations

from typing import Any, Final

BORROWED: Final[dict[str, Any]] = {"cache": True, "nogil": True, "_nrt": False}
