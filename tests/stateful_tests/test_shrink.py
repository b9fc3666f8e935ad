"""A failure shrinks to a program of which nothing can be left out, and that is shown where it is affordable: held against
the smallest programs of the zoo, and against a slow search that tries every part.
"""

from __future__ import annotations

import importlib.util
import random
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any

import msgspec
import pytest
from failing_runs import first_failure, on
from told_programs import CheckThenAct
from zoo import ZOO, zoo_map

from mapproof.spec.operations import Op
from mapproof.stateful_tests import shrink, smaller
from mapproof.stateful_tests.execution import Execution, Laboratory, laboratory
from mapproof.stateful_tests.exploration import run_plan
from mapproof.stateful_tests.explorer.pct import Pct
from mapproof.stateful_tests.explorer.plan import Turns, bounded
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.objects import Invocation, ObjectScenario, exhaust
from mapproof.stateful_tests.recording import Failure, FailureKind
from mapproof.stateful_tests.scenarios import Call, Scenario
from mapproof.stateful_tests.shrink import Smallest, simplest_counterexample, smallest
from mapproof.stateful_tests.smaller import Reduction, is_as_plain, parts, without
from mapproof.stateful_tests.targets import target_of
from mapproof.stateful_tests.trace import Minimum, plain
from mapproof.stateful_tests.trace.as_json import as_json, from_json
from mapproof.stateful_tests.trace.minimum import words


