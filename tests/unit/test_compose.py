"""`compose.yaml` starts what the settings describe: checked here because nothing else reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from twin.settings import read_settings

ROOT = Path(__file__).parents[2]
PASSWORD = "${TWIN_DATABASE_PASSWORD:?set it in the shell or in .env}"


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def test_the_services_environment_is_a_valid_start(compose: Any) -> None:
    given = compose["services"]["twin"]["environment"]
    environ = {name: value.replace(PASSWORD, "secret") for name, value in given.items()}
    settings = read_settings(environ)
    assert settings.database == "postgresql://twin:secret@postgis:5432/twin"
    assert settings.log == "kafka://kafka:9092"


METROPOLIS = {"worker": 3, "forecaster": 2, "api": 2}


def test_the_profile_metropolis_is_a_valid_start_of_every_role(compose: Any) -> None:
    services = compose["services"]
    found = {name for name, service in services.items() if "profiles" in service}
    assert found == set(METROPOLIS)
    shared = services["twin"]["environment"]
    for name, replicas in METROPOLIS.items():
        service = services[name]
        assert service["profiles"] == ["metropolis"]
        assert service["deploy"]["replicas"] == replicas
        environ = {
            key: value.replace(PASSWORD, "secret") for key, value in service["environment"].items()
        }
        settings = read_settings(environ)
        assert settings.role == name
        assert settings.reading_partitions >= METROPOLIS["worker"]
        assert shared.items() <= service["environment"].items(), "one map, one log, one database"
        for key in ("depends_on", "healthcheck", "volumes", "restart", "stop_grace_period"):
            assert service[key] == services["twin"][key], f"{name}: {key}"
    partitions = {services[name]["environment"]["TWIN_READING_PARTITIONS"] for name in METROPOLIS}
    assert len(partitions) == 1, "whoever comes first makes the topics"
    ports = services["api"]["ports"]
    assert ports == ["127.0.0.1:8001-8002:8000"], "one a replica"


def test_names_and_ports_agree(compose: Any) -> None:
    services = compose["services"]
    settings_port = services["twin"]["environment"]["TWIN_PORT"]
    assert services["twin"]["ports"] == [f"127.0.0.1:{settings_port}:{settings_port}"]
    assert f":{settings_port}/health/ready" in str(services["twin"]["healthcheck"]["test"])
    broker = services["kafka"]["environment"]
    assert broker["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://kafka:9092"
    assert broker["KAFKA_PROCESS_ROLES"] == "broker,controller"
    database = services["postgis"]["environment"]
    assert (database["POSTGRES_USER"], database["POSTGRES_DB"]) == ("twin", "twin")
    assert database["POSTGRES_PASSWORD"] == PASSWORD


def test_every_server_is_healthy_before_the_service_starts(compose: Any) -> None:
    services = compose["services"]
    for name in ("kafka", "postgis", "twin"):
        assert services[name]["healthcheck"]["test"], name
    waits = services["twin"]["depends_on"]
    assert waits == {name: {"condition": "service_healthy"} for name in ("kafka", "postgis")}


def test_what_must_survive_lies_in_volumes(compose: Any) -> None:
    named = set(compose["volumes"])
    for service in compose["services"].values():
        mounted = {mount.split(":")[0] for mount in service["volumes"]}
        assert mounted & named, "each service keeps something in a named volume"


def test_the_mounted_scenario_is_in_the_checkout(compose: Any) -> None:
    environ = compose["services"]["twin"]["environment"]
    (mount,) = (v for v in compose["services"]["twin"]["volumes"] if v.startswith("./"))
    source, target, mode = mount.split(":")
    assert (target, mode) == ("/data", "ro")
    for name in ("TWIN_MAP", "TWIN_ACCESS_RULES"):
        assert (ROOT / source / environ[name].removeprefix("/data/")).exists(), name
