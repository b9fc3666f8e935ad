"""Cuts a history into parts that can be decided apart: one a key, or one for all keys where an operation ties them.

The idea: a history is linearizable exactly when its part on each object is (Herlihy and Wing, "Linearizability",
TOPLAS 1990), and each key of a map is an object of its own as long as each operation touches one. What the
contracts ask of `range`, `len` and `clear` is said here too, as actions on each key or on all of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Generic, TypeVar

from mapproof.spec.claims import Claims, Contract
from mapproof.spec.history import Operation
from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.effects import (
    MISSING,
    NO_EFFECT,
    Count,
    Effect,
    MapEffect,
    Values,
    effect_of,
    map_step,
    register_step,
)
from mapproof.spec.linearizability.results import ALL_KEYS
from mapproof.spec.linearizability.search import PENDING, Action, Step
from mapproof.spec.model import Inconsistent
from mapproof.spec.operations import SIGNATURES, Op, has_shape
from mapproof.spec.values import identity

S = TypeVar("S", bound=Hashable)
E = TypeVar("E", Effect, MapEffect)

CLEAR_ALL = Effect(post=MISSING)


@dataclass(frozen=True, slots=True)
class Impossible:
    """An operation whose result no state explains: a violation by itself."""

    operation: Operation
    key: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Group(Generic[S, E]):
    """What is decided by one search. `keys` are the keys in the places that a MapEffect speaks of."""

    key: Any
    keys: tuple[Any, ...]
    actions: list[Action[E]]
    initial: S
    step: Step[S, E]
    values: Values


AnyGroup = Group[int, Effect] | Group[tuple[int, ...], MapEffect]


def split(operations: Sequence[Operation], claims: Claims, budget: Budget) -> list[AnyGroup] | Impossible:
    """The groups of a history, or an operation that is impossible by itself. Raises OutOfBounds, ValueError."""
    keys, whole = _Keys(Values()), []
    for index, operation in enumerate(operations):
        if index & 255 == 0:
            budget.work(1024)
        if operation.return_ is not None and operation.return_ < operation.call:
            raise ValueError(f"operation {index} returns at {operation.return_}, before its call")
        signature = SIGNATURES.get(operation.op)
        if signature is None or len(operation.args) != len(signature.arguments):
            raise ValueError(
                f"operation {index}: a map has no {operation.op} of {len(operation.args)} arguments"
            )
        if not signature.keyed:
            whole.append((index, operation))
        elif reason := keys.add_keyed(index, operation):
            return Impossible(operation, operation.key, reason)
    if not whole:
        return keys.apart()
    return _WholeMap(operations, claims, keys, budget).split(whole)


def _action(index: int, shown: Operation, effect: Effect, repeatable: bool = False) -> Action[Effect]:
    return Action(
        index,
        shown,
        shown.call,
        PENDING if shown.return_ is None else shown.return_,
        effect,
        effect.post < 0,
        not shown.completed,
        repeatable,
    )


class _Keys:
    """The actions on each key met so far; keys that are the same by `identity` are one."""

    __slots__ = ("actions", "names", "values")

    def __init__(self, values: Values) -> None:
        self.values = values
        self.names: dict[Hashable, Any] = {}
        self.actions: dict[Hashable, list[Action[Effect]]] = {}

    def of(self, key: Any) -> list[Action[Effect]]:
        name = identity(key)
        found = self.actions.get(name)
        if found is None:
            self.names[name] = key
            found = self.actions[name] = []
        return found

    def add_keyed(self, index: int, operation: Operation) -> str | None:
        """Take in an operation on one key; the reason if no state explains its result."""
        effect = effect_of(operation, self.values)
        if isinstance(effect, Inconsistent):
            return effect.reason
        actions = self.of(operation.key)
        if effect is not NO_EFFECT:
            actions.append(_action(index, operation, effect))
        return None

    def apart(self) -> list[AnyGroup]:
        return [
            Group(key, (key,), self.actions[name], MISSING, register_step, self.values)
            for name, key in self.names.items()
            if self.actions[name]
        ]


@dataclass(frozen=True, slots=True)
class _Tie:
    """What happened to several keys at one moment: to those of one shard, or (None) to all."""

    index: int
    operation: Operation
    shard: Hashable | None


class _WholeMap:
    """Adds what `range`, `len` and `clear` ask under their contracts, and ties the keys where one needs it."""

    def __init__(self, operations: Sequence[Operation], claims: Claims, keys: _Keys, budget: Budget) -> None:
        self._claims = claims
        self._keys = keys
        self._budget = budget
        self._changes = _Changes(op for op in operations if SIGNATURES[op.op].mutates)
        self._first_stores = _first_stores(keys)
        self._shards: dict[Hashable, list[Hashable]] = {}
        self._ties: list[_Tie] = []

    def split(self, whole: list[tuple[int, Operation]]) -> list[AnyGroup] | Impossible:
        for _, operation in whole:
            if reason := self._refusal(operation):
                return Impossible(operation, ALL_KEYS, reason)
            for key, _ in _pairs(operation):
                self._keys.of(key)
        self._shards = self._names_by_shard()
        for index, operation in whole:
            self._add(index, operation)
        if any(tie.shard is None or tie.operation.op is Op.LEN for tie in self._ties):
            return [self._tied(list(self._keys.names), self._ties)]
        return self._shards_apart() if self._ties else self._keys.apart()

    def _names_by_shard(self) -> dict[Hashable, list[Hashable]]:
        shards: dict[Hashable, list[Hashable]] = {}
        if self._claims.shard_of is not None:
            for name, key in self._keys.names.items():
                shards.setdefault(("shard", self._claims.shard_of(key)), []).append(name)
        return shards

    def _refusal(self, operation: Operation) -> str | None:
        """Why no state explains the result, judged by this operation and the times of stores alone."""
        if not operation.completed:
            return None
        if not has_shape(SIGNATURES[operation.op].result, operation.result):
            return f"{operation.op} answers {SIGNATURES[operation.op].result.value}"
        seen = set()
        for key, value in _pairs(operation):
            name = identity(key)
            if name in seen:
                return f"it met the key {key!r} twice"
            seen.add(name)
            first = self._first_stores.get((name, self._keys.values.number(value)))
            if first is None:
                return f"no operation stored {value!r} under {key!r}"
            if operation.return_ is not None and first > operation.return_:
                return f"{value!r} was first stored under {key!r} by a call at {first}, later"
        return None

    def _add(self, index: int, operation: Operation) -> None:
        contract = self._claims.of(operation.op)
        says_nothing = operation.op is not Op.CLEAR and (
            not operation.completed or (contract is Contract.WEAK and self._changes.meet(operation))
        )
        if says_nothing:
            return
        if contract is Contract.PER_SHARD and (self._shards or operation.op is not Op.LEN):
            self._ties += [_Tie(index, operation, shard) for shard in self._shards]
        elif contract in (Contract.ATOMIC, Contract.PER_SHARD) or operation.op is Op.LEN:
            self._ties.append(_Tie(index, operation, None))
        elif operation.op is Op.CLEAR:
            self._add_clear(index, operation, repeatable=contract is Contract.WEAK)
        else:
            self._add_range(index, operation)

    def _add_clear(self, index: int, operation: Operation, repeatable: bool) -> None:
        for name, key in self._keys.names.items():
            shown = on_key(operation, Op.DELETE, key, None)
            self._keys.actions[name].append(_action(index, shown, CLEAR_ALL, repeatable))
        self._budget.work(4 * len(self._keys.names))

    def _add_range(self, index: int, operation: Operation) -> None:
        for name, result, effect in self._loads(operation, self._keys.names):
            shown = on_key(operation, Op.LOAD, self._keys.names[name], result)
            self._keys.actions[name].append(_action(index, shown, effect))
        self._budget.work(4 * len(self._keys.names))

    def _loads(
        self, operation: Operation, names: Iterable[Hashable]
    ) -> list[tuple[Hashable, tuple[Any, bool], Effect]]:
        """What a `range` says of these keys: (name, answer of a load, effect)."""
        met = {identity(key): value for key, value in _pairs(operation)}
        return [
            (name, (met[name], True), Effect(wanted=self._keys.values.number(met[name])))
            if name in met
            else (name, (None, False), Effect(wanted=MISSING))
            for name in names
        ]

    def _shards_apart(self) -> list[AnyGroup]:
        """Without a `len`, nothing is said of two shards together."""
        return [
            self._tied(names, [tie for tie in self._ties if tie.shard == shard])
            for shard, names in self._shards.items()
        ]

    def _tied(self, names: list[Hashable], ties: Iterable[_Tie]) -> AnyGroup:
        places = {name: place for place, name in enumerate(names)}
        actions = [self._at_one_moment(tie, places) for tie in ties]
        for name, place in places.items():
            own = self._keys.actions[name]
            for action in own:
                effect = MapEffect(((place, action.effect),))
                actions.append(action._replace(effect=effect, part=place))  # type: ignore[arg-type]
            self._budget.work(4 * len(own))
        keys = tuple(self._keys.names[name] for name in names)
        return Group(ALL_KEYS, keys, actions, (MISSING,) * len(keys), map_step, self._keys.values)

    def _at_one_moment(self, tie: _Tie, places: dict[Hashable, int]) -> Action[MapEffect]:
        """The action of a tie on a group; `places` are those of the group's keys."""
        operation = tie.operation
        names = list(places) if tie.shard is None else self._shards[tie.shard]
        self._budget.work(len(names))
        match operation.op:
            case Op.LEN:
                counted = None if tie.shard is None else tuple(places[name] for name in names)
                effect = MapEffect((), Count(operation.result, places=counted))
            case Op.CLEAR:
                effect = MapEffect(tuple((places[name], CLEAR_ALL) for name in names))
            case _:
                loads = self._loads(operation, names)
                effect = MapEffect(tuple((places[name], load) for name, _, load in loads))
                if tie.shard is not None:
                    operation = replace(operation, result=self._met(operation, names))
        ends = PENDING if operation.return_ is None else operation.return_
        reads, optional = operation.op is not Op.CLEAR, not operation.completed
        return Action(tie.index, operation, operation.call, ends, effect, reads, optional)

    def _met(self, operation: Operation, names: Iterable[Hashable]) -> Any:
        """The pairs of a `range` that are of these keys."""
        among = set(names)
        return [pair for pair in _pairs(operation) if identity(pair[0]) in among]


