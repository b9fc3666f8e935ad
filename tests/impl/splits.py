"""What the tests of the sharded map share: hashes that tell a few keys apart, maps that split on demand, scenarios.

In the words of scenarios here, `rehash a` is a rehash and then a load of a, `maintain a` one batch and then a load.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from mapproof.impl.hashing import Routing
from mapproof.impl.sharded_map import ShardedMap
from mapproof.spec.claims import Claims
from mapproof.spec.operations import Op
from mapproof.stateful_tests.adapters import Adapter, Form, adapter_for
from mapproof.stateful_tests.catalogue import program_of, scenario_of
from mapproof.stateful_tests.execution import Target
from mapproof.stateful_tests.scenarios import Call, Scenario

Map = ShardedMap[Any, Any]
Make = Callable[..., Map]


def by_low_bits(key: Any) -> int:
    """Routes small numbers and letters by themselves: a and c to shard 0 of 2, b and d to shard 1."""
    return key if isinstance(key, int) else ord(key) - ord("a")


def by_top_bits(key: Any) -> int:
    """The same four letters told apart by the top two bits: a and b to shard 0 of 2, c and d to shard 1."""
    return by_low_bits(key) << 62


def every_key_the_same(key: Any) -> int:
    return 7


def driven(map_: Map) -> Adapter:
    """The adapter of a Go-like map, whose loads may come with a rehash (form 1) or a batch of one (form 2)."""
    adapter = adapter_for(map_)
    load = adapter.forms[Op.LOAD][0]
    rehash = Form("m.rehash(); m.load({k})", lambda m, k, args: (m.rehash(), m.load(k))[1])
    maintain = Form("m.maintain(0); m.load({k})", lambda m, k, args: (m.maintain(0), m.load(k))[1])
    return replace(adapter, forms={**adapter.forms, Op.LOAD: (load, rehash, maintain)})


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
