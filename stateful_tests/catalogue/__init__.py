"""The scenarios in which what is built here could go wrong, each small enough to be run in every schedule.

`words` is how they are written; then one file for what they are about: `sync_maps`, `guarded_map`, `hashed` (the
trie and the shards), `progress`, `inventory`, `cache`. `CHAPTERS` is all of them, as `mapproof verify` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync import RWMutex
from mapproof.impl.sync_map import SyncMap
from mapproof.stateful_tests.catalogue import cache, guarded_map, hashed, inventory, progress, sync_maps
from mapproof.stateful_tests.exploration import Explored
from mapproof.stateful_tests.objects import ObjectScenario, exhaust
from mapproof.stateful_tests.overtaking import Overtaking


class Exploration(Protocol):
    """Something to run in every schedule with at most `bound` preemptions."""

    @property
    def name(self) -> str: ...

    @property
    def bound(self) -> int: ...

    def run(self) -> Explored:
        """EXHAUSTED, FAILED with a counterexample, SAMPLED if a limit came first, or INCONCLUSIVE."""


@dataclass(frozen=True, slots=True)
class OfAnObject:
    """A scenario of an object that is no map."""

    scenario: ObjectScenario
    bound: int

    @property
    def name(self) -> str:
        return self.scenario.name

    def run(self) -> Explored:
        return exhaust(self.scenario, bound=self.bound)


@dataclass(frozen=True, slots=True)
class Chapter:
    """What is explored of one thing, and what each of its scenarios is to show besides right answers."""

    subject: str
    explorations: Callable[[], Iterator[Exploration]]
    shows: str = ""


def _of_inventories() -> Iterator[Exploration]:
    yield from (OfAnObject(scenario, 1) for scenario in inventory.inventory_scenarios())


def _of_caches() -> Iterator[Exploration]:
    yield from (OfAnObject(scenario, cache.preemptions_of(scenario)) for scenario in cache.cache_scenarios())


OVERTAKING = (
    Overtaking(RWMutex, writers=1, readers=2, rounds=2, bound=2),
    Overtaking(RWMutex, writers=2, readers=1, rounds=2, bound=2),
)

CHAPTERS: Sequence[Chapter] = (
    Chapter("SyncMap", partial(sync_maps.explorations_of, SyncMap, sync_maps.SYNC_MAP, 2)),
    Chapter("RWMutexMap", partial(sync_maps.explorations_of, RWMutexMap, sync_maps.RWMUTEX_MAP, 2)),
    Chapter("GuardedMap", guarded_map.explorations),
    Chapter("TrieMap", partial(hashed.explorations_of, "TrieMap", 2)),
    Chapter("ShardedMap", partial(hashed.explorations_of, "ShardedMap", 2)),
    Chapter("lock-free loads", progress.explorations, "alone each ends in so many steps"),
    Chapter(
        "RWMutex", lambda: iter(OVERTAKING), "who waits is not overtaken by those who ask later, by count"
    ),
    Chapter("inventories", _of_inventories),
    Chapter("LocalCache", _of_caches, "reads within the bound on staleness"),
)
