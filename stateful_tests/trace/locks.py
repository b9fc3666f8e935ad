"""Who holds which lock, who waits for which, and the cycle that a deadlock is.

The idea: a mutex knows its holder, and a readers-writer lock tells when it was taken and is about to be given back. So
the owners are read off after each step, and what has changed is what that step did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mapproof.impl.sync import Mutex, RWMutex
from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.cooperative_threading import Lock, RLock
from mapproof.stateful_tests.explorer.cooperative_threading.clock import CLOCK
from mapproof.stateful_tests.explorer.cooperative_threading.locks import WaiterLock
from mapproof.stateful_tests.trace.events import Held
from mapproof.stateful_tests.trace.values import Names

Owners = dict[str, tuple[int, ...]]

Stops = dict[int, tuple[Any, Access, str] | None]
"""The access of a primitive, and its place, that each thread stands before; None if it is something else."""

_TAKEN = (Access.LOCK, Access.R_LOCK)
_GIVEN_BACK = (Access.UNLOCK, Access.R_UNLOCK)


@dataclass(slots=True)
class _Wait:
    access: Access
    lock: str
    at: str
    holder: int | None


@dataclass(slots=True)
class Locks:
    """The locks that a run has touched so far."""

    names: Names
    aliases: Mapping[int, tuple[str, object]]
    _named: dict[int, tuple[str, object]] = field(default_factory=dict)
    _mutexes: dict[int, Any] = field(default_factory=dict)
    _shared: dict[int, tuple[object, list[int]]] = field(default_factory=dict)
    _leaving: list[tuple[int, int]] = field(default_factory=list)
    _owners: Owners = field(default_factory=dict)
    _taken: dict[tuple[str, int], str] = field(default_factory=dict)
    _waits: dict[int, _Wait] = field(default_factory=dict)
    _live: set[int] = field(default_factory=set)

    def name(self, target: object) -> str:
        """What the lock, or another primitive, is called: no two are called the same."""
        known = self._named.get(id(target))
        if known is None:
            wanted = self.aliases.get(id(target), (_short(target), target))[0]
            same = sum(name.partition("#")[0] == wanted for name, _ in self._named.values())
            if isinstance(target, WaiterLock):
                same = 0  # whose it is can be told by who waits for it
            known = self._named[id(target)] = (f"{wanted}#{same + 1}" if same else wanted, target)
            if _is_mutex(target):
                self._mutexes[id(target)] = target
        return known[0]

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        """What a readers-writer lock, which is made of other primitives, tells of itself."""
        if not happened or not isinstance(target, RWMutex):
            return
        if access in _TAKEN:
            self._shared.setdefault(id(target), (target, []))[1].append(client)
        elif access in _GIVEN_BACK:
            self._leaving.append((id(target), client))

    def changed(self, where: str) -> tuple[Owners, Owners] | None:
        """The owners before and after the step that was made `where`, if it has changed them."""
        owners: Owners = {}
        for mutex in self._mutexes.values():
            if mutex.holder is not None:
                owners[self.name(mutex)] = (mutex.holder,)
        for target, holders in self._shared.values():
            if holders:
                owners[self.name(target)] = tuple(sorted(holders))
        self._let_go()
        if owners == self._owners:
            return None
        for lock, clients in owners.items():
            for client in clients:
                if client not in self._owners.get(lock, ()):
                    self._taken[lock, client] = where
        before, self._owners = self._owners, owners
        return before, owners

    def _let_go(self) -> None:
        """A readers-writer lock tells before it is given back: the step that does it is the next one."""
        for lock, client in self._leaving:
            clients = self._shared[lock][1] if lock in self._shared else []
            if client in clients:
                clients.remove(client)
        self._leaving.clear()

    # -- who waits

    def stand(self, stops: Stops) -> None:
        """Each thread stands somewhere."""
        self._waits = {
            client: _Wait(before[1], self.name(before[0]), before[2], getattr(before[0], "holder", None))
            for client, before in stops.items()
            if before is not None
        }
        self._live = set(stops)

    def ended(self, client: int) -> None:
        """The thread has ended; what it held, it holds for ever."""
        self._waits.pop(client, None)
        self._live.discard(client)

    def wait(self, client: int, doing: tuple[Any, Access]) -> str:
        """What this client waits for, in words."""
        wait = self._waits.get(client)
        return "" if wait is None else self._words(client, wait)

    def _words(self, client: int, wait: _Wait) -> str:
        if wait.lock == CLOCK.name:
            return "sleeps"
        if wait.lock.startswith("the end of "):
            return f"waits for {wait.lock}"
        words = f"waits to {wait.access} {wait.lock}"
        if wait.holder is None:
            return words
        if wait.holder == client:
            return f"{words}, which it holds itself"
        ended = "" if wait.holder in self._live else ", which has ended"
        return f"{words}, held by client {wait.holder}{ended}"

    def waits(self) -> Iterator[tuple[int, str]]:
        """Each client that waits, and for what."""
        for client, wait in sorted(self._waits.items()):
            yield client, self._words(client, wait)

    def cycle(self) -> tuple[Held, ...]:
        """Clients of whom each waits for a lock that the next one holds, and the last one for one of the first's."""
        for start in sorted(self._waits):
            path = [start]
            while (holder := self._holder(path[-1])) is not None and holder not in path:
                path.append(holder)
            if holder == start and len(path) > 1:
                return tuple(self._held(client, path[i - 1]) for i, client in enumerate(path))
        return ()

    def _holder(self, client: int) -> int | None:
        wait = self._waits.get(client)
        return None if wait is None or wait.holder not in self._waits else wait.holder

    def _held(self, client: int, before: int) -> Held:
        """`before` waits for what this client holds."""
        lock, wait = self._waits[before].lock, self._waits[client]
        return Held(client, lock, self._taken.get((lock, client), ""), wait.lock, wait.at)


def _is_mutex(target: object) -> bool:
    """Whether it is a lock of its own, and not what another lock is made of."""
    return isinstance(target, Lock | RLock | Mutex) and getattr(target, "synchronizes", True)


_FOLDERS = re.compile(r"/\S*/(?=[^/\s]+:\d)")


def _short(target: object) -> str:
    """The name of a primitive, without the folders of where it was made."""
    return _FOLDERS.sub("", str(getattr(target, "name", type(target).__name__)))
