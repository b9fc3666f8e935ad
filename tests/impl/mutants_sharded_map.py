"""Slips in `ShardedMap`, and the detector that catches each.

The map compares old and new before its route switches, so what a slip of the algorithm would do to its users is seen
only without that comparison: the scenarios that say so are run with it taken out as well.
"""

from __future__ import annotations

import random
from dataclasses import replace
from types import ModuleType
from typing import Any

import hashed
import map_mutants
from memory import memory
from mutants import Changes, Detector, Mutant
from splits import divergence

from mapproof.impl import hashing, sharded_map, sharded_map_invariants, shards, small_maps
from mapproof.impl.small_maps import (
    every_key_the_same,
    splitting_map,
    splitting_map_by_top_bits,
    splitting_map_of_two_bins,
)
from mapproof.stateful_tests.catalogue import scenario_of
from mapproof.stateful_tests.catalogue_hashed import SHARDED_MAP
from mapproof.stateful_tests.execution import Execution, FailureKind, laboratory
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.targets import target_of

MODULES = (hashing, shards, sharded_map_invariants, sharded_map, small_maps)

SCENARIOS = {
    **SHARDED_MAP,
    "a clear between copy and switch": (
        splitting_map,
        "store a 1; store b 2; len",
        ("len; load b", "clear; load a"),
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

NOT_COMPARED = ", not compared"
_COMPARES = "return all(self.agrees(step - bins) for step in range(max(start, bins), end))"
_COUNTS = "agrees = agrees and split.counts_agree()"
UNCHECKED: Changes = {shards: [(_COMPARES, "return True")], sharded_map: [(_COUNTS, "pass")]}

READS_FIRST = (
    """\
            with shard.mu:
                split = self._split_locked(shard)
                end = min(cursor + self.batch, 2 * len(shard.bins))
                agrees = split.advance_locked(cursor, end)
""",
    """\
            with shard.mu:
                split = self._split_locked(shard)
            end = min(cursor + self.batch, 2 * len(shard.bins))
            agrees = split.advance_locked(cursor, end)
            with shard.mu:
""",
)
FILLING_GAPS = ", only filling gaps"
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

IN_SEQUENCE = "any operations of one thread"
BY_TOP_BITS = "any operations of one thread, by the top bits"
COME_AND_GO = "keys that come and go while shards split"
ONE_HASH = "keys that no bit tells apart"


def _slip(
    wrong: str,
    before: str,
    after: str,
    detector: Detector,
    scenario: str,
    says: str,
    module: ModuleType = sharded_map,
) -> Mutant:
    return Mutant("ShardedMap", wrong, module, before, after, detector, scenario, says)


_DUAL = "        if split is not None:\n            split.child_of"
_ONLY_WHEN_STORED = "        if split is not None and new is not None:\n            split.child_of"

MUTANTS: tuple[Mutant, ...] = (
    # what users would see
    _slip(
        "nothing is written twice",
        _DUAL,
        "        if False:\n            split.child_of",
        Detector.LINEARIZABILITY,
        "a store meets a split" + NOT_COMPARED,
        "key 'a'",
        shards,
    ),
    _slip(
        "a delete is not sent to the new shards",
        _DUAL,
        _ONLY_WHEN_STORED,
        Detector.LINEARIZABILITY,
        "a delete between copy and switch" + NOT_COMPARED,
        "key 'a'",
        shards,
    ),
    _slip(
        "the cursor reads and copies a bin without the lock, so a stale copy overwrites a dual write",
        *READS_FIRST,
        Detector.LINEARIZABILITY,
        "a store meets a split" + NOT_COMPARED,
        "key 'a'",
    ),
    _slip(
        "the cursor reads and copies without the lock, and fills gaps only: a deleted key comes back",
        *READS_FIRST,
        Detector.LINEARIZABILITY,
        "a delete meets a split" + FILLING_GAPS + NOT_COMPARED,
        "key 'a'",
    ),
    _slip(
        "the route switches after the first batch",
        "at_end = end == 2 * len(shard.bins)",
        "at_end = True",
        Detector.LINEARIZABILITY,
        "a store behind and before the cursor" + NOT_COMPARED,
        "no order of these 3 operations",
    ),
    _slip(
        "a writer does not ask the route again when its shard was split while it waited",
        "if not shard.successors_locked():",
        "if True:",
        Detector.LINEARIZABILITY,
        "a write waits while its shard splits",
        "key 'c'",
    ),
    _slip(
        "a read looks into the new shard while the old one is the owner",
        "return _found(self.route.load().owner_of(hash_value).find(hash_value, key))",
        """\
shard = self.route.load().owner_of(hash_value)
        split = shard.split.read()
        return _found((shard if split is None else split.child_of(hash_value)).find(hash_value, key))""",
        Detector.LINEARIZABILITY,
        "loads meet a split",
        "key 'a'",
    ),
    _slip(
        "a clear leaves the new shards as they are",
        "for shard in (self, *(() if split is None else split.new)):",
        "for shard in (self,):",
        Detector.LINEARIZABILITY,
        "a clear between copy and switch" + NOT_COMPARED,
        "key '[ab]'|no order of these",
        shards,
    ),
    _slip(
        "a clear passes over a shard that was split meanwhile",
        "shards.extend(successors)",
        "pass",
        Detector.LINEARIZABILITY,
        "a clear meets the switch",
        "key 'a'|no order of these",
    ),
    # what the map itself sees before it switches
    _slip(
        "a delete is not sent to the new shards, which are compared",
        _DUAL,
        _ONLY_WHEN_STORED,
        Detector.EXCEPTION,
        "a delete between copy and switch",
        "RehashError: the copy of shard 0 of 1 was found wrong and dropped; no key was lost",
        shards,
    ),
    _slip(
        "the cursor reads and copies without the lock, and the copy is compared",
        *READS_FIRST,
        Detector.EXCEPTION,
        "a store meets a split",
        "RehashError: the copy of shard 0 of 1 was found wrong and dropped; no key was lost",
    ),
    _slip(
        "the children are numbered as if the top bits routed",
        "return low_bits if self is Routing.LOW_BITS else (2 * shard, 2 * shard + 1)",
        "return 2 * shard, 2 * shard + 1",
        Detector.EXCEPTION,
        "uneven splits",
        "KeyError",
        hashing,
    ),
    # what holds at every step
    _slip(
        "a store is not sent to the new shards",
        _DUAL,
        "        if split is not None and new is None:\n            split.child_of",
        Detector.INVARIANT,
        "a store behind and before the cursor",
        r"I4: bin \d of shard 0 of 1 was copied, but shard [01] of 2 differs; broken by client 2's m.store",
        shards,
    ),
    _slip(
        "a write goes to the new shards first, and unlocks between the two",
        """\
        self._exchange_here(hash_value, old, new)
        split = self.split.read()
        if split is not None:
            split.child_of(hash_value)._exchange_here(hash_value, old, new)
""",
        """\
        split = self.split.read()
        if split is not None:
            split.child_of(hash_value)._exchange_here(hash_value, old, new)
            self.mu.unlock()
            self.mu.lock()
        self._exchange_here(hash_value, old, new)
""",
        Detector.INVARIANT,
        "a store behind and before the cursor",
        r"I4: .*broken by client 2's m.store\(.*shard 0 of 1: unlock",
        shards,
    ),
    _slip(
        "the mask of twice as many shards chooses the child, whatever bits route",
        "self.routing.shard_of(hash_value, one.shards) == one.index",
        "hash_value & (2 * self.old.shards - 1) & self.old.shards",
        Detector.INVARIANT,
        "a store meets a split by the top bits",
        "I2: 'c' is in shard 0 of 2, but its hash says otherwise",
        shards,
    ),
    _slip(
        "the old shard is retired before the route leads to the new ones",
        """\
        self.route.store(self.route.load().after(split))
        split.migrating.write(Migrating.NEW_ONLY)
""",
        """\
        split.migrating.write(Migrating.NEW_ONLY)
        self.route.store(self.route.load().after(split))
""",
        Detector.INVARIANT,
        "a delete between copy and switch",
        "I1: slot 0 leads to shard 0 of 1, which is no longer the owner; broken by .*migrating: write",
    ),
    _slip(
        "a writer writes to a shard that was split while it waited",
        "if not shard.successors_locked():",
        "if not shard.successors_locked() or shard.shards == 1:",
        Detector.INVARIANT,
        "a write waits while its shard splits",
        "I5: shard 0 of 1 has left the route, but was written to; broken by client 2's m.swap.*bin: store",
    ),
    _slip(
        "a shard that is found overloaded goes before those that wait",
        "dict.fromkeys((*self.waiting.read(), *able))",
        "dict.fromkeys((*able, *self.waiting.read()))",
        Detector.INVARIANT,
        "a shard is overloaded while another splits",
        "I4: shard 1 of 2 is migrating out of turn",
    ),
    # races and deadlocks
    _slip(
        "a writer asks before it has the lock whether its shard was split",
        """\
            with shard.mu:
                if not shard.successors_locked():
                    yield shard
                    return
""",
        """\
            if not shard.successors_locked():
                with shard.mu:
                    yield shard
                    return
""",
        Detector.RACE,
        "a store meets a split",
        "writes split .* reads it at|reads split .* writes it at",
    ),
    _slip(
        "the time of the last look is read without the lock",
        """\
        with self.migrator:
            if now - self.sampled_at.read() >= SAMPLE_EVERY:
""",
        """\
        overdue = now - self.sampled_at.read() >= SAMPLE_EVERY
        with self.migrator:
            if overdue:
""",
        Detector.RACE,
        "two threads split",
        "sampled_at",
    ),
    _slip(
        "whether a shard waits is read without the lock",
        "        with self.migrator:\n            waiting, cursor = self.waiting.read(), self.cursor.read()\n",
        """\
        if not self.waiting.read():
            return False
        with self.migrator:
            waiting, cursor = self.waiting.read(), self.cursor.read()
""",
        Detector.RACE,
        "two threads split",
        "waiting",
    ),
    _slip(
        "a writer that finds its shard overloaded splits it at once, and holds its mu",
        "            return _found(node)\n\n    def compare_and_swap",
        "            self.maintain()\n            return _found(node)\n\n    def compare_and_swap",
        Detector.DEADLOCK,
        "a write waits while its shard splits",
        r"waits to lock (migrator, held by client \d; .*waits to lock shard|shard .*which it holds itself)",
    ),
    _slip(
        "maintenance keeps the lock of migrations while it does a batch, which takes it too",
        "                self._enqueue_locked(s for s in shards if is_overloaded(s.count.load(), len(s.bins)))\n        return",
        "                self._enqueue_locked(s for s in shards if is_overloaded(s.count.load(), len(s.bins)))\n            return",
        Detector.DEADLOCK,
        "two threads split",
        "waits to lock migrator, which it holds itself",
    ),
    # what is left at rest
    _slip(
        "a copy counts what a dual write has counted",
        "            shard.set_bin_locked(number, self._part(chain, shard))\n",
        """\
            shard.bins[number].store(self._part(chain, shard))
            shard.count.add(len(self._part(chain, shard)))
""",
        Detector.LEN_AT_REST,
        "a store before the cursor" + NOT_COMPARED,
        r"len\(\) is \d at rest, but there are \d keys",
        shards,
    ),
    _slip(
        "len counts a shard once for each slot that leads to it",
        "sum(shard.count.load() for shard in self.route.load().shards())",
        "sum(shard.count.load() for shard in self.route.load().slots)",
        Detector.LEN_AT_REST,
        "uneven splits",
        r"len\(\) is 4 at rest, but there are 3 keys",
    ),
    _slip(
        "a clear does not count",
        "                shard.set_bin_locked(number, ())\n",
        "                shard.bins[number].store(())\n",
        Detector.LEN_AT_REST,
        "a clear meets a whole split" + NOT_COMPARED,
        r"len\(\) is \d at rest, but there are \d keys",
        shards,
    ),
    _slip(
        "the shards that were split are kept",
        "    def _switch_locked(self, split: Split[K, V]) -> None:\n",
        "    def _switch_locked(self, split: Split[K, V], retired=[]) -> None:\n        retired.append(split)\n",
        Detector.MEMORY_BOUND,
        COME_AND_GO,
        r"keeps \d+ of 40 deleted keys",
    ),
    _slip(
        "every split doubles the route, needed or not",
        "max(fewer, children)",
        "2 * fewer",
        Detector.MEMORY_BOUND,
        COME_AND_GO,
        r"the route has \d+ slots, max_shards is 16",
        shards,
    ),
    _slip(
        "a shard is split however many there are",
        "if 2 * shard.shards <= self.max_shards",
        "if True",
        Detector.MEMORY_BOUND,
        ONE_HASH,
        r"the route has \d+ slots, max_shards is 16",
    ),
    # what one thread sees
    _slip(
        "range visits a shard once for each slot that leads to it",
        "node for shard in self.route.load().shards() for chain",
        "node for shard in self.route.load().slots for chain",
        Detector.ANSWERS,
        IN_SEQUENCE,
        r"range answered \d+ pairs, a dict \d+",
    ),
    _slip(
        "the mask chooses the child of a shard by the top bits",
        "self.routing.shard_of(hash_value, one.shards) == one.index",
        "hash_value & (2 * self.old.shards - 1) & self.old.shards",
        Detector.ANSWERS,
        BY_TOP_BITS + NOT_COMPARED,
        r"operation \d+ on key \d+ answered .* a dict \(\d+, True\)",
        shards,
    ),
    _slip(
        "a new key overwrites the last one of its bin",
        "place = len(chain) if old is None",
        "place = max(0, len(chain) - 1) if old is None",
        Detector.ANSWERS,
        IN_SEQUENCE + NOT_COMPARED,
        r"answered \(None, False\), a dict",
        shards,
    ),
)


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
