"""The answers of a check: bounds, ties, contracts, and which answer wins."""

from __future__ import annotations

import gc
from time import perf_counter
from typing import Any

import pytest

from mapproof.spec.claims import Claims, Contract
from mapproof.spec.evidence import Verdict
from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability import (
    ALL_KEYS,
    InternalError,
    Linearizable,
    Unknown,
    Violation,
    check,
    groups,
)
from mapproof.spec.linearizability.effects import Effect
from mapproof.spec.operations import Op


def store(key: Any, value: Any, call: int, return_: int | None, client: int = 0) -> Operation:
    return Operation(client, Op.STORE, key, (value,), None, call, return_)


def load(key: Any, value: Any, call: int, return_: int, client: int = 1) -> Operation:
    return Operation(client, Op.LOAD, key, (), (value, True), call, return_)


def missing(key: Any, call: int, return_: int, client: int = 1) -> Operation:
    return Operation(client, Op.LOAD, key, (), (None, False), call, return_)


def hard(key: Any, shifts: int = 3) -> list[Operation]:
    """Successful compares that can be in a great many orders: all of them lead round and back to 0, not to 1."""
    pairs = [(number, (number + shift) % 7) for shift in range(1, shifts + 1) for number in range(7)]
    swaps = [
        Operation(client, Op.COMPARE_AND_SWAP, key, pair, True, client, 100 + client)
        for client, pair in enumerate(pairs)
    ]
    return [store(key, 0, 0, 0, len(swaps)), *swaps, load(key, 1, 300, 301, len(swaps))]


def test_an_empty_history_is_linearizable() -> None:
    assert check([]) == Linearizable(())
    assert check(History(())).verdict is Verdict.LINEARIZABLE


def test_equal_times_overlap() -> None:
    assert isinstance(check([store("a", 1, 0, 5), missing("a", 5, 6)]), Linearizable)
    assert isinstance(check([store("a", 1, 0, 5), missing("a", 6, 7)]), Violation)


def test_keys_and_values_are_told_apart_by_identity() -> None:
    assert isinstance(check([store(1, "x", 0, 1), missing(True, 2, 3)]), Linearizable)
    assert isinstance(check([store([1], {"x": 1}, 0, 1), load((1,), {"x": 1.0}, 2, 3)]), Linearizable)
    assert isinstance(check([store("a", 1, 0, 1), load("a", True, 2, 3)]), Violation)
    assert isinstance(check([store(None, None, 0, 1), load(None, None, 2, 3)]), Linearizable)
    assert isinstance(check([store(None, None, 0, 1), missing(None, 2, 3)]), Violation)


def test_a_witness_a_key_or_one_for_all() -> None:
    history = [store("a", 1, 0, 1), store("b", 2, 2, 3), missing("c", 4, 5)]
    answer = check(history)
    assert isinstance(answer, Linearizable)
    assert [witness.key for witness in answer.witness] == ["a", "b", "c"]
    answer = check([*history, Operation(0, Op.LEN, None, (), 2, 8, 9)])
    assert isinstance(answer, Linearizable)
    assert [(witness.key, len(witness.order)) for witness in answer.witness] == [(ALL_KEYS, 4)]


def test_a_witness_shows_what_a_whole_map_operation_is_to_a_key() -> None:
    history = [
        store("a", 1, 0, 1),
        Operation(1, Op.RANGE, None, (), [["a", 1]], 2, 3),
        Operation(1, Op.CLEAR, None, (), None, 4, 5),
        missing("a", 6, 7),
    ]
    answer = check(history)
    assert isinstance(answer, Linearizable)
    assert [str(op) for op in answer.witness[0].order] == [
        "store('a', 1) -> None",
        "load('a') -> (1, True)",
        "delete('a') -> None",
        "load('a') -> (None, False)",
    ]


def test_a_weak_clear_may_delete_twice_and_others_only_once() -> None:
    history = [
        Operation(0, Op.CLEAR, None, (), None, 0, 20),
        store("a", 1, 1, 2, 1),
        missing("a", 3, 4),
        store("a", 2, 5, 6, 1),
        missing("a", 7, 8),
    ]
    assert isinstance(check(history, Claims(clear=Contract.WEAK)), Linearizable)
    assert isinstance(check(history, Claims(clear=Contract.PER_KEY)), Violation)
    assert isinstance(check(history, Claims(clear=Contract.ATOMIC)), Violation)


def test_a_weak_clear_may_delete_again_just_before_it_returns() -> None:
    history = [
        Operation(0, Op.CLEAR, None, (), None, 0, 10),
        store("a", 1, 1, 2, 1),
        missing("a", 3, 4, 1),
        store("a", 2, 5, 15, 1),
        load("a", 2, 6, 7, 2),
        missing("a", 16, 17, 1),
    ]
    assert isinstance(check(history), Linearizable)


