"""A real browser in front of the console, and what it noticed while a page was used."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

from real_parts import require

ROOT = Path(__file__).parents[1]
CONSOLE = ROOT / "src" / "twin" / "console" / "index.html"
SERVER = ROOT / "tools" / "dev_api.py"
MAP = ROOT / "scenarios" / "corridor" / "network"
WIDE = (1920, 1080)
SMALL = (1280, 720)
SOFTWARE_GL = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
PATIENCE_MS = 60_000


def chromium() -> str:
    """Name the browser of this machine."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found is not None:
            return found
    require("Chromium is missing: make services installs it")
    raise AssertionError


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def served() -> Iterator[str]:
    """Serve the console with pictures of the corridor's map; gives the address."""
    if not CONSOLE.is_file():
        require("The built console is missing: npm ci && npm run build in console/ makes it")
    port = _free_port()
    command = [sys.executable, str(SERVER), "--no-login", "--rate", "2"]
    command += ["--port", str(port), "--map", str(MAP)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # The transport tries again while nobody listens yet, waiting longer each time.
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=30) as client:
            client.get(f"http://127.0.0.1:{port}/health/live").raise_for_status()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the browser without a window; roads are drawn by software."""
    path = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(SOFTWARE_GL))
        try:
            yield started
        finally:
            started.close()


@dataclass
class Notes:
    """What went on behind a page: complaints, and who was asked for what."""

    complaints: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    def strangers(self, base: str) -> list[str]:
        """Return the requests that left this origin."""
        own = (f"{base}/", "data:", f"blob:{base}")
        return [url for url in self.requested if not url.startswith(own)]


@contextmanager
def page_of(started: Browser, size: tuple[int, int] = SMALL) -> Iterator[tuple[Page, Notes]]:
    """Open a page of its own, with notes of everything that it complains about."""
    context = started.new_context(viewport={"width": size[0], "height": size[1]}, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    notes = Notes()

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "GPU stall" not in message.text:
            notes.complaints.append(message.text)

    def failed(error: Error) -> None:
        notes.complaints.append(f"uncaught: {error}")

    def asked(request: Request) -> None:
        notes.requested.append(request.url)

    page.on("console", heard)
    page.on("pageerror", failed)
    page.on("request", asked)
    try:
        yield page, notes
    finally:
        context.close()


def open_map(page: Page, base: str, query: str = "") -> None:
    """Open the live map and wait until its links are painted."""
    page.goto(f"{base}/?lang=en&theme=dark{query}")
    page.wait_for_selector("[data-testid=map][data-ready=true]")
    page.wait_for_function(
        "() => document.querySelector('[data-testid=map]').roadMap.stateOf(0) !== undefined"
    )


def share_of_colour(page: Page, hex_colour: str, selector: str) -> float:
    """Return the share of an element's shown pixels that have nearly this colour."""
    shot = page.locator(selector).screenshot()
    picture = f"data:image/png;base64,{base64.b64encode(shot).decode()}"
    wanted = [int(hex_colour[at : at + 2], 16) for at in (1, 3, 5)]
    share: float = page.evaluate(_COUNT, [picture, wanted])
    return share


_COUNT = """async ([picture, wanted]) => {
  const image = new Image()
  image.src = picture
  await image.decode()
  const canvas = document.createElement('canvas')
  canvas.width = image.width
  canvas.height = image.height
  const pen = canvas.getContext('2d')
  pen.drawImage(image, 0, 0)
  const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data
  let found = 0
  for (let at = 0; at < pixels.length; at += 4) {
    if (wanted.every((value, part) => Math.abs(pixels[at + part] - value) < 6)) found++
  }
  return found / (canvas.width * canvas.height)
}"""
