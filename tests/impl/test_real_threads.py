"""Both maps under real threads, as users run them: winners, private keys, ranges, clears, and a hammer.

Each check is a function of the map's class; at the end, classes that are wrong in one operation must fail theirs.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync import FatalError, PlainDict
from mapproof.impl.sync_map import ReadOnly, SyncMap

Run = Callable[..., None]
Make = Callable[[], Any]

MAPS = pytest.mark.parametrize("make", [SyncMap, RWMutexMap])
THREADS = 4


def load_or_store_has_one_winner(make: Make, run: Run) -> None:
    map_, answers = make(), list[tuple[int, int, tuple[int, bool]]]()

    def work(me: int) -> None:
        for key in range(100):
            answers.append((key, me, map_.load_or_store(key, me)))

    run(*[lambda me=me: work(me) for me in range(THREADS)])
    winner = {key: me for key, me, (_, loaded) in answers if not loaded}
    assert len(winner) == 100
    assert sum(not loaded for _, _, (_, loaded) in answers) == 100
    assert all(actual == winner[key] for key, _, (actual, _) in answers)
    map_.check_invariants()


def load_and_delete_has_one_winner(make: Make, run: Run) -> None:
    map_, taken = make(), list[int]()
    for key in range(400):
        map_.store(key, key)

    def work() -> None:
        taken.extend([value for key in range(400) for value, ok in [map_.load_and_delete(key)] if ok])

    run(*[work] * THREADS)
    assert sorted(taken) == list(range(400))
    assert map_.range() == []
    map_.check_invariants()


def compare_and_swap_or_delete_has_one_winner(make: Make, run: Run) -> None:
    """Go issue 70970: a swap and a delete of one value must not both succeed."""
    map_, won = make(), list[int]()
    for key in range(400):
        map_.store(key, "old")

    def swap() -> None:
        won.extend([key for key in range(400) if map_.compare_and_swap(key, "old", "new")])

    def delete() -> None:
        won.extend([key for key in range(400) if map_.compare_and_delete(key, "old")])

    run(swap, delete, swap, delete)
    assert sorted(won) == list(range(400))
    map_.check_invariants()


def compare_and_swap_counts(make: Make, run: Run) -> None:
    map_ = make()
    map_.store("n", 0)

    def increment() -> None:
        for _ in range(100):
            while not map_.compare_and_swap("n", value := map_.load("n")[0], value + 1):
                pass

    run(*[increment] * THREADS)
    assert map_.load("n") == (100 * THREADS, True)
    map_.check_invariants()


def private_keys_stay(make: Make, run: Run) -> None:
    """Nobody else touches my keys, so what I did last is what I see, while others cause copies and promotions."""
    map_ = make()

    def work(me: int) -> None:
        for round_ in range(50):
            for key in range(10):
                mine = (me, round_, key)
                assert map_.swap(mine, key) == (None, False)
                assert map_.load(mine) == (key, True)
                assert map_.load((me, "absent")) == (None, False)
                if key % 2:
                    assert map_.load_and_delete(mine) == (key, True)
                    assert map_.load(mine) == (None, False)

    run(*[lambda me=me: work(me) for me in range(THREADS)])
    assert len(map_.range()) == THREADS * 50 * 5
    map_.check_invariants()


def range_sees_every_key_once(make: Make, run: Run) -> None:
    """Go's TestConcurrentRange: the keys stay, the values change, always to multiples of the key."""
    map_, keys = make(), range(1, 65)
    for key in keys:
        map_.store(key, key)

    def write(me: int) -> None:
        for number in range(20):
            for key in keys:
                map_.store(key, key * number * me)

    def read() -> None:
        for _ in range(20):
            seen: list[tuple[int, int]] = []
            map_.range(lambda key, value, seen=seen: seen.append((key, value)) is None)
            assert sorted(key for key, _ in seen) == list(keys)
            assert all(value % key == 0 for key, value in seen)

    run(lambda: write(1), lambda: write(2), read, read)
    map_.check_invariants()


def clear_empties(make: Make, run: Run) -> None:
    """Go's TestConcurrentClear."""
    map_ = make()

    def write() -> None:
        for key in range(2000):
            map_.store(key % 17, key)

    def read() -> None:
        for key in range(2000):
            value, present = map_.load(key % 17)
            assert not present or value % 17 == key % 17

    def clear() -> None:
        for _ in range(1000):
            map_.clear()

    run(write, write, read, clear, clear)
    map_.check_invariants()
    map_.clear()
    assert map_.range() == []
    map_.check_invariants()


