"""chronomap 2.2.1, `ChronoMap`: "Production-grade thread-safe". A value that was put is not read, until the next put.

`get` takes the time, then the lock. A put in between is newer than that time, so `get` finds the value before it,
which is right for a call that overlaps; but it also keeps it in the cache of latest values, for later calls.
The key's hash is where the other thread's whole `put` runs, so nothing depends on luck.
Seen on Python 3.11.7: `overlaps the put: old, after the put: old`.
"""

from threading import Thread

from chronomap import ChronoMap

shared = ChronoMap(enable_ttl_cleanup=False)


class Key(str):
    pending = True

    def __hash__(self):
        if Key.pending:
            Key.pending = False
            other = Thread(target=shared.put, args=("key", "new"))
            other.start()
            other.join()
        return super().__hash__()


shared.put("key", "old")
print(f"overlaps the put: {shared.get(Key('key'))}, after the put: {shared.get('key')}")
