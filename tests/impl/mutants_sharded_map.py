"""How the slips in `ShardedMap` are caught, each by the detector that it names."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import hashed
import map_mutants
from memory import memory
from mutants import Changes, Detector, Mutant
from slips_sharded_map import BY_TOP_BITS, FILLING_GAPS, MUTANTS, NOT_COMPARED, ONE_HASH
from splits import divergence

from mapproof.impl import hashing, sharded_map, sharded_map_invariants, shards, small_maps
from mapproof.impl.small_maps import (
    every_key_the_same,
    splitting_map,
    splitting_map_by_top_bits,
    splitting_map_of_two_bins,
)
from mapproof.stateful_tests.catalogue.hashed import SHARDED_MAP
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.execution import Execution, laboratory
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.targets import target_of

__all__ = ["MUTANTS", "alarms", "caught"]

MODULES = (hashing, shards, sharded_map_invariants, sharded_map, small_maps)

SCENARIOS = {
    **SHARDED_MAP,
    "a clear between copy and switch": (
        splitting_map,
        "store a 1; store b 2; len",
        ("len; load b", "clear; load a"),
    ),
    "a delete between copy and switch": (splitting_map, "store a 1; len", ("len", "delete a; load a")),
    "a clear meets a whole split": (splitting_map, "store a 1", ("len; len", "clear")),
    "two loads around the switch": (
        splitting_map,
        "store a 1; len",
        ("load a; len; load a", "store a 2"),
    ),
    "a clear meets the switch": (splitting_map, "store a 1; len", ("len; load a", "clear; load a")),
    "a split by the top bits": (
        splitting_map_by_top_bits,
        "store b 1; store d 2; len; len; len",
        ("len; load b", "load d"),
    ),
    "a shard is overloaded while another splits": (
        splitting_map,
        "store b 1; store d 2; len; len; len",
        ("len; load d", "store a 3; len"),
    ),
    "a store before the cursor": (
        splitting_map_of_two_bins,
        "store a 1; store b 2; len",
        ("len; len; len", "store a 3; store b 4"),
    ),
    "uneven splits": (splitting_map, "store a 1; store c 2; len; len; len; len", ("store b 3", "load a")),
}
"""The scenarios of the catalogue, and those that only slips need."""

_COMPARES = "return all(self.agrees(step - bins) for step in range(max(start, bins), end))"
_COUNTS = "agrees = agrees and split.counts_agree()"
UNCHECKED: Changes = {shards: [(_COMPARES, "return True")], sharded_map: [(_COUNTS, "pass")]}


FILLS_GAPS: Changes = {
    shards: [
        (
            "            shard.set_bin_locked(number, self._part(chain, shard))\n",
            """\
            held = shard.bins[number].load()
            missing = [node for node in self._part(chain, shard) if find(held, node.hash, node.key) is None]
            shard.set_bin_locked(number, (*held, *missing))
""",
        )
    ]
}


def caught(mutant: Mutant) -> str:
    """What the mutant's detector says of it; "" if nothing."""
    name, changes = _variant(mutant.scenario)
    match mutant.detector:
        case Detector.ANSWERS:
            return _wrong_answer(_kind(mutant, changes), by_top_bits=name == BY_TOP_BITS)
        case Detector.MEMORY_BOUND:
            return _kept(_kind(mutant, changes), one_hash=name == ONE_HASH)
        case Detector.LEN_AT_REST:
            return _wrong_len(mutant, name, changes)
        case detector:
            right, setup, threads = SCENARIOS[name]
            made = hashed.factory_of(mutant, right, MODULES, changes)
            return map_mutants.account(right, made, (setup, threads), detector)


def _variant(scenario: str) -> tuple[str, Changes]:
    """The name of the scenario, and what it takes out of the map beside what the mutant does."""
    changes: Changes = {}
    name = scenario.removesuffix(NOT_COMPARED)
    if name != scenario:
        changes = merged(changes, UNCHECKED)
    if name.endswith(FILLING_GAPS):
        changes = merged(changes, FILLS_GAPS)
    return name.removesuffix(FILLING_GAPS), changes


def merged(one: Changes, other: Changes) -> Changes:
    """The changes of both."""
    return {module: [*one.get(module, ()), *other.get(module, ())] for module in {**one, **other}}


def _kind(mutant: Mutant, changes: Changes) -> Any:
    return hashed.factory_of(mutant, sharded_map.ShardedMap, MODULES[1:-1], changes)


def _wrong_answer(kind: Any, by_top_bits: bool) -> str:
    routing = hashing.Routing.TOP_BITS if by_top_bits else hashing.Routing.LOW_BITS
    map_ = kind(shards=2, capacity=4, max_shards=256, batch=1, routing=routing)
    return divergence(map_, random.Random(3), operations=2_000, sound=False) or ""


MOST_SHARDS = 16


def _kept(kind: Any, one_hash: bool) -> str:
    """What a map holds on to that has split as often as it may: deleted keys, or too long a route."""
    hash_key = every_key_the_same if one_hash else hashing.mixed_hash

    def make() -> Any:
        return kind(shards=1, capacity=1, batch=1, max_shards=MOST_SHARDS, hash_key=hash_key)

    def split_and_remove(map_: Any, key: Any) -> None:
        map_.rehash()
        map_.delete(key)

    map_ = make()
    for _ in range(6):
        map_.rehash()
    if (slots := len(map_.route.peek().slots)) > MOST_SHARDS:
        return f"the route has {slots} slots, max_shards is {MOST_SHARDS}"
    kept = memory(make, rounds=40, remove=split_and_remove)
    return f"keeps {kept} of 40 deleted keys" if kept > 1 else ""


def _wrong_len(mutant: Mutant, name: str, changes: Changes) -> str:
    """The first schedule after which `len` is not the number of keys."""
    right, setup, threads = SCENARIOS[name]
    made = hashed.factory_of(mutant, right, MODULES, changes)
    maps: list[Any] = []

    def make() -> Any:
        maps[:] = [made()]
        return maps[0]

    target = replace(target_of(right, "mutant"), factory=make)
    scenario = scenario_of(target.adapter, setup, *threads)
    strategy = PreemptionBound(map_mutants.BOUND)
    with laboratory(target) as lab:
        while strategy.begin():
            execution = lab.run(scenario, strategy)
            counted, keys = super(type(maps[0]), maps[0]).len(), len(maps[0].range())
            if _came_to_rest(execution) and counted != keys:
                return f"len() is {counted} at rest, but there are {keys} keys"
    return ""


def _came_to_rest(execution: Execution) -> bool:
    kinds = (FailureKind.INVARIANT, FailureKind.VIOLATION)  # judged when all is over
    return execution.failure is None or execution.failure.kind in kinds


def alarms(schedules: int, seed: int) -> list[str]:
    """What any detector says of about so many schedules of `ShardedMap` as it is."""
    return hashed.alarms(SCENARIOS, schedules, seed)
