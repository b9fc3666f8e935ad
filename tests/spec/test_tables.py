"""Tables are decided as histories are: the same verdicts, cores that are violations, witnesses that replay."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from random import Random
from threading import Event
from time import perf_counter
from typing import Any

import pytest
from histories import random_history
from oracle import linearizable

from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability import (
    InternalError,
    Linearizable,
    Method,
    Unknown,
    Violation,
    check,
    machine,
    tables,
)
from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.near_linear import LINEARIZABLE, NOT_LINEARIZABLE
from mapproof.spec.linearizability.tables import decide_keys, keys_of
from mapproof.spec.model import Inconsistent, MapModel
from mapproof.spec.operations import KEYED, SIGNATURES, Op
from mapproof.spec.table import Table


def as_table(operations: list[Operation]) -> Table:
    return Table.of(History(tuple(operations)))


def long_history(
    random: Random, count: int, *, values: int | None = None, clients: int = 6
) -> list[Operation]:
    """Linearizable operations of every keyed kind on two keys; each stores a new value, or one of so many."""
    model, state = MapModel(), MapModel.initial
    free = [0] * clients
    planned = []
    for number in range(count):
        client = random.randrange(clients)
        call = free[client] + random.randint(0, 2)
        end = call + random.randint(0, 9)
        free[client] = end + 1
        planned.append((random.uniform(call, end), client, call, end, number))
    operations = []
    recent = [1]
    for _, client, call, end, number in sorted(planned):
        op = random.choice(KEYED)
        fresh = random.randint(1, values) if values else number + 10
        args = tuple(recent[-1] if name == "old" else fresh for name in SIGNATURES[op].arguments)
        recent.append(fresh)
        key = random.choice("ab")
        state, answer = model.invoke(state, op, key, args)
        operations.append(Operation(client, op, key, args, answer, call, end))
    return operations


def stale(history: list[Operation], place: int) -> list[Operation]:
    """The same with a read, long after, of a value that was deleted for good."""
    now = max(op.return_ or 0 for op in history) + 1
    value = 10**6 + place
    times = iter(range(now, now + 8, 2))
    return [
        *history,
        *(
            Operation(0, op, "a", args, result, time, time + 1)
            for time, (op, args, result) in zip(
                times,
                [(Op.STORE, (value,), None), (Op.DELETE, (), None), (Op.LOAD, (), (value, True))],
                strict=False,
            )
        ),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_table_gets_the_verdict_of_its_history(seed: int) -> None:
    random, violations = Random(seed), 0
    for _ in range(1_500):
        history = random_history(random)
        of_objects, of_table = check(history), check(as_table(history))
        assert type(of_objects) is type(of_table), history
        if isinstance(of_table, Violation):
            violations += 1
            assert not linearizable(of_table.core)
            assert set(map(id, of_table.core)) != set(), history
            assert "\n" not in of_table.explanation
    assert violations > 300


def verdicts_by_key(table: Table, budget: Budget) -> list[bool | None]:
    """For each key of a table, whether its operations are linearizable; None where a bound ran out."""
    keys, _ = keys_of(table, budget)
    decided = decide_keys(keys, len(table.values), budget)
    return [{LINEARIZABLE: True, NOT_LINEARIZABLE: False}.get(code) for code in decided.code.tolist()]


def test_verdicts_by_key() -> None:
    """Many small histories in one table, each on a key of its own."""
    random = Random(5)
    history, expected = [], []
    for number in range(2_000):
        own = [op for op in random_history(random) if op.key == "a"]
        expected.append(linearizable(own))
        history += [
            Operation(op.client, op.op, number, op.args, op.result, op.call, op.return_, op.error)
            for op in own
        ]
    table = as_table(history)
    verdicts = verdicts_by_key(table, Budget(10**6, inf))
    by_key = {table.keys.value(number): verdict for number, verdict in enumerate(verdicts)}
    present = {op.key for op in history}
    assert [by_key[number] for number in sorted(present)] == [
        verdict for number, verdict in enumerate(expected) if number in present
    ]
    assert 200 < expected.count(False) < 1_800


def witnesses(answer: Linearizable) -> Iterator[tuple[int, list[Operation]]]:
    for witness in answer.witness:
        yield witness.key, list(witness.order)


@pytest.mark.parametrize("values", [None, 3])
def test_the_witness_of_a_table_replays(values: int | None) -> None:
    history = long_history(Random(7), 4_000, values=values)
    table = as_table(history)
    answer = check(table)
    assert isinstance(answer, Linearizable)
    assert len(answer.witness) == len(answer.witness[0:2]) == 2
    model, shown = MapModel(), 0
    for _, order in witnesses(answer):
        state, latest = model.initial, -1
        for operation in order:
            after = model.step(state, operation)
            assert not isinstance(after, Inconsistent)
            assert operation.return_ is not None
            assert operation.return_ >= latest
            state, latest = after, max(latest, operation.call)
            shown += 1
    assert shown == len(history)
    assert answer.methods == check(history).methods  # type: ignore[union-attr]


@pytest.mark.parametrize("values", [None, 3])
def test_a_core_out_of_a_long_history(values: int | None) -> None:
    history = stale(long_history(Random(8), 4_000, values=values), 1)
    answers = check(history), check(as_table(history))
    for answer in answers:
        assert isinstance(answer, Violation)
        assert not linearizable(answer.core)
        assert len(answer.core) == 3
        assert "was deleted before by" in answer.explanation


def test_how_keys_were_decided() -> None:
    unique, repeated = long_history(Random(9), 100), long_history(Random(9), 100, values=2)
    assert check(as_table(unique)).methods.keys() <= {Method.NEAR_LINEAR, Method.FAILED_COMPARE}  # type: ignore[union-attr]
    assert Method.REPEATED in check(as_table(repeated)).methods  # type: ignore[union-attr]


def test_more_at_once_than_a_mask_has_bits() -> None:
    """70 stores of 2 values at once: the compiled search gives the key up, the plain one decides it."""
    stores = [Operation(number, Op.STORE, "a", (number % 2,), None, number, 200) for number in range(70)]
    loads = [Operation(99, Op.LOAD, "a", (), (1, True), 100 + 2 * n, 101 + 2 * n) for n in range(3)]
    assert isinstance(check(as_table([*stores, *loads])), Linearizable)
    wrong = Operation(99, Op.LOAD, "a", (), (2, True), 110, 111)
    again = Operation(98, Op.STORE, "a", (2,), None, 300, 301)
    answer = check(as_table([*stores, *loads, wrong, again]))
    assert isinstance(answer, Violation)


def test_an_operation_that_refutes_itself() -> None:
    lie = Operation(0, Op.LOAD_OR_STORE, "a", (1,), (2, False), 0, 1)
    assert check([lie]) == check(as_table([lie]))


def test_bounds() -> None:
    hard = [
        Operation(c, Op.COMPARE_AND_SWAP, "a", (c % 7, (c + 1 + c // 7) % 7), True, c, 99) for c in range(42)
    ]
    hard = [
        Operation(50, Op.STORE, "a", (0,), None, 0, 0),
        *hard,
        Operation(51, Op.LOAD, "a", (), (1, True), 100, 101),
    ]
    table = as_table(hard)
    assert check(table, max_configurations=100) == Unknown(
        "the bound of 100 configurations ran out on key 'a'"
    )
    started = perf_counter()
    answer = check(table, max_configurations=10**9, limit_seconds=0.3)
    assert answer == Unknown("the time limit ran out on key 'a'")
    assert perf_counter() - started < 0.3 + 0.5, "0.2 s are meant; a busy machine gets some more"
    assert check(table, limit_megabytes=0.01) == Unknown("44 operations need more than 0.01 MB")


def test_an_empty_table() -> None:
    answer = check(as_table([]))
    assert isinstance(answer, Linearizable)
    assert not answer.witness


def test_a_return_before_the_call_is_refused() -> None:
    with pytest.raises(ValueError, match="operation 1 returns at 4, before its call"):
        check(as_table([Operation(0, Op.DELETE, "a", (), None, call, end) for call, end in ((0, 1), (5, 4))]))


def test_whole_map_operations_in_a_table() -> None:
    history = [
        Operation(0, Op.STORE, "a", (1,), None, 0, 1),
        Operation(0, Op.LEN, None, (), 1, 2, 3),
        Operation(0, Op.CLEAR, None, (), None, 4, 5),
        Operation(0, Op.LOAD, "a", (), (1, True), 6, 7),
    ]
    assert isinstance(check(as_table(history[:3])), Linearizable)
    assert isinstance(check(as_table(history)), Violation)


def test_the_time_limit_holds_while_operations_become_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = range(20_000)
    stores = [Operation(0, Op.STORE, "a", (call,), None, 2 * call, 2 * call + 1) for call in calls]
    table = as_table([*stores, Operation(1, Op.CLEAR, None, (), None, 0, 1)])
    made = 0
    every = Table.operations

    def counted(self: Table) -> Iterator[Operation]:
        nonlocal made
        for operation in every(self):
            made += 1
            yield operation

    monkeypatch.setattr(Table, "operations", counted)
    assert isinstance(check(table, limit_seconds=1e-9), Unknown)
    assert 0 < made < 2_000


def test_an_interrupt_stops_the_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    table = as_table([Operation(0, Op.STORE, key, (1,), None, key, key) for key in range(2)])
    begun, stopped = Event(), []

    def interrupted(low: int, *columns: Any) -> None:
        if low == 0 and begun.wait(10):
            raise KeyboardInterrupt
        begun.set()
        until = perf_counter() + 10
        while not (stopped or perf_counter() > until):
            stopped.extend(columns[-1][columns[-1] == 1])

    monkeypatch.setattr(tables, "_parts", lambda starts: [(0, 1), (1, 2)])
    monkeypatch.setattr(tables, "kernels", lambda: {**machine.kernels(), "decide_range": interrupted})
    with pytest.raises(KeyboardInterrupt):
        check(table)
    assert stopped


def test_a_wrong_order_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The replay in machine code is what finds it, so the kernel that decides is made to lie."""
    kernels = dict(machine.kernels())
    decide = kernels["decide_range"]

    def lie(*columns: object) -> None:
        decide(*columns)
        columns[11][:] = tables.WRONG_WITNESS  # type: ignore[index]

    kernels["decide_range"] = lie
    monkeypatch.setattr(tables, "kernels", lambda: kernels)
    with pytest.raises(InternalError, match="the witness of key 'a' is none"):
        check(as_table([Operation(0, Op.STORE, "a", (1,), None, 0, 1)]))


def test_the_replay_refuses_wrong_orders() -> None:
    """store 1 at 0..1, load 1 at 2..3, in every wrong way."""
    import numpy as np

    def replays(
        order: list[int], wanted: tuple[int, int] = (-1, 1), optional: tuple[int, int] = (0, 0)
    ) -> bool:
        columns = (wanted, (-1, -1), (1, -1), (0, 2), (1, 3), optional, order)
        arrays = [np.array(column, np.int64) for column in columns]
        return bool(machine.kernels()["replays"](*arrays, len(order)))

    assert replays([0, 1])
    assert replays([0], optional=(0, 1))
    assert not replays([1, 0])
    assert not replays([0])
    assert not replays([0, 0, 1])
    assert not replays([0, 1], wanted=(-1, 0))
    assert not replays([1, 0], wanted=(-1, -1))
    assert not replays([0, 2])
