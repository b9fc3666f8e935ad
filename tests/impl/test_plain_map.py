"""Go's built-in map in one thread: held against a dict, the rules of iteration, NaN and -0.0, the repacking.

The searches at the top answer in words what they found wrong; at the end each of them catches mutants, which
are the map's own source with one place changed.
"""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from mapproof.impl import plain_map
from mapproof.impl.plain_map import PlainMap
from mapproof.impl.plain_map_buckets import (
    SAME_SIZE_GROW,
    hash64,
)
from mapproof.impl.sync import FatalError
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.machines import machine_for

Map = PlainMap[Any, Any]
Make = Callable[..., Map]


def constant(key: Any, seed: int) -> int:
    """One bucket for all keys: nothing but overflow chains."""
    return 7


def truncated(key: Any, seed: int) -> int:
    """Two bits choose the bucket, and all tophashes are the same."""
    return hash64(key, seed) & 3


HASHES = [hash64, constant, truncated]


# -- what must hold, as searches for what does not


def differs_from_a_dict(make: Make, seed: int) -> str | None:
    """One random program on both."""
    random_ = random.Random(seed)
    map_, model = make(seed=seed, hash_function=HASHES[seed % 3]), dict[int, int]()
    keys, deletes = random_.choice([(4, 3), (30, 2), (30, 4), (200, 1)])
    for number in range(random_.choice([10, 40, 150])):
        key = random_.randrange(keys)
        match random_.choice(["store"] * 4 + ["delete"] * deletes + ["load"] * 2):
            case "store":
                map_.store(key, number)
                model[key] = number
            case "delete":
                map_.delete(key)
                model.pop(key, None)
            case _ if map_.load(key) != ((model[key], True) if key in model else (None, False)):
                return f"load({key}) answered {map_.load(key)}"
        if random_.random() < 0.005:
            map_.clear()
            model.clear()
        if len(map_) != len(model):
            return f"{len(map_)} keys instead of {len(model)}"
        if number % 8 == 0:
            map_.check_invariants()
    map_.check_invariants()
    return None if sorted(map_.range()) == sorted(model.items()) else "the pairs at the end differ"


class Walk:
    """A map, what should be in it, and an iteration: which entries came, and which must come.

    An entry is a key, or (NaN, value). One that is deleted and stored again is another, which need not come.
    """

    def __init__(self, make: Make, seed: int) -> None:
        self.random = random.Random(seed)
        self.map = make(seed=seed, hash_function=HASHES[seed % 3])
        self.model: dict[Any, int] = {}
        self.must_come: set[Any] = set()
        self.came: set[Any] = set()
        self.ghosts: set[Any] = set()
        self.array: object = None
        self.number = 0

    def change(self) -> None:
        """One random store, delete or clear."""
        self.number += 1
        key, kind = self.random.randrange(40), self.random.random()
        if kind < 0.7:
            key = key if kind < 0.6 else math.nan
            self.map.store(key, self.number)
            self.model[entry(key, self.number)] = self.number
        elif kind < 0.995:
            self.map.delete(key)
            self.forget({key})
        else:
            if self.array not in (self.map.buckets.peek(), self.map.oldbuckets.peek()):
                # A growth began and ended since, so clear cannot reach the array: Go's clear neither.
                self.ghosts |= {each for each in self.model if isinstance(each, tuple)}
            self.map.clear()
            self.forget(set(self.model))

    def forget(self, entries: set[Any]) -> None:
        for gone in entries:
            self.model.pop(gone, None)
        self.must_come -= entries
        self.came -= entries

    def breaks_a_rule(self) -> str | None:
        changes = self.random.choice([0, 1, 4])
        self.must_come, self.array = set(self.model), self.map.buckets.peek()
        for key, value in self.map.items():
            came = entry(key, value)
            if came in self.came:
                return f"{came} came twice"
            if self.model.get(came) != value and came not in self.ghosts:
                return f"{came} came with {value}, but the map has {self.model.get(came)}"
            self.came.add(came)
            for _ in range(changes):
                self.change()
        missed = self.must_come - self.came
        return f"{missed} never came" if missed else None


