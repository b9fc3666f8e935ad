"""The scheduler: simulated threads on one OS thread, one step at a time.

The idea: each simulated thread is a greenlet that stops before every access of shared memory and asks which
thread goes on. A thread that must wait says when it could go on (a predicate), so the set of enabled threads is
exact, a deadlock is simply an empty set, and nothing ever sleeps: a wait with a timeout gives up when nothing else
can go on (or, if it is a timer, when the strategy says so), and the clock then stands at its deadline.

An `Instrument` says where threads stop: at the hook of `impl.sync` alone (`HookOnly`), or between the
instructions of unmodified Python too (`opcode_events`).
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, NoReturn

from greenlet import getcurrent

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.belongings import Belongings
from mapproof.stateful_tests.explorer.endings import Ending, Outcome, Standing, Wait
from mapproof.stateful_tests.explorer.instrument import HookOnly, Instrument
from mapproof.stateful_tests.explorer.positions import position_of
from mapproof.stateful_tests.explorer.simulated_thread import Abort, Pool, Ready, SimulatedThread
from mapproof.stateful_tests.explorer.strategy import (
    Follower,
    NondeterministicTarget,
    Pruned,
    Schedule,
    Strategy,
)

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

TIMERS = 3
"""So many timers of a run may go off while something else could go on; further ones wait until nothing can."""
IDLE_TIMEOUTS = 100
"""Tasks that are stuck while so many timeouts of other threads run out in a row are stuck for good."""

UNWINDING_STEPS = 10_000
"""An execution that was given up may take so many instructions to clean up."""
UNWINDING_WAITS = 100
"""A thread that waits so often while it is unwound catches what unwinds it, and is left where it stands."""

FIRST_SPAWNED = 11
"""The number of the first thread that the code under test starts; those that it is run by have smaller ones."""


class _Active(threading.local):
    """The simulation whose thread runs on this OS thread."""

    simulation: Simulation | None = None


_active = _Active()
_pool = Pool()
_left_standing: list[SimulatedThread] = []
"""Threads that cannot be unwound. To forget one would be to let it run, as greenlet raises in what it drops."""


def active() -> Simulation | None:
    """The simulation whose thread is running just now, if any."""
    return _active.simulation


class Simulation:
    """Runs tasks as simulated threads; it is the hook of `impl.sync` while it does (`watched_by(simulation)`).

    An execution is one `run`, or several in sequence and then `finish`: threads that the tasks started live on from
    one run to the next, and so does the clock `now`, in seconds.
    """

    def __init__(self, instrument: Instrument | None = None) -> None:
        self.instrument: Instrument = instrument or HookOnly()
        self.watcher: Watcher | None = None
        self.listener: Listener | None = None
        self.now = 0.0
        self.belongings = Belongings()
        self._active = False
        self._unwinding = False
        self._error: BaseException | None = None
        self._live: list[SimulatedThread] = []
        self._by_number: dict[int, SimulatedThread] = {}
        self._doing: dict[int, Any] = {}
        self._ended: list[SimulatedThread] = []
        self._spawned = FIRST_SPAWNED
        self._follower: Follower | None = None
        self._alone = self._yields = False

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
        self._stops = stops
        self._switch_on(stops)
        try:
            self.instrument.enter(self._dispatch)
            ending = self._ending() if self._error is None else None
            if self._outcome is not Outcome.FINISHED or self._error is not None:
                self._unwinding = True
                self.instrument.enter(self._unwind)
        finally:
            self._switch_off()
        if ending is None or self._error is not None:
            raise self._error or AssertionError("an execution without an error has an ending")
        return ending

    def finish(self) -> None:
        """The execution is over: unwind the threads that its tasks started and that have not ended."""
        if self._live:
            self._error = None
            self._hub = getcurrent()
            self._switch_on(False)
            try:
                self._unwinding = True
                self.instrument.enter(self._unwind)
            finally:
                self._switch_off()
        self.belongings.close()
        self.belongings = Belongings()
        self.now = 0.0
        self._spawned = FIRST_SPAWNED

    @property
    def live(self) -> list[int]:
        """The numbers of the threads that have not ended."""
        return [thread.number for thread in self._live]

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
        thread = self._by_number.get(number)
        if thread is None:
            return None
        waits = None if thread.ready is None or thread.ready() else self._wait(thread)
        return Standing(self._doing[number], thread.greenlet.gr_frame, waits)

    # -- what a simulated thread does (the hook of impl.sync, and more)

    def thread(self) -> int:
        """The number of the running simulated thread; 0 between two executions, as of who makes an object."""
        return self._current.number if self._active else 0

    def before(self, target: object, access: Access) -> None:
        self.stop_before((target, access))

    def stop_before(self, doing: Any) -> None:
        """A place where the running thread may be switched; `doing` is what a watcher is told."""
        if self._active and not self._unwinding:
            self._doing[self._current.number] = doing
            if self._alone and self._is_alone():
                self._count_step()
            else:
                self.instrument.enter(self._point)

    def wait(self, target: object, access: Access, ready: Ready) -> None:
        if self._active:
            self.wait_until(target, access, ready)

    def after(self, target: object, access: Access, happened: bool) -> None:
        if self.listener is not None and self._active and not self._unwinding:
            self.listener(self._current.number, target, access, happened)

    def note(self, note: Any) -> None:
        """Tell a strategy that follows each step what else the running step did."""
        if self._follower is not None and self._active:
            self._follower.noted(self._current.number, note)

    def wait_until(
        self,
        target: object,
        access: Access,
        ready: Ready,
        *,
        timeout: float | None = None,
        timer: bool = False,
    ) -> bool:
        """Wait for `ready()`; with a `timeout`, in seconds, at most so long: False if that ran out.

        It runs out only when nothing else could go on, when the clock has passed its end, or when another thread
        waits for that in a loop. A `timer` may also run out at any moment, as the others may be slow.
        """
        if self._unwinding:
            if not ready():
                self._refuse_to_wait()
            return True
        me = self._current
        self._doing[me.number] = (target, access)
        if self._alone and ready() and self._is_alone():
            self._count_step()
            return True
        me.ready = ready
        me.deadline = None if timeout is None else self.now + timeout
        me.timer = timer and self._stops
        self._waiting += 1
        try:
            self.instrument.enter(self._point)
            if ready():
                return True
            if me.deadline is None:
                raise Abort
            self._timers -= me.timer and me.deadline > self.now
            self.now = max(self.now, me.deadline)
            self._timeouts += 1
            return False
        finally:
            me.ready = me.deadline = None
            me.timer = False
            self._waiting -= 1

    def give_way(self) -> None:
        """Let the others go first if they can: leaving here is no preemption."""
        if self._active:
            self._yields = True
            self.stop_before(None)

    def spawn(self, task: Callable[[], None]) -> int:
        """Start a thread, from a running one or (it then begins with the next run) between two runs: its number."""
        number, self._spawned = self._spawned, self._spawned + 1
        self._add(_pool.take(self, number, task))
        self._alone = False
        return number

    # -- what a simulated thread says when its task is over

    def failed(self, error: BaseException | None) -> None:
        if error is not None and not self._unwinding:  # else it is an echo of giving up
            self._error = error
        self.instrument.prepare()

    def leave(self) -> None:
        me = self._current
        self._remove(me)
        if self._follower is not None and not self._unwinding:
            self._follower.stopped(me.number, None, None)
        if me.number < FIRST_SPAWNED:
            self._tasks -= 1
        following = self._following()
        if following is None:
            self._hub.switch()
        else:
            self._switch_to(following)

    # -- the scheduler

    def _begin(self, tasks: Mapping[int, Callable[[], None]], strategy: Strategy, max_steps: int) -> None:
        for number in sorted(tasks):
            self._add(_pool.take(self, number, tasks[number]))
        # Those that were started earlier have higher numbers, and come last.
        self._live.sort(key=_number)
        self._numbers = [thread.number for thread in self._live]
        self._tasks = len(tasks)
        self._strategy = strategy
        self._follower = strategy if isinstance(strategy, Follower) else None
        self._max_steps = max_steps
        self._hub = getcurrent()
        self._unwinding = self._yields = False
        self._error = None
        self._outcome = Outcome.FINISHED
        self._alone = len(self._live) == 1 and self._follower is None
        self._waiting = sum(thread.ready is not None for thread in self._live)
        self._steps = self._streak = self._decisions = self._turns = self._given_way = 0
        self._timeouts = self._idle_timeouts = self._unwinding_steps = 0
        self._timers = TIMERS
        self._switches: list[tuple[int, int]] = []

    def _add(self, thread: SimulatedThread) -> None:
        self._live.append(thread)
        self._by_number[thread.number] = thread
        self._doing[thread.number] = None
        if self._active:
            self._numbers.append(thread.number)
            thread.greenlet.parent = self._hub

    def _remove(self, thread: SimulatedThread) -> None:
        self._live.remove(thread)
        self._numbers.remove(thread.number)
        del self._by_number[thread.number], self._doing[thread.number]
        self._alone = len(self._live) == 1 and self._follower is None
        self._ended.append(thread)

    def _switch_on(self, stops: bool) -> None:
        for thread in self._live:
            thread.greenlet.parent = self._hub
        self._ended = []
        self._collects = gc.isenabled()
        gc.disable()  # or finalizers of an earlier execution take steps in the midst of this one
        self._active = True
        _active.simulation = self
        sees_elsewhere = self._follower is not None and self._follower.sees_elsewhere
        self.instrument.watch(
            self._place if stops or self.watcher is not None else None,
            self._elsewhere if sees_elsewhere else None,
        )

    def _switch_off(self) -> None:
        self.instrument.watch(None)
        self._active = False
        _active.simulation = None
        if self._collects:
            gc.enable()
        if self._unwinding:
            self._ended += [thread for thread in self._live if not thread.running]
            self._live.clear()
            self._by_number.clear()
            self._doing.clear()
        for thread in self._ended:
            _pool.park(thread)

    def _ending(self) -> Ending:
        waits: tuple[Wait, ...] = ()
        if self._outcome is Outcome.DEADLOCK:
            waits = tuple(self._wait(thread) for thread in self._live if thread.deadline is None)
        spins: tuple[tuple[int, str], ...] = ()
        if self._outcome is Outcome.ENDLESS:
            going = (thread.number for thread in self._live if thread.ready is None or thread.ready())
            spins = tuple((number, position_of(self._doing[number])) for number in going)
        return Ending(
            self._outcome,
            waits,
            Schedule(tuple(self._switches)),
            self._steps,
            self._decisions,
            self._given_way,
            self._timeouts,
            spins,
        )

    def _wait(self, thread: SimulatedThread) -> Wait:
        target, access = self._doing[thread.number]
        name = getattr(target, "name", type(target).__name__)
        return Wait(thread.number, name, access, getattr(target, "holder", None))

    def _place(self, place: Any) -> None:
        """The instrument's point: already where a switch is allowed."""
        if self._unwinding:
            self._count_unwinding_step()
            return
        self._doing[self._current.number] = place
        if self._alone and self._is_alone():
            self._count_step()
        else:
            self._point()

    def _elsewhere(self, frame: FrameType) -> None:
        """The instrument's news of code where nothing stops; the scheduler's own is none."""
        if getcurrent() is not self._hub:
            self.note(frame)

    def _is_alone(self) -> bool:
        """No decision is left to make and nobody watches, so a step need not stop (while the bound is far)."""
        return self.watcher is None and self._steps < self._max_steps

    def _count_step(self) -> None:
        self._steps += 1
        if self._unwinding:
            raise Abort

    def _count_unwinding_step(self) -> None:
        """`finally` blocks run to their end, as locks that outlive the run must be given back; loops do not."""
        self._unwinding_steps += 1
        if self._unwinding_steps > UNWINDING_STEPS:
            self._unwinding_waits += 1
            if self._unwinding_waits > UNWINDING_WAITS:
                self._hub.switch()
            raise Abort

    def _point(self) -> None:
        if self._unwinding:
            raise Abort
        me = self._current
        self._steps += 1
        self._streak += 1
        if self._steps > self._max_steps:
            self._give_up(Outcome.ENDLESS)
        if self._follower is not None:
            self._follower.stopped(me.number, self._doing[me.number], sys._getframe(1))
        chosen = self._choose(me)
        if chosen is None:
            self._give_up(self._outcome)
        elif chosen is not me:
            self._switch_to(chosen)
            if self._unwinding:
                raise Abort
        if self.watcher is not None:
            self.watcher(me.number, self._doing[me.number])

    def _choose(self, me: SimulatedThread | None) -> SimulatedThread | None:
        """Who goes on; None, and why in `_outcome`, if nobody does."""
        numbers = self._numbers
        if self._waiting or self._yields or self._streak > FAIR_STREAK:
            numbers = self._enabled(me)
            if not numbers:
                self._outcome = Outcome.DEADLOCK
                return None
        if len(numbers) == 1 and self._follower is None:
            return self._by_number[numbers[0]]
        current = None if me is None or me.number not in numbers else me.number
        try:
            chosen = self._strategy.choose(current, numbers, self._doing)
        except NondeterministicTarget as error:
            self._error = error
            return None
        except Pruned:
            self._outcome = Outcome.PRUNED
            return None
        if len(numbers) > 1:
            if chosen != (numbers[0] if current is None else current):
                self._switches.append((self._decisions, chosen))
            self._decisions += 1
        return self._by_number[chosen]

    def _enabled(self, me: SimulatedThread | None) -> list[int]:
        enabled = [
            thread
            for thread in self._live
            if thread.ready is None
            or thread.ready()
            or (thread.deadline is not None and self._may_give_up(thread, thread.deadline, me))
        ]
        for_ever = self._streak > FAIR_STREAK
        gives_way, self._yields = for_ever or self._yields, False
        if not enabled or (for_ever and enabled == [me]):
            enabled = self._first_to_give_up() or enabled
        elif me is not None and gives_way and len(enabled) > 1:
            enabled = self._after_giving_way(me, enabled)
        return [thread.number for thread in enabled]

    def _may_give_up(self, thread: SimulatedThread, deadline: float, me: SimulatedThread | None) -> bool:
        """Whoever has just set a timer lets the others go first."""
        return deadline <= self.now or (thread.timer and self._timers > 0 and thread is not me)

    def _first_to_give_up(self) -> list[SimulatedThread]:
        timed = [thread for thread in self._live if thread.deadline is not None]
        self._idle_timeouts += 1
        if self._idle_timeouts > IDLE_TIMEOUTS and all(thread.number >= FIRST_SPAWNED for thread in timed):
            return []
        first = min((thread.deadline for thread in timed if thread.deadline is not None), default=None)
        return [thread for thread in timed if thread.deadline == first]

    def _after_giving_way(self, me: SimulatedThread, enabled: list[SimulatedThread]) -> list[SimulatedThread]:
        """The strategy chooses a few times; then whoever ran longest ago, lest threads that wait in a loop hand
        the turn to each other and keep the one that they wait for from running."""
        others = [thread for thread in enabled if thread is not me]
        self._given_way += 1
        return others if self._given_way <= CHOSEN_TURNS else [min(others, key=lambda thread: thread.turn)]

    def _switch_to(self, thread: SimulatedThread) -> None:
        self._current = thread
        self._streak = 0
        if thread.number < FIRST_SPAWNED:
            self._idle_timeouts = 0
        self._turns += 1
        thread.turn = self._turns
        thread.switch()

    def _give_up(self, outcome: Outcome) -> NoReturn:
        self._outcome = outcome
        self._hub.switch()
        raise Abort

    def _dispatch(self) -> None:
        first = self._choose(None)
        if first is not None:  # it is None if the strategy refused: no thread has begun, so none waits
            self._switch_to(first)

    def _following(self) -> SimulatedThread | None:
        """Who goes on when a task has ended; None if the run is over."""
        if self._unwinding or self._error is not None or not self._tasks:
            return None
        return self._choose(None)

    def _unwind(self) -> None:
        for thread in list(self._live):
            if thread.running:
                self._current = thread
                self._unwinding_waits = 0
                thread.switch()
                if thread.running:
                    _left_standing.append(thread)

    def _refuse_to_wait(self) -> NoReturn:
        """Unwind the running thread, which waits for what never comes; if it does not let itself, leave it."""
        self._unwinding_waits += 1
        if self._unwinding_waits > UNWINDING_WAITS:
            self.instrument.prepare()
            self.instrument.enter(self._hub.switch)
        raise Abort


def _number(thread: SimulatedThread) -> int:
    return thread.number
