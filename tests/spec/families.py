"""Small random histories by the hundred thousand, family by family, and the comparison of the deciders on them.

The idea: as in `histories`, clients run operations at hidden moments inside their intervals, and half of the
histories have something changed; few times make ties common. Here they are drawn straight into columns by one
compiled pass, each on keys of its own, so that a whole batch is also one table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise
from math import inf
from random import Random
from typing import Any, Final, TypeAlias

import numpy as np
from compiled_oracle import (
    DELETE,
    LOAD,
    MOST_OPERATIONS,
    MOST_VALUES,
    NOTHING,
    STORE,
    explained,
    explained_each,
)
from drawing import KERNELS, draw
from histories import random_history
from numpy.typing import NDArray
from oracle import linearizable
from test_against_oracle import random_claims

from mapproof.spec.claims import Claims
from mapproof.spec.evidence import Verdict
from mapproof.spec.history import Operation
from mapproof.spec.linearizability import check
from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.compiled import compiled
from mapproof.spec.linearizability.groups import Impossible, split
from mapproof.spec.linearizability.near_linear import LINEARIZABLE, NOT_LINEARIZABLE
from mapproof.spec.linearizability.register_search import find_register_order
from mapproof.spec.linearizability.search import Explained
from mapproof.spec.linearizability.streaming import OnlineChecker
from mapproof.spec.linearizability.tables import decide_keys, keys_of
from mapproof.spec.operations import KEYED, SIGNATURES, Shape
from mapproof.spec.table import COMPLETED, PENDING, RAISED, Table

Column: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Family:
    """`operations` are codes. `repeated` is the chance, in percent, that a history has 1 to 3 values for all its
    operations, not one for each that stores; `unanswered` that an operation is pending or raised."""

    name: str
    operations: tuple[int, ...]
    repeated: int
    unanswered: int


FAMILIES: Final = (
    Family("store/load/delete, unique values", (LOAD, STORE, DELETE), 0, 0),
    Family("all keyed, unique values", tuple(range(8)), 0, 0),
    Family("all keyed, 1 to 3 values", tuple(range(8)), 100, 0),
    Family("all keyed, some unanswered", tuple(range(8)), 50, 15),
)
"""The families of keyed operations, for the deciders of DECIDERS."""

WHOLE_MAP: Final = "range, len and clear under each contract"
"""The family that is slow: plain Python draws it, and decides it by brute force."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Names that are integers: number n is `begin` + n."""

    count: int
    begin: int

    def __len__(self) -> int:
        return self.count

    def value(self, number: int) -> Any:
        return self.begin + number


@dataclass(frozen=True, slots=True)
class Batch:
    """Histories in columns: history h is at rows [starts[h], starts[h + 1]). See `Table` for the columns.

    `key` is 0 or 1 and `client` 0 to 3 within each history.
    """

    starts: Column
    client: Column
    op: Column
    key: Column
    first: Column
    second: Column
    found: Column
    told: Column
    fate: Column
    call: Column
    return_: Column

    def __len__(self) -> int:
        return len(self.starts) - 1

    def histories(self) -> Iterator[list[Operation]]:
        """Each history as operations, by call; values are counted from 1."""
        starts = self.starts.tolist()
        columns = [column.tolist() for column in self.columns()]
        operations = [_operation(*row) for row in zip(*columns, strict=True)]
        for begin, end in pairwise(starts):
            yield sorted(operations[begin:end], key=lambda operation: operation.call)

    def table(self) -> Table:
        """All histories in one table: key k of history h is key 2 h + k."""
        history = np.repeat(np.arange(len(self)), np.diff(self.starts))
        return Table(
            client=4 * history + self.client,
            op=self.op.astype(np.int8),
            key=(2 * history + self.key).astype(np.int32),
            first=self.first.astype(np.int32),
            second=self.second.astype(np.int32),
            found=self.found.astype(np.int32),
            told=self.told.astype(np.int8),
            fate=self.fate.astype(np.int8),
            call=self.call,
            return_=self.return_,
            keys=Counted(2 * len(self), 0),
            values=Counted(MOST_VALUES, 1),
            errors={int(row): "KeyError" for row in np.flatnonzero(self.fate == RAISED)},
        )

    def columns(self) -> tuple[Column, ...]:
        return (
            self.client,
            self.op,
            self.key,
            self.first,
            self.second,
            self.found,
            self.told,
            self.fate,
            self.call,
            self.return_,
        )


def _operation(
    client: int,
    code: int,
    key: int,
    first: int,
    second: int,
    found: int,
    told: int,
    fate: int,
    call: int,
    return_: int,
) -> Operation:
    op = KEYED[code]
    answer: Any = None
    if fate == COMPLETED:
        match SIGNATURES[op].result:
            case Shape.FLAG:
                answer = told == 1
            case Shape.VALUE_OK | Shape.ACTUAL_LOADED:
                answer = (None if found == NOTHING else found + 1, told == 1)
    args = tuple(number + 1 for number in (first, second)[: len(SIGNATURES[op].arguments)])
    error = "KeyError" if fate == RAISED else None
    return Operation(client, op, key, args, answer, call, None if fate == PENDING else return_, error)


@cache
def _fast() -> Mapping[str, Callable[..., Any]]:
    return compiled((*KERNELS, explained, explained_each))


