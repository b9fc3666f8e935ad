"""What a machine may ask for, and what is refused; what the answers are held to; what is checked besides them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from typing import Any

import interleaved_objects as objects
import pytest
from hypothesis import HealthCheck, Phase, assume, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidDefinition
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from interleaved_machines import FilesMachine, counter_machine

from mapproof.impl.sync_map import SyncMap
from mapproof.spec.history import Operation
from mapproof.spec.model import Inconsistent
from mapproof.stateful_tests import interleaved
from mapproof.stateful_tests.explorer.cooperative_threading import UnsupportedTarget
from mapproof.stateful_tests.interleaved import (
    InterleavedStateMachine,
    MachineIsWrong,
    observer,
    run_interleaved,
    step_invariant,
    subject_of,
)
from mapproof.stateful_tests.interleaved_programs import Program, Reference, Step

FEW = settings(
    max_examples=10,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

Machine = type[InterleavedStateMachine]


class Base(InterleavedStateMachine):
    """Holds a counter behind a lock."""

    schedules = 10

    def __init__(self) -> None:
        super().__init__()
        self.counter: Any = objects.LockedCounter()


def drawn(machine: Machine, monkeypatch: pytest.MonkeyPatch, examples: int = 60) -> list[Program]:
    """Programs of the machine, without running them at once."""
    seen: list[Program] = []
    monkeypatch.setattr(interleaved._Test, "_fails", lambda self, program: bool(seen.append(program)))
    run_interleaved(machine, settings=settings(FEW, max_examples=examples))
    return seen


# -- what is drawn


def test_a_rule_with_a_precondition_runs_before_the_threads_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Preconditioned(Base):
        @rule()
        def increment(self) -> None:
            self.counter.increment()

        @precondition(lambda self: self.counter.value() >= 2)
        @rule()
        def reset(self) -> None:
            assert self.counter.value() >= 2
            self.counter.count = 0

    programs = drawn(Preconditioned, monkeypatch)
    before = [[step.op for step in program.scenario.setup] for program in programs]
    assert any("reset" in steps for steps in before)
    assert all(steps[:2] == ["increment"] * 2 for steps in before if "reset" in steps)
    assert not any(
        step.op == "reset"
        for program in programs
        for thread in (*program.scenario.threads, program.scenario.observers)
        for step in thread
    )


def test_threads_use_what_they_know_and_consume_what_is_theirs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = made_by_itself = consumed = 0
    for program in drawn(FilesMachine, monkeypatch, 120):
        setup, threads = program.scenario.setup, program.scenario.threads
        before = {name for step in steps_of(setup) for name in step.makes}
        closed = {name for step in steps_of(setup) if step.op == "close" for name in uses(step)}
        users: dict[str, set[int]] = {}
        for number, thread in enumerate(threads):
            known = before - closed
            for step in steps_of(thread):
                assert uses(step) <= known
                made_by_itself += bool(uses(step) - before)
                for name in uses(step):
                    users.setdefault(name, set()).add(number)
                known = known | set(step.makes)
                if step.op == "close":
                    known -= uses(step)
                    consumed += 1
        shared += any(len(threads_) > 1 for threads_ in users.values())
        for thread in threads:
            for step in steps_of(thread):
                if step.op == "close":
                    assert all(len(users[name]) == 1 for name in uses(step))
    assert shared and made_by_itself and consumed


def steps_of(calls: Any) -> list[Step]:
    return list(calls)


def uses(step: Step) -> set[str]:
    return {value.name for _, value in step.given if isinstance(value, Reference)}


def test_two_to_four_threads_are_drawn_and_few_rules_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = [
        program.scenario.threads for program in drawn(counter_machine(objects.Counter), monkeypatch, 100)
    ]
    assert {len(each) for each in threads} == {2, 3, 4}
    assert sum(len(each) == 2 for each in threads) > sum(len(each) == 4 for each in threads)
    assert max(sum(map(len, each)) for each in threads) <= 8
    assert all(thread for each in threads for thread in each)


# -- what cannot work is refused


def nothing_at_once() -> Machine:
    class Machine(Base):
        @precondition(lambda self: True)
        @rule()
        def increment(self) -> None: ...

    return Machine


def nothing_at_all() -> Machine:
    class Machine(Base): ...

    return Machine


def draws_inside() -> Machine:
    class Machine(Base):
        @rule(data=st.data())
        def increment(self, data: Any) -> None: ...

    return Machine


def made_of_a_bundle(change: Callable[[Bundle[Any]], Any]) -> Callable[[], Machine]:
    def make() -> Machine:
        class Machine(Base):
            numbers = Bundle("numbers")

            @initialize(target=numbers)
            def one(self) -> int:
                return 1

            @rule(number=change(numbers))
            def use(self, number: Any) -> None: ...

        return Machine

    return make


def same_file() -> Machine:
    class Mine:
        def increment(self) -> None: ...

    class Machine(Base):
        def __init__(self) -> None:
            super().__init__()
            self.counter = Mine()

        @rule()
        def increment(self) -> None: ...

    return Machine


def holds_nothing() -> Machine:
    class Machine(Base):
        def __init__(self) -> None:
            super().__init__()
            self.counter = {}

        @rule()
        def increment(self) -> None: ...

    return Machine


def with_attributes(**attributes: Any) -> Callable[[], Machine]:
    def make() -> Machine:
        return type("Machine", (counter_machine(objects.LockedCounter),), attributes)

    return make


class Unrelated(RuleBasedStateMachine):
    @rule()
    def decrement(self) -> None: ...


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (nothing_at_once, "none can run at once"),
        (nothing_at_all, "defines no rules"),
        (draws_inside, "cannot draw while threads run"),
        (made_of_a_bundle(st.lists), "is made out of a bundle"),
        (made_of_a_bundle(lambda bundle: bundle.map(str)), "bundle"),
        (made_of_a_bundle(lambda bundle: bundle.filter(bool)), "bundle"),
        (same_file, "write it in a module of its own"),
        (holds_nothing, "nowhere to switch threads"),
        (with_attributes(specification="none"), "it may be ITSELF, a state machine, a model or None"),
        (with_attributes(specification=Unrelated), "has no rule increment, value"),
        (with_attributes(schedules=0), "at least 1 is run"),
        (with_attributes(trace=(threading.Lock,)), "has no source file"),
        (lambda: Unrelated, "is no subclass of InterleavedStateMachine"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(make: Callable[[], Machine], says: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        run_interleaved(make(), settings=FEW)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_assume_and_multiple_are_refused_in_a_rule() -> None:
    class Assumes(Base):
        @rule()
        def increment(self) -> None:
            assume(False)

    class Several(Base):
        numbers = Bundle("numbers")

        @rule(target=numbers)
        def several(self) -> Any:
            return multiple(1, 2)

    for machine, says in ((Assumes, "calls assume()"), (Several, "answers multiple()")):
        with pytest.raises(UnsupportedTarget, match=f"rule .* {says.replace('()', '')}"):
            run_interleaved(machine, settings=FEW)


# -- what the answers are held to


class Increments:
    """A model: how often `increment` was called."""

    initial = 0

    def step(self, state: int, operation: Operation) -> int | Inconsistent:
        if operation.op == "increment":
            return state + 1
        return state if operation.result in (None, state) else Inconsistent(f"the count is {state}")


class PlainCounter(RuleBasedStateMachine):
    """The same rules on a number: no threads, no InterleavedStateMachine."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    @rule()
    def increment(self) -> None:
        self.count += 1

    @rule()
    def value(self) -> int:  # type: ignore[misc]  # Hypothesis's rules answer nothing
        return self.count


