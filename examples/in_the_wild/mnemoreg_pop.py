"""mnemoreg 0.3.11, `Registry`: "Thread-safe registry implementing MutableMapping". pop with a default raises.

As urllib3_pop.py: the methods that are written out take the lock, the mixins of MutableMapping take it twice.
Seen on Python 3.11.7: `NotRegisteredError: "Registry key 'key' is not registered"` in each of 3 runs, within a second.
"""

import sys
from threading import Thread

from mnemoreg import Registry

sys.setswitchinterval(1e-6)
shared = Registry(overwrite_policy=1)


def store_and_pop():
    for i in range(100_000):
        shared["key"] = i
        shared.pop("key", None)


for _ in range(2):
    Thread(target=store_and_pop).start()
