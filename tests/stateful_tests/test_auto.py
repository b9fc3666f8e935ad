"""`auto` on a bug that two preemptions are the least for: found early whatever the seed, and not where there is none."""

from __future__ import annotations

from typing import Any

import epoch_maps
import pytest
from epoch_maps import EpochMap, LockedEpochMap
from exploring import explore

from mapproof.stateful_tests.explorer.plan import ALL, Auto, bounded, reduced

pytestmark = pytest.mark.interpreter

FILES = [epoch_maps.__file__]
MOST = 300


def put_and_two_resizes(make: type[EpochMap]) -> Any:
    """The outcome is whether a key that was acknowledged is lost."""
    made = make()
    acknowledged: list[bool] = []
    tasks = [lambda: acknowledged.append(made.put("key", 1)), made.resize, made.resize]
    return tasks, lambda: acknowledged == [True] and "key" not in made.table


def loses(make: type[EpochMap], plan: Any, runs: int = 100_000) -> list[bool]:
    return [lost for _, lost in explore(lambda: put_and_two_resizes(make), plan, files=FILES, runs=runs)]


def test_every_seed_finds_it_early() -> None:
    late = {}
    for seed in range(100):
        found = loses(EpochMap, Auto(seed), MOST)
        if True not in found:
            late[seed] = len(found)
    assert late == {}


def test_fewer_than_two_preemptions_do_not_show_it() -> None:
    for preemptions in (0, 1):
        plan = bounded(preemptions)
        assert True not in loses(EpochMap, plan)
        assert plan.exhausted == f"preemptions <= {preemptions}"
    assert True in loses(EpochMap, bounded(2), 5_000)


def test_with_a_lock_every_schedule_is_right() -> None:
    plan = bounded(2)
    assert True not in loses(LockedEpochMap, plan)
    assert plan.exhausted == "preemptions <= 2"


def test_with_a_lock_so_is_one_schedule_of_every_kind() -> None:
    plan = reduced(frozenset(FILES))
    assert True not in loses(LockedEpochMap, plan, 20_000)
    assert plan.exhausted == ALL