@pytest.mark.parametrize("specification", [Increments(), PlainCounter])
def test_answers_are_held_to_a_model_or_to_another_machine(specification: Any) -> None:
    wrong = type("Wrong", (counter_machine(objects.Counter),), {"specification": specification})
    with pytest.raises(MachineIsWrong, match="not linearizable"):
        run_interleaved(wrong, settings=FEW)
    right = type("Right", (counter_machine(objects.LockedCounter),), {"specification": specification})
    run_interleaved(right, settings=FEW)


def test_a_specification_that_answers_otherwise_is_seen_without_threads() -> None:
    class CountsDouble(PlainCounter):
        @rule()
        def increment(self) -> None:
            self.count += 2

    machine = type("M", (counter_machine(objects.LockedCounter),), {"specification": CountsDouble})
    with pytest.raises(MachineIsWrong, match="not linearizable"):
        run_interleaved(machine, settings=FEW)


def test_without_a_specification_answers_are_not_judged() -> None:
    run_interleaved(
        type("Unjudged", (counter_machine(objects.Counter),), {"specification": None}), settings=FEW
    )


def test_without_a_specification_whoever_waits_for_ever_is_wrong() -> None:
    class Waits(InterleavedStateMachine):
        specification = None

        def __init__(self) -> None:
            super().__init__()
            self.queue = objects.BoundedQueue()

        @rule()
        def get(self) -> None:
            self.queue.get()

    with pytest.raises(MachineIsWrong, match="deadlock"):
        run_interleaved(Waits, settings=FEW)


def test_exceptions_that_are_answers_are_held_to_the_orders_too() -> None:
    class Pops(InterleavedStateMachine):
        raises = (IndexError,)

        def __init__(self) -> None:
            super().__init__()
            self.queue = objects.BoundedQueue()

        @rule()
        def take(self) -> Any:
            return self.queue.items.pop()

    run_interleaved(Pops, settings=FEW)
    Pops.raises = ()
    with pytest.raises(MachineIsWrong, match=r"exception[^$]*IndexError"):
        run_interleaved(Pops, settings=FEW)


# -- where threads are switched


