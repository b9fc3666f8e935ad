"""Runs a scenario on a map in one interleaving, records the history and judges it.

The idea: a `Laboratory` holds everything that must stay the same from run to run (the map's factory, how its
code is instrumented, what it claims), so that a scenario and a schedule are all it takes to repeat a run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

from greenlet import GreenletExit

from mapproof.impl.sync import watched_by
from mapproof.spec.claims import Claims
from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability import Linearizable, Unknown, Violation, check
from mapproof.spec.model import explained_by_returns
from mapproof.spec.operations import SIGNATURES, has_shape
from mapproof.spec.values import identity
from mapproof.stateful_tests.adapters import Adapter
from mapproof.stateful_tests.explorer.cooperative_threading import UnsupportedTarget, held_locks, patched
from mapproof.stateful_tests.explorer.dependence import Note
from mapproof.stateful_tests.explorer.endings import Ending, Outcome
from mapproof.stateful_tests.explorer.opcode_events import TracingLost, opcode_events
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.simulated_thread import Abort
from mapproof.stateful_tests.explorer.simulation import Simulation, Watcher
from mapproof.stateful_tests.explorer.strategy import NondeterministicTarget, Schedule, Strategy
from mapproof.stateful_tests.explorer.watchdog import Stalled, watchdog
from mapproof.stateful_tests.monitors import (
    MakeMonitor,
    Monitor,
    Monitors,
    Races,
    StepInvariants,
    Watch,
    has_step_invariants,
)
from mapproof.stateful_tests.obstruction import Alone, LeftAlone
from mapproof.stateful_tests.recording import (
    Failure,
    FailureKind,
    Recording,
    describe_deadlock,
    describe_endless,
    describe_exception,
)
from mapproof.stateful_tests.scenarios import Call, Scenario

MOST_CONFIGURATIONS = 100_000
"""Histories of scenarios are short: one that needs more is reported as undecided."""


CANNOT_LOOK = (Stalled, UnsupportedTarget, NondeterministicTarget, TracingLost)
"""What a run raises when nothing can be said: the reason is the exception's text, one line."""

NO_ANSWERS = (Abort, GreenletExit, KeyboardInterrupt, *CANNOT_LOOK)
"""What a call of the code under test may raise that is not its own doing, and must be let through."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One run: `failure` is None when nothing was wrong, `undecided` when the checker ran out of its bound, `pruned`
    when the strategy ended it because it knew what follows.

    `steps` are those of the threads that ran at once. It was not `free` if fairness or a timeout chose who runs, so
    that not every order of its steps was open to the strategy.
    """

    history: History
    schedule: Schedule
    steps: int
    failure: Failure | None
    undecided: bool = False
    pruned: bool = False
    free: bool = True


class Subject(Protocol):
    """What is under test: how one is made and called, what its calls may answer, and who judges the answers."""

    @property
    def files(self) -> frozenset[str]:
        """The source files whose instructions are switch points; none: only the hook of `impl.sync` is."""

    @property
    def modules(self) -> tuple[ModuleType, ...]:
        """They may hold real locks taken at import, which are replaced during a run."""

    @property
    def raises(self) -> tuple[type[Exception], ...]:
        """Exceptions that are answers: the operation may have taken effect or not, and its client goes on."""

    def make(self) -> Any:
        """A new one."""

    def perform(self, made: Any, call: Call) -> Any:
        """Call it; answers what it answers and raises what it raises."""

    def expected(self, call: Call, answer: Any) -> str | None:
        """What the call should have answered, if this is no answer to it in any state, else None."""

    def render(self, call: Call) -> str:
        """The call as its user would write it."""

    def told(self, operation: Operation) -> str:
        """What a completed operation answered, as its user would see it."""

    def decide(self, history: History) -> Violation | Unknown | None:
        """What is wrong with the answers; None if they are explained, or if nobody judges them."""


