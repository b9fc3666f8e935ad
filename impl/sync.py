"""Every piece of shared state that a reference map has, and the one hook through which it can be watched.

The idea: before a primitive acts it asks `hook`, which is None in real use. An explorer installs itself there to
switch simulated threads, and sees each access with its object and kind; nothing in a map's own code knows. So
the map that is verified is the map that runs: the same objects work under real threads and under simulation.

Atomics follow sync/atomic (sequentially consistent), RWMutex is Go's own protocol (src/sync/rwmutex.go) built
out of atomics and semaphores, `Plain` and `PlainDict` are memory that the program must protect itself. All are in
one file because they share one global: to look at it is all that they cost while nobody watches.
"""

from __future__ import annotations

import contextlib
import threading
from _thread import allocate_lock  # bound now: a simulation may replace threading.Lock while maps are made
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final, Generic, NamedTuple, NoReturn, Protocol, TypeVar, overload

from mapproof.spec.accesses import Access

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class FatalError(BaseException):
    """Go's `fatal error`: ends the process, cannot be recovered, and so passes `except Exception`."""


class Hook(Protocol):
    """Who watches the shared state; installed by `watched_by`."""

    def before(self, target: object, access: Access) -> None:
        """`target` is about to be accessed; may run other simulated threads first."""

    def wait(self, target: object, access: Access, ready: Callable[[], bool]) -> None:
        """The access needs `ready()`; return only when it holds, with nothing run in between."""

    def after(self, target: object, access: Access, happened: bool) -> None:
        """What could not be known before: whether a compare-and-swap or a try took effect; and that an RWMutex,
        which is made of other primitives, was locked or is about to be unlocked. Must not run other threads."""

    def thread(self) -> int:
        """The number of the running simulated thread."""


_hook: Hook | None = None


@contextlib.contextmanager
def watched_by(hook: Hook) -> Iterator[None]:
    """Let `hook` see every access inside the block. Not for use while other real threads are running."""
    global _hook
    previous, _hook = _hook, hook
    try:
        yield
    finally:
        _hook = previous


class Atomic(Generic[T]):
    """A word of memory with sequentially consistent operations (Go: sync/atomic.Pointer, Int32)."""

    __slots__ = ("_lock", "_value", "name")

    synchronizes: ClassVar[bool] = True
    """Whether its accesses order what threads do around them; not so for what a lock is made of, for which the
    lock itself says what it orders (Go's race detector looks away from the inside of locks in the same way)."""

    def __init__(self, value: T, name: str = "atomic") -> None:
        self._value = value
        self._lock = allocate_lock()
        self.name = name

    def load(self) -> T:
        if _hook is not None:
            _hook.before(self, Access.LOAD)
        return self._value

    def store(self, value: T) -> None:
        if _hook is not None:
            _hook.before(self, Access.STORE)
        with self._lock:
            self._value = value

    def swap(self, value: T) -> T:
        """Store `value` and answer what was there."""
        if _hook is not None:
            _hook.before(self, Access.SWAP)
        with self._lock:
            previous, self._value = self._value, value
        return previous

    def compare_and_swap(self, old: T, new: T) -> bool:
        """Store `new` if the value is `old` (by ==: give pointers a class without __eq__)."""
        if _hook is not None:
            _hook.before(self, Access.COMPARE_AND_SWAP)
        with self._lock:
            swapped = self._value == old
            if swapped:
                self._value = new
        if _hook is not None:
            _hook.after(self, Access.COMPARE_AND_SWAP, swapped)
        return swapped

    def peek(self) -> T:
        """The value, unseen by the hook: for invariant checks and pictures, never for an algorithm."""
        return self._value


class AtomicInt(Atomic[int]):
    """An atomic counter (Go: sync/atomic.Int32, without its wrap-around)."""

    __slots__ = ()

    def add(self, delta: int) -> int:
        """Add `delta` and answer the new value."""
        if _hook is not None:
            _hook.before(self, Access.ADD)
        with self._lock:
            self._value += delta
            return self._value


