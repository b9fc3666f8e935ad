"""Happens-before by vector clocks, and the data races of a run: which accesses of plain memory nothing orders.

The idea: a thread's time moves on when it releases something, and a clock says up to which time one knows every
thread. A release hands the thread's clock to the object, an acquire joins the object's clock into the thread's.
So "a happens before b" is one comparison: did b's thread know a's time? (Lamport 1978, Mattern 1988; one stamp
an access as in FastTrack, Flanagan and Freund, PLDI 2009.) What acquires and what releases is a table, `GO`
(go.dev/ref/mem), so that wrong tables can be tried; `memory_model.py` asks what they would allow.

Threads are small numbers from 0; objects and places are opaque and hashable, objects by identity where it matters.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import Flag, auto
from typing import Final, NamedTuple

from mapproof.spec.accesses import Access

Clock = tuple[int, ...]
"""Clock[thread]: up to which of its times this thread is known; threads beyond the end are not known."""


class Label(Flag):
    """What an access of an object that synchronizes does for what is around it."""

    NOTHING = 0
    ACQUIRE = auto()
    RELEASE = auto()
    BOTH = ACQUIRE | RELEASE


GO: Final[Mapping[Access, Label]] = {
    Access.LOCK: Label.ACQUIRE,
    Access.TRY_LOCK: Label.ACQUIRE,
    Access.UNLOCK: Label.RELEASE,
    Access.R_LOCK: Label.ACQUIRE,
    Access.R_UNLOCK: Label.RELEASE,
    Access.ACQUIRE: Label.ACQUIRE,
    Access.RELEASE: Label.RELEASE,
    Access.LOAD: Label.ACQUIRE,
    Access.STORE: Label.RELEASE,
    Access.SWAP: Label.BOTH,
    Access.ADD: Label.BOTH,
    Access.COMPARE_AND_SWAP: Label.BOTH,
}
"""The Go memory model. TRY_LOCK and COMPARE_AND_SWAP stand for those that took effect."""


def joined(one: Clock, other: Clock) -> Clock:
    """What is known by either."""
    if len(one) < len(other):
        one, other = other, one
    return tuple(map(max, one, other)) + one[len(other) :]


class HappensBefore:
    """The order of one run, told its synchronizing accesses in the order in which they take effect."""

    __slots__ = ("_clocks", "_labels", "_published", "_readers")

    def __init__(self, labels: Mapping[Access, Label] = GO) -> None:
        self._labels = {
            access: (Label.ACQUIRE in label, Label.RELEASE in label) for access, label in labels.items()
        }
        self._clocks: dict[int, Clock] = {}
        self._published: dict[Hashable, Clock] = {}
        self._readers: dict[Hashable, Clock] = {}
        """What those who unlocked for reading hand to the next writer, and to nobody else."""

    def clock(self, thread: int) -> Clock:
        """What the thread knows now; its own time is part of it."""
        clock = self._clocks.get(thread)
        if clock is None:
            clock = self._clocks[thread] = (0,) * thread + (1,)
        return clock

    def time(self, thread: int) -> int:
        """The thread's own time: it moves on after each release, so that what follows is not released with it."""
        return self.clock(thread)[thread]

    def knows(self, thread: int, other: int, time: int) -> bool:
        """Whether all that `other` did at `time` and before happens before what `thread` does next."""
        clock = self.clock(thread)
        return other < len(clock) and time <= clock[other]

    def start(self, parent: int, child: int) -> None:
        """The `go` statement happens before the start of the thread."""
        self._clocks[child] = joined(self.clock(child), self.clock(parent))
        self._tick(parent)

    def join(self, parent: int, child: int) -> None:
        """All that a thread did happens before its join."""
        self._clocks[parent] = joined(self.clock(parent), self.clock(child))

    def order(self, thread: int, target: Hashable, access: Access, happened: bool = True) -> bool:
        """An access takes effect; answers whether it released, so that the thread's time has moved on.

        A failed compare-and-swap is a load; a failed try orders nothing.
        """
        if not happened:
            if access is not Access.COMPARE_AND_SWAP:
                return False
            access = Access.LOAD
        acquires, releases = self._labels[access]
        if acquires:
            self._acquire(thread, target, access)
        if releases:
            self._release(thread, target, access)
        return releases

    def copy(self) -> HappensBefore:
        """An order that goes on from here without changing this one."""
        made = HappensBefore.__new__(HappensBefore)
        made._labels = self._labels
        made._clocks = dict(self._clocks)
        made._published = dict(self._published)
        made._readers = dict(self._readers)
        return made

    def state(self) -> Hashable:
        """All that what follows can depend on."""
        return tuple(frozenset(part.items()) for part in (self._clocks, self._published, self._readers))

    def _acquire(self, thread: int, target: Hashable, access: Access) -> None:
        published = self._published.get(target)
        if published is not None:
            self._clocks[thread] = joined(self.clock(thread), published)
        if access is not Access.R_LOCK and self._readers:
            readers = self._readers.pop(target, None)
            if readers is not None:
                self._clocks[thread] = joined(self.clock(thread), readers)

    def _release(self, thread: int, target: Hashable, access: Access) -> None:
        mine = self.clock(thread)
        to = self._readers if access is Access.R_UNLOCK else self._published
        before = to.get(target)
        # A store observes nothing, so what was released before it is not handed on by it. A lock is: unlocks come
        # one after the other, even if somebody else than the holder unlocks.
        to[target] = mine if before is None or access is Access.STORE else joined(before, mine)
        self._tick(thread)

    def _tick(self, thread: int) -> None:
        clock = self.clock(thread)
        self._clocks[thread] = (*clock[:thread], clock[thread] + 1, *clock[thread + 1 :])


