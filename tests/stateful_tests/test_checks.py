"""What is watched at every step: a broken invariant with the access that broke it, a data race, and whose turn it is
to be named when several things are wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import maps_to_test as maps
import pytest

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync import Mutex, PlainDict
from mapproof.impl.sync_map import SyncMap
from mapproof.stateful_tests.catalogue.sync_maps import RWMUTEX_MAP, SYNC_MAP
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.execution import Checks, Execution, Laboratory, laboratory
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.strategy import Schedule
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.scenarios import Scenario
from mapproof.stateful_tests.shrink import simplest
from mapproof.stateful_tests.targets import target_of
from mapproof.stateful_tests.trace import tell

pytestmark = pytest.mark.interpreter

ALL = Checks(races=True, invariants=True)
EACH = (Checks(races=True), Checks(invariants=True), ALL)


class Twice(SyncMap[Any, Any]):
    """Counts a miss twice, and puts it right at once: at rest nothing is to be seen."""

    def load(self, key: Any) -> Any:
        with self.mu:
            misses = self.misses.read()
            self.misses.write(misses + 2)
            self.misses.write(misses)
        return super().load(key)


class Unlocked(SyncMap[Any, Any]):
    """Resets the misses without the lock."""

    def delete(self, key: Any) -> None:
        self.misses.write(0)
        super().delete(key)


class Remembers(RWMutexMap[Any, Any]):
    """Counts how often its invariants were asked for; they break at the last access."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.last = PlainDict[str, int]("last")

    def store(self, key: Any, value: Any) -> None:
        super().store(key, value)
        self.last["was"] = value

    def step_invariants(self) -> Callable[[], None]:
        def check() -> None:
            self.asked += 1
            if self.last.peek().get("was") == 3:
                raise AssertionError("3 was stored")

        return check


class Deadlocks(SyncMap[Any, Any]):
    """Breaks nothing, but waits for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.other = Mutex("other")

    def load(self, key: Any) -> Any:
        with self.other, self.mu:
            return None, False

    def delete(self, key: Any) -> None:
        with self.mu, self.other:
            pass


def first_failure(lab: Laboratory, scenario: Scenario, bound: int = 2) -> Execution:
    strategy = PreemptionBound(bound)
    while strategy.begin():
        ran = lab.run(scenario, strategy)
        if ran.failure is not None:
            return ran
    raise AssertionError("no schedule fails")


def failure_of(make: Any, checks: Checks, setup: str, *threads: str) -> tuple[FailureKind, str] | None:
    """The kind and the sentence of the first failing schedule with at most two preemptions, if there is one."""
    target = target_of(make, make.__name__)
    explored = Exhaustion("it", target, scenario_of(target.adapter, setup, *threads), 2, checks=checks).run()
    if explored.counterexample is None:
        return None
    failure = explored.counterexample.execution.failure
    assert failure is not None
    return failure.kind, failure.summary


def line(method: Any, offset: int) -> str:
    return f"test_checks.py:{method.__code__.co_firstlineno + offset}"


def test_a_broken_invariant_is_told_with_the_access_that_broke_it() -> None:
    programs = ("store a 1; load a; store b 2", "store c 3", "load b")
    assert failure_of(Twice, Checks(), *programs) is None
    where = f"{line(Twice.load, 3)} `self.misses.write(misses + 2)` (misses: write)"
    assert failure_of(Twice, Checks(invariants=True), *programs) == (
        FailureKind.INVARIANT,
        f"I7: more than one miss was counted at once; broken by client 2's m.load('b') at {where}",
    )


MISSED = ("store a 1; load a; store b 2; store c 3; store d 4", "load b", "delete a")


def test_an_access_without_the_lock_is_told_as_a_race_and_as_a_broken_invariant() -> None:
    where = f"{line(Unlocked.delete, 1)} `self.misses.write(0)`"
    kind, race = failure_of(Unlocked, Checks(races=True), *MISSED) or (None, "")
    assert kind is FailureKind.RACE
    assert f"client 2 writes it at {where}, holding no lock" in race
    kind, broken = failure_of(Unlocked, Checks(invariants=True), *MISSED) or (None, "")
    assert kind is FailureKind.INVARIANT
    assert broken == (
        f"mu is free, but misses changed; broken by client 2's m.delete('a') at {where} (misses: write)"
    )


def test_the_state_before_the_threads_begin_and_after_their_last_access_is_checked_too() -> None:
    where = f'{line(Remembers.store, 2)} `self.last["was"] = value` (last: write)'
    checks = Checks(invariants=True)
    assert failure_of(Remembers, checks, "", "store a 3", "load a") is not None
    kind, broken = failure_of(Remembers, checks, "", "", "store a 3") or (None, "")
    assert (kind, broken) == (
        FailureKind.INVARIANT,
        f"3 was stored; broken by client 2's m.store('a', 3) at {where}",
    )
    kind, broken = failure_of(Remembers, checks, "store a 3", "load a", "load a") or (None, "")
    assert (kind, broken) == (FailureKind.INVARIANT, "3 was stored; broken before the threads began")


def test_invariants_are_asked_before_every_step_and_once_at_the_end() -> None:
    made: list[Remembers] = []

    def make() -> Remembers:
        made.append(Remembers())
        return made[-1]

    target = target_of(make, "it")
    scenario = scenario_of(target.adapter, "store a 1", "store a 2", "load a; load a")
    with laboratory(target, Checks(invariants=True)) as lab:
        ran = lab.run(scenario, RandomWalk(1))
        assert made[-1].asked == ran.steps + 1
        assert lab.watched_for == {FailureKind.INVARIANT}


def test_an_access_that_races_and_breaks_an_invariant_is_named_as_a_race() -> None:
    """It races before it has happened, and breaks the invariant after."""
    kinds = [(failure_of(Unlocked, checks, *MISSED) or [None])[0] for checks in EACH]
    assert kinds == [FailureKind.RACE, FailureKind.INVARIANT, FailureKind.RACE]


def test_what_comes_first_in_a_run_is_named() -> None:
    """Client 1's own write breaks the invariant before client 2 makes a race of it."""
    setup, load, delete = MISSED
    kinds = [(failure_of(Unlocked, checks, f"{setup}; {load}", delete, load) or [None])[0] for checks in EACH]
    assert kinds == [FailureKind.RACE, FailureKind.INVARIANT, FailureKind.INVARIANT]


