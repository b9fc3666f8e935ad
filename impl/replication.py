"""A primary, the log of its changes, and a replica that follows it: what a cache of database rows stands before.

The idea: a version is a position in the log. Every write of the primary is a `Change`, numbered from 1, and links to
the next, so the log is a list to whose end only the primary adds; whoever follows it holds the change that it
applied last. What nobody has to apply any more is nobody's, and goes. A `Reading` says of which position it is: two
readings of one key can be told apart by age whatever road they came by.

The replica knows its lag from the log, as it would from a heartbeat row, and refuses to be read beyond `max_lag`;
hence what it answers was current at most `max_lag` seconds ago, and that is not an assumption.
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from mapproof.impl.sync import Atomic, Mutex, Plain, PlainDict
from mapproof.spec.values import ABSENT

K = TypeVar("K")
V = TypeVar("V")
K_contra = TypeVar("K_contra", contravariant=True)

Clock: TypeAlias = Callable[[], float]
"""Answers seconds, which never go back."""


class LagError(RuntimeError):
    """The replica is further behind than it may be read."""


class ManualClock:
    """A clock that shows what it was set to."""

    __slots__ = ("now",)

    def __init__(self, now: float = 0.0) -> None:
        self.now = Atomic(now, "clock")

    def __call__(self) -> float:
        return self.now.load()

    def advance(self, seconds: float) -> None:
        """Raises ValueError for a time that lies back."""
        if not seconds >= 0:  # nor is a NaN a time
            raise ValueError(f"a clock does not go back, so not by {seconds} s")
        while not self.now.compare_and_swap(now := self.now.load(), now + seconds):
            pass


class Change(Generic[K, V]):
    """One write: `key` has held `value` (ABSENT: nothing) since `version`. `at` is when the write was about to be
    seen: never later than when it could be. `next` is the following change, None at the end of the log."""

    __slots__ = ("at", "key", "next", "value", "version")

    def __init__(self, version: int, key: K, value: Any, at: float) -> None:
        self.version: Final = version
        self.key: Final = key
        self.value: Final = value
        self.at: Final = at
        self.next: Atomic[Change[K, V] | None] = Atomic(None, f"log[{version}].next")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a key held (ABSENT: nothing) when the first `as_of` changes had been made, and no more."""

    value: Any
    as_of: int


class Source(Protocol[K_contra]):
    """What can be read: a primary, a replica, or a stand-in for one."""

    def read(self, key: K_contra) -> Reading: ...


class Primary(Generic[K, V]):
    """The rows that count. A write takes effect when its change is in the log. Positions never repeat."""

    __slots__ = ("clock", "last", "mu", "rows")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.mu = Mutex("primary.mu")
        self.rows: PlainDict[K, V] = PlainDict("primary.rows")
        start: Change[Any, Any] = Change(0, None, ABSENT, -math.inf)
        self.last: Plain[Change[K, V]] = Plain(start, "primary.last")

    def store(self, key: K, value: V) -> int:
        """Set the value of the key; the position of the change."""
        with self.mu:
            at = self.clock()
            self.rows[key] = value
            return self._append_locked(key, value, at)

    def delete(self, key: K) -> int:
        """Delete the key if it is there; the position of the change, which there is even if it was not."""
        with self.mu:
            at = self.clock()
            self.rows.pop(key)
            return self._append_locked(key, ABSENT, at)

    def read(self, key: K) -> Reading:
        """What the key holds now."""
        with self.mu:
            return Reading(self.rows.get(key, ABSENT), self.last.read().version)

    def newest(self) -> Change[K, V]:
        """The last change that was made (number 0 if none was): who follows from it on hears all that come."""
        with self.mu:
            return self.last.read()

    def snapshot(self) -> tuple[dict[K, V], Change[K, V]]:
        """All rows, and the last change that is in them."""
        with self.mu:
            return dict(self.rows.items()), self.last.read()

    def check_invariants(self) -> None:
        """Raise AssertionError unless nobody holds `mu` and the log ends where it should. For a primary at rest."""
        if self.mu.locked():
            raise AssertionError("primary.mu is held, so the primary is not at rest")
        self._check_end()

    def step_invariants(self) -> Callable[[], None]:
        """What holds between any two accesses: whenever `mu` is free, the rows are what the log makes of them."""
        replay = _Replay(self.rows.peek(), self.last.peek())

        def check() -> None:
            if not self.mu.locked():
                self._check_end()
                replay.check("primary.rows", self.rows.peek(), self.last.peek())

        return check

    def _append_locked(self, key: K, value: Any, at: float) -> int:
        """`at` was taken before the change can be seen, so that a lag is never thought shorter than it is; and before
        the row was written, as a clock may fail."""
        last = self.last.read()
        change: Change[K, V] = Change(last.version + 1, key, value, at)
        last.next.store(change)
        self.last.write(change)
        return change.version

    def _check_end(self) -> None:
        last = self.last.peek()
        if last.next.peek() is not None:
            raise AssertionError(f"the log goes on after change {last.version}, which the primary made last")


