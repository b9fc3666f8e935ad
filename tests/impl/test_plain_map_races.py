"""Go's built-in map in several threads: what its flag notices and what it does not, every schedule within a bound.

The idea: without a lock the explorer finds both kinds of schedule, and the shortest of each are written down here.
Under an RWMutex, and for readers alone, no schedule goes wrong; a guard or a flag with one slip does.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import ModuleType
from typing import Any, ClassVar

import pytest

from mapproof.impl import plain_map
from mapproof.impl.plain_map import PlainMap
from mapproof.impl.sync import RWMutex
from mapproof.spec.accesses import Access
from mapproof.spec.claims import Claims, Contract
from mapproof.spec.evidence import Verdict
from mapproof.spec.linearizability import Linearizable, check
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.catalogue import scenario_of
from mapproof.stateful_tests.conformance import MapIsWrong, check_map
from mapproof.stateful_tests.execution import Execution, FailureKind, Target, laboratory
from mapproof.stateful_tests.exhaustion import Exhaustion, Explored
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.real_threads import record
from mapproof.stateful_tests.scenarios import Call, Scenario

Map = PlainMap[Any, Any]


def spread(key: Any, seed: int) -> int:
    """Keys "a", "b", ... each in the next bucket, in every process."""
    return ord(key) * 0x0100_0000_0000_0001


EIGHT = "; ".join(f"store {key} 0" for key in "abcdefgh")


def target(factory: Callable[[], Any]) -> Target:
    """A target whose threads switch at the hook of `impl.sync` only, wherever its class is written."""
    made = factory()
    return Target("map", factory, adapter_for(made), (), type(made).claims)


# -- without a lock


@dataclass(frozen=True)
class Run:
    """One schedule: every access, by whom, and how it ended."""

    steps: tuple[tuple[int, str, Access], ...]
    execution: Execution

    @property
    def noticed(self) -> bool:
        """Whether a thread died of a fatal error."""
        failure = self.execution.failure
        return (
            failure is not None and failure.kind is FailureKind.EXCEPTION and "fatal error" in failure.summary
        )

    @property
    def overlaps(self) -> bool:
        """Whether each client wrote to the table between two such writes of the other, or around all of them."""
        table = ("key", "tophash", "count", "buckets")
        places: dict[int, list[int]] = {1: [], 2: []}
        for place, (client, name, access) in enumerate(self.steps):
            if access is Access.WRITE and name.startswith(table):
                places[client].append(place)
        one, two = places[1], places[2]
        return bool(one and two and one[0] < two[-1] and two[0] < one[-1])

    def told(self) -> list[str]:
        """The accesses of the flags and the writes, a line for each stretch of one client."""
        kept = [step for step in self.steps if step[1] == "flags" or step[2] is not Access.READ]
        return [
            f"{client}: " + ", ".join(f"{access} {name}" for _, name, access in stretch)
            for client, stretch in groupby(kept, key=lambda step: step[0])
        ]


def runs(map_class: Callable[..., Map], bound: int, setup: str, *threads: str) -> list[Run]:
    """Every schedule within the bound, of maps that have one bucket for all keys."""
    subject = target(lambda: map_class(hash_function=lambda key, seed: 0))
    scenario = scenario_of(subject.adapter, setup, *threads)
    strategy, steps, found = PreemptionBound(bound), list[tuple[int, str, Access]](), list[Run]()

    def step(client: int, doing: Any) -> None:
        if client and doing is not None and not isinstance(doing, Call):
            steps.append((client, doing[0].name, doing[1]))

    with laboratory(subject) as lab:
        lab.watch(step, None)
        while strategy.begin():
            steps.clear()
            execution = lab.run(scenario, strategy)
            found.append(Run(tuple(steps), execution))
    return found


def shortest(found: Sequence[Run]) -> list[str]:
    """The schedule with the fewest steps, as it is told."""
    return min(found, key=lambda run: len(run.steps)).told() if found else []


TWO_STORES = ("store c 0", "store a 1", "store b 2")


def what_the_flag_does(map_class: Callable[..., Map]) -> dict[str, Any]:
    """What every schedule with at most two preemptions shows; the two shortest schedules, in full."""
    overlapping = [run for run in runs(map_class, 2, *TWO_STORES) if run.overlaps]
    reading = runs(map_class, 1, "store c 0", "load a", "store a 1")
    iterating = runs(map_class, 1, "store c 0; store d 0", "range", "store a 1")
    return {
        "two stores overlap at one preemption": any(run.overlaps for run in runs(map_class, 1, *TWO_STORES)),
        "at two, unnoticed": sum(not run.noticed for run in overlapping),
        "the shortest noticed": shortest(overlapping),
        "a load": Counter(map(outcome, reading)),
        "the shortest load of a key that has no value yet": shortest(
            [run for run in reading if outcome(run) == "not linearizable"]
        ),
        "an iteration": Counter(map(outcome, iterating)),
    }


def outcome(run: Run) -> str:
    failure = run.execution.failure
    if failure is None:
        return "right"
    return failure.summary.partition("fatal error: ")[2].partition(" at ")[0] or failure.kind.value


TABLE_WRITES = "write key[1], write tophash[1], write count"

AS_GO = {
    "two stores overlap at one preemption": False,
    "at two, unnoticed": 0,
    "the shortest noticed": [
        "1: read flags",
        "2: read flags, read flags, write flags, write key[1]",
        "1: read flags, write flags, write key[1], write tophash[1], write count, read flags",
        "2: write tophash[1], write count, read flags",
    ],
    "a load": {"concurrent map read and map write": 18, "right": 17, "not linearizable": 1},
    "the shortest load of a key that has no value yet": [
        "2: read flags, read flags, write flags, " + TABLE_WRITES + ", read flags, read flags, write flags",
        "1: read flags",
        "2: write elem[1]",
    ],
    "an iteration": {"concurrent map iteration and map write": 20, "right": 32, "not linearizable": 1},
}
"""The shortest noticed: the second toggle clears the flag, and both writers die of it."""


def test_what_the_flag_notices() -> None:
    assert what_the_flag_does(PlainMap) == AS_GO


def test_the_shortest_overlap_that_nothing_notices() -> None:
    """Both see the flag clear, both set it, both mutate, both see it set, both clear it; a key is lost."""
    overlapping = [run for run in runs(PlainMap, 3, *TWO_STORES) if run.overlaps]
    unnoticed = [run for run in overlapping if not run.noticed]
    assert (len(unnoticed), len(overlapping)) == (12, 414)
    assert shortest(unnoticed) == [
        "1: read flags, read flags",
        "2: read flags, read flags, write flags, write key[1]",
        "1: write flags, write key[1], write tophash[1], write count, read flags, read flags",
        "2: write tophash[1], write count, read flags, read flags, write flags, write elem[1]",
        "1: write flags, write elem[1]",
    ]
    assert Counter(map(outcome, unnoticed)) == {"broken invariant": 8, "right": 4}


def test_what_a_load_may_meet_in_a_growth_that_nothing_guards() -> None:
    """A key that is there is missing or has no value, and the number of a bucket is outside the array."""
    subject = target(lambda: PlainMap(hash_function=spread))
    scenario = scenario_of(subject.adapter, EIGHT, "load a", "store i 1")
    met, strategy = Counter[str](), PreemptionBound(2)
    with laboratory(subject) as lab:
        while strategy.begin():
            failure = lab.run(scenario, strategy).failure
            met[failure.summary if failure else "right"] += 1
    for words in [
        "FatalError: fatal error: concurrent map read and map write",
        "client 1 found key 'a' missing",
        "client 1 read None from key 'a'",
        "IndexError: tuple index out of range",
        "right",
    ]:
        assert any(words in summary for summary in met), words


def test_the_campaign_finds_the_map_wrong() -> None:
    with pytest.raises(MapIsWrong):
        check_map(PlainMap, budget=20)


SLIPS = {
    "a writer that does not look for another": (
        """\
        self._check_not_writing(CONCURRENT_WRITES)
        hash_ = self._hasher(key)
        with self._hash_writing():
            if not""",
        """\
        hash_ = self._hasher(key)
        with self._hash_writing():
            if not""",
    ),
    "a writer that does not look again at the end": (
        "if not self.flags.read() & HASH_WRITING:",
        "if False:",
    ),
    "a flag that is set, not toggled": (
        "self.flags.read() ^ HASH_WRITING",
        "self.flags.read() | HASH_WRITING",
    ),
    "a flag that is set before the check": (
        "self.flags.write(self.flags.read() ^ HASH_WRITING)",
        "self.flags.write(HASH_WRITING)",
    ),
    "a load that does not look for a writer": ("self._check_not_writing(CONCURRENT_READ)", "pass"),
    "an iteration that looks for a writer at its start only": (
        """\
                        yield slot.key.read(), slot.elem.read()
                        self._check_not_writing(CONCURRENT_ITERATION)""",
        """\
                        yield slot.key.read(), slot.elem.read()""",
    ),
}


def mutant(old: str, new: str) -> Callable[..., Map]:
    """PlainMap from its own source with one place changed."""
    source = inspect.getsource(plain_map)
    assert source.count(old) == 1, "the text to break was not found exactly once"
    module = ModuleType("mapproof.impl._mutant")
    exec(compile(source.replace(old, new), "_mutant.py", "exec"), module.__dict__)  # noqa: S102 - our source
    made: Callable[..., Map] = module.PlainMap
    return made


@pytest.mark.parametrize("name", SLIPS)
def test_each_slip_of_the_flag_shows(name: str) -> None:
    assert what_the_flag_does(mutant(*SLIPS[name])) != AS_GO


# -- as it is meant to be used


class Locked:
    """The map under Go's RWMutex, its hash the same in every process."""

    claims: ClassVar[Claims] = Claims(range=Contract.ATOMIC, len=Contract.ATOMIC, clear=Contract.ATOMIC)

    def __init__(self) -> None:
        self.mu = RWMutex("mu")
        self.map: Map = PlainMap(hash_function=spread)

    def load(self, key: Any) -> Any:
        with self.mu.reading():
            return self.map.load(key)

    def store(self, key: Any, value: Any) -> None:
        with self.mu.writing():
            self.map.store(key, value)

    def delete(self, key: Any) -> None:
        with self.mu.writing():
            self.map.delete(key)

    def range(self) -> list[tuple[Any, Any]]:
        with self.mu.reading():
            return self.map.range()

    def clear(self) -> None:
        with self.mu.writing():
            self.map.clear()

    def len(self) -> int:
        with self.mu.reading():
            return self.map.len()

    def check_invariants(self) -> None:
        assert self.mu.at_rest()
        self.map.check_invariants()


