"""One schedule of each class of schedules that differ only in the order of independent steps: source-DPOR with
sleep sets (Abdulla, Aronis, Jonsson, Sagonas: "Source Sets", J. ACM 64(4), 2017; sleep sets: Godefroid, 1996).

The idea: run any schedule and look back on it. Where two dependent steps of different threads are ordered by nothing
else (a race), the other order is a schedule to come: a thread that leads there is put on the list of the decision
before the first of them. What was explored from a decision sleeps in the branches after it until a dependent
step wakes it, so that no class is run to its end twice.

A lock's release comes before the acquisition that waited for it, and cannot come after: not these two are reversed but
the two acquisitions. A thread that is blocked for ever has no such step, but was about to make it.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import FrameType
from typing import Any, Final

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.dependence import (
    ANYTHING,
    EVERYTHING,
    Footprint,
    Footprints,
    Note,
    depend,
)
from mapproof.stateful_tests.explorer.strategy import (
    Doing,
    Follower,
    NondeterministicTarget,
    Pruned,
    plainest,
)

Clock = dict[int, int]
"""How much of each thread comes before: the index of its last such step, plus one."""


class _Decision:
    """Before one step: who could make it, who must be tried and who need not; and the step that was made last: what
    was `seen` of it while it was made, and all that is known of it since (`step`, its `clock`)."""

    __slots__ = ("chosen", "clock", "enabled", "explored", "listed", "seen", "sleeping", "started", "step")

    def __init__(self, enabled: tuple[int, ...], chosen: int, sleeping: dict[int, Footprint]) -> None:
        self.enabled = enabled
        self.listed = {chosen}
        self.sleeping = sleeping
        self.explored: dict[int, Footprint] = {}
        self.choose(chosen)

    def choose(self, chosen: int) -> None:
        self.chosen = chosen
        self.seen: Footprint | None = None
        self.step = ANYTHING
        self.clock: Clock = {}
        self.started: tuple[int, ...] = ()

    def left(self) -> int | None:
        """Who is to be tried next."""
        for thread in self.enabled:
            if thread in self.listed and thread not in self.explored and thread not in self.sleeping:
                return thread
        return None


class Dpor(Follower):
    """Ends when one schedule of every class was run: `complete`.

    It is that only if no ending of a run says that a turn was taken from the strategy or a wait gave up
    (`Ending.given_way`, `Ending.timeouts`), or that the step bound was reached: the scheduler then chose in its place.
    What came out of each class was seen then, and every race; not every state between two steps, as a class passes
    through other states in other orders.

    `runs` were run to their end, `pruned` ended early, as they led to nothing new. `files` are those whose instructions
    are switch points.
    """

    sees_elsewhere = True

    def __init__(self, files: frozenset[str] = frozenset()) -> None:
        self.complete = False
        self.runs = 0
        self.pruned = 0
        self._path: list[_Decision] = []
        self._depth = 0
        self._begun = self._is_pruned = self._has_changed = False
        self._first: tuple[int, ...] = ()
        self._clocks: dict[int, Clock] = {}
        self._doing: Doing = {}
        self._files = files
        self._footprints = Footprints(files)

    # -- what a simulation asks and tells

    def begin(self) -> bool:
        """Get ready for the next execution. Raises NondeterministicTarget if the last one left its path."""
        if self.complete:
            return False
        if self._begun:
            self._look_back()
            if not self._advance():
                self.complete = True
                return False
        self._begun = True
        self._depth = 0
        self._is_pruned = False
        self._footprints = Footprints(self._files)
        return True

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        depth = self._depth
        if depth == 0:
            self._start(doing)
        if depth == len(self._path):
            self._arrive(current, tuple(enabled))
        decision = self._path[depth]
        if self._has_changed or decision.enabled != tuple(enabled):
            raise self._nondeterministic(depth, enabled)
        self._depth = depth + 1
        return decision.chosen

    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> None:
        seen = self._footprints.stopped(thread, doing, frame)
        decision = self._path[self._depth - 1]
        if decision.seen is None:
            decision.seen = seen
            decision.started = tuple(new for new in self._doing if new not in self._clocks)
        elif decision.seen != seen:
            self._has_changed = True

    def noted(self, thread: int, note: Any) -> None:
        self._footprints.noted(note)

    # -- going forwards

    def _start(self, doing: Doing) -> None:
        """The threads are known now, and what is known of those steps that are the same as in the last execution."""
        self._doing = doing
        self._clocks = {thread: {} for thread in doing}
        for decision in self._path[:-1]:
            self._pass(decision)

    def _pass(self, decision: _Decision) -> None:
        self._clocks[decision.chosen] = decision.clock
        for thread in decision.started:
            self._clocks[thread] = decision.clock

    def _arrive(self, current: int | None, enabled: tuple[int, ...]) -> None:
        """A decision that was never made before."""
        sleeping: dict[int, Footprint] = {}
        if self._path:
            self._conclude(self._path[-1], enabled)
            sleeping = self._still_asleep(self._path[-1])
        awake = [thread for thread in enabled if thread not in sleeping]
        if not awake:
            self._is_pruned = True
            self._look_at_waits(enabled)
            raise Pruned
        self._path.append(
            _Decision(enabled, plainest(current if current in awake else None, awake), sleeping)
        )

    def _still_asleep(self, before: _Decision) -> dict[int, Footprint]:
        """The threads that need not be tried after that decision's step, as it woke none of them."""
        asleep = before.sleeping | before.explored
        return {
            thread: footprint
            for thread, footprint in asleep.items()
            if thread != before.chosen and not depend(footprint, before.step)
        }

    def _conclude(self, decision: _Decision, enabled: tuple[int, ...]) -> None:
        """The last step is over, and these threads can go on: what else it did, and what came before it."""
        step = ANYTHING if decision.seen is None else decision.seen
        if decision.started:
            step = step._replace(notes=step.notes | Note.STARTED)
        if self._wakes_or_blocks(decision, step, enabled):
            step = step._replace(place=EVERYTHING, manner=None)
        decision.step = step
        decision.clock = self._look_for_races(decision.chosen, step, len(self._path) - 1)
        decision.clock[decision.chosen] = len(self._path)
        self._pass(decision)

    def _wakes_or_blocks(self, decision: _Decision, step: Footprint, enabled: tuple[int, ...]) -> bool:
        """Whether it let another thread go on, or kept it from that, without touching what that one waits for."""
        changed = set(decision.enabled) ^ set(enabled)
        changed.discard(decision.chosen)
        return any(
            thread not in decision.started and not depend(step, self._footprints.next_of(thread))
            for thread in changed
        )

    # -- looking back

    def _look_for_races(self, thread: int, step: Footprint, at: int) -> Clock:
        """List what reverses each race of this step, the `at`-th, with earlier ones; answers what comes before it."""
        path = self._path
        mine = self._clocks[thread]
        before = dict(mine)
        passed = dict(
            mine
        )  # less what may only have had to be waited for: to reverse what came before it is another matter
        for i in range(at - 1, -1, -1):
            earlier = path[i]
            other = earlier.chosen
            if passed.get(other, 0) > i or other == thread or not depend(earlier.step, step):
                continue
            _join(before, earlier.clock)
            if _is_reversible(earlier.step, step):
                _join(passed, earlier.clock)
            elif self._was_waited_for(i, step):
                continue
            self._reverse(i, thread, step, at, mine)
        return before

    def _look_at_waits(self, enabled: tuple[int, ...]) -> None:
        """Nothing follows: what threads that cannot go on were about to do is in a race too, with what keeps them."""
        for thread in self._clocks:
            if thread not in enabled and thread not in self._footprints.ended:
                self._look_for_races(thread, self._footprints.next_of(thread), len(self._path))

    def _was_waited_for(self, i: int, step: Footprint) -> bool:
        """Whether the i-th step released a lock, held until then, that this step takes, and did nothing else to it."""
        earlier = self._path[i].step
        if (earlier.access, step.access) != _HANDED_OVER or earlier.place != step.place:
            return False
        for decision in reversed(self._path[:i]):
            if decision.step.target == step.target and decision.step.access in _OF_A_LOCK:
                return decision.step.access is not Access.UNLOCK
        return False

    def _reverse(self, i: int, thread: int, step: Footprint, at: int, mine: Clock) -> None:
        """See to it that a schedule is run in which that step of the thread, the `at`-th, comes before the i-th.

        What lies between and does not come after the i-th may be run in its place, then the step. Any thread that
        can begin that (an initial) will do.
        """
        path = self._path
        earlier = path[i]
        mover = earlier.chosen
        between: list[int] = []
        seen: set[int] = set()
        initials: list[int] = []
        for k in range(i + 1, at):
            clock = path[k].clock
            if clock.get(mover, 0) > i:
                continue
            chosen = path[k].chosen
            if chosen not in seen:
                seen.add(chosen)
                if not any(clock.get(path[x].chosen, 0) > x for x in between):
                    initials.append(chosen)
            between.append(k)
        if thread not in seen and not any(
            mine.get(path[x].chosen, 0) > x or depend(path[x].step, step) for x in between
        ):
            if thread not in earlier.enabled:
                return  # it was waiting already, and nothing between would let it go on
            initials.insert(0, thread)
        if any(initial in earlier.listed or initial in earlier.sleeping for initial in initials):
            return
        able = [initial for initial in initials if initial in earlier.enabled]
        earlier.listed.update(able[:1] or earlier.enabled)

    # -- between two executions

    def _look_back(self) -> None:
        """The execution is over: its last step, and what its threads could never do."""
        if self._has_changed or self._depth < len(self._path):
            raise self._nondeterministic(self._depth, ())
        if self._is_pruned:
            self.pruned += 1
            return
        self.runs += 1
        if not self._path:
            return
        self._conclude(self._path[-1], self._path[-1].enabled)
        self._look_at_waits(())

    def _advance(self) -> bool:
        while self._path:
            decision = self._path[-1]
            decision.explored[decision.chosen] = decision.step
            following = decision.left()
            if following is not None:
                decision.choose(following)
                return True
            self._path.pop()
        return False

    def _nondeterministic(self, depth: int, enabled: Sequence[int]) -> NondeterministicTarget:
        could = self._path[depth].enabled if depth < len(self._path) else ()
        return NondeterministicTarget(
            "the code under test depends on more than its schedule: "
            f"at step {depth}: {could} could run, now {tuple(enabled)}"
            if could != tuple(enabled)
            else "the code under test depends on more than its schedule: "
            f"before step {depth} it did something else than the last time"
        )


_OF_A_LOCK: Final = (Access.LOCK, Access.TRY_LOCK, Access.UNLOCK)
_HANDED_OVER: Final = (Access.UNLOCK, Access.LOCK)
_WAITS: Final = (Access.LOCK, Access.ACQUIRE)


def _is_reversible(earlier: Footprint, step: Footprint) -> bool:
    """Whether the step could surely have been made in place of the earlier one: what never waits could, and what waits
    for the same thing that the other one got."""
    if step.access not in _WAITS:
        return True
    return earlier.target == step.target and earlier.access is step.access


def _join(clock: Clock, other: Clock) -> None:
    for thread, steps in other.items():
        if clock.get(thread, 0) < steps:
            clock[thread] = steps
