"""The race detector on real runs of the simulation: what it is told, what it finds, and that it cries no wolf."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from types import ModuleType
from typing import Any

import pytest
from racing_programs import RACE_FREE, RACY, Program, Task, by_a_reader, reader_and_writer, unguarded

from mapproof.impl.plain_map import PlainMap
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync import (
    Atomic,
    AtomicInt,
    Mutex,
    Plain,
    PlainDict,
    RWMutex,
    Semaphore,
    watched_by,
)
from mapproof.impl.sync_map import SyncMap
from mapproof.impl.trie_map import TrieMap
from mapproof.spec.accesses import Access
from mapproof.spec.evidence import Verdict
from mapproof.spec.happens_before import Race
from mapproof.stateful_tests import races
from mapproof.stateful_tests.catalogue import sync_maps
from mapproof.stateful_tests.catalogue.words import Scenarios
from mapproof.stateful_tests.execution import Checks
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.simulation import Simulation
from mapproof.stateful_tests.explorer.strategy import Strategy
from mapproof.stateful_tests.races import RaceDetector
from mapproof.stateful_tests.recording import FailureKind


def found(program: Program, detectors: Any = races) -> list[list[Race]]:
    """The races of every schedule with at most two preemptions, by the detector of this module."""
    strategy = PreemptionBound(2)
    return [run(program, strategy, detectors.RaceDetector()) for _ in runs(strategy)]


def runs(strategy: Strategy) -> Iterator[None]:
    while strategy.begin():
        yield


def run(program: Program, strategy: Strategy, detector: Any) -> list[Race]:
    simulation = Simulation()
    simulation.watcher, simulation.listener = detector.step, detector.effect
    with watched_by(simulation):
        tasks = dict(enumerate(program(), 1))
        for thread in tasks:
            detector.start(0, thread)
        simulation.run(tasks, strategy)  # type: ignore[arg-type]
    return list(detector.races)


# -- programs, and whether they race


def name_of(program: Program) -> str:
    return program.__name__


@pytest.mark.parametrize("program", RACE_FREE, ids=name_of)
def test_no_schedule_races(program: Program) -> None:
    assert not any(found(program))


@pytest.mark.parametrize("program", RACY, ids=name_of)
def test_every_schedule_races(program: Program) -> None:
    """Even those in which no harm is done."""
    assert all(found(program))


MUTANTS = {
    "the inside of an RWMutex orders": ('target, "synchronizes", True)', 'target, "none", True)'),
    "a compare-and-swap always takes effect": ("happened)", "True)"),
    "a try is taken for a lock when it begins": (
        "_KNOWN_LATER = (Access.COMPARE_AND_SWAP, Access.TRY_LOCK)",
        "_KNOWN_LATER = (Access.COMPARE_AND_SWAP,)",
    ),
    "locks are not heard": ("elif _synchronizes(target):", "elif False:"),
    "what is told after an access is not heard": (
        "        if _synchronizes(target):\n            self",
        "        if False:\n            self",
    ),
    "an atomic or is not heard": ("(Access.READ, Access.WRITE, Access.OR)", "(Access.READ, Access.WRITE)"),
    "reads are not heard": ("(Access.READ, Access.WRITE, Access.OR)", "(Access.WRITE, Access.OR)"),
}


def changed(before: str, after: str) -> ModuleType:
    """The detector from its own source with one place changed."""
    source = inspect.getsource(races)
    assert source.count(before) == 1, f"found {source.count(before)} times, not once: {before!r}"
    module = ModuleType("mapproof.stateful_tests.races__changed")
    sys.modules[module.__name__] = module
    exec(compile(source.replace(before, after), "changed.py", "exec"), module.__dict__)  # noqa: S102 - ours
    return module


@pytest.mark.parametrize("name", MUTANTS)
def test_each_slip_of_the_detector_is_caught(name: str) -> None:
    module = changed(*MUTANTS[name])
    assert any(alarmed(program, module) for program in RACE_FREE) or any(
        not all(found(program, module)) for program in RACY
    )


def alarmed(program: Program, module: Any) -> bool:
    """Whether there are races, or the slip stumbles over something."""
    try:
        return any(found(program, module))
    except KeyError:
        return True


def test_the_unchanged_source_is_not() -> None:
    module = changed("class RaceDetector:", "class RaceDetector:")
    assert not any(alarmed(program, module) for program in RACE_FREE)
    assert all(all(found(program, module)) for program in RACY)


# -- what it is told


def everything_at_once(told: list[tuple[int, str, Access]]) -> Sequence[Task]:
    """Two threads that use each primitive, and write down what they have done, straight after it."""
    mu, semaphore, word, value = Mutex("mu"), Semaphore(1, "s"), AtomicInt(0, "word"), Plain(0, "value")

    doings: list[tuple[Access, Any, Task]] = [
        (Access.LOCK, mu, mu.lock),
        (Access.WRITE, value, lambda: value.write(value.peek() + 1)),
        (Access.UNLOCK, mu, mu.unlock),
        (Access.ACQUIRE, semaphore, semaphore.acquire),
        (Access.ADD, word, lambda: word.add(1)),
        (Access.RELEASE, semaphore, semaphore.release),
        (Access.COMPARE_AND_SWAP, word, lambda: word.compare_and_swap(1, 5)),
        (Access.READ, value, value.read),
    ]

    def work(me: int) -> None:
        for access, target, do in doings:
            do()
            told.append((me, target.name, access))

    return [lambda: work(1), lambda: work(2)]


class Listening:
    """Writes down the steps that it is told, and what took effect."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, str, Access]] = []
        self.effects: list[tuple[int, Access]] = []
        self.races: list[Race] = []

    def start(self, parent: int, child: int) -> None:
        pass

    def step(self, thread: int, doing: Any) -> None:
        self.steps.append((thread, doing[0].name, doing[1]))

    def effect(self, thread: int, target: Any, access: Access, happened: bool) -> None:
        if isinstance(target, RWMutex):
            self.effects.append((thread, access))


