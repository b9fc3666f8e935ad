"""Runs a scenario on a map in one interleaving, records the history and judges it.

The idea: a `Laboratory` holds everything that must stay the same from run to run (the map's factory, how its
code is instrumented, what it claims), so that a scenario and a schedule are all it takes to repeat a run.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from types import ModuleType
from typing import Any

from greenlet import GreenletExit

from mapproof.impl.sync import watched_by
from mapproof.spec.accesses import Access
from mapproof.spec.claims import Claims
from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability import Unknown, Violation, check
from mapproof.spec.operations import SIGNATURES, has_shape
from mapproof.spec.values import identity
from mapproof.stateful_tests.adapters import Adapter
from mapproof.stateful_tests.explorer.cooperative_threading import UnsupportedTarget, patched
from mapproof.stateful_tests.explorer.opcode_events import TracingLost, opcode_events
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.simulation import (
    Abort,
    Instrument,
    Outcome,
    Simulation,
    Wait,
    Watcher,
)
from mapproof.stateful_tests.explorer.strategy import NondeterministicTarget, Schedule, Strategy
from mapproof.stateful_tests.explorer.watchdog import Stalled, watchdog
from mapproof.stateful_tests.monitors import Monitor, Races, StepInvariants, has_step_invariants
from mapproof.stateful_tests.scenarios import Call, Scenario

MOST_CONFIGURATIONS = 100_000
"""Histories of scenarios are short: one that needs more is reported as undecided."""


CANNOT_LOOK = (Stalled, UnsupportedTarget, NondeterministicTarget, TracingLost)
"""What a run raises when nothing can be said: the reason is the exception's text, one line."""


class FailureKind(StrEnum):
    """What can be wrong with a run, the plainest first."""

    EXCEPTION = "exception"
    ANSWER = "impossible answer"
    DEADLOCK = "deadlock"
    ENDLESS = "never ends"
    RACE = "data race"
    INVARIANT = "broken invariant"
    PROGRESS = "no progress"
    VIOLATION = "not linearizable"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong. `core` is the part of the history that no order explains (violations only)."""

    kind: FailureKind
    summary: str
    core: tuple[Operation, ...] = ()


@dataclass(frozen=True, slots=True)
class Execution:
    """One run: `failure` is None when nothing was wrong, `undecided` when the checker ran out of its bound.

    `steps` are those of the threads that ran at once.
    """

    history: History
    schedule: Schedule
    steps: int
    failure: Failure | None
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A map under test. `files` are the source files whose instructions are switch points; none: only the hook
    of `impl.sync` is. `modules` may hold real locks taken at import, which are replaced during a run."""

    name: str
    factory: Callable[[], Any]
    adapter: Adapter
    keys: tuple[Any, ...]
    claims: Claims
    files: frozenset[str] = frozenset()
    modules: tuple[ModuleType, ...] = ()


@dataclass(frozen=True, slots=True)
class Checks:
    """What is watched at every step of the threads that run at once; the first that is found ends the run.

    `races`: data races (see `races.py`) on what is made of `impl.sync`. `invariants`: the function that the object's
    `step_invariants()` answers when it is new is called between any two steps. What an object has no part of is
    not watched: `Laboratory.watched_for` says what was.
    """

    races: bool = False
    invariants: bool = False


NO_CHECKS = Checks()


@dataclass(slots=True)
class _Recording:
    """The operations of one run, in the order of their calls; the clock ticks at each call and return."""

    operations: list[Operation] = field(default_factory=list)
    clock: int = 0
    failure: Failure | None = None

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def fail(self, kind: FailureKind, summary: str) -> None:
        if self.failure is None:
            self.failure = Failure(kind, summary)


Monitors = Sequence[tuple[FailureKind, Monitor]]

MakeMonitor = Callable[[Simulation, Any], Monitor]
"""Makes a monitor of the run that the simulation is about to make on an object."""


