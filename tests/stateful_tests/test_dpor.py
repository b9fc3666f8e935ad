"""DPOR as it is used: what it says when it ends, threads that the code starts, operations and their order, and targets
that change. That it is complete is held against brute force in `test_completeness`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import corpus_threads
import maps_to_test as maps
import pytest
from brute_force import Everything
from corpus import DEADLOCK, Program
from corpus_primitives import opposite_mutexes, two_may_enter, who_was_first
from exploring import explore

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync import Atomic
from mapproof.impl.sync_map import SyncMap
from mapproof.spec.history import History
from mapproof.spec.operations import Op
from mapproof.stateful_tests.execution import laboratory
from mapproof.stateful_tests.explorer import dependence, dpor
from mapproof.stateful_tests.explorer.dependence import Footprint, Note
from mapproof.stateful_tests.explorer.dpor import Dpor
from mapproof.stateful_tests.explorer.endings import Outcome
from mapproof.stateful_tests.explorer.strategy import Follower, NondeterministicTarget
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.scenarios import Call, Scenario
from mapproof.stateful_tests.targets import target_of


def test_it_ends_and_stays_ended_and_says_what_it_did() -> None:
    search = Dpor()
    runs = explore(opposite_mutexes, search)
    assert search.complete
    assert not search.begin()
    assert (search.runs, search.pruned) == (3, len(runs) - 3)


def test_the_plainest_schedule_comes_first() -> None:
    (ending, _), *_ = explore(who_was_first, Dpor())
    assert str(ending.schedule) == "-"


def test_a_search_that_was_left_is_not_complete() -> None:
    search = Dpor()
    explore(two_may_enter, search, runs=5)
    assert not search.complete


# -- targets that change


def changing(later: Any) -> Callable[[], Any]:
    runs = 0

    def program() -> Any:
        nonlocal runs
        runs += 1
        return two_may_enter() if runs < 3 else later()

    return program


def another_cell_first() -> Any:
    tasks, outcome = two_may_enter()
    other = Atomic(0)

    def loads_first(task: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> None:
            other.load()
            task()

        return run

    return [loads_first(task) for task in tasks], outcome


@pytest.mark.parametrize(
    "later", [who_was_first, another_cell_first, lambda: ([lambda: None] * 2, lambda: None)]
)
def test_a_target_that_changes_between_runs_is_noticed(later: Any) -> None:
    with pytest.raises(NondeterministicTarget, match="depends on more than its schedule: "):
        explore(changing(later), Dpor())


# -- threads of its own


def outcomes(program: Program, strategy: Follower) -> set[Any]:
    return {
        (DEADLOCK, outcome) if ending.outcome is Outcome.DEADLOCK else outcome
        for ending, outcome in explore(program.make, strategy)
        if ending.outcome is not Outcome.PRUNED
    }


@pytest.mark.parametrize("program", corpus_threads.program.programs, ids=lambda program: program.name)
def test_threads_that_the_code_starts_are_explored(program: Program) -> None:
    assert outcomes(program, Dpor()) == outcomes(program, Everything())


def without(notes: Note) -> Callable[[Footprint, Footprint], bool]:
    def depend(one: Footprint, other: Footprint) -> bool:
        return dependence.depend(
            one._replace(notes=one.notes & ~notes), other._replace(notes=other.notes & ~notes)
        )

    return depend


def test_the_end_of_the_clients_is_in_a_race_with_threads_that_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dpor, "depend", without(Note.ENDED))
    program = Program(corpus_threads.not_waited_for)
    assert outcomes(program, Dpor()) < outcomes(program, Everything())


# -- operations


class StaleReplica:
    """A store answers when the first copy has it; a load looks at the second, which nobody brings up to date."""

    def __init__(self) -> None:
        self.first: Atomic[Any] = Atomic(None)
        self.second: Atomic[Any] = Atomic(None)

    def store(self, key: Any, value: Any) -> None:
        self.first.store(value)

    def load(self, key: Any) -> tuple[Any, bool]:
        found = self.second.load()
        return found, found is not None


StaleReplica.__module__ = "mapproof.impl.of_a_test"  # stops at the hook of impl.sync alone


LOAD_THEN_STORE = Scenario((), ((Call(Op.LOAD, 0),), (Call(Op.STORE, 0, (1,)),)), ())


def failures(make: Any, scenario: Scenario) -> set[FailureKind]:
    target = target_of(make, "it")
    search = Dpor(target.files)
    with laboratory(target) as lab:
        found = [lab.run(scenario, search) for _ in iter(search.begin, False)]
    return {execution.failure.kind for execution in found if execution.failure is not None}


def test_a_load_that_begins_after_a_store_has_returned_is_another_class() -> None:
    assert failures(StaleReplica, LOAD_THEN_STORE) == {FailureKind.VIOLATION}


def test_without_the_order_of_calls_and_returns_a_stale_read_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dpor, "depend", without(Note.CALLED))
    assert failures(StaleReplica, LOAD_THEN_STORE) == set()


def meaning(history: History) -> Any:
    """What a history says, but for the ticks of its clock: the operations, and which was over before which began."""
    operations = sorted(history.operations, key=lambda op: (op.client, op.call))
    over_before = [
        (one.client, other.client)
        for one in operations
        for other in operations
        if one.return_ is not None and one.return_ < other.call
    ]
    return [(op.client, op.op, op.key, op.args, op.result, op.error) for op in operations], over_before


def histories(make: Any, scenario: Scenario, strategy: Callable[[frozenset[str]], Follower]) -> set[str]:
    target = target_of(make, "it")
    search = strategy(target.files)
    with laboratory(target) as lab:
        found = [lab.run(scenario, search) for _ in iter(search.begin, False)]
    return {
        repr((meaning(execution.history), execution.failure and execution.failure.kind))
        for execution in found
        if not execution.pruned
    }


STORE, LOAD = Call(Op.STORE, 0, (1,)), Call(Op.LOAD, 0)
TOGETHER = {
    "store beside load": Scenario((), ((STORE,), (LOAD,)), ()),
    "two stores, and a look": Scenario((), ((STORE,), (Call(Op.STORE, 0, (2,)),)), (LOAD,)),
    "get or create": Scenario(
        (), ((Call(Op.LOAD_OR_STORE, 0, (1,)),), (Call(Op.LOAD_OR_STORE, 0, (2,)),)), ()
    ),
}


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (RWMutexMap, ["store beside load"]),
        (SyncMap, ["store beside load"]),
        (StaleReplica, ["store beside load", "two stores, and a look"]),
        (maps.CheckThenAct, list(TOGETHER)),
        (maps.LeakyOnce, ["store beside load", "two stores, and a look"]),
        (maps.Raises, list(TOGETHER)),
        (maps.TextKeys, ["store beside load", "get or create"]),
        (maps.SmallDict, ["store beside load", "two stores, and a look"]),
        (maps.StartsAThread, list(TOGETHER)),
    ],
)
def test_every_history_of_two_operations_is_found(make: Any, names: list[str]) -> None:
    for name in names:
        everything = histories(make, TOGETHER[name], lambda files: Everything())
        assert histories(make, TOGETHER[name], Dpor) == everything, name
