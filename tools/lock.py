"""Resolve the dependencies of pyproject.toml into requirements/*.txt, with hashes, for any Python
from 3.11 on and without the address of any package index."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMON = [
    *("uv", "pip", "compile", "--quiet", "--universal", "--upgrade", "--python-version", "3.11"),
    *("--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"),
]
LOCKS = {
    "run.txt": ["pyproject.toml"],
    "dev.txt": ["pyproject.toml", "--extra", "dev", "--extra", "docs"],
    "demo.txt": ["pyproject.toml", "--extra", "sumo"],
    "bench.txt": ["pyproject.toml", "--extra", "dev", "--extra", "docs", "--extra", "bench"],
    "build.txt": ["requirements/build.in"],
    "node.txt": ["requirements/node.in"],
}

for name, source in LOCKS.items():
    command = [*COMMON, *source, "--output-file", f"requirements/{name}"]
    command[0] = str(Path(sys.executable).with_name("uv"))
    print("--", name)
    subprocess.run(command, cwd=ROOT, check=True)
