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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from types import ModuleType
from typing import Any, Final, cast

from greenlet import GreenletExit

from mapproof.impl.sync import watched_by
from mapproof.spec.accesses import Access
from mapproof.spec.claims import Claims
from mapproof.spec.evidence import Verdict
from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability import Unknown, Violation
from mapproof.spec.linearizability.any_model import check_model
from mapproof.spec.model import Model
from mapproof.spec.operations import Op
from mapproof.spec.values import identity
from mapproof.stateful_tests.adapters import Adapter
from mapproof.stateful_tests.conformance import _account
from mapproof.stateful_tests.execution import (
    CANNOT_LOOK,
    MOST_CONFIGURATIONS,
    Checks,
    Failure,
    FailureKind,
    Laboratory,
    Target,
    _describe_exception,
    _Recording,
)
from mapproof.stateful_tests.exhaustion import Explored, _watched_for
from mapproof.stateful_tests.explorer.cooperative_threading import patched
from mapproof.stateful_tests.explorer.opcode_events import opcode_events
from mapproof.stateful_tests.explorer.pct import Pct
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.explorer.simulation import Abort
from mapproof.stateful_tests.explorer.strategy import Schedule, Strategy
from mapproof.stateful_tests.scenarios import Call, Scenario
from mapproof.stateful_tests.trace import Counterexample


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


def exhaust(scenario: ObjectScenario, *, bound: int = 2, limit: int = 100_000) -> Explored:
    """Run every schedule with at most `bound` preemptions.

    EXHAUSTED; FAILED with a counterexample; SAMPLED if `limit` runs came first; INCONCLUSIVE with the reason if
    nothing can be said. Raises ValueError for a scenario or bounds that cannot be run, and ModelError for a model
    that cannot be used.
    """
    if bound < 0 or limit < 1:
        raise ValueError("bound must be at least 0, and limit at least 1")
    strategy = PreemptionBound(bound)

    def strategies() -> Iterator[Strategy]:
        while strategy.begin():
            yield strategy

    return _explored(scenario, strategies(), limit, f"preemptions <= {bound}: ")


def sample(scenario: ObjectScenario, *, schedules: int = 1_000, seed: int = 0) -> Explored:
    """Run so many random schedules, by turns of a random walk and of PCT: SAMPLED, FAILED or INCONCLUSIVE.

    The same seed runs the same schedules. Raises as `exhaust` does.
    """
    if schedules < 1:
        raise ValueError("schedules must be at least 1")
    turns = (RandomWalk(seed), Pct(seed))

    def strategies() -> Iterator[Strategy]:
        while True:
            for strategy in turns:
                strategy.begin()
                yield strategy

    return _explored(scenario, strategies(), schedules, "")


@dataclass(slots=True)
class _Search:
    """What was run so far."""

    runs: int = 0
    undecided: int = 0
    distinct: set[Schedule] = field(default_factory=set)
    failing: Counterexample | None = None
    ended: bool = False
    """No schedule was left."""

    def run(self, lab: ObjectLaboratory, strategies: Iterator[Strategy], limit: int) -> None:
        for strategy in islice(strategies, limit):
            execution = lab.run(lab.program, strategy)
            self.runs += 1
            self.undecided += execution.undecided
            self.distinct.add(execution.schedule)
            if execution.failure is not None:
                self.failing = _account(lab, lab.program, execution)
                return
        self.ended = next(strategies, None) is None

    @property
    def verdict(self) -> Verdict:
        if self.failing is not None:
            return Verdict.FAILED
        if self.undecided:
            return Verdict.INCONCLUSIVE
        return Verdict.EXHAUSTED if self.ended else Verdict.SAMPLED

    @property
    def scope(self) -> str:
        if self.failing is not None:
            return f"schedule {self.runs:,} of one scenario"
        runs = f"all {self.runs:,} schedules" if self.ended else f"{self.runs:,} schedules"
        distinct = "" if self.ended else f", {len(self.distinct):,} distinct"
        doubt = f", {self.undecided:,} histories undecided" if self.undecided else ""
        return f"{runs}{distinct}{doubt} of one scenario"


def _explored(scenario: ObjectScenario, strategies: Iterator[Strategy], limit: int, bound: str) -> Explored:
    started = time.perf_counter()
    search = _Search()
    try:
        with object_laboratory(scenario) as lab:
            search.run(lab, strategies, limit)
            unjudged = "" if scenario.model is not None else ", no model to judge the answers"
            verdict, scope = search.verdict, f"{bound}{search.scope}{_watched_for(lab)}{unjudged}"
    except CANNOT_LOOK as trouble:
        verdict, scope = Verdict.INCONCLUSIVE, str(trouble)
    return Explored(scenario.name, verdict, scope, time.perf_counter() - started, search.failing)


