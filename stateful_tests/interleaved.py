"""A Hypothesis state machine whose rules run at once: any object, the rules of its user, no model needed.

The idea: a rule answers what it returns. Hypothesis draws a few rules to run first, some for each of two to four
simulated threads, and how to search their schedules; the answers of each run must be those of the same rules in some
order, one after the other, on a new machine (`interleaved_orders`). So the object is its own specification, and a
failure shrinks as any other: to the fewest rules, and to the schedule with the fewest preemptions.

    from hypothesis.stateful import rule
    from mapproof.stateful_tests.interleaved import InterleavedStateMachine

    class CounterMachine(InterleavedStateMachine):
        def __init__(self):
            super().__init__()
            self.counter = Counter()

        @rule()
        def increment(self):
            return self.counter.increment()

    TestCounter = CounterMachine.TestCase

What is drawn decides all that is run, schedules included; nothing depends on time or chance. So no failure is flaky,
and the example database finds it again at once.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice, zip_longest
from typing import Any, ClassVar, Final, TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis.errors import Flaky, InvalidDefinition
from hypothesis.stateful import RuleBasedStateMachine

from mapproof.spec.model import Model
from mapproof.stateful_tests.execution import CANNOT_LOOK, Execution
from mapproof.stateful_tests.explorer.plan import plan_named
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.strategy import NondeterministicTarget, Schedule, Strategy
from mapproof.stateful_tests.interleaved_bench import Bench, MachineSubject, Sequential, Specification, bench
from mapproof.stateful_tests.interleaved_orders import UNREPEATABLE, TooManyOrders
from mapproof.stateful_tests.interleaved_programs import (
    MOST_BEFORE,
    OBSERVER_MARKER,
    STEP_INVARIANT_MARKER,
    Actions,
    Program,
    Refused,
    actions_of,
    programs,
)
from mapproof.stateful_tests.interleaved_switches import Trace, held_by, switch_points
from mapproof.stateful_tests.scenarios import Call, Scenario
from mapproof.stateful_tests.shrink import simplest
from mapproof.stateful_tests.trace import counterexample

__all__ = [
    "ITSELF",
    "InterleavedStateMachine",
    "MachineIsWrong",
    "observer",
    "run_interleaved",
    "step_invariant",
]

ITSELF: Final = "itself"
"""As a specification: the answers are those of the same rules, one after the other, on a new machine."""

Method = TypeVar("Method", bound=Callable[..., Any])


class MachineIsWrong(AssertionError):
    """A machine failed; the text is the counterexample."""


def observer() -> Callable[[Method], Method]:
    """Marks a method, without arguments, that is run when all threads are done; its answer is judged as a rule's."""
    return _marker(OBSERVER_MARKER)


def step_invariant() -> Callable[[Method], Method]:
    """Marks an invariant that holds between any two steps of the threads, not only at rest. It may take no lock."""
    return _marker(STEP_INVARIANT_MARKER)


def _marker(name: str) -> Callable[[Method], Method]:
    def mark(method: Method) -> Method:
        setattr(method, name, True)
        return method

    return mark


class InterleavedStateMachine(RuleBasedStateMachine):
    """A `RuleBasedStateMachine` whose rules are run by two to four threads at once (docs/state-machines.md).

    `specification` says what the answers of the rules are held to: ITSELF; another machine with rules of the same
    names, which need not be made for threads; a `spec.model.Model`, which is given the names of the rules as
    operations; or None, to check assertions, exceptions, invariants and deadlocks alone. Exceptions of the types
    `raises` are answers. `trace` are the modules, files or classes whose instructions are switch points; unless it
    is given, the modules of the classes whose objects the machine holds as attributes. `schedules` are run of each
    drawn program. Set `leaks` to False where a rule takes a lock for another to give back.
    """

    specification: ClassVar[Any] = ITSELF
    raises: ClassVar[tuple[type[Exception], ...]] = ()
    trace: ClassVar[Trace | None] = None
    schedules: ClassVar[int] = 30
    leaks: ClassVar[bool] = True

    @classmethod
    @lru_cache
    def _to_test_case(cls) -> type[Any]:  # what Hypothesis's `TestCase` property answers
        class TestCase(unittest.TestCase):
            settings = settings(deadline=None, suppress_health_check=list(HealthCheck))

            def runTest(self) -> None:
                run_interleaved(cls, settings=self.settings)

            runTest.is_hypothesis_test = True  # type: ignore[attr-defined]

        TestCase.__name__ = f"{cls.__name__}.TestCase"
        TestCase.__qualname__ = f"{cls.__qualname__}.TestCase"
        TestCase.__module__ = cls.__module__
        return TestCase


