"""The maps whose code is followed in a proved system, and the scenarios in which that is done.

The idea: an action of a system is only compared with the code where some scenario makes it. So beside the catalogue's
scenarios there are every two operations on one key of a map that is prepared in every way that matters, and a few that
aim at what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import combinations_with_replacement
from operator import or_
from typing import Any, Final, TypeAlias

from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.small_maps import (
    by_low_bits,
    splitting_map,
    splitting_map_of_two_bins,
)
from mapproof.impl.sync_map import SyncMap
from mapproof.proofs.systems.shard_rehash import SHARD_REHASH
from mapproof.proofs.systems.sync_map import SYNC_MAP as SYNC_MAP_SYSTEM
from mapproof.proofs.trace_validation.binding import Binding, Rule
from mapproof.proofs.trace_validation.sharded_map import ShardedMapBinding
from mapproof.proofs.trace_validation.sync_map import SyncMapBinding
from mapproof.proofs.transition_system import System
from mapproof.spec.operations import Op
from mapproof.stateful_tests.catalogue.hashed import SHARDED_MAP, Placed
from mapproof.stateful_tests.catalogue.sync_maps import SYNC_MAP
from mapproof.stateful_tests.catalogue.words import Scenarios, program_of
from mapproof.stateful_tests.scenarios import Scenario


@dataclass(frozen=True, slots=True)
class Situation:
    """What meets what, in words (`catalogue.words`): the setup and one program for each thread."""

    setup: str
    threads: tuple[str, ...]

    def __str__(self) -> str:
        clients = (f"client {n}: {program}" for n, program in enumerate(self.threads, 1))
        return " | ".join([*([f"client 0: {self.setup}"] if self.setup else []), *clients])

    @property
    def scenario(self) -> Scenario:
        """What is called; nothing afterwards, for every step is looked at."""
        return Scenario(program_of(self.setup), tuple(map(program_of, self.threads)), ())

    def depends_on(self, key: Any) -> bool:
        """Whether it matters if this key is the one that ranges are followed with."""
        calls = list(self.scenario.calls())
        return any(call.op is Op.RANGE for call in calls) and any(call.key == key for call in calls)


Bounds: TypeAlias = tuple[tuple[int, tuple[Situation, ...]], ...]
"""The situations that are explored with at most so many preemptions."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A map and what is run on it.

    `binding` ties the map to its system for these situations, and for the one of the `keys` that ranges are followed
    with.
    """

    factory: Callable[[], Any]
    bounds: Bounds
    binding: Callable[[Ground, Any], Binding]
    system: System

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """Those of all situations."""
        return tuple(situation.scenario for _, some in self.bounds for situation in some)

    @property
    def keys(self) -> tuple[Any, ...]:
        """The keys that are operated on, in their order."""
        keys = {call.key for scenario in self.scenarios for call in scenario.calls()} - {None}
        return tuple(sorted(keys))

    @property
    def clients(self) -> int:
        """How many there are at most, client 0 included."""
        return 1 + max(len(scenario.threads) for scenario in self.scenarios)

    def stored(self) -> list[Counter[Any]]:
        """For each scenario, which values are stored in it, and how often."""
        storing = (Op.STORE, Op.SWAP, Op.LOAD_OR_STORE, Op.COMPARE_AND_SWAP)
        return [Counter(c.args[-1] for c in s.calls() if c.op in storing) for s in self.scenarios]

    def at_most(self, op: Op) -> int:
        """How often the operation is called in a scenario."""
        return max(sum(call.op is op for call in scenario.calls()) for scenario in self.scenarios)


@dataclass(frozen=True, slots=True)
class Subject:
    """A map and the system that was proved of it, the rules that tie them, and the grounds where they are compared."""

    name: str
    system: System
    rules: tuple[Rule, ...]
    grounds: tuple[Ground, ...]


# ------------------------------------------------------------------------------------------------ SyncMap

_PREPARED: Final = (
    ("", "a", 1),
    ("store a 1; load a", "a", 1),
    ("store a 1; load a; store b 2", "b", 2),
    ("store a 1; load a; delete a", "a", 1),
    ("store a 1; load a; delete a; store b 2", "a", 1),
    ("store a 1; load a; store b 2; load b", "b", 2),
)
"""A map that is empty; clean; with a key that only dirty has; with a deleted key; with an expunged one; one miss short
of a promotion. The key that is then operated on, and its value."""

_OPERATIONS: Final = (
    "load {key}",
    "swap {key} {new}",
    "load_or_store {key} {new}",
    "load_and_delete {key}",
    "compare_and_swap {key} {old} {new}",
    "compare_and_delete {key} {old}",
    "range",
    "clear",
)


def _pairs() -> Iterator[Situation]:
    """Every two operations on one key of a prepared map."""
    for setup, key, old in _PREPARED:
        for one, other in combinations_with_replacement(_OPERATIONS, 2):
            threads = one.format(key=key, old=old, new=3), other.format(key=key, old=old, new=4)
            yield Situation(setup, threads)


_AIMED: Final[Scenarios] = {
    **SYNC_MAP,
    "a delete of no key meets that of a key that only dirty has": (
        "store a 1; load a; store b 2",
        ("load_and_delete c", "load_and_delete b"),
    ),
    "a compare_and_delete meets the delete of a key that only dirty has": (
        "store a 1; load a; store b 2",
        ("compare_and_delete b 2", "load_and_delete b"),
    ),
    "a compare_and_swap meets a store of the old value": (
        "store a 1; load a",
        ("compare_and_swap a 1 2", "swap a 1"),
    ),
    "two ranges promote": ("store a 1; load a; store b 2", ("range", "range")),
    "two clears": ("store a 1", ("clear", "clear; store b 2")),
    "the second key of a copy is deleted": (
        "store a 1; store b 2; load a; load a; delete b",
        ("store c 3", "store b 4"),
    ),
    "a copy meets a store and a delete of its key": (
        "store a 1; load a; delete a",
        ("store b 2", "store a 3", "delete a"),
    ),
    "two stores after a clear": ("store a 1; load a; store b 2; clear", ("store a 3", "store b 4; load a")),
}
_DEEPER: Final = frozenset(
    {
        "a load meets the promotion of its key",
        "a store meets the copy that expunges its key",
        "deletes of a key that only dirty has",
        "two load_or_store of one key",
        "load_or_store of a deleted key",
        "compare_and_swap meets compare_and_delete",
        "two deletes of one key",
        "a delete meets a store",
        "a compare_and_delete meets the delete of a key that only dirty has",
        "a compare_and_swap meets a store of the old value",
        "two clears",
        "a copy meets a store and a delete of its key",
    }
)
"""The scenarios that are run with two preemptions; the others are many or long, and are run with one."""


def _bounds(some: Mapping[str, Situation], deeper: frozenset[str]) -> Bounds:
    deep = tuple(situation for name, situation in some.items() if name in deeper)
    others = tuple(situation for name, situation in some.items() if name not in deeper)
    return tuple((bound, found) for bound, found in ((2, deep), (1, others)) if found)


def _sync_map(ground: Ground, followed: Any) -> Binding:
    stored = ground.stored()
    return SyncMapBinding(
        clients=ground.clients,
        keys=ground.keys,
        values=sorted(reduce(or_, stored).elements()),
        maps=1 + max(counter.total() for counter in stored) + ground.at_most(Op.CLEAR),
        followed=followed,
        system=ground.system,
    )


def sync_map(factory: Callable[[], Any] = SyncMap, system: System = SYNC_MAP_SYSTEM) -> Subject:
    """SyncMap, or a map that is to be followed in its place, and a system."""
    aimed = {name: Situation(*words) for name, words in _AIMED.items()}
    pairs = {str(situation): situation for situation in _pairs() if situation not in aimed.values()}
    return Subject(
        "SyncMap",
        system,
        SyncMapBinding.rules,
        (Ground(factory, _bounds(aimed | pairs, _DEEPER), _sync_map, system),),
    )


# ------------------------------------------------------------------------------------------------ ShardedMap


class RehashingMap(ShardedMap[Any, Any]):
    """One shard of one bin, and after a `rehash`, which is what its `len` does, two."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(shards=1, capacity=1, max_shards=2, batch=1, hash_key=by_low_bits)

    def len(self) -> int:
        """The number of keys after a whole rehash."""
        self.rehash()
        return super().len()


