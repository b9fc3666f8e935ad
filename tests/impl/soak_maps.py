"""What takes too long for every run: 100,000 schedules of each map without an alarm, and 20 s of real threads each.

Not collected by itself: `make maps-30min`, or `pytest tests/impl/soak_maps.py -n 2`.
"""

from __future__ import annotations

import long_runs
import mutant_table
import pytest

SCHEDULES = 100_000

pytestmark = pytest.mark.timeout(1800)


@pytest.mark.parametrize("title", mutant_table.ROOMS)
def test_no_alarm(title: str) -> None:
    assert mutant_table.ROOMS[title].alarms(SCHEDULES, seed=0) == []


@pytest.mark.parametrize("name", long_runs.NAMES)
def test_twenty_seconds_of_real_threads(name: str) -> None:
    print(long_runs.long(name, seconds=20))
