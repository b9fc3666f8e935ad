"""The bound on staleness as a specification: what it explains, and that it agrees with the measure of staleness."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from mapproof.spec.consistency.stale_reads import Staleness, staleness
from mapproof.spec.history import Operation
from mapproof.spec.linearizability.any_model import ModelError, check_model
from mapproof.spec.staleness import BoundedStaleness


def in_sequence(*calls: tuple[Any, ...]) -> list[Operation]:
    """(op, key or None, arguments, result) one after the other."""
    return [
        Operation(1, op, key, args, result, 2 * time, 2 * time + 1)
        for time, (op, key, args, result) in enumerate(calls)
    ]


def stored(value: Any) -> tuple[Any, ...]:
    return ("store", "a", (value,), None)


def loaded(value: Any) -> tuple[Any, ...]:
    return ("load", "a", (), (value, True))


MISSING = ("load", "a", (), (None, False))
LATER = ("advance", None, (5,), None)


@pytest.mark.parametrize(
    ("calls", "explained"),
    [
        ([MISSING, stored(1), MISSING], True),
        ([stored(1), LATER, MISSING], True),
        ([stored(1), LATER, LATER, MISSING], False),
        ([stored(None), LATER, LATER, loaded(None)], True),
        ([stored(1), stored(2), LATER, loaded(1)], True),
        ([stored(1), stored(2), LATER, LATER, loaded(1)], False),
        ([stored(1), stored(2), loaded(2), loaded(1)], False),
        ([stored(1), stored(2), stored(1), loaded(2), loaded(1)], True),
        ([stored(1), ("delete", "a", (), None), LATER, LATER, loaded(1)], False),
        ([stored(1), ("delete", "a", (), None), MISSING, loaded(1)], True),
        ([stored(1), LATER, LATER, ("delete", "a", (), None), MISSING, loaded(1)], False),
        ([stored(1), ("delete", "a", (), None), LATER, LATER, MISSING], True),
        ([loaded(1), stored(1)], False),
        ([stored(1), ("store", "b", (2,), None), LATER, LATER, ("load", "b", (), (1, True))], False),
        ([("fail", None, (), None)], True),
    ],
)
def test_what_a_bound_of_five_seconds_explains(calls: list[tuple[Any, ...]], explained: bool) -> None:
    verdict = check_model(in_sequence(*calls), BoundedStaleness(5, others=frozenset({"fail"}))).verdict
    assert verdict == ("LINEARIZABLE" if explained else "VIOLATION")


def test_without_monotonic_reads_any_value_within_the_bound_will_do() -> None:
    back = in_sequence(stored(1), stored(2), loaded(2), loaded(1))
    assert check_model(back, BoundedStaleness(5, monotonic=False)).verdict == "LINEARIZABLE"


def test_a_load_that_overlaps_a_step_of_the_clock_may_have_looked_before_it() -> None:
    load = Operation(2, "load", "a", (), (1, True), 3, 9)
    rest = in_sequence(stored(1), stored(2), LATER, LATER)
    assert check_model([*rest, load], BoundedStaleness(5)).verdict == "LINEARIZABLE"
    assert check_model([*rest, load], BoundedStaleness(4, monotonic=False)).verdict == "LINEARIZABLE"
    late = Operation(2, "load", "a", (), (1, True), 8, 9)
    assert check_model([*rest, late], BoundedStaleness(9)).verdict == "VIOLATION"


def test_a_load_that_raised_says_nothing() -> None:
    raised = Operation(1, "load", "a", (), None, 8, 9, "OSError")
    assert check_model([*in_sequence(stored(1)), raised], BoundedStaleness(5)).verdict == "LINEARIZABLE"


def test_an_operation_that_is_not_known_is_refused() -> None:
    with pytest.raises(ModelError, match="no operation 'clear'"):
        check_model(in_sequence(("clear", None, (), None)), BoundedStaleness(5))


@pytest.mark.parametrize("seed", range(20))
def test_the_least_bound_that_explains_a_program_is_its_measured_staleness(seed: int) -> None:
    timed = list(_random_program(random.Random(seed)))
    measured = staleness(timed)
    assert isinstance(measured, Staleness)
    ticking = [each for operation in timed for each in (("advance", None, (1,), None), _call(operation))]
    program = in_sequence(*ticking)
    least = next(
        bound
        for bound in range(100)
        if check_model(program, BoundedStaleness(bound, monotonic=False)).verdict == "LINEARIZABLE"
    )
    assert least == measured.delta


def _call(operation: Operation) -> tuple[Any, ...]:
    return operation.op, operation.key, operation.args, operation.result


def _random_program(rng: random.Random) -> Iterator[Operation]:
    """Writes of two keys, and loads of anything that they ever held, each at a second of its own."""
    held: dict[str, list[tuple[Any, bool]]] = {"a": [(None, False)], "b": [(None, False)]}
    for now in range(1, 15):
        key = rng.choice("ab")
        if rng.random() < 0.4:
            held[key].append((now, True))
            yield Operation(1, "store", key, (now,), None, now, now)
        else:
            yield Operation(1, "load", key, (), rng.choice(held[key][-4:]), now, now)
