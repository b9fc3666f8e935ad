"""The rehash that is often sketched: SCAN, MOVE, two writes while `migrating` is 1, then another route.

The idea: the sketch leaves open how its parts are ordered, so each class here is one way to read it, on shards that
do one command at a time, as Redis does. The key NEXT is in no map: a load of it does the next phase of the migration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mapproof.impl.sync import Atomic

NEXT = "next"


class Keyspace:
    """A shard. Each method is one command, and so one step; `_turn` is there for the explorer to see it."""

    def __init__(self, name: str) -> None:
        self._turn = Atomic(None, name)
        self._items: dict[Any, Any] = {}

    def get(self, key: Any) -> tuple[Any, bool]:
        self._turn.load()
        return self._items.get(key), key in self._items

    def scan(self) -> list[Any]:
        self._turn.load()
        return list(self._items)

    def items(self) -> list[tuple[Any, Any]]:
        self._turn.load()
        return sorted(self._items.items())

    def set(self, key: Any, value: Any) -> None:
        self._turn.store(None)
        self._items[key] = value

    def set_if_absent(self, key: Any, value: Any) -> None:
        self._turn.store(None)
        self._items.setdefault(key, value)

    def delete(self, key: Any) -> None:
        self._turn.store(None)
        self._items.pop(key, None)

    def move(self, key: Any, to: Keyspace) -> bool:
        """Redis's MOVE: nothing happens if the key is there already, or not here (redis.io/commands/move)."""
        self._turn.store(None)
        if key not in self._items or key in to._items:
            return False
        to._items[key] = self._items.pop(key)
        return True


class Copied:
    """Migrating 1 and a copy of each key; then the other route and migrating 0. Writes go where the state says."""

    def __init__(self) -> None:
        self.old, self.new = Keyspace("old shard"), Keyspace("new shard")
        self.route = Atomic(0, "route")
        self.migrating = Atomic(0, "migrating")
        self._phases: list[Callable[[], None]] = [self.migrate, self.switch]

    def load(self, key: Any) -> tuple[Any, bool]:
        if key == NEXT:
            if self._phases:
                self._phases.pop(0)()
            return None, False
        return self.find(key)

    def find(self, key: Any) -> tuple[Any, bool]:
        return self._owner().get(key)

    def store(self, key: Any, value: Any) -> None:
        for shard in self._written():
            shard.set(key, value)

    def delete(self, key: Any) -> None:
        for shard in self._written():
            shard.delete(key)

    def migrate(self) -> None:
        self.migrating.store(1)
        self.copy()

    def copy(self) -> None:
        for key in self.old.scan():
            value, ok = self.old.get(key)
            if ok:
                self.new.set(key, value)

    def switch(self) -> None:
        self.route.store(1)
        self.migrating.store(0)

    def _owner(self) -> Keyspace:
        return self.new if self.route.load() else self.old

    def _written(self) -> tuple[Keyspace, ...]:
        return (self.old, self.new) if self.migrating.load() else (self._owner(),)


class FilledIn(Copied):
    """The copy leaves alone what a second write has brought already."""

    def copy(self) -> None:
        for key in self.old.scan():
            value, ok = self.old.get(key)
            if ok:
                self.new.set_if_absent(key, value)


class Compared(Copied):
    """What differs is copied again until old and new agree; only then the route switches."""

    def switch(self) -> None:
        while self.old.items() != self.new.items():
            for key in self.new.scan():
                self.new.delete(key)
            self.copy()
        super().switch()


class Moved(Copied):
    """Each key is moved, by one command; readers go by the route, which still leads to the old shard."""

    def copy(self) -> None:
        for key in self.old.scan():
            self.old.move(key, self.new)


class MovedAndSoughtNewFirst(Moved):
    """Readers look into the new shard, and then into the old one."""

    def find(self, key: Any) -> tuple[Any, bool]:
        found = self.new.get(key)
        return found if found[1] else self.old.get(key)


class MovedAndSoughtOldFirst(Moved):
    """Readers look into the old shard, and then into the new one."""

    def find(self, key: Any) -> tuple[Any, bool]:
        found = self.old.get(key)
        return found if found[1] else self.new.get(key)


class WrittenOnce(Copied):
    """Writes go to the old shard alone until the switch."""

    def _written(self) -> tuple[Keyspace, ...]:
        return (self._owner(),)


class ReadFromTheOld(Compared):
    """The old shard is read after the switch, as "read-only" may be read."""

    def find(self, key: Any) -> tuple[Any, bool]:
        return self.old.get(key)
