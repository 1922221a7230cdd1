"""Take the pictures of the documentation again, from a running demo in a real browser.

The demo plays the corridor until the jam stands (about 08:05); then each screen is taken at
1920×1080. `CHROMIUM` names the browser if it is not /usr/bin/chromium.
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
SCREENS = {"map": "1", "corridor": "2", "decisions": "4", "access": "5", "system": "7"}
JAM_STANDS = "08:05"
LOGIN = re.compile(r"http://\S+/login\?code=\S+")


def main() -> None:
    """Start the demo, wait for the jam, take the pictures, end the demo."""
    twin = str(Path(sys.executable).with_name("twin"))
    command = [twin, "demo", "--port", "0", "--rate", "20"]
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
            take(page)
            browser.close()
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(30)


def take(page: Page) -> None:
    """Wait until the scenario's clock shows the jam, then take every screen."""
    page.wait_for_function(
        "start => (document.querySelector('header')?.innerText.match(/\\d\\d:\\d\\d/) ?? [''])[0]"
        " >= start",
        arg=JAM_STANDS,
        timeout=300_000,
    )
    for name, key in SCREENS.items():
        page.keyboard.press(key)
        page.wait_for_timeout(3000)
        page.screenshot(path=ASSETS / f"console-{name}.png")
        print(ASSETS / f"console-{name}.png")


if __name__ == "__main__":
    main()
