"""The sharded map: answers as a dict's while shards split, no schedule of a split goes wrong, and slips are found.

In the words of scenarios here, `rehash a` is a rehash and then a load of a, `maintain a` one batch and then a load.
"""

from __future__ import annotations

import gc
import inspect
import itertools
import random
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from mapproof.impl import hashing, sharded_map, shards
from mapproof.impl.hashing import Routing, fnv1a_64
from mapproof.impl.sharded_map import RehashError, ShardedMap
from mapproof.impl.sync import Access, watched_by
from mapproof.spec.claims import Claims, Contract
from mapproof.spec.evidence import Verdict
from mapproof.spec.linearizability import Linearizable, check
from mapproof.spec.operations import Op
from mapproof.stateful_tests.adapters import Adapter, Form, adapter_for
from mapproof.stateful_tests.catalogue import program_of, scenario_of
from mapproof.stateful_tests.execution import FailureKind, Target, laboratory
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.machines import machine_for
from mapproof.stateful_tests.real_threads import record
from mapproof.stateful_tests.scenarios import Call, Scenario

Map = ShardedMap[Any, Any]
Make = Callable[..., Map]
Run = Callable[..., None]

ROUTINGS = pytest.mark.parametrize("routing", list(Routing))


def by_low_bits(key: Any) -> int:
    """Routes small numbers and letters by themselves: a and c to shard 0 of 2, b and d to shard 1."""
    return key if isinstance(key, int) else ord(key) - ord("a")


def by_top_bits(key: Any) -> int:
    """The same four letters told apart by the top two bits: a and b to shard 0 of 2, c and d to shard 1."""
    return by_low_bits(key) << 62


def every_key_the_same(key: Any) -> int:
    return 7


# -- in sequence


def driven(map_: Map) -> Adapter:
    """The adapter of a Go-like map, whose loads may come with a rehash (form 1) or a batch of one (form 2)."""
    adapter = adapter_for(map_)
    load = adapter.forms[Op.LOAD][0]
    rehash = Form("m.rehash(); m.load({k})", lambda m, k, args: (m.rehash(), m.load(k))[1])
    maintain = Form("m.maintain(0); m.load({k})", lambda m, k, args: (m.maintain(0), m.load(k))[1])
    return replace(adapter, forms={**adapter.forms, Op.LOAD: (load, rehash, maintain)})


def checked_after(operation: Form) -> Form:
    def perform(map_: Map, key: Any, args: tuple[Any, ...]) -> Any:
        answer = operation.perform(map_, key, args)
        map_.check_invariants()
        return answer

    return Form(operation.text, perform)


@ROUTINGS
@pytest.mark.parametrize("hash_key", [hashing.mixed_hash, by_low_bits, by_top_bits, every_key_the_same])
def test_any_operations_answer_as_the_model_while_shards_split(
    routing: Routing, hash_key: Callable[[Any], int]
) -> None:
    def make() -> Map:
        return ShardedMap(shards=1, capacity=2, max_shards=16, batch=1, routing=routing, hash_key=hash_key)

    adapter = driven(make())
    forms = {op: tuple(map(checked_after, forms)) for op, forms in adapter.forms.items()}
    search = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine_for(make, replace(adapter, forms=forms)), settings=search)


@ROUTINGS
def test_ten_thousand_operations_on_a_map_that_grows(routing: Routing) -> None:
    map_: Map = ShardedMap(shards=2, capacity=4, max_shards=256, batch=1, routing=routing)
    assert divergence(map_, random.Random(3)) is None
    assert len(map_.route.peek().shards()) > 16


