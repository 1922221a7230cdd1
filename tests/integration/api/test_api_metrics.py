"""The page of the metrics and /metrics say the same; the histograms add up."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from api_house import House, picture
from twin.ingest.timings import BATCH, BOUNDS_S, KERNELS, Timings
from twin.log.contract import Place
from twin.store.commit import assign, write_commit
from twin.store.records import Commit, Tally
from twin.units import SECOND_US

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
ROW = re.compile(r"^\| `(twin_\w+)` \| (\w+) \|([^|]*)\| (.+) \|$", re.MULTILINE)


async def full_house(house: House, timings: Timings) -> str:
    """Give every metric something to tell, and read them."""
    place = Place("reading", 0)
    _, epochs = await assign(house.served.database, [place], "test")
    tally = Tally("a", "reading", received=2, applied=1, rejected=1, reasons={"future": 1})
    done = Commit(
        epochs=epochs,
        positions={place: 1},
        tallies=(tally,),
        watermarks={place: house.clock.now_us() - 4 * SECOND_US},
    )
    await write_commit(house.served.database, done)
    assert house.worker is not None
    house.worker = replace(house.worker, timings=timings.steps(), lost={"reading/0": 2})
    house.served.board.publish(picture(house.served.network))
    async with house.client() as client:
        return (await client.get("/metrics")).text


async def test_every_metric_stands_in_the_page_with_its_kind_and_labels(house: House) -> None:
    text = await full_house(house, Timings())
    served = {}
    for family in text_string_to_metric_families(text):
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        served[family.name] = (family.type, labels)
    page = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, _ in ROW.findall(PAGE.read_text(encoding="utf-8"))
    }
    assert page == served


async def test_what_the_operations_ask_for_is_there(house: House) -> None:
    text = await full_house(house, Timings())
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["twin_watermark_age_seconds", "reading/0"] == 4.0
    assert samples["twin_events_rejected_total", "a", "future", "reading"] == 1.0
    assert samples["twin_lost_records", "reading/0"] == 2.0


async def test_a_histogram_counts_every_duration_once(house: House) -> None:
    timings = Timings()
    for took_s in (0.0005, 0.002, 0.002, 3.0, 99.0):
        timings.steps()["commit"].add(took_s)
    with timings.of("observe"):
        pass
    text = await full_house(house, timings)
    buckets = dict(
        re.findall(r'twin_batch_seconds_bucket\{le="([^"]+)",step="commit"\} (\S+)', text)
    )
    assert [float(buckets[f"{bound:g}"]) for bound in BOUNDS_S] == [1, 3, *[3] * 9, 4, 4]
    assert float(buckets["+Inf"]) == 5
    assert 'twin_batch_seconds_count{step="commit"} 5.0' in text
    assert 'twin_batch_seconds_sum{step="commit"} 102.0045' in text
    assert 'twin_kernel_seconds_count{work="observe"} 1.0' in text
    for step in BATCH:
        assert f'twin_batch_seconds_count{{step="{step}"}}' in text
    for work in KERNELS:
        assert f'twin_kernel_seconds_count{{work="{work}"}}' in text
