"""Keys that give the processor away when a map compares or hashes them: the one way into operations written in C.

The idea: a map written in C holds the GIL from its first line to its last, unless it asks a key, written in Python,
for its hash or whether it equals another. Whoever takes keys of any class must be right then too, or at least not crash.
"""

from __future__ import annotations

import time
from dataclasses import replace
from time import perf_counter_ns as now
from typing import Any, Final

from mapproof.spec.operations import Op
from mapproof.stateful_tests.adapters import Adapter, Form, Perform

_ONE_IN: Final = 3


def _give_way() -> None:
    if now() % _ONE_IN == 0:  # the last digits of the clock: a generator would be shared, and have a lock
        time.sleep(0)


class YieldingKey:
    """Stands for a key, and equals whatever stands for the same."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __hash__(self) -> int:
        _give_way()
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        _give_way()
        return isinstance(other, YieldingKey) and bool(self.key == other.key)

    def __lt__(self, other: YieldingKey) -> bool:
        _give_way()
        return bool(self.key < other.key)

    def __repr__(self) -> str:
        return repr(self.key)


def with_yielding_keys(adapter: Adapter) -> Adapter:
    """The same, but each call gives the map a new key that stands for the one that it is told."""
    return replace(
        adapter,
        forms={
            op: tuple(Form(form.text, _yielding(op, form.perform)) for form in forms)
            for op, forms in adapter.forms.items()
        },
    )


def _yielding(op: Op, perform: Perform) -> Perform:
    def perform_yielding(target: Any, key: Any, args: tuple[Any, ...]) -> Any:
        answer = perform(target, YieldingKey(key), args)
        return _plain(answer) if op is Op.RANGE else answer

    return perform_yielding


def _plain(pairs: Any) -> Any:
    """The pairs of a range with the keys that are stood for; what are no pairs is answered as it is."""
    try:
        return [[key.key if isinstance(key, YieldingKey) else key, value] for key, value in pairs]
    except (TypeError, ValueError):
        return pairs