def on_key(operation: Operation, op: Op, key: Any, result: Any) -> Operation:
    """What an operation on the whole map amounts to on one key."""
    answer = result if operation.completed else None
    return Operation(
        operation.client, op, key, (), answer, operation.call, operation.return_, operation.error
    )


def apart(group: AnyGroup) -> list[AnyGroup]:
    """What tied keys ask of each key alone: an operation on several of them may act on each at its own moment.

    If one of these has no explanation, the group has none. What a `len` asks is left out.
    """
    alone: list[list[Action[Effect]]] = [[] for _ in group.keys]
    tied: list[Action[MapEffect]] = group.actions  # type: ignore[assignment]
    for action in tied:
        for place, effect in action.effect.parts:
            shown = action.shown
            if shown.op is Op.CLEAR:
                shown = on_key(shown, Op.DELETE, group.keys[place], None)
            elif shown.op is Op.RANGE:
                found = (
                    (None, False) if effect.wanted == MISSING else (group.values.value(effect.wanted), True)
                )
                shown = on_key(shown, Op.LOAD, group.keys[place], found)
            alone[place].append(action._replace(effect=effect, shown=shown, part=None))  # type: ignore[arg-type]
    return [
        Group(key, (key,), actions, MISSING, register_step, group.values)
        for key, actions in zip(group.keys, alone, strict=True)
    ]


def _pairs(operation: Operation) -> Sequence[tuple[Any, Any]]:
    return operation.result if operation.op is Op.RANGE and operation.completed else ()


def _first_stores(keys: _Keys) -> dict[tuple[Hashable, int], int]:
    """(key, value) -> when the first operation that may have stored it there was called."""
    first: dict[tuple[Hashable, int], int] = {}
    for name, actions in keys.actions.items():
        for action in actions:
            stored = name, action.effect.post
            if stored not in first or action.call < first[stored]:
                first[stored] = action.call
    return first


class _Changes:
    """Answers whether any operation that may change the map overlaps a given one, in logarithmic time."""

    def __init__(self, changes: Iterable[Operation]) -> None:
        by_call = sorted(changes, key=lambda operation: operation.call)
        self._calls = [operation.call for operation in by_call]
        ends = (PENDING if operation.return_ is None else operation.return_ for operation in by_call)
        self._latest_end = list(accumulate(ends, max))

    def meet(self, operation: Operation) -> bool:
        assert operation.return_ is not None
        called_in_time = bisect_right(self._calls, operation.return_)
        return called_in_time > 0 and self._latest_end[called_in_time - 1] >= operation.call
