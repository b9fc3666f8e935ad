"""The search for an order that explains a run, against all permutations; and what stands for an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from random import Random
from typing import Any

import pytest

from mapproof.spec.history import Operation
from mapproof.spec.values import identity
from mapproof.stateful_tests import interleaved_orders
from mapproof.stateful_tests.interleaved_orders import (
    Opaque,
    Orders,
    Outcome,
    TooManyOrders,
    snapshot,
    unexplained,
)
from mapproof.stateful_tests.interleaved_programs import Reference

Numbered = list[tuple[int, Operation]]


def in_order(program: Sequence[str], numbers: Sequence[int]) -> list[Outcome]:
    """A queue of at most one item: `put` and `get` wait, `size` answers."""
    items = 0
    outcomes = []
    for number in numbers:
        op = program[number]
        if (op == "put" and items == 1) or (op == "get" and items == 0):
            return [*outcomes, Outcome(waits=True)]
        items += {"put": 1, "get": -1, "size": 0}[op]
        outcomes.append(Outcome(items if op == "size" else None))
    return outcomes


def random_run(random: Random) -> tuple[list[str], Numbered]:
    """Up to three threads of up to two operations, whose calls and returns come in any order; some have no return."""
    program: list[str] = []
    operations: Numbered = []
    threads = [[random.choice(["put", "get", "size"]) for _ in range(random.randint(1, 2))] for _ in range(3)]
    clocks = [random.sample(range(100), 2 * len(thread)) for thread in threads]
    for client, (thread, clock) in enumerate(zip(threads, clocks, strict=True), 1):
        times = iter(sorted(3 * time + client for time in clock))
        for last, op in zip([*[False] * (len(thread) - 1), True], thread, strict=True):
            call, return_ = next(times), next(times)
            pending = last and op != "size" and random.random() < 0.3
            result = random.randint(0, 1) if op == "size" else None
            operation = Operation(client, op, None, (), result, call, None if pending else return_)
            operations.append((len(program), operation))
            program.append(op)
    return program, operations


def explained_by_brute_force(program: Sequence[str], operations: Numbered) -> bool:
    ended = [pair for pair in operations if not pair[1].pending]
    waiting = [number for number, operation in operations if operation.pending]
    for order in permutations(ended):
        returned = [operation.return_ or 0 for _, operation in order]
        calls = [operation.call for _, operation in order]
        if any(returned[j] < calls[i] for i in range(len(order)) for j in range(i + 1, len(order))):
            continue
        numbers = [number for number, _ in order]
        outcomes = in_order(program, numbers)
        answers = [Outcome(operation.result) for _, operation in order]
        stuck = all(in_order(program, [*numbers, other])[-1].waits for other in waiting)
        if outcomes == answers and stuck:
            return True
    return False


def disagreements(seed: int, runs: int) -> tuple[int, int]:
    """How often the search and brute force differ, and how many of the runs have an explanation."""
    random = Random(seed)
    differ = explained = 0
    for _ in range(runs):
        program, operations = random_run(random)
        expected = explained_by_brute_force(program, operations)
        orders = Orders(lambda numbers, program=program: in_order(program, numbers))  # type: ignore[misc]
        differ += (unexplained(operations, orders) is None) != expected
        explained += expected
    return differ, explained


def test_the_search_decides_as_all_permutations_do() -> None:
    differ, explained = disagreements(seed=0, runs=800)
    assert differ == 0
    assert 50 < explained < 750


def test_a_search_that_forgets_real_time_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaved_orders._Search, "_next", lambda self, left: iter(left))
    assert disagreements(seed=0, runs=200)[0]


def test_a_search_that_forgets_who_waits_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Outcome.is_that_of
    monkeypatch.setattr(Outcome, "is_that_of", lambda self, op: op.pending or sound(self, op))
    assert disagreements(seed=0, runs=200)[0]


def test_an_order_is_run_once_for_all_schedules() -> None:
    program = ["put", "size", "size"]
    orders = Orders(lambda numbers: in_order(program, numbers))
    run = [
        (0, Operation(1, "put", None, (), None, 1, 6)),
        (1, Operation(2, "size", None, (), 0, 2, 3)),
        (2, Operation(2, "size", None, (), 1, 4, 5)),
    ]
    assert unexplained(run, orders) is None
    runs = orders.runs
    assert unexplained(run, orders) is None
    assert orders.runs == runs


def test_too_many_orders_are_not_taken_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaved_orders, "SUFFICIENT", 0)
    with pytest.raises(TooManyOrders, match="not explained by 0 orders"):
        unexplained(
            [(0, Operation(1, "put", None, (), None, 1, 2))],
            Orders(lambda numbers: in_order(["put"], numbers)),
        )


class Thing:
    """Equal to itself alone."""


@dataclass
class Value:
    """Equal by content, and not to be hashed."""

    content: int


THING = Thing()


@pytest.mark.parametrize(
    ("answer", "stands"),
    [
        (1, 1),
        (None, None),
        ([1, [2]], [1, [2]]),
        ({1, 2}, frozenset({1, 2})),
        (THING, Reference("thing_0")),
        ((1, THING), (1, Reference("thing_0"))),
        (Thing(), Opaque("Thing")),
        (len, len),
        (int, int),
    ],
)
def test_what_stands_for_an_answer(answer: Any, stands: Any) -> None:
    named = {id(THING): Reference("thing_0")}
    assert snapshot(answer, lambda value: named.get(id(value))) == stands


def test_a_snapshot_keeps_what_changes_later() -> None:
    value, numbers = Value(1), [1]
    before = snapshot((value, numbers), lambda value: None)
    value.content = 2
    numbers.append(2)
    assert before == snapshot((Value(1), [1]), lambda value: None)
    assert identity(before) == identity(snapshot((Value(1), [1]), lambda value: None))
    assert identity(before) != identity(snapshot((value, [1]), lambda value: None))
