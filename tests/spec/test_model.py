"""Properties of `identity` and of `MapModel`, the latter against a plain dict."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from histories import random_history
from hypothesis import given
from hypothesis import strategies as st
from oracle import linearizable

from mapproof.spec.history import Operation
from mapproof.spec.model import EMPTY, Inconsistent, MapModel, explained_by_returns, same_answer
from mapproof.spec.operations import KEYED, SIGNATURES, Op, has_shape
from mapproof.spec.values import ABSENT, identity

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=3)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
)
small = st.sampled_from(
    [0, 1, True, False, None, "", "a", 1.5, 0.0, [], [1], [True], {}, {"x": 1}, {"x": True}]
)


def canonical(value: Any) -> str:
    """JSON with sorted names, an independent notion of sameness; a whole float is the integer it equals."""

    def plain(part: Any) -> Any:
        if isinstance(part, list):
            return [plain(inner) for inner in part]
        if isinstance(part, dict):
            return {name: plain(inner) for name, inner in part.items()}
        whole = isinstance(part, float) and part.is_integer()
        return int(part) if whole else part

    return json.dumps(plain(value), sort_keys=True)


@given(values)
def test_identity_is_hashable_and_reflexive(value: Any) -> None:
    assert hash(identity(value)) == hash(identity(value))
    assert identity(value) == identity(value)


@given(values, values)
def test_identity_says_what_json_says(one: Any, other: Any) -> None:
    assert (identity(one) == identity(other)) == (canonical(one) == canonical(other))


@given(small, small)
def test_identity_says_what_json_says_of_near_misses(one: Any, other: Any) -> None:
    assert (identity(one) == identity(other)) == (canonical(one) == canonical(other))


@given(values)
def test_identity_survives_a_round_trip_through_json(value: Any) -> None:
    assert identity(json.loads(json.dumps(value))) == identity(value)


def test_identity_of_what_json_does_not_know() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

    one, other = Unhashable(), Unhashable()
    assert identity(one) == identity(one) != identity(other)
    assert identity((1, 2)) == identity([1, 2])
    assert identity(b"a") != identity("a")
    assert identity({1: 2}) == identity({1.0: 2}) != identity({True: 2})
    assert identity(ABSENT) != identity(None)
    assert repr(ABSENT) == "ABSENT"


class DictMap:
    """What the documentation of each operation says, on a dict whose keys are already told apart."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def invoke(self, op: Op, key: str, args: tuple[Any, ...]) -> Any:
        held, present = self.held, key in self.held
        found = [held.get(key), present]
        match op:
            case Op.LOAD:
                return found
            case Op.STORE:
                held[key] = args[0]
                return None
            case Op.LOAD_OR_STORE:
                return [held.setdefault(key, args[0]), present]
            case Op.LOAD_AND_DELETE:
                return [held.pop(key, None), present]
            case Op.DELETE:
                held.pop(key, None)
                return None
            case Op.SWAP:
                held[key] = args[0]
                return found
            case Op.COMPARE_AND_SWAP:
                same = present and canonical(held[key]) == canonical(args[0])
                if same:
                    held[key] = args[1]
                return same
            case Op.COMPARE_AND_DELETE:
                same = present and canonical(held[key]) == canonical(args[0])
                if same:
                    del held[key]
                return same
            case Op.RANGE:
                return [[name, value] for name, value in held.items()][::-1]
            case Op.LEN:
                return len(held)
            case Op.CLEAR:
                held.clear()
                return None


@st.composite
def called(draw: st.DrawFn) -> tuple[Op, str | None, tuple[Any, ...]]:
    op = draw(st.sampled_from(Op))
    key = draw(st.sampled_from("abc")) if op in KEYED else None
    return op, key, tuple(draw(small) for _ in SIGNATURES[op].arguments)


@given(st.lists(called(), max_size=30))
def test_the_model_answers_as_a_dict_does(calls: list[tuple[Op, Any, tuple[Any, ...]]]) -> None:
    model, plain = MapModel(), DictMap()
    state = model.initial
    for time, (op, key, args) in enumerate(calls):
        before = dict(state)
        after, answer = model.invoke(state, op, key, args)
        expected = plain.invoke(op, key, args)
        assert same_answer(op, answer, expected)
        assert has_shape(SIGNATURES[op].result, answer)
        assert dict(state) == before, "a state is never changed in place"
        operation = Operation(0, op, key, args, expected, 2 * time, 2 * time + 1)
        assert model.step(state, operation) == after
        assert SIGNATURES[op].mutates or after == before
        state = after
    assert {name: value for name, (_, value) in state.items()} == plain.held


@given(st.lists(called(), max_size=10), called(), small, st.booleans())
def test_the_model_refuses_every_other_answer(calls: list[Any], last: Any, value: Any, flag: bool) -> None:
    model = MapModel()
    state = model.initial
    for call in calls:
        state, _ = model.invoke(state, *call)
    op, key, args = last
    _, right = model.invoke(state, op, key, args)
    for other in (value, flag, (value, flag), (None, False), 0, 1, None):
        if has_shape(SIGNATURES[op].result, other) and not same_answer(op, other, right):
            refused = model.step(state, Operation(0, op, key, args, other, 0, 1))
            assert isinstance(refused, Inconsistent)
            assert repr(other) in refused.reason


@pytest.mark.parametrize("unanswered", [{"return_": None}, {"return_": 1, "error": "KeyError"}])
def test_a_pending_or_raised_operation_answers_anything(unanswered: dict[str, Any]) -> None:
    after = MapModel().step(EMPTY, Operation(0, Op.SWAP, "a", (1,), None, 0, **unanswered))
    assert after == {"a": ("a", 1)}


def test_what_the_order_of_returns_explains_is_linearizable() -> None:
    said = Counter[tuple[bool, bool]]()
    for seed in range(3_000):
        history = random_history(Random(seed), whole_map=seed % 2 == 0)
        said[explained_by_returns(history), linearizable(history)] += 1
    assert said[True, False] == 0
    assert said[True, True] > 300
    assert said[False, True] > 30  # it looks at one order only


def test_the_order_of_returns_is_not_that_of_calls() -> None:
    store = Operation(1, Op.STORE, "a", (1,), None, 1, 6)
    inside = Operation(2, Op.LOAD, "a", (), (None, False), 2, 5)
    after = Operation(2, Op.LOAD, "a", (), (1, True), 7, 8)
    assert explained_by_returns([store, inside, after])
    assert not explained_by_returns([store, replace(inside, result=(1, True)), after])
    assert not explained_by_returns([replace(store, return_=None), inside])
    assert not explained_by_returns([replace(store, error="KeyError"), inside])