class Follower(ABC, Generic[K, V]):
    """Applies the changes of a log in their order, as many at a time as it is told to.

    Whoever calls `apply` decides about the lag: nothing runs in the background.
    """

    __slots__ = ("applied", "mu")

    def __init__(self, name: str, start: Change[K, V]) -> None:
        self.mu = Mutex(f"{name}.mu")
        self.applied = Plain(start, f"{name}.applied")

    def apply(self, changes: int = 1) -> int:
        """Apply the next changes, each in one critical section; how many there were, at most `changes`.

        Raises ValueError for a negative number.
        """
        if changes < 0:
            raise ValueError(f"changes that were applied cannot be taken back, so not {changes}")
        for count in range(changes):
            with self.mu:
                change = self.applied.read().next.load()
                if change is None:
                    return count
                self._receive_locked(change)
                self.applied.write(change)
        return changes

    def catch_up(self) -> int:
        """Apply until the end of the log is reached; how many changes there were."""
        return self.apply(sys.maxsize)

    @abstractmethod
    def _receive_locked(self, change: Change[K, V]) -> None:
        """Let `change` take effect. Needs `mu`."""


class Replica(Follower[K, V]):
    """A copy of the rows that is behind, and is never read when it is more than `max_lag` seconds behind.

    It starts level with the primary. Raises ValueError unless `max_lag` is at least 0.
    """

    __slots__ = ("clock", "max_lag", "rows")

    def __init__(self, primary: Primary[K, V], clock: Clock, max_lag: float = 1.0) -> None:
        if not max_lag >= 0:  # a NaN too: no lag is more than that
            raise ValueError(f"max_lag must be at least 0, not {max_lag}")
        rows, last = primary.snapshot()
        super().__init__("replica", last)
        self.clock = clock
        self.max_lag = max_lag
        self.rows: PlainDict[K, V] = PlainDict("replica.rows")
        for key, value in rows.items():
            self.rows[key] = value

    def read(self, key: K) -> Reading:
        """What the key held at most `max_lag` seconds ago. Raises LagError if that is not known."""
        with self.mu:
            applied = self.applied.read()
            self._refuse_a_lag(applied.next.load())
            return Reading(self.rows.get(key, ABSENT), applied.version)

    def check_invariants(self) -> None:
        """Raise AssertionError unless nobody holds `mu`. Only for a replica that no thread is using."""
        if self.mu.locked():
            raise AssertionError("replica.mu is held, so the replica is not at rest")

    def step_invariants(self) -> Callable[[], None]:
        """What holds between any two accesses: whenever `mu` is free, the rows are those of the log's beginning."""
        replay = _Replay(self.rows.peek(), self.applied.peek())

        def check() -> None:
            if not self.mu.locked():
                replay.check("replica.rows", self.rows.peek(), self.applied.peek())

        return check

    def _receive_locked(self, change: Change[K, V]) -> None:
        if change.value is ABSENT:
            self.rows.pop(change.key)
        else:
            self.rows[change.key] = change.value

    def _refuse_a_lag(self, missing: Change[K, V] | None) -> None:
        """The rows were current until `missing` could be seen, which was at `missing.at` or later."""
        if missing is not None and (lag := self.clock() - missing.at) > self.max_lag:
            raise LagError(f"the replica is {lag:g} s behind, and may be {self.max_lag:g} s")


class _Replay:
    """The rows that the log makes, followed apart from whoever is checked; nothing that it does is seen."""

    def __init__(self, rows: dict[Any, Any], last: Change[Any, Any]) -> None:
        self._rows = dict(rows)
        self._last = last

    def check(self, name: str, rows: dict[Any, Any], until: Change[Any, Any]) -> None:
        """Raise AssertionError unless `rows` are those after `until`, which must not be before the last one."""
        while self._last is not until:
            following = self._last.next.peek()
            if following is None:
                raise AssertionError(f"{name}: change {until.version} was applied, but it does not follow")
            self._rows[following.key] = following.value
            self._last = following
        if rows != {key: value for key, value in self._rows.items() if value is not ABSENT}:
            raise AssertionError(f"{name} are not what the first {until.version} changes make")