@dataclass(frozen=True, slots=True)
class Target:
    """A map under test, a `Subject`. `name` is for people, `keys` are those that it accepts."""

    name: str
    factory: Callable[[], Any]
    adapter: Adapter
    keys: tuple[Any, ...]
    claims: Claims
    files: frozenset[str] = frozenset()
    modules: tuple[ModuleType, ...] = ()

    @property
    def raises(self) -> tuple[type[Exception], ...]:
        return ()

    def make(self) -> Any:
        return self.factory()

    def perform(self, made: Any, call: Call) -> Any:
        return self.adapter.perform(made, call.op, call.key, call.args, call.form)

    def expected(self, call: Call, answer: Any) -> str | None:
        shape = SIGNATURES[call.op].result
        return None if has_shape(shape, answer) else f"{call.op} answers {shape.value}"

    def render(self, call: Call) -> str:
        return self.adapter.render(call.op, call.key, call.args, call.form)

    def told(self, operation: Operation) -> str:
        return self.adapter.told(operation.op, operation.result)

    def decide(self, history: History) -> Violation | Unknown | None:
        if explained_by_returns(history.operations):
            return None
        decided = check(history, self.claims, max_configurations=MOST_CONFIGURATIONS)
        return None if isinstance(decided, Linearizable) else decided


@dataclass(frozen=True, slots=True)
class Checks:
    """What is watched; the first that is found ends the run.

    At every step of the threads that run at once: `races`, data races (see `races.py`) on what is made of `impl.sync`;
    `invariants`, by calling the function that the object's `step_invariants()` answers when it is new; `alone`, whether
    each call that is left alone ends (see `obstruction.py`). What an object
    has no part of is not watched: `Laboratory.watched_for` says what was. When they have ended: `leaks`, locks that a
    thread still holds (of `threading`; not so for an object whose calls take a lock for a later call to give back).
    """

    races: bool = False
    invariants: bool = False
    leaks: bool = True
    alone: Alone | None = None


NO_CHECKS = Checks()


_NOTHING_RAN = Ending(Outcome.FINISHED, (), Schedule(), 0, 0)

Tasks = Mapping[int, Callable[[], None]]
"""By client."""

Announce = Callable[[int, Call, Operation | None], None]
"""Told the client and the call when it begins (None) and when it has ended (the operation)."""


