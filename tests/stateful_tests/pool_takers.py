"""A module that keeps a pool and a queue for itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

POOL = ThreadPoolExecutor(1)
ITEMS: SimpleQueue[int] = SimpleQueue()


def doubled(value: int) -> int:
    return POOL.submit(lambda: 2 * value).result()
