"""Broken: compare-and-set in two steps. It retries until nobody has published meanwhile, or so it seems.

Between `is` and `=` there is room for another thread's whole update, which is then lost.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")


class _Reference:
    def __init__(self, value: dict[Hashable, Any]) -> None:
        self.value = value

    def compare_and_set(self, expected: dict[Hashable, Any], new: dict[Hashable, Any]) -> bool:
        if self.value is expected:
            self.value = new
            return True
        return False


class AtomicReferenceDict:
    def __init__(self) -> None:
        self._root = _Reference({})

    def _update(self, change: Callable[[dict[Hashable, Any]], _Answer]) -> _Answer:
        while True:
            seen = self._root.value
            copied = dict(seen)
            answer = change(copied)
            if self._root.compare_and_set(seen, copied):
                return answer

    def get(self, key: Hashable, default: Any = None) -> Any:
        return self._root.value.get(key, default)

    def __getitem__(self, key: Hashable) -> Any:
        return self._root.value[key]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._update(lambda d: d.__setitem__(key, value))

    def __delitem__(self, key: Hashable) -> None:
        self._update(lambda d: d.__delitem__(key))

    def setdefault(self, key: Hashable, default: Any = None) -> Any:
        return self._update(lambda d: d.setdefault(key, default))

    def pop(self, key: Hashable, *default: Any) -> Any:
        return self._update(lambda d: d.pop(key, *default))

    def items(self) -> list[tuple[Hashable, Any]]:
        return list(self._root.value.items())

    def __len__(self) -> int:
        return len(self._root.value)
