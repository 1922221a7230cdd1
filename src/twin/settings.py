"""Everything a deployment can set, from environment variables named `TWIN_*`.

Read once by `app` and `__main__`, frozen, printed by `twin settings`. A missing, unknown or
impossible variable stops the start with its name: a misspelt setting that is silently ignored is
found at the worst moment.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from twin.errors import Fault, SettingsError

PREFIX = "TWIN_"


class Environment(StrEnum):
    """Which of the three separate worlds this process belongs to."""

    TEST = "test"
    PREPRODUCTION = "preproduction"
    PRODUCTION = "production"


class Settings(BaseModel):
    """The settings of one process. Field `map` is the variable `TWIN_MAP`, and so on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    map: Annotated[Path, Field(description="GMNS folder of the road network")]
    database: Annotated[
        str,
        Field(
            pattern=r"^(sqlite:///.|postgresql://)",
            description="sqlite:///FILE, or postgresql://USER:PASSWORD@HOST:PORT/NAME (PostGIS)",
        ),
    ]
    keys: Annotated[Path, Field(description="file with the sealing and token keys, mode 0600")]
    log: Annotated[
        str,
        Field(
            pattern=r"^(embedded|kafka://[^/]+)$",
            description="embedded (in the SQLite file), or kafka://HOST:PORT[,HOST:PORT]",
        ),
    ] = "embedded"
    role: Annotated[
        str,
        Field(
            pattern=r"^(all|api|worker|forecaster)$",
            description="all, or one part of several processes: api, worker, forecaster",
        ),
    ] = "all"
    reading_partitions: Annotated[
        int,
        Field(
            ge=0, le=4096, description="partitions of topic reading when it is made; 0 = regions"
        ),
    ] = 0
    leader_s: Annotated[
        float,
        Field(ge=1, le=60, description="a forecaster that is silent for so long is replaced, s"),
    ] = 5
    topic_prefix: Annotated[
        str,
        Field(pattern=r"^[a-z0-9.-]*$", description="put before every topic name on the broker"),
    ] = ""
    access_rules: Annotated[
        Path | None, Field(description="JSON file with the rules of the restricted zones")
    ] = None
    forecast_model: Annotated[
        Path | None, Field(description="file of `twin forecast train`; empty = none is used")
    ] = None
    holidays: Annotated[
        str,
        Field(
            pattern=r"^(|\d{4}-\d{2}-\d{2}(,\d{4}-\d{2}-\d{2})*)$",
            description="days that are like a weekend to the forecast: YYYY-MM-DD, by commas",
        ),
    ] = ""
    scenarios: Annotated[
        Path | None,
        Field(description="folder that keeps the jobs of what-ifs; empty = gone at the stop"),
    ] = None
    environment: Annotated[Environment, Field(description="test, preproduction, production")] = (
        Environment.TEST
    )
    host: Annotated[str, Field(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="port; 0 takes a free one")] = 8000
    timezone: Annotated[
        str, Field(description="time zone of the city, an IANA name; empty = the map's own")
    ] = ""
    automatic_junctions: Annotated[
        str,
        Field(description="junction ids, by commas, that are controlled without a person; * = all"),
    ] = ""
    oidc_issuer: Annotated[
        str,
        Field(
            pattern=r"^(|https://.+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/.*)?)$",
            description="https address of the identity provider (OpenID Connect); empty = none",
        ),
    ] = ""
    oidc_audience: Annotated[
        str, Field(description="what a token's aud must name; needed with TWIN_OIDC_ISSUER")
    ] = ""
    oidc_role_claim: Annotated[
        str, Field(min_length=1, description="claim with the roles; dots go into objects")
    ] = "roles"
    oidc_roles: Annotated[
        str,
        Field(
            pattern=r"^(|[^=,]+=[a-z_]+(,[^=,]+=[a-z_]+)*)$",
            description="THEIRS=ours, by commas, the first that a token has counts; empty = "
            "tokens name exactly one of our roles",
        ),
    ] = ""
    oidc_skew_s: Annotated[
        float, Field(ge=0, le=300, description="how far the provider's clock may be off, s")
    ] = 60
    tick_s: Annotated[float, Field(gt=0, le=60, description="signals are decided so often, s")] = 1
    forecast_s: Annotated[float, Field(ge=5, le=3600, description="forecast cycle, s")] = 60
    lease_s: Annotated[
        float,
        Field(ge=5, le=300, description="a signal request is obeyed so long, s"),
    ] = 15
    lateness_reading_s: Annotated[
        float,
        Field(ge=0, le=86400, description="readings older than the watermark by more are late, s"),
    ] = 600
    lateness_passage_s: Annotated[
        float,
        Field(ge=0, le=259200, description="the same for passages, s"),
    ] = 120
    future_s: Annotated[
        float,
        Field(ge=0, le=300, description="an event further ahead of its arrival is rejected, s"),
    ] = 30
    snapshot_s: Annotated[
        float,
        Field(ge=1, le=3600, description="live state is kept so often, s of event time"),
    ] = 60
    ahead_s: Annotated[
        float,
        Field(
            gt=0,
            le=3600,
            description="further behind than this, the newest readings are shown before their "
            "turn, marked as provisional, s",
        ),
    ] = 10
    stall_s: Annotated[
        float,
        Field(
            ge=5,
            le=3600,
            description="a partition may stand so long while its lag grows, s; then its reader is "
            "rebuilt, and after as long again the process ends",
        ),
    ] = 60
    keep_passages_h: Annotated[
        float, Field(gt=0, le=24, description="passages are kept so long, h; a day at most")
    ] = 24
    keep_access_h: Annotated[
        float,
        Field(
            gt=0,
            le=48,
            description="decisions about vehicles are kept so long after the end of their UTC day, "
            "h; two days at most",
        ),
    ] = 48
    keep_dead_letters_d: Annotated[
        int, Field(ge=1, description="what refused records held is kept so long, days")
    ] = 30
    keep_minutes_d: Annotated[
        int, Field(ge=0, description="minutes are kept so long, 7 days or more; 0 = for ever")
    ] = 400
    keep_steps_d: Annotated[
        int,
        Field(
            ge=0,
            description="what a replay of a day needs besides readings and decisions is kept so "
            "long, 7 days or more; 0 = for ever",
        ),
    ] = 400
    keep_observations_d: Annotated[
        int, Field(ge=0, description="readings are kept so long, 7 days or more; 0 = for ever")
    ] = 0
    keep_decisions_d: Annotated[
        int,
        Field(
            ge=0,
            description="decisions on signals and devices are kept so long, 7 days or more; "
            "0 = for ever",
        ),
    ] = 0
    keep_audit_d: Annotated[
        int, Field(ge=0, description="the audit is kept so long, 365 days or more; 0 = for ever")
    ] = 0
    keep_exported: Annotated[
        bool,
        Field(description="history goes only once it was exported (`twin history export`)"),
    ] = False
    traces: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="share of requests that are traced (OpenTelemetry, the extra otel); "
            "empty = 0.01 where OTEL_EXPORTER_OTLP_ENDPOINT is set, else none",
        ),
    ] = None
    log_level: Annotated[
        str,
        Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING, ERROR"),
    ] = "INFO"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if not name:
            return name
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            message = "must be an IANA time zone such as Europe/Madrid"
            raise ValueError(message) from error
        return name

    @field_validator("keep_minutes_d", "keep_steps_d", "keep_observations_d", "keep_decisions_d")
    @classmethod
    def _week(cls, days: int) -> int:
        return _at_least(days, 7)

    @field_validator("keep_audit_d")
    @classmethod
    def _year(cls, days: int) -> int:
        return _at_least(days, 365)

    def automatic(self, junction: str) -> bool:
        """Say whether a junction is set to be controlled without a person's approval."""
        names = {name.strip() for name in self.automatic_junctions.split(",")}
        return "*" in names or junction in names

    def shown(self) -> dict[str, str]:
        """Return every variable with its value as text, the database password masked."""
        values = {f"{PREFIX}{name.upper()}": str(value) for name, value in self}
        values["TWIN_DATABASE"] = _masked(self.database)
        return values


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment.

    Raises SettingsError with one fault a variable that is missing, unknown or out of range.
    """
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    known = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}
    faults = [_unknown(name, list(known)) for name in sorted(given) if name not in known]
    values = {known[name]: value for name, value in given.items() if name in known}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        for problem in error.errors():
            name = f"{PREFIX}{str(problem['loc'][0]).upper()}"
            if problem["type"] == "missing":
                rule = Settings.model_fields[str(problem["loc"][0])].description or ""
                faults.append(Fault(name, "(not set)", f"must be set: {rule}", "missing"))
            else:
                shown = _masked(given.get(name, ""))
                rule = str(problem["msg"])
                if problem["type"] == "string_pattern_mismatch":
                    field = Settings.model_fields[str(problem["loc"][0])]
                    rule = f"must be: {field.description}"
                faults.append(Fault(name, shown, rule))
        raise SettingsError(*faults) from error
    if faults:
        raise SettingsError(*faults)
    if settings.role != "all":
        _refuse_alone(settings)
    if settings.log == "embedded" and not settings.database.startswith("sqlite:///"):
        rule = "the embedded log lives in the SQLite file; with PostgreSQL name a broker: kafka://"
        raise SettingsError(Fault("TWIN_LOG", settings.log, rule))
    if settings.oidc_issuer and not settings.oidc_audience:
        rule = "must be set with TWIN_OIDC_ISSUER: a token for another service must not open this"
        raise SettingsError(Fault("TWIN_OIDC_AUDIENCE", "(not set)", rule, "missing"))
    return settings


def _refuse_alone(settings: Settings) -> None:
    """Raise SettingsError where a part of several processes could not reach the others."""
    faults = []
    if settings.log == "embedded":
        rule = f"role {settings.role} needs a broker that all processes share: kafka://HOST:PORT"
        faults.append(Fault("TWIN_LOG", settings.log, rule))
    if not settings.database.startswith("postgresql://"):
        rule = f"role {settings.role} needs a database that all processes share: postgresql://…"
        faults.append(Fault("TWIN_DATABASE", settings.database, rule))
    if faults:
        raise SettingsError(*faults)


def _at_least(days: int, least: int) -> int:
    if 0 < days < least:
        message = f"must be {least} days or more, or 0 for ever"
        raise ValueError(message)
    return days


def _unknown(name: str, known: list[str]) -> Fault:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Fault(name, "(set)", f"is no setting of twin{hint}", "unknown")


def _masked(url: str) -> str:
    head, at, tail = url.rpartition("@")
    scheme, slashes, login = head.partition("://")
    if not at or not slashes:
        return url
    user = login.split(":", 1)[0]
    return f"{scheme}://{user}:***@{tail}"
