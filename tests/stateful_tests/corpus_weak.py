"""Plain Python that sees when an object is gone, which no instruction says."""

from __future__ import annotations

import weakref
from functools import partial

from corpus import Corpus, Made, each

program = Corpus(__file__)


class Value:
    def __init__(self) -> None:
        self.v = 1
        self.w = 2


def let_go(values: list[Value], other: Value, me: int) -> int:
    value = values.pop()
    seen: int = other.v
    del value
    return seen + other.w


def look(values: list[Value], reference: weakref.ref[Value], me: int) -> tuple[int, bool]:
    left = len(values)
    return left, "dead" in str(reference)


@program
def gone_in_passing() -> Made:
    values, other = [Value()], Value()
    return each(partial(let_go, values, other, 1), partial(look, values, weakref.ref(values[0]), 2))
