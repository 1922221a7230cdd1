"""Who may do what: one table, deny by default.

A route that is not in the table stops the start. A role that is not named in a row is refused.
`ANYONE` needs no key at all; `EVERY_ROLE` needs one, whatever its role.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a person or a program is here for; each key and each session has one."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    PLANNER = "planner"
    INTEGRATOR = "integrator"
    GATE = "gate"
    CITIZEN = "citizen"
    ACCESS_CLERK = "access_clerk"
    RULE_EDITOR = "rule_editor"
    CASE_OFFICER = "case_officer"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


Allowed = frozenset[Role] | None

ANYONE: Final[Allowed] = None
EVERY_ROLE: Final[Allowed] = frozenset(Role)

_ADMINISTRATOR: Final = frozenset({Role.ADMINISTRATOR})
_TRAFFIC: Final = _ADMINISTRATOR | {
    Role.VIEWER,
    Role.OPERATOR,
    Role.PLANNER,
    Role.INTEGRATOR,
    Role.AUDITOR,
}
"""Sees the traffic: no single vehicle stands in it."""
_MAP: Final = _TRAFFIC | {Role.GATE, Role.ACCESS_CLERK, Role.RULE_EDITOR, Role.CASE_OFFICER}
_VEHICLES: Final = frozenset({Role.OPERATOR, Role.CASE_OFFICER, Role.AUDITOR, Role.ADMINISTRATOR})
"""Sees decisions about single passages, by a word of the day: not viewers, not planners."""
_OPERATOR: Final = frozenset({Role.OPERATOR})
"""Commands the street. The administrator keeps the keys and therefore does not."""
_PLANNER: Final = frozenset({Role.PLANNER})
"""Asks what if: jobs that cost an hour of a core."""
_PLANS: Final = _PLANNER | {Role.OPERATOR, Role.AUDITOR, Role.ADMINISTRATOR}
_READINGS: Final = frozenset({Role.INTEGRATOR, Role.ADMINISTRATOR})
_STREET: Final = frozenset({Role.GATE, Role.INTEGRATOR})
_KEEPERS: Final = _ADMINISTRATOR | {Role.INTEGRATOR}

API: Final = "/api/v1"

MATRIX: Final[Mapping[tuple[str, str], Allowed]] = {
    ("GET", "/health/live"): ANYONE,
    ("GET", "/health/ready"): ANYONE,
    ("GET", "/metrics"): ANYONE,
    ("GET", f"{API}/openapi.json"): ANYONE,
    ("GET", f"{API}/asyncapi.json"): ANYONE,
    ("GET", f"{API}/login"): ANYONE,
    ("POST", f"{API}/logout"): EVERY_ROLE,
    ("GET", f"{API}/me"): EVERY_ROLE,
    ("GET", f"{API}/clock"): EVERY_ROLE,
    ("GET", f"{API}/network"): _MAP,
    ("GET", f"{API}/network/quality"): _MAP,
    ("GET", f"{API}/network/{{version}}/tiles.json"): _MAP,
    ("GET", f"{API}/network/{{version}}/tiles/{{z}}/{{x}}/{{y}}.mvt"): _MAP,
    ("GET", f"{API}/network/{{version}}/{{layer}}"): _MAP,
    ("GET", f"{API}/network/versions"): _MAP,
    ("GET", f"{API}/network/changes"): _MAP,
    ("POST", f"{API}/network/versions/{{version}}/activate"): _OPERATOR | _ADMINISTRATOR,
    ("GET", f"{API}/corridors"): _MAP,
    ("GET", f"{API}/corridors/{{road}}/timespace"): _TRAFFIC,
    ("GET", f"{API}/history/links"): _TRAFFIC,
    ("GET", f"{API}/history/links.csv"): _TRAFFIC,
    ("GET", f"{API}/history/travel-times"): _TRAFFIC,
    ("GET", f"{API}/history/travel-times.csv"): _TRAFFIC,
    ("GET", f"{API}/picture"): _TRAFFIC,
    ("GET", f"{API}/picture/measured"): _TRAFFIC,
    ("GET", f"{API}/detectors"): _TRAFFIC,
    ("GET", f"{API}/travel-times"): _TRAFFIC,
    ("GET", f"{API}/forecast"): _TRAFFIC,
    ("GET", f"{API}/forecast/scores"): _TRAFFIC,
    ("GET", f"{API}/forecast/scores/hours"): _TRAFFIC,
    ("WS", f"{API}/stream"): _TRAFFIC,
    ("GET", f"{API}/decisions"): _TRAFFIC,  # without single vehicles, see gates/events
    ("GET", f"{API}/decisions/{{decision_id}}"): _TRAFFIC,
    ("POST", f"{API}/decisions/{{decision_id}}/approve"): _OPERATOR,
    ("POST", f"{API}/decisions/{{decision_id}}/reject"): _OPERATOR,
    ("POST", f"{API}/decisions/{{decision_id}}/release"): _OPERATOR,
    ("POST", f"{API}/commands"): _OPERATOR,
    ("GET", f"{API}/devices"): _TRAFFIC,
    ("GET", f"{API}/alerts"): _TRAFFIC,
    ("GET", f"{API}/alerts/stream"): _TRAFFIC,  # the same
    ("GET", f"{API}/gates"): _TRAFFIC | {Role.ACCESS_CLERK, Role.RULE_EDITOR, Role.CASE_OFFICER},
    ("GET", f"{API}/gates/events"): _VEHICLES,
    ("GET", f"{API}/zones"): _MAP | {Role.CITIZEN},
    ("POST", f"{API}/readings"): _READINGS,
    ("POST", f"{API}/passages"): _STREET,
    ("POST", f"{API}/incidents"): _READINGS | {Role.OPERATOR},
    ("POST", f"{API}/incidents/{{incident_id}}/clear"): _OPERATOR,
    ("POST", f"{API}/street/status"): _STREET,
    ("POST", f"{API}/street/acknowledgements"): _STREET,
    ("GET", f"{API}/street/commands"): _STREET,
    ("POST", f"{API}/authorisations"): frozenset({Role.ACCESS_CLERK}),
    ("GET", f"{API}/deadletters"): _KEEPERS | {Role.AUDITOR, Role.OPERATOR},
    ("GET", f"{API}/deadletters/{{letter_id}}"): _KEEPERS | {Role.AUDITOR, Role.OPERATOR},
    ("POST", f"{API}/deadletters/{{letter_id}}/replay"): _KEEPERS,
    ("POST", f"{API}/scenarios"): _PLANNER,
    ("GET", f"{API}/scenarios"): _PLANS,
    ("GET", f"{API}/scenarios/schema"): EVERY_ROLE,
    ("GET", f"{API}/scenarios/{{job_id}}"): _PLANS,
    ("DELETE", f"{API}/scenarios/{{job_id}}"): _PLANNER,
    ("GET", f"{API}/scenarios/{{job_id}}/results"): _PLANS,
    ("GET", f"{API}/scenarios/{{job_id}}/file"): _PLANS,
    ("GET", f"{API}/accounting"): _TRAFFIC,
    ("GET", f"{API}/processes"): _TRAFFIC,
    ("GET", "/{page:path}"): ANYONE,
}


def allowed(method: str, path: str) -> Allowed:
    """Return who may use a route. Raises KeyError, naming it, when the table has no row for it."""
    try:
        return MATRIX[method, path]
    except KeyError:
        message = f"{method} {path} has no row in the table of roles (twin/api/roles.py)"
        raise KeyError(message) from None


def may(role: Role, allowed_roles: Allowed) -> bool:
    """Say whether a role may use a route with these allowed roles."""
    return allowed_roles is None or role in allowed_roles
