"""How the slips in the local cache and in what it stands before are caught, each by the detector that it names."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count, product
from math import ceil
from typing import Any

from caches import SITUATIONS, KeyRecord, Read, Write, divergence
from mutants import Detector, Mutant, built
from slips_local_cache import MUTANTS
from together import Hang, run_together, switching_often

from mapproof.impl import local_cache, replication
from mapproof.impl.replication import Reading, Source
from mapproof.impl.sync import FatalError
from mapproof.spec.values import ABSENT
from mapproof.stateful_tests.catalogue.cache import BOUND, Deployment, Situation
from mapproof.stateful_tests.execution import NO_CHECKS, Checks
from mapproof.stateful_tests.exploration import Explored
from mapproof.stateful_tests.objects import exhaust, sample

__all__ = ["MUTANTS", "alarms", "caught", "real_threads"]

SEQUENTIAL: Mapping[str, dict[str, Any]] = {
    "one thread, the log lost": {},
    "one thread, each change within 3 s": {"delivery": 3},
    "one thread, room for one entry": {"delivery": 3, "max_entries": 1},
    "one thread, absent keys not cached": {"negative_ttl": 0.0},
}
"""Name -> what an `Oracle` is made with."""

_WATCHED = {
    Detector.RACE: Checks(races=True),
    Detector.INVARIANT: Checks(invariants=True),
}


def classes_of(mutant: Mutant) -> dict[str, Any]:
    """The classes that a deployment is made of, out of sources with the change made."""
    changes = {mutant.module: [(mutant.before, mutant.after)]}
    cache = built("LocalCache", changes, (replication, local_cache))
    changed = sys.modules[f"{replication.__name__}__changed"]
    return {"cache": cache, "primary": changed.Primary, "replica": changed.Replica}


def caught(mutant: Mutant) -> str:
    """What the mutant's detector says of it in its scenario; "" if it found nothing."""
    classes, name = classes_of(mutant), mutant.scenario
    match mutant.detector:
        case Detector.ANSWERS:
            programs = (random.Random(seed) for seed in range(10))
            found = (divergence(rng, 1_000, **SEQUENTIAL[name], **classes) for rng in programs)
            return next(filter(None, found), "")
        case Detector.MEMORY_BOUND:
            return growth(**classes)
        case detector:
            judged = detector is Detector.LINEARIZABILITY
            checks = _WATCHED.get(detector, NO_CHECKS)
            return account(
                exhaust(SITUATIONS[name].scenario(name, checks=checks, judged=judged, **classes), limit=2_000)
            )


def account(explored: Explored) -> str:
    found = explored.counterexample
    return "" if found is None else found.account


def growth(**classes: Any) -> str:
    """What is wrong with the size of a cache through which many keys pass, one each second; "" if nothing is."""
    deployment = Deployment(inline=True, **classes)
    for key in range(1_000):
        deployment.store(key, key)
        deployment.replicate()
        deployment.load(key)
        deployment.advance(1)
        if (size := len(deployment.cache)) > 31:
            return f"{size} entries after {key} s, but those of 30 s are at most 31"
    return ""


