"""What the code under test holds in the course of one execution, so that nothing of it is left for the next.

The idea: locks that were taken, threads that were started, what threads keep for themselves and exceptions that
nobody caught belong to an execution. They are kept in one place by the cooperative `threading`, judged at the end by
whoever runs the execution, and dropped with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Thread
from typing import Any


@dataclass(frozen=True, slots=True)
class Uncaught:
    """An exception that left the thread of this name, and of this number."""

    number: int
    thread: str
    error: BaseException


@dataclass(slots=True)
class Belongings:
    """`locks`: those that were ever taken. `threads`: the Thread objects, by number.
    `attributes`: what `threading.local` objects hold, by their identity and the number of the thread; each comes
    with its object, which is kept alive so that the identity stays its own. `uncaught`: in the order in which they
    were raised. `names`: how often a number was given to something of that name."""

    locks: list[Any] = field(default_factory=list)
    threads: dict[int, Thread] = field(default_factory=dict)
    attributes: dict[tuple[int, int], tuple[Any, dict[str, Any]]] = field(default_factory=dict)
    uncaught: list[Uncaught] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)

    def close(self) -> None:
        """Free the locks: those of a module would be held in the next execution too, by nobody. Threads are over."""
        for lock in self.locks:
            if lock.holder is not None:
                lock._at_fork_reinit()
        for thread in self.threads.values():
            thread._is_stopped = True  # type: ignore[attr-defined]  # as repr wants to know before Python 3.13

    def count(self, name: str) -> int:
        """How often this was asked of that name, this time included."""
        self.names[name] = self.names.get(name, 0) + 1
        return self.names[name]