def divergence(map_: Map, source: random.Random, operations: int = 10_000) -> str | None:
    """What the map first does otherwise than a dict, while it is maintained every few operations."""
    expected: dict[int, int] = {}
    for now in range(operations):
        key = source.randrange(150)
        before = (expected[key], True) if key in expected else (None, False)
        match source.randrange(5):
            case 0:
                map_.maintain(now)
                answer = map_.load(key)
            case 1:
                answer = map_.load_and_delete(key)
                expected.pop(key, None)
            case 2:
                answer = map_.swap(key, now)
                expected[key] = now
            case 3:
                answer = map_.load_or_store(key, now)
                before = (expected.setdefault(key, now), before[1])
            case _:
                assert map_.compare_and_swap(key, before[0], now) == before[1]
                answer = before
                expected.update({key: now} if before[1] else {})
        if answer != before:
            return f"operation {now} on key {key} answered {answer}, a dict {before}"
        if now % 100 == 0:
            map_.check_invariants()
            if dict(map_.range()) != expected or len(map_) != len(expected):
                return f"after operation {now} the keys differ"
    return None


def test_keys_are_those_of_a_dict() -> None:
    map_: Map = ShardedMap()
    nan = float("nan")
    for key in [1, True, 1.0, "", None, nan, nan, (1, 2)]:
        map_.store(key, key)
    assert len(map_) == 5
    assert (1, 1.0) in map_.range() and map_.load(nan) == (nan, True)
    assert [type(key) for key, _ in map_.range() if key == 1] == [int]
    assert map_.load(1) == (1.0, True)
    with pytest.raises(TypeError, match="unhashable"):
        map_.store([], 1)


def test_a_missing_key_equals_nothing() -> None:
    """Go's TestCompareAndSwap_NonExistingKey."""
    map_: Map = ShardedMap()
    assert not map_.compare_and_swap("k", None, 42)
    assert not map_.compare_and_delete("k", None)


def test_the_callback_of_range_may_use_the_map_and_stop() -> None:
    """Go's TestMapRangeNestedCall, with a rehash inside."""
    map_: Map = ShardedMap(shards=1, capacity=2)
    for number, word in enumerate(["hello", "world", "Go"]):
        map_.store(number, word)
    seen: list[int] = []

    def inner(key: int, value: str) -> bool:
        map_.rehash()
        assert map_.load_or_store(42, "dummy") == ("dummy", False)
        assert map_.load_and_delete(42) == ("dummy", True)
        return True

    def outer(key: int, value: str) -> bool:
        seen.append(key)
        map_.range(inner)
        map_.delete(key)
        return True

    map_.range(outer)
    assert sorted(seen) == [0, 1, 2]
    assert map_.range() == [] and map_.len() == 0
    map_.store(1, "a")
    map_.store(2, "b")
    map_.range(lambda key, value: bool(seen.append(key)))
    assert len(seen) == 4


def test_deleted_keys_can_be_collected() -> None:
    """Go's issue 40999, also in the middle of a split and after it."""

    class Key:
        pass

    map_: Map = ShardedMap(shards=1, capacity=2, batch=1)
    map_.store("resident", 1)
    gone = []
    for now in range(40):
        key = Key()
        gone.append(weakref.ref(key))
        map_.store(key, 1)
        map_.maintain(10 * now)
        map_.delete(key)
        del key
    gc.collect()
    assert not any(reference() for reference in gone)


# -- when and what a map splits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def filled(keys: int, **options: Any) -> Map:
    map_: Map = ShardedMap(hash_key=by_low_bits, **options)
    for key in range(keys):
        map_.store(key, key)
    return map_


def test_a_shard_splits_when_its_load_passes_three_quarters() -> None:
    map_ = filled(48, shards=1, capacity=64, batch=1000)
    assert not map_.maintain(0)
    assert len(map_.route.peek().shards()) == 1
    map_.store(48, 48)
    map_.maintain(5)
    assert [shard.count.peek() for shard in map_.route.peek().shards()] == [25, 24]


def test_the_load_is_looked_at_every_five_seconds_of_the_clock() -> None:
    clock = Clock()
    map_ = filled(1, shards=1, capacity=8, batch=1000, clock=clock)
    map_.maintain()
    for key in range(8):
        map_.store(key, key)
    clock.now = 4.9
    assert not map_.maintain()
    assert len(map_.route.peek().slots) == 1
    clock.now = 5.0
    map_.maintain()
    assert len(map_.route.peek().slots) == 2


