"""The console in a real browser: painted links, a decision, keys, languages, a lost connection."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, WebSocketRoute, expect

from console_browser import (
    SMALL,
    WIDE,
    browser,
    open_map,
    page_of,
    served,
    share_of_colour,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

FILLS = {"A": "#4377BC", "B": "#72BCDD", "C": "#D3ECC6", "D": "#FBDD3F", "E": "#F08A24"}
SCREENS = ("map", "corridor", "decisions", "access", "system")
TRANSFER_LIMIT_BYTES = 500_000

expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """Serve the console."""
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """Start the browser once."""
    with browser() as started:
        yield started


def test_every_link_is_painted_in_the_colour_of_its_class(base: str, chrome: Browser) -> None:
    with page_of(chrome) as (page, notes):
        open_map(page, base)
        version = page.request.get(f"{base}/api/v1/network").json()["version"]
        links = page.request.get(f"{base}/api/v1/network/{version}/links").json()["features"]
        painted = page.evaluate(
            """rows => {
              const map = document.querySelector('[data-testid=map]').roadMap
              return rows.map(row => map.stateOf(row) ?? null)
            }""",
            [link["properties"]["row"] for link in links],
        )
        assert len(painted) == len(links) > 100
        assert None not in painted
        shown = {state for state in painted if state < len(FILLS)}
        assert shown, "no link has a speed class"
        counts = page.locator(".legend .count").all_inner_texts()
        assert sum(int(text) for text in counts) == len(links)
        commonest = max(shown, key=painted.count)
        fill = list(FILLS.values())[commonest]
        assert share_of_colour(page, fill, "[data-testid=map]") > 0.0005
        incidents = page.request.get(f"{base}/api/v1/picture").json()["incidents"]
        assert incidents
        page.wait_for_function(
            "n => document.querySelector('[data-testid=map]').roadMap"
            ".known.get('incidents')?.features.length === n",
            arg=len(incidents),
        )
        assert not notes.complaints
        assert not notes.strangers(base)


def test_the_first_page_is_light(base: str, chrome: Browser) -> None:
    with page_of(chrome) as (page, _):
        sizes: dict[str, int] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        kinds: dict[str, str] = {}
        session.on(
            "Network.responseReceived",
            lambda event: kinds.__setitem__(event["requestId"], event["response"]["url"]),
        )
        session.on(
            "Network.loadingFinished",
            lambda event: sizes.__setitem__(event["requestId"], event["encodedDataLength"]),
        )
        open_map(page, base)
        worker = page.request.get(next(url for url in _assets(page) if "worker" in url))
        assert worker.headers["content-encoding"] == "gzip"
        moved = sum(size for name, size in sizes.items() if "/assets/" in kinds.get(name, ""))
        assert 100_000 < moved < TRANSFER_LIMIT_BYTES


def _assets(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        "() => performance.getEntriesByType('resource').map(e => e.name)"
    )
    return [url for url in found if "/assets/" in url]


def test_a_link_shows_what_is_known_of_it(base: str, chrome: Browser) -> None:
    with page_of(chrome) as (page, notes):
        first = page.request.get(f"{base}/api/v1/corridors").json()[0]["links"][0]["id"]
        open_map(page, base, f"&link={first}")
        drawer = page.get_by_test_id("drawer")
        expect(drawer).to_contain_text(first)
        expect(drawer).to_contain_text("km/h")
        expect(drawer).to_contain_text("±")
        expect(drawer.locator("[data-state]").first).to_contain_text(
            re.compile("Live|Delayed|Stale")
        )
        expect(drawer.locator("polygon.band")).to_have_attribute("points", re.compile(r"\d"))
        page.get_by_role("button", name="Table", exact=True).click()
        row = page.get_by_role("row").filter(has_text=first).first
        page.get_by_role("button", name="Link", exact=True).click()
        expect(row).to_be_visible()
        assert "table=1" in page.url
        assert f"link={first}" in page.url
        page.reload()
        expect(page.get_by_role("columnheader", name="Speed class")).to_be_visible()
        expect(page.get_by_test_id("drawer")).to_contain_text(first)
        assert not notes.complaints


def proposed_card(page: Page) -> Locator:
    """Wait for the card of a proposal; the server makes one every twenty pictures."""
    card = page.get_by_test_id("card")
    expect(card).to_have_attribute("data-state", "proposed", timeout=120_000)
    return card


def test_a_person_approves_a_decision_with_a_reason(base: str, chrome: Browser) -> None:
    with page_of(chrome) as (page, notes):
        page.goto(f"{base}/?screen=decisions&lang=en")
        card = proposed_card(page)
        for word in ("Why", "Change", "Safety checks", "Valid until", "Map version"):
            expect(card).to_contain_text(word)
        card.get_by_role("button", name="Approve…").click()
        dialog = page.get_by_test_id("dialog")
        send = dialog.get_by_role("button", name="Approve")
        expect(send).to_be_disabled()
        dialog.get_by_label("Reason").fill("too short")
        expect(send).to_be_disabled()
        dialog.get_by_label("Reason").fill("the queue reaches the ramp")
        send.click()
        expect(card).not_to_have_attribute("data-state", "proposed")
        expect(card).to_contain_text("the queue reaches the ramp")
        expect(dialog).to_have_count(0)
        assert not notes.complaints


def test_a_changed_decision_is_a_conflict_that_says_what_changed(
    base: str, chrome: Browser
) -> None:
    with page_of(chrome) as (page, _):

        def overtaken(route: Route) -> None:
            """Let somebody else reject the decision a moment before this person does."""
            body = {"reason": "somebody else was quicker", "seen_version": 1}
            assert page.request.post(route.request.url, data=body).ok
            route.continue_()

        page.route(re.compile("/reject$"), overtaken)
        page.goto(f"{base}/?screen=decisions&lang=en")
        card = proposed_card(page)
        card.get_by_role("button", name="Reject…").click()
        dialog = page.get_by_test_id("dialog")
        dialog.get_by_label("Reason").fill("the other side road is full")
        dialog.get_by_role("button", name="Reject").click()
        expect(dialog).to_contain_text("changed while you were reading")
        expect(dialog).to_contain_text("proposed → rejected")


def test_the_console_is_used_by_keys_alone(base: str, chrome: Browser) -> None:
    with page_of(chrome) as (page, notes):
        open_map(page, base)
        heading = page.get_by_role("heading", level=1)
        for key, name in (
            ("2", "Corridor"),
            ("4", "Decisions"),
            ("5", "Access zones"),
            ("1", "Live map"),
        ):
            page.keyboard.press(key)
            expect(heading).to_have_text(name)
        page.wait_for_selector("[data-testid=map][data-ready=true]")
        page.locator("[data-testid=map] canvas").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("drawer")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("drawer")).to_have_count(0)
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("shortcuts")
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.keyboard.type("Glorieta")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("place="))
        assert not notes.complaints


def test_the_corridor_is_drawn_and_read_by_its_crosshair(base: str, chrome: Browser) -> None:
    with page_of(chrome, WIDE) as (page, notes):
        page.goto(f"{base}/?screen=corridor&lang=en&theme=dark")
        paper = page.get_by_test_id("timespace")
        expect(paper).to_have_attribute("data-drawn", re.compile(r"[1-9]"))
        paper.focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        readout = page.get_by_test_id("readout")
        pattern = r"km \d+\.\d\d · \d\d:\d\d · (\d+ km/h · class [A-F] · \w+|No data)"
        expect(readout).to_have_text(re.compile(pattern))
        drawn = sum(
            share_of_colour(page, fill, "[data-testid=timespace]") for fill in FILLS.values()
        )
        assert drawn > 0.2
        page.get_by_role("button", name="Table", exact=True).click()
        expect(page.get_by_role("columnheader", name="+30 min")).to_be_visible()
        assert not notes.complaints


def test_gate_events_show_no_plate(base: str, chrome: Browser) -> None:
    with page_of(chrome) as (page, notes):
        page.goto(f"{base}/?screen=access&lang=en")
        rows = page.get_by_test_id("gate-events").locator("tbody tr")
        expect(rows.first).to_be_visible()
        vehicles = [cell for cell in page.locator("td.token").all_inner_texts() if cell]
        assert all(re.fullmatch(r"v·[0-9A-F]{4}", vehicle) for vehicle in vehicles)
        assert not notes.complaints


def test_a_lost_connection_is_said_and_nothing_can_be_approved(base: str, chrome: Browser) -> None:
    with page_of(chrome) as (page, _):
        sockets: list[WebSocketRoute] = []
        cut = {"now": False}

        def routed(socket: WebSocketRoute) -> None:
            if cut["now"]:
                socket.close(code=1001)
                return
            socket.connect_to_server()
            sockets.append(socket)

        page.route_web_socket(re.compile("/stream"), routed)
        page.goto(f"{base}/?screen=decisions&lang=en")
        card = proposed_card(page)
        expect(page.get_by_test_id("connection")).to_have_text(re.compile("Connected"))
        cut["now"] = True
        sockets[0].close(code=1001)
        banner = page.get_by_test_id("lost")
        expect(banner).to_contain_text(re.compile(r"Connection lost \d\d:\d\d:\d\d\."))
        expect(card.get_by_role("button", name="Approve…")).to_be_disabled()
        expect(page.get_by_test_id("why-not")).to_have_text("No connection to the service.")
        cut["now"] = False
        banner.get_by_role("button", name="Retry now").click()
        expect(banner).to_have_count(0)
        expect(card.get_by_role("button", name="Approve…")).to_be_enabled()


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["1280", "1920"])
@pytest.mark.parametrize("screen", SCREENS)
def test_every_screen_is_sound(
    base: str, chrome: Browser, screen: str, size: tuple[int, int]
) -> None:
    with page_of(chrome, size) as (page, notes):
        page.goto(f"{base}/?screen={screen}&lang=en")
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        for landmark in ("banner", "navigation", "main"):
            expect(page.get_by_role(landmark).first).to_be_visible()
        faults: list[str] = page.evaluate(_SOUND)
        assert faults == []
        assert not notes.complaints
        assert not notes.strangers(base)


_SOUND = """() => {
  const faults = []
  const root = document.documentElement
  if (root.scrollWidth > root.clientWidth) faults.push(`scrolls sideways: ${root.scrollWidth}`)
  if (!root.lang) faults.push('no language')
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id)
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`id twice: ${id}`)
  const name = e => e.getAttribute('aria-label') || e.innerText?.trim() || e.title ||
    e.labels?.[0]?.innerText?.trim() ||
    document.getElementById(e.getAttribute('aria-labelledby'))?.innerText
  for (const e of document.querySelectorAll('button, a[href], input, select, textarea, [role]')) {
    if (['status', 'alert'].includes(e.role)) continue
    if (e.checkVisibility() && !name(e)) faults.push(`no name: ${e.outerHTML.slice(0, 90)}`)
  }
  for (const e of document.querySelectorAll('button, a[href], input, select')) {
    const box = e.getBoundingClientRect()
    const label = e.closest('label')
    if (!e.checkVisibility() || e.matches('.skip') || label) continue
    if (box.width < 24 || box.height < 24) faults.push(`small: ${e.outerHTML.slice(0, 90)}`)
  }
  return faults
}"""


@pytest.mark.parametrize(
    ("language", "title", "tag"), [("es", "Mapa en vivo", "es"), ("zh", "实时地图", "zh-Hans")]
)
def test_other_languages(base: str, chrome: Browser, language: str, title: str, tag: str) -> None:
    with page_of(chrome) as (page, notes):
        page.goto(f"{base}/?lang={language}")
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        assert page.evaluate("document.documentElement.lang") == tag
        assert not notes.complaints
