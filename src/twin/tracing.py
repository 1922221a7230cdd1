"""Traces from an event's arrival to the frame that shows it (OpenTelemetry, the extra `otel`).

One chain of spans: `accepted` (its request), `log append`, `judged`, `committed`, `picture`,
`frame`. The context travels in the header `traceparent` of the records on the log, whatever engine
keeps it. Nothing that was sent stands in a span: counts, topics and sequence numbers only.

Off until `start_traces`: every function then returns at its first line, and nothing of
OpenTelemetry is imported.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from twin.errors import Fault, SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import SpanContext

TRACEPARENT: Final = "traceparent"
DEFAULT_SHARE: Final = 0.01
MOST_OF_A_FETCH: Final = 32
"""Traces that are followed out of one fetch; the others end with their append."""
MOST_WAITING: Final = 256
"""Traces that wait for a picture, and pictures that wait for a frame: the oldest give way."""
_PARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]([13579bdf])")
_NO_HEADERS: Final[Mapping[str, str]] = {}
_MISSING: Final = "needs OpenTelemetry: pip install 'twin[otel]', or leave the setting out"


@dataclass(slots=True)
class Journey:
    """Sampled events of one fetch on their way to a picture; `since_ns` ends the last span."""

    spans: list[SpanContext]
    since_ns: int


@dataclass
class _Trail:
    """What is followed at this moment. Written and read on the event loop only."""

    provider: TracerProvider
    waiting: deque[Journey] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))
    shown: dict[int, Journey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tracer = self.provider.get_tracer("twin")

    def step(self, journey: Journey, name: str, **facts: int | str) -> Journey:
        """Close one more span of every event, from the end of its last one until now."""
        from opentelemetry import trace

        now_ns = time.time_ns()
        found = []
        for parent in journey.spans:
            context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
            span = self.tracer.start_span(
                name, context=context, start_time=journey.since_ns, attributes=dict(facts)
            )
            span.end(now_ns)
            found.append(span.get_span_context())
        return Journey(found, now_ns)


_trail: _Trail | None = None


def start_traces(
    share: float | None,
    environ: Mapping[str, str],
    *,
    processor: Callable[[], SpanProcessor] | None = None,
) -> bool:
    """Begin to trace where it is wanted; say whether it is.

    share       of requests that are followed, 0 to 1; None: 0.01 where an OTLP endpoint is named
                in the environment (OTEL_EXPORTER_OTLP_ENDPOINT), else none
    processor   makes what takes finished spans: OTLP over HTTP, in batches, unless given

    Raises SettingsError when traces are wanted and OpenTelemetry is not installed.
    """
    global _trail
    named = [name for name in environ if name.startswith("OTEL_EXPORTER_OTLP_")]
    endpoint = any(name.endswith("ENDPOINT") for name in named)
    wanted = (DEFAULT_SHARE if endpoint else 0.0) if share is None else share
    if wanted <= 0:
        return False
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        made = (processor or _otlp)()
    except ImportError as error:
        raise SettingsError(Fault("TWIN_TRACES", f"{wanted:g}", _MISSING, "missing")) from error
    named_so = {} if "OTEL_SERVICE_NAME" in environ else {"service.name": "twin"}
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(wanted)),
        resource=Resource.create(named_so),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(made)
    _trail = _Trail(provider)
    return True


def stop_traces() -> None:
    """Send what waits and be off."""
    global _trail
    trail, _trail = _trail, None
    if trail is not None:
        trail.provider.shutdown()


def _otlp() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter())


@contextmanager
def accepted(topic: str) -> Iterator[None]:
    """Span over a request that brings events, from its body to its answer."""
    if _trail is None:
        yield
        return
    with _trail.tracer.start_as_current_span("accepted", attributes={"topic": topic}):
        yield


@contextmanager
def appending(topic: str, count: int) -> Iterator[Mapping[str, str]]:
    """Span over an append to the log; gives the headers that its records must bear."""
    if _trail is None:
        yield _NO_HEADERS
        return
    facts: dict[str, Any] = {"topic": topic, "events": count}
    with _trail.tracer.start_as_current_span("log append", attributes=facts) as span:
        context = span.get_span_context()
        text = f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
        yield {TRACEPARENT: text} if span.is_recording() else _NO_HEADERS


def taken(headers: Iterable[Sequence[Mapping[str, str]]]) -> Journey | None:
    """Find the sampled events of a fetch by the headers of its records; None for none."""
    if _trail is None:
        return None
    from opentelemetry.trace import SpanContext, TraceFlags

    texts = {text for part in headers for each in part if (text := each.get(TRACEPARENT))}
    found: list[SpanContext] = []
    for text in sorted(texts):
        match = _PARENT.fullmatch(text)
        if match is not None and len(found) < MOST_OF_A_FETCH:
            trace_id, span_id = int(match[1], 16), int(match[2], 16)
            context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(1))
            found.extend([context] if context.is_valid else [])
    return Journey(found, time.time_ns()) if found else None


def judged(journey: Journey | None, records: int) -> Journey | None:
    """Say that a fetch has its verdicts."""
    if _trail is None or journey is None:
        return None
    return _trail.step(journey, "judged", records=records)


def committed(journey: Journey | None) -> None:
    """Say that a fetch is stored: from here on its events wait for a picture."""
    if _trail is None or journey is None:
        return
    _trail.waiting.append(_trail.step(journey, "committed"))


def pictured(sequence: int) -> None:
    """Say that a picture was made and stored: it shows everything that was committed."""
    if _trail is None or not _trail.waiting:
        return
    found = [_trail.step(journey, "picture", sequence=sequence) for journey in _trail.waiting]
    _trail.waiting.clear()
    _trail.shown[sequence] = Journey(
        [span for journey in found for span in journey.spans], found[-1].since_ns
    )
    while len(_trail.shown) > MOST_WAITING:
        del _trail.shown[next(iter(_trail.shown))]


def framed(sequence: int) -> None:
    """Say that the frame of a picture goes out to a client: the first one closes the chain."""
    if _trail is None:
        return
    while _trail.shown and (first := next(iter(_trail.shown))) <= sequence:
        _trail.step(_trail.shown.pop(first), "frame", sequence=sequence)
