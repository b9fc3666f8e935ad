"""zict 3.0.0, `LRU`: since 3.0.0 "almost completely thread-safe". pop with a default raises KeyError.

As urllib3_pop.py. The authors know: https://github.com/dask/zict/issues/99 is open.
Seen on Python 3.11.7: `KeyError: 'key'`, raised by `del self[key]` in `pop`, in each of 3 runs, within a second.
"""

import sys
from threading import Thread

from zict import LRU

sys.setswitchinterval(1e-6)
shared = LRU(10, {})


def store_and_pop():
    for i in range(100_000):
        shared["key"] = i
        shared.pop("key", None)


for _ in range(2):
    Thread(target=store_and_pop).start()
