"""Rooms: little programs around one lock or one Once, run in chosen schedules under every check.

The idea: a primitive is right if what it protects is. So a room has a variable that nothing else protects, counts who
is inside at once, and is entered by a few simulated threads, each of which does what a word of its program says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mutants import Detector

from mapproof.impl.rwmutex_invariants import RWMutexWatch
from mapproof.impl.sync import FatalError, Mutex, Once, Plain, RWMutex, watched_by
from mapproof.stateful_tests.explorer.endings import Outcome
from mapproof.stateful_tests.explorer.simulation import Simulation
from mapproof.stateful_tests.explorer.strategy import Strategy
from mapproof.stateful_tests.races import RaceDetector
from mapproof.stateful_tests.recording import describe_deadlock

Complaint = tuple[Detector, str]


class Room:
    """What a primitive protects. `wrong` is what was seen that must not be, `look` what is checked at every step."""

    def __init__(self) -> None:
        self.variable = Plain(0, "variable")
        self.readers = self.writers = 0
        self.wrong: list[str] = []

    def look(self) -> None:
        """Raise AssertionError, if what is seen now cannot be."""

    def leave(self) -> None:
        """Everybody has left: say what is wrong then."""

    def _look_around(self) -> None:
        self.readers += 1
        self._count()
        self.variable.read()
        self.readers -= 1

    def _rearrange(self) -> None:
        self.writers += 1
        self._count()
        self.variable.write(self.variable.read() + 1)
        self.writers -= 1

    def _count(self) -> None:
        if self.writers > 1 or (self.writers and self.readers):
            self.wrong.append(f"inside together: {self.writers} who write, {self.readers} who read")


class MutexRoom(Room):
    def __init__(self, make: Callable[[], Mutex] = Mutex) -> None:
        super().__init__()
        self.mutex = make()

    def write(self) -> None:
        with self.mutex:
            self._rearrange()

    def try_to_write(self) -> None:
        if self.mutex.try_lock():
            self._rearrange()
            self.mutex.unlock()

    def leave(self) -> None:
        if self.mutex.locked():
            self.wrong.append("still locked")


class RWMutexRoom(Room):
    def __init__(self, make: Callable[[], RWMutex] = RWMutex) -> None:
        super().__init__()
        self.rwmutex = make()
        self.watch = RWMutexWatch(self.rwmutex)

    def look(self) -> None:
        self.watch.look()
        if self.writers:
            assert self.watch.writer_may_be_inside, "a writer is inside, and the words say that it cannot be"

    def read(self) -> None:
        with self.rwmutex.reading():
            self._look_around()

    def read_by_rlocker(self) -> None:
        with self.rwmutex.rlocker():
            self._look_around()

    def read_in_read(self) -> None:
        with self.rwmutex.reading():
            self.read()

    def write(self) -> None:
        with self.rwmutex.writing():
            self._rearrange()

    def write_in_read(self) -> None:
        with self.rwmutex.reading():
            self.write()

    def try_to_read(self) -> None:
        if self.rwmutex.try_rlock():
            self._look_around()
            self.rwmutex.runlock()

    def try_to_write(self) -> None:
        if self.rwmutex.try_lock():
            self._rearrange()
            self.rwmutex.unlock()

    def leave(self) -> None:
        if not self.rwmutex.at_rest():
            self.wrong.append(f"not at rest: {self.rwmutex.peek()}")


class OnceRoom(Room):
    """The first call of `do` writes the variable; whoever comes back from one reads it."""

    def __init__(self, make: Callable[[], Once] = Once) -> None:
        super().__init__()
        self.once = make()
        self.calls = 0

    def do(self) -> None:
        self.once.do(self._first)
        self._look_around()

    def do_and_raise(self) -> None:
        try:
            self.once.do(self._fail)
        except ZeroDivisionError:
            return

    def leave(self) -> None:
        if self.calls != 1:
            self.wrong.append(f"done {self.calls} times")

    def _first(self) -> None:
        self.calls += 1
        self._rearrange()

    def _fail(self) -> None:
        self._first()
        raise ZeroDivisionError


Rooms = Mapping[str, tuple[type[Any], tuple[str, ...]]]
"""Name -> (the room, one program for each thread: names of its methods, separated by semicolons)."""


def complaints(room: Any, programs: tuple[str, ...], strategy: Strategy) -> Iterator[Complaint]:
    """Run one schedule: what each detector has to say, in no particular order."""
    simulation, races = Simulation(), RaceDetector()
    broken: list[str] = []

    def watcher(thread: int, doing: Any) -> None:
        try:
            room.look()
        except AssertionError as error:
            broken.append(str(error))
        races.step(thread, doing)

    simulation.watcher, simulation.listener = watcher, races.effect
    tasks = {number: _task(room, program) for number, program in enumerate(programs, 1)}
    for thread in tasks:
        races.start(0, thread)
    yield from _ending(simulation, room, tasks, strategy)
    for sentence in (*broken, *room.wrong):
        yield Detector.INVARIANT, sentence
    for race in races.races:
        yield Detector.RACE, str(race)


def _ending(
    simulation: Simulation, room: Any, tasks: Mapping[int, Callable[[], None]], strategy: Strategy
) -> Iterator[Complaint]:
    try:
        with watched_by(simulation):
            ending = simulation.run(tasks, strategy)
    except FatalError as fatal:
        yield Detector.EXCEPTION, str(fatal)
        return
    match ending.outcome:
        case Outcome.DEADLOCK:
            yield Detector.DEADLOCK, describe_deadlock(ending.waits)
        case Outcome.ENDLESS:
            yield Detector.PROGRESS, f"did not end within {ending.steps:,} steps"
        case _:
            room.leave()


def _task(room: Any, program: str) -> Callable[[], None]:
    methods = [getattr(room, name.strip()) for name in program.split(";")]

    def task() -> None:
        for method in methods:
            method()

    return task
