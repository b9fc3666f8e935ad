"""The completeness corpus: small racy programs, and every outcome that each of them can have.

A program makes fresh state and answers the tasks that race on it, and a function that reads the outcome when they are
done. `corpus_python` holds plain Python as a stranger writes it, whose instructions are switch points;
`corpus_primitives` what is made of locks and of `impl.sync`, where only those are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

Task = Callable[[], Any]
Made = tuple[Sequence[Task], Callable[[], Any]]

DEADLOCK = "deadlock"


@dataclass(frozen=True, slots=True)
class Program:
    """`files` are those whose instructions are switch points. `outcomes` are given where brute force would take too
    long, derived by hand."""

    make: Callable[[], Made]
    files: frozenset[str] = frozenset()
    outcomes: frozenset[Any] | None = None

    @property
    def name(self) -> str:
        return self.make.__name__


class Corpus:
    """Programs, by the decorator that adds them."""

    def __init__(self, *files: str) -> None:
        self.programs: list[Program] = []
        self._files = frozenset(files)

    def __call__(self, make: Callable[[], Made]) -> Callable[[], Made]:
        self.programs.append(Program(make, self._files))
        return make

    def too_large(self, *outcomes: Any) -> Callable[[Callable[[], Made]], Callable[[], Made]]:
        """One that brute force does not get through."""

        def add(make: Callable[[], Made]) -> Callable[[], Made]:
            self.programs.append(Program(make, self._files, frozenset(outcomes)))
            return make

        return add


def each(*works: Callable[[], Any]) -> Made:
    """Each thread calls one of them; the outcome is what they answer, or the exceptions that they raise."""
    given: dict[int, Any] = {}

    def ask(number: int) -> None:
        try:
            given[number] = works[number]()
        except (KeyError, IndexError, RuntimeError) as raised:
            given[number] = type(raised).__name__

    tasks = [partial(ask, number) for number in range(len(works))]
    return tasks, lambda: tuple(given.get(number) for number in range(len(works)))


def answers(work: Callable[..., Any], *shared: Any, threads: int = 2) -> Made:
    """Each thread calls `work(*shared, number)`; the outcome is what they answer."""
    return each(*[partial(work, *shared, number) for number in range(1, threads + 1)])


def state(read: Callable[[], Any], *works: Callable[..., Any], shared: Sequence[Any] = ()) -> Made:
    """Each thread calls one of the works with what is shared and its number; the outcome is what `read` reads."""
    return [partial(work, *shared, number) for number, work in enumerate(works, 1)], read
