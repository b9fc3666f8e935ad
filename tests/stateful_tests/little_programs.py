"""Little racy programs, each as somebody would write the code in question. Their instructions are switch points.

A program makes fresh state and answers (tasks, outcome), as `exploring` wants it.
"""

from __future__ import annotations

import threading
from typing import Any

import untraced

from mapproof.impl.sync import Atomic, Plain

FILE = __file__


def both(work: Any) -> tuple[list[Any], Any]:
    """Two threads call `work(1)` and `work(2)`; the outcome is the pair of their answers."""
    answers: dict[int, Any] = {}

    def task(me: int) -> Any:
        def run() -> None:
            answers[me] = work(me)

        return run

    return [task(1), task(2)], lambda: (answers.get(1), answers.get(2))


def missing_key() -> Any:
    d: dict[str, int] = {}

    def work(me: int) -> int:
        if "k" not in d:
            d["k"] = me
        return d["k"]

    return both(work)


def get_is_none() -> Any:
    d: dict[str, int] = {}

    def work(me: int) -> int:
        if d.get("k") is None:
            d["k"] = me
        return d["k"]

    return both(work)


class Holder:
    def __init__(self, v: Any = 0) -> None:
        self.v = v

    def increment(self) -> None:
        self.v += 1


def attribute_is_none() -> Any:
    holder = Holder(None)

    def work(me: int) -> Any:
        if holder.v is None:
            holder.v = me
        return holder.v

    return both(work)


def lost_update(threads: int = 2) -> Any:
    holder = Holder()
    return [holder.increment] * threads, lambda: holder.v


def lost_update_of_three() -> Any:
    return lost_update(3)


def lost_update_of_an_item() -> Any:
    d = {"n": 0}

    def increment() -> None:
        d["n"] += 1

    return [increment, increment], lambda: d["n"]


def lost_update_elsewhere() -> Any:
    """The same, in code that is not under test."""
    holder = untraced.Holder()
    return [holder.increment, holder.increment], lambda: holder.v


def length_is_zero() -> Any:
    d: dict[int, bool] = {}

    def work(me: int) -> None:
        if len(d) == 0:
            d[me] = True

    tasks, _ = both(work)
    return tasks, lambda: tuple(sorted(d))


def opposite_locks() -> Any:
    first, second = threading.Lock(), threading.Lock()

    def forwards() -> None:
        with first, second:
            pass

    def backwards() -> None:
        with second, first:
            pass

    return [forwards, backwards], lambda: "finished"


def list_alias() -> Any:
    shared: list[int] = []

    def work(me: int) -> None:
        alias = shared
        alias += [me]
        alias += [me]

    tasks, _ = both(work)
    return tasks, lambda: tuple(shared)


_count = 0


def global_counter() -> Any:
    global _count
    _count = 0

    def increment() -> None:
        global _count
        _count += 1

    return [increment, increment], lambda: _count


def nonlocal_counter() -> Any:
    count = 0

    def increment() -> None:
        nonlocal count
        count += 1

    return [increment, increment], lambda: count


def primitives() -> Any:
    """Only primitives of `impl.sync` are shared, so their hook sees everything that matters."""
    turn, total = Atomic(0, "turn"), Plain(0, "total")

    def work(me: int) -> int:
        total.write(total.read() + me)
        return turn.swap(me)

    tasks, answers = both(work)
    return tasks, lambda: (answers(), total.peek())