def test_a_running_change_makes_a_weak_answer_say_nothing() -> None:
    length = Operation(0, Op.LEN, None, (), 9, 10, 20)
    assert isinstance(check([length]), Violation)
    assert isinstance(check([length, store("a", 1, 20, 21)]), Linearizable)
    assert isinstance(check([length, store("a", 1, 21, 22)]), Violation)
    assert isinstance(check([length, store("a", 1, 0, None)]), Linearizable)
    assert isinstance(check([length, store("a", 1, 0, None)], Claims(len=Contract.ATOMIC)), Violation)


@pytest.mark.parametrize(
    "bad", [{"max_configurations": 0}, {"limit_seconds": 0}, {"limit_seconds": float("nan")}]
)
def test_bounds_must_be_positive(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        check([], **bad)


def test_a_return_before_the_call_is_refused() -> None:
    with pytest.raises(ValueError, match="operation 1 returns at 3, before its call"):
        check([missing("a", 0, 1), missing("a", 4, 3)])


def test_a_return_at_the_largest_time_of_a_kernel_is_no_pending_one() -> None:
    at = 2**62
    assert isinstance(check(History((store("a", 1, at - 3, at),))), Linearizable)
    assert isinstance(
        check(History((store("a", 1, at - 3, at), missing("a", at + 1, at + 2)))),
        Violation,
    )


def test_times_with_a_fraction_are_not_rounded() -> None:
    overlapping = store("a", 1, 0, 1.5), missing("a", 1.2, 2)  # type: ignore[arg-type]
    assert isinstance(check(overlapping), Linearizable)
    apart = store("a", 1, 0, 1.2), missing("a", 1.5, 2)  # type: ignore[arg-type]
    assert isinstance(check(apart), Violation)


@pytest.mark.parametrize(("op", "args"), [("fly", ()), (Op.STORE, ()), (Op.STORE, (1, 2)), (Op.LEN, (1,))])
def test_what_is_no_operation_of_a_map_is_refused(op: Any, args: tuple[Any, ...]) -> None:
    unknown = Operation(0, op, None, args, None, 0, 1)
    with pytest.raises(ValueError, match=rf"operation 1: a map has no {op} of {len(args)} arguments"):
        check([store("a", 1, 0, 1), unknown])


def test_too_many_configurations_are_unknown() -> None:
    answer = check(hard("a"), max_configurations=1_000)
    assert answer == Unknown("the bound of 1000 configurations ran out on key 'a'")
    assert answer.verdict is Verdict.UNKNOWN
    tied = check([*hard("a"), Operation(99, Op.LEN, None, (), 1, 900, 901)], max_configurations=1_000)
    assert tied == Unknown("the bound of 1000 configurations ran out on the whole map")


def test_the_bound_is_for_each_key() -> None:
    easy = [op for key in range(300) for op in (store(key, 1, 0, 5), load(key, 1, 2, 7))]
    assert isinstance(check(easy, max_configurations=10), Linearizable)


def test_a_violation_wins_over_unknown() -> None:
    answer = check([*hard("a"), load("b", 1, 0, 1)], max_configurations=1_000)
    assert isinstance(answer, Violation)
    assert answer.key == "b"
    longer = [
        op
        for time in range(0, 200, 2)
        for op in (store("b", 1, time, time + 1), load("b", 1, time, time + 1))
    ]
    answer = check([*hard("a"), *longer, missing("b", 900, 901)], max_configurations=1_000)
    assert isinstance(answer, Violation)
    assert answer.key == "b"


@pytest.mark.parametrize("limit", [0.1, 1.0])
def test_a_time_limit_is_kept(limit: float) -> None:
    gc.collect()
    started = perf_counter()
    answer = check(hard("a", 6), max_configurations=10**9, limit_seconds=limit)
    taken = perf_counter() - started
    assert answer == Unknown("the time limit ran out on key 'a'")
    assert limit <= taken < limit + 0.5, "0.2 s are meant; a busy machine gets some more"


def test_a_time_limit_is_kept_on_a_long_history() -> None:
    history = [store(number % 7, number % 3, 2 * number, 2 * number + 1) for number in range(100_000)]
    started = perf_counter()
    answer = check(history, limit_seconds=0.05)
    assert isinstance(answer, Unknown)
    assert perf_counter() - started < 0.6
    assert answer.reason == "the time limit ran out while the history was split into keys"


def test_a_witness_that_does_not_replay_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "effect_of", lambda operation, values: Effect(post=1))
    with pytest.raises(InternalError, match="the model answers"):
        check([load("a", 1, 0, 1)])