class Laboratory:
    """Runs scenarios on one subject. Made by `laboratory`, which owns what must be undone."""

    def __init__(self, subject: Subject, simulation: Simulation, checks: Checks) -> None:
        self.subject = subject
        self.simulation = simulation
        self.checks = checks
        self.announce: Announce | None = None
        self._watcher: Watcher | None = None
        self._also: list[tuple[FailureKind, MakeMonitor]] = []
        self.watched_for: set[FailureKind] = set()
        self._judged: dict[Any, Failure | Unknown | None] = {}
        self._judged_scenario: Scenario | None = None
        self._ending = _NOTHING_RAN
        self._made: Any = None
        self._alone = False
        self._stepping = False

    def watch(self, watcher: Watcher | None, announce: Announce | None) -> None:
        """Be told every step and every call of the following runs."""
        self._watcher = self.simulation.watcher = watcher
        self.announce = announce

    def also_watch(self, kind: FailureKind, make: MakeMonitor) -> None:
        """Have each of the following runs watched by a new monitor; its complaints are failures of this kind."""
        self._also.append((kind, make))

    def run(self, scenario: Scenario, strategy: Strategy) -> Execution:
        """One run. Raises one of CANNOT_LOOK when nothing can be said."""
        try:
            return self._run(scenario, strategy)
        except Stalled:
            if self._stepping or not self._alone:
                raise
        # Client 0 ran alone, without counting steps, and did not end; count them this time.
        self._stepping = True
        replay = Replay(self._ending.schedule)
        replay.begin()
        return self._run(scenario, replay)

    def _run(self, scenario: Scenario, strategy: Strategy) -> Execution:
        try:
            with watchdog():
                return self._runs(scenario, strategy)
        finally:
            self.simulation.finish()
            self._made = (
                None  # not earlier: what finalizes it may need what a thread holds until it is unwound
            )

    def _runs(self, scenario: Scenario, strategy: Strategy) -> Execution:
        self._ending = _NOTHING_RAN
        recording = Recording()
        clients = {i: thread for i, thread in enumerate(scenario.threads, 1) if thread}
        monitors: list[tuple[FailureKind, Monitor]] = []
        client_0 = _Client(self, 0, scenario.setup, recording)

        def begin() -> None:
            client_0.target = self._made = self.subject.make()
            monitors.extend(self._monitors(client_0.target) if clients else ())
            client_0()

        goes_on = self._phase({0: begin}, recording, Replay(Schedule()))
        target = client_0.target
        if goes_on and clients:
            tasks = {n: _Client(self, n, calls, recording, target) for n, calls in clients.items()}
            goes_on = self._together(tasks, recording, strategy, monitors)
        if goes_on and scenario.observers:
            observer = _Client(self, 0, scenario.observers, recording, target)
            goes_on = self._phase({0: observer}, recording, Replay(Schedule()))
        if goes_on:
            self._check_invariants(target, recording)
        history = History(tuple(recording.operations))
        if recording.failure is not None or not goes_on:
            return self._execution(history, recording.failure)
        return self._execution(history, self._judge(scenario, history))

    def _execution(self, history: History, judged: Failure | Unknown | None) -> Execution:
        ending, undecided = self._ending, isinstance(judged, Unknown)
        return Execution(
            history,
            ending.schedule,
            ending.steps,
            None if isinstance(judged, Unknown) else judged,
            undecided,
            ending.outcome is Outcome.PRUNED,
            ending.given_way == ending.timeouts == 0,
        )

    def _together(self, clients: Tasks, recording: Recording, strategy: Strategy, monitors: Monitors) -> bool:
        """Run these clients at once, every step watched; False if that ended the run."""
        if not monitors:
            return self._phase(clients, recording, strategy)
        watch = Watch(self.simulation, monitors, self._watcher, recording)
        self.simulation.watcher, self.simulation.listener = watch.step, watch.effect
        try:
            return self._phase(clients, recording, strategy) and not watch.wrong()
        finally:
            self.simulation.watcher, self.simulation.listener = self._watcher, None
            self.watched_for.update(kind for kind, monitor in monitors if monitor.looked)

    def _monitors(self, target: Any) -> Monitors:
        """Made before client 0 begins: what they remember of the object starts with the new one."""
        monitors: list[tuple[FailureKind, Monitor]] = [
            (kind, make(self.simulation, target)) for kind, make in self._also
        ]
        if self.checks.alone is not None:
            alone = LeftAlone(self.checks.alone, self.simulation, self.subject.render)
            monitors.append((FailureKind.PROGRESS, alone))
        if self.checks.races:
            monitors.append((FailureKind.RACE, Races()))
        if self.checks.invariants and has_step_invariants(target):
            monitors.append(
                (FailureKind.INVARIANT, StepInvariants(target.step_invariants(), self.subject.render))
            )
        return monitors

    def _phase(self, tasks: Tasks, recording: Recording, strategy: Strategy) -> bool:
        """Run these clients to their end; False if that ended the run."""
        self._alone = 0 in tasks
        ending = self.simulation.run(tasks, strategy, stops=self._stepping or not self._alone)
        if not self._alone:
            self._ending = ending
        if ending.outcome is Outcome.DEADLOCK:
            recording.fail(FailureKind.DEADLOCK, describe_deadlock(ending.waits))
        elif ending.outcome is Outcome.ENDLESS:
            recording.fail(FailureKind.ENDLESS, describe_endless(ending))
        for uncaught in self.simulation.belongings.uncaught:
            text = describe_exception(uncaught.number, uncaught.thread, uncaught.error)
            recording.fail(FailureKind.EXCEPTION, text)
        if self.checks.leaks and recording.failure is None and ending.outcome is Outcome.FINISHED:
            self._check_locks(recording)
        return recording.failure is None and ending.outcome is Outcome.FINISHED

    def perform(self, client: int, call: Call, target: Any, recording: Recording) -> bool:
        """Perform and record one call in the running simulated thread; False if it failed."""
        self.simulation.stop_before(call)
        if self.announce is not None:
            self.announce(client, call, None)
        place = recording.called(client, call)
        self.simulation.note(Note.CALLED)
        error = result = None
        goes_on = True
        try:
            result = self.subject.perform(target, call)
        except NO_ANSWERS:
            raise
        except BaseException as raised:  # noqa: BLE001 - whatever else the code under test raises is its answer
            if self.simulation.unwinding:
                raise Abort from None
            error = type(raised).__name__
            goes_on = isinstance(raised, self.subject.raises)
            if not goes_on:
                text = describe_exception(client, self.subject.render(call), raised)
                recording.fail(FailureKind.EXCEPTION, text)
        else:
            expected = self.subject.expected(call, result)
            if expected is not None:
                text = f"client {client}: {self.subject.render(call)} answered {result!r}; {expected}"
                recording.fail(FailureKind.ANSWER, text)
                error, result, goes_on = "ImpossibleAnswer", None, False
        operation = recording.returned(place, result, error)
        self.simulation.note(Note.RETURNED)
        if self.announce is not None:
            self.announce(client, call, operation)
        return goes_on

    def _check_locks(self, recording: Recording) -> None:
        for lock in held_locks(self.simulation):
            if lock.thread not in self.simulation.live:
                recording.fail(FailureKind.LEAK, f"client {lock.thread} has ended, and holds {lock}")

    def _check_invariants(self, target: Any, recording: Recording) -> None:
        invariants = getattr(target, "check_invariants", None)
        if not callable(invariants):
            return
        try:
            invariants()
        except AssertionError as broken:
            recording.fail(FailureKind.INVARIANT, f"check_invariants: {broken}")

    def _judge(self, scenario: Scenario, history: History) -> Failure | Unknown | None:
        """The checker's answer; many schedules give the same history, so it is asked once for each."""
        if scenario is not self._judged_scenario:
            self._judged = {}
            self._judged_scenario = scenario
        seen = tuple(
            (op.client, op.call, op.return_, identity(op.result), op.error) for op in history.operations
        )
        if seen not in self._judged:
            decided = self.subject.decide(history)
            if isinstance(decided, Violation):
                self._judged[seen] = Failure(FailureKind.VIOLATION, decided.explanation, decided.core)
            else:
                self._judged[seen] = decided
        return self._judged[seen]


class _Client:
    """The task of one simulated thread: its calls, until one fails."""

    def __init__(
        self,
        laboratory: Laboratory,
        client: int,
        calls: tuple[Call, ...],
        recording: Recording,
        target: Any = None,
    ) -> None:
        self._perform = laboratory.perform
        self._client = client
        self._calls = calls
        self._recording = recording
        self.target = target

    def __call__(self) -> None:
        for call in self._calls:
            if not self._perform(self._client, call, self.target, self._recording):
                return


@contextmanager
def laboratory(subject: Subject, checks: Checks = NO_CHECKS) -> Iterator[Laboratory]:
    """A laboratory for `subject`: while it is open, `threading` is cooperative and the code is instrumented."""
    with contextlib.ExitStack() as stack:
        instrument = stack.enter_context(opcode_events(subject.files)) if subject.files else None
        stack.enter_context(patched(subject.modules))
        simulation = Simulation(instrument)
        stack.enter_context(watched_by(simulation))
        yield Laboratory(subject, simulation, checks)