@pytest.mark.parametrize("checks", [Checks(), *EACH])
def test_other_failures_stay_what_they_are(checks: Checks) -> None:
    assert (failure_of(Deadlocks, checks, "", "load a", "delete a") or [None])[0] is FailureKind.DEADLOCK
    programs = ("", "load_or_store a 1", "load_or_store a 2")
    assert (failure_of(maps.CheckThenAct, checks, *programs) or [None])[0] is FailureKind.VIOLATION
    assert (failure_of(maps.Raises, checks, *programs) or [None])[0] is FailureKind.EXCEPTION


@pytest.mark.parametrize("make", [Twice, Unlocked])
@pytest.mark.parametrize("checks", EACH[1:])
def test_a_failure_of_a_check_replays_shrinks_and_is_told(make: Any, checks: Checks) -> None:
    target = target_of(make, make.__name__)
    setup, *threads = MISSED
    scenario = scenario_of(target.adapter, setup, *threads, "load c; load c")
    with laboratory(target, checks) as lab:
        strategy = RandomWalk(7)
        failing = next(
            ran for ran in iter(lambda: lab.run(scenario, strategy), None) if ran.failure is not None
        )
        for _ in range(3):
            replay = Replay(failing.schedule)
            replay.begin()
            assert lab.run(scenario, replay) == failing
            assert not replay.diverged
        smallest = simplest(lab, scenario, failing)
        assert smallest.failure is not None
        account = tell(lab, scenario, smallest)
        assert account.startswith(f"{smallest.failure.kind.value.upper()}: {smallest.failure.summary}\n")
        assert "  misses: write" in account
        assert "after (client 0)" not in account
        pending = [operation for operation in smallest.history.operations if operation.pending]
        assert 1 <= len(pending) <= 2


def test_the_next_run_of_the_laboratory_is_not_touched_by_a_run_that_was_stopped() -> None:
    target = target_of(Unlocked, "it")
    scenario = scenario_of(target.adapter, *MISSED)
    with laboratory(target, ALL) as lab:
        failing = first_failure(lab, scenario)
        replay = Replay(Schedule())
        replay.begin()
        lab.run(scenario_of(target.adapter, "", "store a 1", "store b 1"), replay)
        assert first_failure(lab, scenario) == failing
        assert lab.simulation.watcher is None
        assert lab.simulation.listener is None


@pytest.mark.parametrize(("make", "scenarios"), [(SyncMap, SYNC_MAP), (RWMutexMap, RWMUTEX_MAP)])
def test_no_check_cries_wolf_and_the_scope_says_what_was_watched(make: Any, scenarios: Any) -> None:
    target = target_of(make, make.__name__)
    for name, (setup, threads) in scenarios.items():
        scenario = scenario_of(target.adapter, setup, *threads)
        watched = Exhaustion(name, target, scenario, 1, checks=ALL).run()
        assert watched.verdict == "EXHAUSTED", watched.counterexample
        plain = Exhaustion(name, target, scenario, 1).run()
        assert watched.scope == f"{plain.scope}, each step watched for a broken invariant and a data race"


def test_what_an_object_has_no_part_of_is_not_claimed() -> None:
    target = target_of(dict, "dict")
    scenario = scenario_of(target.adapter, "", "store a 1", "load a")
    explored = Exhaustion("it", target, scenario, 2, checks=ALL).run()
    assert explored.scope == "preemptions <= 2: all 6 schedules of one scenario"
    target = target_of(maps.Invariant, "it")
    assert Exhaustion("it", target, scenario, 2, checks=ALL).run().scope.endswith(" of one scenario")
