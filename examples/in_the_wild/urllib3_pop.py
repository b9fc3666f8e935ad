"""urllib3 2.8.0, `RecentlyUsedContainer`: "a thread-safe dict-like container". pop with a default raises KeyError.

Two threads store and pop one key. `pop` is the mixin of MutableMapping: it reads, then deletes, each under the lock.
Seen on Python 3.11.7: `KeyError: 'key'`, raised by `del self[key]` in `pop`, in each of 3 runs, within a second.
"""

import sys
from threading import Thread

from urllib3._collections import RecentlyUsedContainer

sys.setswitchinterval(1e-6)
shared = RecentlyUsedContainer(10)


def store_and_pop():
    for i in range(100_000):
        shared["key"] = i
        shared.pop("key", None)


for _ in range(2):
    Thread(target=store_and_pop).start()
