"""What `range`, `len` and `clear` say of each key of a stream.

The idea: a `clear`, and a `range` that reads each key at a moment of its own, are a step on each key. A weak
`range` or `len` says something only if nothing that may change the map ran meanwhile; that is known when it
returns, and then each key was all the time as it is now.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from mapproof.spec.claims import Claims, Contract
from mapproof.spec.history import Operation
from mapproof.spec.linearizability.effects import Values, effect_of
from mapproof.spec.linearizability.explain import said
from mapproof.spec.linearizability.streaming_key import Step, StreamKey
from mapproof.spec.model import Inconsistent
from mapproof.spec.operations import SIGNATURES, Op, has_shape
from mapproof.spec.values import identity

Met: TypeAlias = Mapping[Hashable, tuple[Any, Any]]
"""Identity of a key -> (the key, the value) that a `range` met."""


_STORES_OR_NOT: Final = (Op.LOAD_OR_STORE, Op.COMPARE_AND_SWAP)


@dataclass(slots=True)
class Wide:
    """An operation on the whole map that runs.

    `alone_since` is the number of changes called when it began, None if one of them was running. `answered` is
    whether its answer is known, and `keys` are those on which it has begun as a step.
    """

    operation: Operation
    alone_since: int | None
    answered: bool
    keys: dict[Hashable, StreamKey] = field(default_factory=dict)


def refusal(operation: Operation) -> str | None:
    """Why no state explains what it answered, whatever happened."""
    shape = SIGNATURES[operation.op].result
    if not has_shape(shape, operation.result):
        return f"{operation.op} answers {shape.value}"
    seen = set()
    for key, _ in operation.result if operation.op is Op.RANGE else ():
        if identity(key) in seen:
            return f"it met the key {key!r} twice"
        seen.add(identity(key))
    return None


def met(operation: Operation) -> Met:
    """What a `range` met; nothing if it has no answer."""
    if operation.op is not Op.RANGE or not operation.completed:
        return {}
    return {identity(key): (key, value) for key, value in operation.result}


def part(operation: Operation, key: StreamKey, found: Met, claims: Claims) -> Step:
    """What a `clear`, or a `range` that met `found`, is on one key."""
    op, result, repeatable = Op.LOAD, None, False
    if operation.op is Op.CLEAR:
        op, repeatable = Op.DELETE, claims.clear is Contract.WEAK
    elif operation.completed:
        result = (found[key.name][1], True) if key.name in found else (None, False)
    step = key.step(operation, replace(operation, op=op, key=key.key, result=result), repeatable)
    assert not isinstance(step, Inconsistent)
    return step


def may_have_met(key: StreamKey | None, value: Any) -> bool:
    """Whether somebody within memory stored the value on the key, or may have; if not, nothing is known.

    What depends on an answer that is still to come is not counted: the answer may deny it.
    """
    if key is None or key.undecided is not None:
        return False
    values = Values()
    number = values.number(value)
    for step in (*key.tail, *key.running.values()):
        effect = effect_of(step.shown, values)
        if step.shown.pending and step.shown.op in _STORES_OR_NOT:
            continue
        if not isinstance(effect, Inconsistent) and effect.post == number:
            return True
    return not key.waits and key.values.number(value) in key.states()


def impossible_count(operation: Operation, fewest: int, most: int) -> str:
    """The sentence for a `len` that ran alone and is none of the possible counts."""
    held = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    keys = "key" if held == "1" else "keys"
    return f"{said(operation)}, but nothing that may change the map ran then, and it held {held} {keys}"
