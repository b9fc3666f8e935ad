"""Litmus tests: little programs, all that each may answer, and whether it races; and random programs like them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from random import Random
from typing import NamedTuple

from mapproof.spec.accesses import Access
from mapproof.spec.memory_model import (
    STUCK,
    Instruction,
    Outcome,
    Program,
    acquire,
    add,
    compare_and_swap,
    join,
    load,
    lock,
    once,
    read,
    release,
    rlock,
    runlock,
    start,
    store,
    swap,
    try_lock,
    unlock,
    when,
    write,
)


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
