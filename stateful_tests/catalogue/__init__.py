"""The scenarios in which what is built here could go wrong, each small enough to be run in every schedule.

`words` is how they are written; then one file for what they are about: `sync_maps`, `guarded_map`, `hashed` (the
trie and the shards), `progress`, `inventory`, `cache`. `explorations` is all of them, as `mapproof verify` runs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from mapproof.impl.sync import RWMutex
from mapproof.stateful_tests.catalogue import cache, guarded_map, hashed, inventory, progress, sync_maps
from mapproof.stateful_tests.exhaustion import Explored
from mapproof.stateful_tests.objects import ObjectScenario, exhaust
from mapproof.stateful_tests.overtaking import Overtaking


class Exploration(Protocol):
    """Something to run in every schedule within a bound."""

    @property
    def name(self) -> str: ...

    def run(self) -> Explored:
        """EXHAUSTED, FAILED with a counterexample, SAMPLED if a limit came first, or INCONCLUSIVE."""


@dataclass(frozen=True, slots=True)
class OfAnObject:
    """A scenario of an object that is no map, with at most `bound` preemptions."""

    scenario: ObjectScenario
    bound: int

    @property
    def name(self) -> str:
        return self.scenario.name

    def run(self) -> Explored:
        return exhaust(self.scenario, bound=self.bound)


def explorations() -> Iterator[Exploration]:
    """Everything, each within the bound that it affords."""
    yield from sync_maps.explorations()
    yield from guarded_map.explorations()
    yield from hashed.explorations()
    yield from progress.promises_of(progress.PROMISES)
    yield Overtaking(RWMutex, writers=1, readers=2, rounds=2, bound=2)
    yield Overtaking(RWMutex, writers=2, readers=1, rounds=2, bound=2)
    yield from (OfAnObject(scenario, 1) for scenario in inventory.inventory_scenarios())
    yield from (OfAnObject(scenario, cache.preemptions_of(scenario)) for scenario in cache.cache_scenarios())
