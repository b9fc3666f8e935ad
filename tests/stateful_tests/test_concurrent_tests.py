"""Test functions that start threads of their own: each wrong one fails in some schedule, and says how; none cries wolf."""

from __future__ import annotations

from typing import Any

import pytest
import tested_concurrently as tests

from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.adapters import UnsuitableTarget
from mapproof.stateful_tests.concurrent_tests import (
    ScheduleFails,
    concurrent_test,
    explore,
    explore_test,
    is_test_function,
)
from mapproof.stateful_tests.explorer.plan import NAMES

pytestmark = pytest.mark.interpreter


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (tests.test_two_increments, "EXCEPTION: client 1: .* raised AssertionError"),
        (tests.test_a_pool, "EXCEPTION: client 1: .* raised AssertionError"),
        (tests.test_opposite_locks, "DEADLOCK"),
        (tests.test_a_thread_raises, "EXCEPTION: client 11: .* raised KeyError"),
        (tests.test_a_lock_is_kept, "LOCK NOT GIVEN BACK"),
    ],
)
def test_what_is_wrong_is_found(function: Any, says: str) -> None:
    with pytest.raises(ScheduleFails, match=says):
        explore(function, runs=300)


def test_what_is_right_is_exhausted() -> None:
    explored = explore(tests.test_two_increments_with_a_lock, strategy="preemptions1")
    assert explored.verdict is Verdict.EXHAUSTED
    assert explored.scope.startswith("preemptions <= 1: all ")
    every_kind = explore(tests.test_two_increments_with_a_lock, strategy="dpor")
    assert every_kind.verdict is Verdict.EXHAUSTED
    assert every_kind.scope.startswith("all: ")


def test_what_was_not_run_to_its_end_is_sampled() -> None:
    explored = explore(tests.test_two_increments_with_a_lock, strategy="dpor", runs=5)
    assert (explored.verdict, explored.scope) == (Verdict.SAMPLED, "all: the first 5 schedules")
    drawn = explore(tests.test_two_increments_with_a_lock, strategy="random", runs=50)
    assert drawn.verdict is Verdict.SAMPLED
    assert drawn.scope.startswith("50 schedules, ")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "preemptions0"])
def test_each_strategy_finds_the_lost_update(name: str) -> None:
    test = concurrent_test(tests.test_two_increments, "it")
    assert explore_test(test, strategy=name, runs=500).verdict is Verdict.FAILED


def test_none_without_a_preemption_does() -> None:
    test = concurrent_test(tests.test_two_increments, "it")
    explored = explore_test(test, strategy="preemptions0")
    assert explored.verdict is Verdict.EXHAUSTED
    assert explored.scope.startswith("preemptions <= 0: all ")


def test_what_cannot_be_run_is_refused_in_one_line() -> None:
    with pytest.raises(UnsuitableTarget, match=r"^it takes arguments \(tmp_path\)"):
        concurrent_test(tests.test_that_takes_arguments, "it")  # type: ignore[arg-type]
    with pytest.raises(UnsuitableTarget, match=r"^cannot import no_such_module: "):
        concurrent_test(tests.test_a_pool, "it", ["no_such_module"])


def test_its_name_says_that_it_is_a_test() -> None:
    assert is_test_function(tests.test_a_pool)
    assert not is_test_function(tests.together)
    assert not is_test_function(tests.Counter)