def drawn(family: Family, seed: int, count: int) -> Batch:
    """`count` histories of a family, the same for the same seed."""
    random = np.array([1 + seed % 2147483562, 1 + seed * 7919 % 2147483398], np.int64)
    starts = np.zeros(count + 1, np.int64)
    columns = [np.zeros(MOST_OPERATIONS * count, np.int64) for _ in range(10)]
    allowed = np.array(family.operations, np.int64)
    _fast()[draw.__name__](random, allowed, family.repeated, family.unanswered, starts, *columns)
    return Batch(starts, *(column[: starts[-1]] for column in columns))


def expected(batch: Batch) -> Column:
    """What brute force says of each history: 1 if it is linearizable, 0 if not."""
    verdicts = np.zeros(len(batch), np.int64)
    _fast()[explained_each.__name__](batch.starts, *batch.columns()[1:], verdicts)
    return verdicts


Answers: TypeAlias = Sequence[Verdict | str]
"""For each history its verdict, or the error in place of one."""


def by_check(batch: Batch) -> Answers:
    """The plain Python decision of each history, with its witness replayed or its core found."""
    return [_verdict(history) for history in batch.histories()]


def by_search(batch: Batch) -> Answers:
    """The just-in-time search alone, also where `check` would have a quicker way."""
    return [_searched(history) for history in batch.histories()]


def by_machine_code(batch: Batch) -> Answers:
    """All histories in one table, each key with its witness held against the effects."""
    table = batch.table()
    bounds = Budget(1_000_000, inf)
    keys, _ = keys_of(table, bounds)
    codes = decide_keys(keys, len(table.values), bounds).code
    answers: list[Verdict | str] = [Verdict.LINEARIZABLE] * len(batch)
    for key in np.flatnonzero(codes != LINEARIZABLE):
        answers[key // 2] = Verdict.VIOLATION if codes[key] == NOT_LINEARIZABLE else f"code {codes[key]}"
    return answers


def by_stream(batch: Batch) -> Answers:
    """Operation by operation, and what is explained is forgotten."""
    return [_streamed(history) for history in batch.histories()]


DECIDERS: Final[Mapping[str, Callable[[Batch], Answers]]] = {
    "check": by_check,
    "search": by_search,
    "machine code": by_machine_code,
    "stream": by_stream,
}

COMPARED: Final = ("check", "machine code", "stream")
"""The deciders that users meet. `search` is within `check`, which asks it only where values repeat."""


def _answers(decider: str, batch: Batch) -> Answers:
    """An error is an answer too, and a wrong one."""
    try:
        return DECIDERS[decider](batch)
    except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
        return [f"{type(error).__name__}: {error}"] * len(batch)


def _searched(history: Sequence[Operation]) -> Verdict | str:
    budget = Budget(1_000_000, inf)
    groups = split(history, Claims(), budget)
    if isinstance(groups, Impossible):
        return Verdict.VIOLATION
    try:
        found = [find_register_order(group.actions, budget.renewed()) for group in groups]  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
        return f"{type(error).__name__}: {error}"
    return Verdict.LINEARIZABLE if all(isinstance(one, Explained) for one in found) else Verdict.VIOLATION


def _verdict(history: Sequence[Operation], claims: Claims | None = None) -> Verdict | str:
    try:
        return check(history, claims or Claims()).verdict
    except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
        return f"{type(error).__name__}: {error}"


def _streamed(history: Sequence[Operation]) -> Verdict | str:
    try:
        checker = OnlineChecker()
        for operation in history:
            checker.feed(operation)
        return checker.finish().verdict
    except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
        return f"{type(error).__name__}: {error}"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The smallest history of a batch on which a decider and brute force differ."""

    family: str
    decider: str
    answer: Verdict | str
    expected: Verdict
    history: Sequence[Operation]
    claims: Claims | None = None

    def __str__(self) -> str:
        claims = [] if self.claims is None else [str(self.claims)]
        lines = [f"{op.call}..{op.return_} client {op.client} {op}" for op in self.history]
        head = f"{self.family}: {self.decider} says {self.answer}, brute force {self.expected}:"
        return "\n".join([head, *claims, *lines])


Tally: TypeAlias = "Counter[tuple[str, str, str]]"
"""(family, decider, answer) -> how many histories."""


def compare(
    family: Family, seed: int, count: int, deciders: Sequence[str] = COMPARED
) -> Tally | Disagreement:
    """Let the deciders judge `count` histories of a family, beside brute force."""
    batch = drawn(family, seed, count)
    right = [Verdict.LINEARIZABLE if verdict else Verdict.VIOLATION for verdict in expected(batch).tolist()]
    tally: Tally = Counter((family.name, "brute force", str(verdict)) for verdict in right)
    for decider in deciders:
        answers = _answers(decider, batch)
        tally.update((family.name, decider, str(answer)) for answer in answers)
        wrong = [place for place in range(count) if answers[place] != right[place]]
        if wrong:
            sizes = np.diff(batch.starts)
            place = min(wrong, key=lambda place: int(sizes[place]))
            history = next(islice(batch.histories(), place, None))
            return Disagreement(family.name, decider, answers[place], right[place], history)
    return tally


def compare_whole_map(seed: int, count: int) -> Tally | Disagreement:
    """The same for operations on the whole map, each history under contracts of its own."""
    random = Random(seed)
    tally: Tally = Counter()
    for _ in range(count):
        history, claims = random_history(random, whole_map=True), random_claims(random)
        right = Verdict.LINEARIZABLE if linearizable(history, claims) else Verdict.VIOLATION
        answer = _verdict(history, claims)
        tally[WHOLE_MAP, "brute force", str(right)] += 1
        tally[WHOLE_MAP, "check", str(answer)] += 1
        if answer != right:
            return Disagreement(WHOLE_MAP, "check", answer, right, history, claims)
    return tally
