"""Decides whether a small history is sequentially consistent: one order of all operations that keeps each client's own.

The idea: Lamport's condition ("How to make a multiprocessor computer that correctly executes multiprocess
programs", IEEE Trans. Computers 1979) drops real time. So there is nothing to cut the history at: not the
clock, and not the keys either, because two keys that are each consistent need not be so together. The search
walks over (how far each client is, the state of the map), never twice over the same, and an operation that only
reads is taken as soon as it is possible, which loses nothing. It is exact, and exponential in the number
of clients: the problem is NP-hard (Gibbons and Korach, "Testing shared memories", SIAM J. Comput. 1997).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from time import perf_counter
from typing import Any, NamedTuple

from mapproof.spec.consistency.registers import operations_of
from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability.budget import Budget, OutOfBounds
from mapproof.spec.linearizability.effects import MISSING, NO_EFFECT, Effect, Values, effect_of, register_step
from mapproof.spec.linearizability.explain import NOT_SMALLEST, impossible
from mapproof.spec.linearizability.results import Unknown
from mapproof.spec.linearizability.witness import InternalError
from mapproof.spec.model import Inconsistent, MapModel
from mapproof.spec.operations import SIGNATURES, Op, has_shape
from mapproof.spec.values import identity

_MODEL = MapModel()


@dataclass(frozen=True, slots=True)
class SequentiallyConsistent:
    """An `order` that `MapModel` accepts and that keeps the order of each client.

    A pending or raised operation is in it exactly when it took effect; reads that were not answered are not.
    """

    order: tuple[Operation, ...]

    @property
    def sentence(self) -> str:
        return f"an order of {len(self.order)} operations explains all results and keeps that of each client"


@dataclass(frozen=True, slots=True)
class NotSequentiallyConsistent:
    """No order explains the results. `core` has none by itself, whatever the rest of the history did."""

    core: tuple[Operation, ...]
    sentence: str


class _Step(NamedTuple):
    """An operation as it acts on the keys in some places; `length` is the answer of a `len`."""

    shown: Operation
    parts: tuple[tuple[int, Effect], ...]
    length: int | None
    optional: bool

    @property
    def reads(self) -> bool:
        """It never changes the state."""
        return all(effect.post < 0 for _, effect in self.parts)


_State = tuple[int, ...]
_Link = tuple[Any, _Step] | None


def sequentially_consistent(
    history: History | Iterable[Operation],
    *,
    max_configurations: int = 1_000_000,
    limit_seconds: float | None = None,
) -> SequentiallyConsistent | NotSequentiallyConsistent | Unknown:
    """Whether some order keeps that of each client and gets every result from the model. Exact within the bounds.

    `range`, `len` and `clear` are held to be atomic. `max_configurations` bounds the search, and once more the
    search for a small core; `limit_seconds` bounds both. An order is replayed on `MapModel`. A core is found by
    leaving out operations as long as the rest has no order, and only such whose leaving out cannot make a
    history wrong: reads, and writes of what nothing that is left reads or excludes. None of it can be left out
    so, which is not to say that no smaller one exists. Raises ValueError if a client does two things at once.
    """
    operations = operations_of(history)
    budget = Budget(max_configurations, inf if limit_seconds is None else perf_counter() + limit_seconds)
    steps, keys = _steps(operations)
    if isinstance(steps, NotSequentiallyConsistent):
        return steps
    try:
        order = _order(_by_client(steps), keys, budget)
    except OutOfBounds as bound:
        return Unknown(f"{bound} in the search for a sequential order")
    if order is None:
        return _violation(steps, keys, budget.renewed())
    _refuse_wrong(steps, order)
    return SequentiallyConsistent(tuple(step.shown for step in order))


def _steps(operations: Sequence[Operation]) -> tuple[list[_Step] | NotSequentiallyConsistent, int]:
    """(the steps that ask or change anything, number of keys), or the operation that no state explains."""
    values, steps = Values(), list[_Step]()
    places: dict[Hashable, int] = {}
    for operation in operations:
        for key in _keys_of(operation):
            places.setdefault(identity(key), len(places))
    for operation in operations:
        step = _step(operation, places, values)
        if isinstance(step, Inconsistent):
            return NotSequentiallyConsistent((operation,), impossible(operation, step.reason)), 0
        if step is not None:
            steps.append(step)
    return steps, len(places)


def _keys_of(operation: Operation) -> Iterator[Any]:
    if SIGNATURES[operation.op].keyed:
        yield operation.key
    elif operation.op is Op.RANGE and operation.completed and _well_shaped(operation):
        yield from (key for key, _ in operation.result)


def _well_shaped(operation: Operation) -> bool:
    return has_shape(SIGNATURES[operation.op].result, operation.result)


def _step(operation: Operation, places: dict[Hashable, int], values: Values) -> _Step | Inconsistent | None:
    optional = not operation.completed
    if SIGNATURES[operation.op].keyed:
        effect = effect_of(operation, values)
        if isinstance(effect, Inconsistent) or effect == NO_EFFECT:
            return effect if isinstance(effect, Inconsistent) else None
        return _Step(operation, ((places[identity(operation.key)], effect),), None, optional)
    if operation.op is Op.CLEAR:
        parts = tuple((place, Effect(post=MISSING)) for place in places.values())
        return _Step(operation, parts, None, optional)
    if optional:
        return None
    if not _well_shaped(operation):
        return Inconsistent(f"{operation.op} answers {SIGNATURES[operation.op].result.value}")
    if operation.op is Op.LEN:
        return _Step(operation, (), operation.result, False)
    found = {identity(key): values.number(value) for key, value in operation.result}
    if len(found) < len(operation.result):
        return Inconsistent("it met a key twice")
    parts = tuple((place, Effect(wanted=found.get(name, MISSING))) for name, place in places.items())
    return _Step(operation, parts, None, False)


def _by_client(steps: Iterable[_Step]) -> list[list[_Step]]:
    """The steps of each client in its order. Raises ValueError."""
    clients: dict[int, list[_Step]] = defaultdict(list)
    for step in sorted(steps, key=lambda step: (step.shown.call, _end(step.shown))):
        own = clients[step.shown.client]
        if own and _end(own[-1].shown) > step.shown.call:
            raise ValueError(f"client {step.shown.client} calls {step.shown} while it does {own[-1].shown}")
        own.append(step)
    return list(clients.values())


def _end(operation: Operation) -> float:
    return inf if operation.return_ is None else operation.return_


def _order(clients: list[list[_Step]], keys: int, budget: Budget) -> list[_Step] | None:
    """An order of the steps that keeps that of each client, None if there is none. Raises OutOfBounds."""
    start = _taken_at_once(clients, (0,) * len(clients), (MISSING,) * keys, None)
    open_, seen = [start], {start[:2]}
    needed = [_needed(steps) for steps in clients]
    while open_:
        places, state, link = open_.pop()
        heads = [
            (at, steps[place])
            for at, (steps, place) in enumerate(zip(clients, places, strict=True))
            if place < len(steps)
        ]
        budget.work(4 * len(heads) + keys)
        if all(place >= least for place, least in zip(places, needed, strict=True)):
            return _unlinked(link)
        # The earliest call goes on top: most histories have an order that is close to that of time.
        for at, step in sorted(heads, key=lambda head: head[1].shown.call, reverse=True):
            moved = (*places[:at], places[at] + 1, *places[at + 1 :])
            after = _after(state, step)
            reached = [_taken_at_once(clients, moved, after, (link, step))] if after is not None else []
            if step.optional and after != state:
                reached.append(_taken_at_once(clients, moved, state, link))
            for configuration in reached:
                if configuration[:2] not in seen:
                    seen.add(configuration[:2])
                    budget.create(1)
                    open_.append(configuration)
    return None


def _needed(steps: Sequence[_Step]) -> int:
    """How many steps of a client lie up to the last that must have happened."""
    return max((place for place, step in enumerate(steps, 1) if not step.optional), default=0)


def _taken_at_once(
    clients: list[list[_Step]], places: tuple[int, ...], state: _State, link: _Link
) -> tuple[tuple[int, ...], _State, _Link]:
    """Let each client go on as long as its next step can happen and only reads; an optional step never does."""
    moved = list(places)
    for at, steps in enumerate(clients):
        while moved[at] < len(steps):
            step = steps[moved[at]]
            if not step.reads or _after(state, step) is None:
                break
            link = (link, step)
            moved[at] += 1
    return tuple(moved), state, link


def _after(state: _State, step: _Step) -> _State | None:
    """The state after a step, None if the step is not possible."""
    if step.length is not None and step.length != sum(value != MISSING for value in state):
        return None
    after = list(state)
    for place, effect in step.parts:
        post = register_step(state[place], effect)
        if post is None:
            return None
        after[place] = post
    return tuple(after)


def _unlinked(link: _Link) -> list[_Step]:
    order = []
    while link is not None:
        link, step = link
        order.append(step)
    return order[::-1]


def _violation(steps: list[_Step], keys: int, budget: Budget) -> NotSequentiallyConsistent:
    core, smallest = steps, True
    try:
        while (fewer := _without_one(core, keys, budget)) is not None:
            core = fewer
    except OutOfBounds:
        smallest = False
    shown = tuple(sorted((step.shown for step in core), key=lambda operation: operation.call))
    atomic = any(not SIGNATURES[operation.op].keyed for operation in shown)
    sentence = (
        f"no order of these {len(shown)} operations that keeps each client's own explains all their results"
        f"{', with range, len and clear held atomic' if atomic else ''}"
    )
    return NotSequentiallyConsistent(shown, sentence if smallest else sentence + NOT_SMALLEST)


def _without_one(steps: list[_Step], keys: int, budget: Budget) -> list[_Step] | None:
    """The steps without one, the latest that can be left out; None if none can. Raises OutOfBounds."""
    for step in sorted(steps, key=lambda step: step.shown.call, reverse=True):
        rest = [other for other in steps if other is not step]
        if _loses_nothing(step, rest) and _order(_by_client(rest), keys, budget) is None:
            return rest
    return None


def _loses_nothing(step: _Step, rest: Iterable[_Step]) -> bool:
    """Whether an order with the step stays one without it: nothing else reads, excludes or counts what it left."""
    left = {place: effect.post for place, effect in step.parts if effect.post >= 0}
    return not left or not any(
        other.length is not None
        or any(
            place in left and (effect.wanted == left[place] or effect.unless >= 0)
            for place, effect in other.parts
        )
        for other in rest
    )


def _refuse_wrong(steps: Sequence[_Step], order: Sequence[_Step]) -> None:
    """Holds an order against the model and the clients before anybody sees it. Raises InternalError."""
    state, last = _MODEL.initial, dict[int, int]()
    turns = {id(step): turn for own in _by_client(steps) for turn, step in enumerate(own)}
    for step in order:
        after = _MODEL.step(state, step.shown)
        if isinstance(after, Inconsistent):
            raise InternalError(f"sequential order: {step.shown}: {after.reason}")
        if turns[id(step)] <= last.get(step.shown.client, -1):
            raise InternalError(f"sequential order: {step.shown} is out of its client's order")
        state, last[step.shown.client] = after, turns[id(step)]
    done = {id(step) for step in order}
    if any(id(step) not in done and not step.optional for step in steps):
        raise InternalError("sequential order: an operation has no place")
