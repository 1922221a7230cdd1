"""Everything that must hold, from a bare machine: `make test` (`--quick`: no servers, no browser).

Installs what is missing, then runs two lanes beside each other: the static checks and the console
in one, pytest in the other. Ends with the time of each part; exit code 1 if any part failed.
"""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
QUICK = "--quick" in sys.argv[1:]
TIMES: "list[tuple[str, float, int]]" = []

STATIC = [
    ("format", [BIN / "ruff", "format", "--check", "--quiet", "."]),
    ("lint", [BIN / "ruff", "check", "--quiet", "."]),
    ("import contracts", [BIN / "lint-imports", "--no-cache"]),
    ("types", [BIN / "mypy", "--strict", "src", "tests"]),
]
CONSOLE = [
    ("console types", ["npm", "run", "check", "--silent"]),
    ("console tests", ["npm", "test", "--silent"]),
]
DOCS = [("docs", [BIN / "mkdocs", "build", "--strict", "--quiet"])]


def main() -> int:
    """Run all parts and return the exit code."""
    install()
    lane = threading.Thread(target=static_lane)
    lane.start()
    tests = ["tests/unit", "tests/property", "tests/analytic", "tests/golden"] if QUICK else []
    run("tests", [BIN / "python", "-m", "pytest", "-q", *tests], stream=True)
    lane.join()
    report()
    return 1 if any(code for _, _, code in TIMES) else 0


def install() -> None:
    """Install packages, console and, unless quick, the real servers and the browser."""
    setup = [sys.executable, "tools/setup.py"]
    run("install packages", [*setup, "dev"], stream=True, stop=True)
    if not QUICK:
        run("build console", [*setup, "console"], stream=True, stop=True)
        prepare = [BIN / "python", "tools/services/servers.py", "prepare"]
        run("install servers", prepare, stream=True, stop="CI" in os.environ)


def static_lane() -> None:
    """Run the checks that need no servers, one after the other, their words shown at the end."""
    for name, command in STATIC:
        run(name, command)
    if not QUICK:
        sys.path.insert(0, str(ROOT / "tools"))
        from setup import node_environment

        for name, command in CONSOLE:
            run(name, command, cwd=ROOT / "console", env=node_environment())
        for name, command in DOCS:
            run(name, command)


def run(
    name: str,
    command: "list[str | Path]",
    *,
    stream: bool = False,
    stop: bool = False,
    cwd: Path = ROOT,
    env: "dict[str, str] | None" = None,
) -> None:
    """Run one part, keep its time and exit code; show its words now or if it fails."""
    started = time.monotonic()
    words = [str(part) for part in command]
    done = subprocess.run(
        words,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=not stream,
        text=True,
        check=False,
    )
    TIMES.append((name, time.monotonic() - started, done.returncode))
    if done.returncode and not stream:
        print(f"\n== {name} failed\n{done.stdout}{done.stderr}", flush=True)
    if done.returncode and stop:
        report()
        raise SystemExit(1)


def report() -> None:
    """Print the time and outcome of each part."""
    print("\npart                 seconds")
    for name, seconds, code in TIMES:
        print(f"{name:20} {seconds:7.1f}{'' if code == 0 else '  FAILED'}")
    print(flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