def entry(key: Any, value: int) -> Any:
    return ("NaN", value) if math.isnan(key) else key


def breaks_a_rule_of_iteration(make: Make, seed: int) -> str | None:
    """One iteration over a map, perhaps half grown, that the same thread changes between the steps."""
    walk = Walk(make, seed)
    for _ in range(walk.random.randrange(100)):
        walk.change()
    return walk.breaks_a_rule()


def leaves_the_wrong_keys(make: Make, seed: int) -> str | None:
    """Zeros are one key, and the last stored stays; NaNs are keys each, through growth; clear removes both."""
    map_ = make(seed=seed)
    for zero in [0.0, -0.0, 0.0, -0.0][seed % 2 :]:
        map_.store(zero, "zero")
        if [math.copysign(1, key) for key, _ in map_.range()] != [math.copysign(1, zero)]:
            return f"after store({zero}): {map_.range()}"
    for number in range(1, 50):
        map_.store(math.nan, number)
        map_.store(float(number), number)
        map_.delete(math.nan)
        if map_.load(math.nan) != (None, False):
            return "a NaN was found"
    map_.check_invariants()
    if longest(map_) > 5:
        return "the NaNs are in one chain"
    nans = sorted(value for key, value in map_.range() if math.isnan(key))
    if nans != list(range(1, 50)) or len(map_) != 99:
        return f"NaNs {nans} of {len(map_)} keys"
    map_.clear()
    return f"after clear: {map_.range()}" if map_.range() or len(map_) else None