class StoresUnderTheReadLock(Locked):
    def store(self, key: Any, value: Any) -> None:
        with self.mu.reading():
            self.map.store(key, value)


class RangesWithoutTheLock(Locked):
    def range(self) -> list[tuple[Any, Any]]:
        return self.map.range()


class ClearsUnderTheReadLock(Locked):
    def clear(self) -> None:
        with self.mu.reading():
            self.map.clear()


SCENARIOS = {
    "two stores of new keys": ("store a 0", "store b 1", "store c 2"),
    "a load meets the store that begins a growth": (EIGHT, "load a", "store i 1"),
    "a load meets an evacuation": (f"{EIGHT}; store i 1", "load h", "store a 2"),
    "a range meets an evacuation and a delete": (f"{EIGHT}; store i 1", "range", "delete a"),
    "two ranges": ("store a 0; store b 0", "range", "range"),
    "a clear meets a store": ("store a 0; store b 0", "clear", "store c 1; load a"),
    "a len meets a delete": ("store a 0", "len", "delete a; load a"),
}


def explored(factory: Callable[[], Any], name: str, bound: int = 2) -> Explored:
    subject = target(factory)
    setup, *threads = SCENARIOS[name]
    scenario: Scenario = scenario_of(subject.adapter, setup, *threads)
    return Exhaustion(name, subject, scenario, bound).run()


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_schedule_goes_wrong_under_a_lock(name: str) -> None:
    found = explored(Locked, name)
    assert found.verdict is Verdict.EXHAUSTED, found.evidence()


