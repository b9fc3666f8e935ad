"""Puts the cooperative `threading` in place of the real one, and takes it away again."""

from __future__ import annotations

import _thread
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from mapproof.stateful_tests.explorer.cooperative_threading import clock, pools, threads
from mapproof.stateful_tests.explorer.cooperative_threading.local import Local
from mapproof.stateful_tests.explorer.cooperative_threading.locks import (
    Lock,
    RLock,
    WaiterLock,
    count_waiting,
    is_broken,
    is_set,
)
from mapproof.stateful_tests.explorer.cooperative_threading.taken import Change, taken_at_import

_CLOCKS = {name: read for _, name, read in clock.REPLACEMENTS}

REPLACEMENTS: tuple[tuple[Any, str, Any], ...] = (
    (threading, "Lock", Lock),
    (threading, "RLock", RLock),
    (threading, "_RLock", RLock),
    (threading, "_CRLock", RLock),
    (threading, "local", Local),
    (threading, "_time", _CLOCKS["monotonic"]),
    (threading.Event, "is_set", is_set),
    (threading.Event, "isSet", is_set),
    (threading.Barrier, "broken", property(is_broken)),
    (threading.Barrier, "n_waiting", property(count_waiting)),
    (_thread, "allocate_lock", Lock),
    (_thread, "allocate", Lock),
    (threading, "_allocate_lock", WaiterLock),
    (_thread, "RLock", RLock),
    (_thread, "_local", Local),
    (queue, "time", _CLOCKS["monotonic"]),
    *clock.REPLACEMENTS,
    *threads.REPLACEMENTS,
)


@contextmanager
def patched(modules: Iterable[ModuleType] = ()) -> Iterator[None]:
    """Replace the blocking parts of `threading` and the clocks, and what `modules` had taken of them."""
    replacements = [*REPLACEMENTS, *pools.replacements()]
    # The first counts: one real thing goes by several names.
    originals = {
        id(vars(owner)[name]): new
        for owner, name, new in reversed(replacements)
        if isinstance(owner, ModuleType) and name in vars(owner)
    }
    changes = [Change(owner, name, new) for owner, name, new in replacements]
    changes += taken_at_import(modules, originals)
    undo: list[Callable[[], None]] = []
    try:
        for change in changes:
            undo.append(change.make())
        yield
    finally:
        for put_back in reversed(undo):
            put_back()
