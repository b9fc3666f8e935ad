"""The strategies: the bounded search against brute force, the random ones against their seeds, replay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import little_programs as programs
import pytest
from exploring import UNBOUNDED, Scripted, explore, once

from mapproof.impl.sync import Atomic, Mutex
from mapproof.stateful_tests.explorer.pct import Pct
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.strategy import Doing, NondeterministicTarget, Schedule, Strategy

pytestmark = pytest.mark.interpreter

FILES = [programs.FILE]


def two_by_two() -> Any:
    cell = Atomic(0)

    def task() -> None:
        cell.store(1)
        cell.load()

    return [task, task], cell.peek


def three_by_one() -> Any:
    cell = Atomic(0)
    return [cell.load] * 3, cell.peek


def under_a_mutex() -> Any:
    """A thread that waits is not enabled, so some decisions have fewer options."""
    mutex, cell = Mutex(), Atomic(0)

    def task() -> None:
        with mutex:
            cell.store(cell.load() + 1)

    return [task, task, task], cell.peek


def opposite_mutexes() -> Any:
    first, second = Mutex(), Mutex()

    def task(one: Mutex, other: Mutex) -> Any:
        def run() -> None:
            with one, other:
                pass

        return run

    return [task(first, second), task(second, first)], lambda: None


TINY = [two_by_two, three_by_one, under_a_mutex, opposite_mutexes]


def every_schedule(program: Any) -> Iterator[Scripted]:
    """By brute force: take every script, and put every other answer in place of each unscripted one."""
    scripts: list[list[int]] = [[]]
    while scripts:
        script = scripts.pop()
        strategy = Scripted(script)
        once(program, strategy)
        yield strategy
        answers = [chosen for _, _, chosen in strategy.asked]
        for place in range(len(script), len(answers)):
            for other in strategy.asked[place][1]:
                if other != answers[place]:
                    scripts.append([*answers[:place], other])


def schedules(program: Any, strategy: Strategy, runs: int = 100_000) -> list[str]:
    return [str(ending.schedule) for ending, _ in explore(program, strategy, runs=runs)]


@pytest.mark.parametrize("program", TINY)
@pytest.mark.parametrize("bound", [0, 1, 2, UNBOUNDED])
def test_the_bounded_search_runs_exactly_what_brute_force_finds(program: Any, bound: int) -> None:
    forced = list(every_schedule(program))
    expected = [strategy.asked for strategy in forced if strategy.preemptions() <= bound]
    recorder = Recorder(PreemptionBound(bound))
    explore(program, recorder)
    found = recorder.executions
    assert len(found) == len(expected)
    assert sorted(map(str, found)) == sorted(map(str, expected))


class Recorder(Strategy):
    """Remembers the questions that a strategy was asked in each execution, and its answers."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self.executions: list[list[tuple[int | None, tuple[int, ...], int]]] = []

    def begin(self) -> bool:
        begun = self._strategy.begin()
        if begun:
            self.executions.append([])
        return begun

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        chosen = self._strategy.choose(current, enabled, doing)
        self.executions[-1].append((current, tuple(enabled), chosen))
        return chosen


def test_brute_force_counts_as_combinatorics_does() -> None:
    # Each of the two tasks stops twice, so its three stretches interleave in binomial(6, 3) ways, less those
    # that differ only in a decision that is not asked: when a thread has ended, the other is alone.
    assert (
        len({str(s.asked) for s in every_schedule(two_by_two)}) == len(list(every_schedule(two_by_two))) == 20
    )
    assert len(list(every_schedule(three_by_one))) == 90  # 6! / (2! 2! 2!)


def test_the_simplest_schedule_comes_first() -> None:
    assert schedules(two_by_two, PreemptionBound(2))[0] == "-"


def test_a_bounded_search_ends_and_stays_ended() -> None:
    search = PreemptionBound(0)
    assert len(schedules(two_by_two, search)) == 2
    assert not search.begin()


def test_a_target_that_changes_between_runs_is_noticed() -> None:
    runs = 0

    def program() -> Any:
        nonlocal runs
        runs += 1
        return two_by_two() if runs < 3 else three_by_one()

    with pytest.raises(NondeterministicTarget, match=r"decision 0: \(1, 2\) could run, now \(1, 2, 3\)"):
        explore(program, PreemptionBound(1))


@pytest.mark.parametrize("make", [RandomWalk, Pct])
def test_random_strategies_are_reproducible_by_seed(make: Any) -> None:
    first, again, other = (schedules(under_a_mutex, make(seed), runs=50) for seed in (7, 7, 8))
    assert first == again
    assert first != other
    assert len(set(first)) > 5


@pytest.mark.parametrize("make", [RandomWalk, Pct])
def test_random_strategies_reach_every_schedule_of_a_tiny_program(make: Any) -> None:
    everything = set(schedules(two_by_two, PreemptionBound(2 if make is Pct else UNBOUNDED)))
    assert set(schedules(two_by_two, make(1), runs=2_000)) >= everything


def test_pct_of_depth_one_never_preempts() -> None:
    assert set(schedules(two_by_two, Pct(1, depth=1), runs=50)) == {"-", "0:2"}


@pytest.mark.parametrize("program", TINY)
def test_a_replay_is_exact(program: Any) -> None:
    for ending, outcome in explore(program, PreemptionBound(UNBOUNDED)):
        strategy = Replay(Schedule.parse(str(ending.schedule)))
        assert once(program, strategy) == (ending, outcome)
        assert not strategy.diverged


def test_a_replay_is_exact_between_instructions_too() -> None:
    for ending, outcome in explore(programs.missing_key, PreemptionBound(2), files=FILES):
        strategy = Replay(ending.schedule)
        assert once(programs.missing_key, strategy, files=FILES) == (ending, outcome)
        assert not strategy.diverged


@pytest.mark.parametrize("text", ["99:2", "0:7", "1:2 99:1"])
def test_a_schedule_that_cannot_be_followed_is_noticed(text: str) -> None:
    strategy = Replay(Schedule.parse(text))
    once(two_by_two, strategy)
    assert strategy.diverged


def test_a_replay_runs_once() -> None:
    strategy = Replay(Schedule())
    assert [strategy.begin(), strategy.begin()] == [True, False]


@pytest.mark.parametrize(
    ("text", "switches"), [("-", ()), ("12:2", ((12, 2),)), ("0:2 16:1", ((0, 2), (16, 1)))]
)
def test_schedules_are_written_and_read(text: str, switches: tuple[tuple[int, int], ...]) -> None:
    assert str(Schedule(switches)) == text
    assert Schedule.parse(text) == Schedule(switches)


@pytest.mark.parametrize("text", ["1", "1:2:3", "a:1", "1:b", "-1:2", "1:2,3:4", "- -", "1 : 2"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a schedule reads like '12:2 16:1', not "):
        Schedule.parse(text)