Settings = settings  # the decorator's name is that of an argument below


def run_interleaved(machine: type[InterleavedStateMachine], *, settings: Settings | None = None) -> None:
    """Run the rules of the machine at once as a Hypothesis test, under its `TestCase.settings` unless others are given.

    Raises MachineIsWrong with the smallest counterexample; InvalidDefinition if the class asks for what cannot work
    with threads; NondeterministicTarget and others of CANNOT_LOOK, with the reason in a line, if nothing can be said.
    """
    __tracebackhide__ = True
    subject = subject_of(machine)
    with bench(subject) as opened:
        test = _Test(machine, opened)
        try:
            test.run(settings or machine.TestCase.settings)
        except _CannotLook as reason:
            raise reason.trouble from None
        except Refused as refused:
            raise refused.args[0] from None
        except Flaky as flaky:
            raise NondeterministicTarget(f"{machine.__name__}: {UNREPEATABLE}") from flaky
        except MachineIsWrong as wrong:
            wrong.args = (test.account(),)
            raise


class _CannotLook(BaseException):
    """Ends a Hypothesis test at once: an Exception would be taken for a failure, and shrunk."""

    def __init__(self, trouble: BaseException) -> None:
        self.trouble = trouble


@contextmanager
def _ending_at_once() -> Iterator[None]:
    try:
        yield
    except (*CANNOT_LOOK, TooManyOrders) as trouble:
        raise _CannotLook(trouble) from None


class _Test:
    """What Hypothesis runs, and the failure that it came to last, which is the smallest when it is done."""

    def __init__(self, machine: type[InterleavedStateMachine], opened: Bench) -> None:
        self._machine = machine
        self._bench = opened
        self._failing: tuple[Program, Execution] | None = None
        self.runs = 0

    def run(self, chosen: Settings) -> None:
        """One Hypothesis test."""
        __tracebackhide__ = True
        drawn = programs(
            self._bench.subject.actions, self._tried, min(MOST_BEFORE, chosen.stateful_step_count)
        )

        def rules_at_once(program: Program) -> None:
            __tracebackhide__ = True
            if self._fails(program):
                raise MachineIsWrong(f"{program}")

        _as_for(self._machine, rules_at_once)
        # Hypothesis explains a failure by tracing it, but the trace is taken: the simulation needs it.
        phases = [phase for phase in chosen.phases if phase is not Phase.explain]
        test = Settings(chosen, phases=phases)(given(drawn)(rules_at_once))
        test._hypothesis_internal_print_given_args = False  # type: ignore[attr-defined]
        test()

    def _tried(self, steps: Any) -> Any:
        with _ending_at_once():
            return self._bench.tried(steps)

    def _fails(self, program: Program) -> bool:
        with _ending_at_once():
            for strategy in self._strategies(program):
                self.runs += 1
                execution = self._bench.run(program.scenario, strategy)
                if execution.undecided:
                    raise TooManyOrders("the model did not decide on the answers of a run within its bound")
                if execution.failure is not None:
                    self._check_repeats(program, execution)
                    self._failing = program, execution
                    return True
        return False

    def _strategies(self, program: Program) -> Iterator[Strategy]:
        if not program.scenario.threads:
            return iter((_replay(Schedule()),))
        search = program.search
        plan = plan_named(search.plan, search.seed, self._bench.subject.files)
        return islice(plan, self._machine.schedules * search.effort)

    def _check_repeats(self, program: Program, execution: Execution) -> None:
        again = self._bench.run(program.scenario, _replay(execution.schedule))
        if _told_apart(again) == _told_apart(execution):
            return
        raise NondeterministicTarget(
            f"{self._machine.__name__}: the code under test depends on more than its schedule, for in one and the "
            f"same it did {_in_a_line(execution)}, and once more {_in_a_line(again)}"
        )

    def account(self) -> str:
        """The counterexample: the program, the schedule with the fewest preemptions, and what happened in it."""
        assert self._failing is not None
        program, execution = self._failing
        with _ending_at_once():
            if program.scenario.threads:
                execution = simplest(self._bench, program.scenario, execution)
                told = counterexample(self._bench, program.scenario, execution).account
            else:
                told = _told_in_sequence(execution)
        return f"{_summary(self._machine.__name__, program.scenario, execution)}\n\n{told}"


def _told_apart(execution: Execution) -> tuple[Any, ...]:
    """All of a run that must be the same when it is repeated. The words of an exception may name an address."""
    failure = execution.failure
    return execution.schedule, execution.history, None if failure is None else failure.kind


def _in_a_line(execution: Execution) -> str:
    did = "; ".join(f"client {operation.client} {operation}" for operation in execution.history.operations)
    return did if execution.failure is None else f"{did} ({execution.failure.kind})"