def never_repacks(make: Make, seed: int) -> str | None:
    """Four buckets, then keys in two of them until each has two overflow buckets, all deleted: chains of nothing."""
    map_ = make(26, hash_function=lambda key, seed: key // 100)
    for keys in (range(24), range(100, 117)):
        for key in keys:
            map_.store(key, 0)
        for key in keys[:-1]:
            map_.delete(key)
    found = [map_.B.peek(), map_.noverflow.peek(), len(map_.oldbuckets.peek())]
    map_.store(200, 0)
    found += [map_.B.peek(), len(map_.oldbuckets.peek()), map_.flags.peek() & SAME_SIZE_GROW]
    map_.check_invariants()
    while map_.oldbuckets.peek():
        map_.delete(300)
    map_.check_invariants()
    found += [map_.B.peek(), map_.noverflow.peek(), map_.flags.peek() & SAME_SIZE_GROW]
    left = sorted(key for key, _ in map_.range())
    return None if (found, left) == ([2, 4, 0, 2, 4, 8, 2, 0, 0], [23, 116, 200]) else f"{found}, {left}"


def longest(map_: Map) -> int:
    """The number of buckets in the longest chain."""
    return max(len(list(bucket.chain())) for bucket in map_.buckets.peek())


Search = Callable[[Make, int], str | None]


@pytest.mark.parametrize(
    ("search", "runs"),
    [
        (differs_from_a_dict, 2_000),
        (breaks_a_rule_of_iteration, 2_000),
        (leaves_the_wrong_keys, 20),
        (never_repacks, 1),
    ],
)
def test_nothing_wrong_is_found(search: Search, runs: int) -> None:
    for seed in range(runs):
        assert search(PlainMap, seed) is None, seed


@pytest.mark.parametrize("hash_function", HASHES)
def test_sequential_programs_agree_with_the_model(hash_function: Any) -> None:
    def make() -> Map:
        return PlainMap(hash_function=hash_function)

    quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(machine_for(make, adapter_for(make())), settings=quick)


# -- mutants


def mutant(old: str, new: str) -> Make:
    """PlainMap from its own source with one place changed."""
    source = inspect.getsource(plain_map)
    assert source.count(old) == 1, "the text to break was not found exactly once"
    module = ModuleType("mapproof.impl._mutant")
    exec(compile(source.replace(old, new), "_mutant.py", "exec"), module.__dict__)  # noqa: S102 - our source
    made: Make = module.PlainMap
    return made


MUTANTS: dict[str, tuple[str, str, Search]] = {
    "a lookup that forgets the old buckets": (
        "if not old.is_evacuated():\n                head = old",
        "pass",
        differs_from_a_dict,
    ),
    "an evacuation that splits by the wrong bit": (
        "hash_ & newbit != 0",
        "hash_ & newbit << 1 != 0",
        differs_from_a_dict,
    ),
    "a deletion that always ends the chain": (
        "if following is None or following.tophash.read() == EMPTY_REST:",
        "if True:\n            slot.tophash.write(EMPTY_REST)",
        differs_from_a_dict,
    ),
    "a change of a bucket that is not evacuated yet": (
        "self._evacuate(number & self._noldbuckets() - 1)",
        "pass",
        differs_from_a_dict,
    ),
    "a growth that ends one bucket early": (
        "if mark == newbit:",
        "if mark >= newbit - 1:",
        differs_from_a_dict,
    ),
    "a clear that keeps the number of overflow buckets": (
        "self.noverflow.write(0)\n        self.count.write(0)",
        "self.count.write(0)",
        differs_from_a_dict,
    ),
    "a map that never repacks": (
        "if over_load_factor(self.count.read() + 1, B):\n            B += 1\n        else:",
        "B += 1\n        if False:",
        never_repacks,
    ),
    "an iteration that takes moved pairs as they were": (
        "if top not in (EVACUATED_X, EVACUATED_Y) or not reflexive:",
        "if True:",
        breaks_a_rule_of_iteration,
    ),
    "an iteration that looks NaNs up": (
        "if top not in (EVACUATED_X, EVACUATED_Y) or not reflexive:",
        "if top not in (EVACUATED_X, EVACUATED_Y):",
        breaks_a_rule_of_iteration,
    ),
    "an iteration that takes both halves of an old bucket": (
        "if bucket != only_for:",
        "if False:",
        breaks_a_rule_of_iteration,
    ),
    "an iteration of the new array alone": (
        "if oldbuckets and self.B.read() == B:",
        "if False:",
        breaks_a_rule_of_iteration,
    ),
    "an evacuation that sends NaNs anywhere under an iterator": (
        "if not equals_itself(key) and self.flags.read() & ITERATOR:",
        "if False:",
        breaks_a_rule_of_iteration,
    ),
    "an evacuation that wipes what an iterator still reads": (
        "if not self.flags.read() & OLD_ITERATOR:",
        "if True:",
        breaks_a_rule_of_iteration,
    ),
    "a growth that forgets its iterators": (
        "iterators = OLD_ITERATOR if flags & ITERATOR else 0",
        "iterators = 0",
        breaks_a_rule_of_iteration,
    ),
    "a clear that leaves the old buckets to iterators": (
        "for head in (*buckets, *self.oldbuckets.read()):",
        "for head in buckets:",
        breaks_a_rule_of_iteration,
    ),
    "a store that keeps the old zero": (
        "slot.key.write(key)  # equal",
        "pass  # equal",
        leaves_the_wrong_keys,
    ),
    "a hash that takes NaNs as they come": (
        "return hash_ if equals_itself(key) else self._rand.getrandbits(64)",
        "return hash_",
        leaves_the_wrong_keys,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mutant_is_caught(name: str) -> None:
    old, new, search = MUTANTS[name]
    make = mutant(old, new)
    for seed in range(3_000):
        try:
            if search(make, seed) is not None:
                return
        except (LookupError, FatalError, AssertionError):
            return  # a map so wrong that it cannot go on
    pytest.fail(f"{search.__name__} found nothing wrong")
