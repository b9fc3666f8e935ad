"""py-lattix 0.2.1: in `with tree:`, "No other thread can modify 'tree' ... until this block finishes". It can.

Reading and writing do not take the lock, so two threads exclude each other only if both say `with tree`.
Seen on Python 3.11.7: `within the block: {'key': 2}`.
"""

from threading import Thread

from lattix import Lattix

tree = Lattix(enable_lock=True)
with tree:
    other = Thread(target=tree.__setitem__, args=("key", 2), daemon=True)
    other.start()
    other.join(5)
    print("within the block:", dict(tree))
