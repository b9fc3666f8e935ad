"""DPOR: one run of each class of schedules, no class left out, held against every schedule run by brute force."""

from __future__ import annotations

from typing import Any

import pytest
from brute_force import Everything, Written
from exploring import explore

from mapproof.impl.sync import Atomic, Mutex, Semaphore
from mapproof.stateful_tests.explorer.dpor import Dpor
from mapproof.stateful_tests.explorer.endings import Outcome
from mapproof.stateful_tests.explorer.strategy import NondeterministicTarget


def lost_updates() -> Any:
    cell = Atomic(0)

    def increment() -> None:
        for _ in range(2):
            cell.store(cell.load() + 1)

    return [increment, increment], cell.peek


def opposite_mutexes() -> Any:
    first, second = Mutex(), Mutex()

    def task(one: Mutex, other: Mutex) -> Any:
        def run() -> None:
            with one, other:
                pass

        return run

    return [task(first, second), task(second, first)], lambda: None


def handed_over() -> Any:
    semaphore, cell = Semaphore(0), Atomic(0)

    def give() -> None:
        cell.store(1)
        semaphore.release()

    def give_first() -> None:
        semaphore.release()
        cell.store(2)

    def take() -> None:
        semaphore.acquire()
        cell.load()

    return [give, take, give_first], cell.peek


PROGRAMS = [lost_updates, opposite_mutexes, handed_over]


def classes(program: Any, strategy: Any) -> list[Any]:
    """The normal form of each execution that was run to its end."""
    written = Written(strategy)
    found = []

    def watched() -> Any:
        tasks, outcome = program()
        return tasks, lambda: (written.normal_form(), outcome())

    for ending, outcome in explore(watched, written):
        if ending.outcome is not Outcome.PRUNED:
            found.append((ending.outcome, *outcome))
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_class_is_run_once(program: Any) -> None:
    found = classes(program, Dpor())
    assert len(found) == len(set(found))
    assert set(found) == set(classes(program, Everything()))


def test_it_ends_and_stays_ended_and_says_what_it_did() -> None:
    search = Dpor()
    runs = explore(opposite_mutexes, search)
    assert search.complete
    assert not search.begin()
    assert search.runs + search.pruned == len(runs)
    assert search.runs == 3


def test_a_target_that_changes_between_runs_is_noticed() -> None:
    runs = 0

    def program() -> Any:
        nonlocal runs
        runs += 1
        return lost_updates() if runs < 3 else handed_over()

    with pytest.raises(NondeterministicTarget, match="depends on more than its schedule"):
        explore(program, Dpor())
