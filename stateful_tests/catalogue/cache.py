"""The scenarios in which a local cache could go wrong, each named after what meets what in it.

The idea: a cache alone can hardly be wrong; it is so against the rows that it stands before. So what is explored is a
whole deployment (a primary, a replica, the cache of one node, a clock), and to the explorer the clock, the replication
and the delivery of the log are clients like any other: every order of them and of the loads is a schedule. Judged are
the bound on staleness and that no read goes back, by the model of `spec.staleness`; and that no key is read twice at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mapproof.impl.local_cache import TTL, LocalCache
from mapproof.impl.replication import ManualClock, Primary, Reading, Replica, Source
from mapproof.impl.sync import AtomicInt
from mapproof.spec.staleness import BoundedStaleness
from mapproof.stateful_tests.execution import Checks
from mapproof.stateful_tests.objects import EVERY_CHECK, Invocation, ObjectScenario, Program

MAX_LAG = 1
BOUND = TTL + MAX_LAG
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
        checks += [self.of_primary.check_single_flight, self.of_replica.check_single_flight]

        def check() -> None:
            for each in checks:
                each()

        return check


_KEYED = frozenset({"load", "store", "delete"})
_OTHERS = frozenset({"replicate", "deliver", "refresh", "fail", "recover"})


def _program(text: str) -> Program:
    """Read `store a 1; advance 5; load a`."""
    return tuple(_invocation(words.split()) for words in text.split(";") if words.strip())


def _invocation(words: list[str]) -> Invocation:
    method, *rest = words
    key = rest.pop(0) if method in _KEYED else None
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
            tuple(map(_program, self.threads)),
            _program(self.setup),
            _program(self.observers),
            BoundedStaleness(self.bound, others=_OTHERS) if judged else None,
            checks,
            self.raises,
        )


IN_TIME = 0.5
"""A bound where changes are delivered before the clock moves on: any D will do."""

CACHE: Mapping[str, Situation] = {
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
    "a refresh fails": Situation(
        "store a 1; replicate; load a; advance 11; load a; fail",
        ("refresh; recover", "load a; advance 1; load a"),
        raises=(Broken,),
    ),
}

_SHORT = frozenset(
    {
        "a load meets a change of its key",
        "a refresh meets a change of its key",
        "time passes while a key is loaded",
        "a due read meets the worker that refreshes",
        "a refresh fails",
    }
)


def cache_scenarios() -> Iterator[ObjectScenario]:
    """Every scenario on the local cache."""
    for name, situation in CACHE.items():
        yield situation.scenario(name)


def preemptions_of(scenario: ObjectScenario) -> int:
    """With how many preemptions each of these scenarios is exhausted in about a second."""
    return 2 if scenario.name in _SHORT else 1
