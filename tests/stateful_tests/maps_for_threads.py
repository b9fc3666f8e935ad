"""Maps that go wrong when real threads meet in them, each in another way, and the same maps put right."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
from typing import Any

from mapproof.spec.claims import Claims, Contract


class Fragile(dict):  # type: ignore[type-arg]
    """Two threads in `m[k] = v` at once are the end of it, as of many a structure written in C."""

    guard: Any = contextlib.nullcontext()
    busy = 0

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.guard:
            self.busy += 1
            time.sleep(0)
            if self.busy > 1:
                self.end()
            super().__setitem__(key, value)
            self.busy -= 1

    def end(self) -> None:
        raise NotImplementedError


class Aborts(Fragile):
    def end(self) -> None:
        print("corrupted size vs. prev_size", flush=True)
        os.abort()


class Segfaults(Fragile):
    def end(self) -> None:
        ctypes.string_at(0)


class Exits(Fragile):
    def end(self) -> None:
        os._exit(7)


class ExitsAsIfAllWereWell(Fragile):
    def end(self) -> None:
        os._exit(0)


class Leaves(Fragile):
    def end(self) -> None:
        raise SystemExit(1)


class Eats(Fragile):
    def end(self) -> None:
        hoard = []
        while True:
            hoard.append(b"x" * 4_000_000)
            time.sleep(0.01)


class Claiming(Leaves):
    claims = Claims(range=Contract.ATOMIC, clear=Contract.ATOMIC)


class Spins(Fragile):
    def end(self) -> None:
        while True:
            pass


class AnswersNonsense(Fragile):
    confused = False

    def end(self) -> None:
        self.confused = True

    def __len__(self) -> int:
        return True if self.confused else super().__len__()

    def items(self) -> Any:
        return ["nonsense"] if self.confused else super().items()


class Guarded:
    def __init__(self) -> None:
        super().__init__()
        self.guard = threading.Lock()


class AbortsGuarded(Guarded, Aborts): ...


class Crossed:
    """Two locks in opposite orders."""

    def __init__(self) -> None:
        self.data, self.ages = threading.Lock(), threading.Lock()
        self._d: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        with self.data, self.ages:
            return self._d[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.ages, self.data:
            self._d[key] = value


class Ordered(Crossed):
    def __setitem__(self, key: Any, value: Any) -> None:
        with self.data, self.ages:
            self._d[key] = value


class LosesUpdates(dict):  # type: ignore[type-arg]
    guard: Any = contextlib.nullcontext()

    def setdefault(self, key: Any, default: Any = None) -> Any:
        with self.guard:
            if key in self:
                return self[key]
            self[key] = default
            return default


class LosesUpdatesSoon(LosesUpdates):
    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key in self:
            return self[key]
        time.sleep(0)
        self[key] = default
        return default


class LosesNoUpdates(LosesUpdates):
    """Deletions may come between the look and the read: it is held to operations that delete nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.guard = threading.RLock()

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.guard:
            super().__setitem__(key, value)


class Counts(dict):  # type: ignore[type-arg]
    guard: Any = contextlib.nullcontext()
    stores = 0
    counted = 0

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.guard:
            counted = self.counted
            super().__setitem__(key, value)
            self.counted = counted + 1
            self.stores = self.stores + 1

    def check_invariants(self) -> None:
        assert self.counted == self.stores, f"{self.counted} counted of {self.stores} stores"


class CountsGuarded(Guarded, Counts): ...


class Slow(dict):  # type: ignore[type-arg]
    def __setitem__(self, key: Any, value: Any) -> None:
        time.sleep(0.2)
        super().__setitem__(key, value)


class UsesThreads(dict):  # type: ignore[type-arg]
    """A simulation cannot follow it."""

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.lock:
            thread = threading.Thread(target=super().__setitem__, args=(key, value))
            thread.start()
            thread.join()

    lock = threading.Lock()


class KeepsNumbers:
    """Not the objects that it is given, like many maps that are written in C."""

    def __init__(self) -> None:
        self._d: dict[int, int] = {}
        self._lock = threading.Lock()

    def __getitem__(self, key: int) -> int:
        return self._copy(self._d[key])

    def __setitem__(self, key: int, value: int) -> None:
        self._d[key] = self._copy(value)

    def setdefault(self, key: int, default: int) -> int:
        with self._lock:
            return self._copy(self._d.setdefault(key, self._copy(default)))

    def __delitem__(self, key: int) -> None:
        del self._d[key]

    @staticmethod
    def _copy(value: int) -> int:
        return int(str(value))


class TextKeys(dict):  # type: ignore[type-arg]
    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError("keys are text")
        super().__setitem__(key, value)


class HangsAlone(dict):  # type: ignore[type-arg]
    def __len__(self) -> int:
        time.sleep(3600)
        return 0


class AbortsWhenMade(dict):  # type: ignore[type-arg]
    def __init__(self) -> None:
        os.abort()


class Unmakeable(dict):  # type: ignore[type-arg]
    def __init__(self) -> None:
        raise OSError("no disk")


class MadeThreeTimesOnly(dict):  # type: ignore[type-arg]
    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        if type(self).made > 12:
            raise OSError("no disk")


class KilledFromOutside(Fragile):
    def end(self) -> None:
        os.kill(os.getpid(), 9)


def of_text() -> TextKeys:
    """A factory in place of a class."""
    return TextKeys()
