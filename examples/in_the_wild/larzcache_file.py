"""larzcache 0.1.0, `FileCache`: the package's caches are "all thread-safe". Two threads that set one key collide.

Both write the same temporary file, and the second to move it into place finds it gone.
Seen on Python 3.11.7: `FileNotFoundError: ... .json.tmp`, raised by `os.replace` in `set`, in each of 3 runs.
"""

import tempfile
from threading import Thread

from larzcache import FileCache

shared = FileCache(tempfile.mkdtemp())


def store():
    for i in range(1000):
        shared.set("key", i)


for _ in range(2):
    Thread(target=store).start()
