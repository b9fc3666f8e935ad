"""Plain Python that reaches attributes by other means than their names, so that each step may touch any of them."""

from __future__ import annotations

from typing import Any

from corpus import Corpus, Made, answers, state
from corpus_python import Holder

program = Corpus(__file__)


def make_if_it_has_none(holder: Holder, me: int) -> None:
    if not hasattr(holder, "made"):
        holder.made = me  # type: ignore[attr-defined]


@program
def has_no_attribute() -> Made:
    holder = Holder()
    return state(
        lambda: holder.made,  # type: ignore[attr-defined]
        make_if_it_has_none,
        make_if_it_has_none,
        shared=[holder],
    )


def store_then_load(holder: Holder, mine: str, other: str) -> Any:
    setattr(holder, mine, 1)
    return getattr(holder, other)


@program.too_large((0, 1), (1, 0), (1, 1))
def store_buffering_by_setattr() -> Made:
    holder = Holder(0, 0)
    names = {1: ("v", "w"), 2: ("w", "v")}

    def work(me: int) -> Any:
        return store_then_load(holder, *names[me])

    return answers(work)
