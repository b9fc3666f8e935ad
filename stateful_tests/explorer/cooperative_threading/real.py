"""The real things, bound before anything can be put in their place."""

from __future__ import annotations

import _thread
import threading
import time
from typing import Any

allocate_lock: Any = _thread.allocate_lock
current_thread = threading.current_thread
enumerate_threads = threading.enumerate
event_is_set = threading.Event.is_set
get_ident = threading.get_ident
get_native_id = threading.get_native_id
main_thread = threading.main_thread
monotonic = time.monotonic
perf_counter = time.perf_counter
sleep = time.sleep
thread_is_alive = threading.Thread.is_alive
thread_join = threading.Thread.join
wall_clock = time.time

LOCK_TYPES: tuple[type, ...] = (
    type(allocate_lock()),
    type(threading.RLock()),
    threading._RLock,
)


class UnsupportedTarget(Exception):
    """The code under test does something that a simulation cannot follow."""
