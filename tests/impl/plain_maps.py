"""Programs of one thread that look for what is wrong with Go's built-in map, answering it in words.

The idea: a search takes how to make a map, so that the same one is run on the map and on its mutants. Each is
held against a dict, or against a rule of Go's, under hashes that put all keys into one bucket or one chain.
"""

from __future__ import annotations

import gc
import math
import random
import weakref
from collections.abc import Callable
from typing import Any

from mapproof.impl.plain_map import PlainMap
from mapproof.impl.plain_map_buckets import SAME_SIZE_GROW, hash64
from mapproof.impl.sync import watched_by
from mapproof.spec.accesses import Access

Map = PlainMap[Any, Any]
Make = Callable[..., Map]


def constant(key: Any, seed: int) -> int:
    """One bucket for all keys: nothing but overflow chains."""
    return 7


def truncated(key: Any, seed: int) -> int:
    """Two bits choose the bucket, and all tophashes are the same."""
    return hash64(key, seed) & 3


HASHES = [hash64, constant, truncated]


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
    """A map, what should be in it, and an iteration: which entries came, and which must come. Some keys are NaNs.

    An entry is a key, or (NaN, value). One that is deleted and stored again is another, which need not come.
    """

    def __init__(self, make: Make, seed: int) -> None:
        self.random = random.Random(seed)
        self.map = make(seed=seed, hash_function=HASHES[seed % 3])
        self.model: dict[Any, int] = {}
        self.found_again = 0.6 if seed % 2 else 0.3
        self.must_come: set[Any] = set()
        self.came: set[Any] = set()
        self.ghosts: set[Any] = set()
        self.array: object = None
        self.number = 0

    def change(self) -> None:
        """One random store, delete or clear."""
        self.number += 1
        key: Any = self.random.randrange(40)
        kind = self.random.random()
        if kind < 0.7:
            key = key if kind < self.found_again else math.nan
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


def len_differs_at_rest(make: Make, seed: int) -> str | None:
    """A random program; then as many keys as len says."""
    random_, map_ = random.Random(seed), make(seed=seed)
    for number in range(40):
        key = random_.randrange(12)
        if random_.random() < 0.6:
            map_.store(key, number)
        else:
            map_.delete(key)
        if random_.random() < 0.05:
            map_.clear()
    keys = len(map_.range())
    return None if len(map_) == keys else f"len is {len(map_)}, and there are {keys} keys"


class Key:
    """A key whose end can be seen."""


def keeps_what_was_deleted(make: Make, seed: int) -> str | None:
    """Some keys, perhaps in the middle of a growth, are deleted or cleared; then they must be gone."""
    random_, map_, alive = random.Random(seed), make(seed=seed), weakref.WeakSet[Key]()
    keys = [Key() for _ in range(random_.choice([5, 20, 27, 53]))]
    for key in keys:
        map_.store(key, key)
        alive.add(key)
    gone = random_.choice([1, 2, len(keys) // 2, len(keys)])
    if gone == len(keys):
        map_.clear()
    for key in keys[:gone]:
        map_.delete(key)
    del key, keys[:gone]
    if len(alive) > len(keys):
        gc.collect()  # only what is still reachable counts
    return f"{len(alive) - len(keys)} deleted keys are kept" if len(alive) > len(keys) else None


# -- every step of a program


class _AtEachStep:
    """A hook for a program of one thread: each access is preceded by a check of the map made last."""

    def __init__(self) -> None:
        self.check: Callable[[], None] = lambda: None

    def before(self, target: object, access: Access) -> None:
        self.check()

    def wait(self, target: object, access: Access, ready: Callable[[], bool]) -> None:
        self.check()

    def after(self, target: object, access: Access, happened: bool) -> None:
        pass

    def thread(self) -> int:
        return 0


def step_checked(search: Search) -> Search:
    """The same search, with the invariants of each map that it makes checked at every step."""

    def checked(make: Make, seed: int) -> str | None:
        hook = _AtEachStep()

        def watched(*args: Any, **options: Any) -> Map:
            map_ = make(*args, **options)
            hook.check = map_.step_invariants()
            return map_

        with watched_by(hook):
            return search(watched, seed)

    return checked
