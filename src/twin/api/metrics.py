"""Numbers for Prometheus: what came in, how far behind, how old, who looks on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.responses import Response

from twin.api.auth import House
from twin.api.classes import SpeedClass, link_classes
from twin.api.health import not_ready
from twin.api.routes import Endpoint
from twin.api.served import Served
from twin.errors import BackendError
from twin.ingest.roles import ProcessRole
from twin.ingest.timings import BATCH, BOUNDS_S, KERNELS, Timing
from twin.log.contract import Place
from twin.store.accounting import totals
from twin.store.keys import stored_watermarks
from twin.store.records import Tally
from twin.units import SECOND_US

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_VERDICTS: Final = ("received", "applied", "revised", "duplicate", "late", "rejected")


class _Snapshot(Collector):
    """The numbers of one scrape, read before it: collecting does no I/O."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


async def metrics(served: House) -> Response:
    """Give the metrics in Prometheus' text format."""
    reasons = await not_ready(served)
    found: list[Metric] = [
        _gauge("twin_ready", "1 when the service does its work", float(not reasons))
    ]
    try:
        found += _events(await totals(served.database))
        found.append(_watermarks(served, await stored_watermarks(served.database)))
    except BackendError:
        found.append(_gauge("twin_database_up", "1 when the database answers", 0.0))
    else:
        found.append(_gauge("twin_database_up", "1 when the database answers", 1.0))
    found += _live(served)
    found += _worker(served)
    found.append(_process(served))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(found))
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE})


def _process(served: Served) -> Metric:
    """Say which part this process plays: a forecaster that leads is running, others stand by."""
    health = served.worker_health()
    family = GaugeMetricFamily(
        "twin_process", "1 for the role and state of this process", labels=["role", "state"]
    )
    family.add_metric([str(served.role), health.state if health is not None else "starting"], 1.0)
    return family


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _events(entries: Iterable[Tally]) -> list[Metric]:
    events = CounterMetricFamily(
        "twin_events",
        "Events by verdict; revised is a part of applied",
        labels=["source", "topic", "verdict"],
    )
    rejected = CounterMetricFamily(
        "twin_events_rejected", "Rejected events by reason", labels=["source", "topic", "reason"]
    )
    for entry in entries:
        for verdict in _VERDICTS:
            events.add_metric([entry.source, entry.topic, verdict], getattr(entry, verdict))
        for reason, count in entry.reasons.items():
            rejected.add_metric([entry.source, entry.topic, reason], count)
    return [events, rejected]


def _watermarks(served: Served, watermarks: Mapping[Place, int]) -> Metric:
    now_us = served.clock.now_us()
    ages = {str(place): (now_us - time_us) / SECOND_US for place, time_us in watermarks.items()}
    return _by_partition("twin_watermark_age_seconds", "Age of the newest event time", ages)


def _live(served: Served) -> list[Metric]:
    board, now_us = served.board, served.clock.now_us()
    found: list[Metric] = [
        _gauge("twin_stream_clients", "Readers of the live stream", board.stream_clients),
        CounterMetricFamily("twin_stream_frames", "Frames chosen for sending", board.frames_sent),
        CounterMetricFamily("twin_clients_cut", "Connections that took nothing", served.cut.count),
    ]
    picture = board.picture
    if picture is None:
        return found
    age_s = (now_us - picture.time_us) / SECOND_US
    found.append(_gauge("twin_picture_age_seconds", "Age of the newest picture", age_s))
    found.append(_gauge("twin_open_decisions", "Open decisions", len(picture.decisions)))
    if picture.forecast is not None:
        age_s = (now_us - picture.forecast.made_us) / SECOND_US
        found.append(_gauge("twin_forecast_age_seconds", "Age of the forecast", age_s))
    classes = link_classes(picture.links, board.free_speed_mps)
    links = GaugeMetricFamily("twin_links", "Links by speed class", labels=["class"])
    for name in SpeedClass:
        links.add_metric([name], classes.count(name))
    return [*found, links]


def _worker(served: Served) -> list[Metric]:
    health = served.worker_health()
    if health is None or served.role is ProcessRole.API:
        return []
    found: list[Metric] = [
        _by_partition("twin_lag_records", "Records on the log not yet taken", health.lag),
        _by_partition("twin_lost_records", "Records that retention took unread", health.lost),
        CounterMetricFamily("twin_worker_records", "Records taken", health.records),
        CounterMetricFamily("twin_worker_commits", "Commits written", health.commits),
        CounterMetricFamily("twin_worker_published", "Records published", health.published),
        CounterMetricFamily("twin_forecasts", "Forecasts taken in", health.forecasts),
        CounterMetricFamily("twin_forecasts_dropped", "Too late", health.forecasts_dropped),
        CounterMetricFamily(
            "twin_signal_requests_refused", "Refused by the safety gate", health.requests_refused
        ),
        _gauge("twin_junction_findings", "Faults that bar junctions", health.junction_findings),
        CounterMetricFamily(
            "twin_stored_stages_dropped", "Not taken back in", health.decisions_dropped
        ),
        _gauge("twin_behind_seconds", "Age of the newest record taken", health.behind_s),
        _by_partition(
            "twin_partition_idle",
            "1 where nothing waits and nothing came for two minutes",
            {place: float(place in health.idle) for place in health.lag},
        ),
        CounterMetricFamily(
            "twin_consumer_rebuilt", "Readers of the log that stood still", health.rebuilt
        ),
    ]
    found += _steps(health.timings)
    now_us = served.clock.now_us()
    for name, text, then_us in (
        ("twin_commit_age_seconds", "Age of the last commit", health.last_commit_us),
        ("twin_beat_age_seconds", "Age of the last beat", health.last_tick_us),
    ):
        if then_us is not None:
            found.append(_gauge(name, text, (now_us - then_us) / SECOND_US))
    return found


def _steps(timings: Mapping[str, Timing]) -> list[Metric]:
    """Histograms of what a batch goes through, and of what computes on arrays."""
    families: list[Metric] = []
    for name, text, label, steps in (
        ("twin_batch_seconds", "Time of one batch in each step", "step", BATCH),
        ("twin_kernel_seconds", "Time of one computation on arrays", "work", KERNELS),
    ):
        family = HistogramMetricFamily(name, text, labels=[label])
        for step in steps:
            timing = timings.get(step, Timing())
            ends = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
            buckets = list(zip(ends, accumulate(timing.counts), strict=True))
            family.add_metric([step], buckets, timing.total_s)
        families.append(family)
    return families


def _by_partition(name: str, text: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["partition"])
    for partition, value in values.items():
        family.add_metric([partition], value)
    return family


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/metrics",
        handler=metrics,
        summary="Numbers for Prometheus",
        tag="service",
        answer={"type": "string"},
        media="text/plain",
        prefix="",
    ),
)