@cache
def specimens() -> Any:
    spec = importlib.util.spec_from_file_location("zoo_specimens_to_shrink", ZOO / "specimens.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["zoo_specimens_to_shrink"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def specimen(name: str) -> Iterator[tuple[Laboratory, Scenario, Any]]:
    """A laboratory for a broken map of the zoo, its smallest program, and what is known of it."""
    target = target_of(zoo_map("broken", name), name)
    known = specimens().SPECIMENS[name]
    with laboratory(target) as lab:
        yield lab, known.scenario(target.adapter), known


def blown_up(lab: Any, scenario: Scenario, rng: random.Random) -> Scenario:
    """The program with further calls here and there, and with a further thread."""
    forms = lab.subject.adapter.forms
    offered = [op for op in (Op.LOAD, Op.STORE, Op.LOAD_OR_STORE) if op in forms]

    def call() -> Call:
        op = rng.choice(offered)
        return Call(op, rng.choice((0, 1, 8)), () if op is Op.LOAD else (rng.randrange(50, 99),))

    def more(program: tuple[Call, ...]) -> tuple[Call, ...]:
        return (*program, call()) if rng.random() < 0.5 else program

    threads = [*map(more, scenario.threads), (call(),)]
    return Scenario((*scenario.setup, call()), tuple(threads), scenario.observers)


def failing(lab: Laboratory, scenario: Scenario) -> Execution | None:
    for plan in (bounded(0), bounded(1), Turns(Pct(0, 3), RandomWalk(0))):
        found = run_plan(lab, scenario, plan, limit=400).failing
        if found is not None:
            return found
    return None


def larger(lab: Laboratory, scenario: Scenario, seed: str) -> tuple[Scenario, Execution]:
    """The program blown up, and how it fails; most fail still."""
    rng = random.Random(seed)
    while True:
        large = blown_up(lab, scenario, rng)
        found = failing(lab, large)
        if found is not None:
            return large, found


def size(scenario: Scenario) -> tuple[int, int]:
    return len(scenario.threads), sum(map(len, scenario.threads))


FEW = ("abba", "check_then_act", "copy_lost", "key_locks", "lost_wakeup", "torn_pop", "others_lock")


@pytest.mark.parametrize("name", FEW)
def test_a_program_that_was_blown_up_shrinks_to_the_smallest(name: str) -> None:
    with specimen(name) as (lab, scenario, known):
        large, found = larger(lab, scenario, name)
        assert sum(1 for _ in large.calls()) > sum(1 for _ in scenario.calls())
        result = smallest(lab, large, found)
    assert size(result.scenario) <= size(scenario)
    assert len(result.scenario.setup) <= len(scenario.setup)
    assert result.minimum.preemptions == known.preemptions
    assert result.minimum.within
    assert result.minimum.fewest


# -- against a slow search


def every_part(scenario: Scenario) -> set[Scenario]:
    """Each part in which a thread calls something, by the plainest of all ways."""
    slots = [(0, call) for call in scenario.setup]
    slots += [(i, call) for i, thread in enumerate(scenario.threads, 1) for call in thread]
    slots += [(99, call) for call in scenario.observers]
    found = set()
    for count in range(1, len(slots)):
        for kept in combinations(slots, count):
            threads = tuple(
                tuple(call for slot, call in kept if slot == i) for i in range(1, len(scenario.threads) + 1)
            )
            if any(threads):
                setup = tuple(call for slot, call in kept if slot == 0)
                after = tuple(call for slot, call in kept if slot == 99)
                found.add(Scenario(setup, tuple(filter(None, threads)), after))
    return found


CALLS = [Call(Op.STORE, key, (value,)) for key, value in enumerate(range(10, 15))]
SMALL = Scenario((CALLS[0],), ((CALLS[1], CALLS[2]), (CALLS[3],)), (CALLS[4],))


def test_the_parts_of_a_small_program_are_all_parts() -> None:
    assert set(parts(SMALL)) == every_part(SMALL)


def test_of_a_larger_program_each_call_is_left_out_once() -> None:
    large = replace(SMALL, setup=(CALLS[0], Call(Op.CLEAR)))
    assert list(parts(large)) == [without(large, frozenset({i})) for i in range(6)]


def test_nothing_is_left_of_a_single_call() -> None:
    assert list(parts(Scenario((), ((CALLS[0],),), ()))) == []


def fails(lab: Laboratory, scenario: Scenario, bound: int) -> bool:
    return run_plan(lab, scenario, bounded(bound)).failing is not None


def refuted(lab: Laboratory, found: Smallest) -> list[str]:
    """What the minimum claims and a slow search finds to be false."""
    minimum = found.minimum
    wrong = []
    if minimum.within and any(fails(lab, part, minimum.preemptions) for part in every_part(found.scenario)):
        wrong.append("something can be left out")
    if minimum.fewest and minimum.preemptions and fails(lab, found.scenario, minimum.preemptions - 1):
        wrong.append("fewer preemptions do")
    return wrong


PROGRAMS = (
    ("", "load_or_store a 1; load b", "load_or_store a 2", "load a"),
    ("store b 1; load b", "load_or_store a 1", "store b 5; load_or_store a 2"),
    ("delete a", "load b; load_or_store a 1", "load_or_store a 2"),
)


@pytest.mark.parametrize("programs", PROGRAMS)
def test_what_is_claimed_is_so(programs: tuple[str, ...]) -> None:
    with on(CheckThenAct, *programs) as (lab, scenario):
        found = smallest(lab, scenario, first_failure(lab, scenario))
        assert refuted(lab, found) == []
        assert (found.minimum.operations, found.minimum.preemptions) == (2, 1)
        assert (found.minimum.before, found.minimum.after) == (0, 0)
        assert found.minimum.within
        assert found.minimum.every_part
        assert found.minimum.fewest


def keeps_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims to have left out each call, and never leaves out the first one."""
    honest = smaller.parts
    monkeypatch.setattr(
        smaller, "parts", lambda program: (part for part in honest(program) if part.setup == program.setup)
    )


def explores_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims a bound, and runs the schedules of a smaller one."""

    class Short(type(bounded(0))):  # type: ignore[misc]
        def __init__(self, bound: int) -> None:
            self.__dict__.update(bounded(0).__dict__)
            self.goal = f"preemptions <= {bound}"

    monkeypatch.setattr(smaller, "bounded", Short)
    monkeypatch.setattr(smaller, "reduced", lambda files: Short(2))


def counts_from_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the first failure for the one with the fewest preemptions."""
    honest = PreemptionBound
    monkeypatch.setattr(shrink, "PreemptionBound", lambda bound: _Backwards(honest(2), bound))
    monkeypatch.setattr(shrink, "fewest_switches", lambda lab, scenario, found: found)
    monkeypatch.setattr(shrink, "_preemptions", lambda lab, scenario, schedule: 2)


class _Backwards:
    """Runs nothing below a bound of two."""

    def __init__(self, strategy: Any, bound: int) -> None:
        self._strategy = strategy
        self._runs = bound == 2

    def begin(self) -> bool:
        return self._runs and bool(self._strategy.begin())

    def choose(self, *told: Any) -> int:
        return int(self._strategy.choose(*told))


@pytest.mark.parametrize(
    ("mutant", "wrong"),
    [
        (keeps_a_call, "something can be left out"),
        (explores_too_little, "something can be left out"),
        (counts_from_the_top, "fewer preemptions do"),
    ],
)
def test_a_shrinker_that_claims_too_much_is_caught(
    mutant: Any, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on(CheckThenAct, "store b 1", "load_or_store a 1", "load_or_store a 2; load b") as (lab, given):
        scenario = replace(given, observers=())
        execution = first_failure(lab, scenario)
        with monkeypatch.context() as patch:
            mutant(patch)
            found = smallest(lab, scenario, execution)
        assert refuted(lab, found) == [wrong]


# -- what is said


def test_a_budget_that_runs_out_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smaller, "MOST_STEPS", 300)
    monkeypatch.setattr(shrink, "RUNS", 1)
    with on(CheckThenAct, "", "load_or_store a 1", "load_or_store a 2") as (lab, scenario):
        reduction = Reduction(lab, scenario, first_failure(lab, scenario), steps=300)
        shown = reduction.show(reduction.execution, 1)
        minimum = smallest(lab, scenario, first_failure(lab, scenario)).minimum
    assert shown is not None
    assert shown.within == ""
    assert shown.done < shown.programs
    assert (minimum.within, minimum.fewest) == ("", False)
    assert re.fullmatch(
        r".* That no operation can be left out is not shown: \d of \d+ smaller programs were explored to their end\. "
        r"That no preemption would not do is not shown\.",
        words(minimum),
    )


WORDS = {
    Minimum(
        2, 2, 1, programs=2, programs_run=2, runs=2, within="all", every_part=True, schedules=2, fewest=True
    ): (
        "2 operations in 2 threads, 1 preemption. No operations can be left out: of 2 smaller programs none fails (one "
        "schedule of every kind of each, 2 runs). Every schedule with no preemption was run (2), none fails so."
    ),
    Minimum(1, 1, 0, programs=0): "1 operation in 1 thread, 0 preemptions.",
    Minimum(
        2,
        3,
        2,
        before=1,
        after=7,
        programs=11,
        programs_run=11,
        runs=1203,
        within="preemptions <= 2",
        otherwise=4,
    ): (
        "3 operations in 2 threads (1 before and 7 after them), 2 preemptions. No single operation can be left out: of 11 "
        "smaller programs none fails in this way or a plainer one (every schedule of each with up to 2 preemptions, "
        "1,203 runs). That fewer preemptions would not do is not shown."
    ),
    Minimum(2, 2, 0, given=True): "2 operations in 2 threads, 0 preemptions.",
}


@pytest.mark.parametrize("minimum", WORDS)
def test_each_claim_is_said_with_what_it_rests_on(minimum: Minimum) -> None:
    assert words(minimum) == WORDS[minimum]


def test_the_line_stands_below_the_headline_and_in_the_json() -> None:
    with on(CheckThenAct, "", "load_or_store a 1", "load_or_store a 2; load a") as (lab, scenario):
        told = simplest_counterexample(lab, scenario, first_failure(lab, scenario))
    assert told.minimum is not None
    assert told.trace is not None
    assert told.account.split("\n\n")[1] == words(told.minimum)
    assert from_json(as_json(told.trace)).minimum == told.minimum
    assert plain(msgspec.structs.replace(told.trace, minimum=None)).split("\n\n")[1] != words(told.minimum)


class Counter:
    def __init__(self) -> None:
        self.n = 0

    def add(self) -> int:
        seen = self.n
        self.n = seen + 1
        return seen

    def check_invariants(self) -> None:
        assert self.n != 2, "one of three is lost"


def test_the_program_of_an_object_stays_as_it_was_written() -> None:
    add = (Invocation("add"),)
    scenario = ObjectScenario("counter", Counter, (add, add, add), files=frozenset({__file__}))
    found = exhaust(scenario).counterexample
    assert found is not None
    assert found.scenario == scenario.program
    assert found.minimum is not None
    assert (found.minimum.given, found.minimum.preemptions, found.minimum.fewest) == (True, 1, True)


def test_a_failure_may_only_become_plainer() -> None:
    order = [FailureKind.EXCEPTION, FailureKind.DEADLOCK, FailureKind.VIOLATION]
    for i, kind in enumerate(order):
        assert [is_as_plain(Failure(other, ""), kind) for other in order] == [j <= i for j in range(3)]