def _program_of(scenario: ObjectScenario) -> Scenario:
    threads = tuple(_calls_of(thread) for thread in scenario.threads)
    return Scenario(_calls_of(scenario.setup), threads, _calls_of(scenario.observers))


def _calls_of(program: Program) -> tuple[Call, ...]:
    # A call of a map names one of the eleven operations; as for an Operation, here it is any name.
    return tuple(Call(cast(Op, call.method), call.key, call.args) for call in program)


class _Methods(Adapter):
    """Calls methods by their names."""

    __slots__ = ()

    def render(self, op: Op, key: Any, args: tuple[Any, ...], form: int) -> str:
        return f"{op}({', '.join(map(repr, _given(key, args)))})"

    def perform(self, target: Any, op: Op, key: Any, args: tuple[Any, ...], form: int) -> Any:
        return getattr(target, op)(*_given(key, args))


def _given(key: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return args if key is None else (key, *args)


class _Nobody:
    """Watches nothing."""

    def before(self, target: object, access: Access) -> None:
        pass

    def wait(self, target: object, access: Access, ready: Callable[[], bool]) -> None:
        pass

    def after(self, target: object, access: Access, happened: bool) -> None:
        pass

    def thread(self) -> int:
        return 0


def _made(scenario: ObjectScenario) -> Any:
    """A new object. Who makes it is no simulated thread, but may take locks on the way."""
    with watched_by(_Nobody()):
        return scenario.make()


class ObjectLaboratory(Laboratory):
    """Runs the programs of one scenario; the model judges the histories. Made by `object_laboratory`."""

    def __init__(self, scenario: ObjectScenario, *rest: Any) -> None:
        methods = _Methods("object", {})
        target = Target(
            scenario.name, partial(_made, scenario), methods, (), Claims(), scenario.files, scenario.modules
        )
        super().__init__(target, *rest)
        self.program = _program_of(scenario)
        self._scenario = scenario

    def perform(self, client: int, call: Call, target: Any, recording: _Recording) -> bool:
        self._simulation.stop_before(call)
        if self.announce is not None:
            self.announce(client, call, None)
        place = len(recording.operations)
        operation = Operation(client, str(call.op), call.key, call.args, None, recording.tick(), None)
        recording.operations.append(operation)
        error = result = None
        goes_on = True
        try:
            result = self.target.adapter.perform(target, call.op, call.key, call.args, call.form)
        except (Abort, GreenletExit, KeyboardInterrupt, *CANNOT_LOOK):
            raise
        except BaseException as raised:  # noqa: BLE001 - whatever the object raises is its answer
            if self._simulation.unwinding:
                raise Abort from None
            error = type(raised).__name__
            goes_on = isinstance(raised, self._scenario.raises)
            if not goes_on:
                recording.fail(FailureKind.EXCEPTION, _describe_exception(client, self._text(call), raised))
        operation = replace(operation, result=result, return_=recording.tick(), error=error)
        recording.operations[place] = operation
        if self.announce is not None:
            # In an account a pair would be read as a map's (value, present).
            told = replace(operation, result=list(result)) if isinstance(result, tuple) else operation
            self.announce(client, call, told)
        return goes_on

    def _judge(self, scenario: Scenario, history: History) -> Failure | Unknown | None:
        """The model's answer; many schedules give the same history, so it is asked once for each."""
        seen = tuple(
            (op.client, op.op, op.call, op.return_, identity(op.result), op.error)
            for op in history.operations
        )
        if seen not in self._judged:
            self._judged[seen] = self._decide(history)
        return self._judged[seen]

    def _decide(self, history: History) -> Failure | Unknown | None:
        if self._scenario.model is None:
            return None
        decided = check_model(history, self._scenario.model, max_configurations=MOST_CONFIGURATIONS)
        if isinstance(decided, Violation):
            return Failure(FailureKind.VIOLATION, decided.explanation, decided.core)
        return decided if isinstance(decided, Unknown) else None


@contextmanager
def object_laboratory(scenario: ObjectScenario) -> Iterator[ObjectLaboratory]:
    """A laboratory for the scenario: while it is open, `threading` is cooperative and the code is instrumented."""
    with ExitStack() as stack:
        instrument = stack.enter_context(opcode_events(scenario.files)) if scenario.files else None
        stack.enter_context(patched(scenario.modules))
        _refuse_unknown_methods(scenario)
        made = ObjectLaboratory(scenario, instrument, scenario.checks)
        stack.enter_context(watched_by(made._simulation))
        yield made


def _refuse_unknown_methods(scenario: ObjectScenario) -> None:
    made = _made(scenario)
    missing = {call.op for call in _program_of(scenario).calls() if not hasattr(made, call.op)}
    if missing:
        raise ValueError(f"{scenario.name}: {type(made).__name__} has no {' and no '.join(sorted(missing))}")
