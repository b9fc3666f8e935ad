"""What a memory model allows a little program to answer: every outcome of a litmus test.

The idea: run the program in every order of its instructions, with locks, semaphores and atomics as they are, and
keep every write of plain memory with its place in happens-before (`happens_before.py`). A plain read may then
return any write that is not overwritten: no other write comes between the two in happens-before (go.dev/ref/mem,
June 2022). What orders is a table of labels, so a wrong table can be asked what it would allow.

A read returns only what comes before it in some order of the instructions, so load buffering is left out: no
answer is its own cause. Words do not tear.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

from mapproof.spec.accesses import Access
from mapproof.spec.happens_before import GO, Clock, HappensBefore, Label


class Life(StrEnum):
    """What orders threads without an object."""

    START = "start"
    JOIN = "join"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step of a thread, on the object or the thread `target`; made by the functions below.

    Its answer goes into the register `into`, which is the thread's own. It is passed over unless the registers
    hold what `when` says.
    """

    access: Access | Life
    target: str | int
    value: int = 0
    old: int = 0
    into: str = ""
    when: tuple[tuple[str, Any], ...] = ()


Program = tuple[tuple[Instruction, ...], ...]
"""The threads, numbered from 1. One that nobody starts is there from the beginning. All memory holds 0, locks are
free, semaphores have nothing to give."""

Outcome = tuple[Any, ...]
"""What the registers hold in the end, in the order in which the program names them; None if nothing was put there.
Registers whose names begin with an underscore are left out."""

STUCK: Final[Outcome] = ("stuck",)
"""The outcome of an execution in which some thread waits for ever."""


def read(location: str, into: str) -> Instruction:
    return Instruction(Access.READ, location, into=into)


def write(location: str, value: int) -> Instruction:
    return Instruction(Access.WRITE, location, value)


def load(word: str, into: str) -> Instruction:
    return Instruction(Access.LOAD, word, into=into)


def store(word: str, value: int) -> Instruction:
    return Instruction(Access.STORE, word, value)


def swap(word: str, value: int, into: str = "") -> Instruction:
    return Instruction(Access.SWAP, word, value, into=into)


def add(word: str, delta: int, into: str = "") -> Instruction:
    return Instruction(Access.ADD, word, delta, into=into)


def compare_and_swap(word: str, old: int, new: int, into: str = "") -> Instruction:
    return Instruction(Access.COMPARE_AND_SWAP, word, new, old, into)


def lock(mutex: str) -> Instruction:
    return Instruction(Access.LOCK, mutex)


def try_lock(mutex: str, into: str = "") -> Instruction:
    return Instruction(Access.TRY_LOCK, mutex, into=into)


def unlock(mutex: str) -> Instruction:
    return Instruction(Access.UNLOCK, mutex)


def rlock(mutex: str) -> Instruction:
    return Instruction(Access.R_LOCK, mutex)


def runlock(mutex: str) -> Instruction:
    return Instruction(Access.R_UNLOCK, mutex)


def acquire(semaphore: str) -> Instruction:
    return Instruction(Access.ACQUIRE, semaphore)


def release(semaphore: str) -> Instruction:
    return Instruction(Access.RELEASE, semaphore)


def start(thread: int) -> Instruction:
    return Instruction(Life.START, thread)


def join(thread: int) -> Instruction:
    return Instruction(Life.JOIN, thread)


def when(register: str, value: Any, *body: Instruction) -> tuple[Instruction, ...]:
    """The body, if the register holds the value by then."""
    return tuple(replace(one, when=((register, value), *one.when)) for one in body)


def once(name: str, *body: Instruction) -> tuple[Instruction, ...]:
    """Go's Once.Do of the body (src/sync/once.go)."""
    fast, slow = f"_{name}.fast", f"_{name}.slow"
    done, m = f"{name}.done", f"{name}.m"
    first = when(slow, 0, *body, store(done, 1))
    return (load(done, fast), *when(fast, 0, lock(m), load(done, slow), *first, unlock(m)))


def registers(program: Program) -> tuple[tuple[int, str], ...]:
    """(thread, name) of what an outcome shows, in its order."""
    named = [(n, one.into) for n, thread in enumerate(program, 1) for one in thread if one.into]
    return tuple(dict.fromkeys(pair for pair in named if not pair[1].startswith("_")))


def started_by_others(program: Program) -> frozenset[int]:
    """The threads that wait until somebody starts them."""
    return frozenset(
        one.target
        for thread in program
        for one in thread
        if one.access is Life.START and isinstance(one.target, int)
    )


def outcomes(program: Program, labels: Mapping[Access, Label] = GO) -> frozenset[Outcome]:
    """All that the program may answer. Exponential in its size; about a dozen instructions are fine.

    Raises ValueError if an execution gives back a lock that is not held, or starts a running thread.
    """
    shown = registers(program)
    first = _State.initial(program, labels)
    seen, left = {first.key()}, [first]
    found: set[Outcome] = set()
    while left:
        state = left.pop()
        following = list(state.following())
        if not following:
            finished = all(state.finished(thread) for thread in range(1, len(program) + 1))
            found.add(tuple(state.registers.get(pair) for pair in shown) if finished else STUCK)
        for after in following:
            if (key := after.key()) not in seen:
                seen.add(key)
                left.append(after)
    return frozenset(found)


class _Write(NamedTuple):
    """A write of plain memory and where it stands in happens-before."""

    value: int
    thread: int
    time: int
    clock: Clock


_INITIAL: Final = _Write(0, 0, 0, ())
"""Known to everybody: threads know thread 0 up to its time 0 at least."""


