"""Check files that are about to be committed: text ends with one newline, nothing over 1 MB."""

import sys
from pathlib import Path

LIMIT_BYTES = 1_000_000


def problems(path: Path) -> "list[str]":
    """Say what is wrong with one file."""
    body = path.read_bytes()
    found = []
    if len(body) > LIMIT_BYTES:
        found.append(f"{path}: {len(body)} bytes, {LIMIT_BYTES} are allowed")
    is_text = b"\0" not in body
    if is_text and body and (not body.endswith(b"\n") or body.endswith(b"\n\n")):
        found.append(f"{path}: must end with exactly one newline")
    return found


if __name__ == "__main__":
    found = [line for name in sys.argv[1:] for line in problems(Path(name))]
    print("\n".join(found))
    raise SystemExit(1 if found else 0)
