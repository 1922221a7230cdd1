"""Take the pictures of the documentation again, from a running demo in a real browser.

The practice city plays. The corridor is taken while the jam is forecast and not there yet, the
other screens once it stands, each at 1920×1080. `CHROMIUM` names the browser if it is not
/usr/bin/chromium.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "docs" / "assets"
FORECAST = ("07:40", {"corridor": "2", "decisions": "4"})
JAM_STANDS = ("08:05", {"map": "1", "access": "5", "system": "7"})
PATIENCE_MS = 900_000
LOGIN = re.compile(r"http://\S+/login\?code=\S+")


def main() -> None:
    """Start the demo, wait for the jam, take the pictures, end the demo."""
    twin = str(Path(sys.executable).with_name("twin"))
    command = [twin, "demo", "--port", "0"]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert demo.stdout is not None
    try:
        link = next(found[0] for line in demo.stdout if (found := LOGIN.search(line)))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
                args=["--no-sandbox"],
            )
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.goto(link)
            for moment, screens in (FORECAST, JAM_STANDS):
                take(page, moment, screens)
            browser.close()
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(30)


def take(page: Page, moment: str, screens: dict[str, str]) -> None:
    """Wait until the city's clock shows the moment, then take these screens (name: its key)."""
    page.wait_for_function(
        "start => (document.querySelector('header')?.innerText.match(/\\d\\d:\\d\\d/) ?? [''])[0]"
        " >= start",
        arg=moment,
        timeout=PATIENCE_MS,
    )
    for name, key in screens.items():
        page.keyboard.press(key)
        page.wait_for_timeout(3000)
        page.screenshot(path=ASSETS / f"console-{name}.png")
        print(ASSETS / f"console-{name}.png")


if __name__ == "__main__":
    main()
