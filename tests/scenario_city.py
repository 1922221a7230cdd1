"""The generator of the practice city, loaded as the script that it is."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

CITY = Path(__file__).resolve().parents[1] / "scenarios" / "city"


@cache
def generator() -> ModuleType:
    """Return `scenarios/city/make.py` as a module."""
    spec = importlib.util.spec_from_file_location("city_make", CITY / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module
