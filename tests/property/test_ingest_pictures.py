"""Pictures on their way: a reader has what the writer had, whatever was lost in between."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_city import START_US, incident
from twin.errors import InputError
from twin.events import Incident
from twin.forecast.result import Forecast
from twin.ingest.packing import Joiner, cut, pack, unpack, wholes
from twin.ingest.pictures import KEY_EVERY, STEPS, PictureDecoder, PictureEncoder
from twin.perceive.state import LinkState, Measured
from twin.picture import Picture
from twin.units import SECOND_US

LINKS, SENSORS = 9, 4
_FLOATS = [field.name for field in fields(LinkState) if field.type == "Floats"]
_CODES = [field.name for field in fields(LinkState) if field.type == "Codes"]


def picture_of(seed: int, sequence: int, *, version: str = "1" * 32) -> Picture:
    """Make a picture in which some columns move a little, some much, and some values are gone."""
    random = np.random.default_rng(seed)
    time_us = START_US + sequence * SECOND_US

    def column() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        values = random.choice([5.0, 5.0001, 7.3, 12.5, np.nan], LINKS)
        return np.asarray(values + random.choice([0.0, 0.003], LINKS), np.float64)

    columns: dict[str, Any] = {name: column() for name in _FLOATS}
    columns |= {name: random.integers(0, 4, LINKS).astype(np.uint8) for name in _CODES}
    return Picture(
        time_us=time_us,
        sequence=sequence,
        map_version=version,
        links=LinkState(
            time_us=time_us,
            **columns,
        ),
        measured=Measured(
            time_us=random.integers(-1, 3, SENSORS),
            period_ms=random.integers(0, 2, SENSORS),
            count=random.choice([1.0, np.nan], SENSORS),
            speed_mps=random.choice([1.1, np.nan], SENSORS),
            occupancy_frac=random.choice([0.2, np.nan], SENSORS),
        ),
        forecast=None,
        signals=(),
        incidents=_incidents() if random.random() < 0.5 else (),
        decisions=(),
    )


def _incidents() -> tuple[Incident, ...]:
    return (msgspec.json.decode(incident(), type=Incident),)


def check_same(found: Picture, truth: Picture) -> None:
    """Compare: measured to the bit, links within the steps, and never a value where none was."""
    for name in _FLOATS:
        want, got = getattr(truth.links, name), getattr(found.links, name)
        assert (np.isnan(want) == np.isnan(got)).all(), name
        assert np.nanmax(np.abs(want - got), initial=0.0) <= STEPS[name] + 1e-5, name
    for name in _CODES:
        assert (getattr(found.links, name) == getattr(truth.links, name)).all()
    for field in fields(Measured):
        want, got = getattr(truth.measured, field.name), getattr(found.measured, field.name)
        assert want.tobytes() == got.tobytes(), field.name
    rest = {"links", "measured", "sequence"}
    for field in fields(Picture):
        if field.name not in rest:
            assert getattr(found, field.name) == getattr(truth, field.name), field.name


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=70))
def test_a_reader_has_the_picture_or_waits_for_a_key_frame(steps: list[tuple[int, bool]]) -> None:
    encoder, decoder = PictureEncoder(first=100), PictureDecoder()
    whole = True
    waits = 0
    for number, (seed, arrives) in enumerate(steps, start=1):
        truth = picture_of(seed, number)
        sent, body = encoder.encode(truth)
        assert sent == 100 + number
        if not arrives:
            whole = False
            continue
        found = decoder.decode(body)
        waits = 0 if found is not None else waits + 1
        assert waits < KEY_EVERY
        if whole:
            assert found is not None
        if found is not None:
            whole = True
            assert found[0].sequence == sent
            check_same(found[0], truth)


def test_errors_do_not_add_up() -> None:
    """A value that creeps by less than a step each time is sent before it is a step behind."""
    encoder, decoder = PictureEncoder(), PictureDecoder()
    still = picture_of(3, 1)
    for number in range(1, KEY_EVERY):
        speeds = np.full(LINKS, 10.0 + 0.001 * number)
        picture = replace(still, sequence=number, links=replace(still.links, speed_mps=speeds))
        found = decoder.decode(encoder.encode(picture)[1])
        assert found is not None
        assert np.abs(found[0].links.speed_mps - speeds).max() <= STEPS["speed_mps"] + 1e-5


def test_what_does_not_change_costs_next_to_nothing() -> None:
    encoder = PictureEncoder()
    first = encoder.encode(picture_of(5, 1))[1]
    second = encoder.encode(replace(picture_of(5, 1), sequence=2))[1]
    assert len(second) < len(first) / 4


def test_another_map_begins_with_a_key_frame() -> None:
    encoder, decoder = PictureEncoder(), PictureDecoder()
    encoder.encode(picture_of(1, 1))
    found = decoder.decode(encoder.encode(picture_of(2, 2, version="2" * 32))[1])
    assert found is not None
    assert found[0].map_version == "2" * 32


def test_pictures_in_hand_never_change() -> None:
    encoder, decoder = PictureEncoder(), PictureDecoder()
    held = decoder.decode(encoder.encode(picture_of(1, 1))[1])
    assert held is not None
    before = held[0].measured.time_us.copy(), held[0].links.speed_mps.copy()
    decoder.decode(encoder.encode(picture_of(2, 2))[1])
    assert (held[0].measured.time_us == before[0]).all()
    assert np.array_equal(held[0].links.speed_mps, before[1], equal_nan=True)


@given(st.binary(max_size=200))
def test_anything_else_is_no_frame(body: bytes) -> None:
    with pytest.raises(InputError):
        PictureDecoder().decode(body)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6), st.integers(1, 20))
def test_pieces_make_the_whole(bodies: list[bytes], at: int) -> None:
    log = [
        value
        for number, body in enumerate(bodies)
        for value in cut(body, epoch=3, number=number, at=at)
    ]
    found = list(wholes(Joiner(), log))
    assert [(whole.epoch, whole.number, whole.body) for whole in found] == [
        (3, number, body) for number, body in enumerate(bodies)
    ]


def test_a_leader_of_the_past_is_not_heard() -> None:
    old, new = (cut(b"x" * 30, epoch=epoch, number=epoch, at=10) for epoch in (1, 2))
    mixed = [old[0], new[0], old[1], new[1], old[2], new[2], *old]
    assert [whole.epoch for whole in wholes(Joiner(), mixed)] == [2]
    torn = [new[0], new[2], *new[1:], *new]
    assert [whole.number for whole in wholes(Joiner(), torn)] == [2]


def test_a_forecast_comes_out_as_it_went_in() -> None:
    speed, low, high, flow, density = np.random.default_rng(1).random((5, 3, LINKS))
    forecast = Forecast(
        id="f",
        made_us=5,
        map_version="1" * 32,
        step_s=300.0,
        speed_mps=speed,
        speed_lo_mps=low,
        speed_hi_mps=high,
        flow_vps=flow,
        density_vpm=density,
        method=np.arange(LINKS, dtype=np.uint8),
        weights=np.full((LINKS, 6), 0.25, np.float32),
        physics_mps=np.ones((3, LINKS), np.float32),
        learned_us=7,
    )
    found = unpack(pack(forecast), Forecast)
    for field in fields(Forecast):
        assert np.array_equal(getattr(found, field.name), getattr(forecast, field.name))
    with pytest.raises(InputError, match="Forecast"):
        unpack(b"\x01", Forecast)