def test_a_batch_at_a_time() -> None:
    """Two steps a bin, a copy and a comparison; the map may be used after each."""
    map_ = filled(16, shards=1, capacity=16, batch=4)
    more = []
    for step in range(8):
        more.append(map_.maintain(0))
        map_.delete(step)
        map_.store(100 + step, step)
        map_.check_invariants()
    assert more == [True] * 7 + [False]
    assert len(map_.route.peek().shards()) == 2
    assert sorted(map_.range()) == [*((key, key) for key in range(8, 16)), *((100 + s, s) for s in range(8))]


@ROUTINGS
def test_only_the_overloaded_shard_splits(routing: Routing) -> None:
    hash_key = by_low_bits if routing is Routing.LOW_BITS else by_top_bits
    map_: Map = ShardedMap(shards=2, capacity=2, batch=99, routing=routing, hash_key=hash_key)
    crowded = "ac" if routing is Routing.LOW_BITS else "ab"
    for key in crowded:
        map_.store(key, key)
    map_.maintain(0)
    route = map_.route.peek()
    assert len(route.slots) == 4
    assert sorted(shard.shards for shard in route.shards()) == [2, 4, 4]
    assert {map_.load(key) for key in "abcd"} == {(None, False), *((key, True) for key in crowded)}
    map_.check_invariants()


def test_a_rehash_splits_every_shard() -> None:
    map_ = filled(40, shards=4, capacity=2)
    for slots in (8, 16, 32):
        map_.rehash()
        assert len(map_.route.peek().slots) == len(map_.route.peek().shards()) == slots
        assert sorted(map_.range()) == [(key, key) for key in range(40)]
        map_.check_invariants()


def test_keys_that_no_bit_tells_apart_do_not_make_the_route_grow_for_ever() -> None:
    map_: Map = ShardedMap(shards=1, capacity=2, max_shards=8, hash_key=every_key_the_same)
    for key in range(10):
        map_.store(key, key)
    for now in range(0, 1000, 5):
        map_.maintain(now)
    assert len(map_.route.peek().slots) == 8
    assert not map_.maintain(1000)
    assert sorted(map_.range()) == [(key, key) for key in range(10)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shards": 3}, "the number of shards must be a power of two, not 3"),
        ({"max_shards": 0}, "the number of shards must be a power of two, not 0"),
        ({"capacity": 6}, "the capacity of a shard must be a power of two, not 6"),
        ({"batch": 0}, "the cursor must do at least one bin at a time, not 0"),
    ],
)
def test_wrong_numbers_are_refused_in_one_line(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError) as refused:
        ShardedMap(**options)  # type: ignore[arg-type]
    assert str(refused.value) == message


# -- what is compared before the route switches


def sabotaged(make: Make) -> Map:
    """A map in the middle of a split, whose copy has just lost a key."""
    map_ = make(shards=1, capacity=2, batch=1, hash_key=by_low_bits)
    for key in range(4):
        map_.store(key, key)
    map_.maintain(0)
    split = map_.route.peek().slots[0].split.peek()
    assert split is not None
    copies = [bin_ for shard in split.new for bin_ in shard.bins if bin_.peek()]
    copies[0].store(copies[0].peek()[1:])
    return map_


def test_a_wrong_copy_never_becomes_the_route() -> None:
    map_ = sabotaged(ShardedMap)
    with pytest.raises(AssertionError, match="I4"):
        map_.check_invariants()
    with pytest.raises(
        RehashError, match=r"^the copy of shard 0 of 1 was found wrong and dropped; no key was"
    ):
        map_.rehash()
    map_.check_invariants()
    assert sorted(map_.range()) == [(key, key) for key in range(4)]
    map_.rehash()
    assert sorted(map_.range()) == [(key, key) for key in range(4)]


# -- readers


class Accesses:
    """A hook that keeps what was accessed; nothing may be waited for."""

    def __init__(self) -> None:
        self.kinds: list[Access] = []

    def before(self, target: object, access: Access) -> None:
        self.kinds.append(access)

    def wait(self, target: object, access: Access, ready: Callable[[], bool]) -> None:
        self.kinds.append(access)

    def thread(self) -> int:
        return 1


