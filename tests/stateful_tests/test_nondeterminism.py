"""What depends on more than its schedule is told by the first thing that differs; no right map is accused."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

import pytest
from failing_runs import first_failure, on
from told_programs import CheckThenAct
from zoo import ZOO, zoo_map

from mapproof.impl.plain_map import PlainMap
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.sync_map import SyncMap
from mapproof.impl.trie_map import TrieMap
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.explorer.strategy import NondeterministicTarget, Schedule
from mapproof.stateful_tests.nondeterminism import differences
from mapproof.stateful_tests.shrink import simplest_counterexample

pytestmark = pytest.mark.interpreter

chance = random.Random(1)
runs = itertools.count()
kept: list[object] = []


class Draws(dict[Any, Any]):
    """Reads once more, now and then."""

    def get(self, key: Any, default: Any = None) -> Any:
        if chance.getrandbits(1):
            len(self)
        return dict.get(self, key, default)


class Remembers(dict[Any, Any]):
    """Counts what is read, across all maps."""

    def __len__(self) -> int:
        return next(runs)


class Addresses(dict[Any, Any]):
    """Has another size wherever it lies."""

    def __init__(self) -> None:
        super().__init__()
        kept.append(object())
        self.place = id(kept[-1])

    def __len__(self) -> int:
        return self.place if self.keys() else 0


class Warms(dict[Any, Any]):
    """Does something the first time that any of them is read."""

    warm = False

    def get(self, key: Any, default: Any = None) -> Any:
        if not Warms.warm:
            Warms.warm = True
        return dict.get(self, key, default)


class Dies(dict[Any, Any]):
    """Raises now and then."""

    def get(self, key: Any, default: Any = None) -> Any:
        if next(runs) % 7 == 0:
            raise RuntimeError("now and then")
        return dict.get(self, key, default)


class Clock(dict[Any, Any]):
    """Asks for the time, which is that of the simulation."""

    def get(self, key: Any, default: Any = None) -> Any:
        time.sleep(0.25)
        return time.monotonic() if key == "a" else dict.get(self, key, default)


def told(make: Any, *programs: str) -> str | None:
    with on(make, *programs) as (lab, scenario):
        return differences(lab, scenario, Schedule())


def differing(make: Any, *programs: str) -> str:
    """What is told of the first pair of runs that differ."""
    return next(found for _ in range(20) if (found := told(make, *programs)) is not None)


def test_a_branch_that_is_drawn() -> None:
    assert "at step " in (text := differing(Draws, "", "load a", "load b"))
    assert " in place of: client " in text
    assert "Draws.get: " in text


def test_a_counter_that_outlives_the_run() -> None:
    found = told(Remembers, "", "len", "load a")
    assert found is not None
    assert found.startswith("one schedule was run twice, and client 1's len(m) answered ")
    first, second = (int(word) for word in found.split() if word.isdecimal())
    assert second < first


def test_an_address() -> None:
    assert "answered " in (told(Addresses, "store a 1", "len", "load a") or "")


def test_what_is_made_once() -> None:
    """The first run differs from all others. No two runs after it differ."""
    with on(Warms, "", "load a", "load b") as (lab, scenario):
        Warms.warm = False
        first = differences(lab, scenario, Schedule())
        assert first is not None
        assert "Warms.warm = True" in first
        assert differences(lab, scenario, Schedule()) is None


def test_an_exception() -> None:
    found = differing(Dies, "store a 1", "load a", "store b 2")
    assert "RuntimeError" in found or "went on" in found or "ended at step" in found


@pytest.mark.parametrize("make", [CheckThenAct, Clock])
def test_what_depends_on_its_schedule_alone(make: Any) -> None:
    programs = ("store b 1", "load_or_store a 1; load b", "load_or_store a 2")
    assert told(make, *programs) is None


def test_a_failure_that_does_not_come_again_is_refused() -> None:
    with on(CheckThenAct, "", "load_or_store a 1", "load_or_store a 2") as (lab, scenario):
        execution = first_failure(lab, scenario)
    with (
        on(dict, "", "load_or_store a 1", "load_or_store a 2") as (lab, scenario),
        pytest.raises(NondeterministicTarget) as refused,
    ):
        simplest_counterexample(lab, scenario, execution)
    assert "its schedule, run again, does not fail (failed once: not linearizable: " in str(refused.value)


def some_schedules(make: Any, *programs: str, seed: int = 0) -> list[str]:
    """What is told of five schedules of the program."""
    with on(make, *programs) as (lab, scenario):
        walk = RandomWalk(seed)
        found = []
        for _ in range(5):
            walk.begin()
            schedule = lab.run(scenario, walk).schedule
            found += [text for text in [differences(lab, scenario, schedule)] if text]
    return found


RIGHT = sorted(path.stem for path in (ZOO / "correct").glob("*.py"))
BUSY = ("store a 1", "store a 2; load b", "load_or_store b 3; load_and_delete a")


@pytest.mark.parametrize("name", RIGHT)
def test_no_right_map_of_the_zoo_is_accused(name: str) -> None:
    assert some_schedules(zoo_map("correct", name), *BUSY) == []


@pytest.mark.parametrize("make", [SyncMap, RWMutexMap, TrieMap, ShardedMap, PlainMap])
def test_no_reference_map_is_accused(make: Any) -> None:
    programs = BUSY if make is not PlainMap else (BUSY[0], "store a 2; load b; delete a")
    assert some_schedules(make, *programs) == []


def test_the_laboratory_is_not_watched_afterwards() -> None:
    with on(CheckThenAct, "", "load a", "load b") as (lab, scenario):
        differences(lab, scenario, Schedule())
        assert lab.announce is None
        assert lab.simulation.watcher is None
