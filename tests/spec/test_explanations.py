"""The sentence of a violation, for each shape that can be told."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from histories import random_history

from mapproof.spec.claims import Claims, Contract
from mapproof.spec.history import Operation
from mapproof.spec.linearizability import ALL_KEYS, Violation, check
from mapproof.spec.operations import SIGNATURES, Op

ATOMIC = Claims(Contract.ATOMIC, Contract.ATOMIC, Contract.ATOMIC)


def op(client: int, name: Op, *args: Any, result: Any = None, at: tuple[int, int | None]) -> Operation:
    key, given = ("a", args) if SIGNATURES[name].keyed else (None, args)
    return Operation(client, name, key, given, result, *at)


def violation(*operations: Operation, claims: Claims | None = None) -> Violation:
    answer = check(operations, claims or Claims())
    assert isinstance(answer, Violation)
    return answer


def test_a_value_that_was_never_stored() -> None:
    answer = violation(
        op(1, Op.STORE, 8, at=(100, 110)),
        op(3, Op.LOAD, result=(7, True), at=(120, 140)),
    )
    assert answer.explanation == "client 3 read 7 from key 'a' at 120..140, but no operation stored 7 there"
    assert [one.client for one in answer.core] == [3]
    assert answer.key == "a"


def test_a_value_read_before_its_store_was_called() -> None:
    answer = violation(
        op(3, Op.LOAD, result=(7, True), at=(120, 140)),
        op(1, Op.STORE, 7, at=(150, 160)),
    )
    assert answer.explanation == (
        "client 3 read 7 from key 'a' at 120..140, but 7 was first stored there later, "
        "by client 1's store('a', 7) -> None at 150..160"
    )


@pytest.mark.parametrize(
    ("change", "did"),
    [
        (op(2, Op.STORE, 8, at=(20, 25)), "replaced"),
        (op(2, Op.DELETE, at=(20, 25)), "deleted"),
        (op(2, Op.COMPARE_AND_SWAP, 7, 8, result=True, at=(20, 25)), "replaced"),
    ],
)
def test_a_stale_read(change: Operation, did: str) -> None:
    answer = violation(
        op(1, Op.STORE, 7, at=(10, 15)),
        change,
        op(3, Op.LOAD, result=(7, True), at=(30, 35)),
        op(1, Op.STORE, 9, at=(40, 45)),
    )
    assert answer.explanation == (
        "client 3 read 7 from key 'a' at 30..35, but 7, stored by client 1's store('a', 7) -> None at 10..15, "
        f"was {did} before by client 2's {change} at 20..25, and nothing stored it again in time"
    )
    assert len(answer.core) == 3


def test_two_operations_that_stored_into_a_missing_key() -> None:
    answer = violation(
        op(1, Op.LOAD_OR_STORE, 1, result=(1, False), at=(0, 9)),
        op(2, Op.LOAD_OR_STORE, 2, result=(2, False), at=(3, 8)),
    )
    assert answer.explanation == (
        "client 1's load_or_store('a', 1) -> (1, False) at 0..9 and client 2's load_or_store('a', 2) -> "
        "(2, False) at 3..8 both found key 'a' missing, but nothing deleted it between them"
    )


def test_two_operations_that_took_the_same_value() -> None:
    answer = violation(
        op(0, Op.STORE, 5, at=(0, 1)),
        op(1, Op.LOAD_AND_DELETE, result=(5, True), at=(2, 9)),
        op(2, Op.COMPARE_AND_SWAP, 5, 6, result=True, at=(3, 8)),
    )
    assert answer.explanation == (
        "client 1's load_and_delete('a') -> (5, True) at 2..9 and client 2's compare_and_swap('a', 5, 6) -> True "
        "at 3..8 both took 5 from key 'a', but it was put there only once in time, "
        "by client 0's store('a', 5) -> None at 0..1"
    )


def test_a_missing_key_that_was_stored_and_not_deleted() -> None:
    answer = violation(
        op(1, Op.DELETE, at=(1, 2)),
        op(1, Op.STORE, 7, at=(10, 15)),
        op(3, Op.LOAD, result=(None, False), at=(30, 35)),
        op(1, Op.DELETE, at=(41, 42)),
    )
    assert answer.explanation == (
        "client 3 found key 'a' missing at 30..35, but client 1's store('a', 7) -> None at 10..15 had put 7 there, "
        "and nothing deleted the key in between"
    )


def test_a_comparison_that_failed_on_the_same_value() -> None:
    answer = violation(
        op(1, Op.STORE, 7, at=(10, 15)),
        op(3, Op.COMPARE_AND_DELETE, 7, result=False, at=(30, 35)),
    )
    assert answer.explanation == (
        "client 3's compare_and_delete('a', 7) -> False at 30..35 failed, but key 'a' held 7: "
        "client 1's store('a', 7) -> None at 10..15 had put it there, and nothing changed it in between"
    )


def test_load_or_store_that_stored_another_value_than_given() -> None:
    answer = violation(op(1, Op.LOAD_OR_STORE, 1, result=(2, False), at=(0, 9)))
    assert answer.explanation == (
        "client 1's load_or_store('a', 1) -> (2, False) at 0..9, but it answered to have stored 2 where 1 was given"
    )


def test_a_result_of_a_wrong_shape_is_a_violation_by_itself() -> None:
    answer = violation(op(1, Op.LOAD, result=5, at=(0, 9)))
    assert answer.explanation == (
        "client 1's load('a') -> 5 at 0..9, but load answers [value, true] or [null, false]"
    )
    assert violation(op(1, Op.LEN, result=-1, at=(0, 9))).key is ALL_KEYS


@pytest.mark.parametrize("range_", list(Contract))
def test_a_range_that_meets_what_nobody_stored_or_a_key_twice(range_: Contract) -> None:
    def after_a_store(result: Any) -> str:
        store = op(1, Op.STORE, 7, at=(0, 9))
        met = op(2, Op.RANGE, result=result, at=(1, 8))
        answer = violation(store, met, op(1, Op.STORE, 9, at=(10, 11)), claims=Claims(range_, shard_of=str))
        assert answer.core == (met,)
        return answer.explanation.split(", but ")[1]

    assert after_a_store([["a", 8]]) == "no operation stored 8 under 'a'"
    assert after_a_store([["b", 7]]) == "no operation stored 7 under 'b'"
    assert after_a_store([["a", 7], ["a", 7]]) == "it met the key 'a' twice"
    assert after_a_store([["a", 9]]) == "9 was first stored under 'a' by a call at 10, later"


def test_a_count_that_no_moment_explains() -> None:
    answer = violation(op(1, Op.STORE, 7, at=(0, 1)), op(2, Op.LEN, result=2, at=(5, 6)))
    assert answer.key is ALL_KEYS
    assert answer.explanation == (
        "no state that the whole map can have been in explains client 2's len() -> 2 at 5..6"
    )
    answer = violation(op(1, Op.STORE, 7, at=(0, 1)), op(2, Op.LEN, result=0, at=(5, 6)))
    assert answer.explanation == "no order of these 2 operations on the whole map explains all their results"


def test_a_violation_on_one_key_is_told_so_where_all_keys_are_tied() -> None:
    answer = violation(
        op(1, Op.STORE, 7, at=(10, 15)),
        Operation(2, Op.STORE, "b", (1,), None, 11, 12),
        op(2, Op.LEN, result=2, at=(16, 17)),
        op(3, Op.LOAD, result=(None, False), at=(30, 35)),
        claims=ATOMIC,
    )
    assert answer.key == "a"
    assert answer.explanation.startswith("client 3 found key 'a' missing at 30..35, but client 1's store")


def test_a_snapshot_that_never_was() -> None:
    """It holds the later store and not the earlier one: each key alone has an explanation."""
    history = (
        op(1, Op.STORE, 7, at=(10, 15)),
        Operation(1, Op.STORE, "b", (1,), None, 20, 25),
        op(2, Op.RANGE, result=[["b", 1]], at=(5, 30)),
    )
    answer = violation(*history, claims=ATOMIC)
    assert answer.core == tuple(sorted(history, key=lambda one: one.call))
    assert answer.explanation == "no order of these 3 operations on the whole map explains all their results"
    assert not isinstance(check(history, Claims(range=Contract.PER_KEY)), Violation)


def test_a_core_without_a_known_shape_is_told_honestly() -> None:
    answer = violation(
        op(1, Op.STORE, 1, at=(0, 10)),
        op(2, Op.STORE, 2, at=(0, 10)),
        op(3, Op.LOAD, result=(2, True), at=(11, 12)),
        op(3, Op.SWAP, 3, result=(1, True), at=(13, 14)),
    )
    assert answer.explanation == "no order of these 4 operations on key 'a' explains all their results"


def test_two_values_at_one_time() -> None:
    answer = violation(
        op(1, Op.STORE, 1, at=(0, 10)),
        op(2, Op.STORE, 2, at=(0, 10)),
        op(3, Op.LOAD, result=(2, True), at=(11, 12)),
        op(3, Op.LOAD, result=(1, True), at=(13, 14)),
    )
    assert answer.explanation == (
        "key 'a' held 1 from 10, when client 1's store('a', 1) -> None at 0..10 had returned, to 13, "
        "when client 3's load('a') -> (1, True) at 13..14 was called; yet it held 2 from 10 to 11"
    )


def test_a_value_taken_and_seen_again() -> None:
    answer = violation(
        op(1, Op.STORE, 1, at=(0, 10)),
        op(2, Op.LOAD_AND_DELETE, result=(1, True), at=(5, 12)),
        op(3, Op.LOAD, result=(1, True), at=(13, 14)),
    )
    assert answer.explanation == (
        "client 3 read 1 from key 'a' at 13..14, but client 2's load_and_delete('a') -> (1, True) at 5..12 had "
        "taken 1 before, and it was put there only once in time, by client 1's store('a', 1) -> None at 0..10"
    )


def test_a_stale_read_through_an_operation_that_raised_is_not_told_as_more_than_it_is() -> None:
    raised = Operation(1, Op.STORE, "a", (7,), None, 10, 15, "KeyError")
    answer = violation(raised, op(2, Op.STORE, 8, at=(20, 25)), op(3, Op.LOAD, result=(7, True), at=(30, 35)))
    assert answer.explanation == "no order of these 3 operations on key 'a' explains all their results"


def changed_to(operation: Operation, value: Any) -> bool:
    """Whether the operation made the key hold that value (None: be missing), which it did not before."""
    given, result = operation.args[-1] if operation.args else None, operation.result
    match operation.op:
        case Op.LOAD:
            return False
        case Op.LOAD_OR_STORE:
            return value is not None and result == (value, False)
        case Op.LOAD_AND_DELETE:
            return value is None and result[1]
        case Op.COMPARE_AND_DELETE:
            return value is None and result
        case Op.COMPARE_AND_SWAP:
            return bool(result) and given == value != operation.args[0]
        case Op.SWAP:
            return given == value and result != (value, True)
        case _:
            return given == value


def test_what_a_sentence_denies_did_not_happen() -> None:
    """No operation of the history left, in time, what a stale read or a missing key would need."""
    random, told = Random(5), 0
    for _ in range(12_000):
        history = random_history(random)
        answer = check(history)
        if not isinstance(answer, Violation):
            continue
        if "stored it again in time" in answer.explanation:
            store, change, reader = answer.core
            wanted, since = store.args[-1], change.call
        elif "nothing deleted the key in between" in answer.explanation:
            store, reader = sorted(answer.core, key=lambda one: one.return_ or 0)
            wanted, since = None, store.call
        else:
            continue
        told += 1
        for one in history:
            others = one.key == reader.key and all(one is not known for known in answer.core)
            if others and one.completed and changed_to(one, wanted):
                in_time = one.call <= (reader.return_ or 0) and (one.return_ or 0) >= since
                assert not in_time, (answer.explanation, history)
    assert told > 200


def test_an_insertion_that_outlived_the_store_after_it() -> None:
    answer = violation(
        op(2, Op.LOAD_OR_STORE, 2, result=(2, False), at=(1, 4)),
        op(1, Op.STORE, 1, at=(2, 3)),
        op(0, Op.LOAD, result=(2, True), at=(5, 6)),
    )
    assert answer.explanation == (
        "client 2's load_or_store('a', 2) -> (2, False) at 1..4 found key 'a' missing, "
        "so client 1's store('a', 1) -> None at 2..3 came after it; yet client 0 read 2 from key 'a' at 5..6, not 1"
    )
