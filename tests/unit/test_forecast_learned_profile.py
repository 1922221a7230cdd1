"""Calendar, learned profile, neighbours."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np

from forecast_series import DAY, chain, corridor
from twin.forecast.learned.calendar import Calendar
from twin.forecast.learned.neighbours import from_map, learned
from twin.forecast.learned.profile import DAYS, MEAN, Profile, leave_one_out


def test_kind_of_day_follows_the_week_and_the_holidays() -> None:
    calendar = Calendar(datetime(2012, 3, 1, 23, 50), frozenset({date(2012, 3, 5)}))  # noqa: DTZ001
    rows = np.array([0, 2, 2 + DAY, 2 + 3 * DAY, 2 + 4 * DAY], np.int64)
    assert calendar.slots(rows).tolist() == [286, 0, 0, 0, 0]
    assert calendar.kinds(rows).tolist() == [0, 0, 1, 1, 0]
    assert Calendar().kinds(rows).tolist() == [0] * 5


def test_a_left_out_profile_is_what_the_other_days_say() -> None:
    values = np.repeat([[10.0], [20.0], [60.0]], DAY, axis=0)
    found = leave_one_out(values, Calendar())
    middle = [DAY // 2, DAY + DAY // 2, 2 * DAY + DAY // 2]
    assert found[MEAN, middle, 0].tolist() == [40.0, 35.0, 15.0]
    assert np.allclose(found[DAYS, middle, 0], 2.0)
    changed = values.copy()
    changed[DAY + 100] = 999.0
    again = leave_one_out(changed, Calendar())
    assert again[MEAN, DAY + 100, 0] == found[MEAN, DAY + 100, 0]


def test_one_day_alone_has_no_left_out_profile() -> None:
    found = leave_one_out(np.full((DAY, 2), 50.0), Calendar())[MEAN]
    assert np.isnan(found[2:-2]).all()  # midnight looks over to the other end


def test_a_profile_of_the_other_kind_stands_in() -> None:
    profile = Profile.empty(1)
    for slot in range(DAY):
        profile.add(1, slot, np.array([30.0]))
    kinds, slots = np.array([0, 1]), np.array([7, 7])
    mean, _, days = profile.at(kinds, slots)
    assert mean[:, 0].tolist() == [30.0, 30.0]
    assert days[:, 0].tolist() == [0.0, 1.0]


def test_neighbours_come_from_the_map_or_from_the_data() -> None:
    mapped = from_map(chain(5), 5)
    assert mapped.ahead[0].tolist() == [1, 2, -1, -1]
    assert mapped.behind[2].tolist() == [1, 0, -1, -1]
    blank = from_map(None, 5)
    assert (blank.ahead == -1).all()
    values = corridor(2.0, 5)
    found = learned(blank, values - values.mean(axis=0))
    assert (found.beside[:, 0] >= 0).all()
    assert (found.ahead[0] != 0).all()
