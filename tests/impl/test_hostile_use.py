"""Uses that Go's types rule out and Python's do not: keys that fail to compare, an interrupt in the middle, numbers
that are none. Each ends in an exception for who did it, and leaves what others use as it was.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from reference_maps import VALUES_OF

from mapproof.impl.guarded_map import GuardedMap
from mapproof.impl.inventory import CasInventory, MutexInventory, RWMutexInventory
from mapproof.impl.local_cache import LocalCache
from mapproof.impl.plain_map import PlainMap
from mapproof.impl.replication import Change, ManualClock, Primary, Replica
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.sync import watched_by
from mapproof.impl.sync_map import SyncMap
from mapproof.impl.trie_map import TrieMap
from mapproof.spec.accesses import Access

every_map = pytest.mark.parametrize("make", [RWMutexMap, SyncMap, TrieMap, ShardedMap, GuardedMap, PlainMap])

FAILURES = (ZeroDivisionError, KeyboardInterrupt)


class Touchy:
    """A key whose hash is that of every other, and whose comparison with another fails as long as it is told to."""

    failure: type[BaseException] | None = None

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        if self.failure is not None and self is not other:
            raise self.failure
        return self is other


class LooksEachTime:
    """A hook that looks at the invariants before each access."""

    def __init__(self, look: Callable[[], None]) -> None:
        self.look = look

    def before(self, target: object, access: Access) -> None:
        self.look()

    def wait(self, target: object, access: Access, ready: Callable[[], bool]) -> None:
        self.look()

    def after(self, target: object, access: Access, happened: bool) -> None:
        pass

    def thread(self) -> int:
        return 0


def failing(keys: list[Touchy], failure: type[BaseException], act: Callable[[], object]) -> None:
    for key in keys:
        key.failure = failure
    with pytest.raises(failure):
        act()
    for key in keys:
        key.failure = None


@pytest.mark.parametrize("failure", FAILURES)
@every_map
def test_a_key_that_fails_to_compare_changes_nothing(make: Any, failure: type[BaseException]) -> None:
    map_, keys, other = make(), [Touchy() for _ in range(5)], Touchy()
    for key in keys:
        map_.store(key, "value")
    for act in (
        lambda: map_.store(other, 1),
        lambda: map_.load(other),
        lambda: map_.delete(other),
    ):
        failing([*keys, other], failure, act)
        map_.check_invariants()
        assert all(map_.load(key) == ("value", True) for key in keys)
        assert len(map_.range()) == 5


@pytest.mark.parametrize("failure", FAILURES)
def test_half_a_copy_of_read_is_never_promoted(failure: type[BaseException]) -> None:
    map_: SyncMap[Any, Any] = SyncMap()
    keys = [Touchy() for _ in range(5)]
    for key in keys:
        map_.store(key, "value")
    map_.range()
    map_.delete(keys[0])
    with watched_by(LooksEachTime(map_.step_invariants())):
        failing(keys, failure, lambda: map_.store("new", 1))
    map_.check_invariants()
    assert map_.load("new") == (None, False)
    map_.store("new", 1)
    map_.store(keys[0], "again")
    map_.range()
    assert sorted(map_.range(), key=str) == sorted(
        [*((key, "value") for key in keys[1:]), (keys[0], "again"), ("new", 1)], key=str
    )
    map_.check_invariants()


@every_map
def test_a_callback_that_fails_leaves_nothing_locked(make: Any) -> None:
    map_ = make()
    map_.store("a", 1)

    def interrupted(key: Any, value: Any) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        map_.range(interrupted)
    map_.check_invariants()
    map_.clear()
    assert map_.range() == []


@every_map
def test_a_callback_may_change_the_map_under_its_feet(make: Any) -> None:
    map_, seen = make(), list[int]()
    for key in range(40):
        map_.store(key, key)

    def meddle(key: int, value: int) -> bool:
        seen.append(key)
        map_.delete(key)
        map_.store(key + 1000, value)
        if len(seen) == 30:
            map_.clear()
        return len(seen) < 500 and map_.range(lambda key, value: True) is None

    map_.range(meddle)
    assert len(set(seen)) == len(seen) >= 30
    map_.check_invariants()


@every_map
def test_none_is_a_key_and_a_value_and_an_unhashable_key_is_an_error_everywhere(make: Any) -> None:
    map_ = make()
    for _ in range(2):
        for act in (map_.load, map_.delete, lambda key: map_.store(key, 1)):
            with pytest.raises(TypeError, match="unhashable type: 'list'"):
                act([])
            map_.check_invariants()
        map_.store(None, None)
        assert map_.load(None) == (None, True)
        assert map_.range() == [(None, None)]


class Unlike:
    """Equal to everything, and different from everything too."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return True


@pytest.mark.parametrize("make", [RWMutexMap, SyncMap, TrieMap, ShardedMap, GuardedMap])
def test_values_are_compared_by_equality_and_never_by_difference(make: Any) -> None:
    map_ = make()
    map_.store("a", Unlike())
    assert map_.compare_and_swap("a", 1, Unlike())
    assert map_.compare_and_delete("a", 1)
    assert map_.range() == []


NAN = math.nan
KEYS = (1, True, 1.0, 0.0, -0.0, NAN, None, "", (), (NAN,), 2**64, 2**61 - 1, -1, -2)
VALUES = (None, 0, False, -0.0, NAN, (NAN,), [NAN], [], {}, "x")


