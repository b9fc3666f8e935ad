"""A sequential specification of what is read through a cache: values that may be old, but not older than a bound.

The idea: the clock is a part of the object, and its steps are operations like any other. So the state knows since
when each key held what, and a `load` may answer what its key held at some moment within the bound. An order of
overlapping operations that the model explains gives each load one moment between its call and its return, which
is what a bound says: current at some moment of the call, or at most so long before.

Which of two old values comes first is no matter to the bound, but to a reader: with `monotonic`, a load never answers
an older write of its key than a load before it (monotonic reads: Terry et al., "Session guarantees for weakly
consistent replicated data", PDIS 1994).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from math import inf
from typing import Any

from mapproof.spec.history import Operation
from mapproof.spec.model import Inconsistent
from mapproof.spec.objects import unknown
from mapproof.spec.values import identity

MISSING = ("missing",)
"""Stands for the value of a key that is not there. No `identity` is like it."""


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """What one key held: (since, identity of the value), oldest first; `seen` is the newest that a load answered."""

    writes: tuple[tuple[float, Hashable], ...] = ((-inf, MISSING),)
    seen: int = 0

    def answering(self, value: Hashable, since: float, monotonic: bool) -> KeyHistory | None:
        """This history after a load of a value that must have been held at or after `since`; None if it was not.

        If several writes explain the load it is the first of them, which leaves the most to later loads.
        """
        for index in range(self.seen if monotonic else 0, len(self.writes)):
            ended = self.writes[index + 1][0] if index + 1 < len(self.writes) else inf
            if self.writes[index][1] == value and ended >= since:
                return KeyHistory(self.writes, index)
        return None


@dataclass(frozen=True, slots=True)
class _State:
    now: float = 0
    keys: frozenset[tuple[Hashable, KeyHistory]] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class BoundedStaleness:
    """Rows behind a cache: `store(key, value)` and `delete(key)` answer anything, `load(key) -> (value, present)`.

    `advance(seconds)` moves the clock. A load answers what the key held at most `bound` seconds ago, and if
    `monotonic`, nothing older than a load of the key before it. `others` are operations that neither say nor
    change anything here, such as those that move changes about.
    """

    bound: float
    monotonic: bool = True
    others: frozenset[str] = frozenset()
    initial: _State = _State()

    def step(self, state: _State, operation: Operation) -> _State | Inconsistent:
        keys = dict(state.keys)
        held = keys.get(identity(operation.key), KeyHistory())
        match operation.op, operation.args:
            case "advance", (int() | float() as seconds,):
                return _State(state.now + seconds, state.keys)
            case "store", (value,):
                after = KeyHistory((*held.writes, (state.now, ("held", identity(value)))), held.seen)
            case "delete", ():
                after = KeyHistory((*held.writes, (state.now, MISSING)), held.seen)
            case "load", ():
                if not operation.completed:
                    return state
                found = held.answering(_value(operation.result), state.now - self.bound, self.monotonic)
                if found is None:
                    return Inconsistent(f"{operation}: not what the key held within {self.bound} s")
                after = found if self.monotonic else held
            case other, _ if other in self.others:
                return state
            case _:
                raise unknown(operation)
        keys[identity(operation.key)] = after
        return _State(state.now, frozenset(keys.items()))


def _value(result: Any) -> Hashable:
    value, present = result
    return ("held", identity(value)) if present else MISSING
