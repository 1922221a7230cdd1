"""The rules of the two zones: who may enter at which hours."""

from __future__ import annotations

from twin.network.model import SingleMap

_ALL = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WORK = _ALL[:6]


def _window(days: list[str], start: str, end: str) -> dict[str, object]:
    return {"days": days, "from": start, "to": end}


def access_rules(network: SingleMap) -> dict[str, object]:
    """Return the content of `access_rules.json`."""
    early = _window(_ALL, "06:30", "11:00")
    work_morning = _window(_WORK, "06:30", "10:30")
    resident = [early, _window(_ALL[:4], "20:30", "23:30"), _window(["sun"], "17:00", "23:30")]
    always = ("EMERGENCY", "PUBLIC", "BUS", "TAXI", "GARAGE", "HOTEL_GUEST", "PRM")
    zones = {
        zone.id: {"gates": [gate.id for gate in network.gates if zone.id in gate.zones]}
        for zone in network.zones
        if zone.kind == "access"
    }
    return {
        "version": "VD-2-practice",
        "timezone": network.timezone,
        "zones": zones,
        "confidence_min": 0.9,
        "profiles": {
            **{profile: {"windows": "always"} for profile in always},
            "RESIDENT": {"windows": resident},
            "TRADER": {"windows": [work_morning]},
            "GOODS": {"windows": [work_morning]},
            "NIGHT_WORKS": {"windows": [_window(_ALL, "22:00", "06:00")]},
        },
    }