def answers(map_: Any, seed: int) -> list[str]:
    """To a random program; as texts, for no two NaN are equal."""
    random_, told = random.Random(seed), list[str]()
    for _ in range(60):
        name = random_.choice(list(VALUES_OF))
        args = random_.choices(VALUES, k=VALUES_OF[name])
        told.append(repr(getattr(map_, name)(random_.choice(KEYS), *args)))
        if random_.random() < 0.05:
            told.append(str(len(map_.range())))
        if random_.random() < 0.02:
            map_.clear()
    map_.check_invariants()
    return told


@pytest.mark.parametrize("make", [SyncMap, TrieMap, ShardedMap])
def test_odd_keys_and_values_are_told_apart_alike(make: Any) -> None:
    for seed in range(200):
        assert answers(make(), seed) == answers(RWMutexMap(), seed), seed


def test_a_map_that_knows_no_key_by_identity_is_told_from_the_others() -> None:
    assert any(answers(GuardedMap(), seed) != answers(RWMutexMap(), seed) for seed in range(200))


@pytest.mark.parametrize(
    ("make", "sign"),
    [(RWMutexMap, 1), (SyncMap, 1), (ShardedMap, 1), (TrieMap, -1), (GuardedMap, -1), (PlainMap, -1)],
)
def test_which_of_two_equal_keys_stays(make: Any, sign: int) -> None:
    """A dict keeps the first, as the maps built on dicts do; Go's built-in map and its trie keep the last."""
    map_ = make()
    map_.store(0.0, 1)
    map_.store(-0.0, 2)
    [(key, value)] = map_.range()
    assert (math.copysign(1, key), value) == (sign, 2)


class Byte(int):
    """An int that overflows, as those of numpy do."""

    def __add__(self, other: int) -> Byte:
        return Byte((int(self) + int(other) + 128) % 256 - 128)

    __radd__ = __add__

    def __index__(self) -> int:
        return int(self)


@pytest.mark.parametrize("make", [RWMutexInventory, MutexInventory, CasInventory])
def test_a_quantity_that_is_no_whole_number_is_refused(make: Any) -> None:
    shop = make()
    shop.restock("a", 1)
    for quantity in (math.nan, math.inf, 1.0, 0.5, None, "1"):
        for method in (shop.deduct, shop.restock):
            with pytest.raises(TypeError, match=r"^'.*' object cannot be interpreted as an integer$"):
                method("a", quantity)
    assert shop.available("a") == 1
    assert not shop.deduct("a", 1 << 100)
    shop.restock("a", 1 << 100)
    assert shop.deduct("a", 1 << 100)
    assert shop.available("a") == 1


@pytest.mark.parametrize("make", [RWMutexInventory, MutexInventory, CasInventory])
def test_a_stock_is_an_int_of_pythons_own(make: Any) -> None:
    shop = make()
    shop.restock("a", Byte(100))
    shop.restock("a", Byte(100))
    assert shop.available("a") == 200


def test_numbers_that_make_no_sense_to_a_replica_and_a_clock() -> None:
    clock = ManualClock()
    primary: Primary[str, int] = Primary(clock)
    for max_lag in (math.nan, -1):
        with pytest.raises(ValueError, match=rf"^max_lag must be at least 0, not {max_lag}$"):
            Replica(primary, clock, max_lag)
    with pytest.raises(ValueError, match=r"^a clock does not go back, so not by nan s$"):
        clock.advance(math.nan)
    replica = Replica(primary, clock, math.inf)
    primary.store("a", 1)
    with pytest.raises(ValueError, match=r"cannot be taken back, so not -3$"):
        replica.apply(-3)
    assert replica.apply(0) == 0
    assert replica.apply(3) == 1


def a_cache(primary: Primary[Any, Any], clock: Callable[[], float]) -> LocalCache[Any, Any]:
    return LocalCache(primary, Replica(primary, ManualClock()), primary.newest(), clock=clock)


def test_a_clock_that_fails_leaves_no_flight_behind() -> None:
    """Or who misses the key next would wait for it for ever."""
    primary: Primary[str, int] = Primary(ManualClock())
    shown = iter([0.0, None, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])

    def clock() -> float:
        now = next(shown)
        if now is None:
            raise OSError("no clock")
        return now

    cache = a_cache(primary, clock)
    with pytest.raises(OSError, match="no clock"):
        cache.load("a")
    cache.check_invariants()
    assert cache.load("a") == (None, False)


def test_a_clock_that_fails_leaves_no_row_that_the_log_does_not_know() -> None:
    def clock() -> float:
        raise OSError("no clock")

    primary: Primary[str, int] = Primary(ManualClock())
    primary.store("a", 1)
    primary.clock = clock
    check = primary.step_invariants()
    for change in (lambda: primary.store("a", 2), lambda: primary.delete("a")):
        with pytest.raises(OSError, match="no clock"):
            change()
        check()
    assert primary.read("a").value == 1


def test_a_key_that_fails_to_compare_leaves_no_flight_behind() -> None:
    primary: Primary[Any, int] = Primary(ManualClock())
    cache, key, other = a_cache(primary, ManualClock()), Touchy(), Touchy()
    cache.receive(Change(1, other, 2, 0.0))

    class Interrupting(Primary[Any, Any]):
        def read(self, key: Any) -> Any:
            other.failure = KeyboardInterrupt
            return primary.read(key)

    cache.replica = Interrupting(ManualClock())
    with pytest.raises(KeyboardInterrupt):
        cache.load(key)
    other.failure = None
    cache.replica = primary
    cache.check_invariants()
    assert cache.load(key) == (None, False)
    assert cache.load(other) == (2, True)
