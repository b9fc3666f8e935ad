"""One writer at a time works for all: an operation is put in a queue, and whoever has the lock serves the whole queue.

Who finds the lock taken waits for it, and may find its own request answered when it gets in (flat combining).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any


class _Request:
    __slots__ = ("answer", "done", "error", "operation")

    def __init__(self, operation: Callable[[dict[Hashable, Any]], Any]) -> None:
        self.operation = operation
        self.done = False
        self.answer: Any = None
        self.error: KeyError | None = None

    def serve(self, data: dict[Hashable, Any]) -> None:
        try:
            self.answer = self.operation(data)
        except KeyError as error:
            self.error = error
        self.done = True


class CombiningDict:
    def __init__(self) -> None:
        self._serving = threading.Lock()
        self._requests: deque[_Request] = deque()
        self._data: dict[Hashable, Any] = {}

    def _ask(self, operation: Callable[[dict[Hashable, Any]], Any]) -> Any:
        request = _Request(operation)
        self._requests.append(request)
        with self._serving:
            while not request.done:
                self._requests.popleft().serve(self._data)
        if request.error is not None:
            raise request.error
        return request.answer

    def get(self, key: Hashable, default: Any = None) -> Any:
        return self._ask(lambda data: data.get(key, default))

    def __getitem__(self, key: Hashable) -> Any:
        return self._ask(lambda data: data[key])

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._ask(lambda data: data.__setitem__(key, value))

    def __delitem__(self, key: Hashable) -> None:
        self._ask(lambda data: data.__delitem__(key))

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        return self._ask(lambda data: data.setdefault(key, default))

    def pop(self, key: Hashable, *default: Any) -> Any:
        return self._ask(lambda data: data.pop(key, *default))

    def clear(self) -> None:
        self._ask(lambda data: data.clear())

    def items(self) -> list[tuple[Hashable, Any]]:
        pairs: list[tuple[Hashable, Any]] = self._ask(lambda data: list(data.items()))
        return pairs

    def __len__(self) -> int:
        size: int = self._ask(len)
        return size