def test_a_read_is_two_atomic_loads_in_every_state_of_a_split() -> None:
    map_ = filled(8, shards=1, capacity=4, batch=1)
    for _ in range(9):
        owner = map_.route.peek().slots[0]
        map_.migrator.lock()
        owner.mu.lock()
        hook = Accesses()
        with watched_by(hook):
            assert map_.load(3) == (3, True)
        assert hook.kinds == [Access.LOAD, Access.LOAD]
        assert (len(map_.range()), len(map_)) == (8, 8)
        owner.mu.unlock()
        map_.migrator.unlock()
        map_.maintain(0)
    assert len(map_.route.peek().slots) == 2


# -- every schedule of small scenarios

SPLITS = {
    "a store meets a rehash": ("store a 1", ("rehash a", "store a 2; load a")),
    "a delete meets the cursor": ("store a 1", ("rehash b", "delete a; load a")),
    "a delete between copy and switch": ("store a 1; maintain a", ("maintain a; load a", "delete a; load a")),
    "a key comes and goes": ("", ("rehash a", "store a 1; delete a")),
    "two writers between copy and switch": (
        "store a 1; maintain a",
        ("maintain a", "store a 2; load a", "load_and_delete a"),
    ),
    "a reader, a writer and the switch": (
        "store a 1; maintain a",
        ("maintain a", "load a; load a", "store a 2"),
    ),
    "a compare_and_swap meets a compare_and_delete": (
        "store a 1; maintain a",
        ("maintain b", "compare_and_swap a 1 2; load a", "compare_and_delete a 1"),
    ),
    "two load_or_store meet a rehash": ("", ("rehash a", "load_or_store a 1", "load_or_store a 2")),
    "a range meets a split and a store": (
        "store a 1; store b 2; maintain a",
        ("maintain a; store a 3; store b 4", "range"),
    ),
    "a range, a len and a rehash": ("store a 1; store b 2", ("rehash a", "range; len")),
    "a clear meets a split": ("store a 1; store b 2; maintain a", ("maintain a", "clear; load b", "load a")),
    "a clear meets a rehash and a store": ("store a 1", ("rehash a", "clear; store b 2; range")),
    "two rehashes and a swap": ("store a 1", ("rehash a", "rehash b", "swap a 2")),
    "a write waits while its shard splits": (
        "store c 1; maintain a",
        ("maintain c; swap c 3", "swap c 2; load c"),
    ),
}
"""Name -> (setup, one program for each thread)."""

SMALLEST: dict[str, Any] = {"shards": 1, "capacity": 1, "batch": 1, "hash_key": by_low_bits}
TWO_BINS = {**SMALLEST, "capacity": 2}
BY_TOP_BITS = {**SMALLEST, "routing": Routing.TOP_BITS, "hash_key": by_top_bits}


def target_with(make: Make, options: dict[str, Any], claims: Claims = ShardedMap.claims) -> Target:
    return Target("ShardedMap", lambda: make(**options), driven(make()), tuple("abcd"), claims)


def split_scenario(adapter: Adapter, setup: str, *threads: str) -> Scenario:
    setup_calls, *programs = [tuple(_calls(text)) for text in (setup, *threads)]
    observers = scenario_of(adapter, "", "load a; load b; load c").observers
    return Scenario(setup_calls, tuple(programs), observers)


def _calls(text: str) -> Iterator[Call]:
    forms = {"rehash": 1, "maintain": 2}
    for words in filter(None, map(str.strip, text.split(";"))):
        name, _, rest = words.partition(" ")
        (call,) = program_of(f"load {rest}" if name in forms else words)
        yield replace(call, form=forms.get(name, 0))


def scenarios_of_splits(adapter: Adapter) -> Iterator[tuple[str, Scenario, int]]:
    """(name, scenario, bound of preemptions): 2 for two threads, 1 for three."""
    for name, (setup, threads) in SPLITS.items():
        yield name, split_scenario(adapter, setup, *threads), 4 - len(threads)