_SPLITS: Final[Placed] = {
    **SHARDED_MAP,
    "a clear between copy and switch": (
        splitting_map,
        "store a 1; len",
        ("len; load b", "clear; load a"),
    ),
    "a clear meets a whole split": (splitting_map, "store a 1", ("len; len", "clear")),
    "two loads around the switch": (
        splitting_map,
        "store a 1; len",
        ("len; load a; load a", "compare_and_delete a 1; store a 2"),
    ),
    "a range over shards of two sizes": (
        splitting_map,
        "store a 1; store c 2; len; len; len; len",
        ("store b 3", "load a; range"),
    ),
    "a range meets a split of two bins": (
        splitting_map_of_two_bins,
        "store a 1; store b 2; len",
        ("len", "range"),
    ),
    "a rehash meets stores": (RehashingMap, "store a 1; store b 2", ("len", "store a 3; delete b")),
    "two rehashes": (RehashingMap, "store a 1", ("len", "len")),
    "a rehash meets a range": (RehashingMap, "store a 1", ("len", "range")),
}
_DEEPER_SPLITS: Final = frozenset(
    {
        "a store meets a split",
        "loads meet a split",
        "a compare_and_swap between copy and switch",
        "a write waits while its shard splits",
        "a clear between copy and switch",
        "two rehashes",
        "a rehash meets a range",
    }
)


def _sharded_map(ground: Ground, followed: Any) -> Binding:
    return ShardedMapBinding(
        ground.factory(),
        clients=ground.clients,
        keys=ground.keys,
        values=sorted(reduce(or_, ground.stored())),
        followed=followed,
        system=ground.system,
    )


def sharded_map(
    factories: Callable[[Callable[[], Any]], Callable[[], Any]] = lambda factory: factory,
    system: System = SHARD_REHASH,
) -> Subject:
    """ShardedMap on small maps that split, or on others in their places, and a system."""
    placed: dict[Any, dict[str, Situation]] = {}
    for name, (made_by, setup, threads) in _SPLITS.items():
        placed.setdefault(made_by, {})[name] = Situation(setup, threads)
    grounds = (
        Ground(factories(made_by), _bounds(some, _DEEPER_SPLITS), _sharded_map, system)
        for made_by, some in placed.items()
    )
    return Subject("ShardedMap", system, ShardedMapBinding.rules, tuple(grounds))


SUBJECTS: Final = (sync_map(), sharded_map())
"""Every map that has a system."""
