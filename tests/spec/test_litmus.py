"""Litmus tests: what little programs may answer, exactly; and the primitives themselves, which answer no more.

The idea: the model says which outcomes are allowed, the explorer which occur, and the detector whether a schedule
has a data race. Three sentences tie them together: what occurs is allowed; without a race all that is allowed
occurs (data-race-free programs are sequentially consistent); and where more is allowed, a race is found.
"""

from __future__ import annotations

import inspect
import linecache
import re
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import product
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from mapproof.impl.sync import AtomicInt, Mutex, Plain, RWMutex, Semaphore, watched_by
from mapproof.spec import memory_model
from mapproof.spec.accesses import Access
from mapproof.spec.happens_before import GO, Label
from mapproof.spec.memory_model import (
    STUCK,
    Instruction,
    Life,
    Outcome,
    Program,
    acquire,
    add,
    compare_and_swap,
    join,
    load,
    lock,
    once,
    outcomes,
    read,
    registers,
    release,
    rlock,
    runlock,
    start,
    started_by_others,
    store,
    swap,
    try_lock,
    unlock,
    when,
    write,
)
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.simulation import Outcome as Ended
from mapproof.stateful_tests.explorer.simulation import Simulation
from mapproof.stateful_tests.races import RaceDetector

# -- the programs


class Litmus(NamedTuple):
    """`allowed` are all outcomes; `races` says whether some schedule has a data race."""

    program: Program
    allowed: set[Outcome]
    races: bool


def bits(*names: str) -> set[Outcome]:
    """Outcomes written as digits; "-" is a register that was not used."""
    return {tuple(None if digit == "-" else int(digit) for digit in name) for name in names}


def all_bits(size: int, *without: str) -> set[Outcome]:
    return set(product((0, 1), repeat=size)) - bits(*without)


BOTH_WRITTEN = (write("x", 1), write("y", 1))
BOTH_READ = (read("x", "x"), read("y", "y"))
TORN = bits("00", "01", "10", "11")
WHOLE = bits("00", "11")


