"""Runs a program of rules on a new machine, at once or one after the other, and judges what they answered.

The idea: to the laboratory a machine is one more subject: it is made, its rules are called, its history is judged.
What is special is the judge, which is the machine itself: it runs the same rules in sequence (`interleaved_orders`).
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, Final

from hypothesis.errors import UnsatisfiedAssumption
from hypothesis.stateful import MultipleResults, RuleBasedStateMachine

from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability import Linearizable, Unknown, Violation
from mapproof.spec.linearizability.any_model import check_model
from mapproof.spec.model import Model
from mapproof.stateful_tests.execution import (
    MOST_CONFIGURATIONS,
    NO_ANSWERS,
    Checks,
    Execution,
    Laboratory,
    laboratory,
)
from mapproof.stateful_tests.explorer.cooperative_threading import UnsupportedTarget
from mapproof.stateful_tests.explorer.endings import Ending
from mapproof.stateful_tests.explorer.endings import Outcome as How
from mapproof.stateful_tests.explorer.opcode_events import TracingLost
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.simulated_thread import Abort
from mapproof.stateful_tests.explorer.simulation import Simulation
from mapproof.stateful_tests.explorer.strategy import NondeterministicTarget, Schedule, Strategy
from mapproof.stateful_tests.explorer.watchdog import watchdog
from mapproof.stateful_tests.interleaved_orders import UNREPEATABLE, Orders, Outcome, snapshot, unexplained
from mapproof.stateful_tests.interleaved_programs import Action, Actions, Broken, Reference, Step
from mapproof.stateful_tests.interleaved_switches import attributes_of
from mapproof.stateful_tests.recording import Failure, FailureKind
from mapproof.stateful_tests.scenarios import Call, Scenario

MachineType = type[RuleBasedStateMachine]


@dataclass(frozen=True, slots=True)
class Sequential:
    """The specification that is a machine: the one under test itself, or another with rules of the same names."""

    machine: MachineType
    rules: dict[str, Action]
    itself: bool


Specification = Sequential | Model[Any] | None
"""What the answers are held to; None: nothing, and then whoever waits for ever is wrong."""


class NotRun:
    """What a rule is taken to answer whose argument was never made, as the rule that makes it raised."""

    def __repr__(self) -> str:
        return "not run"


NOT_RUN: Final = NotRun()


@dataclass(slots=True)
class Running:
    """A machine, and the values that its rules have made, by their names in the program."""

    machine: RuleBasedStateMachine
    actions: Actions
    simulation: Simulation
    values: dict[str, Any] = field(default_factory=dict)

    def resolved(self, value: Any) -> Any:
        """The argument of this run: what a name stands for, or a copy of what was drawn, which the rule may change."""
        if isinstance(value, Reference):
            return self.values[value.name]
        if isinstance(value, (int, str, bytes, float)):
            return value
        try:
            return copy.deepcopy(value)
        except Exception:  # noqa: BLE001 - whatever its own way of copying raises; it is shared by all runs then
            return value

    def named(self, value: Any) -> Reference | None:
        """The name of an object that some rule has made."""
        return next((Reference(name) for name, made in self.values.items() if made is value), None)

    def check_invariants(self) -> None:
        """The laboratory asks for this when the run is over. Raises AssertionError."""
        broken: list[str] = []

        def check() -> None:
            broken.extend(_broken(self.machine, self.actions.invariants))

        if self.actions.invariants:
            ending = _unwatched(self.simulation, check)
            if ending.outcome is How.DEADLOCK:
                broken.append(f"an invariant waits for ever for {ending.waits[0].target}")
        if broken:
            raise AssertionError(broken[0])

    @property
    def step_invariants(self) -> Callable[[], Callable[[], None]] | None:
        """The laboratory calls this for what it checks at each step."""
        if not self.actions.step_invariants:
            return None

        def check() -> None:
            try:
                broken = next(_broken(self.machine, self.actions.step_invariants), None)
            except TracingLost:
                raise UnsupportedTarget(
                    "a step invariant takes a lock; it is checked between two steps, where nothing can wait"
                ) from None
            if broken is not None:
                raise AssertionError(broken)

        return lambda: check


def _unwatched(simulation: Simulation, task: Callable[[], None]) -> Ending:
    """Run a task alone that is no part of a program: whoever is told of the steps of that is not told of these."""
    watcher, listener = simulation.watcher, simulation.listener
    simulation.watcher = simulation.listener = None
    try:
        with watchdog():
            return simulation.run({0: task}, Replay(Schedule()), stops=False)
    finally:
        simulation.watcher, simulation.listener = watcher, listener


def _broken(machine: RuleBasedStateMachine, invariants: Sequence[Action]) -> Iterator[str]:
    """The invariants that do not hold, in words."""
    for invariant in invariants:
        try:
            if invariant.allowed(machine):
                invariant.function(machine)
        except NO_ANSWERS:
            raise
        except AssertionError as error:
            yield f"{invariant.name} does not hold" + (f": {error}" if str(error) else "")
        except Exception as error:  # noqa: BLE001 - an invariant may ask the object anything
            yield f"{invariant.name} raised {type(error).__name__}: {error}"


@dataclass(slots=True)
class MachineSubject:
    """A machine as a `Subject`. `files` are the source files whose instructions are switch points; with `leaks`, a lock
    that a thread still holds at its end is a failure."""

    machine: MachineType
    actions: Actions
    specification: Specification
    raises: tuple[type[Exception], ...] = ()
    files: frozenset[str] = frozenset()
    modules: tuple[ModuleType, ...] = ()
    leaks: bool = True
    simulation: Simulation = field(default_factory=Simulation)
    scenario: Scenario = field(default_factory=lambda: Scenario((), (), ()))
    _made: list[Running] = field(default_factory=list)
    _orders: tuple[Scenario, Orders] | None = None

    # -- what the laboratory asks

    def make(self) -> Running:
        self._made.append(Running(self.machine(), self.actions, self.simulation))
        return self._made[-1]

    def perform(self, made: Running, call: Call) -> Any:
        assert isinstance(call, Step)
        return self._perform(made, call, call.action)

    def expected(self, call: Call, answer: Any) -> str | None:
        return None

    def render(self, call: Call) -> str:
        return str(call)

    def told(self, operation: Operation) -> str:
        return "done" if operation.result is None else f"→ {operation.result!r}"

    def decide(self, history: History) -> Violation | Unknown | None:
        specification = self.specification
        if specification is None:
            return None
        if not isinstance(specification, Sequential):
            judged = tuple(operation for operation in history.operations if operation.result is not NOT_RUN)
            decided = check_model(History(judged), specification, max_configurations=MOST_CONFIGURATIONS)
            return None if isinstance(decided, Linearizable) else decided
        if specification.itself and not any(operation.client for operation in history.operations):
            return None
        why = self.unexplained(specification, history)
        return None if why is None else Violation((), None, why)

    # -- the machine as its own judge

    def unexplained(self, specification: Sequential, history: History) -> str | None:
        """None if the rules in some order, one after the other, have these outcomes; else why not."""
        self.simulation.finish()  # threads that the rules started are no part of the orders
        if self._orders is None or self._orders[0] is not self.scenario:
            self._orders = self.scenario, Orders(self._outcomes_of)
        orders = self._orders[1]
        operations = list(_numbered(self.scenario, history))
        if specification.itself:
            self._check_repeats(operations, orders)
        return unexplained(operations, orders)

    def _check_repeats(self, operations: Sequence[tuple[int, Operation]], orders: Orders) -> None:
        """What comes before the threads is sequential already, so that it must be the same each time."""
        before = range(len(self.scenario.setup))
        for number, operation in operations[: len(before)]:
            outcome = orders.outcome(tuple(before[: number + 1]), before[number + 1 :])
            if not outcome.is_that_of(operation):
                raise NondeterministicTarget(f"{UNREPEATABLE}: {operation}, and once more it {outcome}")

    def _outcomes_of(self, numbers: Sequence[int]) -> list[Outcome]:
        assert isinstance(self.specification, Sequential)
        steps = list(self.scenario.calls())
        running = Running(self.specification.machine(), self.actions, self.simulation)
        rules = self.specification.rules
        outcomes: list[Outcome] = []

        def run() -> None:
            for number in numbers:
                step = steps[number]
                assert isinstance(step, Step)
                outcomes.append(self._outcome(running, step, rules[step.op]))

        try:
            ending = _unwatched(self.simulation, run)
        finally:
            self.simulation.finish()
        if ending.outcome is How.DEADLOCK:
            outcomes.append(Outcome(waits=True))
        self._torn_down(running.machine)
        return outcomes

    def _outcome(self, running: Running, step: Step, rule: Action) -> Outcome:
        try:
            return Outcome(self._perform(running, step, rule))
        except NO_ANSWERS:
            raise
        except BaseException as raised:  # noqa: BLE001 - whatever the rule raises is its outcome
            if self.simulation.unwinding:
                raise Abort from None
            return Outcome(error=type(raised).__name__)

    # -- one machine

    @property
    def standing(self) -> RuleBasedStateMachine:
        """The machine that was made last, which was not torn down yet."""
        return self._made[-1].machine

    @property
    def made_values(self) -> Iterable[Any]:
        """What the rules of that machine have made for its bundles."""
        return self._made[-1].values.values()

    def _perform(self, running: Running, step: Step, rule: Action) -> Any:
        try:
            given = {name: running.resolved(value) for name, value in step.given}
        except KeyError:
            return NOT_RUN
        try:
            answer = rule.function(running.machine, **given)
        except UnsatisfiedAssumption:
            raise UnsupportedTarget(
                f"rule {step.op} calls assume(), but the program that it is part of is drawn and cannot be given up"
            ) from None
        if isinstance(answer, MultipleResults):
            raise UnsupportedTarget(
                f"rule {step.op} answers multiple(), whose names cannot be told beforehand"
            )
        running.values.update((name, answer) for name in step.makes)
        return snapshot(answer, running.named)

    def tear_down(self) -> str | None:
        """Tear down the machines that were made: what went wrong with that, if anything did."""
        made, self._made = self._made, []
        wrong = [self._torn_down(running.machine) for running in made]
        return next(filter(None, wrong), None)

    def _torn_down(self, machine: RuleBasedStateMachine) -> str | None:
        if type(machine).teardown is RuleBasedStateMachine.teardown:
            return None
        raised: list[str] = []

        def tear_down() -> None:
            try:
                machine.teardown()
            except NO_ANSWERS:
                raise
            except Exception as error:  # noqa: BLE001 - a complaint like any other
                raised.append(f"teardown raised {type(error).__name__}: {error}")

        try:
            ending = _unwatched(self.simulation, tear_down)
        finally:
            self.simulation.finish()
        if ending.outcome is How.DEADLOCK:
            return f"teardown waits for ever for {ending.waits[0].target}"
        return raised[0] if raised else None


def _numbered(scenario: Scenario, history: History) -> Iterator[tuple[int, Operation]]:
    """Each operation with the number of its step among `scenario.calls()`."""
    total = len(list(scenario.calls()))
    setup, observers = len(scenario.setup), len(scenario.observers)
    numbers = {0: iter([*range(setup), *range(total - observers, total)])}
    first = setup
    for client, thread in enumerate(scenario.threads, 1):
        numbers[client] = iter(range(first, first + len(thread)))
        first += len(thread)
    return ((next(numbers[operation.client]), operation) for operation in history.operations)


class Bench(Laboratory):
    """A laboratory that knows that rules may wait, and tears machines down. Made by `bench`."""

    subject: MachineSubject

    def run(self, scenario: Scenario, strategy: Strategy) -> Execution:
        """One run. A run that got stuck did nothing wrong if the same rules in sequence get stuck there, too."""
        with self._traced():
            self.subject.tear_down()  # what `tried` left to be looked at
            self.subject.scenario = scenario
            execution = self._forgiven(super().run(scenario, strategy))
            wrong = self.subject.tear_down()
        if wrong is not None and execution.failure is None:
            return replace(execution, failure=Failure(FailureKind.EXCEPTION, wrong))
        return execution

    def _forgiven(self, execution: Execution) -> Execution:
        specification = self.subject.specification
        stuck = execution.failure is not None and execution.failure.kind is FailureKind.DEADLOCK
        if not stuck or not isinstance(specification, Sequential):
            return execution
        if self.subject.unexplained(specification, execution.history) is not None:
            return execution
        return replace(execution, failure=None)

    def tried(self, steps: Sequence[Step]) -> Any:
        """Run these steps alone, on a new machine: the machine at rest, or None if the last of them waits for ever
        (and may: the specification is a machine). Raises Broken if they fail."""
        with self._traced():
            self.subject.tear_down()
            self.subject.scenario = Scenario(tuple(steps), (), ())
            execution = super().run(self.subject.scenario, Replay(Schedule()))
        failure = execution.failure
        if failure is None:
            return self.subject.standing
        may_wait = isinstance(self.subject.specification, Sequential)
        if failure.kind is FailureKind.DEADLOCK and may_wait:
            return None
        raise Broken

    @contextmanager
    def _traced(self) -> Iterator[None]:
        """Trace what is run, and not Hypothesis, which before 3.12 would take twice as long."""
        self.simulation.instrument.prepare()
        try:
            yield
        finally:
            if sys.version_info < (3, 12) and self.subject.files:
                sys.settrace(None)

    def held(self) -> Iterator[Any]:
        """What the machine of the last trial has as attributes of its own, and what its rules made."""
        yield from attributes_of(self.subject.standing)
        yield from self.subject.made_values


@contextmanager
def bench(subject: MachineSubject) -> Iterator[Bench]:
    """A bench for the subject: while it is open, `threading` is cooperative and the code is instrumented."""
    with laboratory(
        subject, Checks(invariants=bool(subject.actions.step_invariants), leaks=subject.leaks)
    ) as lab:
        subject.simulation = lab.simulation
        made = Bench(subject, lab.simulation, lab.checks)
        try:
            yield made
        finally:
            with made._traced():
                subject.tear_down()
