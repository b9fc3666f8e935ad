"""Go's built-in map in several threads: what its flag notices and what it does not, every schedule within a bound.

The idea: without a lock the explorer finds both kinds of schedule, and the shortest of each are written down in
`plain_map_flags.py`. Under an RWMutex, and for readers alone, no schedule goes wrong; `mutants_plain_map.py` has
the guards and flags with a slip that do.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from mutants_plain_map import alarms
from plain_map_flags import EIGHT, WITHOUT_A_LOCK, not_as_go, spread

from mapproof.impl.guarded_map import GuardedMap
from mapproof.impl.plain_map import PlainMap
from mapproof.impl.plain_map_buckets import hash64
from mapproof.spec.evidence import Verdict
from mapproof.spec.linearizability import Linearizable, check
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.catalogue.guarded_map import FULL, HALF_GROWN, explorations, numbered
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.conformance import MapIsWrong, check_map
from mapproof.stateful_tests.execution import Checks, laboratory
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.fail_fast import TWO_STORES, report, runs, shortest, target
from mapproof.stateful_tests.real_threads import record

# -- without a lock


def test_what_the_flag_notices() -> None:
    for situation in WITHOUT_A_LOCK:
        assert not_as_go(PlainMap, situation) == ""


def test_the_shortest_overlap_that_nothing_notices() -> None:
    """Both see the flag clear, both set it, both mutate, both see it set, both clear it; a key is lost."""
    overlapping = [run for run in runs(PlainMap, 3, *TWO_STORES) if run.overlaps]
    unnoticed = [run for run in overlapping if not run.noticed]
    assert (len(unnoticed), len(overlapping)) == (12, 414)
    assert shortest(unnoticed) == [
        "1: read flags, read flags",
        "2: read flags, read flags, write flags, write key[1]",
        "1: write flags, write key[1], write tophash[1], write count, read flags, read flags",
        "2: write tophash[1], write count, read flags, read flags, write flags, write elem[1]",
        "1: write flags, write elem[1]",
    ]
    assert Counter(run.outcome for run in unnoticed) == {"broken invariant": 8, "right": 4}


def test_both_kinds_are_printed() -> None:
    text = report()
    assert "402 are noticed" in text and "12 are not" in text
    assert "2: write tophash[1], write count, read flags, read flags, write flags, write elem[1]" in text


def test_what_a_load_may_meet_in_a_growth_that_nothing_guards() -> None:
    """A key that is there is missing or has no value, and the number of a bucket is outside the array."""
    subject = target(lambda: PlainMap(hash_function=spread))
    scenario = scenario_of(subject.adapter, EIGHT, "load a", "store i 1")
    met, strategy = Counter[str](), PreemptionBound(2)
    with laboratory(subject) as lab:
        while strategy.begin():
            failure = lab.run(scenario, strategy).failure
            met[failure.summary if failure else "right"] += 1
    for words in [
        "FatalError: fatal error: concurrent map read and map write",
        "client 1 found key 'a' missing",
        "client 1 read None from key 'a'",
        "IndexError: tuple index out of range",
        "right",
    ]:
        assert any(words in summary for summary in met), words


def test_the_campaign_finds_the_map_wrong() -> None:
    with pytest.raises(MapIsWrong):
        check_map(PlainMap, budget=20)


# -- as it is meant to be used


@pytest.mark.parametrize("exploration", list(explorations()), ids=lambda exploration: exploration.name)
def test_no_schedule_of_the_catalogue_goes_wrong(exploration: Exhaustion) -> None:
    """At a bound smaller by one than `make verify` uses."""
    found = replace(exploration, bound=exploration.bound - 1).run()
    assert found.verdict is Verdict.EXHAUSTED, found.evidence()


def test_the_catalogue_meets_a_growth_that_is_half_done() -> None:
    map_ = PlainMap[int, int]()
    for key in range(27):
        map_.store(key, 0)
    evacuated = [head.is_evacuated() for head in map_.oldbuckets.peek()]
    bucket = {key: hash64(key, map_.hash0.peek()) & 3 for key in (0, 3)}
    assert [evacuated, bucket] == [[True, True, False, False], {0: 3, 3: 2}]


def test_nobody_cries_wolf() -> None:
    assert alarms(300, seed=1) == []


@pytest.mark.parametrize(
    ("setup", "threads"),
    [
        (HALF_GROWN, ("load 0; load 3", "load 3")),
        (HALF_GROWN, ("range", "load 0; len")),
        (FULL, ("range", "range")),
    ],
)
def test_readers_need_no_lock(setup: str, threads: tuple[str, ...]) -> None:
    """Go's TestConcurrentReadsAfterGrowth: a growth that has begun stays as it is while there are only readers."""
    subject = target(PlainMap)
    scenario = numbered(subject.adapter, setup, *threads)
    found = Exhaustion("readers", subject, scenario, 1, checks=Checks(races=True)).run()
    assert found.verdict is Verdict.EXHAUSTED, found.evidence()


@pytest.mark.parametrize("seed", range(3))
def test_a_history_of_real_threads_is_linearizable(seed: int) -> None:
    history = record(GuardedMap, adapter_for(GuardedMap()), clients=4, operations=400, keys=40, seed=seed)
    assert len(history.operations) == 1_600
    assert isinstance(check(history), Linearizable)


class ForgetsDeletes(GuardedMap[Any, Any]):
    """Every 5th delete is lost."""

    deletes = 0

    def delete(self, key: Any) -> None:
        self.deletes += 1
        if self.deletes % 5:
            super().delete(key)


def test_a_history_with_lost_deletes_is_not() -> None:
    history = record(
        ForgetsDeletes, adapter_for(ForgetsDeletes()), clients=4, operations=400, keys=10, seed=1
    )
    assert not isinstance(check(history), Linearizable)
