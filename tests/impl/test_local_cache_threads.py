"""The local cache under real threads, and the checks that watch it while it is used."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from caches import KeyRecord, Read, Write, fill
from mutants_local_cache import MUTANTS, classes_of, real_threads

from mapproof.impl.local_cache import Entry, Flight, Landed
from mapproof.spec.consistency.stale_reads import Staleness, staleness
from mapproof.spec.history import Operation
from mapproof.spec.linearizability import Linearizable
from mapproof.spec.linearizability.any_model import check_model
from mapproof.spec.staleness import BoundedStaleness
from mapproof.spec.values import ABSENT
from mapproof.stateful_tests.catalogue.cache import BOUND, Broken, Deployment


@pytest.fixture
def node() -> Deployment:
    return Deployment(inline=True)


# -- real threads


def test_readers_that_miss_a_key_at_once_load_it_once(run_threads: Callable[..., None]) -> None:
    node = Deployment(inline=True)
    fill(node, a=1)
    answers: list[Any] = []
    together = [lambda: answers.append(node.load("a"))] * 8
    run_threads(*together)
    assert answers == [(1, True)] * 8
    assert node.loads == 1


def test_a_failure_reaches_all_who_wait(run_threads: Callable[..., None]) -> None:
    node = Deployment(inline=True)
    node.fail()

    def fails() -> None:
        with pytest.raises(Broken):
            node.load("a")

    run_threads(*[fails] * 6)
    node.check_invariants()


def test_an_executor_refreshes() -> None:
    node = Deployment()
    fill(node, a=1)
    with ThreadPoolExecutor(1) as workers:
        node.cache.spawn = workers.submit
        node.load("a")
        fill(node, a=2)
        node.advance(10)
        assert node.load("a") in ((1, True), (2, True))
    assert node.load("a") == (2, True)


@pytest.mark.parametrize("delivers", [False, True])
def test_real_threads_stay_within_the_bound(run_threads: Callable[..., None], delivers: bool) -> None:
    node = Deployment(inline=True)
    ticks = count()
    reads: list[tuple[int, int, str, int]] = []
    operations: list[Operation] = []

    def recorded(client: int, op: str, key: str, call: Callable[[], Any], *args: Any) -> Any:
        tick, begin = next(ticks), int(node.clock())
        result = call()
        end = int(node.clock())
        operations.append(Operation(client, op, key, args, result, begin, end))
        return tick, result

    def write() -> None:
        for value in range(1, 151):
            key = "abc"[value % 3]
            recorded(0, "store", key, lambda key=key, value=value: node.store(key, value), value)  # type: ignore[misc]
            node.advance(1)

    def read(client: int) -> None:
        source = random.Random(client)
        for _ in range(300):
            key = source.choice("abc")
            tick, (value, _) = recorded(client, "load", key, lambda key=key: node.load(key))  # type: ignore[misc]
            reads.append((tick, next(ticks), key, value or 0))

    def follow() -> None:
        for _ in range(150):
            node.replicate()
            if delivers:
                node.deliver()

    run_threads(write, follow, *(lambda client=client: read(client) for client in (1, 2, 3)))
    measured = staleness(operations)
    assert isinstance(measured, Staleness), measured.sentence
    assert measured.delta is not None
    assert measured.delta <= BOUND
    assert list(_went_back(reads)) == []
    node.check_invariants()


def test_rounds_of_real_threads_stay_within_the_bound() -> None:
    assert real_threads(0.0).startswith("WITHIN THE BOUND: ")


@pytest.mark.parametrize(
    ("slip", "says"),
    [
        (
            "a load replaces what ranks higher",
            "a change that the cache had received|what was answered before",
        ),
        ("a change is ignored while its key is in flight", "a change that the cache had received|before"),
        # An answer that is too old may be explained by a later write of the same, and what follows then goes back.
        (
            "that a key is absent is believed for ever",
            "ABSENT at .* s: it is older than the bound|what was answered before",
        ),
        ("the lag is ignored", "it is older than the bound|what was answered before"),
        ("entries are dropped while they are gone through", "dictionary changed size during iteration"),
    ],
)
def test_rounds_of_real_threads_find_what_is_broken(slip: str, says: str) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.wrong == slip)
    assert re.search(says, real_threads(10.0, **classes_of(mutant)))


def test_what_judges_them_agrees_with_the_model() -> None:
    verdicts: Counter[bool] = Counter()
    for seed in range(300):
        record, operations = random_record(random.Random(seed))
        decided = check_model(operations, BoundedStaleness(4.5))
        fine = isinstance(decided, Linearizable)
        assert (record.unexplained("a", 5) == "") is fine, (seed, operations)
        verdicts[fine] += 1
    assert min(verdicts.values()) > 60


def random_record(rng: random.Random) -> tuple[KeyRecord, list[Operation]]:
    """Writes and steps of the clock one after the other, loads that overlap them and each other, nothing received."""
    record, operations, now = KeyRecord(), [], [0.0]
    for tick in range(0, 60, 10):
        if rng.random() < 0.5:
            seconds = rng.randint(1, 4)
            operations.append(Operation(0, "advance", None, (seconds,), None, tick, tick + 5))
            now.append(now[-1] + seconds)
        else:
            value = tick if rng.random() < 0.8 else ABSENT
            op, args = ("delete", ()) if value is ABSENT else ("store", (value,))
            operations.append(Operation(0, op, "a", args, None, tick, tick + 5))
            record.writes[tick + 1] = Write(value, tick, now[-1])
            now.append(now[-1])
    ticks = rng.sample([tick for tick in range(60) if tick % 5], 8)
    for client, (one, other) in enumerate(zip(ticks[::2], ticks[1::2], strict=True), 1):
        call, return_ = sorted((one, other))
        value = rng.choice(list(record.writes.values())).value
        result = (None, False) if value is ABSENT else (value, True)
        operations.append(Operation(client, "load", "a", (), result, call, return_))
        record.reads.append(Read(value, call, return_, now[(call + 4) // 10], 0))
    return record, operations


def _went_back(reads: list[tuple[int, int, str, int]]) -> Iterator[str]:
    """Reads (call, return, key, value) that began after a newer value of the key had been answered."""
    for call, _, key, value in reads:
        newest = max((v for _, end, k, v in reads if k == key and end < call), default=0)
        if newest > value:
            yield f"{key}: {value} after {newest}"


# -- the checks themselves


def test_the_invariants_see_what_is_broken() -> None:
    node = Deployment(inline=True, max_entries=1)
    fill(node, a=1)
    node.load("a")
    check = node.cache.step_invariants()
    check()
    node.cache.entries.peek()["a"] = Entry(2, 1, 0)
    with pytest.raises(AssertionError, match="L1: two values of 'a' at position 1"):
        check()
    node.cache.entries.peek()["a"] = Entry(1, 1, 0)
    node.cache.entries.peek()["b"] = Entry(1, 1, 0)
    for complain in (check, node.cache.check_invariants):
        with pytest.raises(AssertionError, match="L4: 2 entries, at most 1, with 0 in flight"):
            complain()
    node.cache.flights.peek().update((key, Flight(key, 0)) for key in "xy")
    with pytest.raises(AssertionError, match="L4: 2 entries, at most 1, with 2 in flight"):
        check()
    node.cache.flights.peek().clear()
    node.cache.floor.write(-1)
    with pytest.raises(AssertionError, match="L2: floor went back from 0 to -1"):
        check()
    node.cache.floor.write(0)
    flight = node.cache.flights.peek()["b"] = Flight("b", 0)
    flight.outcome.write(Landed(0, Entry(1, 1, 0)))
    with pytest.raises(AssertionError, match="L3: the flight of 'b' has landed"):
        check()
    with pytest.raises(AssertionError, match="loads of \\[\"'b'\"\\] never landed"):
        node.check_invariants()


@pytest.mark.parametrize("part", ["primary", "replica", "cache"])
def test_what_holds_its_lock_is_not_at_rest(node: Deployment, part: str) -> None:
    check = node.step_invariants()
    with getattr(node, part).mu:
        check()
        with pytest.raises(AssertionError, match=f"{part}.mu is held"):
            getattr(node, part).check_invariants()
    node.check_invariants()
