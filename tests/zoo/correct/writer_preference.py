"""Readers and writers each wait on a Condition of their own, both on one lock; writers that wait go before readers."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Condition, Lock
from types import TracebackType
from typing import Any


class _Side:
    """The two ways to use the lock share one state: readers inside, writers inside (at most one) and waiting."""

    def __init__(self, state: _State, writes: bool) -> None:
        self._state = state
        self._writes = writes

    def __enter__(self) -> None:
        (self._state.start_writing if self._writes else self._state.start_reading)()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self._state.stop_writing if self._writes else self._state.stop_reading)()


class _State:
    def __init__(self) -> None:
        lock = Lock()
        self._may_read = Condition(lock)
        self._may_write = Condition(lock)
        self._readers = 0
        self._writing = False
        self._waiting_writers = 0

    def start_reading(self) -> None:
        with self._may_read:
            while self._writing or self._waiting_writers:
                self._may_read.wait()
            self._readers += 1

    def stop_reading(self) -> None:
        with self._may_write:
            self._readers -= 1
            if self._readers == 0:
                self._may_write.notify()

    def start_writing(self) -> None:
        with self._may_write:
            self._waiting_writers += 1
            while self._writing or self._readers:
                self._may_write.wait()
            self._waiting_writers -= 1
            self._writing = True

    def stop_writing(self) -> None:
        with self._may_write:
            self._writing = False
            if self._waiting_writers:
                self._may_write.notify()
            else:
                self._may_read.notify_all()


class WritersFirst:
    def __init__(self) -> None:
        state = _State()
        self._reading = _Side(state, writes=False)
        self._writing = _Side(state, writes=True)
        self._data: dict[Hashable, Any] = {}

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._reading:
            return self._data.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        with self._reading:
            return self._data[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        with self._writing:
            self._data[key] = value

    def __delitem__(self, key: Hashable) -> None:
        with self._writing:
            del self._data[key]

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        with self._writing:
            if key not in self._data:
                self._data[key] = default
            return self._data[key]

    def pop(self, key: Hashable, *default: Any) -> Any:
        with self._writing:
            return self._data.pop(key, *default)

    def clear(self) -> None:
        with self._writing:
            self._data.clear()

    def items(self) -> list[tuple[Hashable, Any]]:
        with self._reading:
            return list(self._data.items())

    def __len__(self) -> int:
        with self._reading:
            return len(self._data)
