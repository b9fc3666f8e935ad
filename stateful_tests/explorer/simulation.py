"""The scheduler: simulated threads on one OS thread, one step at a time.

The idea: each simulated thread is a greenlet that stops before every access of shared memory and asks which
thread goes on. A thread that must wait says when it could go on (a predicate), so the set of enabled threads is
exact, a deadlock is simply an empty set, and nothing ever sleeps.

An `Instrument` says where threads stop: at the hook of `impl.sync` alone (`HookOnly`), or between the
instructions of unmodified Python too (`opcode_events`).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from greenlet import getcurrent, greenlet

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.endings import Ending, Outcome, Standing, Wait
from mapproof.stateful_tests.explorer.instrument import HookOnly, Instrument
from mapproof.stateful_tests.explorer.strategy import NondeterministicTarget, Schedule, Strategy, plainest

Ready = Callable[[], bool]
Watcher = Callable[[int, Any], None]
"""Told the thread and what it does next at every step: a (target, Access) pair of a primitive, a (code, offset)
place of traced code, or whatever was given to `stop_before`."""

Listener = Callable[[int, object, Access, bool], None]
"""Told the thread, and what the hook's `after` is told: target, access and whether it happened."""

MAX_STEPS = 50_000
FAIR_STREAK = 2_000
"""After so many steps of one thread the others get a turn, so that waiting in a loop is not mistaken for a hang."""
CHOSEN_TURNS = 8
"""So often the strategy says who gets the turn that a thread was made to give; then they take turns."""


UNWINDING_STEPS = 10_000
"""An execution that was given up may take so many instructions to clean up."""


class Abort(BaseException):
    """Unwinds a simulated thread whose execution was given up."""


class _Thread:
    """A simulated thread. Its greenlet outlives the task: it parks and waits for the next one, because a
    greenlet that was started inside a trace callback must never end (see `opcode_events`)."""

    __slots__ = (
        "doing",
        "greenlet",
        "number",
        "ready",
        "running",
        "simulation",
        "started",
        "task",
        "timed",
        "turn",
    )

    def __init__(self) -> None:
        self.greenlet = greenlet(self._loop)
        self.started = False
        self.running = False

    def give(self, simulation: Simulation, number: int, task: Callable[[], None]) -> None:
        self.simulation = simulation
        self.number = number
        self.task = task
        self.running = False
        self.ready: Ready | None = None
        self.timed = False
        self.turn = 0
        self.doing: Any = None

    def _loop(self) -> None:
        self.simulation.instrument.prepare()
        while True:
            self.running = True
            simulation = self.simulation
            try:
                self.task()
            except Abort:
                pass
            except BaseException as error:  # noqa: BLE001 - handed to the caller of run()
                if not simulation.unwinding:  # then it is an echo of giving up
                    simulation._error = error
            if simulation.unwinding or simulation._error is not None:
                simulation.instrument.prepare()
            self.running = False
            simulation.instrument.enter(simulation._leave)


def _wait(thread: _Thread) -> Wait:
    target, access = thread.doing
    name = getattr(target, "name", type(target).__name__)
    return Wait(thread.number, name, access, getattr(target, "holder", None))


class _Pool(threading.local):
    """Parked threads of this OS thread, kept for ever and shared by the simulations of one kind of instrument:
    where a thread parked is where it must be resumed, inside a trace callback or outside of one."""

    def __init__(self) -> None:
        self.threads: defaultdict[type, list[_Thread]] = defaultdict(list)
        self.active: Simulation | None = None


_pool = _Pool()


def active() -> Simulation | None:
    """The simulation whose thread is running just now, if any."""
    simulation = _pool.active
    return simulation if simulation is not None and simulation._active else None


