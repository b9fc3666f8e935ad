"""What each strategy that draws is for: which schedules it makes likely, and that it is not so without its idea."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from math import comb
from typing import Any

import pytest
from exploring import explore

from mapproof.impl.sync import Atomic, Mutex
from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.event_counts import EventCounts
from mapproof.stateful_tests.explorer.pending import Pending, pending
from mapproof.stateful_tests.explorer.plan import NAMES, Auto, plan_named
from mapproof.stateful_tests.explorer.pos import Pos
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.explorer.strategy import Strategy
from mapproof.stateful_tests.explorer.surw import Surw
from mapproof.stateful_tests.explorer.urw import Urw

# -- URW: each interleaving is as likely as any other


def two_by_three() -> Any:
    word, log = Atomic(0, "word"), []

    def work(me: int) -> Callable[[], None]:
        def run() -> None:
            for _ in range(3):
                word.store(me)
                log.append(me)

        return run

    return [work(1), work(2)], lambda: tuple(log)


def unevenness(make: Callable[[int], Strategy]) -> float:
    """Chi-squared of the 70 orders of 2 x 4 steps (to begin is one) in 7,000 executions; 69 is to be expected."""
    seen = Counter(ending.schedule for ending, _ in explore(two_by_three, make(1), runs=7_000))
    assert len(seen) == comb(8, 4)
    expected = 7_000 / 70
    return sum((times - expected) ** 2 for times in seen.values()) / expected


def test_urw_makes_each_interleaving_as_likely_as_any_other() -> None:
    assert unevenness(Urw) < 120
    assert unevenness(RandomWalk) > 1_000


def test_urw_starts_a_thread_that_has_much_to_do_early() -> None:
    def long_and_short() -> Any:
        word, log = Atomic(0, "word"), []
        long = [lambda: [word.store(1) for _ in range(30)], lambda: log.append("long")]
        return [lambda: [act() for act in long], lambda: (word.store(2), log.append("short"))], lambda: log[0]

    def first(strategy: Strategy) -> Counter[str]:
        return Counter(log for _, log in islice(explore(long_and_short, strategy, runs=500), 10, None))

    assert first(Urw(1))["long"] > 3
    assert first(RandomWalk(1))["long"] == 0


def test_the_events_of_a_thread_that_is_not_there_yet_count_for_who_starts_it() -> None:
    counts = EventCounts()
    counts.begin()
    counts.present([1, 2], None)
    for thread in (1, 2, 2, 11, 11, 11):
        counts.present([1, 2, 11], 1)
        counts.happened(thread)
    counts.begin()
    counts.present([1, 2], None)
    assert [counts.left(1), counts.left(2)] == [1 + 3, 2]
    counts.present([1, 2, 11], 1)
    counts.happened(2)
    assert [counts.left(1), counts.left(2), counts.left(11)] == [1, 1, 3]


# -- SURW: the same for the accesses to one thing, whatever else the threads do


def one_race_late_in_a_thread() -> Any:
    raced, own = Atomic(0, "raced"), Atomic(0, "own")

    def late() -> None:
        for _ in range(30):
            own.store(1)
        raced.store(1)

    return [late, lambda: raced.store(2)], raced.load


def share_of_late_first(strategy: Strategy) -> float:
    outcomes = [last for _, last in explore(one_race_late_in_a_thread, strategy, runs=1_000)]
    return outcomes.count(2) / len(outcomes)


def test_surw_draws_the_order_of_a_race_that_the_others_hardly_see() -> None:
    assert 0.2 < share_of_late_first(Surw(1)) < 0.8  # it is about `own` half of the time
    assert share_of_late_first(RandomWalk(1)) < 0.01


def test_surw_lets_others_go_on_where_the_intended_thread_must_wait() -> None:
    def crossing() -> Any:
        mutex, word = Mutex("mutex"), Atomic(0, "word")

        def work(me: int) -> Callable[[], None]:
            def run() -> None:
                with mutex:
                    word.store(me)
                    word.store(me)

            return run

        return [work(1), work(2), work(3)], word.load

    outcomes = Counter(last for _, last in explore(crossing, Surw(3), runs=600))
    assert sorted(outcomes) == [1, 2, 3]
    assert min(outcomes.values()) > 100


# -- POS: what races draws anew


class Drawn:
    """In place of a random number generator: these numbers, in this order."""

    def __init__(self, *numbers: float) -> None:
        self._numbers = iter(numbers)

    def random(self) -> float:
        return next(self._numbers)


def pos_drawing(*numbers: float) -> Pos:
    strategy = Pos(0)
    strategy._random = Drawn(*numbers)  # type: ignore[assignment]
    strategy.begin()
    return strategy


def chosen(strategy: Strategy, doings: Sequence[dict[int, Any]]) -> list[int]:
    return [strategy.choose(None, sorted(doing), doing) for doing in doings]


def test_pos_draws_anew_what_races_with_the_event_that_ran_and_nothing_else() -> None:
    x, y = Atomic(0, "x"), Atomic(0, "y")
    doing = {1: (x, Access.STORE), 2: (x, Access.STORE), 3: (y, Access.STORE)}
    # 1 runs with 0.9; then 1 and 2 draw anew, 3 keeps its 0.5 and is passed by 2.
    assert chosen(pos_drawing(0.9, 0.1, 0.5, 0.2, 0.7), [doing, doing]) == [1, 2]
    reads = {1: (x, Access.LOAD), 2: (x, Access.LOAD), 3: (y, Access.STORE)}
    # Two reads do not race: only 1 draws anew.
    assert chosen(pos_drawing(0.9, 0.1, 0.5, 0.2), [reads, reads]) == [1, 3]


def test_what_a_thread_is_about_to_touch() -> None:
    word = Atomic(0, "word")
    assert pending((word, Access.LOAD)) == Pending("word", False)
    assert pending((word, Access.ADD)) == Pending("word", True)
    assert pending(None) is None
    assert pending("a call") is None


def code(holder: Any, items: Any) -> None:
    holder.field = holder.other + items[0]


def test_what_an_instruction_is_about_to_touch() -> None:
    import dis

    found = {
        instruction.opname: pending((code.__code__, instruction.offset))
        for instruction in dis.get_instructions(code)
    }
    assert found["STORE_ATTR"] == Pending(".field", True)
    assert found["LOAD_ATTR"] == Pending(".other", False)
    assert found["BINARY_SUBSCR"] == Pending("[]", True)


# -- plans


def lost_update() -> Any:
    word = Atomic(0, "word")

    def work() -> None:
        word.store(word.load() + 1)

    return [work, work], word.load


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("preemptions0", "pct2")])
def test_each_strategy_that_can_loses_an_update(name: str) -> None:
    assert {last for _, last in explore(lost_update, plan_named(name, 1), runs=100)} == {1, 2}


def test_none_without_a_preemption_loses_one() -> None:
    assert {last for _, last in explore(lost_update, plan_named("preemptions0", 1), runs=100)} == {2}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_is_the_same_schedules(name: str) -> None:
    first, again, other = (
        [ending.schedule for ending, _ in explore(two_by_three, plan_named(name, seed), runs=50)]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert (first != other) == (name == "auto" or name.startswith(("pct", "random", "pos", "urw", "surw")))


def test_auto_runs_few_preemptions_to_their_end_and_says_so() -> None:
    plan = Auto(1)
    said = [plan.exhausted for _ in islice(plan, 120)]
    assert list(dict.fromkeys(said)) == ["", *(f"preemptions <= {bound}" for bound in (0, 1, 2))]


def test_auto_gives_up_a_search_that_is_too_long_and_does_not_claim_it() -> None:
    plan = Auto(1, most=3)
    assert len(explore(two_by_three, plan, runs=100)) == 100
    assert plan.exhausted == "preemptions <= 0"
