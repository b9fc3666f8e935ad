"""What the tests of the sharded map share: maps that split on demand, and random sequences held against a dict."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.small_maps import by_low_bits
from mapproof.spec.operations import Op
from mapproof.stateful_tests.adapters import Adapter, Form, adapter_for

Map = ShardedMap[Any, Any]
Make = Callable[..., Map]


def driven(map_: Map) -> Adapter:
    """The adapter of a Go-like map, whose loads may come with a rehash (form 1) or a batch of one (form 2)."""
    adapter = adapter_for(map_)
    load = adapter.forms[Op.LOAD][0]
    rehash = Form("m.rehash(); m.load({k})", lambda m, k, args: (m.rehash(), m.load(k))[1])
    maintain = Form("m.maintain(0); m.load({k})", lambda m, k, args: (m.maintain(0), m.load(k))[1])
    return replace(adapter, forms={**adapter.forms, Op.LOAD: (load, rehash, maintain)})


def divergence(map_: Map, source: random.Random, operations: int = 10_000, sound: bool = True) -> str | None:
    """What the map first does otherwise than a dict, while it is maintained every few operations; invariants are looked
    at meanwhile if `sound`."""
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
            if sound:
                map_.check_invariants()
            if sorted(map_.range()) != sorted(expected.items()) or len(map_) != len(expected):
                return (
                    f"after operation {now} range answered {len(map_.range())} pairs, a dict {len(expected)}"
                )
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