class _Watch:
    """Shows each step of one run to its monitors, and to who watches from outside; the first complaint ends it."""

    def __init__(
        self, simulation: Simulation, monitors: Monitors, outside: Watcher | None, recording: _Recording
    ) -> None:
        self._simulation = simulation
        self._monitors = monitors
        self._outside = outside
        self._recording = recording

    def wrong(self) -> bool:
        """Whether a monitor complains of the state as it is now; recorded if so."""
        return any(self._complains(kind, monitor.arrived()) for kind, monitor in self._monitors)

    def step(self, client: int, doing: Any) -> None:
        if self.wrong():
            self._simulation.stop()
        if self._outside is not None:
            self._outside(client, doing)
        for kind, monitor in self._monitors:
            if self._complains(kind, monitor.step(client, doing)):
                self._simulation.stop()

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        for _, monitor in self._monitors:
            monitor.effect(client, target, access, happened)

    def _complains(self, kind: FailureKind, complaint: str | None) -> bool:
        if complaint is not None:
            self._recording.fail(kind, complaint)
        return complaint is not None


Announce = Callable[[int, Call, Operation | None], None]
"""Told the client and the call when it begins (None) and when it has ended (the operation)."""


class Laboratory:
    """Runs scenarios on one target. Made by `laboratory`, which owns what must be undone."""

    def __init__(self, target: Target, instrument: Instrument | None, checks: Checks = NO_CHECKS) -> None:
        self.target = target
        self.checks = checks
        self.announce: Announce | None = None
        self._simulation = Simulation(instrument)
        self._watcher: Watcher | None = None
        self._also: list[tuple[FailureKind, MakeMonitor]] = []
        self.watched_for: set[FailureKind] = set()
        self._judged: dict[Any, Failure | Unknown | None] = {}
        self._judged_scenario: Scenario | None = None
        self._schedule = Schedule()
        self._steps = 0
        self._alone = False
        self._stepping = False

    def watch(self, watcher: Watcher | None, announce: Announce | None) -> None:
        """Be told every step and every call of the following runs."""
        self._watcher = self._simulation.watcher = watcher
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
        replay = Replay(self._schedule)
        replay.begin()
        return self._run(scenario, replay)

    def _run(self, scenario: Scenario, strategy: Strategy) -> Execution:
        self._schedule = Schedule()
        self._steps = 0
        recording = _Recording()
        target = self.target.factory()
        clients = {i: thread for i, thread in enumerate(scenario.threads, 1) if thread}
        monitors = self._monitors(target) if clients else ()
        goes_on = self._phase({0: scenario.setup}, target, recording, Replay(Schedule()))
        if goes_on and clients:
            goes_on = self._together(clients, target, recording, strategy, monitors)
        if goes_on:
            goes_on = self._phase({0: scenario.observers}, target, recording, Replay(Schedule()))
        if goes_on:
            self._check_invariants(target, recording)
        history = History(tuple(recording.operations))
        if recording.failure is not None or not goes_on:
            return Execution(history, self._schedule, self._steps, recording.failure)
        judged = self._judge(scenario, history)
        if isinstance(judged, Unknown):
            return Execution(history, self._schedule, self._steps, None, undecided=True)
        return Execution(history, self._schedule, self._steps, judged)

    def _together(
        self,
        clients: dict[int, tuple[Call, ...]],
        target: Any,
        recording: _Recording,
        strategy: Strategy,
        monitors: Monitors,
    ) -> bool:
        """Run these clients at once, every step watched; False if that ended the run."""
        if not monitors:
            return self._phase(clients, target, recording, strategy)
        watch = _Watch(self._simulation, monitors, self._watcher, recording)
        self._simulation.watcher, self._simulation.listener = watch.step, watch.effect
        try:
            return self._phase(clients, target, recording, strategy) and not watch.wrong()
        finally:
            self._simulation.watcher, self._simulation.listener = self._watcher, None
            self.watched_for.update(kind for kind, monitor in monitors if monitor.looked)

    def _monitors(self, target: Any) -> Monitors:
        """Made before client 0 begins: what they remember of the object starts with the new one."""
        monitors = [(kind, make(self._simulation, target)) for kind, make in self._also]
        if self.checks.races:
            monitors.append((FailureKind.RACE, Races()))
        if self.checks.invariants and has_step_invariants(target):
            monitors.append((FailureKind.INVARIANT, StepInvariants(target.step_invariants(), self._text)))
        return monitors

    def _phase(
        self, clients: dict[int, tuple[Call, ...]], target: Any, recording: _Recording, strategy: Strategy
    ) -> bool:
        """Run these clients to their end; False if that ended the run."""
        if not any(clients.values()):
            return True
        tasks = {client: _Client(self, client, calls, target, recording) for client, calls in clients.items()}
        self._alone = 0 in clients
        with watchdog():
            ending = self._simulation.run(tasks, strategy, stops=self._stepping or not self._alone)
        if not self._alone:
            self._schedule = ending.schedule
            self._steps = ending.steps
        if ending.outcome is Outcome.DEADLOCK:
            recording.fail(FailureKind.DEADLOCK, describe_deadlock(ending.waits))
        elif ending.outcome is Outcome.ENDLESS:
            recording.fail(FailureKind.ENDLESS, f"an operation did not end within {ending.steps:,} steps")
        return recording.failure is None and ending.outcome is not Outcome.STOPPED

    def perform(self, client: int, call: Call, target: Any, recording: _Recording) -> bool:
        """Perform and record one call in the running simulated thread; False if it failed."""
        self._simulation.stop_before(call)
        if self.announce is not None:
            self.announce(client, call, None)
        place = len(recording.operations)
        operation = Operation(client, call.op, call.key, call.args, None, recording.tick(), None)
        recording.operations.append(operation)
        error = None
        result = None
        try:
            result = self.target.adapter.perform(target, call.op, call.key, call.args, call.form)
        except (Abort, GreenletExit, KeyboardInterrupt, *CANNOT_LOOK):
            raise
        except BaseException as raised:  # noqa: BLE001 - whatever the map raises is its answer
            if self._simulation.unwinding:
                raise Abort from None
            error = type(raised).__name__
            recording.fail(FailureKind.EXCEPTION, _describe_exception(client, self._text(call), raised))
        else:
            if not has_shape(SIGNATURES[call.op].result, result):
                error = "ImpossibleAnswer"
                expected = SIGNATURES[call.op].result.value
                text = (
                    f"client {client}: {self._text(call)} answered {result!r}; {call.op} answers {expected}"
                )
                recording.fail(FailureKind.ANSWER, text)
        operation = Operation(
            client,
            call.op,
            call.key,
            call.args,
            None if error else result,
            operation.call,
            recording.tick(),
            error,
        )
        recording.operations[place] = operation
        if self.announce is not None:
            self.announce(client, call, operation)
        return error is None

    def _text(self, call: Call) -> str:
        return self.target.adapter.render(call.op, call.key, call.args, call.form)

    def _check_invariants(self, target: Any, recording: _Recording) -> None:
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
            self._judged[seen] = _decide(history, self.target.claims)
        return self._judged[seen]


