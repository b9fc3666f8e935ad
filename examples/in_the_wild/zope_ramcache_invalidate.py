"""zope.ramcache 4.0, `Storage`: it "does the locking necessary for thread safety". An invalidation gets lost.

`invalidate` queues its key if another thread holds the lock; whoever holds it works off the queue after releasing.
Between failing to get the lock and queuing, that other thread may be done: nobody is left to look at the queue.
The key's hash is where the invalidating thread begins, a slow queue is how long it waits; both only fix the order.
Seen on Python 3.11.7: `read: old, nobody works off [('page', 'k')]`.
"""

from threading import Event, Thread

from zope.ramcache.ram import Storage

storage, tried, set_is_done = Storage(), Event(), Event()
invalidating = Thread(target=storage.invalidate, args=("page", "k"))


class Key(str):
    def __hash__(self):
        if not tried.is_set():
            invalidating.start()
            tried.wait()
        return super().__hash__()


class SlowQueue(list):
    def append(self, entry):
        tried.set()
        set_is_done.wait()
        super().append(entry)


storage.setEntry("page", "k", "old")
storage._invalidate_queue = SlowQueue()
storage.setEntry(Key("other"), "k", "value")
set_is_done.set()
invalidating.join()
print(f"read: {storage.getEntry('page', 'k')}, nobody works off {storage._invalidate_queue}")