# -- data races


class Held(NamedTuple):
    """A lock that a thread holds, perhaps for reading only."""

    lock: Hashable
    reading: bool


class _Interval:
    """A stretch of one thread between two releases; all that was done in it is ordered alike."""

    __slots__ = ("ended_by", "thread", "time")

    def __init__(self, thread: int, time: int) -> None:
        self.thread = thread
        self.time = time
        self.ended_by: tuple[Hashable, Access] | None = None


class _Touch(NamedTuple):
    """The first access of one location, of its kind, in an interval."""

    interval: _Interval
    access: Access
    place: Hashable
    held: tuple[Held, ...]


class _Location:
    """What may still race with what comes: the last write, and each thread's last read since."""

    __slots__ = ("reads", "write")

    def __init__(self) -> None:
        self.write: _Touch | None = None
        self.reads: dict[int, _Touch] = {}


@dataclass(frozen=True, slots=True)
class RacingAccess:
    """One side of a data race. `place` is where in the program; `held` names the locks, `read_held` those that
    were locked for reading only."""

    thread: int
    access: Access
    place: str
    held: tuple[str, ...]
    read_held: tuple[str, ...]

    def told(self, location: str) -> str:
        locks = [*self.held, *(f"{name} (for reading)" for name in self.read_held)]
        what = f"client {self.thread} {_VERBS[self.access]} {location}"
        return f"{what} at {self.place}, holding {' and '.join(locks) or 'no lock'}"


@dataclass(frozen=True, slots=True)
class Race:
    """Two accesses of one plain location in different threads, one of them a write, that nothing orders.

    `remedy` is a sentence: what would have ordered them in this run.
    """

    location: str
    first: RacingAccess
    second: RacingAccess
    remedy: str

    def __str__(self) -> str:
        first, second = self.first.told(self.location), self.second.told("it")
        return f"{first}, and {second}; nothing orders the two. {self.remedy}"


_VERBS = {Access.READ: "reads", Access.WRITE: "writes", Access.OR: "sets bits of"}


