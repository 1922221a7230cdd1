"""The long proofs, on real data: `make prove`, or `python tools/prove.py house …`.

Each proof is a file in tools/proofs/ with a function `prove(data) -> str` that runs the programs
a user would run and returns Markdown. The report goes to docs/reports/<name>.md with the command,
the commit and the class of machine. TWIN_SHARED_DATA names the folder with the data sets.
"""

from __future__ import annotations

import importlib
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = "TWIN_SHARED_DATA must name the folder with the data sets (metr_la_week1, gmns, …)"


def main(names: list[str]) -> None:
    """Run the named proofs, or all; a proof that fails ends the run."""
    folder = os.environ.pop("TWIN_SHARED_DATA", "")  # not a setting of the service
    if not Path(folder or "missing").is_dir():
        raise SystemExit(NEEDED)
    known = sorted(path.stem for path in (ROOT / "tools" / "proofs").glob("[a-z]*.py"))
    sys.path.insert(0, str(ROOT / "tools" / "proofs"))
    sys.path.insert(0, str(ROOT / "tools" / "services"))
    for name in names or known:
        print(f"== {name}", flush=True)
        head = header(name)  # before the proof draws its pictures: they would make the tree dirty
        body = importlib.import_module(name).prove(Path(folder).resolve())
        report = ROOT / "docs" / "reports" / f"{name}.md"
        report.parent.mkdir(exist_ok=True)
        report.write_text(head + body.rstrip() + "\n", encoding="utf-8")
        print(body, flush=True)


def header(name: str) -> str:
    """Say how the figures were made."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    machine = f"{os.cpu_count()} cores, {memory_gib()} GiB, {platform.machine()}"
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    python = platform.python_version()
    return (
        f"# Proof: {name}\n\n"
        f"`TWIN_SHARED_DATA=… python tools/prove.py {name}` · commit {commit} · {moment} · "
        f"{machine}, Python {python}\n\n"
    )


def memory_gib() -> int:
    """Return the machine's memory, whole GiB."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


if __name__ == "__main__":
    main(sys.argv[1:])
