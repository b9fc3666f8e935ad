"""How many events of each thread are still to come, learned from the executions before.

The idea: a thread that has more to do should run more often, or it is always the last. The longest run of a thread
so far says how much it does; what a thread has not yet started will do counts for the one that starts it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

_FIRST_GUESS = 4


class EventCounts:
    """Counts of the events of one kind, by thread."""

    def __init__(self) -> None:
        self._longest: Counter[int] = Counter()
        self._seen: Counter[int] = Counter()
        self._parent: dict[int, int] = {}
        self._present: set[int] = set()
        self._absent: list[int] = []

    def begin(self) -> None:
        """Another execution begins."""
        for thread, seen in self._seen.items():
            self._longest[thread] = max(self._longest[thread], seen)
        self._seen.clear()
        self._present.clear()
        self._absent = sorted(self._parent)

    def happened(self, thread: int) -> None:
        """One event of the thread has happened."""
        self._seen[thread] += 1

    def present(self, threads: Iterable[int], starter: int | None) -> None:
        """These are there; those that were not before were started by `starter`."""
        for thread in threads:
            if thread not in self._present:
                self._present.add(thread)
                if starter is not None:
                    self._parent[thread] = starter
        self._absent = [thread for thread in self._parent if thread not in self._present]

    def left(self, thread: int) -> int:
        """Events that the thread has left, with those of the threads that it will start; at least 1."""
        own = max((self._longest[thread] or _FIRST_GUESS) - self._seen[thread], 1)
        return own + sum(self.left(child) for child in self._absent if self._parent[child] == thread)