class Mutex:
    """Mutual exclusion (Go: sync.Mutex). Not recursive; any thread may unlock."""

    __slots__ = ("_lock", "holder", "name")

    synchronizes: ClassVar[bool] = True

    def __init__(self, name: str = "mutex") -> None:
        self._lock = allocate_lock()
        self.name = name
        self.holder: int | None = None

    def lock(self) -> None:
        if _hook is not None:
            _hook.wait(self, Access.LOCK, self._is_free)
            self.holder = _hook.thread()
        self._lock.acquire()

    def try_lock(self) -> bool:
        if _hook is not None:
            _hook.before(self, Access.TRY_LOCK)
            if self._is_free():
                self.holder = _hook.thread()
        locked = self._lock.acquire(blocking=False)
        if _hook is not None:
            _hook.after(self, Access.TRY_LOCK, locked)
        return locked

    def unlock(self) -> None:
        if _hook is not None:
            _hook.before(self, Access.UNLOCK)
        self.holder = None
        try:
            self._lock.release()
        except RuntimeError:
            fatal("sync: unlock of unlocked mutex")

    def locked(self) -> bool:
        """Whether somebody holds it, unseen by the hook: for invariant checks, never for an algorithm."""
        return self._lock.locked()

    def _is_free(self) -> bool:
        return not self._lock.locked()

    def __enter__(self) -> None:
        self.lock()

    def __exit__(self, *exception: object) -> None:
        self.unlock()


class Semaphore:
    """A counting semaphore (Go: runtime_Semacquire and runtime_Semrelease)."""

    __slots__ = ("_changed", "_count", "name")

    synchronizes: ClassVar[bool] = True

    def __init__(self, count: int = 0, name: str = "semaphore") -> None:
        self._count = count
        self._changed = threading.Condition(allocate_lock())
        self.name = name

    def acquire(self) -> None:
        """Wait until the count is positive, then take one."""
        if _hook is not None:
            _hook.wait(self, Access.ACQUIRE, self._is_positive)
            self._count -= 1
            return
        with self._changed:
            self._changed.wait_for(self._is_positive)
            self._count -= 1

    def release(self) -> None:
        """Add one, and wake a waiter."""
        if _hook is not None:
            _hook.before(self, Access.RELEASE)
            self._count += 1
            return
        with self._changed:
            self._count += 1
            self._changed.notify()

    def peek(self) -> int:
        """The count, unseen by the hook: for invariant checks, never for an algorithm."""
        return self._count

    def _is_positive(self) -> bool:
        return self._count > 0


class Once:
    """Does something once, whoever comes first; the others wait until it is done (Go: src/sync/once.go)."""

    __slots__ = ("_done", "_m", "name")

    def __init__(self, name: str = "once") -> None:
        self.name = name
        self._done = Atomic(False, f"{name}.done")
        self._m = Mutex(f"{name}.m")

    def do(self, f: Callable[[], object]) -> None:
        """Call `f` unless a call was begun before. It counts as done even if it raises; `f` must not call `do`."""
        if not self._done.load():
            self._do_slow(f)

    def _do_slow(self, f: Callable[[], object]) -> None:
        with self._m:
            if not self._done.load():
                try:
                    f()
                finally:
                    # Stored after `f` has returned: who finds it true may use what `f` made.
                    self._done.store(True)


class _InnerInt(AtomicInt):
    __slots__ = ()
    synchronizes: ClassVar[bool] = False


class _InnerMutex(Mutex):
    __slots__ = ()
    synchronizes: ClassVar[bool] = False


class _InnerSemaphore(Semaphore):
    __slots__ = ()
    synchronizes: ClassVar[bool] = False


class RWMutexState(NamedTuple):
    """The words of an RWMutex at one moment: `w` is whether that mutex is held, the others are counts."""

    w: bool
    reader_count: int
    reader_wait: int
    writer_sem: int
    reader_sem: int