def alarms(schedules: int, seed: int) -> list[str]:
    """What fails in so many random schedules of the cache as it is, and in those within a bound, half as many at
    most, all checks on: there should be nothing."""
    rng = random.Random(seed)
    found = [divergence(rng, 500, **options) for options in SEQUENTIAL.values()]
    found.append(growth())
    each = max(2, ceil(schedules / (2 * len(SITUATIONS))))
    for name, situation in SITUATIONS.items():
        scenario = situation.scenario(name)
        found.append(account(exhaust(scenario, bound=rng.choice((1, 2, 3)), limit=each // 2)))
        found.append(account(sample(scenario, schedules=each, seed=rng.randrange(1 << 30))))
    for _ in range(schedules // 2 // 50 + 1):
        scenario = random_situation(rng).scenario("generated")
        found.append(account(sample(scenario, schedules=50, seed=rng.randrange(1 << 30))))
    return [alarm for alarm in found if alarm]


def random_situation(rng: random.Random) -> Situation:
    """Two or three clients: readers, and those who write, replicate, deliver, refresh or let time pass."""
    values = iter(range(1, 100))

    def words(most: int) -> str:
        return "; ".join(_random_step(rng, next(values)) for _ in range(rng.randint(1, most)))

    options = rng.choice(({}, {}, {"max_entries": 1}, {"negative_ttl": 0.0}, {"inline": True}))
    threads = tuple(words(3) for _ in range(rng.choice((2, 2, 3))))
    return Situation(words(5), threads, options=options)


def _random_step(rng: random.Random, value: int) -> str:
    step = rng.choice("load load load store store delete advance replicate deliver refresh".split())
    if step == "advance":
        return f"advance {rng.choice((1, 5, 11, 29, 31))}"
    if step in ("load", "store", "delete"):
        return f"{step} {rng.choice('aab')}" + (f" {value}" if step == "store" else "")
    return step


# -- real threads

THREADS = 8
CALLS = 200
"""Calls of each thread in a round."""

MOMENT = 1e-4
"""Seconds that a thread rests after a call, and that an answer of a source takes to arrive: at most."""

ROUND_SECONDS = 30.0
"""A round takes a second at most; one that takes longer than this hangs."""

KEYS = "abc"
DEPLOYMENTS: tuple[dict[str, Any], ...] = ({}, {"max_entries": 1}, {"negative_ttl": 0.0})


def real_threads(seconds: float, round_seconds: float = ROUND_SECONDS, **classes: Any) -> str:
    """Rounds of eight real threads at one deployment each: `WITHIN THE BOUND: so many loads`, or what is wrong."""
    deadline = time.monotonic() + seconds
    rounds = loads = 0
    while rounds == 0 or time.monotonic() < deadline:
        for options, lost in product(DEPLOYMENTS, (False, True)):
            played = Round(Deployment(inline=True, **options, **classes), lost, rounds)
            if wrong := played.wrong(round_seconds):
                return f"{options}, {lost=}, round {rounds}: {wrong}"
            loads += played.loads
        rounds += 1
    return f"WITHIN THE BOUND: {loads:,} loads of {THREADS} threads in {rounds:,} rounds"


class Slow:
    """A source whose answers take a moment to arrive."""

    def __init__(self, source: Source[Any]) -> None:
        self.source = source

    def read(self, key: Any) -> Reading:
        reading = self.source.read(key)
        time.sleep(random.random() * MOMENT)
        return reading


class Round:
    """Two threads write, one replicates, one delivers the log (or reads, if that is `lost`), one moves the clock,
    and the others read."""

    def __init__(self, node: Deployment, lost: bool, seed: int) -> None:
        self.node = node
        for counted in (node.of_primary, node.of_replica):
            counted.source = Slow(counted.source)
        self.seed = seed
        self.steps = (
            self.write,
            self.write,
            self.replicate,
            self.read if lost else self.deliver,
            self.advance,
        )
        self.steps += (self.read,) * (THREADS - len(self.steps))
        self.ticks = count()
        self.values = count(1)
        self.records = {key: KeyRecord() for key in KEYS}

    def wrong(self, seconds: float) -> str:
        """Run the threads for so many seconds at most; what is wrong with what they saw, "" if nothing."""
        try:
            with switching_often():
                run_together([partial(self._client, *client) for client in enumerate(self.steps)], seconds)
        except Hang as hang:
            return str(hang)
        except (Exception, FatalError) as error:  # noqa: BLE001 - whatever the cache raises is what is wrong
            return repr(error)
        try:
            self.node.check_invariants()
        except AssertionError as broken:
            return str(broken)
        return next(filter(None, (self.records[key].unexplained(key, BOUND) for key in KEYS)), "")

    @property
    def loads(self) -> int:
        return sum(len(record.reads) for record in self.records.values())

    def _client(self, number: int, step: Callable[[random.Random], None]) -> None:
        rng = random.Random(self.seed * THREADS + number)
        for _ in range(CALLS):
            step(rng)
            time.sleep(rng.random() * MOMENT)

    def write(self, rng: random.Random) -> None:
        key, primary, called = rng.choice(KEYS), self.node.primary, next(self.ticks)
        value = ABSENT if rng.random() < 0.2 else next(self.values)
        position = primary.delete(key) if value is ABSENT else primary.store(key, value)
        self.records[key].writes[position] = Write(value, called, self.node.clock())

    def read(self, rng: random.Random) -> None:
        key, received = rng.choice(KEYS), self.node.cache.applied.peek().version
        since, call = self.node.clock(), next(self.ticks)
        value, present = self.node.load(key)
        answer = value if present else ABSENT
        self.records[key].reads.append(Read(answer, call, next(self.ticks), since, received))

    def replicate(self, rng: random.Random) -> None:
        self.node.replica.apply(rng.randint(0, 3))

    def deliver(self, rng: random.Random) -> None:
        self.node.cache.apply(rng.randint(0, 3))

    def advance(self, rng: random.Random) -> None:
        self.node.advance(rng.choice((0, 1, 1, 2, 5, 10, 20)))
