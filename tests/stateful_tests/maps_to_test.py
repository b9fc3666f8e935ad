"""Maps that the tests of this room drive: right, wrong, and unlike a map. Under test as somebody's code would be."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from threading import Lock
from typing import Any

from mapproof.impl.sync import fatal
from mapproof.spec.claims import Claims, Contract

_HIDDEN = itertools.repeat(threading.Lock())


class BehindHiddenLocks(dict):  # type: ignore[type-arg]
    """Its lock was made at import and stands in an iterator, where nobody can look for it."""

    def __setitem__(self, key: Any, value: Any) -> None:
        with next(_HIDDEN):
            super().__setitem__(key, value)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        with next(_HIDDEN):
            return super().setdefault(key, default)


class CheckThenAct(dict):  # type: ignore[type-arg]
    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]


class GoLike:
    """Only the two operations that make a Go-like map."""

    def __init__(self) -> None:
        self._d: dict[Any, Any] = {}

    def load(self, key: Any) -> Any:
        return (self._d[key], True) if key in self._d else (None, False)

    def store(self, key: Any, value: Any) -> None:
        self._d[key] = value


class DiesOfALoad(GoLike):
    def load(self, key: Any) -> Any:
        fatal("read of nothing")


class DiesWhenMade(GoLike):
    def __init__(self) -> None:
        fatal("no memory")


class Interrupted(GoLike):
    """Its user presses Ctrl-C while it loads."""

    def load(self, key: Any) -> Any:
        raise KeyboardInterrupt


class GoLikeWithLen(GoLike):
    claims = Claims(len=Contract.ATOMIC)

    def __len__(self) -> int:
        return len(self._d)


class Both(GoLike):
    """Go-like and dict-like: the former has more to say."""

    def __getitem__(self, key: Any) -> Any:
        return self._d[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._d[key] = value


class SmallDict:
    """A dict-like map that refuses some forms, each in its own way."""

    def __init__(self) -> None:
        self._d: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        return self._d[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._d[key] = value

    def get(self, key: Any) -> Any:
        return self._d.get(key)

    def pop(self, key: Any) -> Any:
        return self._d.pop(key)

    def clear(self) -> None:
        raise NotImplementedError("never")

    items = None


class TextKeys(dict):  # type: ignore[type-arg]
    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError("keys are text")
        super().__setitem__(key, value)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if not isinstance(key, str):
            raise TypeError("keys are text")
        return super().setdefault(key, default)


class ManagedLock:
    """Its lock is taken by a decorated method: a function of contextlib's file."""

    def __init__(self) -> None:
        self._lock, self._d = Lock(), dict[Any, Any]()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        with self._lock:
            yield

    def __getitem__(self, key: Any) -> Any:
        with self.locked():
            return self._d[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.locked():
            self._d[key] = value


class NoMap:
    pass


class ReadOnly:
    def __getitem__(self, key: Any) -> Any:
        raise KeyError(key)


class AcceptsNothing:
    def __getitem__(self, key: Any, more: Any) -> Any: ...

    def __setitem__(self, key: Any) -> None: ...  # type: ignore[empty-body]


class StartsAThread(dict):  # type: ignore[type-arg]
    """It is made before a run begins, so its thread is none of the run's."""

    def __init__(self) -> None:
        threading.Thread(target=self.clear).start()


class Unmakeable(dict):  # type: ignore[type-arg]
    def __init__(self) -> None:
        raise OSError("no disk")


class WrongAlone(dict):  # type: ignore[type-arg]
    """Wrong without any concurrency: it forgets its third key."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if len(self) < 2 or key in self:
            super().__setitem__(key, value)


class Aged:
    """Two locks in opposite orders."""

    def __init__(self) -> None:
        self.data, self.ages = Lock(), Lock()
        self._d: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        with self.data, self.ages:
            return self._d[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.ages, self.data:
            self._d[key] = value


class AgedTogether:
    """The same two locks for every map."""

    data, ages = Lock(), Lock()

    def __init__(self) -> None:
        self._d: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        with self.data, self.ages:
            return self._d[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.ages, self.data:
            self._d[key] = value


class LeakyOnce:
    """`store` never gives its lock back."""

    def __init__(self) -> None:
        self._lock, self._d = Lock(), dict[Any, Any]()

    def __getitem__(self, key: Any) -> Any:
        return self._d[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._lock.acquire()
        self._d[key] = value


class Raises(dict):  # type: ignore[type-arg]
    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        elif self[key] != default:
            raise ValueError("two values")
        return self[key]


class AnswersText(dict):  # type: ignore[type-arg]
    """`items` answers what are no pairs."""

    def items(self) -> Any:
        return ["a", "b"][: len(self)]


class Invariant(CheckThenAct):
    def check_invariants(self) -> None:
        assert dict.__len__(self) < 2, "two keys are one too many"


class WaitsWithTheLock:
    """A deadlock in which one thread waits on a condition, another one has the condition's lock."""

    def __init__(self) -> None:
        self._changed, self._other = threading.Condition(), threading.Condition()
        self._d: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        with self._changed:
            self._changed.wait()
        return self._d[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        with self._changed, self._other:
            self._other.wait()
        self._d[key] = value


class WaitsForEver(dict):  # type: ignore[type-arg]
    """`m[k]` and `get` wait for a second key to come; a load while there is one key may never end."""

    def __getitem__(self, key: Any) -> Any:
        while len(self) > 0:
            pass
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        while len(self) > 0:
            pass
        return super().get(key, default)


class TwoStepLen(GoLike):
    """`len` looks at the keys, then at each of them."""

    def __len__(self) -> int:
        return sum(1 for key in list(self._d) if key in self._d)

    def delete(self, key: Any) -> None:
        self._d.pop(key, None)


class ForgivingPop(dict[Any, Any]):
    """Right: a missing key is told by None, as some libraries do."""

    def pop(self, key: Any, default: Any = None) -> Any:
        return dict.pop(self, key, default)


class TextOnly(dict[Any, Any]):
    """Right, for keys that are text: others it drops without a word."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, str):
            dict.__setitem__(self, key, value)

    setdefault = None  # type: ignore[assignment]