@dataclass(slots=True)
class _State:
    """Between two instructions. `words` are atomics, counts of semaphores, and locks: -1 if locked, else the
    number of readers."""

    program: Program
    places: tuple[int | None, ...]
    registers: dict[tuple[int, str], Any]
    words: dict[str, int]
    writes: dict[str, tuple[_Write, ...]]
    order: HappensBefore

    @staticmethod
    def initial(program: Program, labels: Mapping[Access, Label]) -> _State:
        order, waiting = HappensBefore(labels), started_by_others(program)
        threads = range(1, len(program) + 1)
        for thread in threads:
            if thread not in waiting:
                order.start(0, thread)
        places = tuple(None if thread in waiting else 0 for thread in threads)
        return _State(program, places, {}, {}, {}, order)

    def key(self) -> Hashable:
        """Two states with the same key go on alike."""
        parts = (self.registers, self.words, self.writes)
        return (self.places, *(frozenset(part.items()) for part in parts), self.order.state())

    def finished(self, thread: int) -> bool:
        place = self.places[thread - 1]
        return place is not None and place == len(self.program[thread - 1])

    def following(self) -> Iterator[_State]:
        """The states after one more instruction of some thread."""
        for index, place in enumerate(self.places):
            if place is not None and place < len(self.program[index]):
                instruction = self.program[index][place]
                thread = index + 1
                if not all(self.registers.get((thread, name)) == held for name, held in instruction.when):
                    yield self._after(thread)
                elif self._ready(instruction):
                    yield from self._stepped(thread, instruction)

    def _ready(self, instruction: Instruction) -> bool:
        target = instruction.target
        if instruction.access is Life.JOIN:
            assert isinstance(target, int)
            return self.finished(target)
        word = self.words.get(str(target), 0)
        match instruction.access:
            case Access.LOCK:
                return word == 0
            case Access.R_LOCK:
                return word >= 0
            case Access.ACQUIRE:
                return word > 0
            case _:
                return True

    def _stepped(self, thread: int, instruction: Instruction) -> Iterator[_State]:
        target = instruction.target
        if isinstance(target, int):
            yield self._lived(thread, instruction.access, target)
        elif instruction.access is Access.READ:
            for value in sorted({write.value for write in self._visible(thread, target)}):
                yield self._answered(thread, instruction, value)
        elif instruction.access is Access.WRITE:
            made = _Write(instruction.value, thread, self.order.time(thread), self.order.clock(thread))
            after = self._after(thread)
            after.writes[target] = (*self.writes.get(target, (_INITIAL,)), made)
            yield after
        else:
            yield self._synchronized(thread, instruction, instruction.access, target)

    def _after(self, thread: int) -> _State:
        """A copy in which the thread has its next instruction before it."""
        place = self.places[thread - 1]
        assert place is not None
        places = (*self.places[: thread - 1], place + 1, *self.places[thread:])
        return _State(
            self.program,
            places,
            dict(self.registers),
            dict(self.words),
            dict(self.writes),
            self.order.copy(),
        )

    def _answered(self, thread: int, instruction: Instruction, answer: Any) -> _State:
        after = self._after(thread)
        if instruction.into:
            after.registers[thread, instruction.into] = answer
        return after

    def _lived(self, thread: int, access: Access | Life, other: int) -> _State:
        after = self._after(thread)
        if access is Life.JOIN:
            after.order.join(thread, other)
            return after
        if self.places[other - 1] is not None:
            raise ValueError(f"thread {other} is started twice")
        after.order.start(thread, other)
        after.places = (*after.places[: other - 1], 0, *after.places[other:])
        return after

    def _synchronized(
        self, thread: int, instruction: Instruction, access: Access | Life, target: str
    ) -> _State:
        assert isinstance(access, Access)
        word, answer, happened = _effect(instruction, self.words.get(target, 0))
        after = self._answered(thread, instruction, answer)
        after.words[target] = word
        after.order.order(thread, target, access, happened)
        return after

    def _visible(self, thread: int, location: str) -> Iterator[_Write]:
        """The writes so far that a read of the thread may return: those that no other write hides from it."""
        writes = self.writes.get(location, (_INITIAL,))
        for place, write in enumerate(writes):
            if not any(
                _knows(later.clock, write) and self.order.knows(thread, later.thread, later.time)
                for later in writes[place + 1 :]
            ):
                yield write


def _knows(clock: Clock, write: _Write) -> bool:
    return write is _INITIAL or (write.thread < len(clock) and write.time <= clock[write.thread])


def _effect(instruction: Instruction, word: int) -> tuple[int, Any, bool]:
    """What an access leaves of a word, what it answers, and whether it took effect."""
    value = instruction.value
    match instruction.access:
        case Access.LOAD:
            return word, word, True
        case Access.STORE:
            return value, None, True
        case Access.SWAP:
            return value, word, True
        case Access.ADD:
            return word + value, word + value, True
        case Access.COMPARE_AND_SWAP:
            return (value, True, True) if word == instruction.old else (word, False, False)
        case Access.LOCK:
            return -1, None, True
        case Access.TRY_LOCK:
            return (-1, True, True) if word == 0 else (word, False, False)
        case Access.UNLOCK if word == -1:
            return 0, None, True
        case Access.R_UNLOCK if word > 0:
            return word - 1, None, True
        case Access.R_LOCK | Access.RELEASE:
            return word + 1, None, True
        case Access.ACQUIRE:
            return word - 1, None, True
        case _:
            raise ValueError(f"{instruction.access} of {instruction.target}, which is not locked so")