@pytest.mark.parametrize("options", [SMALLEST, TWO_BINS, BY_TOP_BITS], ids=["1", "2", "top"])
def test_no_schedule_of_a_split_goes_wrong(options: dict[str, Any]) -> None:
    target = target_with(ShardedMap, options)
    for name, scenario, bound in scenarios_of_splits(target.adapter):
        explored = Exhaustion(name, target, scenario, bound).run()
        assert explored.verdict is Verdict.EXHAUSTED, explored.evidence()


@pytest.mark.parametrize("claims", [Claims(range=Contract.ATOMIC), Claims(len=Contract.ATOMIC)])
def test_no_more_is_claimed_than_holds(claims: Claims) -> None:
    target = target_with(ShardedMap, {**SMALLEST, "shards": 2}, claims)
    scenario = split_scenario(
        target.adapter, "store a 1; store b 2", "range; len", "delete a; delete b", "store a 3"
    )
    assert Exhaustion("claims", target, scenario, bound=2).run().verdict is Verdict.FAILED


# -- mutants

Change = tuple[ModuleType, str, str]

DELETES_ONCE: Change = (shards, "if split is not None:", "if split is not None and new is not None:")
WRITES_ONCE: Change = (shards, "if split is not None:", "if False:")
LOCKS_LATE: Change = (
    sharded_map,
    """\
                end = min(cursor + self.batch, 2 * len(shard.bins))
                agrees = split.advance_locked(cursor, end)
                at_end""",
    """\
            end = min(cursor + self.batch, 2 * len(shard.bins))
            agrees = split.advance_locked(cursor, end)
            with shard.mu:
                at_end""",
)
FILLS_GAPS: Change = (
    shards,
    "shard.set_bin_locked(number, self._part(chain, shard))",
    """\
held = shard.bins[number].load()
            missing = [node for node in self._part(chain, shard) if find(held, node.hash, node.key) is None]
            shard.set_bin_locked(number, (*held, *missing))""",
)
SWITCHES_AFTER_THE_COPY: Change = (sharded_map, "2 * len(shard.bins)", "len(shard.bins)")
SWITCHES_AT_ONCE: Change = (sharded_map, "at_end = end == 2 * len(shard.bins)", "at_end = True")
COMPARES_NOTHING: Change = (
    shards,
    "return all(self.agrees(step - bins) for step in range(max(start, bins), end))",
    "return True",
)
COUNTS_NOTHING: Change = (sharded_map, "agrees = agrees and split.counts_agree()", "pass")
DOUBLED_MASK: Change = (
    shards,
    "self.routing.shard_of(hash_value, one.shards) == one.index",
    "hash_value & (2 * self.old.shards - 1) & self.old.shards",
)
CHILDREN_OF_THE_TOP_BITS: Change = (
    hashing,
    "return low_bits if self is Routing.LOW_BITS else (2 * shard, 2 * shard + 1)",
    "return 2 * shard, 2 * shard + 1",
)
DOES_NOT_ASK_AGAIN: Change = (sharded_map, "if not shard.successors_locked():", "if True:")
READS_THE_NEW_SHARD: Change = (
    sharded_map,
    "return _found(self.route.load().owner_of(hash_value).find(hash_value, key))",
    """\
shard = self.route.load().owner_of(hash_value)
        split = shard.split.read()
        return _found((shard if split is None else split.child_of(hash_value)).find(hash_value, key))""",
)
CLEARS_ONLY_THE_OLD: Change = (
    shards,
    "for shard in (self, *(() if split is None else split.new)):",
    "for shard in (self,):",
)
CLEAR_DOES_NOT_ASK_AGAIN: Change = (sharded_map, "shards.extend(successors)", "pass")
UNCHECKED = (COMPARES_NOTHING, COUNTS_NOTHING)