class DataRaces:
    """Finds the races of one run, told all its accesses in their order.

    A location whose accesses race has at least one of its races told; each pair of places is told once. Keeps for
    each location one write, and one read a thread.
    """

    def __init__(self) -> None:
        self.races: list[Race] = []
        self._order = HappensBefore()
        self._intervals: dict[int, _Interval] = {}
        self._locations: dict[Hashable, _Location] = {}
        self._held: dict[int, tuple[Held, ...]] = {}
        self._told: set[Hashable] = set()

    def start(self, parent: int, child: int) -> None:
        """`parent` starts `child`."""
        self._order.start(parent, child)
        self._begin_interval(parent)

    def join(self, parent: int, child: int) -> None:
        """`parent` has waited for the end of `child`."""
        self._order.join(parent, child)

    def order(self, thread: int, target: Hashable, access: Access, happened: bool = True) -> None:
        """An access of an object that synchronizes takes effect (see `HappensBefore.order`)."""
        if happened:
            self._hold(thread, target, access)
        if self._order.order(thread, target, access, happened):
            self._interval(thread).ended_by = (target, access)
            self._begin_interval(thread)

    def touch(
        self, thread: int, location: Hashable, access: Access, place: Callable[[Hashable], Hashable]
    ) -> None:
        """A READ, WRITE or OR of plain memory. OR is atomic for readers and other ORs: it races with WRITE only.

        `place` says where the program makes it; asked only if the access has to be remembered.
        """
        state = self._locations.get(location)
        if state is None:
            state = self._locations[location] = _Location()
        interval = self._intervals.get(thread) or self._interval(thread)
        last = state.write
        if access is Access.WRITE:
            if last is not None and last.interval is interval and not state.reads:
                return
            touch = _Touch(interval, access, place(location), self._held.get(thread, ()))
            for other in state.reads.values():
                self._compare(location, other, touch)
            state.reads.clear()
            state.write = touch
        else:
            known = state.reads.get(thread)
            if known is not None and known.interval is interval:
                return
            touch = state.reads[thread] = _Touch(
                interval, access, place(location), self._held.get(thread, ())
            )
        if last is not None:
            self._compare(location, last, touch)

    def _compare(self, location: Hashable, first: _Touch, second: _Touch) -> None:
        if self._order.knows(second.interval.thread, first.interval.thread, first.interval.time):
            return
        pair = (_name(location), frozenset({(first.access, first.place), (second.access, second.place)}))
        if pair not in self._told:
            self._told.add(pair)
            self.races.append(_race(location, first, second))

    def _interval(self, thread: int) -> _Interval:
        return self._intervals.get(thread) or self._begin_interval(thread)

    def _begin_interval(self, thread: int) -> _Interval:
        begun = self._intervals[thread] = _Interval(thread, self._order.time(thread))
        return begun

    def _hold(self, thread: int, target: Hashable, access: Access) -> None:
        if access is Access.LOCK or access is Access.TRY_LOCK or access is Access.R_LOCK:
            self._held[thread] = (*self._held.get(thread, ()), Held(target, access is Access.R_LOCK))
        elif access is Access.UNLOCK or access is Access.R_UNLOCK:
            given_back = Held(target, access is Access.R_UNLOCK)
            for holder in (thread, *self._held):  # anybody may unlock
                held = list(self._held.get(holder, ()))
                if given_back in held:
                    held.remove(given_back)
                    self._held[holder] = tuple(held)
                    return


def _race(location: Hashable, first: _Touch, second: _Touch) -> Race:
    return Race(_name(location), _side(first), _side(second), _remedy(first, second))


def _side(touch: _Touch) -> RacingAccess:
    held = tuple(_name(held.lock) for held in touch.held if not held.reading)
    read_held = tuple(_name(held.lock) for held in touch.held if held.reading)
    return RacingAccess(touch.interval.thread, touch.access, str(touch.place), held, read_held)


def _remedy(first: _Touch, second: _Touch) -> str:
    both = {held.lock for held in first.held} & {held.lock for held in second.held}
    if both:
        name = _name(next(held.lock for held in first.held if held.lock in both))
        return f"Both hold {name} only for reading, which orders no readers: whoever writes must lock it."
    if first.held and second.held:
        one, other = _name(first.held[-1].lock), _name(second.held[-1].lock)
        return f"They hold different locks: they would be ordered if both had locked {one}, or both {other}."
    for holder, without in ((second, first), (first, second)):
        if holder.held:
            return _if_both_held(holder, without)
    released = first.interval.ended_by
    if released is None:
        return "They would be ordered if one lock were held around each."
    target, access = released
    wanted = f"client {second.interval.thread} had {_TO_ACQUIRE[access]} {_name(target)} before"
    told = f"client {first.interval.thread}'s {access} of it"
    return f"They would be ordered if {wanted}, after {told}; or if one lock were held around each."


def _if_both_held(holder: _Touch, without: _Touch) -> str:
    lock, reading = next((held for held in holder.held if not held.reading), holder.held[-1])
    wanted = f"They would be ordered if client {without.interval.thread} had held {_name(lock)} as well"
    if reading and holder.access is Access.WRITE:
        return f"{wanted}, and client {holder.interval.thread}, which writes, not only for reading."
    return f"{wanted}, not only for reading." if reading else f"{wanted}."


_TO_ACQUIRE = {
    Access.UNLOCK: "locked",
    Access.R_UNLOCK: "locked",
    Access.RELEASE: "acquired",
    Access.STORE: "loaded",
    Access.SWAP: "loaded",
    Access.ADD: "loaded",
    Access.COMPARE_AND_SWAP: "loaded",
}


def _name(target: Hashable) -> str:
    return str(getattr(target, "name", target))
