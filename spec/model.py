"""A sequential specification: what each operation answers and leaves, when nothing else runs.

The idea (Porcupine's and Stateright's): a specification is a value with one pure function. `MapModel.invoke`
says what a correct map answers; `step`, which judges a recorded operation, follows from it. An impossible
operation is a value, `Inconsistent`, not an exception, so that a search can meet thousands of them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

from mapproof.spec.history import Operation
from mapproof.spec.operations import Op
from mapproof.spec.values import ABSENT, identity

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Inconsistent:
    """The operation cannot have happened in that state; `reason` says what would have."""

    reason: str


class Model(Protocol[State]):
    """A sequential specification. States are immutable and compare by value; `step` is pure.

    `step` is given operations that have no answer, too: where `operation.completed` is false it was pending or
    raised, its `result` is None and says nothing, and the state is what it leaves if it took effect.
    """

    @property
    def initial(self) -> State: ...

    def step(self, state: State, operation: Operation) -> State | Inconsistent: ...


@runtime_checkable
class Partitioned(Protocol):
    """A model of many objects that no operation ties together: what has the same `partition` is one object.

    Each is then decided apart, from `initial`; that is exact (Herlihy and Wing, TOPLAS 1990) and far quicker.
    """

    def partition(self, operation: Operation) -> Hashable: ...


@runtime_checkable
class DeclaresReads(Protocol):
    """A model that says which operations never change the state, whatever they answer: they cost nothing then."""

    def reads(self, operation: Operation) -> bool: ...


@runtime_checkable
class LooksAhead(Protocol):
    """A model with `reads` that recognises a dead end. Worth it where each order of changes leaves another state."""

    def may_answer(self, state: Any, operation: Operation, before: Sequence[Operation]) -> bool:
        """Whether a read may get its answer after some of `before`, in some order, from `state`; true if unsure."""
        ...


MapState = Mapping[Hashable, tuple[Any, Any]]
"""identity of a key -> (the key, its value); never changed in place."""

EMPTY: Final[MapState] = MappingProxyType({})


class MapModel:
    """The map that every operation of `spec.operations` is explained by."""

    initial: MapState = EMPTY

    def invoke(self, state: MapState, op: Op, key: Any, args: Sequence[Any]) -> tuple[MapState, Any]:
        """The state afterwards and the answer, for one operation called in `state`."""
        name = identity(key)
        value = state[name][1] if name in state else ABSENT
        found = (None, False) if value is ABSENT else (value, True)
        match op:
            case Op.LOAD:
                return state, found
            case Op.STORE:
                return _with(state, key, args[0]), None
            case Op.LOAD_OR_STORE:
                return (_with(state, key, args[0]), (args[0], False)) if value is ABSENT else (state, found)
            case Op.LOAD_AND_DELETE:
                return _without(state, name), found
            case Op.DELETE:
                return _without(state, name), None
            case Op.SWAP:
                return _with(state, key, args[0]), found
            case Op.COMPARE_AND_SWAP:
                matches = _matches(value, args[0])
                return (_with(state, key, args[1]) if matches else state), matches
            case Op.COMPARE_AND_DELETE:
                matches = _matches(value, args[0])
                return (_without(state, name) if matches else state), matches
            case Op.RANGE:
                return state, [list(pair) for pair in state.values()]
            case Op.LEN:
                return state, len(state)
            case Op.CLEAR:
                return EMPTY, None

    def step(self, state: MapState, operation: Operation) -> MapState | Inconsistent:
        """The state after `operation`, if it could have answered so; a pending or raised one answers anything."""
        after, answer = self.invoke(state, operation.op, operation.key, operation.args)
        if operation.completed and not same_answer(operation.op, operation.result, answer):
            return Inconsistent(f"{operation.op} answered {operation.result!r}, the model answers {answer!r}")
        return after


def same_answer(op: Op, given: Any, expected: Any) -> bool:
    """Whether two results of `op` are the same; the pairs of a `range` come in any order."""
    if op is Op.RANGE:
        pairs = [identity(pair) for pair in given]
        return len(pairs) == len(expected) and set(pairs) == {identity(pair) for pair in expected}
    if given is expected:
        return True
    if type(given) is tuple and type(expected) is tuple and len(given) == len(expected) == 2:
        return identity(given[0]) == identity(expected[0]) and identity(given[1]) == identity(expected[1])
    return identity(given) == identity(expected)


def explained_by_returns(operations: Sequence[Operation]) -> bool:
    """Whether the operations of a map answered as they do one after the other in the order of their returns.

    If so the history is linearizable, under any claims: that order respects what ended before what. If not, nothing
    is said: another order may explain it. Most histories of correct maps are explained so, for a fraction of a
    search.
    """
    done = [op for op in operations if op.return_ is not None and op.error is None]
    if len(done) < len(operations):
        return False
    model, state = MapModel(), MapModel.initial
    for operation in sorted(done, key=_ended):
        state, expected = model.invoke(state, operation.op, operation.key, operation.args)
        if not same_answer(operation.op, operation.result, expected):
            return False
    return True


def _ended(operation: Operation) -> float:
    return math.inf if operation.return_ is None else operation.return_


def _matches(value: Any, old: Any) -> bool:
    return value is not ABSENT and identity(value) == identity(old)


def _with(state: MapState, key: Any, value: Any) -> MapState:
    return {**state, identity(key): (key, value)}


def _without(state: MapState, name: Hashable) -> MapState:
    return {other: pair for other, pair in state.items() if other != name} if name in state else state
