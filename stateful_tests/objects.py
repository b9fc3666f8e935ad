"""Explores any object: little programs of method calls, in every schedule within a bound or in random ones.

The idea: to a scheduler one method is like another. What the methods should answer is said by a sequential
specification (`spec.model.Model`), so an object needs no adapter, only a function that makes a new one.

    scenario = ObjectScenario(
        "two buyers of the last piece",
        Inventory,
        setup=(Invocation("restock", (1,), key="book"),),
        threads=((Invocation("deduct", (1,), key="book"),),) * 2,
        model=Stock(),
    )
    explored = exhaust(scenario, bound=2)

What is wrong with a run: an exception (unless the scenario says that it is an answer), a deadlock, an operation
that never ends, a data race, an invariant that is broken at a step (the object's `step_invariants()` answers the
function that checks them, see `Checks`) or at the end (`check_invariants()`), a history that the model does not
explain.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, cast

from mapproof.spec.evidence import Verdict
from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability import Linearizable, Unknown, Violation
from mapproof.spec.linearizability.any_model import check_model
from mapproof.spec.model import Model
from mapproof.spec.operations import Op
from mapproof.stateful_tests.execution import (
    CANNOT_LOOK,
    MOST_CONFIGURATIONS,
    Checks,
    Laboratory,
    laboratory,
)
from mapproof.stateful_tests.exploration import Explored, run_plan, watched_words
from mapproof.stateful_tests.explorer.pct import Pct
from mapproof.stateful_tests.explorer.plan import Plan, Turns, bounded
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.scenarios import Call, Scenario
from mapproof.stateful_tests.shrink import simplest_counterexample


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call of `method`. A `key`, if there is one, is its first argument, and the operation's key in the history.

    All runs are given the same `args`: neither they nor what the method answers may change afterwards.
    """

    method: str
    args: tuple[Any, ...] = ()
    key: Any = None


Program = tuple[Invocation, ...]


EVERY_CHECK: Final = Checks(races=True, invariants=True)


@dataclass(frozen=True, slots=True)
class ObjectScenario:
    """Client 0 runs `setup` on a new object, clients 1, 2, ... run `threads` at once, then client 0 `observers`.

    Without a `model` the answers are not judged. `checks` says what is watched at every step. Exceptions of the
    types `raises` are answers: the operation may have taken effect or not, and its client goes on. `files` are the
    source files whose instructions are switch points, for objects that are not built on `impl.sync`; `modules` may
    hold real locks taken at import.
    """

    name: str
    make: Callable[[], Any]
    threads: tuple[Program, ...]
    setup: Program = ()
    observers: Program = ()
    model: Model[Any] | None = None
    checks: Checks = EVERY_CHECK
    raises: tuple[type[Exception], ...] = ()
    files: frozenset[str] = frozenset()
    modules: tuple[ModuleType, ...] = ()

    def __post_init__(self) -> None:
        if not any(self.threads):
            raise ValueError(f"{self.name}: no thread calls anything")

    @property
    def program(self) -> Scenario:
        """What is called, as the explorer takes it."""
        threads = tuple(map(_calls_of, self.threads))
        return Scenario(_calls_of(self.setup), threads, _calls_of(self.observers))


def exhaust(scenario: ObjectScenario, *, bound: int = 2, limit: int = 100_000) -> Explored:
    """Run every schedule with at most `bound` preemptions.

    EXHAUSTED; FAILED with a counterexample; SAMPLED if `limit` runs came first; INCONCLUSIVE with the reason if
    nothing can be said. Raises ValueError for a scenario or bounds that cannot be run, and ModelError for a model
    that cannot be used.
    """
    if bound < 0 or limit < 1:
        raise ValueError("bound must be at least 0, and limit at least 1")
    return explore_object(scenario, bounded(bound), limit)


def sample(scenario: ObjectScenario, *, schedules: int = 1_000, seed: int = 0) -> Explored:
    """Run so many random schedules, by turns of a random walk and of PCT: SAMPLED, FAILED or INCONCLUSIVE.

    The same seed runs the same schedules. Raises as `exhaust` does.
    """
    if schedules < 1:
        raise ValueError("schedules must be at least 1")
    return explore_object(scenario, Turns(RandomWalk(seed), Pct(seed)), schedules)


def explore_object(scenario: ObjectScenario, plan: Plan, limit: int) -> Explored:
    """Run what the plan has (`explorer.plan`), at most `limit` executions. Answers and raises as `exhaust` does."""
    started = time.perf_counter()
    failing, watched = None, frozenset[FailureKind]()
    try:
        with object_laboratory(scenario) as lab:
            walk = run_plan(lab, scenario.program, plan, limit=limit)
            if walk.failing is not None:
                failing = simplest_counterexample(lab, scenario.program, walk.failing, given=True)
            watched = walk.watched(lab.watched_for)
            unjudged = "" if scenario.model is not None else ", no model to judge the answers"
            verdict, scope = (
                walk.verdict,
                f"{walk.scope} of one scenario{watched_words(watched)}{unjudged}",
            )
    except CANNOT_LOOK as trouble:
        verdict, scope = Verdict.INCONCLUSIVE, str(trouble)
    return Explored(scenario.name, verdict, scope, time.perf_counter() - started, failing, watched)


def _calls_of(program: Program) -> tuple[Call, ...]:
    # A call of a map names one of the eleven operations; as for an Operation, here it is any name.
    return tuple(Call(cast(Op, call.method), call.key, call.args) for call in program)


@dataclass(frozen=True, slots=True)
class _Object:
    """The object of a scenario as a `Subject`: its methods are called by their names, its model judges."""

    make: Callable[[], Any]
    model: Model[Any] | None
    raises: tuple[type[Exception], ...]
    files: frozenset[str]
    modules: tuple[ModuleType, ...]

    def perform(self, made: Any, call: Call) -> Any:
        return getattr(made, call.op)(*_given(call))

    def expected(self, call: Call, answer: Any) -> str | None:
        return None

    def render(self, call: Call) -> str:
        return f"{call.op}({', '.join(map(repr, _given(call)))})"

    def told(self, operation: Operation) -> str:
        return "done" if operation.result is None else f"→ {operation.result!r}"

    def decide(self, history: History) -> Violation | Unknown | None:
        if self.model is None:
            return None
        decided = check_model(history, self.model, max_configurations=MOST_CONFIGURATIONS)
        return None if isinstance(decided, Linearizable) else decided


def _given(call: Call) -> tuple[Any, ...]:
    return call.args if call.key is None else (call.key, *call.args)


@contextmanager
def object_laboratory(scenario: ObjectScenario) -> Iterator[Laboratory]:
    """A laboratory for the object of the scenario. Raises ValueError if it lacks a method that is called."""
    subject = _Object(scenario.make, scenario.model, scenario.raises, scenario.files, scenario.modules)
    with laboratory(subject, scenario.checks) as lab:
        _refuse_unknown_methods(scenario)
        yield lab


def _refuse_unknown_methods(scenario: ObjectScenario) -> None:
    made = scenario.make()
    missing = {call.op for call in scenario.program.calls() if not hasattr(made, call.op)}
    if missing:
        raise ValueError(f"{scenario.name}: {type(made).__name__} has no {' and no '.join(sorted(missing))}")