def _as_for(machine: type[InterleavedStateMachine], test: Callable[..., None]) -> None:
    """Have the example database, @seed and @reproduce_failure of the class apply to the test, as for a state machine
    of Hypothesis; all of that is said by attributes, and this is where the names of these are."""
    test.__module__, test.__qualname__ = machine.__module__, f"{machine.__qualname__}.rules_at_once"
    test._hypothesis_internal_add_digest = f"{machine.__module__}.{machine.__qualname__}".encode()  # type: ignore[attr-defined]
    for name in ("_hypothesis_internal_use_seed", "_hypothesis_internal_use_reproduce_failure"):
        if hasattr(machine, name):
            setattr(test, name, getattr(machine, name))


def _replay(schedule: Schedule) -> Replay:
    replay = Replay(schedule)
    replay.begin()
    return replay


# -- what the class says


def subject_of(machine: type[InterleavedStateMachine]) -> MachineSubject:
    """The machine as what a laboratory runs. Raises InvalidDefinition."""
    if not (isinstance(machine, type) and issubclass(machine, InterleavedStateMachine)):
        raise InvalidDefinition(f"{machine!r} is no subclass of InterleavedStateMachine")
    actions = actions_of(machine)
    specification = _specification(machine, actions)
    if type(machine.schedules) is not int or machine.schedules < 1:
        raise InvalidDefinition(f"{machine.__name__}.schedules is {machine.schedules!r}; at least 1 is run")
    found = switch_points(machine, machine.trace, lambda: _sample(machine, actions))
    return MachineSubject(
        machine, actions, specification, tuple(machine.raises), found.files, found.modules, machine.leaks
    )


def _specification(machine: type[InterleavedStateMachine], actions: Actions) -> Specification:
    said = machine.specification
    if said is None:
        return None
    if said == ITSELF:
        return _sequential(machine, actions, itself=True)
    if isinstance(said, type) and issubclass(said, RuleBasedStateMachine):
        return _sequential(said, actions, itself=False)
    if callable(getattr(said, "step", None)) and hasattr(said, "initial"):
        model: Model[Any] = said
        return model
    raise InvalidDefinition(
        f"{machine.__name__}.specification is {said!r}; it may be ITSELF, a state machine, a model or None"
    )


def _sequential(machine: type[RuleBasedStateMachine], actions: Actions, *, itself: bool) -> Sequential:
    own = actions_of(machine)
    rules = {action.name: action for action in (*own.initialize, *own.rules, *own.observers)}
    asked = {action.name for action in (*actions.initialize, *actions.rules, *actions.observers)}
    if missing := sorted(asked - rules.keys()):
        raise InvalidDefinition(f"{machine.__name__}, a specification, has no rule {', '.join(missing)}")
    return Sequential(machine, rules, itself)


def _sample(machine: type[InterleavedStateMachine], actions: Actions) -> list[Any]:
    """What a machine holds when it is new: the simplest that its initialize rules make."""
    held: list[Any] = []
    with bench(MachineSubject(machine, actions, None)) as opened:

        @settings(
            max_examples=1,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            derandomize=True,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        @given(programs(actions, opened.tried, 0))
        def look(program: Program) -> None:
            held.extend(held_by(opened.held()))

        try:
            look()
        except Refused as refused:
            raise refused.args[0] from None
    return held


# -- what is said of a failure


def _summary(name: str, program: Scenario, execution: Execution) -> str:
    """The rules as they could be written down, a column a thread, and the schedule that replays the run."""
    assert execution.failure is not None
    lines = [f"{name} is wrong: {execution.failure.kind}", ""]
    lines += _alone("before", program.setup)
    lines += _columns(program.threads)
    lines += _alone("after", program.observers)
    return "\n".join([*lines, f"schedule: {execution.schedule}"])


def _told_in_sequence(execution: Execution) -> str:
    """What went wrong before there were threads."""
    assert execution.failure is not None
    answers = [f"  {operation}" for operation in execution.history.operations]
    return "\n".join([execution.failure.summary, "", "without threads:", *answers])


def _alone(when: str, steps: Sequence[Call]) -> list[str]:
    return [f"{when}:", *(f"  {step}" for step in steps)] if steps else []


def _columns(threads: Sequence[Sequence[Call]]) -> Iterator[str]:
    if not threads:
        return
    columns = [[f"thread {number}", *map(str, thread)] for number, thread in enumerate(threads, 1)]
    widths = [max(map(len, column)) for column in columns]
    for number, row in enumerate(zip_longest(*columns, fillvalue="")):
        yield " │ ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if number == 0:
            yield "─┼─".join("─" * width for width in widths)
