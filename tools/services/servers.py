"""Installs and runs the real servers that the tests talk to.

    python tools/services/servers.py prepare             install what is missing
    python tools/services/servers.py kafka [PORT]        run a broker in the foreground
    python tools/services/servers.py postgis [PORT]      run PostgreSQL with PostGIS

The data of servers run by hand is in `.services/`. Tests start their own (`tests/conftest.py`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import broker
import postgis

SERVICES = broker.ROOT / ".services"
_POM = Path(__file__).parent / "kafka" / "pom.xml"
_DATABASE = "twin"
_JAVA_NEEDED = 17


def main(arguments: list[str]) -> int:
    """Do what the first argument says; return the exit code."""
    if len(arguments) > 1 and not arguments[1].isdecimal():
        print(f"!! {arguments[1]} is no port number")
        return 2
    port = int(arguments[1]) if len(arguments) > 1 else 0
    match arguments[:1]:
        case ["prepare"]:
            return prepare()
        case ["kafka"]:
            return run_kafka(port)
        case ["postgis"]:
            return run_postgis(port)
    print(__doc__)
    return 2


def prepare() -> int:
    """Install what is missing; return 1 when something could not be, with the way to get it."""
    problems = [problem for problem in (_prepare_kafka(), _prepare_packages()) if problem]
    for problem in problems:
        print(f"!! {problem}")
    return 1 if problems else 0


def _prepare_kafka() -> str | None:
    if any(broker.LIBRARY.glob("kafka_*.jar")):
        print("-- Kafka: there already")
        return None if shutil.which("java") else broker.missing()
    problem = _java_problem()
    if problem is not None:
        return problem
    if shutil.which("mvn") is None:
        return "Maven is missing: it fetches Kafka (Debian: apt-get install maven)"
    print("-- Kafka: fetching its published jars with Maven, some 45 MB")
    broker.LIBRARY.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [
            "mvn",
            "-q",
            "-B",
            "-f",
            _POM,
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            f"-DoutputDirectory={broker.LIBRARY}",
        ],
        check=False,
    )
    return "Maven could not fetch Kafka; its words are above" if done.returncode else None


def _java_problem() -> str | None:
    way = "(Debian: apt-get install openjdk-17-jdk-headless)"
    if shutil.which("java") is None:
        return f"java is missing: Kafka needs a JDK {_JAVA_NEEDED} or newer {way}"
    done = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', done.stderr)
    if found is None or int(found[1]) < _JAVA_NEEDED:
        version = found[1] if found else "unknown"
        return f"java {version} is too old: Kafka needs {_JAVA_NEEDED} or newer {way}"
    return None


def _prepare_packages() -> str | None:
    wanted = _missing_packages()
    if not wanted:
        print("-- PostgreSQL with PostGIS, Chromium, fonts: there already")
        return None
    names = " ".join(wanted)
    if shutil.which("apt-get") is None:
        return f"there is no apt-get here; install by hand what these Debian packages hold: {names}"
    if os.geteuid() != 0:
        return f"only root may install packages: sudo apt-get install {names}"
    print("-- packages: reading which there are (apt-get update)")
    problem = _apt("update", "-q")
    if problem is not None:
        return problem
    wanted = [name if name != "postgis" else _postgis_package() for name in wanted]
    print(f"-- packages: installing {' '.join(wanted)}")
    return _apt("install", "-y", "-q", "--no-install-recommends", *wanted) or postgis.missing()


def _missing_packages() -> list[str]:
    wanted = []
    if postgis.missing() is not None:
        wanted += ["postgresql", "postgis"]
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        wanted += ["chromium"]
    if not _has_fonts():
        wanted += ["fonts-noto-core", "fonts-noto-cjk"]
    return wanted


def _apt(*arguments: str) -> str | None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return None
    return f"`apt-get {' '.join(arguments)}` failed:\n{(done.stdout + done.stderr)[-1500:]}"


def _postgis_package() -> str:
    """Name the newest PostGIS package: its name holds the version of PostgreSQL."""
    done = subprocess.run(
        ["apt-cache", "--names-only", "search", "^postgresql-[0-9]+-postgis-3$"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^(postgresql-\d+-postgis-3) ", done.stdout, re.MULTILINE)
    return max(found, default="postgis", key=lambda name: int(name.split("-")[1]))


def _has_fonts() -> bool:
    folders = (Path("/usr/share/fonts"), Path.home() / ".local/share/fonts")
    names = {path.name for folder in folders for path in folder.rglob("Noto*")}
    return any("CJK" in name for name in names) and any("NotoSans-" in name for name in names)


def run_kafka(port: int) -> int:
    """Run a broker until it ends or Ctrl-C."""
    problem = broker.missing()
    if problem is not None:
        print(f"!! {problem}")
        return 1
    server = broker.Broker(SERVICES / "kafka" / "run", port=port)
    server.start()
    print(f"Kafka is ready. Ctrl-C ends it; its words are in {server.output}\n")
    print(f"  export TWIN_LOG={server.url}", flush=True)
    with suppress(KeyboardInterrupt):
        return server.wait()
    server.stop()
    return 0


def run_postgis(port: int) -> int:
    """Run PostgreSQL until it ends or Ctrl-C."""
    problem = postgis.missing()
    if problem is not None:
        print(f"!! {problem}")
        return 1
    server = postgis.Server(SERVICES / "postgis", port=port)
    server.start()
    if not server.has(_DATABASE):
        server.create(_DATABASE)
    print("PostgreSQL with PostGIS is ready. Ctrl-C ends it\n")
    print(f"  export TWIN_DATABASE={server.url(_DATABASE)}", flush=True)
    with suppress(KeyboardInterrupt):
        return server.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except RuntimeError as error:
        print(f"!! {error}")
        sys.exit(1)