def test_steps_are_told_in_the_order_in_which_they_happen() -> None:
    """Waiting for a lock included, and when one thread is left."""
    strategy = PreemptionBound(2)
    orders = set()
    for _ in runs(strategy):
        did, listening = list[tuple[int, str, Access]](), Listening()
        run(lambda did=did: everything_at_once(did), strategy, listening)  # type: ignore[misc]
        assert listening.steps == did
        assert len(did) == 16
        orders.add(tuple(did))
    assert len(orders) > 50


def test_an_rwmutex_is_told_as_one_lock() -> None:
    strategy, orders = PreemptionBound(2), set()
    for _ in runs(strategy):
        listening = Listening()
        run(reader_and_writer, strategy, listening)
        readers: set[int] = set()
        writer = None
        for thread, access in listening.effects:
            match access:
                case Access.LOCK:
                    assert not readers
                    assert writer is None
                    writer = thread
                case Access.UNLOCK:
                    writer = None
                case Access.R_LOCK:
                    assert writer is None
                    readers.add(thread)
                case Access.R_UNLOCK:
                    readers.remove(thread)
        assert len(listening.effects) == 6
        orders.add(tuple(listening.effects))
    pairs = {(first, second) for order in orders for (_, first), (_, second) in pairwise(order)}
    assert (Access.R_LOCK, Access.R_LOCK) in pairs


# -- what is told of a race


def test_a_race_names_its_lines() -> None:
    told = {str(race) for race in chain(*found(unguarded))}
    line = inspect.getsourcelines(unguarded)[1] + 2
    place = f"racing_programs.py:{line} `return [lambda: total.write(total.read() + 1)] * 2`, holding no lock"
    assert told == {
        f"client {one} {does} total at {place}, and client {other} {then} it at {place}; nothing orders the two. "
        "They would be ordered if one lock were held around each."
        for one, other in ((1, 2), (2, 1))
        for does, then in (("reads", "writes"), ("writes", "reads"), ("writes", "writes"))
    }


def test_a_race_under_a_read_lock_says_so() -> None:
    for race in chain(*found(by_a_reader)):
        assert race.first.read_held == race.second.read_held == ("mu",)
        assert (
            race.remedy
            == "Both hold mu only for reading, which orders no readers: whoever writes must lock it."
        )


def test_memory_that_is_no_primitive_is_passed_over() -> None:
    detector = RaceDetector()
    for doing in (None, "a call", (unguarded.__code__, 4)):
        detector.step(1, doing)
    assert detector.races == []


# -- maps


def watched(factory: type, scenarios: Scenarios, bound: int = 1) -> Iterator[Exhaustion]:
    for one in sync_maps.explorations_of(factory, scenarios, bound):
        yield Exhaustion(one.name, one.target, one.scenario, bound, checks=Checks(races=True))


@pytest.mark.parametrize(
    ("factory", "scenarios"),
    [
        (SyncMap, sync_maps.SYNC_MAP),
        (TrieMap, sync_maps.SYNC_MAP),
        (RWMutexMap, sync_maps.RWMUTEX_MAP),
    ],
)
def test_the_maps_have_no_race(factory: type, scenarios: Scenarios) -> None:
    for exhaustion in watched(factory, scenarios):
        explored = exhaustion.run()
        assert explored.verdict is Verdict.EXHAUSTED, explored.counterexample
        assert explored.scope.endswith("each step watched for a data race")


def test_the_built_in_map_has() -> None:
    """Two loads have none; a store beside anything has, whether or not the map notices."""
    racy = {
        "a load meets a store": ("store a 1", ("load a", "store a 2")),
        "two stores": ("", ("store a 1", "store b 2")),
    }
    for exhaustion in watched(PlainMap, racy):
        counterexample = exhaustion.run().counterexample
        assert counterexample is not None
        failure = counterexample.execution.failure
        assert failure is not None
        assert failure.kind is FailureKind.RACE
    (two_loads,) = watched(PlainMap, {"two loads": ("store a 1", ("load a", "load a; range"))})
    assert two_loads.run().verdict is Verdict.EXHAUSTED


# -- what it costs


def test_a_step_costs_little() -> None:
    """Microseconds a step, for a detector in the middle of a run; the limit leaves room for a slow machine."""
    detector = RaceDetector()
    mu, items, word = Mutex("mu"), PlainDict[str, int]("items"), Atomic(0, "word")
    steps = [
        (mu, Access.LOCK),
        (items, Access.READ),
        (items, Access.WRITE),
        (word, Access.LOAD),
        (mu, Access.UNLOCK),
    ]
    started = time.process_time()
    for turn in range(4_000):
        for doing in steps:
            detector.step(turn % 3, doing)
    microseconds = (time.process_time() - started) / (4_000 * len(steps)) * 1e6
    assert detector.races == []
    assert microseconds < 25
