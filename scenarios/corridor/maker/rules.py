"""The rules of the old town as the scenario has them: who may enter at which hours."""

from __future__ import annotations

_ALL = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WORK = _ALL[:6]


def _window(days: list[str], start: str, end: str) -> dict[str, object]:
    return {"days": days, "from": start, "to": end}


def access_rules() -> dict[str, object]:
    """Return the content of `access_rules.json`."""
    morning = _window(_ALL, "08:00", "11:00")
    work_morning = _window(_WORK, "08:00", "11:00")
    resident = [morning, _window(_ALL[:4], "21:00", "23:00"), _window(["sun"], "18:00", "23:00")]
    always = ("EMERGENCY", "PUBLIC", "BUS", "TAXI", "GARAGE", "HOTEL_GUEST", "PRM")
    return {
        "version": "RS-1-demo",
        "timezone": "Europe/Madrid",
        "zones": {"OLD": {"gates": ["G1", "G2", "G3", "G4"]}},
        "confidence_min": 0.9,
        "profiles": {
            **{profile: {"windows": "always"} for profile in always},
            "RESIDENT": {"windows": resident},
            "TRADER": {"windows": [work_morning]},
            "GOODS": {"windows": [work_morning]},
            "NIGHT_WORKS": {"windows": [_window(_ALL, "22:00", "06:00")]},
        },
    }