class Simulation:
    """Runs tasks as simulated threads; it is the hook of `impl.sync` while it does (`watched_by(simulation)`)."""

    def __init__(self, instrument: Instrument | None = None) -> None:
        self.instrument: Instrument = instrument or HookOnly()
        self.watcher: Watcher | None = None
        self.listener: Listener | None = None
        self.now = 0.0
        self._active = False
        self._unwinding = False
        self._error: BaseException | None = None

    # -- what a caller does

    def run(
        self,
        tasks: Mapping[int, Callable[[], None]],
        strategy: Strategy,
        max_steps: int = MAX_STEPS,
        *,
        stops: bool = True,
    ) -> Ending:
        """Run the tasks, keyed by thread number, to their end, to a deadlock or to the step bound.

        Without `stops`, instructions are no steps: a single task runs at full speed, and without a bound.

        Raises what a task raised, and NondeterministicTarget if the strategy finds its decisions changed.
        """
        self._begin(tasks, strategy, max_steps)
        # No library code in here: its file may be one of those whose instructions are switch points.
        self._switch_on(stops)
        try:
            self.instrument.enter(self._dispatch)
            ending = self._ending() if self._error is None else None
            if self._live:
                self._unwinding = True
                self.instrument.enter(self._unwind)
        finally:
            self._switch_off()
        if ending is None or self._error is not None:
            raise self._error or AssertionError("an execution without an error has an ending")
        return ending

    @property
    def unwinding(self) -> bool:
        """The execution was given up, and its threads are being unwound: what they do now means nothing."""
        return self._unwinding

    # -- what a watcher may ask and do

    def stop(self) -> NoReturn:
        """End the execution here: the access that the watcher was told of does not happen."""
        self._give_up(Outcome.STOPPED)

    def standing(self, number: int) -> Standing | None:
        """Where this thread stands; None if it has ended."""
        for thread in self._live:
            if thread.number == number:
                waits = None if thread.ready is None or thread.ready() else _wait(thread)
                return Standing(thread.doing, thread.greenlet.gr_frame, waits)
        return None

    # -- what a simulated thread does (the hook of impl.sync, and more)

    def thread(self) -> int:
        """The number of the running simulated thread; 0 between two executions, as of who makes an object."""
        return self._current.number if self._active else 0

    def before(self, target: object, access: Access) -> None:
        self.stop_before((target, access))

    def stop_before(self, doing: Any) -> None:
        """A place where the running thread may be switched; `doing` is what a watcher is told."""
        if self._active and not self._unwinding:
            self._current.doing = doing
            if self._is_alone():
                self._count_step()
            else:
                self.instrument.enter(self._point)

    def wait(self, target: object, access: Access, ready: Ready) -> None:
        if self._active:
            self.wait_until(target, access, ready, timed=False)

    def after(self, target: object, access: Access, happened: bool) -> None:
        if self.listener is not None and self._active and not self._unwinding:
            self.listener(self._current.number, target, access, happened)

    def wait_until(self, target: object, access: Access, ready: Ready, *, timed: bool) -> bool:
        """Wait for `ready()`. A `timed` wait gives up, and answers False, when nothing else could go on."""
        if self._unwinding:
            if not ready():
                raise Abort
            return True
        me = self._current
        me.doing = (target, access)
        if self._is_alone() and ready():
            self._count_step()
            return True
        me.ready = ready
        me.timed = timed
        try:
            self.instrument.enter(self._point)
            return ready()
        finally:
            me.ready = None
            me.timed = False

    def give_way(self) -> None:
        """Let the others go first if they can (time.sleep): leaving here is no preemption."""
        if self._active:
            self._streak = FAIR_STREAK + 1
            self.stop_before(None)

    # -- the scheduler

    def _begin(self, tasks: Mapping[int, Callable[[], None]], strategy: Strategy, max_steps: int) -> None:
        self.now = 0.0
        self._live: list[_Thread] = []
        parked = _pool.threads[type(self.instrument)]
        for number in sorted(tasks):
            thread = parked.pop() if parked else _Thread()
            thread.give(self, number, tasks[number])
            self._live.append(thread)
        self._strategy = strategy
        self._max_steps = max_steps
        self._hub = getcurrent()
        self._unwinding = False
        self._error = None
        self._outcome = Outcome.FINISHED
        self._steps = self._streak = self._decisions = self._turns = self._given_way = (
            self._unwinding_steps
        ) = 0
        self._switches: list[tuple[int, int]] = []

    def _switch_on(self, stops: bool) -> None:
        self._threads = list(self._live)
        for thread in self._threads:
            thread.greenlet.parent = self._hub
        self._active = True
        _pool.active = self
        self.instrument.watch(self._place if stops or self.watcher is not None else None)

    def _switch_off(self) -> None:
        self.instrument.watch(None)
        self._active = False
        _pool.active = None
        parked = _pool.threads[type(self.instrument)]
        parked.extend(thread for thread in self._threads if not thread.running)

    def _ending(self) -> Ending:
        waits: tuple[Wait, ...] = ()
        if self._outcome is Outcome.DEADLOCK:
            waits = tuple(_wait(thread) for thread in self._live)
        return Ending(self._outcome, waits, Schedule(tuple(self._switches)), self._steps, self._decisions)

    def _place(self, place: Any) -> None:
        """The instrument's point: already where a switch is allowed."""
        if self._unwinding:
            self._count_unwinding_step()
            return
        self._current.doing = place
        if self._is_alone():
            self._count_step()
        else:
            self._point()

    def _is_alone(self) -> bool:
        """No decision is left to make and nobody watches, so a step need not stop (while the bound is far)."""
        return len(self._live) == 1 and self.watcher is None and self._steps < self._max_steps

    def _count_step(self) -> None:
        self._steps += 1
        if self._unwinding:
            raise Abort

    def _count_unwinding_step(self) -> None:
        """`finally` blocks run to their end, as locks that outlive the run must be given back; loops do not."""
        self._unwinding_steps += 1
        if self._unwinding_steps > UNWINDING_STEPS:
            raise Abort

    def _point(self) -> None:
        if self._unwinding:
            raise Abort
        me = self._current
        self._steps += 1
        self._streak += 1
        if self._steps > self._max_steps:
            self._give_up(Outcome.ENDLESS)
        chosen = self._choose(me)
        if chosen is None:
            self._give_up(Outcome.DEADLOCK)
        elif chosen is not me:
            self._switch_to(chosen)
            if self._unwinding:
                raise Abort
        if self.watcher is not None:
            self.watcher(me.number, me.doing)

    def _choose(self, me: _Thread | None) -> _Thread | None:
        live = self._live
        enabled = [thread for thread in live if thread.ready is None or thread.ready()]
        if not enabled:
            enabled = [thread for thread in live if thread.timed]
        if me is not None and self._streak > FAIR_STREAK and len(enabled) > 1:
            enabled = self._after_giving_way(me, enabled)
        if len(enabled) <= 1:
            return enabled[0] if enabled else None
        current = me.number if me in enabled else None
        return self._ask(current, enabled)

    def _after_giving_way(self, me: _Thread, enabled: list[_Thread]) -> list[_Thread]:
        """The strategy chooses a few times; then whoever ran longest ago, lest threads that wait in a loop hand
        the turn to each other and keep the one that they wait for from running."""
        others = [thread for thread in enabled if thread is not me]
        self._given_way += 1
        return others if self._given_way <= CHOSEN_TURNS else [min(others, key=lambda thread: thread.turn)]

    def _ask(self, current: int | None, enabled: list[_Thread]) -> _Thread | None:
        numbers = [thread.number for thread in enabled]
        try:
            chosen = self._strategy.choose(current, numbers)
        except NondeterministicTarget as error:
            self._error = error
            return None
        if chosen != plainest(current, numbers):
            self._switches.append((self._decisions, chosen))
        self._decisions += 1
        return enabled[numbers.index(chosen)]

    def _switch_to(self, thread: _Thread) -> None:
        self._current = thread
        self._streak = 0
        self._turns += 1
        thread.turn = self._turns
        if thread.started:
            thread.greenlet.switch()
        else:
            thread.started = True
            self.instrument.start(thread.greenlet)

    def _give_up(self, outcome: Outcome) -> NoReturn:
        self._outcome = outcome
        self._hub.switch()
        raise Abort

    def _dispatch(self) -> None:
        first = self._choose(None)
        if first is not None:  # it is None only if the strategy refused: no thread has begun, so none waits
            self._switch_to(first)

    def _leave(self) -> None:
        """The running thread's task has ended; when this returns, it has been given another."""
        self._live.remove(self._current)
        following = None if self._unwinding or self._error is not None else self._choose(None)
        if following is not None:
            self._switch_to(following)
            return
        if self._live and self._error is None and not self._unwinding:
            self._outcome = Outcome.DEADLOCK
        self._hub.switch()

    def _unwind(self) -> None:
        for thread in list(self._live):
            if thread.running:
                self._current = thread
                thread.greenlet.switch()