def mutant(*changes: Change) -> Make:
    """ShardedMap from its own sources with these places changed."""
    made: dict[str, ModuleType] = {}
    for original in (hashing, shards, sharded_map):
        source = inspect.getsource(original)
        for module, old, new in changes:
            if module is original:
                assert old in source, f"{old!r} is not in {original.__name__}"
                source = source.replace(old, new)
        for name in made:
            source = source.replace(
                f"from mapproof.impl.{name} import", f"from mapproof.impl._broken_{name} import"
            )
        name = original.__name__.rpartition(".")[2]
        made[name] = ModuleType(f"mapproof.impl._broken_{name}")
        sys.modules[made[name].__name__] = made[name]  # where the next one and dataclasses look it up
        exec(compile(source, f"_broken_{name}.py", "exec"), made[name].__dict__)  # noqa: S102 - our own source
    return made["sharded_map"].ShardedMap  # type: ignore[no-any-return]


def failures(make: Make, options: dict[str, Any]) -> Iterator[tuple[str, FailureKind]]:
    """Each scenario that goes wrong, and how its first wrong schedule shows it."""
    target = target_with(make, options)
    for name, scenario, bound in scenarios_of_splits(target.adapter):
        strategy = PreemptionBound(bound)
        with laboratory(target) as lab:
            while strategy.begin():
                failure = lab.run(scenario, strategy).failure
                if failure is not None:
                    yield name, failure.kind
                    break


COMPARISON, HISTORY, INVARIANT = FailureKind.EXCEPTION, FailureKind.VIOLATION, FailureKind.INVARIANT


@pytest.mark.parametrize(
    ("changes", "options", "detector"),
    [
        pytest.param((DELETES_ONCE,), SMALLEST, COMPARISON, id="delete not sent to the new shards"),
        pytest.param((DELETES_ONCE, *UNCHECKED), SMALLEST, HISTORY, id="the same, not compared"),
        pytest.param(
            (DELETES_ONCE, SWITCHES_AFTER_THE_COPY, COUNTS_NOTHING), TWO_BINS, HISTORY, id="switched first"
        ),
        pytest.param((WRITES_ONCE,), SMALLEST, COMPARISON, id="no dual write"),
        pytest.param((WRITES_ONCE, *UNCHECKED), SMALLEST, HISTORY, id="no dual write, not compared"),
        pytest.param((LOCKS_LATE,), SMALLEST, COMPARISON, id="stale copy overwrites"),
        pytest.param((LOCKS_LATE, *UNCHECKED), SMALLEST, HISTORY, id="stale copy overwrites, not compared"),
        pytest.param((LOCKS_LATE, FILLS_GAPS), SMALLEST, COMPARISON, id="stale copy resurrects"),
        pytest.param((LOCKS_LATE, FILLS_GAPS, *UNCHECKED), SMALLEST, HISTORY, id="resurrects, not compared"),
        pytest.param((SWITCHES_AT_ONCE, *UNCHECKED), TWO_BINS, HISTORY, id="switch too early"),
        pytest.param((DOUBLED_MASK,), BY_TOP_BITS, INVARIANT, id="doubled mask with top bits"),
        pytest.param((DOES_NOT_ASK_AGAIN,), SMALLEST, HISTORY, id="writes to a shard that was split"),
        pytest.param((READS_THE_NEW_SHARD,), SMALLEST, HISTORY, id="reads the new shard during the split"),
        pytest.param((CLEARS_ONLY_THE_OLD, *UNCHECKED), SMALLEST, HISTORY, id="clear misses the new shards"),
        pytest.param(
            (CLEAR_DOES_NOT_ASK_AGAIN,), SMALLEST, HISTORY, id="clear misses a shard that was split"
        ),
    ],
)
def test_each_mutant_is_caught(
    changes: tuple[Change, ...], options: dict[str, Any], detector: FailureKind
) -> None:
    assert any(kind is detector for _, kind in failures(mutant(*changes), options))


def test_filling_gaps_instead_of_overwriting_is_right_under_the_lock() -> None:
    """So it is the lock around read and copy that matters, as the mutants above show."""
    assert list(failures(mutant(FILLS_GAPS), SMALLEST)) == []


def test_a_switch_before_the_comparison_lets_a_wrong_copy_through() -> None:
    map_ = sabotaged(mutant(SWITCHES_AFTER_THE_COPY, COUNTS_NOTHING))
    map_.rehash()
    assert len(map_.range()) < 4


