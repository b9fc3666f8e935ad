"""Runs a failing schedule once more and writes down all that happens.

The idea: it is asked before each step and told after each step, as a strategy that follows a run is, and looks at what
a step touches while the run stands still. To look must change nothing; should it (an object that dies later because a
value was looked at), the run goes another way than the one that failed, which is seen, and the run is watched again
without looking at values.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import CodeType, FrameType
from typing import Any, cast

import msgspec

from mapproof.impl.sync import watched_by
from mapproof.spec.accesses import Access
from mapproof.spec.history import Operation
from mapproof.stateful_tests import scenarios
from mapproof.stateful_tests.execution import CANNOT_LOOK, Execution, Laboratory, Subject
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.simulation import FIRST_SPAWNED, Simulation
from mapproof.stateful_tests.explorer.strategy import Doing, Follower, Strategy
from mapproof.stateful_tests.places import Place, caller_of, place_of
from mapproof.stateful_tests.recording import Failure, FailureKind
from mapproof.stateful_tests.scenarios import Scenario
from mapproof.stateful_tests.trace.collapse import collapsed
from mapproof.stateful_tests.trace.events import (
    Call,
    End,
    Held,
    Omitted,
    Recorded,
    Repeat,
    Return,
    Row,
    State,
    Switch,
    Touch,
    Trace,
    Why,
)
from mapproof.stateful_tests.trace.lines import Line, Lines, frame_of
from mapproof.stateful_tests.trace.locks import Locks, Stops
from mapproof.stateful_tests.trace.states import Picture
from mapproof.stateful_tests.trace.touching import touched, with_outcome
from mapproof.stateful_tests.trace.values import Names

MOST_STEPS = 6_000
"""Of a longer run so many steps are watched, half of them at its beginning and half at its end."""

_STOPPED_BY_A_WATCHER = (FailureKind.RACE, FailureKind.INVARIANT, FailureKind.PROGRESS)


def trace_of(
    laboratory: Laboratory, scenario: Scenario, execution: Execution, *, picture: Picture | None = None
) -> Trace:
    """What happens in this failing run; runs it once more, or twice if it does not repeat. `picture` tells the state of
    the object between steps."""
    failure = execution.failure
    assert failure is not None
    for values in (True, False):
        recorder = _Recorder(laboratory, execution, values, picture if values else None)
        repeated = recorder.watch(scenario)
        if repeated:
            break
    if recorder.slip is not None:
        raise recorder.slip
    return _trace(recorder, scenario, execution, failure, repeated, values)


def _trace(
    recorder: _Recorder,
    scenario: Scenario,
    execution: Execution,
    failure: Failure,
    repeated: bool,
    valued: bool,
) -> Trace:
    core = {(operation.client, operation.call) for operation in failure.core}
    setup = 2 * len(scenario.setup)
    rows = recorder.rows()
    return Trace(
        kind=failure.kind.value,
        summary=failure.summary,
        clients=_clients(scenario, rows),
        before=tuple(recorder.alone[:setup]),
        rows=tuple(collapsed(rows)),
        after=tuple(recorder.alone[setup:]),
        history=tuple(
            Recorded(op.client, op.call, op.return_, str(op), (op.client, op.call) in core)
            for op in execution.history.operations
        ),
        cycle=recorder.cycle(failure),
        schedule=str(execution.schedule),
        repeated=repeated,
        valued=valued,
    )


def _clients(scenario: Scenario, rows: Sequence[Row]) -> tuple[int, ...]:
    """Those of the scenario, and the threads that they started."""
    ran = {row.client for row in rows if not isinstance(row, Repeat | Omitted)}
    return tuple(sorted({*range(1, len(scenario.threads) + 1), *ran} - {0}))


_ADDRESS = re.compile(r"0x[0-9a-f]+")


def _said(execution: Execution) -> tuple[str, ...]:
    """What can be compared of two runs: an object without a text of its own is told by its address, another each time."""
    assert execution.failure is not None
    operations = [f"{op.client} {op.call} {op.return_} {op}" for op in execution.history.operations]
    return (execution.failure.kind.value, *(_ADDRESS.sub("", text) for text in operations))


class _Made:
    """A subject that tells what it made. Everything else is as it was."""

    def __init__(self, subject: Subject, made: Callable[[Any], None]) -> None:
        self._subject = subject
        self._tell = made

    def make(self) -> Any:
        made = self._subject.make()
        self._tell(made)
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._subject, name)


class _Hook:
    """The hook of `impl.sync`, heard on its way to the simulation: it alone knows how an access came out."""

    def __init__(self, simulation: Simulation, after: Callable[[object, Access, bool], None]) -> None:
        self.before = simulation.before
        self.wait = simulation.wait
        self.thread = simulation.thread
        self._after = simulation.after
        self._tell = after

    def after(self, target: object, access: Access, happened: bool) -> None:
        self._tell(target, access, happened)
        self._after(target, access, happened)


class _Following(Follower):
    """A replay that hears each step."""

    def __init__(self, replay: Replay, recorder: _Recorder) -> None:
        self._replay: Strategy = replay
        self._recorder = recorder

    def begin(self) -> bool:
        return self._replay.begin()

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        alone = len(enabled) == 1 and not isinstance(self._replay, Follower)
        chosen = enabled[0] if alone else self._replay.choose(current, enabled, doing)
        self._recorder.heard(self._recorder.chosen, current, chosen, doing)
        return chosen

    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> None:
        if isinstance(self._replay, Follower):
            self._replay.stopped(thread, doing, frame)
        self._recorder.heard(self._recorder.stopped, thread, doing, frame)

    def noted(self, thread: int, note: Any) -> None:
        if isinstance(self._replay, Follower):
            self._replay.noted(thread, note)


@dataclass(slots=True)
class _Run:
    """What was written down since the object was made."""

    made: Any
    lines: Lines
    locks: Locks
    rows: list[Row | Line] = field(default_factory=list)
    alone: list[Row] = field(default_factory=list)
    running: int = 0
    stood: int = 0
    left: tuple[Why, str] = (Why.PREEMPTED, "")
    """Why the running client was left for the one that stands, if it was."""
    by_itself: bool = True
    state: str = ""
    stops: Stops = field(default_factory=dict)
    steps: int = 0
    left_out: bool = False


class _Recorder:
    """Watches one run of a laboratory."""

    def __init__(
        self, laboratory: Laboratory, execution: Execution, values: bool, picture: Picture | None
    ) -> None:
        self._laboratory = laboratory
        self._simulation = laboratory.simulation
        self._subject = laboratory.subject
        self._files = laboratory.subject.files
        self._execution = execution
        self._values = values
        self._picture = picture
        self.slip: Exception | None = None
        self._begin(None)

    def _begin(self, made: Any) -> None:
        self._names = Names()
        lines = Lines(self._names, self._values)
        self._run = _Run(made, lines, Locks(self._names, lines.aliases))

    @property
    def alone(self) -> list[Row]:
        """The operations of client 0."""
        return self._run.alone

    def watch(self, scenario: Scenario) -> bool:
        """Run the schedule; False if the run did not go as the one that failed."""
        laboratory = self._laboratory
        following = _Following(Replay(self._execution.schedule), self)
        following.begin()
        laboratory.watch(partial(self.heard, self._step), self._announce)
        laboratory.subject = cast(Subject, _Made(self._subject, self._begin))
        try:
            with watched_by(_Hook(self._simulation, partial(self.heard, self._effect))):
                again = laboratory.run(scenario, following)
        except CANNOT_LOOK:
            return False
        finally:
            laboratory.subject = self._subject
            laboratory.watch(None, None)
        if self.slip is not None:
            return False
        self._end(again)
        return again.failure is not None and _said(again) == _said(self._execution)

    def rows(self) -> list[Row]:
        """What the clients did."""
        return [row.step() if isinstance(row, Line) else row for row in self._run.rows]

    def cycle(self, failure: Failure) -> tuple[Held, ...]:
        """Who waits for whom, if that is a deadlock."""
        return self._run.locks.cycle() if failure.kind is FailureKind.DEADLOCK else ()

    # -- told by the simulation, in the order in which it tells

    def heard(self, listener: Callable[..., None], *told: Any) -> None:
        """Let this listener hear. A slip of ours must not end the run, for it would end the tracing, too."""
        if self.slip is None:
            try:
                listener(*told)
            except Exception as slip:  # noqa: BLE001 - objects under test may be of any kind
                self.slip = slip

    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> None:
        """The running step is over, and its thread stands before another."""
        run = self._run
        run.stood = thread
        if not run.left_out:
            self._settle()
        if frame is None:
            run.stops.pop(thread, None)
            run.locks.ended(thread)
            return
        run.stops[thread] = None
        if isinstance(doing, tuple) and isinstance(doing[1], Access):
            place = place_of(doing, frame)
            run.stops[thread] = (*doing, "" if place is None else place.line)
        if not run.left_out:
            run.locks.stand(run.stops)

    def chosen(self, current: int | None, chosen: int, doing: Doing) -> None:
        """Who goes on; who ran last can go on, too, if it is `current`."""
        run = self._run
        if run.stood == run.running != chosen:
            run.left = self._why(run.running, current, doing)

    def _why(self, client: int, current: int | None, doing: Doing) -> tuple[Why, str]:
        if client not in doing:
            return Why.ENDED, ""
        if current == client:
            return Why.PREEMPTED, ""
        standing = self._simulation.standing(client)
        if standing is None or standing.waits is None:
            return Why.GAVE_WAY, ""
        return Why.WAITS, self._run.locks.wait(client, doing[client])

    def _step(self, client: int, doing: Any) -> None:
        run = self._run
        if isinstance(doing, scenarios.Call):
            run.by_itself = client == 0
        if run.by_itself:
            return
        run.steps += 1
        run.left_out = MOST_STEPS // 2 < run.steps < self._execution.steps - MOST_STEPS // 2
        if run.left_out:
            self._leave_out(client)
            return
        self._arrive(client)
        if isinstance(doing, tuple):
            code, offset = doing
            if isinstance(code, CodeType):
                frame = frame_of(code)
                assert frame is not None
                self._ran(client, frame, code, offset)
            else:
                self._accesses(client, *doing)

    def _effect(self, target: object, access: Access, happened: bool) -> None:
        run = self._run
        if run.by_itself or self._simulation.unwinding:
            return
        run.locks.effect(self._simulation.thread(), target, access, happened)
        last = run.rows[-1] if run.rows else None
        if isinstance(last, Line) and last.touches and last.touches[-1].kind == access.value:
            last.touches[-1] = with_outcome(last.touches[-1], happened)

    def _announce(self, client: int, call: scenarios.Call, operation: Operation | None) -> None:
        run = self._run
        rows = cast("list[Row | Line]", run.alone) if client == 0 else run.rows
        if operation is None:
            rows.append(Call(client, self._subject.render(call)))
            return
        if client > 0:
            if not run.left_out:
                self._settle()
            run.lines.returned(client)
        failed = operation.error is not None
        answer = f"raised {operation.error}" if failed else self._subject.told(operation)
        rows.append(Return(client, answer, operation.error))

    # -- what becomes of it

    def _leave_out(self, client: int) -> None:
        """Of a very long run the middle is counted only."""
        run = self._run
        last = run.rows[-1]
        if isinstance(last, Omitted):
            run.rows[-1] = Omitted(last.count + 1)
        else:
            run.lines.clear()
            run.rows.append(Omitted(1))
        run.running = client

    def _arrive(self, client: int) -> None:
        run = self._run
        if run.running not in (0, client):
            why, waits = run.left
            run.rows.append(Switch(run.running, client, why, waits))
        run.running = client

    def _ran(
        self, client: int, frame: FrameType, code: CodeType, offset: int, access: Access | None = None
    ) -> Line:
        rows = self._run.rows
        last = rows[-1] if rows and isinstance(rows[-1], Line) else None
        row = self._run.lines.ran(client, frame, code, offset, last, access)
        if row is not last:
            rows.append(row)
        return row

    def _accesses(self, client: int, target: object, access: Access) -> None:
        run = self._run
        here = sys._getframe(1)
        name = run.locks.name(target)
        touch = Touch(access.value, name, note=f"{name}: {access}")
        if self._values:
            touch = touched(touch, target, here, self._names)
        caller = caller_of(target, here)
        if caller is not None and caller.f_code.co_filename in self._files:
            row = self._ran(client, caller, caller.f_code, caller.f_lasti, access)
            row.add(touch if hasattr(target, "peek") else msgspec.structs.replace(touch, note=""))
            return
        place = None if caller is None else Place(caller.f_code, caller.f_lasti)
        if place is None and client >= FIRST_SPAWNED:  # the first thing that it does is not the program's
            touch = msgspec.structs.replace(touch, note="begins" if access is Access.ACQUIRE else "ends")
        row = Line.at(client, place, traced=False)
        row.steps = 1
        row.add(touch)
        run.rows.append(row)

    def _settle(self) -> None:
        """What the last step has changed is seen now."""
        run = self._run
        if run.by_itself:
            return
        run.lines.settle()
        last = run.rows[-1] if run.rows else None
        if isinstance(last, Line):
            changed = run.locks.changed(last.where)
            if changed is not None:
                last.owned(*changed)
        if self._picture is not None:
            state = self._picture(run.made, self._names)
            if state != run.state:
                run.state = state
                run.rows.append(State(run.running, state))

    def _end(self, again: Execution) -> None:
        run = self._run
        failure = again.failure
        if failure is None:
            return
        if failure.kind is FailureKind.DEADLOCK:
            run.rows += [End(client, waits) for client, waits in run.locks.waits()]
        elif failure.kind is FailureKind.ENDLESS:
            run.rows.append(End(run.running, f"given up after {again.steps:,} steps"))
        elif failure.kind is FailureKind.RACE:
            run.rows.append(End(run.running, "ended before this access"))
        elif failure.kind in _STOPPED_BY_A_WATCHER and any(
            op.return_ is None for op in again.history.operations
        ):
            run.rows.append(End(run.running, "ended here"))