class RWMutex:
    """Readers-writer lock by Go's protocol: a pending writer stops new readers, all readers that queued behind
    a writer enter before the next one (src/sync/rwmutex.go, 1.22).

    Who has announced itself must come in: a thread that an exception (Ctrl-C) takes out of `rlock` or `lock` while it
    waits stays counted, and others wait for it for ever. A Mutex forgets it.
    """

    __slots__ = ("_reader_count", "_reader_sem", "_reader_wait", "_w", "_writer_sem", "name")

    synchronizes: ClassVar[bool] = True

    MAX_READERS: Final = 1 << 30

    def __init__(self, name: str = "rwmutex") -> None:
        self.name = name
        self._w = _InnerMutex(f"{name}.w")
        self._writer_sem = _InnerSemaphore(0, f"{name}.writerSem")
        self._reader_sem = _InnerSemaphore(0, f"{name}.readerSem")
        self._reader_count = _InnerInt(0, f"{name}.readerCount")
        self._reader_wait = _InnerInt(0, f"{name}.readerWait")

    def rlock(self) -> None:
        if self._reader_count.add(1) < 0:
            self._reader_sem.acquire()
        if _hook is not None:
            _hook.after(self, Access.R_LOCK, True)

    def try_rlock(self) -> bool:
        while (count := self._reader_count.load()) >= 0:
            if self._reader_count.compare_and_swap(count, count + 1):
                if _hook is not None:
                    _hook.after(self, Access.R_LOCK, True)
                return True
        return False

    def runlock(self) -> None:
        """Fatal if no reader holds the lock, as far as the counters can show."""
        if _hook is not None:
            _hook.after(self, Access.R_UNLOCK, True)
        remaining = self._reader_count.add(-1)
        if remaining < 0:
            self._runlock_slow(remaining)

    def _runlock_slow(self, remaining: int) -> None:
        if remaining + 1 in (0, -self.MAX_READERS):
            fatal("sync: RUnlock of unlocked RWMutex")
        if self._reader_wait.add(-1) == 0:
            self._writer_sem.release()

    def lock(self) -> None:
        self._w.lock()
        active = self._reader_count.add(-self.MAX_READERS) + self.MAX_READERS
        if active != 0 and self._reader_wait.add(active) != 0:
            self._writer_sem.acquire()
        if _hook is not None:
            _hook.after(self, Access.LOCK, True)

    def try_lock(self) -> bool:
        if not self._w.try_lock():
            return False
        if not self._reader_count.compare_and_swap(0, -self.MAX_READERS):
            self._w.unlock()
            return False
        if _hook is not None:
            _hook.after(self, Access.LOCK, True)
        return True

    def unlock(self) -> None:
        """Fatal if no writer holds the lock, as far as the counters can show."""
        if _hook is not None:
            _hook.after(self, Access.UNLOCK, True)
        waiting = self._reader_count.add(self.MAX_READERS)
        if waiting >= self.MAX_READERS:
            fatal("sync: Unlock of unlocked RWMutex")
        for _ in range(waiting):
            self._reader_sem.release()
        self._w.unlock()

    def rlocker(self) -> RLocker:
        """The read lock as a lock of its own."""
        return RLocker(self)

    def peek(self) -> RWMutexState:
        """Its words, unseen by the hook: for invariant checks, never for an algorithm."""
        return RWMutexState(
            self._w.locked(),
            self._reader_count.peek(),
            self._reader_wait.peek(),
            self._writer_sem.peek(),
            self._reader_sem.peek(),
        )

    @property
    def reader_count(self) -> AtomicInt:
        """The word by which readers and writers announce themselves: for who watches, never for an algorithm."""
        return self._reader_count

    def at_rest(self) -> bool:
        """Nobody holds it or waits for it; unseen by the hook: for invariant checks, never for an algorithm."""
        return not any(self.peek())

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        self.rlock()
        try:
            yield
        finally:
            self.runlock()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        self.lock()
        try:
            yield
        finally:
            self.unlock()


