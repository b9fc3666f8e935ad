"""What goes wrong in the accounts that `accounts/` keeps. Their line numbers stand there: add at the end."""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

from mapproof.impl.sync import Atomic, Mutex, Plain, RWMutex


class CheckThenAct(dict):  # type: ignore[type-arg]
    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]


class Abba:
    """Two locks in opposite orders."""

    def __init__(self) -> None:
        self.data = threading.Lock()
        self.ages = threading.Lock()
        self._items: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        with self.data, self.ages:
            return self._items[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.ages, self.data:
            self._items[key] = value


class Spins:
    """A flag instead of a lock, which a load that finds nothing never gives back."""

    def __init__(self) -> None:
        self.busy = False
        self._items: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        self.busy = True
        value = self._items[key]
        self.busy = False
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        while self.busy:
            seen = len(self._items)
            self.seen = seen
        self._items[key] = value


class Counters:
    """A total that is swapped in, and a count beside it that nothing guards."""

    def __init__(self) -> None:
        self.total = Atomic(0, "total")
        self.count = Plain(0, "count")

    def add(self, amount: int) -> None:
        while True:
            total = self.total.load()
            if self.total.compare_and_swap(total, total + amount):
                break
        self.count.write(self.count.read() + 1)

    def add_once(self, amount: int) -> bool:
        total = self.total.load()
        return self.total.compare_and_swap(total, total + amount)

    def check_invariants(self) -> None:
        assert self.total.peek() != 1, "an addition was lost"


class Twice:
    """Takes a readers-writer lock and a mutex in both orders."""

    def __init__(self) -> None:
        self.rw, self.mu = RWMutex("rw"), Mutex("mu")

    def one(self) -> None:
        with self.rw.writing(), self.mu:
            pass

    def other(self) -> None:
        with self.mu, self.rw.reading():
            pass


class Chance(dict):  # type: ignore[type-arg]
    """Wrong at its first uses in a process only, so many as are left."""

    uses: Iterator[int] = iter(())

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if next(Chance.uses, None) is not None:
            return default
        return super().setdefault(key, default)


class Sloppy(dict):  # type: ignore[type-arg]
    """Counts without a lock, in a slot, in a list, in a closure and by a longer way."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = [0, 0]
        self.last: Any = None
        made = 0

        def more() -> int:
            nonlocal made
            made += 1
            return made

        self.more = more

    def __setitem__(self, key: Any, value: Any) -> None:
        old = self.get(key)
        self.last = Node(key, value)
        self.counts[0] += 1
        self.counts[1] = self.counts[0] + 1
        n = self.more()
        for i in range(8):
            self.last.round = i
        if old is None:
            self.total = len(self) + n
        super().__setitem__(key, value)
        self.copied = dict(self)

    def check_invariants(self) -> None:
        assert self.counts[0] == 2, "an update was lost"


class Node:
    """A value whose every method raises, to show that none is called."""

    __slots__ = ("key", "round", "value")

    def __init__(self, key: Any, value: Any) -> None:
        self.key, self.value = key, value

    def __repr__(self) -> str:
        raise AssertionError("repr of the code under test was called")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("== of the code under test was called")

    def __hash__(self) -> int:
        raise AssertionError("hash of the code under test was called")

    def __len__(self) -> int:
        raise AssertionError("len of the code under test was called")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Token:
    """Something that dies when nobody has it any more."""


class Dies:
    """Forgets what it stored once nobody holds it, and is wrong for it."""

    def __init__(self) -> None:
        self.tokens: Any = weakref.WeakValueDictionary()
        self.kept: Any = None

    def load(self, key: Any) -> Any:
        held = self.tokens.get(key)
        return (None, False) if held is None else (1, True)

    def store(self, key: Any, value: Any) -> None:
        self.kept = Token()
        self.tokens[key] = self.kept
        self.kept = None


class Sleeps(dict):  # type: ignore[type-arg]
    """Waits a little between the look and the act."""

    def setdefault(self, key: Any, default: Any = None) -> Any:
        found = self.get(key)
        if found is None:
            time.sleep(0.1)
            self[key] = found = default
        return found


class Long(dict):  # type: ignore[type-arg]
    """Reads all its keys, one by one, before it looks."""

    def setdefault(self, key: Any, default: Any = None) -> Any:
        seen = []
        for i in range(10):
            seen.append(self.get(i))
        missing = key not in self
        if missing:
            self[key] = default
        return self[key]


class Lines(dict):  # type: ignore[type-arg]
    """One line of each kind; its `check_invariants` makes every run a failure."""

    shared = 3

    def __init__(self) -> None:
        super().__init__()
        self.items_ = [10, 20]
        self.n = 0
        self.node = Node(1, 2)
        self.nested = {"z": {"b": 7}}
        self.deep: Any = None
        self.changed = threading.Condition()
        self.words: set[str] = {"x"}

    @property
    def computed(self) -> int:
        return self.n

    def __setitem__(self, key: Any, value: Any) -> None:
        self.n = value
        self.n += 2
        self.n = -self.n
        self.items_[1] = self.items_[0]
        got = self.nested["z"]["b"]
        self.deep = self.computed
        one, two = self.n, self.items_[-1]
        if "x" in self.words and key not in self.nested:
            self.nested[key] = [one, two]
        self.deep = Node(got, got)
        self.node.key = self.shared
        popped = self.nested.pop("none", None)
        del self.nested["z"]
        with self.changed:
            self.changed.notify_all()
        self.deep = {**self.nested}
        super().__setitem__(key, popped)

    def check_invariants(self) -> None:
        raise AssertionError("always")


class Waits:
    """Waits for a notification that never comes."""

    def __init__(self) -> None:
        self.changed = threading.Condition()

    def __getitem__(self, key: Any) -> Any:
        with self.changed:
            self.changed.wait()
        return key

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.changed:
            pass


class Background:
    """Hands what is stored to a thread of its own."""

    def __init__(self) -> None:
        self._items: dict[Any, Any] = {}
        self._queue: queue.Queue[tuple[Any, Any]] = queue.Queue()
        self._thread: threading.Thread | None = None

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._queue.put((key, value))

    def _work(self) -> None:
        while True:
            key, value = self._queue.get()
            self._items[key] = value

    def __getitem__(self, key: Any) -> Any:
        return self._items[key]
