"""Which schedules of a scenario are run when nothing should be found: as many as are asked for, however small it is.

The idea: those within a bound of preemptions come first, as they are the plainest, but a small scenario has few; random
ones, by turns uniform and by priorities, make up the number.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice

from mapproof.stateful_tests.explorer.pct import Pct
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.explorer.strategy import Strategy


def turns(schedules: int, bound: int, seed: int) -> Iterator[Strategy]:
    """Strategies, each begun and ready for one run: so many, of which a third at most is within the bound."""
    bounded, ran = PreemptionBound(bound), 0
    while ran < schedules // 3 and bounded.begin():
        yield bounded
        ran += 1
    for strategy in islice(cycle((RandomWalk(seed), Pct(seed))), schedules - ran):
        strategy.begin()
        yield strategy
