"""A slow decision of linearizability that is obviously right: try every order (Wing and Gong, JPDC 1993).

The idea: nothing clever is shared with the checker under test. Whole histories, all keys at once, each step
judged by calling `MapModel.invoke` and comparing its answer; an operation may come next if no other one that is
still to come returned before its call.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import inf
from typing import Any

from mapproof.spec.claims import Claims, Contract
from mapproof.spec.history import Operation
from mapproof.spec.model import MapModel, MapState, same_answer
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.spec.values import identity

MODEL = MapModel()


@dataclass(frozen=True, slots=True)
class Moment:
    """A call of the model at one moment; `again`: it was there already and may come once more, or not.

    `number` tells moments of one history apart; `among`: the keys that it acts on (by identity), None for all.
    """

    number: int
    op: Op
    key: Any
    args: tuple[Any, ...]
    answered: bool
    answer: Any
    call: float
    end: float
    repeatable: bool = False
    again: bool = False
    among: frozenset[Hashable] | None = None


def linearizable(operations: Sequence[Operation], claims: Claims | None = None) -> bool:
    """Whether some order of all moments respects time and gets the recorded answers from the model."""
    meanings: list[list[list[Moment]]] = []
    for operation in operations:
        if SIGNATURES[operation.op].keyed:
            meanings.append([[_moment(operation, operation.op, operation.key, operation.result)]])
        else:
            meanings.append(_whole_map(operation, operations, claims or Claims()))
    return any(_explained([moment for one in chosen for moment in one]) for chosen in product(*meanings))


def _explained(moments: list[Moment]) -> bool:
    moments = [replace(moment, number=number) for number, moment in enumerate(moments)]
    may_be_nothing = [(moment,) if moment.answered else (moment, None) for moment in moments]
    return any(
        _some_order([moment for moment in chosen if moment], MODEL.initial, set())
        for chosen in product(*may_be_nothing)
    )


def _moment(operation: Operation, op: Op, key: Any, answer: Any, repeatable: bool = False) -> Moment:
    end = inf if operation.return_ is None else operation.return_
    done = operation.completed
    return Moment(0, op, key, operation.args, done, answer, operation.call, end, repeatable)


def _some_order(left: list[Moment], state: MapState, failed: set[Hashable]) -> bool:
    """`failed` holds what was tried before: the same moments left in the same state."""
    if not left:
        return True
    tried = (
        frozenset((moment.number, moment.again) for moment in left),
        frozenset((key, identity(value)) for key, (_, value) in state.items()),
    )
    if tried in failed:
        return False
    failed.add(tried)
    first_end = min(moment.end for moment in left)
    for place, moment in enumerate(left):
        if moment.call > first_end:
            continue
        rest = left[:place] + left[place + 1 :]
        after, answer = _invoke(state, moment)
        if moment.answered and not same_answer(moment.op, moment.answer, answer):
            continue
        if moment.repeatable and not (moment.again and after == state):
            rest = [*rest, replace(moment, again=True)]
        if _some_order(rest, after, failed):
            return True
        if moment.again and _some_order(left[:place] + left[place + 1 :], state, failed):
            return True
    return False


def _invoke(state: MapState, moment: Moment) -> tuple[MapState, Any]:
    if moment.among is None:
        return MODEL.invoke(state, moment.op, moment.key, moment.args)
    inside = {name: pair for name, pair in state.items() if name in moment.among}
    outside = {name: pair for name, pair in state.items() if name not in moment.among}
    after, answer = MODEL.invoke(inside, moment.op, moment.key, moment.args)
    return {**outside, **after}, answer


def _whole_map(operation: Operation, operations: Sequence[Operation], claims: Claims) -> list[list[Moment]]:
    """What an operation on the whole map may mean, each as moments; nothing if its answer refutes itself."""
    contract = claims.of(operation.op)
    keys = _all_keys(operations)
    if operation.op is Op.CLEAR:
        if contract is Contract.ATOMIC:
            return [[_moment(operation, Op.CLEAR, None, None)]]
        if contract is Contract.PER_SHARD:
            whole = _moment(operation, Op.CLEAR, None, None)
            return [[replace(whole, among=shard) for shard in _shards(keys, claims)]]
        weak = contract is Contract.WEAK
        return [[_moment(operation, Op.DELETE, key, None, repeatable=weak) for key in keys]]
    if not operation.completed:
        return [[]]
    if operation.op is Op.RANGE and not _plausible(operation, operations):
        return []
    if contract is Contract.WEAK and any(_may_change_during(other, operation) for other in operations):
        return [[]]
    if contract is Contract.PER_SHARD:
        return _per_shard(operation, _shards(keys, claims))
    if operation.op is Op.LEN or contract is Contract.ATOMIC:
        return [[_moment(operation, operation.op, None, operation.result)]]
    met = {identity(key): (value, True) for key, value in operation.result}
    return [[_moment(operation, Op.LOAD, key, met.get(identity(key), (None, False))) for key in keys]]


def _shards(keys: list[Any], claims: Claims) -> list[frozenset[Hashable]]:
    assert claims.shard_of is not None
    names = {claims.shard_of(key) for key in keys}
    return [frozenset(identity(key) for key in keys if claims.shard_of(key) == name) for name in names]


def _per_shard(operation: Operation, shards: list[frozenset[Hashable]]) -> list[list[Moment]]:
    """A `range` met these pairs in each shard; a `len` any numbers that add up."""
    if operation.op is Op.RANGE:
        met = [[pair for pair in operation.result if identity(pair[0]) in shard] for shard in shards]
        answers: list[tuple[Any, ...]] = [tuple(met)]
    else:
        counts = product(*(range(len(shard) + 1) for shard in shards))
        answers = [numbers for numbers in counts if sum(numbers) == operation.result]
    return [
        [
            replace(_moment(operation, operation.op, None, answer), among=shard)
            for shard, answer in zip(shards, numbers, strict=True)
        ]
        for numbers in answers
    ]


def _all_keys(operations: Sequence[Operation]) -> list[Any]:
    keys = {identity(op.key): op.key for op in operations if SIGNATURES[op.op].keyed}
    for operation in operations:
        if operation.op is Op.RANGE and operation.completed:
            keys |= {identity(key): key for key, _ in operation.result}
    return list(keys.values())


def _plausible(range_: Operation, operations: Sequence[Operation]) -> bool:
    """No key twice, and no value that nobody had stored under that key when it returned."""
    assert range_.return_ is not None
    names = [identity(key) for key, _ in range_.result]
    return len(names) == len(set(names)) and all(
        any(
            identity(op.key) == identity(key) and op.call <= range_.return_ and _may_store(op, value)
            for op in operations
            if SIGNATURES[op.op].keyed
        )
        for key, value in range_.result
    )


def _may_store(operation: Operation, value: Any) -> bool:
    if operation.op is Op.COMPARE_AND_SWAP:
        stores = operation.result is not False
    elif operation.op is Op.LOAD_OR_STORE:
        stores = not operation.completed or not operation.result[1]
    else:
        stores = operation.op in (Op.STORE, Op.SWAP)
    return stores and identity(operation.args[-1]) == identity(value)


def _may_change_during(other: Operation, operation: Operation) -> bool:
    assert operation.return_ is not None
    end = inf if other.return_ is None else other.return_
    return SIGNATURES[other.op].mutates and other.call <= operation.return_ and operation.call <= end
