"""Any object explored: what each kind of failure looks like, and that a right object passes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from math import comb
from typing import Any

import pytest

from mapproof.impl.sync import Mutex, Plain, PlainDict
from mapproof.spec.evidence import Verdict
from mapproof.spec.objects import Counter, Register
from mapproof.stateful_tests import objects
from mapproof.stateful_tests.execution import Checks
from mapproof.stateful_tests.exploration import Explored
from mapproof.stateful_tests.explorer.plan import bounded, reduced
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.strategy import Schedule
from mapproof.stateful_tests.objects import (
    EVERY_CHECK,
    Invocation,
    ObjectScenario,
    Program,
    exhaust,
    explore_object,
    object_laboratory,
    sample,
)
from mapproof.stateful_tests.shrink import NOT_REPEATED

pytestmark = pytest.mark.interpreter


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


class LookedAtUnguarded(Guarded):
    """Adds under its lock, but looks without it."""

    def get(self) -> int:
        return self.n.read()


class Doubtful(Guarded):
    """Promises at every step what does not hold while an `add` is half done."""

    def add(self, number: int) -> None:
        with self.mu:
            self.n.write(-1)
            self.n.write(number)

    def step_invariants(self) -> Callable[[], None]:
        def check() -> None:
            if self.n.peek() < 0:
                raise AssertionError("n is negative")

        return check


class Unsound(Guarded):
    def check_invariants(self) -> None:
        raise AssertionError("n is never odd")


class Ordinary:
    """A counter of plain Python."""

    def __init__(self) -> None:
        self.n = 0

    def add(self, number: int) -> None:
        self.n += number

    def get(self) -> int:
        return self.n


class Steps:
    """One access a call."""

    def __init__(self) -> None:
        self.n = Plain(0, "n")

    def step(self) -> None:
        self.n.read()


GET = Invocation("get")
ADD: Program = (Invocation("add", (1,)),)


def adders(make: Any, **options: Any) -> ObjectScenario:
    """Two clients add, then one looks."""
    return ObjectScenario("adders", make, (ADD, ADD), observers=(GET,), model=Counter(), **options)


def account(explored: Explored) -> str:
    assert explored.verdict is Verdict.FAILED, explored
    assert explored.counterexample is not None
    return explored.counterexample.account


# -- verdicts and their scopes


def test_a_right_object_is_exhausted_or_sampled() -> None:
    watched = ", each step watched for a data race"
    explored = exhaust(adders(Guarded))
    assert (explored.verdict, explored.counterexample) == (Verdict.EXHAUSTED, None)
    assert explored.scope == f"preemptions <= 2: all 32 schedules of one scenario{watched}"
    explored = sample(adders(Guarded), schedules=200, seed=1)
    assert explored.verdict is Verdict.SAMPLED
    found = re.fullmatch(rf"200 schedules, (\d+) distinct of one scenario{watched}", explored.scope)
    assert found is not None
    assert 20 < int(found[1]) < 200
    assert sample(adders(Guarded), schedules=200, seed=1).scope == explored.scope


def test_a_limit_that_comes_first_is_no_exhaustion() -> None:
    explored = exhaust(adders(Guarded), limit=31)
    assert explored.verdict is Verdict.SAMPLED
    assert explored.scope.startswith("preemptions <= 2: the first 31 schedules of one scenario")
    assert exhaust(adders(Guarded), limit=32).verdict is Verdict.EXHAUSTED


def test_every_schedule_is_run() -> None:
    """Two threads of five stretches each: from the start to the first call, to its access, to the second call..."""
    each = (Invocation("step"),) * 2
    explored = exhaust(ObjectScenario("steps", Steps, (each, each), checks=Checks()), bound=99)
    assert explored.scope == (
        f"preemptions <= 99: all {comb(5 + 5, 5)} schedules of one scenario, no model to judge the answers"
    )


class Checked(Guarded):
    """Right, with something to look at between any two steps."""

    def step_invariants(self) -> Callable[[], None]:
        return lambda: None


def test_one_schedule_of_every_kind_is_not_said_to_have_shown_every_state() -> None:
    watched = ", each step watched for a broken invariant and a data race"
    assert explore_object(adders(Checked), bounded(2), 1_000).scope.endswith(watched)
    explored = explore_object(adders(Checked), reduced(), 1_000)
    assert explored.verdict is Verdict.EXHAUSTED
    assert re.fullmatch(
        r"all: \d+ kinds of schedules of one scenario, each step watched for a data race", explored.scope
    )


def test_a_history_that_could_not_be_decided_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MOST_CONFIGURATIONS", 1)
    for explored in (exhaust(adders(Guarded)), sample(adders(Guarded), schedules=50)):
        assert explored.verdict is Verdict.INCONCLUSIVE
        assert "histories undecided" in explored.scope


def test_an_object_that_depends_on_more_than_its_schedule_is_inconclusive() -> None:
    made = count()

    def different() -> Guarded | Unguarded:
        return Guarded() if next(made) % 2 else Unguarded()

    explored = exhaust(replace(adders(different, checks=Checks()), threads=(ADD, ADD, ADD), model=None))
    assert explored.verdict is Verdict.INCONCLUSIVE
    assert "depends on more than its schedule" in explored.scope


def test_a_failure_that_does_not_come_again_is_no_failure_of_the_object() -> None:
    made = count()

    def at_first_wrong() -> Guarded | Unguarded:
        return Unguarded() if next(made) < 3 else Guarded()

    explored = exhaust(adders(at_first_wrong, checks=Checks()))
    assert explored.verdict is Verdict.INCONCLUSIVE
    assert explored.scope.startswith(NOT_REPEATED)
    assert "(failed once: not linearizable: " in explored.scope


# -- each kind of failure


@pytest.mark.parametrize(
    ("kind", "checks", "said"),
    [
        (Unguarded, Checks(), "NOT LINEARIZABLE: up to client 0's get() -> 1 at "),
        (Unguarded, EVERY_CHECK, "DATA RACE: client 1 writes n at "),
        (Stuck, EVERY_CHECK, "DEADLOCK: client 1 waits to lock mu, which it holds itself"),
        (Raising, EVERY_CHECK, "EXCEPTION: client 1: add(1) raised ValueError: no numbers today at "),
        (Endless, Checks(), "NEVER ENDS: an operation did not end within "),
        (Unsound, EVERY_CHECK, "BROKEN INVARIANT: check_invariants: n is never odd"),
        (
            Doubtful,
            EVERY_CHECK,
            "BROKEN INVARIANT: n is negative; broken by client 1's add(1) at test_objects.py:",
        ),
    ],
)
def test_each_kind_of_failure_is_told(kind: Any, checks: Checks, said: str) -> None:
    for explored in (exhaust(adders(kind, checks=checks)), sample(adders(kind, checks=checks))):
        assert account(explored).startswith(said)


def test_without_a_model_the_answers_are_not_judged() -> None:
    assert exhaust(replace(adders(Unguarded, checks=Checks()), model=None)).verdict is Verdict.EXHAUSTED


def test_a_failure_is_told_as_columns_in_the_fewest_switches() -> None:
    scenario = adders(Unguarded, checks=Checks())
    assert exhaust(scenario, bound=0).verdict is Verdict.EXHAUSTED
    for explored in (exhaust(scenario), sample(scenario)):
        assert explored.counterexample is not None
        assert len(explored.counterexample.execution.schedule.switches) == 1
        rows = [line.replace(" ", "") for line in account(explored).splitlines()]
        start = rows.index("client1│client2")
        assert [row.partition("test_objects")[0].rstrip("│") for row in rows[start + 2 : start + 8]] == [
            "add(1)",
            "n:read→0",
            "↷switch",
            "│add(1)done(2accesses)",
            "│↷ended",
            "n:write:=1",
        ]


def test_the_setup_is_not_raced_with_and_the_observers_neither() -> None:
    looks = (ADD, (*ADD, GET))
    assert exhaust(replace(adders(LookedAtUnguarded), setup=ADD)).verdict is Verdict.EXHAUSTED
    assert "client 2 reads" in account(exhaust(replace(adders(LookedAtUnguarded), threads=looks)))


# -- what a scenario may say


class Shelf:
    """A keyed object whose answers are tuples, and which refuses a book that it has by an exception."""

    def __init__(self) -> None:
        self.books: PlainDict[str, int] = PlainDict("books")

    def put(self, title: str, place: int) -> tuple[str, int, str]:
        if self.books.get(title) is not None:
            raise KeyError(title)
        self.books[title] = place
        return title, place, "new"


def test_a_key_is_the_first_argument_and_that_of_the_operation() -> None:
    put = (Invocation("put", (3,), key="Ulysses"),)
    explored = exhaust(ObjectScenario("shelf", Shelf, (put, put), checks=Checks()))
    told = account(explored)
    assert told.startswith("EXCEPTION: client 2: put('Ulysses', 3) raised KeyError: 'Ulysses' at ")
    assert "put('Ulysses', 3)  → ('Ulysses', 3, 'new')" in told
    assert explored.counterexample is not None
    first = explored.counterexample.execution.history.operations[0]
    assert (first.op, first.key, first.args, first.result) == ("put", "Ulysses", (3,), ("Ulysses", 3, "new"))


def test_an_exception_may_be_an_answer() -> None:
    put = (Invocation("put", (3,), key="Ulysses"),) * 2
    scenario = ObjectScenario("shelf", Shelf, (put, put), checks=Checks(), raises=(LookupError,))
    assert exhaust(scenario).verdict is Verdict.EXHAUSTED
    with object_laboratory(scenario) as lab:
        operations = lab.run(scenario.program, Replay(Schedule())).history.operations
    assert [operation.error for operation in operations] == [None, *["KeyError"] * 3]


def test_who_makes_an_object_may_use_it() -> None:
    def used() -> Guarded:
        made = Guarded()
        made.add(1)
        return made

    explored = exhaust(replace(adders(used), model=Counter(1)))
    assert explored.verdict is Verdict.EXHAUSTED


def test_objects_that_are_not_built_on_our_primitives() -> None:
    """Instructions of ordinary Python are switch points where the scenario names its file."""
    ordinary = adders(Ordinary)
    assert exhaust(ordinary).verdict is Verdict.EXHAUSTED
    watched = replace(ordinary, files=frozenset({__file__}))
    assert account(exhaust(watched)).startswith("NOT LINEARIZABLE: ")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: ObjectScenario("nobody", Guarded, ((), ())), "nobody: no thread calls anything"),
        (lambda: exhaust(adders(Guarded), bound=-1), "bound must be at least 0, and limit at least 1"),
        (lambda: exhaust(adders(Guarded), limit=0), "bound must be at least 0, and limit at least 1"),
        (lambda: sample(adders(Guarded), schedules=0), "schedules must be at least 1"),
        (lambda: exhaust(adders(Shelf)), "adders: Shelf has no add and no get"),
        (
            lambda: exhaust(replace(adders(Guarded), model=Register())),
            "add(1) -> None in state None: ValueError: no operation 'add' with 1 argument(s)",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        wrong()