LITMUS: Mapping[str, Litmus] = {
    "message passing, plain flag": Litmus(
        ((write("x", 1), write("flag", 1)), (read("flag", "flag"), read("x", "x"))), all_bits(2), True
    ),
    "message passing, atomic flag": Litmus(
        ((write("x", 1), store("flag", 1)), (load("flag", "flag"), *when("flag", 1, read("x", "x")))),
        bits("0-", "11"),
        False,
    ),
    "message passing, atomic flag that is not looked at": Litmus(
        ((write("x", 1), store("flag", 1)), (load("flag", "flag"), read("x", "x"))),
        bits("00", "01", "11"),
        True,
    ),
    "store buffering, plain": Litmus(
        ((write("x", 1), read("y", "y")), (write("y", 1), read("x", "x"))), all_bits(2), True
    ),
    "store buffering, atomic": Litmus(
        ((store("x", 1), load("y", "y")), (store("y", 1), load("x", "x"))), all_bits(2, "00"), False
    ),
    "coherence, plain": Litmus(
        ((write("x", 1), write("x", 2)), (read("x", "first"), read("x", "second"))),
        set(product((0, 1, 2), repeat=2)),
        True,
    ),
    "coherence, atomic": Litmus(
        ((store("x", 1), store("x", 2)), (load("x", "first"), load("x", "second"))),
        bits("00", "01", "02", "11", "12", "22"),
        False,
    ),
    "independent reads of independent writes, atomic": Litmus(
        (
            (store("x", 1),),
            (store("y", 1),),
            (load("x", "x"), load("y", "y")),
            (load("y", "y"), load("x", "x")),
        ),
        all_bits(4, "1010"),
        False,
    ),
    "independent reads of independent writes, plain": Litmus(
        (
            (write("x", 1),),
            (write("y", 1),),
            (read("x", "x"), read("y", "y")),
            (read("y", "y"), read("x", "x")),
        ),
        all_bits(4),
        True,
    ),
    "a mutex publishes": Litmus(
        ((lock("mu"), *BOTH_WRITTEN, unlock("mu")), (lock("mu"), *BOTH_READ, unlock("mu"))), WHOLE, False
    ),
    "two mutexes do not": Litmus(
        ((lock("mu"), *BOTH_WRITTEN, unlock("mu")), (lock("other"), *BOTH_READ, unlock("other"))), TORN, True
    ),
    "a successful try of a mutex publishes": Litmus(
        (
            (lock("mu"), *BOTH_WRITTEN, unlock("mu")),
            (try_lock("mu", "got"), *when("got", True, *BOTH_READ, unlock("mu"))),
        ),
        {(True, 0, 0), (True, 1, 1), (False, None, None)},
        False,
    ),
    "a failed try of a mutex gives nothing": Litmus(
        (
            (write("x", 1), lock("mu")),
            (try_lock("mu", "got"), *when("got", False, read("x", "x")), *when("got", True, unlock("mu"))),
        ),
        {(True, None), (False, 0), (False, 1)},
        True,
    ),
    "writer to reader of an RWMutex": Litmus(
        ((lock("rw"), *BOTH_WRITTEN, unlock("rw")), (rlock("rw"), *BOTH_READ, runlock("rw"))), WHOLE, False
    ),
    "writer to writer of an RWMutex": Litmus(
        ((lock("rw"), *BOTH_WRITTEN, unlock("rw")), (lock("rw"), *BOTH_READ, unlock("rw"))), WHOLE, False
    ),
    "reader to writer of an RWMutex": Litmus(
        ((rlock("rw"), *BOTH_WRITTEN, runlock("rw")), (lock("rw"), *BOTH_READ, unlock("rw"))), WHOLE, False
    ),
    "reader to reader of an RWMutex": Litmus(
        ((rlock("rw"), *BOTH_WRITTEN, runlock("rw")), (rlock("rw"), *BOTH_READ, runlock("rw"))), TORN, True
    ),
    "a semaphore publishes": Litmus(
        ((write("x", 1), release("s")), (acquire("s"), read("x", "x"))), bits("1"), False
    ),
    "acquiring a semaphore publishes nothing": Litmus(
        ((release("s"), write("x", 1), acquire("s")), (read("x", "x"),)), bits("0", "1"), True
    ),
    "a once publishes": Litmus(
        (
            (*once("once", write("x", 1), write("y", 1)), read("x", "x")),
            (*once("once", write("x", 2), write("y", 2)), read("y", "y")),
        ),
        bits("11", "22"),
        False,
    ),
    "a swap publishes": Litmus(
        ((write("x", 1), swap("flag", 1)), (swap("flag", 0, "saw"), *when("saw", 1, read("x", "x")))),
        bits("0-", "11"),
        False,
    ),
    "an add publishes": Litmus(
        ((write("x", 1), add("n", 1)), (add("n", 1, "n"), *when("n", 2, read("x", "x")))),
        bits("1-", "21"),
        False,
    ),
    "a compare-and-swap publishes": Litmus(
        (
            (write("x", 1), compare_and_swap("flag", 0, 1)),
            (compare_and_swap("flag", 1, 2, "won"), *when("won", True, read("x", "x"))),
        ),
        {(False, None), (True, 1)},
        False,
    ),
    "a failed compare-and-swap observes": Litmus(
        (
            (write("x", 1), store("flag", 1)),
            (compare_and_swap("flag", 0, 2, "won"), *when("won", False, read("x", "x"))),
        ),
        {(True, None), (False, 1)},
        False,
    ),
    "a store hides the store before it": Litmus(
        (
            (write("x", 1), store("flag", 1)),
            (store("flag", 2),),
            (load("flag", "flag"), *when("flag", 2, read("x", "x"))),
        ),
        bits("0-", "1-", "20", "21"),
        True,
    ),
    "a swap hands on the store before it": Litmus(
        (
            (write("x", 1), store("flag", 1)),
            (swap("flag", 2, "_old"), *when("_old", 1, store("seen", 1))),
            (load("seen", "seen"), *when("seen", 1, read("x", "x"))),
        ),
        bits("0-", "11"),
        False,
    ),
    "a start publishes": Litmus(((write("x", 1), start(2)), (read("x", "x"),)), bits("1"), False),
    "what follows a start is not published": Litmus(
        ((start(2), write("x", 1)), (read("x", "x"),)), bits("0", "1"), True
    ),
    "a join publishes": Litmus(((start(2), join(2), read("x", "x")), (write("x", 1),)), bits("1"), False),
    "load buffering is left out": Litmus(
        ((read("x", "x"), write("y", 1)), (read("y", "y"), write("x", 1))), all_bits(2, "11"), True
    ),
    "an earlier write that nothing orders is not overwritten": Litmus(
        ((write("x", 1), load("g", "g")), (store("g", 1), write("x", 2), read("x", "x"))),
        bits("01", "02", "11", "12"),
        True,
    ),
    "a failed compare-and-swap releases nothing": Litmus(
        ((write("x", 1), compare_and_swap("g", 1, 2, "won")), (swap("g", 1), read("x", "x"))),
        {(False, 0), (False, 1), (True, 0), (True, 1)},
        True,
    ),
    "a failed try of a mutex acquires nothing": Litmus(
        (
            (lock("mu"), write("x", 1), unlock("mu"), load("g", "g"), lock("mu"), unlock("mu")),
            (
                store("g", 1),
                try_lock("mu", "_got"),
                *when("_got", False, read("x", "x")),
                *when("_got", True, unlock("mu")),
            ),
        ),
        bits("0-", "1-", "00", "01", "10", "11"),
        True,
    ),
    "two readers hold an RWMutex at once": Litmus(
        (
            (rlock("rw"), store("x", 1), load("y", "y"), runlock("rw")),
            (rlock("rw"), store("y", 1), load("x", "x"), runlock("rw")),
        ),
        bits("01", "10", "11"),
        False,
    ),
    "who locked first decides what is known": Litmus(
        (
            (lock("mu"), unlock("mu"), store("g", 1), read("x", "x")),
            (write("x", 1), lock("mu"), unlock("mu"), load("g", "g")),
        ),
        all_bits(2),
        True,
    ),
    "two locks taken in opposite orders": Litmus(
        ((lock("a"), lock("b"), unlock("b"), unlock("a")), (lock("b"), lock("a"), unlock("a"), unlock("b"))),
        {(), STUCK},
        False,
    ),
}


