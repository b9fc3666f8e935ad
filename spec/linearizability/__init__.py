"""Decides whether a recorded history of a map is linearizable, and shows why.

The idea: cut the history into keys (`groups`), see each operation as a step of a register (`effects`), look for
an order by just-in-time linearization (`search`), and trust neither answer: an order is replayed on the model
(`witness`), and a violation is shrunk to the few operations it rests on (`core`) and told in words (`explain`).
A bound that runs out is an answer of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from math import inf
from time import perf_counter
from typing import Any

from mapproof.spec.claims import Claims
from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability.budget import Budget, OutOfBounds
from mapproof.spec.linearizability.core import core_of
from mapproof.spec.linearizability.deciding import decide
from mapproof.spec.linearizability.explain import explain, impossible, qualified
from mapproof.spec.linearizability.groups import AnyGroup, Impossible, apart, split
from mapproof.spec.linearizability.pieces import spelled_out
from mapproof.spec.linearizability.results import (
    ALL_KEYS,
    Linearizable,
    Method,
    Scope,
    Unknown,
    Violation,
    Witness,
)
from mapproof.spec.linearizability.search import Explained, Stuck
from mapproof.spec.linearizability.tables import check_table
from mapproof.spec.linearizability.witness import InternalError, replayed
from mapproof.spec.table import Table

__all__ = [
    "ALL_KEYS",
    "InternalError",
    "Linearizable",
    "Method",
    "Scope",
    "Unknown",
    "Violation",
    "Witness",
    "check",
]

_DEFAULT = Claims()


def check(
    history: History | Table | Iterable[Operation],
    claims: Claims = _DEFAULT,
    *,
    max_configurations: int = 1_000_000,
    limit_seconds: float | None = None,
    limit_megabytes: float | None = None,
) -> Linearizable | Violation | Unknown:
    """Whether the history is linearizable under the claims.

    `max_configurations` bounds the search on each key (and, once more, the shrinking of a violation);
    `limit_seconds` bounds the whole check, and `limit_megabytes` what it may use beside the history itself,
    by estimate. A violation on one key wins over Unknown on another.
    Raises ValueError for an operation that returns before its call or that a map does not have, or a bound that
    is not positive, and FastExtraMissing for a `Table`.
    """
    if max_configurations < 1 or not all(
        limit is None or limit > 0 for limit in (limit_seconds, limit_megabytes)
    ):
        raise ValueError("max_configurations, limit_seconds and limit_megabytes must be positive")
    deadline = inf if limit_seconds is None else perf_counter() + limit_seconds
    if isinstance(history, Iterable):
        history = History(tuple(history))
    bytes_left = (
        inf if limit_megabytes is None else limit_megabytes * 1e6 - len(history) * _BYTES_AN_OPERATION
    )
    if bytes_left < _BYTES_A_CONFIGURATION:
        return Unknown(f"{len(history):,} operations need more than {limit_megabytes:g} MB")
    budget = Budget(int(min(max_configurations, bytes_left / _BYTES_A_CONFIGURATION)), deadline)
    try:
        if isinstance(history, Table) and not history.whole:
            return check_table(history, budget)
        return _check(history, claims, budget)
    except MemoryError:
        return Unknown("the memory ran out")


_BYTES_AN_OPERATION = 350
_BYTES_A_CONFIGURATION = 500
"""What the decision uses, at most, as measured."""


def _check(history: History | Table, claims: Claims, budget: Budget) -> Linearizable | Violation | Unknown:
    try:
        operations = _objects(history, budget) if isinstance(history, Table) else history.operations
        groups = split(operations, claims, budget)
    except OutOfBounds as bound:
        return Unknown(f"{bound} while the history was split into keys")
    if isinstance(groups, Impossible):
        return Violation((groups.operation,), groups.key, impossible(groups.operation, groups.reason))
    return _decide_all(operations, groups, budget)


def _objects(table: Table, budget: Budget) -> tuple[Operation, ...]:
    operations = []
    for operation in table.operations():
        budget.work(_UNITS_AN_OBJECT)
        operations.append(operation)
    return tuple(operations)


_UNITS_AN_OBJECT = 4


def _decide_all(
    operations: tuple[Operation, ...], groups: list[AnyGroup], budget: Budget
) -> Linearizable | Violation | Unknown:
    """Decide the short groups first, so that a hard one does not hide a violation in an easy one."""
    witnesses: dict[int, Witness] = {}
    methods: Counter[Method] = Counter()
    unknown: Unknown | None = None
    for place in sorted(range(len(groups)), key=lambda place: len(groups[place].actions)):
        try:
            answer = _decide(operations, groups[place], budget.renewed())
        except OutOfBounds as bound:
            unknown = unknown or Unknown(f"{bound} on {_name(groups[place].key)}")
            continue
        if isinstance(answer, Violation):
            return answer
        witnesses[place], method = answer
        methods[method] += 1
    return unknown or Linearizable(tuple(witnesses[place] for place in range(len(groups))), methods)


def _decide(
    operations: tuple[Operation, ...], group: AnyGroup, budget: Budget
) -> tuple[Witness, Method] | Violation:
    budget.look_at_the_clock()
    if group.key is ALL_KEYS and (violation := _violated_by_one_key(operations, group, budget)):
        return violation
    outcome = decide(group, group.actions, budget)
    if isinstance(outcome, Explained):
        return replayed(*spelled_out(group, outcome.order), budget), outcome.method
    return _violation(operations, group, outcome, budget)


def _violated_by_one_key(
    operations: tuple[Operation, ...], group: AnyGroup, budget: Budget
) -> Violation | None:
    """The violation of what tied keys ask of one of them alone: most can be told so, and it is quick."""
    for alone in apart(group):
        budget.look_at_the_clock()
        with suppress(OutOfBounds):
            outcome = decide(alone, alone.actions, budget.renewed())
            if isinstance(outcome, Stuck):
                return _violation(operations, alone, outcome, budget)
    return None


def _violation(
    operations: tuple[Operation, ...], group: AnyGroup, outcome: Stuck, budget: Budget
) -> Violation:
    found = core_of(group, outcome, budget.renewed())
    key, sentence = explain(group, found.indices, operations)
    core = sorted((operations[index] for index in found.indices), key=lambda operation: operation.call)
    return Violation(tuple(core), key, qualified(sentence, found), outcome.method)


def _name(key: Any) -> str:
    return "the whole map" if key is ALL_KEYS else f"key {key!r}"
