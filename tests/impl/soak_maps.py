"""What takes too long for every run: 100,000 schedules of each map without an alarm, and 20 s of real threads each.

Not collected by itself: `make maps-15min`, or `pytest tests/impl/soak_maps.py -n 2 -rP`, which shows the numbers.
"""

from __future__ import annotations

import long_runs
import mutant_table
import mutants_inventory
import mutants_local_cache
import pytest

from mapproof.spec.evidence import Verdict

SCHEDULES = 100_000
SECONDS = 20.0
"""Of running; to judge what was recorded comes on top."""

pytestmark = pytest.mark.timeout(1800)


@pytest.mark.parametrize("title", mutant_table.ROOMS)
def test_no_alarm(title: str) -> None:
    assert mutant_table.ROOMS[title].alarms(SCHEDULES, seed=0) == []


@pytest.mark.parametrize("name", long_runs.MAPS)
def test_real_threads(name: str) -> None:
    outcomes = long_runs.long(name, SECONDS)
    print(*outcomes, sep="\n")
    assert [outcome.verdict for outcome in outcomes] == [Verdict.LINEARIZABLE] * len(outcomes)


def test_real_threads_at_the_inventories() -> None:
    said = mutants_inventory.real_threads(SECONDS)
    print(said)
    assert said.startswith("LINEARIZABLE: ")


def test_real_threads_at_the_local_cache() -> None:
    said = mutants_local_cache.real_threads(SECONDS)
    print(said)
    assert said.startswith("WITHIN THE BOUND: ")
