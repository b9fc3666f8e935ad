"""threadlru 0.0.1, `LRUCache`: "Thread-Safe LRU Cache". A thread that asks for a transaction breaks a running one.

`begin_transaction` notes its thread as the owner, then waits for the lock. The thread that holds it is no longer the
owner, so its next `set` waits for its own lock. (Read in the source: the lock is one of multiprocessing, which
mapproof does not follow.) Seen on Python 3.11.7: `the owner is stuck: True`.
"""

from threading import Event, Thread

from threadlru.threadlru import LRUCache

cache, begun, asked = LRUCache(10), Event(), Event()


def owner():
    with cache:
        begun.set()
        asked.wait()
        cache.set("key", 1)


stuck = Thread(target=owner, daemon=True)
stuck.start()
begun.wait()
Thread(target=cache.begin_transaction, daemon=True).start()
Event().wait(1)
asked.set()
stuck.join(5)
print("the owner is stuck:", stuck.is_alive())