def test_the_doubled_mask_loses_keys_of_a_map_by_top_bits() -> None:
    map_ = mutant(DOUBLED_MASK)(shards=2, capacity=4, routing=Routing.TOP_BITS)
    assert "answered (None, False), a dict" in (divergence(map_, random.Random(3)) or "")


def test_children_of_the_top_bits_have_no_slot_in_a_route_by_low_bits() -> None:
    map_ = mutant(CHILDREN_OF_THE_TOP_BITS)(shards=2, capacity=4)
    with pytest.raises(KeyError):
        map_.rehash()


# -- real threads


@ROUTINGS
def test_a_recorded_history_of_a_map_that_splits_is_linearizable(routing: Routing) -> None:
    maps: list[Map] = []

    def make() -> Map:
        clock = itertools.count(0, 10).__next__
        maps.append(ShardedMap(shards=1, capacity=2, max_shards=64, batch=1, routing=routing, clock=clock))
        return maps[-1]

    adapter = adapter_for(make())
    load = Form("m.maintain(); m.load({k})", lambda m, k, args: (m.maintain(), m.load(k))[1])
    adapter = replace(adapter, forms={**adapter.forms, Op.LOAD: (load,)})
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        history = record(make, adapter, clients=4, operations=1500, keys=40, seed=1)
    finally:
        sys.setswitchinterval(interval)
    assert isinstance(check(history, ShardedMap.claims), Linearizable)
    assert len(maps[-1].route.peek().shards()) > 4
    maps[-1].check_invariants()


def test_no_private_key_is_lost_while_others_rehash(run_threads: Run) -> None:
    """xsync's DoesNotLoseEntriesOnResize: what only this thread writes, it reads back."""
    map_: Map = ShardedMap(
        shards=1, capacity=4, batch=2, max_shards=128, hash_key=lambda key: fnv1a_64(b"%d" % key)
    )

    def work(me: int) -> None:
        for number in range(600):
            key = 4 * (number % 50) + me
            map_.store(key, number)
            assert map_.load(key) == (number, True)
            if number % 3 == 0:
                assert map_.load_and_delete(key) == (number, True)
                assert map_.load(key) == (None, False)

    def split() -> None:
        for _ in range(7):
            map_.rehash()

    def look() -> None:
        for _ in range(60):
            keys = [key for key, _ in map_.range()]
            assert len(keys) == len(set(keys))

    run_threads(lambda: work(0), lambda: work(1), lambda: work(2), split, look)
    map_.check_invariants()
    assert len(map_.route.peek().slots) == 128
    assert len(map_) == len(map_.range())


def test_a_range_meets_every_resident_key_once_while_shards_split(run_threads: Run) -> None:
    """Go's TestConcurrentRange."""
    keys = range(1, 101)
    map_: Map = ShardedMap(shards=1, capacity=4, batch=2, max_shards=64)
    for key in keys:
        map_.store(key, key)

    def write(factor: int) -> None:
        for key in keys:
            map_.store(key, key * factor)

    def read() -> None:
        for _ in range(30):
            pairs = map_.range()
            assert sorted(key for key, _ in pairs) == list(keys)
            assert all(value % key == 0 for key, value in pairs)

    def split() -> None:
        for _ in range(6):
            map_.rehash()

    run_threads(lambda: write(2), lambda: write(3), read, read, split)
    map_.check_invariants()


def test_a_clear_meets_splits(run_threads: Run) -> None:
    """Go's TestConcurrentClear."""
    map_: Map = ShardedMap(shards=1, capacity=2, batch=1, max_shards=32)

    def write() -> None:
        for key in range(600):
            map_.store(key % 17, key)

    def clear() -> None:
        for _ in range(100):
            map_.clear()

    def split() -> None:
        for _ in range(5):
            map_.rehash()

    run_threads(write, write, clear, split)
    map_.check_invariants()
    map_.clear()
    assert map_.range() == [] and len(map_) == 0
