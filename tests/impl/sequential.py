"""Programs of one thread, and how a map's answers to them differ from those of the sequential model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from mapproof.spec.model import MapModel, same_answer
from mapproof.spec.operations import SIGNATURES, Op

Call = tuple[Op, Any, tuple[Any, ...]]


class EqualHash:
    """A key whose hash is that of every other such key."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EqualHash) and other.name == self.name

    def __repr__(self) -> str:
        return f"EqualHash({self.name!r})"


KEYS = st.sampled_from(["a", "b", "", None, 0, EqualHash("x"), EqualHash("y")])
VALUES = st.sampled_from([None, 0, 1, "v"])


@st.composite
def calls(draw: st.DrawFn, operations: Sequence[Op]) -> Call:
    op = draw(st.sampled_from(operations))
    signature = SIGNATURES[op]
    return op, draw(KEYS) if signature.keyed else None, tuple(draw(VALUES) for _ in signature.arguments)


def programs(make: Callable[[], Any]) -> st.SearchStrategy[list[Call]]:
    operations = [op for op in Op if hasattr(make, op.value)]
    return st.lists(calls(operations), max_size=40)


def divergence(map_: Any, program: Sequence[Call], check: Callable[[], None] | None = None) -> str | None:
    """The first answer that the model does not give, as a sentence, or what `check` complained of."""
    model, state = MapModel(), MapModel.initial
    for op, key, args in program:
        given_args = (key, *args) if SIGNATURES[op].keyed else args
        answer = getattr(map_, op.value)(*given_args)
        state, expected = model.invoke(state, op, key, args)
        if not same_answer(op, answer, expected):
            return f"{op}{given_args} answered {answer!r}, the model {expected!r}"
        if check is not None:
            check()
    left = map_.range()
    return None if same_answer(Op.RANGE, left, [list(pair) for pair in state.values()]) else f"left {left!r}"


def shortest_divergence(make: Callable[[], Any]) -> str:
    """The first wrong answer to the shortest program that gets one, as a sentence; "" if none was found."""
    search = settings(
        max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    try:
        shortest = find(
            programs(make), lambda program: divergence(make(), program) is not None, settings=search
        )
    except NoSuchExample:
        return ""
    return divergence(make(), shortest) or ""
