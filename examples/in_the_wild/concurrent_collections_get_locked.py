"""concurrent-collections 2.1.0: `get_locked` is "Context manager for safe read-modify-write". An update gets lost.

`get_locked` takes a lock of the key, `update_atomic` the lock of the dictionary: they do not exclude each other.
(Read in the source. The single operations, which is what `mapproof check` calls, passed.)
Seen on Python 3.11.7: `two increments of 0 make 1`.
"""

from threading import Thread

from concurrent_collections import ConcurrentDictionary

shared = ConcurrentDictionary({"key": 0})
other = Thread(target=shared.update_atomic, args=("key", lambda value: value + 1))
with shared.get_locked("key") as value:
    other.start()
    other.join(1)
    shared.assign_atomic("key", value + 1)
other.join()
print("two increments of 0 make", shared["key"])
