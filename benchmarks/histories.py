"""Large histories as clients of a map record them: `python benchmarks/histories.py FILE [N [KEYS [CLIENTS [VALUES]]]]`.

The idea: closed-loop clients think (exponential, mean 0.2), call, and are answered (exponential, mean 1); an
operation takes effect at one hidden moment of its interval. Times do not depend on answers, so they are drawn by
numpy at once; one compiled pass over the operations in the order of those moments answers them. A broken history
is the same but for one answer, at a place where it can be shown that no order explains it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mapproof.spec.linearizability.compiled import Ints, compiled
from mapproof.spec.operations import KEYED, SIGNATURES, Op
from mapproof.spec.table import ABSENT_NAME, CODES, COMPLETED, Table

Column: TypeAlias = NDArray[np.int64]

LOAD, STORE, LOAD_OR_STORE, LOAD_AND_DELETE, DELETE, SWAP, COMPARE_AND_SWAP, COMPARE_AND_DELETE = range(8)
assert [CODES[op] for op in KEYED] == list(range(8)), "the codes above are those of the table"

READ_WRITE: Final[Mapping[Op, float]] = {Op.STORE: 0.4, Op.LOAD: 0.5, Op.DELETE: 0.1}
ALL_EIGHT: Final[Mapping[Op, float]] = {
    Op.LOAD: 0.35,
    Op.STORE: 0.15,
    Op.LOAD_OR_STORE: 0.1,
    Op.LOAD_AND_DELETE: 0.08,
    Op.DELETE: 0.07,
    Op.SWAP: 0.1,
    Op.COMPARE_AND_SWAP: 0.1,
    Op.COMPARE_AND_DELETE: 0.05,
}
"""The two mixes: the chance of each operation."""

UNIQUE: Final = 0
"""As the number of values: each operation that stores one brings a value of its own."""


class Break(StrEnum):
    """The one wrong answer of a broken history."""

    STALE_READ = "stale read"
    LOST_DELETE = "lost delete"
    DOUBLE_WINNER = "double winner of load_or_store"
    RESURRECTED_KEY = "resurrected key"
    THIN_AIR = "value out of thin air"


@dataclass(frozen=True, slots=True)
class Workload:
    """`values` is how many values there are, or UNIQUE; `mix` gives the chance of each operation."""

    operations: int
    keys: int
    clients: int
    values: int = UNIQUE
    mix: Mapping[Op, float] | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Integers:
    """Names that are the integers 1 .. count: number n is n + 1."""

    count: int

    def __len__(self) -> int:
        return self.count

    def value(self, number: int) -> Any:
        return number + 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What the clients will do, a row each by call; `order` lists the rows as they take effect, at `point`."""

    client: Column
    op: Column
    key: Column
    first: Column
    second: Column
    point: Column
    order: Column
    call: Column
    return_: Column


@dataclass(frozen=True, slots=True)
class Lie:
    """The answer of row `row` is to be (`found`, `told`), whatever it was."""

    row: int
    found: int
    told: int = 1


def generate(workload: Workload, broken: Break | None = None) -> Table:
    """The table of a linearizable history, or of one that is not by one answer. ValueError if it has no place."""
    random = np.random.default_rng(workload.seed)
    plan = _planned(workload, random)
    fresh = int(plan.second.max(initial=-1)) + 1
    lie = None if broken is None else _prepared(broken, plan, fresh, random)
    names = fresh + (2 if broken else 0)
    found, told = np.full_like(plan.op, ABSENT_NAME), np.full_like(plan.op, ABSENT_NAME)
    states = np.full((2, workload.keys), ABSENT_NAME, np.int64)
    _fast_answer()(plan.op, plan.key, plan.first, plan.second, plan.order, states[0], states[1], found, told)
    if lie is not None:
        found[lie.row], told[lie.row] = lie.found, lie.told
    return _table(plan, found, told, Integers(workload.keys), Integers(names))


