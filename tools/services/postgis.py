"""A real PostgreSQL with PostGIS of one's own: its own folder, its own port, its own superuser."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

import asyncpg
from broker import free_port, run_apart

USER = "twin"
TEMPLATE = "twin_postgis"
_READY_S = 30.0
_STOP_S = 20.0
_OPTIONS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "shared_buffers=32MB",
    "max_connections=60",
    "fsync=off",  # practice data: it outlives a kill of the server, not one of the machine
    "full_page_writes=off",
    "log_min_messages=warning",
)


def programs() -> Path | None:
    """Return the folder with initdb and postgres of version 15 or newer, the newest first."""
    places = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: float(path.parts[-3]),
        reverse=True,
    )
    found = shutil.which("postgres")
    if found is not None:
        places.append(Path(found).resolve())
    for place in places:
        if place.with_name("initdb").exists():
            return place.parent
    return None


def missing() -> str | None:
    """Say what is missing to run a server here; None if nothing is."""
    folder = programs()
    if folder is None:
        return "PostgreSQL is missing: run `make services`"
    done = subprocess.run(
        [folder / "pg_config", "--sharedir"], capture_output=True, text=True, check=False
    )
    if not (Path(done.stdout.strip()) / "extension" / "postgis.control").exists():
        return "PostGIS is missing: run `make services`"
    return None


class Server:
    """One server with its data in one folder; `url` gives a database in it."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        """Remember where; `start` begins."""
        self.folder = folder
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, name: str) -> str:
        """Return a value of TWIN_DATABASE."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Make the folder if it is empty, start, wait for an answer, make the template."""
        programs_folder = programs()
        if programs_folder is None:
            raise RuntimeError(missing())
        data = self.folder / "data"
        self._own_folder()
        if not (data / "PG_VERSION").exists():
            self._run(
                programs_folder / "initdb",
                "-D",
                str(data),
                "-U",
                USER,
                "--auth=trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            )
        options = [part for option in _OPTIONS for part in ("-c", option)]
        with (self.folder / "server.log").open("ab") as output:
            self._process = subprocess.Popen(
                [programs_folder / "postgres", "-D", data, "-p", str(self.port), *options],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
                user=_owner(),
            )
        try:
            self._wait_ready(self._process)
            run_apart(_make_template(self.url("postgres"), self.url(TEMPLATE)))
        except BaseException:
            self.kill()
            raise

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        end_s = time.monotonic() + _READY_S
        while not run_apart(_answers(self.url("postgres"))):
            if process.poll() is not None or time.monotonic() > end_s:
                words = (self.folder / "server.log").read_text(encoding="utf-8")[-2000:]
                raise RuntimeError(f"PostgreSQL did not start:\n{words}")
            time.sleep(0.05)

    def create(self, name: str, *, template: str = TEMPLATE) -> str:
        """Copy a database, an empty one with PostGIS if no other is named; return its URL."""
        statement = f"CREATE DATABASE {name} TEMPLATE {template}"
        run_apart(_execute(self.url("postgres"), statement))
        return self.url(name)

    def has(self, name: str) -> bool:
        """Say whether there is such a database."""
        return run_apart(_answers(self.url(name)))

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        statement = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
        run_apart(_execute(self.url("postgres"), statement))

    def kill(self) -> None:
        """End it at once: every connection breaks."""
        self._end(signal.SIGQUIT)  # SIGKILL would leave the children and their memory behind

    def stop(self) -> None:
        """End it in order, open connections or not."""
        self._end(signal.SIGINT)

    @property
    def running(self) -> bool:
        """Say whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def wait(self) -> int:
        """Wait until it ends by itself."""
        return self._process.wait() if self._process is not None else 0

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _own_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        owner = _owner()
        if owner is None:
            return
        shutil.chown(self.folder, owner)
        if subprocess.run(["test", "-x", self.folder], user=owner, cwd="/", check=False).returncode:
            message = f"user {owner}, who must run PostgreSQL, may not enter {self.folder}"
            raise RuntimeError(message)

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd="/", user=_owner()
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def _owner() -> str | None:
    """Return who must run it: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


async def _answers(url: str) -> bool:
    try:
        await _execute(url, "SELECT 1")
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    return True


async def _make_template(url: str, template_url: str) -> None:
    try:
        await _execute(url, f"CREATE DATABASE {TEMPLATE}")
    except asyncpg.DuplicateDatabaseError:
        return
    await _execute(template_url, "CREATE EXTENSION postgis")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement, timeout=60)
    finally:
        await connection.close()
