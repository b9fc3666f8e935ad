"""Copy on write without waiting for long: the copy is made outside of the lock, and published only if nobody else was
faster, which is compared under the lock; otherwise it is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")


class CompareAndPublish:
    def __init__(self) -> None:
        self._publishing = Lock()
        self._published: dict[Hashable, Any] = {}

    def _change(self, change: Callable[[dict[Hashable, Any]], _Answer]) -> _Answer:
        while True:
            seen = self._published
            copied = dict(seen)
            answer = change(copied)
            with self._publishing:
                if self._published is seen:
                    self._published = copied
                    return answer

    def get(self, key: Hashable, default: Any = None) -> Any:
        return self._published.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        return self._published[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._change(lambda d: d.__setitem__(key, value))

    def __delitem__(self, key: Hashable) -> None:
        self._change(lambda d: d.__delitem__(key))

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        return self._change(lambda d: d.setdefault(key, default))

    def pop(self, key: Hashable, *default: Any) -> Any:
        return self._change(lambda d: d.pop(key, *default))

    def clear(self) -> None:
        self._change(lambda d: d.clear())

    def items(self) -> list[tuple[Hashable, Any]]:
        return list(self._published.items())

    def __len__(self) -> int:
        return len(self._published)
