"""What to run, execution by execution: a strategy of one's choice, by its name, or `auto`.

The idea: an exploration only needs to know which strategy decides the next execution, and, when there is none left,
what has been exhausted. A search that can end says so; chance never does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Final

from mapproof.stateful_tests.explorer.dpor import Dpor
from mapproof.stateful_tests.explorer.pct import Pct
from mapproof.stateful_tests.explorer.pos import Pos
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.explorer.strategy import Strategy
from mapproof.stateful_tests.explorer.surw import Surw
from mapproof.stateful_tests.explorer.urw import Urw

ALL: Final = "all"
"""What is exhausted when one schedule of every kind was run: two of a kind differ in the order of steps that commute."""


class Plan(ABC):
    """Iterated over, it answers the strategy of each execution, ready to be asked.

    `goal` is what it will exhaust if it ends, and `exhausted` what it has so far: every schedule with
    `preemptions <= 2`, say, or ALL; "" for nothing.
    """

    goal: str = ""
    exhausted: str = ""

    @abstractmethod
    def __iter__(self) -> Iterator[Strategy]: ...


class Search(Plan):
    """One strategy until it has no execution left; that exhausts its `goal`."""

    def __init__(self, strategy: Strategy, goal: str) -> None:
        self._strategy = strategy
        self.goal = goal

    def __iter__(self) -> Iterator[Strategy]:
        while self._strategy.begin():
            yield self._strategy
        self.exhausted = self.goal


class Turns(Plan):
    """Endless strategies, one execution each in turn."""

    def __init__(self, *strategies: Strategy) -> None:
        self._strategies = strategies

    def __iter__(self) -> Iterator[Strategy]:
        for strategy in cycle(self._strategies):
            strategy.begin()
            yield strategy


def bounded(bound: int) -> Search:
    """Every schedule with at most so many preemptions."""
    return Search(PreemptionBound(bound), f"preemptions <= {bound}")


def reduced(files: frozenset[str] = frozenset()) -> Search:
    """One schedule of every kind, as far as can be told; `files` are those whose instructions are traced."""
    return Search(Dpor(files), ALL)


MOST_PREEMPTIONS = 2
MOST_EXECUTIONS = 20_000
SEARCH_EVERY = 3


class Auto(Plan):
    """Every schedule with 0, 1 and 2 preemptions, then one of every kind; and of each three executions two by chance.

    The few schedules with few preemptions hold most bugs, and give the simplest counterexamples. But a bug may come
    late in any fixed order, so strategies that draw take turns beside it, the better ones more often (measured by
    `benchmarks/explorer.py`). A search that takes more than `most` executions is given up, and not claimed.
    """

    def __init__(self, seed: int, files: frozenset[str] = frozenset(), most: int = MOST_EXECUTIONS) -> None:
        self._most = most
        self._searches = [*map(bounded, range(MOST_PREEMPTIONS + 1)), reduced(files)]
        self._drawing = Turns(*_drawing(seed))

    def __iter__(self) -> Iterator[Strategy]:
        drawn = iter(self._drawing)
        for strategy in self._searching():
            yield strategy
            if self.exhausted != ALL:
                for _ in range(SEARCH_EVERY - 1):
                    yield next(drawn)
        if self.exhausted != ALL:
            yield from drawn

    def _searching(self) -> Iterator[Strategy]:
        for search in self._searches:
            for spent, strategy in enumerate(search):
                if spent == self._most:
                    break
                yield strategy
            self.exhausted = search.exhausted or self.exhausted


def _drawing(seed: int) -> Iterator[Strategy]:
    """Those that learn are there more than once: each learns from executions of its own."""
    for n in range(3):
        yield from (Pct(seed + n, 3), Urw(seed + 2 * n), Pos(seed + n), Urw(seed + 2 * n + 1))
    yield from (Pct(seed + 3, 4), Surw(seed), RandomWalk(seed))


_BY_NAME: dict[str, Callable[[int, frozenset[str]], Plan]] = {
    "auto": Auto,
    "random": lambda seed, files: Turns(RandomWalk(seed)),
    "pct2": lambda seed, files: Turns(Pct(seed, 2)),
    "pct3": lambda seed, files: Turns(Pct(seed, 3)),
    "pct4": lambda seed, files: Turns(Pct(seed, 4)),
    "pos": lambda seed, files: Turns(Pos(seed)),
    "urw": lambda seed, files: Turns(Urw(seed)),
    "surw": lambda seed, files: Turns(Surw(seed)),
    "preemptions0": lambda seed, files: bounded(0),
    "preemptions1": lambda seed, files: bounded(1),
    "preemptions2": lambda seed, files: bounded(2),
    "preemptions3": lambda seed, files: bounded(3),
    "dpor": lambda seed, files: reduced(files),
}

NAMES: Final = tuple(_BY_NAME)


def plan_named(name: str, seed: int = 0, files: frozenset[str] = frozenset()) -> Plan:
    """The plan of one of NAMES. Raises KeyError for another name."""
    return _BY_NAME[name](seed, files)
