"""Loads that nobody can block, loads that somebody can, and how far a readers-writer lock lets itself be overtaken."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.small_maps import trie_by_paths
from mapproof.impl.sync import RWMutex
from mapproof.impl.sync_map import SyncMap
from mapproof.spec.accesses import Access
from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.catalogue.progress import PROMISES, promises_of
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.execution import Target, laboratory
from mapproof.stateful_tests.exploration import Explored
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.simulation import Simulation
from mapproof.stateful_tests.explorer.strategy import Doing, Strategy, plainest
from mapproof.stateful_tests.overtaking import Overtaking
from mapproof.stateful_tests.progress import Progress
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.scenarios import Call, Scenario
from mapproof.stateful_tests.targets import target_of

MANY = 1_000


def progress_of(make: Any, most: int, *programs: str, bound: int = 2, **options: Any) -> Explored:
    target = target_of(make, make.__name__)
    return Progress("it", target, scenario_of(target.adapter, *programs), 1, most, bound, **options).run()


def headline(explored: Explored) -> str:
    assert explored.counterexample is not None, explored.scope
    return explored.counterexample.account.split("\n\n")[0]


# -- what the maps promise


@pytest.mark.parametrize("name", PROMISES)
def test_a_load_ends_alone_in_so_many_steps_and_no_fewer(name: str) -> None:
    (promise,) = promises_of({name: PROMISES[name]}, bound=1)
    kept = promise.run()
    assert kept.verdict == "EXHAUSTED", headline(kept)
    steps = promise.most
    assert kept.scope.startswith(
        f"preemptions <= 1: alone within {steps} steps and without a lock from every state of all "
    )
    broken = replace(promise, most=steps - 1).run()
    assert broken.verdict == "FAILED"
    assert f"has not ended after {steps - 1} steps of its own, while the others are paused" in headline(
        broken
    )


def test_a_load_of_a_map_behind_a_lock_is_blocked_by_a_paused_writer() -> None:
    found = progress_of(RWMutexMap, MANY, "store a 1", "load a", "store b 2", locks=True)
    assert found.verdict == "FAILED"
    assert re.sub(r":\d+ ", ":N ", headline(found)) == (
        "NO PROGRESS: client 1's m.load('a') waits to acquire mu.readerSem, while the others are paused; "
        "client 1 is at rwmutex_map.py:N `with self.mu.reading():`; "
        "client 2 is at rwmutex_map.py:N `self.items[key] = value`, holding mu"
    )


def test_readers_of_it_do_not_block_each_other() -> None:
    programs = ("store a 1", "load a", "load a; load b")
    assert progress_of(RWMutexMap, 3, *programs, locks=True).verdict == "EXHAUSTED"
    found = progress_of(RWMutexMap, 3, *programs)
    assert "m.load('a') touches a lock (mu.readerCount: add), while" in headline(found)


def test_a_load_that_misses_waits_for_who_holds_mu() -> None:
    found = progress_of(SyncMap, MANY, "store a 1; load a", "load b", "store b 2", locks=True)
    assert "m.load('b') waits to lock mu, while the others are paused" in headline(found)
    assert headline(found).endswith(", holding mu")


def test_a_store_that_hits_is_obstruction_free_though_it_loops() -> None:
    """Alone, its compare-and-swap succeeds: one round, however often the other won before."""
    programs = ("store a 1; load a", "store a 2", "store a 3; store a 4")
    assert progress_of(SyncMap, 4, *programs).verdict == "EXHAUSTED"
    assert progress_of(SyncMap, 3, *programs).verdict == "FAILED"


def test_each_call_of_a_client_is_held_to_it() -> None:
    programs = ("store a 1; load a", "load a; load b", "store b 2")
    assert "m.load('b') waits to lock mu, while" in headline(progress_of(SyncMap, 3, *programs))
    programs = ("store a 1; load a", "load a; load a; load a", "store b 2")
    assert progress_of(SyncMap, 3, *programs, bound=1).verdict == "EXHAUSTED"


def test_two_others_may_be_paused() -> None:
    programs = ("store a 1; load a", "load a", "store b 2", "load b")
    assert progress_of(SyncMap, 3, *programs, bound=1).verdict == "EXHAUSTED"
    assert "client 3 " in headline(progress_of(SyncMap, 2, *programs, bound=1))


def test_the_run_that_is_stuck_is_told() -> None:
    found = progress_of(RWMutexMap, MANY, "store a 1", "load a", "store b 2", locks=True)
    assert found.counterexample is not None
    account = found.counterexample.account
    failure = found.counterexample.execution.failure
    assert failure is not None
    assert failure.kind is FailureKind.PROGRESS
    assert "  mu.readerCount: add" in account
    assert "client 1    4..     load('a') pending" in account


class Tries(SyncMap[Any, Any]):
    """A store waits in a loop for mu, tries it twice when it has it, and gives it back before it stores."""

    def store(self, key: Any, value: Any) -> None:
        while not self.mu.try_lock():
            pass
        self.mu.try_lock()
        self.mu.unlock()
        super().store(key, value)


def test_who_holds_what_is_told_of_locks_that_were_tried() -> None:
    found = progress_of(Tries, 100, "load_or_store a 1", "store a 2", "store a 3", bound=0, locks=True)
    told = headline(found)
    assert "client 1's m.store('a', 2) has not ended after 100 steps of its own" in told
    of_client_1, of_client_2 = told.split("; ")[1:]
    assert "holding" not in of_client_1
    assert of_client_2.endswith(", holding mu")
    assert "mu and mu" not in told


def test_a_limit_that_comes_first_is_no_exhaustion() -> None:
    found = progress_of(SyncMap, 3, "store a 1; load a", "load a", "store b 2", limit=20)
    assert found.verdict == "SAMPLED"
    assert found.scope == (
        "preemptions <= 2: alone within 3 steps and without a lock from the states of the first 20 schedules of one "
        "scenario"
    )


# -- against a slow search: stop at each choice of each schedule, and let only the client go on


@dataclass
class Prefix(Strategy):
    """Follows the first choices of a schedule; then only client 1 goes on, as far as it can."""

    choices: Sequence[int]
    asked: int = 0

    def begin(self) -> bool:
        return True

    @property
    def alone(self) -> bool:
        return self.asked > len(self.choices)

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        self.asked += 1
        if not self.alone:
            return self.choices[self.asked - 1]
        return 1 if 1 in enabled else plainest(current, enabled)


@dataclass
class Remembering(Strategy):
    """Remembers what another strategy chose."""

    strategy: PreemptionBound
    chosen: list[int]

    def choose(self, current: int | None, enabled: Sequence[int], doing: Doing) -> int:
        self.chosen.append(self.strategy.choose(current, enabled, doing))
        return self.chosen[-1]

    def begin(self) -> bool:
        self.chosen = []
        return self.strategy.begin()


class Tail:
    """Counts the steps of client 1 in a row, and ends the run when somebody else would go on after the prefix."""

    looked = True

    def __init__(self, simulation: Simulation, prefix: Prefix) -> None:
        self.simulation = simulation
        self.prefix = prefix
        self.steps = self.most = 0
        self.blocked = False

    def arrived(self) -> None:
        return None

    def step(self, client: int, doing: Any) -> None:
        if client == 1:
            self.steps = 0 if isinstance(doing, Call) else self.steps + 1
            self.most = max(self.most, self.steps)
            return
        self.steps = 0
        if self.prefix.alone:
            stands = self.simulation.standing(1)
            self.blocked = stands is not None and stands.waits is not None
            self.simulation.stop()

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        pass


def slowest_alone(target: Target, scenario: Scenario, bound: int) -> int | None:
    """The most steps in a row that client 1 needs when it is left alone somewhere; None if it may be blocked."""
    most = 0
    for choices in all_choices(target, scenario, bound):
        for length in range(len(choices) + 1):
            prefix, tails = Prefix(choices[:length]), list[Tail]()

            def tail(
                simulation: Simulation, _: Any, prefix: Prefix = prefix, tails: list[Tail] = tails
            ) -> Tail:
                tails.append(Tail(simulation, prefix))
                return tails[-1]

            with laboratory(target) as lab:
                lab.also_watch(FailureKind.PROGRESS, tail)
                lab.run(scenario, prefix)
            if tails[0].blocked:
                return None
            most = max(most, tails[0].most)
    return most


def all_choices(target: Target, scenario: Scenario, bound: int) -> list[list[int]]:
    found = []
    strategy = Remembering(PreemptionBound(bound), [])
    with laboratory(target) as lab:
        while strategy.begin():
            lab.run(scenario, strategy)
            found.append(strategy.chosen)
    return found


OPERATIONS = ("load a", "store a 5", "delete a", "load_or_store b 6", "load b", "load_or_store a 7")


@pytest.mark.parametrize("make", [SyncMap, RWMutexMap, trie_by_paths])
@pytest.mark.parametrize("seed", range(4))
def test_the_search_agrees_with_a_slow_one(make: Any, seed: int) -> None:
    rng = random.Random(seed)
    setup = "; ".join(["store a 1", *rng.choices(OPERATIONS, k=2)])
    programs = (setup, rng.choice(OPERATIONS), rng.choice(OPERATIONS))
    target = target_of(make, make.__name__)
    scenario = scenario_of(target.adapter, *programs)
    slow = slowest_alone(target, scenario, bound=1)

    def verdict(most: int) -> Verdict:
        return Progress("it", target, scenario, 1, most, bound=1, locks=True).run().verdict

    if slow is None:
        assert verdict(MANY) == "FAILED", programs
    else:
        assert (verdict(slow), verdict(slow - 1)) == ("EXHAUSTED", "FAILED"), programs


# -- overtaking


@pytest.mark.parametrize(
    ("numbers", "bound"), [((1, 2, 2), 1), ((1, 3, 1), 1), ((2, 1, 1), 2), ((2, 2, 1), 1)]
)
def test_nobody_is_overtaken_at_an_rwmutex_by_more_than_were_there(
    numbers: tuple[int, int, int], bound: int
) -> None:
    found = Overtaking(RWMutex, *numbers, bound=bound).run()
    assert found.verdict == "EXHAUSTED", headline(found)
    assert found.scope.startswith(f"preemptions <= {bound}: nobody is overtaken in all ")


def test_to_a_single_writer_the_promise_is_kept_by_name() -> None:
    assert Overtaking(RWMutex, 1, 2, 2, bound=2, by_name=True).run().verdict == "EXHAUSTED"


def test_a_reader_that_asks_late_may_take_the_place_of_one_that_is_being_woken() -> None:
    """Client 3 waited for writer 1 and is woken; writer 2 announces itself; client 4 asks, and is let in instead of
    client 3, which waits for writer 2 as well. As many readers get the lock as were there, but not the same."""
    found = Overtaking(RWMutex, 2, 2, 1, bound=2, by_name=True).run()
    assert headline(found) == (
        "NO PROGRESS: client 4 got the lock to read before client 2, which had announced before that it wants to write"
    )


def test_overtaking_within_a_limit_has_sampled() -> None:
    found = Overtaking(RWMutex, 1, 2, 2, bound=2, limit=50).run()
    assert (found.verdict, found.scope) == (
        "SAMPLED",
        "preemptions <= 2: nobody is overtaken in the first 50 schedules",
    )