def hammer_leaves_a_sound_map(make: Make, run: Run) -> None:
    map_ = make()

    def work(seed: int) -> None:
        random_ = random.Random(seed)
        for _ in range(3000):
            key = random_.randrange(6)
            match random_.randrange(10):
                case 0 | 1:
                    map_.store(key, (key, 0))
                case 2:
                    map_.delete(key)
                case 3:
                    map_.compare_and_delete(key, (key, 0))
                case 4:
                    map_.load_or_store(key, (key, 1))
                case 5:
                    map_.compare_and_swap(key, (key, 0), (key, 1))
                case 6:
                    assert all(key == value[0] for key, value in map_.range())
                case 7:
                    map_.clear()
                case _:
                    value, present = map_.load(key)
                    assert not present or value[0] == key

    run(*[lambda seed=seed: work(seed) for seed in range(THREADS)])
    map_.check_invariants()
    assert sorted(map_.range()) == [(key, map_.load(key)[0]) for key in range(6) if map_.load(key)[1]]
    map_.check_invariants()


CHECKS = [
    load_or_store_has_one_winner,
    load_and_delete_has_one_winner,
    compare_and_swap_or_delete_has_one_winner,
    compare_and_swap_counts,
    private_keys_stay,
    range_sees_every_key_once,
    clear_empties,
    hammer_leaves_a_sound_map,
]


@MAPS
@pytest.mark.parametrize("check", CHECKS)
def test_under_real_threads(check: Callable[[Make, Run], None], make: Make, run_threads: Run) -> None:
    check(make, run_threads)


def pause() -> None:
    """Long enough for another thread to run."""
    time.sleep(1e-5)


class ChecksThenActs(RWMutexMap[Any, Any]):
    """Each compound operation lets others in between its check and its act."""

    def load_or_store(self, key: Any, value: Any) -> tuple[Any, bool]:
        found = self.load(key)
        pause()
        if found[1]:
            return found
        self.store(key, value)
        return value, False

    def load_and_delete(self, key: Any) -> tuple[Any, bool]:
        found = self.load(key)
        pause()
        self.delete(key)
        return found

    def compare_and_swap(self, key: Any, old: Any, new: Any) -> bool:
        matches = self.load(key) == (old, True)
        pause()
        if matches:
            self.store(key, new)
        return matches

    def compare_and_delete(self, key: Any, old: Any) -> bool:
        matches = self.load(key) == (old, True)
        pause()
        if matches:
            self.delete(key)
        return matches

    def swap(self, key: Any, value: Any) -> tuple[Any, bool]:
        """Rewrites the whole map, so that it undoes what others did meanwhile."""
        pairs = dict(self.range())
        pause()
        previous = (pairs[key], True) if key in pairs else (None, False)
        pairs[key] = value
        self.clear()
        for other in pairs.items():
            self.store(*other)
        return previous


class ReadsWithoutTheLock(RWMutexMap[Any, Any]):
    """`range` reads the keys at one moment and the values at others, and takes a miss for the end."""

    def range(self, f: Any = None) -> Any:  # type: ignore[override,unused-ignore]
        for key, _ in super().range():
            value, present = self.load(key)
            if present and (value or f is None):
                f(key, value)


class ClearsOnlyRead(SyncMap[Any, Any]):
    """`clear` forgets the keys that are only in dirty."""

    def clear(self) -> None:
        with self.mu:
            self.read.store(ReadOnly(PlainDict(), amended=False))


class MixesKeysUp(RWMutexMap[Any, Any]):
    """`load` remembers its key in the map, where the next thread overwrites it."""

    asked: Any = None

    def load(self, key: Any) -> tuple[Any, bool]:
        self.asked = key
        pause()
        return super().load(self.asked)


@pytest.mark.parametrize(
    ("check", "mutant"),
    [
        (load_or_store_has_one_winner, ChecksThenActs),
        (load_and_delete_has_one_winner, ChecksThenActs),
        (compare_and_swap_or_delete_has_one_winner, ChecksThenActs),
        (compare_and_swap_counts, ChecksThenActs),
        (private_keys_stay, ChecksThenActs),
        (range_sees_every_key_once, ReadsWithoutTheLock),
        (clear_empties, ClearsOnlyRead),
        (hammer_leaves_a_sound_map, MixesKeysUp),
    ],
)
def test_each_check_finds_a_mutant(
    check: Callable[[Make, Run], None], mutant: Make, run_threads: Run
) -> None:
    with pytest.raises((AssertionError, FatalError)):
        for _ in range(50):  # one run finds it nearly always, but the schedule is not ours
            check(mutant, run_threads)