@pytest.mark.parametrize(
    ("name", "guard"),
    [
        ("two stores of new keys", StoresUnderTheReadLock),
        ("a load meets the store that begins a growth", StoresUnderTheReadLock),
        ("a load meets an evacuation", StoresUnderTheReadLock),
        ("a range meets an evacuation and a delete", RangesWithoutTheLock),
        ("a clear meets a store", ClearsUnderTheReadLock),
    ],
)
def test_a_guard_with_a_slip_is_found(name: str, guard: type[Locked]) -> None:
    assert explored(guard, name, bound=1).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    "threads", [("load a; load i", "load h"), ("range", "load a; len"), ("range", "range")]
)
def test_readers_need_no_lock(threads: tuple[str, ...]) -> None:
    """Go's TestConcurrentReadsAfterGrowth: a growth that has begun stays as it is while there are only readers."""
    subject = target(lambda: PlainMap(hash_function=spread))
    scenario = scenario_of(subject.adapter, f"{EIGHT}; store i 1", *threads)
    found = Exhaustion("readers", subject, scenario, 1).run()
    assert found.verdict is Verdict.EXHAUSTED, found.evidence()


class Numbered(Locked):
    """Keys are numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.map = PlainMap()


@pytest.mark.parametrize("seed", range(3))
def test_a_history_of_real_threads_is_linearizable(seed: int) -> None:
    history = record(Numbered, adapter_for(Numbered()), clients=4, operations=400, keys=40, seed=seed)
    assert len(history.operations) == 1_600
    assert isinstance(check(history), Linearizable)


class ForgetsDeletes(Numbered):
    """Every 5th delete is lost."""

    deletes = 0

    def delete(self, key: Any) -> None:
        self.deletes += 1
        if self.deletes % 5:
            super().delete(key)


def test_a_history_with_lost_deletes_is_not() -> None:
    history = record(
        ForgetsDeletes, adapter_for(ForgetsDeletes()), clients=4, operations=400, keys=10, seed=1
    )
    assert not isinstance(check(history), Linearizable)