class PlainMachine(RuleBasedStateMachine):
    """A machine that was there before."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: Any = Queue(1)

    @rule(item=st.integers(0, 2))
    def put(self, item: int) -> None:
        self.queue.put(item)

    @rule()
    def get(self) -> Any:
        return self.queue.get()


class QueueOfTheStandardLibrary(InterleavedStateMachine, PlainMachine):
    schedules = 10


class MapOfOurs(InterleavedStateMachine):
    schedules = 10

    def __init__(self) -> None:
        super().__init__()
        self.map: SyncMap = SyncMap()

    @rule(key=st.integers(0, 1), value=st.integers(0, 2))
    def swap(self, key: int, value: int) -> Any:
        return self.map.swap(key, value)

    @rule(key=st.integers(0, 1))
    def load_and_delete(self, key: int) -> Any:
        return self.map.load_and_delete(key)


def test_threads_are_switched_where_the_objects_are_written() -> None:
    switched = {
        machine: {Path(file).name for file in subject_of(machine).files}
        for machine in (counter_machine(objects.Counter), QueueOfTheStandardLibrary, MapOfOurs, FilesMachine)
    }
    assert list(switched.values()) == [
        {"interleaved_objects.py"},
        {"queue.py"},
        set(),
        {"interleaved_objects.py"},
    ]
    traced = type("Traced", (counter_machine(objects.Counter),), {"trace": (Queue, threading, __file__)})
    assert {Path(file).name for file in subject_of(traced).files} == {
        "queue.py",
        "threading.py",
        Path(__file__).name,
    }


@pytest.mark.parametrize("machine", [QueueOfTheStandardLibrary, MapOfOurs])
def test_what_is_known_to_be_right_is_left_alone(machine: Machine) -> None:
    run_interleaved(machine, settings=FEW)


# -- what is checked besides


class GapMachine(InterleavedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.gap = objects.Gap()

    @rule()
    def swing(self) -> None:
        self.gap.swing()


class GapAtRest(GapMachine):
    @invariant()
    def low_is_below_high(self) -> None:
        assert self.gap.low < self.gap.high


class GapAtEachStep(GapMachine):
    @step_invariant()
    def low_is_below_high(self) -> None:
        assert self.gap.low < self.gap.high


@pytest.mark.interpreter
def test_an_invariant_of_each_step_sees_what_one_at_rest_does_not() -> None:
    run_interleaved(GapAtRest, settings=FEW)
    with pytest.raises(MachineIsWrong, match="broken invariant") as wrong:
        run_interleaved(GapAtEachStep, settings=FEW)
    assert "self.low = 5" in str(wrong.value)


def test_a_step_invariant_that_takes_a_lock_is_refused() -> None:
    class Waits(Base):
        @rule()
        def increment(self) -> None:
            self.counter.increment()

        @step_invariant()
        def can_count(self) -> None:
            self.counter.increment()

    with pytest.raises(UnsupportedTarget, match="a step invariant takes a lock"):
        run_interleaved(Waits, settings=FEW)


def test_an_assertion_in_a_rule_that_fails_without_threads_is_reported() -> None:
    class Fails(Base):
        @rule()
        def increment(self) -> None:
            self.counter.increment()
            assert self.counter.value() < 2

    with pytest.raises(MachineIsWrong, match="exception"):
        run_interleaved(Fails, settings=settings(FEW, max_examples=100))


def test_each_machine_is_torn_down_once() -> None:
    made: list[Base] = []
    torn: list[Base] = []

    class Torn(Base):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

        @rule()
        def value(self) -> Any:
            return self.counter.value()

        def teardown(self) -> None:
            torn.append(self)

    run_interleaved(Torn, settings=FEW)
    assert torn and {id(machine) for machine in torn} == {id(machine) for machine in made}
    assert len(torn) == len(made)


def test_a_teardown_that_raises_is_a_failure() -> None:
    class Raises(Base):
        @rule()
        def take(self) -> None: ...

        def teardown(self) -> None:
            raise ValueError("no")

    with pytest.raises(MachineIsWrong, match="teardown raised ValueError: no"):
        run_interleaved(Raises, settings=FEW)


def test_an_invariant_that_waits_for_a_lock_that_was_left_taken_is_a_failure() -> None:
    class Leaks(Base):
        leaks = False

        @rule()
        def take(self) -> None:
            self.counter.lock.acquire(False)

        @invariant()
        def can_count(self) -> None:
            self.counter.increment()

    with pytest.raises(MachineIsWrong, match="an invariant waits for ever for"):
        run_interleaved(Leaks, settings=FEW)


def test_a_lock_that_one_rule_takes_and_another_gives_back() -> None:
    class Locks(Base):
        leaks = False
        raises = (RuntimeError,)

        @rule()
        def take(self) -> None:
            self.counter.lock.acquire()

        @rule()
        def give_back(self) -> None:
            self.counter.lock.release()

    run_interleaved(Locks, settings=FEW)
    Locks.leaks = True
    with pytest.raises(MachineIsWrong, match="lock not given back"):
        run_interleaved(Locks, settings=FEW)


def test_arguments_that_a_rule_changes_are_new_in_each_run() -> None:
    class Changes(Base):
        @rule(numbers=st.lists(st.integers(), max_size=2))
        def add(self, numbers: list[int]) -> int:
            numbers.append(0)
            return len(numbers)

        @observer()
        def value(self) -> Any:
            return self.counter.value()

    run_interleaved(Changes, settings=FEW)
