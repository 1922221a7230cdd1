"""Settings: a wrong environment stops the start with the variable's name."""

from __future__ import annotations

import pytest

from twin.errors import SettingsError
from twin.settings import read_settings

GOOD = {"TWIN_MAP": "net", "TWIN_DATABASE": "sqlite:///t.db", "TWIN_KEYS": "keys.json"}


def test_the_least_environment_is_enough() -> None:
    settings = read_settings({**GOOD, "PATH": "/bin"})
    assert settings.log == "embedded"
    assert settings.port == 8000
    assert settings.timezone == ""  # the map's own


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_variable_is_named(name: str) -> None:
    environ = {key: value for key, value in GOOD.items() if key != name}
    with pytest.raises(SettingsError, match=name) as caught:
        read_settings(environ)
    assert [fault.reason for fault in caught.value.faults] == ["missing"]


def test_an_unknown_variable_is_named_with_its_neighbour() -> None:
    with pytest.raises(SettingsError, match=r"TWIN_DATABSE.*did you mean TWIN_DATABASE"):
        read_settings({**GOOD, "TWIN_DATABSE": "sqlite:///other.db"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TWIN_PORT", "70000"),
        ("TWIN_PORT", "http"),
        ("TWIN_TIMEZONE", "Europe/Atlantis"),
        ("TWIN_DATABASE", "mysql://localhost/twin"),
        ("TWIN_DATABASE", "sqlite:///"),
        ("TWIN_LOG", "rabbit://localhost"),
        ("TWIN_TICK_S", "0"),
        ("TWIN_ROLE", "leader"),
        ("TWIN_READING_PARTITIONS", "-1"),
        ("TWIN_LEASE_S", "nan"),
        ("TWIN_LOG_LEVEL", "LOUD"),
        ("TWIN_KEEP_PASSAGES_H", "25"),
        ("TWIN_KEEP_ACCESS_H", "49"),
        ("TWIN_KEEP_OBSERVATIONS_D", "6"),
        ("TWIN_KEEP_AUDIT_D", "364"),
    ],
)
def test_a_value_out_of_range_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({**GOOD, name: value})


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"TWIN_PORT": "-1", "TWIN_COLOUR": "blue"})
    named = {fault.field for fault in caught.value.faults}
    assert named == {"TWIN_COLOUR", "TWIN_PORT", "TWIN_MAP", "TWIN_DATABASE", "TWIN_KEYS"}


def test_the_embedded_log_needs_sqlite() -> None:
    environ = {**GOOD, "TWIN_DATABASE": "postgresql://twin:secret@db:5432/twin"}
    with pytest.raises(SettingsError, match="TWIN_LOG"):
        read_settings(environ)


def test_the_password_is_never_shown() -> None:
    environ = {
        **GOOD,
        "TWIN_DATABASE": "postgresql://twin:s3cret@db:5432/twin",
        "TWIN_LOG": "kafka://b:9092",
    }
    shown = read_settings(environ).shown()
    assert shown["TWIN_DATABASE"] == "postgresql://twin:***@db:5432/twin"
    assert "s3cret" not in str(shown)
    with pytest.raises(SettingsError) as caught:
        read_settings({**environ, "TWIN_DATABASE": "postgres://twin:s3cret@db/twin"})
    assert "s3cret" not in str(caught.value)


def test_junctions_are_automatic_by_name_or_all() -> None:
    some = read_settings({**GOOD, "TWIN_AUTOMATIC_JUNCTIONS": "J1, J2"})
    assert (some.automatic("J2"), some.automatic("J3")) == (True, False)
    assert read_settings({**GOOD, "TWIN_AUTOMATIC_JUNCTIONS": "*"}).automatic("J9")


SHARED = {"TWIN_DATABASE": "postgresql://twin@db:5432/twin", "TWIN_LOG": "kafka://broker:9092"}


@pytest.mark.parametrize("role", ["api", "worker", "forecaster"])
def test_a_part_of_several_processes_needs_what_all_can_reach(role: str) -> None:
    environ = {**GOOD, "TWIN_ROLE": role}
    with pytest.raises(SettingsError, match=f"role {role} needs a broker") as caught:
        read_settings(environ)
    assert [fault.field for fault in caught.value.faults] == ["TWIN_LOG", "TWIN_DATABASE"]
    with pytest.raises(SettingsError, match=f"role {role} needs a database"):
        read_settings({**environ, "TWIN_LOG": SHARED["TWIN_LOG"]})
    assert read_settings({**environ, **SHARED}).role == role
