"""What the tests of the local cache share: the article's own cache, and an oracle for one thread and
one for many."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate, count
from math import inf
from typing import Any, NamedTuple

from mapproof.impl.local_cache import REFRESH_AFTER
from mapproof.impl.replication import Change, Follower, Source
from mapproof.impl.sync import PlainDict
from mapproof.spec.values import ABSENT
from mapproof.stateful_tests.catalogue.cache import BOUND, CACHE, Broken, Deployment, Situation

SITUATIONS = {
    **CACHE,
    "a load fails and is tried again": Situation(
        "store a 1; replicate; fail", ("load a; recover; load a",), raises=(Broken,)
    ),
}


def fill(node: Deployment, **rows: Any) -> None:
    """Store rows, and let the replica have them."""
    for key, value in rows.items():
        node.store(key, value)
    node.replicate()


class ArticleCache(Follower[Any, Any]):
    """The article's cache as it is drawn: look for the key; if it is missing, read the replica and put that.

    The log removes what was changed, or with `refreshes` puts what it was changed to. No versions, no single
    flight, no entry for an absent key. As it is printed it does not even put what it read: `puts` is for the drawing.
    """

    def __init__(
        self,
        primary: Source[Any],
        replica: Source[Any],
        after: Change[Any, Any],
        *,
        clock: Callable[[], float],
        ttl: float = 30,
        refreshes: bool = False,
        puts: bool = True,
        spawn: object = None,
    ) -> None:
        super().__init__("cache", after)
        self.replica = replica
        self.clock = clock
        self.ttl = ttl
        self.refreshes = refreshes
        self.puts = puts
        self.entries: PlainDict[Any, tuple[Any, float]] = PlainDict("cache.entries")

    def load(self, key: Any) -> tuple[Any, bool]:
        now = self.clock()
        with self.mu:
            value, written = self.entries.get(key, (ABSENT, 0))
        if value is ABSENT or now - written >= self.ttl:
            value = self.replica.read(key).value
            if value is ABSENT:
                return None, False
            if self.puts:
                self._put(key, value)
        return value, True

    def _put(self, key: Any, value: Any) -> None:
        now = self.clock()
        with self.mu:
            self.entries[key] = value, now

    def _receive_locked(self, change: Change[Any, Any]) -> None:
        self.entries.pop(change.key)
        if self.refreshes and change.value is not ABSENT:
            self.entries[change.key] = change.value, self.clock()

    def check_invariants(self) -> None:
        assert not self.mu.locked()


class Oracle:
    """One thread on a deployment, and what it may be answered: all that the primary ever held, with its times.

    Each change is delivered less than `delivery` seconds after it was made; by default the log is lost, but for what
    `deliver` delivers. What is wrong is an AssertionError.
    """

    def __init__(self, delivery: float = inf, **options: Any) -> None:
        self.deployment = Deployment(**{"inline": True, **options})
        self.delivery = delivery
        self.bound = min(BOUND, delivery)
        self.now = 0
        self.changes: list[Change[Any, Any]] = []
        self.history: dict[Any, list[tuple[int, Any]]] = {}
        self.answered: dict[Any, int] = {}
        self.due: dict[Any, float] = {}
        self.values = count(1)
        self._step = self.deployment.step_invariants()

    def store(self, key: Any) -> None:
        value = next(self.values)
        self.deployment.store(key, value)
        self._changed(key, value)

    def delete(self, key: Any) -> None:
        self.deployment.delete(key)
        self._changed(key, ABSENT)

    def _changed(self, key: Any, value: Any) -> None:
        self.changes.append(self.deployment.primary.last.peek())
        self.history.setdefault(key, [(-1, ABSENT)]).append((self.now, value))

    def replicate(self, changes: int) -> None:
        self.deployment.replica.apply(changes)

    def deliver(self, changes: int) -> None:
        if self.deployment.cache.apply(changes):
            self.due.clear()

    def receive_again(self, index: int) -> None:
        """Some change, by whatever road and however old."""
        if self.changes:
            self.deployment.cache.receive(self.changes[index % len(self.changes)])
            self.due.clear()

    def advance(self, seconds: int) -> None:
        for change in self.changes[self.deployment.cache.applied.peek().version :]:
            if change.at + self.delivery <= self.now + seconds:
                self.deliver(1)
        self.now += seconds
        self.deployment.advance(seconds)

    def load(self, key: Any) -> None:
        before, cache = self.deployment.loads, self.deployment.cache
        value, present = self.deployment.load(key)
        self._check(key, value if present else ABSENT)
        if self.deployment.loads > before and cache.max_entries == inf:
            due = self.due.get(key, self.now)
            assert self.now >= due, f"{key!r} was loaded again at {self.now} s, due at {due} s"
            self.due[key] = self.now + (REFRESH_AFTER if present else min(REFRESH_AFTER, cache.negative_ttl))

    def check_invariants(self) -> None:
        self._step()
        if not self.deployment.tasks:
            self.deployment.check_invariants()

    def _check(self, key: Any, value: Any) -> None:
        """The value may be that of several deletes, or of the time before the first store: the first that fits."""
        writes = self.history.get(key, [(-1, ABSENT)])
        ends: list[float] = [*(since for since, _ in writes[1:]), inf]
        known = [index for index, (_, held) in enumerate(writes) if held == value]
        assert known, f"{key!r} never held {value}"
        fresh = [index for index in known if ends[index] > self.now - self.bound]
        stale = self.now - ends[known[-1]]
        assert fresh, f"{key!r} was answered {value}, which is {stale} s old; the bound is {self.bound}"
        seen = self.answered.get(key, 0)
        forward = [index for index in fresh if index >= seen]
        assert forward, f"{key!r} was answered {value}, and before that {writes[seen][1]}, which is newer"
        self.answered[key] = forward[0]

    def at_random(self, rng: random.Random, keys: str = "ab") -> None:
        """One operation or another."""
        key = rng.choice(keys)
        match rng.randrange(10):
            case 0:
                self.store(key)
            case 1:
                self.delete(key)
            case 2:
                self.replicate(rng.randint(1, 3))
            case 3:
                self.deliver(rng.randint(1, 3))
            case 4:
                self.receive_again(rng.randrange(100))
            case 5 | 6:
                self.advance(rng.choice((1, 1, 2, 5, 10, 20, 30)))
            case _:
                self.load(key)
        self.check_invariants()


def divergence(rng: random.Random, operations: int = 2_000, **options: Any) -> str:
    """What is first wrong with a random program of one thread; "" if nothing was."""
    oracle = Oracle(**options)
    for number in range(operations):
        try:
            oracle.at_random(rng)
        except AssertionError as wrong:
            return f"operation {number}: {wrong}"
    return ""


class Write(NamedTuple):
    """A write of the primary (of ABSENT: a delete), called at a tick; when it had returned, the clock showed `over`."""

    value: Any
    called: int
    over: float


class Read(NamedTuple):
    """A load, called and returned at a tick. Before that the clock showed `since`, and the cache had received the first
    `received` changes."""

    value: Any
    call: int
    return_: int
    since: float
    received: int


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What many threads did with one key: its writes by their positions in the log, and its loads."""

    writes: dict[int, Write] = field(default_factory=lambda: {0: Write(ABSENT, -1, -inf)})
    reads: list[Read] = field(default_factory=list)

    def unexplained(self, key: Any, bound: float) -> str:
        """What is wrong with the first load that no write explains, "" if each is explained.

        A load must answer a write that was not overwritten `bound` seconds before, nor by a change that the cache had
        received before, and none that is older than what a load before it answered. Each load is taken to answer the
        earliest write that will do, which leaves the most to those after it.
        """
        positions = sorted(self.writes)
        writes = [self.writes[position] for position in positions]
        ended = [*accumulate((write.over for write in writes[:0:-1]), min, initial=inf)][::-1]
        ending = sorted(self.reads, key=lambda read: read.return_)
        answered: dict[int, int] = {}
        seen = over = 0
        for read in sorted(self.reads, key=lambda read: read.call):
            while ending[over].return_ < read.call:
                seen = max(seen, answered[ending[over].call])
                over += 1
            known = [
                place
                for place, write in enumerate(writes)
                if write.value == read.value and write.called < read.return_
            ]
            fresh = [place for place in known if ended[place] > read.since - bound]
            received = bisect_right(positions, read.received) - 1
            forward = [place for place in fresh if place >= max(seen, received)]
            if not forward:
                why = _REASONS[bool(known) + bool(fresh) + any(place >= received for place in fresh)]
                return f"{key!r} was answered {read.value} at {read.since:g} s: {why}"
            answered[read.call] = forward[0]
        return ""


_REASONS = (
    "it was never held by then",
    "it is older than the bound",
    "it is older than a change that the cache had received",
    "it is older than what was answered before",
)
