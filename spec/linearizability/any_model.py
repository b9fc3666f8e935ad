"""Decides whether a history is linearizable with respect to any sequential specification, not only the map's.

The idea: the search for an order knows nothing of maps, so it is given the operations themselves and the model's
own `step`. What has the same `partition` is decided apart. An order is replayed on the model before anybody sees
it. For a violation, what else could have been forgotten is not known of an arbitrary model; known is the return
at which no order was left, and that an operation that never changes the state can be left out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Sequence
from math import inf
from time import perf_counter
from typing import Any, Final, TypeAlias, TypeVar

from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability import depth_first
from mapproof.spec.linearizability.budget import Budget, OutOfBounds
from mapproof.spec.linearizability.explain import said
from mapproof.spec.linearizability.results import ALL_KEYS, Linearizable, Unknown, Violation, Witness
from mapproof.spec.linearizability.search import PENDING, Action, Explained, Stuck, find_order
from mapproof.spec.linearizability.witness import InternalError
from mapproof.spec.model import DeclaresReads, Inconsistent, LooksAhead, Model, Partitioned

T = TypeVar("T")

_Actions: TypeAlias = list[Action[Operation]]

_Boxed: TypeAlias = tuple[Hashable]
"""A state of the model in a tuple, so that a model may use None as a state."""


_SHRINKING: Final = 10_000
"""Configurations of each search for fewer reads."""

_MOST_UNDECIDED: Final = 8
"""Such searches that may run out of it."""


class ModelError(ValueError):
    """A model cannot be used. Its text is one line: the operation, the state, what went wrong."""


def check_model(
    operations: History | Iterable[Operation],
    model: Model[Any],
    *,
    max_configurations: int = 1_000_000,
    limit_seconds: float | None = None,
) -> Linearizable | Violation | Unknown:
    """Whether the operations are linearizable with respect to the model.

    An operation that was pending or raised may have taken effect or not; its answer is not judged. Witnesses and
    violations name the `partition` as their key, or ALL_KEYS for a model without one. `max_configurations`
    bounds the search on each part, `limit_seconds` the whole check; a violation of one part wins over Unknown
    on another. The core of a violation holds all operations on its part called by the first return that no order
    explains, less the reads (if the model declares them) that it stands without: it is a violation by itself,
    and need not be a smallest one.
    Raises ValueError for an operation that returns before its call or a bound that is not positive, ModelError
    for a model that raises or has a state without a hash.
    """
    if max_configurations < 1 or (limit_seconds is not None and not limit_seconds > 0):
        raise ValueError("max_configurations and limit_seconds must be positive")
    given = operations.operations if isinstance(operations, History) else tuple(operations)
    deadline = inf if limit_seconds is None else perf_counter() + limit_seconds
    budget = Budget(max_configurations, deadline)
    shrinking = Budget(min(max_configurations, _SHRINKING), deadline)
    checked = _CheckedModel(model)
    parts = _parts(given, checked)
    witnesses: dict[Hashable, Witness] = {}
    unknown: Unknown | None = None
    for key in sorted(parts, key=lambda key: len(parts[key])):
        try:
            answer = _decide(key, parts[key], checked, budget.renewed(), shrinking)
        except OutOfBounds as bound:
            unknown = unknown or Unknown(f"{bound}{_on(key)}")
            continue
        if isinstance(answer, Violation):
            return answer
        witnesses[key] = answer
    return unknown or Linearizable(tuple(witnesses[key] for key in parts))


class _CheckedModel:
    """The model, held to what the search relies on: it raises nothing, and its states can be hashed."""

    def __init__(self, model: Model[Any]) -> None:
        self._model = model
        self._partition = model.partition if isinstance(model, Partitioned) else None
        self._reads = model.reads if isinstance(model, DeclaresReads) else None
        self.initial: _Boxed = _asked(lambda: _boxed(model.initial), "the initial state of the model")

    def key(self, operation: Operation) -> Hashable:
        partition = self._partition
        if partition is None:
            return ALL_KEYS
        return _asked(lambda: _boxed(partition(operation)), f"the partition of {operation}")[0]

    def reads(self, operation: Operation) -> bool:
        reads = self._reads
        return reads is not None and _asked(lambda: bool(reads(operation)), f"reads of {operation}")

    def step(self, state: _Boxed, operation: Operation) -> _Boxed | None:
        """The state afterwards, None if that cannot have happened."""
        try:
            after = (self._model.step(state[0], operation),)
            if type(after[0]) is Inconsistent:
                return None
            hash(after)
        except Exception as error:
            raise ModelError(f"{operation} in state {state[0]!r}: {_one_line(error)}") from error
        return after

    def find_order(self, actions: _Actions, budget: Budget, locate: bool = True) -> Explained | Stuck:
        """An order of the actions, or (if `locate`) the first return until which none is. Raises OutOfBounds."""
        model = self._model
        if not isinstance(model, LooksAhead) or any(a.optional and a.return_ < PENDING for a in actions):
            return find_order(actions, self.initial, self.step, budget)

        def may_answer(state: _Boxed, read: Operation, before: Sequence[Operation]) -> bool:
            return _asked(lambda: bool(model.may_answer(state[0], read, before)), f"may_answer of {read}")

        return depth_first.find_order(actions, self.initial, self.step, may_answer, budget, locate)

    def replay(self, key: Hashable, in_order: Iterable[Operation]) -> Witness:
        """The witness of an order. Raises InternalError if a step of it is not possible."""
        order = tuple(in_order)
        state = self.initial
        for operation in order:
            after = self.step(state, operation)
            if after is None:
                raise InternalError(f"witness{_on(key)}: {operation} is not possible in state {state[0]!r}")
            state = after
        return Witness(key, order)


def _asked(question: Callable[[], T], about: str) -> T:
    try:
        return question()
    except Exception as error:
        raise ModelError(f"{about}: {_one_line(error)}") from error


def _boxed(state: Any) -> _Boxed:
    hash(state)
    return (state,)


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _parts(operations: Sequence[Operation], model: _CheckedModel) -> dict[Hashable, _Actions]:
    """The actions of each part, the parts in the order in which they are first met."""
    parts: dict[Hashable, _Actions] = {}
    for index, operation in enumerate(operations):
        if operation.return_ is not None and operation.return_ < operation.call:
            raise ValueError(f"operation {index} returns at {operation.return_}, before its call")
        actions = parts.setdefault(model.key(operation), [])
        reads = model.reads(operation)
        if operation.completed or not reads:
            end = PENDING if operation.return_ is None else operation.return_
            optional = not operation.completed
            actions.append(Action(index, operation, operation.call, end, operation, reads, optional))
    return parts


def _decide(
    key: Hashable, actions: _Actions, model: _CheckedModel, budget: Budget, shrinking: Budget
) -> Witness | Violation:
    budget.look_at_the_clock()
    outcome = model.find_order(actions, budget)
    if isinstance(outcome, Stuck):
        return _violation(key, actions, outcome, model, shrinking)
    in_order = [actions[place] for place in outcome.order]
    _refuse_wrong_order(actions, outcome.order)
    return model.replay(key, (action.shown for action in in_order))


def _refuse_wrong_order(actions: _Actions, order: Sequence[int]) -> None:
    """Each action once, all that must have happened there, none before one that had returned by its call."""
    must = {place for place, action in enumerate(actions) if not action.optional}
    if len(set(order)) < len(order) or not must <= set(order):
        raise InternalError("a witness has an action twice, or leaves one out")
    latest_call = -inf
    for place in order:
        if actions[place].return_ < latest_call:
            raise InternalError(f"a witness has {actions[place].shown} after one that it returned before")
        latest_call = max(latest_call, actions[place].call)


def _violation(
    key: Hashable, actions: _Actions, stuck: Stuck, model: _CheckedModel, shrinking: Budget
) -> Violation:
    last = actions[stuck.place]
    seen = [action for action in actions if action.call <= last.return_]
    kept = _without_needless_reads(seen, last, model, shrinking)
    core = tuple(sorted((action.shown for action in kept), key=lambda operation: operation.call))
    if len(core) == 1:
        return Violation(core, key, f"no state{_on(key)} that can be reached explains {said(last.shown)}")
    sentence = (
        f"up to {said(last.shown)} no order of these {len(core)} operations{_on(key)} explains their results; "
        "those that change the state were not searched for fewer"
    )
    return Violation(core, key, sentence)


def _without_needless_reads(
    seen: _Actions, last: Action[Operation], model: _CheckedModel, shrinking: Budget
) -> _Actions:
    """A violation until the return of `last`, with none but needed reads; more of them if bounds run out.

    Leaving out what never changes the state only makes a history easier to explain, so that the fewest late
    reads that suffice are found by halving. It may make it harder to decide, too: a search that runs out of its
    small bound counts as an order found, and after a few of them it is left at that.
    """
    until = depth_first.until(seen, last.return_)
    changes = [action for action in until if not action.reads]
    reads = sorted(
        (action for action in until if action.reads), key=lambda action: action.return_, reverse=True
    )

    undecided = 0

    def violates(kept: _Actions) -> bool:
        nonlocal undecided
        try:
            return isinstance(model.find_order(changes + kept, shrinking.renewed(), locate=False), Stuck)
        except OutOfBounds:
            shrinking.look_at_the_clock()
            undecided += 1
            if undecided == _MOST_UNDECIDED:
                raise
            return False

    needed: _Actions = []
    try:
        while reads and not violates(needed):
            enough = bisect_left(range(1, len(reads)), True, key=lambda n: violates(needed + reads[:n])) + 1
            reads = reads[:enough]
            needed.append(reads.pop())
    except OutOfBounds:
        needed += reads
    kept = {action.source for action in needed}
    return [action for action in seen if not action.reads or action.source in kept]


def _on(key: Hashable) -> str:
    return "" if key is ALL_KEYS else f" on {key!r}"