@pytest.mark.parametrize("name", LITMUS)
def test_what_is_allowed(name: str) -> None:
    assert outcomes(LITMUS[name].program) == LITMUS[name].allowed


# -- wrong labels

SWAPPED = {**GO, Access.LOCK: Label.RELEASE}
"""Lock a release, RLock an acquire, Unlock a release: a table that is found in writing about Go."""


def test_a_lock_that_only_releases_lets_a_writer_read_what_is_stale() -> None:
    for name in ("writer to writer of an RWMutex", "reader to writer of an RWMutex", "a mutex publishes"):
        assert outcomes(LITMUS[name].program, SWAPPED) == TORN, name
        assert outcomes(LITMUS[name].program, GO) == WHOLE, name
    reading = LITMUS["writer to reader of an RWMutex"].program
    assert outcomes(reading, SWAPPED) == WHOLE


@pytest.mark.parametrize(
    ("access", "name"),
    [
        (Access.LOCK, "a mutex publishes"),
        (Access.UNLOCK, "a mutex publishes"),
        (Access.TRY_LOCK, "a successful try of a mutex publishes"),
        (Access.R_LOCK, "writer to reader of an RWMutex"),
        (Access.R_UNLOCK, "reader to writer of an RWMutex"),
        (Access.ACQUIRE, "a semaphore publishes"),
        (Access.RELEASE, "a semaphore publishes"),
        (Access.LOAD, "message passing, atomic flag"),
        (Access.STORE, "message passing, atomic flag"),
        (Access.SWAP, "a swap publishes"),
        (Access.ADD, "an add publishes"),
        (Access.COMPARE_AND_SWAP, "a compare-and-swap publishes"),
    ],
)
def test_each_label_is_needed(access: Access, name: str) -> None:
    program = LITMUS[name].program
    assert outcomes(program, {**GO, access: Label.NOTHING}) > outcomes(program)


# -- the primitives themselves

KINDS: Mapping[Access, Callable[[int, str], Any]] = {
    Access.READ: Plain,
    Access.WRITE: Plain,
    Access.LOAD: AtomicInt,
    Access.STORE: AtomicInt,
    Access.SWAP: AtomicInt,
    Access.ADD: AtomicInt,
    Access.COMPARE_AND_SWAP: AtomicInt,
    Access.LOCK: lambda _, name: Mutex(name),
    Access.TRY_LOCK: lambda _, name: Mutex(name),
    Access.R_LOCK: lambda _, name: RWMutex(name),
    Access.ACQUIRE: Semaphore,
    Access.RELEASE: Semaphore,
}