def _planned(workload: Workload, random: np.random.Generator) -> Plan:
    n, clients = workload.operations, workload.clients
    rounds = -(-n // clients)
    service = random.exponential(1.0, (clients, rounds))
    ends = np.cumsum(random.exponential(0.2, (clients, rounds)) + service, axis=1)
    starts = ends - service
    by_call = np.argsort(starts, axis=None)[:n]
    starts, ends = starts.ravel()[by_call], ends.ravel()[by_call]
    points = starts + random.random(n) * (ends - starts)
    times = np.empty(2 * n, np.int64)
    times[np.argsort(np.concatenate((starts, ends)))] = np.arange(2 * n)
    order = np.argsort(points)
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    mix = workload.mix or READ_WRITE
    op = random.choice([CODES[op] for op in mix], n, p=list(mix.values())).astype(np.int64)
    first, second = _arguments(op, workload.values, random)
    key = random.integers(0, workload.keys, n)
    return Plan(by_call // rounds, op, key, first, second, rank, order, times[:n].copy(), times[n:].copy())


def _arguments(op: Column, values: int, random: np.random.Generator) -> tuple[Column, Column]:
    """What each operation would store, in `second` where the answer decides on what stands in `first`.

    `first` of a compare is a coin: whether it will ask for the value that is there, or for the one before.
    `second` holds what is stored by every operation that stores, until `answer` has put it where it belongs.
    """
    n = len(op)
    stores = np.isin(op, [STORE, LOAD_OR_STORE, SWAP, COMPARE_AND_SWAP])
    stored = np.cumsum(stores) - 1 if values == UNIQUE else random.integers(0, values, n)
    return random.integers(0, 2, n), np.where(stores, stored, ABSENT_NAME)


def answer(
    op: Ints,
    key: Ints,
    first: Ints,
    second: Ints,
    order: Ints,
    now: Ints,
    before: Ints,
    found: Ints,
    told: Ints,
) -> None:
    """Run the operations in their order on keys whose values are `now`, and were `before`; -1 is no value."""
    for row in order:
        code, k = op[row], key[row]
        state, new = now[k], second[row]
        post = state
        if code in (COMPARE_AND_SWAP, COMPARE_AND_DELETE):
            asked = state if first[row] == 1 and state >= 0 else before[k]
            first[row] = max(asked, 0)
            told[row] = 1 if first[row] == state else 0
            if told[row] == 1:
                post = new
        else:
            first[row] = new
            second[row] = -1
            if code not in (STORE, DELETE):
                told[row] = 1 if state >= 0 else 0
                found[row] = state
            if code == LOAD_OR_STORE:
                post = found[row] = state if state >= 0 else new
            elif code in (STORE, SWAP):
                post = new
            elif code in (LOAD_AND_DELETE, DELETE):
                post = -1
        if post != state:
            before[k] = state if state >= 0 else before[k]
            now[k] = post


@cache
def _fast_answer() -> Callable[..., Any]:
    return compiled([answer])[answer.__name__]


def _prepared(broken: Break, plan: Plan, fresh: int, random: np.random.Generator) -> Lie:
    """Change a few planned operations around a random place, so that one lie there has no explanation."""
    n = len(plan.op)
    for place in range(int(n * random.uniform(0.1, 0.9)), n):
        lie = _prepared_at(broken, plan, fresh, place)
        if lie is not None:
            return lie
    raise ValueError(f"no place for a {broken}: too few operations on each key")


def _prepared_at(broken: Break, plan: Plan, fresh: int, place: int) -> Lie | None:
    """The lie whose first operation is at `place`, None if the key has too few operations after it.

    `fresh` and the number after it are values that nobody else stores, so that a read of one names its writer,
    also where values repeat.
    """
    match broken:
        case Break.STALE_READ | Break.LOST_DELETE:
            # The only store of `fresh` ended before another change of the key began, and that one ended before the
            # read of `fresh` began: in every order the change stands between them.
            rows = _in_a_row(plan, place, 3)
            if rows is None:
                return None
            _will(plan, rows[0], STORE, fresh)
            if broken is Break.STALE_READ:
                _will(plan, rows[1], STORE, fresh + 1)
            else:
                _will(plan, rows[1], DELETE)
            _will(plan, rows[2], LOAD)
            return Lie(rows[2], fresh)
        case Break.RESURRECTED_KEY:
            # A load_and_delete truly answers `fresh` and so comes after its only store; whoever begins later and
            # reads `fresh` reads what was taken out for good.
            taker = _next_to_act(plan, place)
            reader = None if taker is None else _next_called(plan, taker)
            if taker is None or reader is None:
                return None
            _will(plan, place, STORE, fresh)
            _will(plan, taker, LOAD_AND_DELETE)
            _will(plan, reader, LOAD)
            return Lie(reader, fresh)
        case Break.DOUBLE_WINNER:
            return _double_winner(plan, fresh, place)
        case Break.THIN_AIR:
            _will(plan, place, LOAD)
            return Lie(place, fresh)


def _double_winner(plan: Plan, fresh: int, place: int) -> Lie | None:
    """Two load_or_store, one after the other, both answer that they stored, and the first one's value stays.

    The key is deleted before, and while they and the reader run everybody else only loads: so nothing takes the
    first value out, and the reader, who begins when both have ended, truly answers it.
    """
    rows = _in_a_row(plan, place, 3)
    if rows is None:
        return None
    first, second, reader = rows
    begins, ends = plan.call[first], plan.return_[reader]
    near = slice(0, int(np.searchsorted(plan.call, ends)))
    own = np.flatnonzero(plan.key[near] == plan.key[first])
    ended = own[plan.return_[own] < begins]
    if not len(ended):
        return None
    meanwhile = own[plan.return_[own] >= begins]
    plan.op[meanwhile], plan.second[meanwhile] = LOAD, ABSENT_NAME
    _will(plan, int(ended[np.argmax(plan.point[ended])]), DELETE)
    _will(plan, first, LOAD_OR_STORE, fresh)
    _will(plan, second, LOAD_OR_STORE, fresh + 1)
    return Lie(second, fresh + 1, told=0)


def _will(plan: Plan, row: int, op: int, value: int = ABSENT_NAME) -> None:
    plan.op[row], plan.second[row] = op, value


def _in_a_row(plan: Plan, row: int, count: int) -> list[int] | None:
    """`count` operations on the key of `row`, which is the first of them, each called after the last returned."""
    rows = [row]
    while len(rows) < count:
        following = _next_called(plan, rows[-1])
        if following is None:
            return None
        rows.append(following)
    return rows


def _next_called(plan: Plan, row: int) -> int | None:
    """The first operation on the same key that is called after `row` returned."""
    start = int(np.searchsorted(plan.call, plan.return_[row]))
    return _first(start + place for place in np.flatnonzero(plan.key[start:] == plan.key[row])[:1])


def _next_to_act(plan: Plan, row: int) -> int | None:
    """The operation on the same key that takes effect next after `row`."""
    later = plan.order[plan.point[row] + 1 :]
    return _first(later[place] for place in np.flatnonzero(plan.key[later] == plan.key[row])[:1])


def _first(rows: Iterator[Any]) -> int | None:
    return next((int(row) for row in rows), None)


def _table(plan: Plan, found: Column, told: Column, keys: Integers, values: Integers) -> Table:
    return Table(
        client=plan.client,
        op=plan.op.astype(np.int8),
        key=plan.key.astype(np.int32),
        first=plan.first.astype(np.int32),
        second=plan.second.astype(np.int32),
        found=found.astype(np.int32),
        told=told.astype(np.int8),
        fate=np.full(len(plan.op), COMPLETED, np.int8),
        call=plan.call,
        return_=plan.return_,
        keys=keys,
        values=values,
    )


def write(table: Table, path: Path) -> None:
    """Write a generated table as JSONL, in the order of its rows; about two seconds a million operations."""
    with path.open("w") as file:
        for lines in _pieces(_lines(table), 10_000):
            file.write("".join(lines))


def _pieces(lines: Iterator[str], size: int) -> Iterator[list[str]]:
    while piece := list(islice(lines, size)):
        yield piece


def _lines(table: Table) -> Iterator[str]:
    """A line for each row; the names of a generated table are integers, so no value needs a JSON encoder."""
    flags, arguments = ("false", "true"), [len(SIGNATURES[op].arguments) for op in KEYED]
    names = ("client", "op", "key", "first", "second", "found", "told", "call", "return_")
    for begin in range(0, len(table), 100_000):
        columns = (getattr(table, name)[begin : begin + 100_000].tolist() for name in names)
        for client, code, key, first, second, found, told, call, return_ in zip(*columns, strict=True):
            given = ("", f"{first + 1}", f"{first + 1}, {second + 1}")[arguments[code]]
            if code in (STORE, DELETE):
                result = "null"
            elif code >= COMPARE_AND_SWAP:
                result = flags[told]
            else:
                result = f"[{found + 1 if found >= 0 else 'null'}, {flags[told]}]"
            yield (
                f'{{"client": {client}, "op": "{KEYED[code]}", "key": {key + 1}, "args": [{given}], '
                f'"result": {result}, "call": {call}, "return": {return_}}}\n'
            )


def main(arguments: list[str]) -> None:
    """Write one history of READ_WRITE operations."""
    numbers = [int(text) for text in arguments[1:]]
    operations, keys, clients, values = numbers + [1_000_000, 16, 8, UNIQUE][len(numbers) :]
    write(generate(Workload(operations, keys, clients, values)), Path(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
