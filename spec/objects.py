"""Sequential specifications of objects other than a map: under twenty lines each, and so is one of your own.

The idea: an object is a value `initial` and one pure function `step`. The operations have names of the object's
own; `step` says what each answers in a state and leaves behind, and `answered` compares that with what was
recorded. Keys and values are compared by `identity`, so JSON that Python cannot hash (lists, objects) may stand
in states too.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from mapproof.spec.history import Operation
from mapproof.spec.model import Inconsistent
from mapproof.spec.values import identity


def answered(operation: Operation, expected: Any, after: Hashable) -> Any:
    """`after`, if the operation answered `expected` or was not answered at all; else Inconsistent."""
    if operation.completed and identity(operation.result) != identity(expected):
        return Inconsistent(f"{operation.op} answered {operation.result!r}, the model answers {expected!r}")
    return after


def unknown(operation: Operation) -> ValueError:
    """What `step` raises for an operation that its object does not have."""
    return ValueError(f"no operation {operation.op!r} with {len(operation.args)} argument(s)")


@dataclass(frozen=True, slots=True)
class Register:
    """One value: `read() -> value`, `write(value) -> null`, `cas(old, new) -> bool`. It starts as null."""

    initial: Hashable = None

    def reads(self, operation: Operation) -> bool:
        return operation.op == "read"

    def step(self, state: Hashable, operation: Operation) -> Any:
        match operation.op, operation.args:
            case "read", ():
                if operation.completed and identity(operation.result) != state:
                    return Inconsistent(f"read answered {operation.result!r}")
                return state
            case "write", (value,):
                return answered(operation, None, identity(value))
            case "cas", (old, new):
                swapped = state == identity(old)
                return answered(operation, swapped, identity(new) if swapped else state)
        raise unknown(operation)


@dataclass(frozen=True, slots=True)
class Counter:
    """A number: `add(n) -> null`, `get() -> number`. It starts at 0."""

    initial: int = 0

    def reads(self, operation: Operation) -> bool:
        return operation.op == "get"

    def step(self, state: int, operation: Operation) -> Any:
        match operation.op, operation.args:
            case "add", (int(number),):
                return answered(operation, None, state + number)
            case "get", ():
                return answered(operation, state, state)
        raise unknown(operation)


@dataclass(frozen=True, slots=True)
class FifoQueue:
    """First in, first out: `enqueue(value) -> null`, `dequeue() -> value`, null when empty."""

    initial: tuple[Hashable, ...] = ()

    def step(self, state: tuple[Hashable, ...], operation: Operation) -> Any:
        match operation.op, operation.args:
            case "enqueue", (value,):
                return answered(operation, None, (*state, identity(value)))
            case "dequeue", ():
                head = state[0] if state else None
                if operation.completed and identity(operation.result) != head:
                    return Inconsistent(f"dequeue answered {operation.result!r}")
                return state[1:]
        raise unknown(operation)


@dataclass(frozen=True, slots=True)
class BankAccounts:
    """Accounts that are never overdrawn, numbered from 0, all with `opening` at the start.

    `transfer(from, to, amount) -> bool` (false, and nothing moved, if `from` holds less);
    `balances() -> list of numbers`, of all accounts at one moment.
    """

    accounts: int = 2
    opening: int = 100

    @property
    def initial(self) -> tuple[int, ...]:
        return (self.opening,) * self.accounts

    def reads(self, operation: Operation) -> bool:
        return operation.op == "balances"

    def step(self, state: tuple[int, ...], operation: Operation) -> Any:
        match operation.op, operation.args:
            case "balances", ():
                return answered(operation, state, state)
            case "transfer", (int(source), int(target), int(amount)):
                if state[source] < amount:
                    return answered(operation, False, state)
                after = list(state)
                after[source] -= amount
                after[target] += amount
                return answered(operation, True, tuple(after))
        raise unknown(operation)


@dataclass(frozen=True, slots=True)
class StringStore:
    """A string for each key, "" at first: `put(key, s) -> null`, `append(key, s) -> null`, `get(key) -> s`."""

    initial: str = ""

    def partition(self, operation: Operation) -> Hashable:
        return identity(operation.key)

    def reads(self, operation: Operation) -> bool:
        return operation.op == "get"

    def may_answer(self, state: str, operation: Operation, before: Sequence[Operation]) -> bool:
        starts = [state, *(other.args[0] for other in before if other.op == "put")]
        return str(operation.result).startswith(tuple(starts))

    def step(self, state: str, operation: Operation) -> Any:
        match operation.op, operation.args:
            case "put", (str(value),):
                return answered(operation, None, value)
            case "append", (str(value),):
                return answered(operation, None, state + value)
            case "get", ():
                return answered(operation, state, state)
        raise unknown(operation)


@dataclass(frozen=True, slots=True)
class Stock:
    """Pieces in stock of each item (the key), `initial` at first: `available() -> number`, `restock(n) -> null`,
    `deduct(n) -> bool` (false, and nothing taken, if fewer are there). It refuses an `n` below 1 by an exception.
    """

    initial: int = 0

    def partition(self, operation: Operation) -> Hashable:
        return identity(operation.key)

    def reads(self, operation: Operation) -> bool:
        return operation.op == "available" or (operation.op == "deduct" and operation.result is False)

    def step(self, state: int, operation: Operation) -> Any:
        match operation.op, operation.args:
            case "available", ():
                return answered(operation, state, state)
            case "deduct" | "restock", (int(number),) if number < 1:
                return Inconsistent(f"{number} is refused") if operation.completed else state
            case "restock", (int(number),):
                return answered(operation, None, state + number)
            case "deduct", (int(number),):
                enough = state >= number
                return answered(operation, enough, state - number if enough else state)
        raise unknown(operation)