class Gate:
    """What a simulated thread waits at until it is started, and its joiner until it has ended; orders nothing."""

    synchronizes = False

    def __init__(self) -> None:
        self.started = False
        self.ended = False


class Execution:
    """One execution of a program, on fresh objects."""

    def __init__(self, program: Program, simulation: Simulation, detector: RaceDetector) -> None:
        self.program = program
        self.simulation = simulation
        self.detector = detector
        accesses: dict[str, set[Any]] = {}
        for one in (one for thread in program for one in thread):
            accesses.setdefault(str(one.target), set()).add(one.access)
        self.objects = {name: made(name, kinds) for name, kinds in accesses.items()}
        self.gates = {thread: Gate() for thread in range(1, len(program) + 1)}
        self.registers: dict[tuple[int, str], Any] = {}
        for thread, gate in self.gates.items():
            if thread not in started_by_others(program):
                gate.started = True
                detector.start(0, thread)

    def tasks(self) -> dict[int, Callable[[], None]]:
        return {thread: lambda thread=thread: self.run(thread) for thread in self.gates}  # type: ignore[misc]

    def outcome(self) -> Outcome:
        return tuple(self.registers.get(pair) for pair in registers(self.program))

    def run(self, thread: int) -> None:
        gate = self.gates[thread]
        if not gate.started:
            self.simulation.wait_until(gate, Access.ACQUIRE, lambda: gate.started, timed=False)
        for one in self.program[thread - 1]:
            if all(self.registers.get((thread, name)) == held for name, held in one.when):
                answer = self.do(thread, one)
                if one.into:
                    self.registers[thread, one.into] = answer
        gate.ended = True

    def do(self, thread: int, one: Instruction) -> Any:
        if isinstance(one.target, int):
            return self.live(thread, one.access, one.target)
        target = self.objects[one.target]
        match one.access:
            case Access.WRITE | Access.STORE | Access.SWAP | Access.ADD:
                return getattr(target, one.access)(one.value)
            case Access.COMPARE_AND_SWAP:
                return target.compare_and_swap(one.old, one.value)
            case _:
                return getattr(target, one.access)()

    def live(self, thread: int, access: Access | Life, other: int) -> None:
        gate = self.gates[other]
        if access is Life.START:
            self.simulation.before(gate, Access.RELEASE)
            self.detector.start(thread, other)
            gate.started = True
        else:
            self.simulation.wait_until(gate, Access.ACQUIRE, lambda: gate.ended, timed=False)
            self.detector.join(thread, other)


def made(name: str, accesses: set[Any]) -> Any:
    if Access.R_LOCK in accesses:
        return RWMutex(name)
    kind = next((KINDS[access] for access in accesses if access in KINDS), None)
    return kind(0, name) if kind else None


UNBOUNDED = 99


class Explored(NamedTuple):
    """What came out, and how many schedules there were: with a race, and in all."""

    outcomes: set[Outcome]
    racy: int
    schedules: int


@lru_cache
def explored(program: Program, bound: int) -> Explored:
    """Every schedule of the primitives with at most so many preemptions."""
    simulation, strategy = Simulation(), PreemptionBound(bound)
    found, racy, schedules = set[Outcome](), 0, 0
    with watched_by(simulation):
        while strategy.begin():
            detector = RaceDetector()
            simulation.watcher, simulation.listener = detector.step, detector.effect
            execution = Execution(program, simulation, detector)
            ending = simulation.run(execution.tasks(), strategy)
            found.add(STUCK if ending.outcome is Ended.DEADLOCK else execution.outcome())
            racy += bool(detector.races)
            schedules += 1
    return Explored(found, racy, schedules)


def disagreement(program: Program, occurs: Explored) -> str:
    """Which of the three sentences is not so, or nothing. Where the bound might be why, it is lifted."""
    allowed = outcomes(program)
    if occurs.racy == 0 and occurs.outcomes < allowed:
        occurs = explored(program, UNBOUNDED)
    if not occurs.outcomes <= allowed:
        return f"occurs, but is not allowed: {occurs.outcomes - allowed}"
    if occurs.racy == 0 and occurs.outcomes != allowed:
        return f"no race, and yet allowed and does not occur: {allowed - occurs.outcomes}"
    return ""


@pytest.mark.parametrize("name", LITMUS)
def test_the_primitives_answer_what_is_allowed(name: str) -> None:
    litmus = LITMUS[name]
    occurs = explored(litmus.program, 2)
    assert disagreement(litmus.program, occurs) == ""
    assert bool(occurs.racy) is litmus.races