def _decide(history: History, claims: Claims) -> Failure | Unknown | None:
    decided = check(history, claims, max_configurations=MOST_CONFIGURATIONS)
    if isinstance(decided, Violation):
        return Failure(FailureKind.VIOLATION, decided.explanation, decided.core)
    return decided if isinstance(decided, Unknown) else None


class _Client:
    """The task of one simulated thread: its calls, until one fails."""

    def __init__(
        self, laboratory: Laboratory, client: int, calls: tuple[Call, ...], target: Any, recording: _Recording
    ) -> None:
        self._perform = laboratory.perform
        self._client = client
        self._calls = calls
        self._target = target
        self._recording = recording

    def __call__(self) -> None:
        for call in self._calls:
            if not self._perform(self._client, call, self._target, self._recording):
                return


@contextmanager
def laboratory(target: Target, checks: Checks = NO_CHECKS) -> Iterator[Laboratory]:
    """A laboratory for `target`: while it is open, `threading` is cooperative and the code is instrumented."""
    with contextlib.ExitStack() as stack:
        instrument = stack.enter_context(opcode_events(target.files)) if target.files else None
        stack.enter_context(patched(target.modules))
        made = Laboratory(target, instrument, checks)
        stack.enter_context(watched_by(made._simulation))
        yield made


def describe_deadlock(waits: tuple[Wait, ...]) -> str:
    """Who waits for what, and who has it."""
    return "; ".join(f"client {wait.thread} waits to {wait.access} {_held(wait, waits)}" for wait in waits)


def _held(wait: Wait, waits: tuple[Wait, ...]) -> str:
    if wait.holder is None:
        return wait.target
    if wait.holder == wait.thread:
        return f"{wait.target}, which it holds itself"
    ended = "" if wait.holder in {other.thread for other in waits} else ", which has ended"
    return f"{wait.target}, held by client {wait.holder}{ended}"


def _describe_exception(client: int, call: str, raised: BaseException) -> str:
    message = str(raised)
    frames = traceback.extract_tb(raised.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    text = type(raised).__name__ + (f": {message}" if message else "")
    return f"client {client}: {call} raised {text}{where}"
