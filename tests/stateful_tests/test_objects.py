"""Any object explored: what each kind of failure looks like, and that a right object passes."""

from __future__ import annotations

from typing import Any

import pytest

from mapproof.impl.sync import Mutex, Plain
from mapproof.spec.evidence import Verdict
from mapproof.spec.objects import Counter
from mapproof.stateful_tests.objects import Invocation, ObjectScenario, Program, exhaust, sample


class Unguarded:
    """A counter whose `add` reads and writes without a lock."""

    def __init__(self) -> None:
        self.n = Plain(0, "n")
        self.mu = Mutex("mu")

    def add(self, number: int) -> None:
        self.n.write(self.n.read() + number)

    def get(self) -> int:
        return self.n.read()


class Guarded(Unguarded):
    def add(self, number: int) -> None:
        with self.mu:
            super().add(number)

    def get(self) -> int:
        with self.mu:
            return super().get()


class Stuck(Guarded):
    """Takes its lock twice."""

    def add(self, number: int) -> None:
        with self.mu:
            self.mu.lock()


class Raising(Guarded):
    def add(self, number: int) -> None:
        with self.mu:
            raise ValueError("no numbers today")


class Endless(Guarded):
    def add(self, number: int) -> None:
        while True:
            self.n.read()


class Unsound(Guarded):
    def check_invariants(self) -> None:
        raise AssertionError("n is never odd")


ADD: Program = (Invocation("add", (1,)),)


def adders(make: Any, **options: Any) -> ObjectScenario:
    """Two clients add, then one looks."""
    return ObjectScenario(
        "adders", make, (ADD, ADD), observers=(Invocation("get"),), model=Counter(), **options
    )


def test_a_right_object_is_exhausted_or_sampled() -> None:
    explored = exhaust(adders(Guarded))
    assert (explored.verdict, explored.counterexample) == (Verdict.EXHAUSTED, None)
    assert explored.scope.startswith("preemptions <= 2: all ")
    explored = sample(adders(Guarded), schedules=50, seed=1)
    assert (explored.verdict, explored.scope) == (Verdict.SAMPLED, "50 schedules of one scenario")


def test_a_limit_that_comes_first_is_no_exhaustion() -> None:
    explored = exhaust(adders(Guarded), limit=3)
    assert (explored.verdict, explored.scope) == (Verdict.SAMPLED, "3 schedules of one scenario")


@pytest.mark.parametrize(
    ("kind", "account"),
    [
        (Stuck, "DEADLOCK: client 1 waits to lock mu, which it holds itself"),
        (Raising, "EXCEPTION: client 1: add(1) raised ValueError: no numbers today at "),
        (Endless, "NEVER ENDS: an operation did not end within "),
        (Unsound, "BROKEN INVARIANT: check_invariants: n is never odd"),
    ],
)
def test_each_kind_of_failure_is_told(kind: Any, account: str) -> None:
    explored = exhaust(adders(kind))
    assert explored.verdict is Verdict.FAILED
    assert explored.counterexample is not None
    assert explored.counterexample.account.startswith(account)