# -- random programs


def drawn(random: Random) -> Program:
    """Two or three threads of one to three fragments each, a few instructions long; some race, some do not."""
    threads = random.choice((2, 2, 2, 3))
    numbers = iter(range(100))
    program = [
        tuple(
            one
            for _ in range(random.choice((1, 2) if threads == 3 else (1, 2, 2)))
            for one in fragment(random, numbers)
        )
        for _ in range(threads)
    ]
    if random.random() < 0.2:  # the first thread starts the last, and may join it
        waits = [join(threads), read("x", "last")] if random.random() < 0.5 else []
        place = random.randrange(len(program[0]) + 1) if not program[0] or not program[0][0].when else 0
        inside = [one.access for one in program[0][:place]]
        if inside.count(Access.LOCK) == inside.count(Access.UNLOCK) and Access.R_LOCK not in inside:
            program[0] = (*program[0][:place], start(threads), *program[0][place:], *waits)
    return tuple(program)


def fragment(random: Random, numbers: Iterator[int]) -> tuple[Instruction, ...]:
    """A few instructions that leave no lock held."""
    r = f"r{next(numbers)}"
    x = random.choice(("x", "x", "y"))
    reads, writes = (read(x, r),), (write(x, random.choice((1, 2))),)
    other = random.choice((read("y", f"{r}y"), write("y", 1), write("x", 3)))
    any_access = random.choice((reads, writes, (*reads, other), (*writes, other)))
    match random.randrange(13):
        case 0 | 1:
            return (lock("mu"), *any_access, unlock("mu"))
        case 2:
            return (lock("rw"), *any_access, unlock("rw"))
        case 3:
            return (rlock("rw"), *(reads if random.random() < 0.8 else writes), runlock("rw"))
        case 4:
            return (
                *writes,
                random.choice((store("flag", 1), swap("flag", 1), compare_and_swap("flag", 0, 1))),
            )
        case 5:
            look = random.choice((load("flag", f"_{r}"), swap("flag", 0, f"_{r}"), add("flag", 0, f"_{r}")))
            return (look, *when(f"_{r}", 1, *reads))
        case 6:
            return (*any_access, release("s"))
        case 7:
            return (acquire("s"), *any_access)
        case 8:
            return (try_lock("mu", f"_{r}"), *when(f"_{r}", True, *any_access, unlock("mu")))
        case 9 | 10 | 11:
            return (random.choice((*reads, *writes)), other)
        case _:
            return once("once", *writes)


RANDOM_PROGRAMS = 60


def test_random_programs() -> None:
    free = weaker = 0
    for seed in range(RANDOM_PROGRAMS):
        program = drawn(Random(seed))
        occurs = explored(program, bound=4 - len(program))
        assert disagreement(program, occurs) == "", program
        free += not occurs.racy
        weaker += bool(occurs.racy and outcomes(program) - occurs.outcomes)
    assert free > RANDOM_PROGRAMS / 5
    assert weaker > RANDOM_PROGRAMS / 20


# -- slips of the model


MUTANTS = {
    "a read returns the last write only": (
        "sorted({write.value for write in self._visible(thread, target)})",
        "[[*self._visible(thread, target)][-1].value]",
    ),
    "a read may return what is overwritten": (" for later in writes[place + 1 :]", " for later in ()"),
    "what is overwritten by anybody is gone": (
        "_knows(later.clock, write) and self.order",
        "self.order",
    ),
    "the beginning is never overwritten": (
        "return write is _INITIAL or (",
        "return write is not _INITIAL and (",
    ),
    "a failed compare-and-swap counts as a change": (
        "(word, False, False)\n        case Access.LOCK",
        "(word, False, True)\n        case Access.LOCK",
    ),
    "a failed try counts as a lock": (
        "(word, False, False)\n        case Access.UNLOCK",
        "(word, False, True)\n        case Access.UNLOCK",
    ),
    "readers keep each other out": ("return word >= 0", "return word == 0"),
    "writers do not wait for readers": ("return word == 0", "return word >= 0"),
    "a start orders nothing": ("after.order.start(thread, other)", "pass"),
    "a join does not wait": ("return self.finished(target)", "return True"),
    "states are one if they look alike": (", self.order.state())", ")"),
    "a branch shares its clocks with the others": ("self.order.copy(),", "self.order,"),
    "what waits for ever is left out": (" if finished else STUCK", ""),
}


