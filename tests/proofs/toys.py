"""A counter in two words under a lock, its system, and the binding of the two: what trace validation is tested on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mapproof.impl.sync import Mutex, Plain
from mapproof.proofs.running.layout import Value
from mapproof.proofs.terms import (
    Bool,
    Enumeration,
    Field,
    Globals,
    Int,
    Sort,
    all_of,
    claim,
    everywhere,
    when,
)
from mapproof.proofs.trace_validation.binding import (
    Binding,
    Names,
    Picture,
    Request,
    Rule,
    View,
    does,
    touch,
    tries,
)
from mapproof.proofs.transition_system import System, action, invariant, system
from mapproof.spec.accesses import Access

# ------------------------------------------------------------------------------------------------ the code


class Counter:
    """`add` adds one to both words, and answers how many there are; `seen` counts calls, beside the model."""

    def __init__(self) -> None:
        self.mu = Mutex("mu")
        self.first = Plain(0, "first")
        self.second = Plain(0, "second")
        self.seen = Plain(0, "seen")

    def add(self) -> int:
        self.seen.write(1)
        with self.mu:
            number = self.first.read() + 1
            self.first.write(number)
            self.second.write(number)
        return number


# ------------------------------------------------------------------------------------------------ the system


class PC(Enumeration):
    IDLE: PC
    LOCK: PC
    ADD: PC
    UNLOCK: PC
    REST: PC
    RETURN: PC


class Thread(Sort):
    pc = Field(PC)
    result = Field(Int)


class Words(Globals, prefix="c"):
    first = Field(Int)
    second = Field(Int)
    held = Field(Bool)


c = Words()


@action
def initial() -> None:
    """Nothing was added."""
    c.first = 0
    c.second = 0
    c.held = False
    everywhere(Thread.pc, lambda t: PC.IDLE)


@action
def invoke(t: Thread) -> None:
    """A call."""
    when(t.pc == PC.IDLE)
    t.pc = PC.LOCK


@action
def lock(t: Thread) -> None:
    """with self.mu"""
    when(t.pc == PC.LOCK, ~c.held)
    c.held = True
    t.pc = PC.ADD


@action
def add(t: Thread) -> None:
    """both words are written"""
    when(t.pc == PC.ADD)
    claim("fewer than three", c.first < 2)
    t.result = c.first + 1
    c.first = c.first + 1
    c.second = c.second + 1
    t.pc = PC.UNLOCK


@action
def unlock(t: Thread) -> None:
    """the end of the with block"""
    when(t.pc == PC.UNLOCK)
    c.held = False
    t.pc = PC.REST


@action
def rest(t: Thread) -> None:
    """no access of the code"""
    when(t.pc == PC.REST)
    t.pc = PC.RETURN


@action
def answer(t: Thread) -> None:
    """return"""
    when(t.pc == PC.RETURN)
    t.pc = PC.IDLE


@invariant("both words are the same")
def equal_words() -> Bool:
    """They are written together."""
    return all_of(c.first == c.second)


COUNTER = system(
    "counter",
    scope="",
    state=(Thread, Words),
    initial=initial,
    actions=(invoke, lock, add, unlock, rest, answer),
    invariants=(equal_words,),
)

# ------------------------------------------------------------------------------------------------ the binding

READ_FIRST = touch("first", Access.READ, "Counter.add")
WRITE_FIRST = touch("first", Access.WRITE, "Counter.add")
WRITE_SECOND = touch("second", Access.WRITE, "Counter.add")

RULES: tuple[Rule, ...] = (
    does("lock", touch("mu", Access.LOCK, "Counter.add")),
    does("add", READ_FIRST, WRITE_FIRST, then=(WRITE_SECOND,), owes=(Words.second,)),
    does("unlock", touch("mu", Access.UNLOCK, "Counter.add")),
    tries(touch("mu", Access.TRY_LOCK, "Counter.add"), at=("LOCK",)),
)


class CounterBinding(Binding):
    unmodelled = frozenset({"seen"})
    inner = ("rest",)

    def __init__(self, rules: tuple[Rule, ...] = RULES, made: System = COUNTER) -> None:
        self.rules = rules  # type: ignore[misc]
        self.system = made

    @property
    def domains(self) -> Mapping[str, tuple[str, ...]]:
        return {"Thread": ("t0", "t1")}

    def begin(self, subject: Any, names: Names) -> None:
        for role in ("mu", "first", "second", "seen"):
            names.means(getattr(subject, role), role)

    def picture(self, subject: Any, names: Names) -> Picture:
        return (
            ((Words.first.function.name, ()), subject.first.peek()),
            ((Words.second.function.name, ()), subject.second.peek()),
            ((Words.held.function.name, ()), subject.mu.locked()),
        )

    def call(self, thread: str, request: Request, names: Names) -> tuple[str, tuple[Value, ...]]:
        return "invoke", (thread,)

    def answer(self, view: View, thread: str, request: Request, answer: Any) -> tuple[Any, Any]:
        return view(Thread.result, thread), answer
