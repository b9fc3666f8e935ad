"""heapmap 0.1.0, `HeapMap`: "A thread-safe heap that behaves like a dict". Storing a key again never returns.

One thread is enough: `__setitem__` holds the Lock, and calls `update`, which takes it again.
Seen on Python 3.11.7: `still at it: True`.
"""

from threading import Thread

from heapmap import HeapMap

heap = HeapMap({"key": 1})
thread = Thread(target=heap.__setitem__, args=("key", 2), daemon=True)
thread.start()
thread.join(5)
print("still at it:", thread.is_alive())