def changed(before: str, after: str) -> ModuleType:
    """The model from its own source with one place changed."""
    source = inspect.getsource(memory_model)
    assert source.count(before) == 1, f"found {source.count(before)} times, not once: {before!r}"
    module = ModuleType("mapproof.spec.memory_model__changed")
    sys.modules[module.__name__] = module  # where dataclasses look it up
    exec(compile(source.replace(before, after), "changed.py", "exec"), module.__dict__)  # noqa: S102 - ours
    module.__dict__["Life"] = Life  # the programs are made of ours
    return module


def fails(module: Any) -> bool:
    """Whether some litmus test has not the outcomes that it must have."""
    try:
        return any(module.outcomes(litmus.program) != litmus.allowed for litmus in LITMUS.values())
    except ValueError:  # it makes no sense of a program that has some
        return True


@pytest.mark.parametrize("name", MUTANTS)
def test_each_slip_is_caught(name: str) -> None:
    assert fails(changed(*MUTANTS[name]))


def test_the_unchanged_source_is_not() -> None:
    assert not fails(changed("STUCK: Final", "STUCK: Final"))


# -- programs that make no sense


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (((unlock("mu"),),), "unlock of mu, which is not locked so"),
        (((rlock("rw"), unlock("rw")),), "unlock of rw, which is not locked so"),
        (((lock("rw"), runlock("rw")),), "runlock of rw, which is not locked so"),
        (((start(2), start(2)), ()), "thread 2 is started twice"),
    ],
)
def test_a_program_that_makes_no_sense_is_refused(program: Program, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        outcomes(program)


# -- the manual

SHOWN = (
    "message passing, plain flag",
    "message passing, atomic flag",
    "store buffering, plain",
    "store buffering, atomic",
    "coherence, plain",
    "coherence, atomic",
    "a mutex publishes",
    "two mutexes do not",
    "a failed try of a mutex gives nothing",
    "writer to reader of an RWMutex",
    "reader to writer of an RWMutex",
    "reader to reader of an RWMutex",
    "a semaphore publishes",
    "a compare-and-swap publishes",
    "a failed compare-and-swap releases nothing",
    "a failed compare-and-swap observes",
    "a store hides the store before it",
    "a start publishes",
    "what follows a start is not published",
    "a join publishes",
)


def row(name: str) -> str:
    """A line of the table in docs/happens-before.md."""
    program = LITMUS[name].program
    occurs, allowed = explored(program, 2), outcomes(program)
    threads = " ∥ ".join("`" + "; ".join(map(said, thread)) + "`" for thread in program)
    race = "yes" if occurs.racy else "no"
    return f"| {name} | {threads} | {digits(allowed)} | {digits(allowed - occurs.outcomes)} | {race} |"


def said(one: Instruction) -> str:
    condition = "".join(f"if {name.strip('_')}={int(held)}: " for name, held in one.when)
    values = {Access.WRITE: f"={one.value}", Access.STORE: f"={one.value}", Access.SWAP: f"={one.value}"}
    change = f"={one.old}→{one.value}" if one.access is Access.COMPARE_AND_SWAP else ""
    kind = "cas" if one.access is Access.COMPARE_AND_SWAP else str(one.access).replace("_", "")
    answer = f" ({one.into.strip('_')})" if one.into and one.into != one.target else ""
    return f"{condition}{kind} {one.target}{values.get(one.access, change)}{answer}"  # type: ignore[arg-type]


def digits(found: frozenset[Outcome]) -> str:
    shown = ("".join("-" if held is None else str(int(held)) for held in one) for one in found)
    return " ".join(sorted(shown)) or "none"


def test_the_table_in_the_manual_is_what_comes_out() -> None:
    page = (Path(__file__).parents[2] / "docs" / "happens-before.md").read_text()
    lines = [line for line in page.splitlines() if line.count("|") == 6]
    assert lines[2:] == [row(name) for name in SHOWN]


def test_the_programs_in_the_manual_print_what_it_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "happens-before.md").read_text()
    programs = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", page, re.DOTALL)
    assert len(programs) == 2
    for program, printed in programs:
        (tmp_path / "hits.py").write_text(program)
        linecache.checkcache()
        runpy.run_path(str(tmp_path / "hits.py"))
        assert capsys.readouterr().out == printed
