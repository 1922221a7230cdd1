"""The report: one file, nothing fetched, everything said, the same bytes for the same results."""

from __future__ import annotations

import base64
import html
import re

import pytest

import scenario_outcomes as hand
from twin.scenario.report import About, EditTold, report_html
from twin.scenario.report.rows import number
from twin.scenario.results import Results, results_of
from twin.scenario.results.emissions import EXAMPLE_MARK
from twin.scenario.results.service import EDITION

ABOUT = About(
    title="The exit of road A <narrowed>",
    description="The exit passes less.",
    learn="Queues grow with the square of time.",
    date="2026-09-22",
    edits=(EditTold("07:00–08:00", "A4: 2400 veh/h at its exit", "works"),),
    assumptions=(("Demand", "3000 veh/h"),),
    versions=(("twin", "0.1.0"),),
    warnings=("Read this first.",),
)


@pytest.fixture(scope="module")
def results() -> Results:
    return results_of(hand.pair())


@pytest.fixture(scope="module")
def page(results: Results) -> str:
    return report_html(results, ABOUT, touched=frozenset({"A4"}))


def test_it_fetches_nothing(page: str) -> None:
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) >= 7
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "@import" not in page
    assert "<script" not in page
    assert not re.search(r"url\((?!['\"]?data:)", page)


def test_pictures_are_vector_graphics_with_words(page: str) -> None:
    pictures = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]*)" alt="([^"]*)"', page)
    for data, words in pictures:
        assert b"<svg" in base64.b64decode(data)
        assert len(words) > 40


def test_it_says_what_was_asked_and_with_what(page: str) -> None:
    text = html.unescape(re.sub(r"<[^>]*>", " ", page))
    for words in (
        "The exit of road A <narrowed>",
        "Queues grow with the square of time.",
        "A4: 2400 veh/h at its exit",
        "3000 veh/h",
        "Read this first.",
        "Seeds 1, 2, 3",
        EXAMPLE_MARK,
        EDITION,
        "What is not modelled",
        "stop-and-go waves",
        "0" * 32,
    ):
        assert words in " ".join(text.split()), words


def test_a_difference_beyond_noise_is_worse_and_none_is_quiet(page: str) -> None:
    rows = {
        match[1]: match[2] for match in re.finditer(r"<tr><td>([^<]*)</td>.*?mark (\w+)\">", page)
    }
    assert rows["Delay of all trips"] == "worse"
    assert rows["Mean speed on the road"] == "worse"
    assert rows["Trips that want to depart"] == "quiet"


def test_without_edits_it_says_so_and_nothing_differs() -> None:
    same = report_html(results_of(hand.pair(exit_vph=4000.0)), About(title="nothing"))
    assert "base and edited are the same" in same
    assert "No link’s delay changes beyond noise" in same
    assert 'class="mark worse"' not in same
    assert 'class="mark better"' not in same


def test_one_seed_has_no_intervals() -> None:
    page = report_html(results_of(hand.pair(demand_vph=(3000.0,))), About(title="one"))
    assert "one seed: no interval" in page
    assert 'class="mark worse"' not in page


def test_the_same_results_make_the_same_bytes(results: Results, page: str) -> None:
    assert report_html(results, ABOUT, touched=frozenset({"A4"})) == page


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"),
        (-0.001, "0"),
        (1.234, "1.23"),
        (-12.34, "−12.3"),
        (1234567.0, "1\u202f234\u202f567"),
        (float("nan"), "–"),
    ],
)
def test_numbers_are_written_for_people(value: float, words: str) -> None:
    assert number(value) == words
