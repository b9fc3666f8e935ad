"""One run of a fixed scenario: what can be wrong with it, and how its schedule shrinks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import maps_to_test as maps
import pytest
from failing_runs import first_failure, on, replayed

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.spec.linearizability import Unknown
from mapproof.stateful_tests import execution
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.execution import laboratory
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.explorer.strategy import Schedule
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.shrink import fewest_switches
from mapproof.stateful_tests.targets import target_of

PROGRAMS: dict[Any, tuple[FailureKind, str, tuple[str, ...]]] = {
    maps.CheckThenAct: (
        FailureKind.VIOLATION,
        "client 1's load_or_store('a', 1) -> (1, False)",
        ("", "load_or_store a 1", "load_or_store a 2"),
    ),
    maps.Aged: (FailureKind.DEADLOCK, "client 1 waits to lock Lock made at", ("", "load a", "store a 1")),
    maps.LeakyOnce: (
        FailureKind.DEADLOCK,
        "client 2 waits to lock Lock made at",
        ("", "store a 1", "store a 2"),
    ),
    maps.WaitsWithTheLock: (FailureKind.DEADLOCK, "client 1 waits to lock", ("", "load a", "store a 1")),
    maps.Raises: (
        FailureKind.EXCEPTION,
        "client 2: m.setdefault('a', 2) raised ValueError: two values at ",
        ("", "load_or_store a 1", "load_or_store a 2"),
    ),
    maps.AnswersText: (
        FailureKind.ANSWER,
        "client 0: list(m.items()) answered [['a']]; range answers a list of [key, value] pairs",
        ("", "store a 1"),
    ),
    maps.Invariant: (
        FailureKind.INVARIANT,
        "check_invariants: two keys are one too many",
        ("", "store a 1", "store b 2"),
    ),
    maps.WaitsForEver: (
        FailureKind.ENDLESS,
        "an operation did not end within 50,001 steps",
        ("store a 1", "load a", "store b 2"),
    ),
}


@pytest.mark.parametrize("make", PROGRAMS)
def test_each_way_to_go_wrong_is_named(make: Any) -> None:
    kind, summary, programs = PROGRAMS[make]
    with on(make, *programs) as (lab, scenario):
        failure = first_failure(lab, scenario).failure
    assert failure is not None
    assert failure.kind is kind
    assert failure.summary.startswith(summary)
    assert bool(failure.core) is (kind is FailureKind.VIOLATION)


@pytest.mark.parametrize("make", PROGRAMS)
def test_a_failure_repeats_from_its_schedule(make: Any) -> None:
    with on(make, *PROGRAMS[make][2]) as (lab, scenario):
        failing = first_failure(lab, scenario)
        again = [replayed(lab, scenario, str(failing.schedule)) for _ in range(5)]
    assert [ran.failure for ran in again] == [failing.failure] * 5
    assert [ran.history for ran in again] == [failing.history] * 5


def test_who_holds_the_lock_is_said() -> None:
    with on(maps.Aged, "", "load a", "store a 1") as (lab, scenario):
        failure = first_failure(lab, scenario).failure
    assert failure is not None
    first, second = failure.summary.split("; ")
    assert first.endswith(", held by client 2")
    assert second.endswith(", held by client 1")
    with on(maps.LeakyOnce, "", "store a 1", "store a 2") as (lab, scenario):
        failure = first_failure(lab, scenario).failure
    assert failure is not None
    assert failure.summary.endswith(", held by client 1, which has ended")


def test_a_deadlock_leaves_the_locks_of_the_class_free() -> None:
    with on(maps.AgedTogether, "", "load a", "store a 1") as (lab, scenario):
        failing = first_failure(lab, scenario)
        assert replayed(lab, scenario, "-").failure is None
        assert replayed(lab, scenario, str(failing.schedule)) == failing


def test_a_run_without_failure() -> None:
    with on(maps.CheckThenAct, "", "load_or_store a 1", "load_or_store a 2") as (lab, scenario):
        ran = replayed(lab, scenario, "-")
    assert (ran.failure, ran.undecided, ran.schedule) == (None, False, Schedule())
    assert [str(operation) for operation in ran.history.operations[:2]] == [
        "load_or_store('a', 1) -> (1, False)",
        "load_or_store('a', 2) -> (1, True)",
    ]


def test_a_history_that_could_not_be_decided_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "check", lambda *args, **options: Unknown("on purpose"))
    monkeypatch.setattr(execution, "explained_by_returns", lambda operations: False)
    target = target_of(dict, "dict")
    scenario = scenario_of(target.adapter, "", "store a 1", "load a")
    with laboratory(target) as lab:
        ran = replayed(lab, scenario, "-")
    assert (ran.failure, ran.undecided) == (None, True)
    assert Exhaustion("it", target, scenario, bound=2).run().verdict == "INCONCLUSIVE"


class Filled(RWMutexMap[Any, Any]):
    """Is made with a key in it, under its own lock."""

    def __init__(self) -> None:
        super().__init__()
        self.store("a", 1)


def test_a_map_may_use_its_locks_while_it_is_made() -> None:
    target = replace(target_of(RWMutexMap, "it"), factory=Filled)
    scenario = scenario_of(target.adapter, "", "load_and_delete a", "load b")
    with laboratory(target) as lab:
        ran = replayed(lab, scenario, "-")
    assert [operation.result for operation in ran.history.operations[:2]] == [(1, True), (None, False)]


@pytest.mark.parametrize("seed", range(5))
def test_no_switch_can_be_taken_from_the_fewest(seed: int) -> None:
    programs = ("store b 9", "load b; load_or_store a 1; load a", "load b; load_or_store a 2; load a")
    with on(maps.CheckThenAct, *programs) as (lab, scenario):
        strategy = RandomWalk(seed)
        failing = next(
            ran for ran in iter(lambda: lab.run(scenario, strategy), None) if ran.failure is not None
        )
        smallest = fewest_switches(lab, scenario, failing)
        assert smallest.failure is not None
        assert len(smallest.schedule.switches) <= len(failing.schedule.switches)
        for switch in smallest.schedule.switches:
            rest = Schedule(tuple(other for other in smallest.schedule.switches if other != switch))
            tried = replayed(lab, scenario, str(rest))
            assert tried.failure is None or len(tried.schedule.switches) >= len(smallest.schedule.switches)


def test_the_exhaustion_of_a_right_and_of_a_wrong_map() -> None:
    right, wrong = target_of(dict, "dict"), target_of(maps.CheckThenAct, "it")
    scenario = scenario_of(right.adapter, "", "load_or_store a 1", "load_or_store a 2")
    passed = Exhaustion("right", right, scenario, bound=2).run()
    assert (passed.verdict, passed.scope) == (
        "EXHAUSTED",
        "preemptions <= 2: all 6 schedules of one scenario",
    )
    failed = Exhaustion("wrong", wrong, scenario, bound=2).run()
    assert failed.verdict == "FAILED"
    assert failed.counterexample is not None
    assert failed.counterexample.account.startswith("NOT LINEARIZABLE: ")


def test_an_exhaustion_that_reached_its_limit_has_sampled() -> None:
    target = target_of(maps.GoLikeWithLen, "it")
    scenario = scenario_of(target.adapter, "", "store a 1", "store b 2; load a")
    evidence = Exhaustion("it", target, scenario, bound=3, limit=5).run()
    assert evidence.verdict == "SAMPLED"
    assert evidence.scope == "preemptions <= 3: the first 5 schedules of one scenario"


def test_the_limit_is_exact() -> None:
    target = target_of(dict, "dict")
    scenario = scenario_of(target.adapter, "", "store a 1", "load a")
    assert Exhaustion("it", target, scenario, bound=2, limit=6).run().verdict == "EXHAUSTED"
    assert Exhaustion("it", target, scenario, bound=2, limit=5).run().verdict == "SAMPLED"