class RLocker:
    """The read lock of an RWMutex for whoever takes a lock with `lock` and `unlock` (Go: RWMutex.RLocker)."""

    __slots__ = ("_rwmutex",)

    def __init__(self, rwmutex: RWMutex) -> None:
        self._rwmutex = rwmutex

    def lock(self) -> None:
        self._rwmutex.rlock()

    def unlock(self) -> None:
        self._rwmutex.runlock()

    def __enter__(self) -> None:
        self.lock()

    def __exit__(self, *exception: object) -> None:
        self.unlock()


class Plain(Generic[T]):
    """A variable without synchronisation of its own."""

    __slots__ = ("_value", "name")

    def __init__(self, value: T, name: str = "variable") -> None:
        self._value = value
        self.name = name

    def read(self) -> T:
        if _hook is not None:
            _hook.before(self, Access.READ)
        return self._value

    def write(self, value: T) -> None:
        if _hook is not None:
            _hook.before(self, Access.WRITE)
        self._value = value

    def peek(self) -> T:
        """The value, unseen by the hook: for invariant checks and pictures, never for an algorithm."""
        return self._value


class PlainFlags(Plain[int]):
    """Bits that are read and written without synchronisation, but that readers may also set atomically, as the
    flags of Go's built-in map are: two `atomic_or` lose nothing, a `write` may undo either."""

    __slots__ = ("_lock",)

    def __init__(self, value: int = 0, name: str = "flags") -> None:
        super().__init__(value, name)
        self._lock = allocate_lock()

    def atomic_or(self, bits: int) -> None:
        """Set these bits in one step."""
        if _hook is not None:
            _hook.before(self, Access.OR)
        with self._lock:
            self._value |= bits


class PlainDict(Generic[K, V]):
    """A dictionary without synchronisation of its own; each step of an iteration is a read."""

    __slots__ = ("_items", "name")

    def __init__(self, name: str = "dict") -> None:
        self._items: dict[K, V] = {}
        self.name = name

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: Any) -> Any: ...
    def get(self, key: K, default: Any = None) -> Any:
        if _hook is not None:
            _hook.before(self, Access.READ)
        return self._items.get(key, default)

    def __len__(self) -> int:
        if _hook is not None:
            _hook.before(self, Access.READ)
        return len(self._items)

    def __setitem__(self, key: K, value: V) -> None:
        if _hook is not None:
            _hook.before(self, Access.WRITE)
        self._items[key] = value

    @overload
    def pop(self, key: K) -> V | None: ...
    @overload
    def pop(self, key: K, default: Any) -> Any: ...
    def pop(self, key: K, default: Any = None) -> Any:
        """Remove the key if it is there; answer what it held. Raises TypeError for a key without a hash, as all do."""
        hash(key)  # a dict that is empty does not ask
        if _hook is not None:
            _hook.before(self, Access.WRITE)
        return self._items.pop(key, default)

    def clear(self) -> None:
        if _hook is not None:
            _hook.before(self, Access.WRITE)
        self._items.clear()

    def items(self) -> Iterator[tuple[K, V]]:
        """The pairs. Raises RuntimeError, as a dict does, if the size changes during the iteration."""
        pairs = iter(self._items.items())
        while True:
            if _hook is not None:
                _hook.before(self, Access.READ)
            try:
                pair = next(pairs)
            except StopIteration:
                return
            yield pair

    def peek(self) -> dict[K, V]:
        """The dictionary itself, unseen by the hook: for invariant checks and pictures, never for an algorithm."""
        return self._items


def fatal(message: str) -> NoReturn:
    """End as Go's runtime does on misuse of a lock or of the built-in map."""
    raise FatalError(f"fatal error: {message}") from None
