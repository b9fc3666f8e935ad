"""What an operation asks of the state of its key, and what it leaves there.

The idea: seen from one key, each of the eight operations with its result is a step of a register: a state that
it wants or one that it excludes, and a state that it leaves. Values are numbered once, so that a search
compares small integers; 0 is the number of a missing key.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final, NamedTuple

from mapproof.spec.history import Operation
from mapproof.spec.model import Inconsistent
from mapproof.spec.operations import SIGNATURES, Op, has_shape
from mapproof.spec.values import identity

MISSING: Final = 0
"""The number of the state in which the key is not in the map."""

NONE: Final = -1
"""No state: nothing wanted, nothing excluded, nothing changed."""


class Effect(NamedTuple):
    """One step of a register: possible if the state is `wanted` and not `unless`; the state becomes `post`."""

    wanted: int = NONE
    unless: int = NONE
    post: int = NONE


NO_EFFECT: Final = Effect()


class Count(NamedTuple):
    """`keys` keys are in the map, where those of `loose_if_present` and `loose_if_missing` may not be counted so.

    `places` are those counted, None for all; other actions of the same source then count the rest of `keys`.
    """

    keys: int
    loose_if_present: frozenset[int] = frozenset()
    loose_if_missing: frozenset[int] = frozenset()
    places: tuple[int, ...] | None = None


class MapEffect(NamedTuple):
    """One step of many registers at one moment: (place of the key, effect) pairs, and the answer of a `len`."""

    parts: tuple[tuple[int, Effect], ...]
    length: Count | None = None


class Values:
    """The numbers of the values of one history: from 1, equal exactly for values that are the same."""

    __slots__ = ("_numbers", "_values")

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._values: list[Any] = []

    def number(self, value: Any) -> int:
        """The number of a value, a new one if it was not met before."""
        name = identity(value)
        number = self._numbers.get(name)
        if number is None:
            self._values.append(value)
            number = self._numbers[name] = len(self._values)
        return number

    def value(self, number: int) -> Any:
        """The first value met that has this number; IndexError for MISSING."""
        return self._values[number - 1]


def effect_of(operation: Operation, values: Values) -> Effect | Inconsistent:
    """The step that a keyed operation took, or may have taken if it was pending or raised.

    NO_EFFECT if it asks nothing and changes nothing; Inconsistent if no state at all explains its result.
    """
    if not operation.completed:
        return _of_unanswered(operation, values)
    op, result = operation.op, operation.result
    if not has_shape(SIGNATURES[op].result, result):
        return Inconsistent(f"{op} answers {SIGNATURES[op].result.value}")
    match op:
        case Op.LOAD:
            return Effect(wanted=_found(result, values))
        case Op.STORE:
            return Effect(post=values.number(operation.args[0]))
        case Op.LOAD_OR_STORE:
            return _of_load_or_store(operation.args[0], result, values)
        case Op.LOAD_AND_DELETE:
            return _change(_found(result, values), MISSING)
        case Op.DELETE:
            return Effect(post=MISSING)
        case Op.SWAP:
            return _change(_found(result, values), values.number(operation.args[0]))
        case Op.COMPARE_AND_SWAP | Op.COMPARE_AND_DELETE:
            old = values.number(operation.args[0])
            return _change(old, _left_behind(operation, values)) if result else Effect(unless=old)
        case _:
            raise ValueError(f"{op} does not act on one key")


def _found(pair: Any, values: Values) -> int:
    return values.number(pair[0]) if pair[1] else MISSING


def _change(wanted: int, post: int) -> Effect:
    return Effect(wanted=wanted, post=NONE if post == wanted else post)


def _of_load_or_store(given: Any, result: Any, values: Values) -> Effect | Inconsistent:
    actual, loaded = result
    if loaded:
        return Effect(wanted=values.number(actual))
    if identity(actual) != identity(given):
        return Inconsistent(f"it answered to have stored {actual!r} where {given!r} was given")
    return Effect(wanted=MISSING, post=values.number(given))


def _left_behind(operation: Operation, values: Values) -> int:
    return values.number(operation.args[1]) if operation.op is Op.COMPARE_AND_SWAP else MISSING


def _of_unanswered(operation: Operation, values: Values) -> Effect:
    match operation.op:
        case Op.LOAD:
            return NO_EFFECT
        case Op.STORE | Op.SWAP:
            return Effect(post=values.number(operation.args[0]))
        case Op.LOAD_OR_STORE:
            return Effect(wanted=MISSING, post=values.number(operation.args[0]))
        case Op.LOAD_AND_DELETE | Op.DELETE:
            return Effect(post=MISSING)
        case Op.COMPARE_AND_SWAP | Op.COMPARE_AND_DELETE:
            changed = _change(values.number(operation.args[0]), _left_behind(operation, values))
            return NO_EFFECT if changed.post == NONE else changed
        case _:
            raise ValueError(f"{operation.op} does not act on one key")


def register_step(state: int, effect: Effect) -> int | None:
    """The state of one key after a step, None if the step is not possible."""
    wanted, unless, post = effect
    if (wanted >= 0 and wanted != state) or unless == state:
        return None
    return state if post < 0 else post


def map_step(state: tuple[int, ...], effect: MapEffect) -> tuple[int, ...] | None:
    """The states of all keys after a step, None if the step is not possible."""
    if effect.length is not None and not _counts(state, effect.length):
        return None
    after: list[int] | None = None
    for place, part in effect.parts:
        post = register_step(state[place], part)
        if post is None:
            return None
        if post != state[place]:
            after = after or list(state)
            after[place] = post
    return tuple(after) if after else state


def _counts(state: tuple[int, ...], count: Count) -> bool:
    present = sum(value != MISSING for value in state)
    fewest = present - sum(state[place] != MISSING for place in count.loose_if_present)
    most = present + sum(state[place] == MISSING for place in count.loose_if_missing)
    return fewest <= count.keys <= most
