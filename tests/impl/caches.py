"""What the tests of the local cache share: one deployment in one object, the article's own cache, and scenarios.

The idea: to the explorer, the clock, the replication and the delivery of the log are clients like any other: steps
of time and of the log are operations, so every order of them and of the loads is a schedule.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from math import inf
from typing import Any

from mapproof.impl.local_cache import REFRESH_AFTER, LocalCache
from mapproof.impl.replication import Change, Follower, ManualClock, Primary, Reading, Replica, Source
from mapproof.impl.sync import AtomicInt, PlainDict
from mapproof.spec.staleness import BoundedStaleness
from mapproof.spec.values import ABSENT
from mapproof.stateful_tests.execution import Checks
from mapproof.stateful_tests.objects import EVERY_CHECK, Invocation, ObjectScenario, Program

MAX_LAG = 1
BOUND = 30 + MAX_LAG
"""Seconds: the time to live and the lag of the replica."""


class Broken(OSError):
    """A source that cannot be reached."""


class Counted:
    """A source that counts its reads, sees which go on at once, and fails while it is told to."""

    def __init__(self, source: Source[Any]) -> None:
        self.source = source
        self.reads = AtomicInt(0, "reads")
        self.reading: list[Any] = []
        self.broken = False

    def read(self, key: Any) -> Reading:
        self.reading.append(key)
        try:
            self.reads.add(1)
            if self.broken:
                raise Broken(f"cannot read {key!r}")
            return self.source.read(key)
        finally:
            self.reading.remove(key)

    def check_single_flight(self) -> None:
        twice = {key for key in self.reading if self.reading.count(key) > 1}
        if twice:
            raise AssertionError(f"single flight: {twice} are read twice at once")


class Deployment:
    """A primary, a replica and the cache of one node on one clock. A refresh waits for `refresh`, unless `inline`."""

    def __init__(
        self,
        cache: Callable[..., Any] = LocalCache,
        *,
        primary: Callable[..., Primary[Any, Any]] = Primary,
        replica: Callable[..., Replica[Any, Any]] = Replica,
        inline: bool = False,
        **options: Any,
    ) -> None:
        self.clock = ManualClock()
        self.primary = primary(self.clock)
        self.replica = replica(self.primary, self.clock, MAX_LAG)
        self.tasks: list[Callable[[], None]] = []
        self.of_primary, self.of_replica = Counted(self.primary), Counted(self.replica)
        if not inline:
            options["spawn"] = self.tasks.append
        self.cache = cache(
            self.of_primary, self.of_replica, self.primary.newest(), clock=self.clock, **options
        )

    def load(self, key: Any) -> tuple[Any, bool]:
        return self.cache.load(key)  # type: ignore[no-any-return]

    def store(self, key: Any, value: Any) -> None:
        self.primary.store(key, value)

    def delete(self, key: Any) -> None:
        self.primary.delete(key)

    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)

    def replicate(self) -> None:
        self.replica.catch_up()

    def deliver(self) -> None:
        self.cache.catch_up()

    def refresh(self) -> None:
        """Do what is waiting for a worker."""
        while self.tasks:
            self.tasks.pop()()

    def fail(self) -> None:
        self.of_replica.broken = True

    def recover(self) -> None:
        self.of_replica.broken = False

    @property
    def loads(self) -> int:
        """How often a source was read."""
        return self.of_primary.reads.peek() + self.of_replica.reads.peek()

    def check_invariants(self) -> None:
        for part in (self.primary, self.replica, self.cache):
            part.check_invariants()

    def step_invariants(self) -> Callable[[], None]:
        checks = [part.step_invariants() for part in (self.primary, self.replica, self.cache)]
        if not isinstance(self.cache, ArticleCache):
            checks += [self.of_primary.check_single_flight, self.of_replica.check_single_flight]

        def check() -> None:
            for each in checks:
                each()

        return check


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

    def step_invariants(self) -> Callable[[], None]:
        return lambda: None


KEYED = frozenset({"load", "store", "delete"})
OTHERS = frozenset({"replicate", "deliver", "refresh", "fail", "recover"})


def program(text: str) -> Program:
    """Read `store a 1; advance 5; load a`."""
    return tuple(_invocation(words.split()) for words in text.split(";") if words.strip())


def _invocation(words: list[str]) -> Invocation:
    method, *rest = words
    key = rest.pop(0) if method in KEYED else None
    return Invocation(method, tuple(map(int, rest)), key)


@dataclass(frozen=True, slots=True)
class Situation:
    """What meets what. `bound` is on staleness, in seconds: the lesser one where every change arrives in time."""

    setup: str
    threads: tuple[str, ...]
    observers: str = "refresh; load a; load b; refresh"
    bound: float = BOUND
    options: dict[str, Any] = field(default_factory=dict)
    raises: tuple[type[Exception], ...] = ()

    def scenario(
        self, name: str, *, checks: Checks = EVERY_CHECK, judged: bool = True, **classes: Any
    ) -> ObjectScenario:
        """The scenario on a deployment of these classes; only if `judged` are the answers held to the bound."""
        return ObjectScenario(
            name,
            partial(Deployment, **{**self.options, **classes}),
            tuple(map(program, self.threads)),
            program(self.setup),
            program(self.observers),
            BoundedStaleness(self.bound, others=OTHERS) if judged else None,
            checks,
            self.raises,
        )


IN_TIME = 0.5
"""A bound where changes are delivered before the clock moves on: any D will do."""

SITUATIONS = {
    "a load meets a change of its key": Situation(
        "store a 1; replicate; deliver; advance 31",
        ("load a", "store a 2; deliver; advance 1; load a"),
        bound=IN_TIME,
    ),
    "a refresh meets a change of its key": Situation(
        "store a 1; replicate; deliver; advance 11; load a",
        ("refresh", "store a 2; deliver; advance 1; load a"),
        bound=IN_TIME,
    ),
    "a refresh that meets nothing but readers": Situation(
        "store a 1; replicate; load a; advance 11; store a 2; advance 1; replicate",
        ("load a; load a", "load a", "refresh"),
    ),
    "time passes while a key is loaded": Situation(
        "store a 1; replicate",
        ("load a", "store a 2; advance 29"),
        observers="advance 29; load a; refresh",
    ),
    "an expired key meets two readers": Situation(
        "store a 1; replicate; load a; store a 2; replicate; advance 30",
        ("load a", "load a; load a"),
        bound=MAX_LAG,
    ),
    "an absent key is made while it is looked for": Situation(
        "",
        ("load a; load a", "store a 1; deliver; advance 1; load a"),
        bound=IN_TIME,
    ),
    "a deleted key must not come back from the replica": Situation(
        "store a 1; replicate; deliver",
        ("load a; load a", "delete a; deliver; advance 6; load b; load a"),
        bound=IN_TIME,
    ),
    "an evicted key must not come back older": Situation(
        "store a 1; replicate; deliver",
        ("load a", "store a 2; deliver; store b 1; deliver; advance 1; load a"),
        bound=IN_TIME,
        options={"max_entries": 1},
    ),
    "a key is dropped while it is loaded": Situation(
        "store a 1; replicate; deliver; advance 31",
        ("load a; load a", "store a 2; deliver; store b 1; deliver; advance 1; load a"),
        bound=IN_TIME,
        options={"max_entries": 1},
    ),
    "a refresh, and much later a read": Situation(
        "store a 1; replicate; load a; advance 11", ("load a; refresh", "advance 31; load a")
    ),
    "an inline refresh meets a reader": Situation(
        "store a 1; replicate; load a; advance 11; store a 2; replicate",
        ("load a", "load a"),
        options={"inline": True},
    ),
    "a due read meets the worker that refreshes": Situation(
        "store a 1; replicate; load a; advance 11; store a 2; replicate", ("load a", "refresh; refresh")
    ),
    "a reader meets a flight that takes long": Situation(
        "store a 1; replicate", ("load a", "store a 2; replicate; advance 40; load a")
    ),
    "an absent key is made, and the log is lost": Situation(
        "load a; store a 1; replicate; advance 32", ("load a", "load a; store b 1; advance 6; load b")
    ),
    "the replica lags": Situation(
        "store a 1; replicate; store a 2; advance 32", ("load a", "load a; replicate")
    ),
    "two deliver at once": Situation(
        "store a 1; store a 2", ("deliver; load a", "deliver; store a 3"), bound=IN_TIME
    ),
    "replication meets a load": Situation("store a 1", ("replicate; store a 2; replicate", "load a; load a")),
    "a load fails while another waits for it": Situation(
        "store a 1; replicate; fail",
        ("load a", "load a; recover; load a"),
        raises=(Broken,),
    ),
    "a load fails and is tried again": Situation(
        "store a 1; replicate; fail", ("load a; recover; load a",), raises=(Broken,)
    ),
    "a refresh fails": Situation(
        "store a 1; replicate; load a; advance 11; load a; fail",
        ("refresh; recover", "load a; advance 1; load a"),
        raises=(Broken,),
    ),
}


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
