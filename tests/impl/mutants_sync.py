"""Slips in the primitives themselves, and the detector that catches each.

A changed primitive is made in the namespace of `impl.sync`, so that the hook that watches it is the real one.
"""

from __future__ import annotations

import ast
import inspect
from math import ceil
from typing import Any

from mutants import Detector, Mutant
from rooms import MutexRoom, OnceRoom, Rooms, RWMutexRoom, complaints
from schedules import turns

from mapproof.impl import sync
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound

SCENARIOS: Rooms = {
    "two that lock": (MutexRoom, ("write", "write")),
    "one locks, one tries": (MutexRoom, ("write", "try_to_write; write")),
    "two that try": (MutexRoom, ("try_to_write", "try_to_write")),
    "two readers and a writer": (RWMutexRoom, ("read", "read", "write")),
    "two readers, and a writer that comes twice": (RWMutexRoom, ("read", "read_by_rlocker", "write; write")),
    "two writers": (RWMutexRoom, ("write", "write")),
    "two writers and a reader": (RWMutexRoom, ("write", "write", "read")),
    "a reader, a writer, and a writer that tries": (RWMutexRoom, ("read", "write", "try_to_write")),
    "a reader, and a writer that tries first": (RWMutexRoom, ("read", "try_to_write; write")),
    "a writer, and a reader that tries": (RWMutexRoom, ("write", "try_to_read; read")),
    "all who try": (RWMutexRoom, ("try_to_read", "try_to_write", "try_to_read")),
    "two first calls": (OnceRoom, ("do", "do; do")),
    "three first calls": (OnceRoom, ("do", "do", "do")),
    "a call that fails, and one that does not": (OnceRoom, ("do_and_raise", "do")),
    "a call that fails, and the next": (OnceRoom, ("do_and_raise; do",)),
}

BOUND = 2
MOST_SCHEDULES = 3_000


def _slip(
    subject: str, wrong: str, before: str, after: str, detector: Detector, scenario: str, says: str
) -> Mutant:
    return Mutant(subject, wrong, sync, before, after, detector, scenario, says)


MUTANTS: tuple[Mutant, ...] = (
    _slip(
        "RWMutex",
        "a writer does not wait for the readers",
        "        if active != 0 and self._reader_wait.add(active) != 0:\n            self._writer_sem.acquire()\n",
        "",
        Detector.RACE,
        "two readers and a writer",
        "variable",
    ),
    _slip(
        "RWMutex",
        "a writer waits without counting for whom",
        "        if active != 0 and self._reader_wait.add(active) != 0:\n",
        "        if active != 0:\n",
        Detector.DEADLOCK,
        "two readers and a writer",
        "waits to acquire rwmutex.writerSem",
    ),
    _slip(
        "RWMutex",
        "the first reader that leaves wakes the writer",
        "        if self._reader_wait.add(-1) == 0:\n            self._writer_sem.release()\n",
        "        self._reader_wait.add(-1)\n        self._writer_sem.release()\n",
        Detector.RACE,
        "two readers and a writer",
        "variable",
    ),
    _slip(
        "RWMutex",
        "nobody wakes the writer",
        "        if self._reader_wait.add(-1) == 0:\n            self._writer_sem.release()\n",
        "        self._reader_wait.add(-1)\n",
        Detector.DEADLOCK,
        "two readers and a writer",
        "waits to acquire rwmutex.writerSem",
    ),
    _slip(
        "RWMutex",
        "the writer is woken only when no reader at all is counted",
        "        if self._reader_wait.add(-1) == 0:\n",
        "        if self._reader_wait.add(-1) == 0 and remaining == -self.MAX_READERS:\n",
        Detector.DEADLOCK,
        "two readers and a writer",
        "waits to acquire rwmutex.writerSem.*waits to acquire rwmutex.readerSem|readerSem.*writerSem",
    ),
    _slip(
        "RWMutex",
        "a reader does not wait for the writer",
        "        if self._reader_count.add(1) < 0:\n            self._reader_sem.acquire()\n",
        "        self._reader_count.add(1)\n",
        Detector.RACE,
        "two readers and a writer",
        "variable",
    ),
    _slip(
        "RWMutex",
        "a writer wakes one reader",
        "        for _ in range(waiting):\n            self._reader_sem.release()\n",
        "        if waiting:\n            self._reader_sem.release()\n",
        Detector.DEADLOCK,
        "two readers and a writer",
        "waits to acquire rwmutex.readerSem",
    ),
    _slip(
        "RWMutex",
        "a writer wakes a reader too many",
        "        for _ in range(waiting):\n",
        "        for _ in range(waiting + 1):\n",
        Detector.INVARIANT,
        "two writers",
        "R4: readerSem admits 1 readers, 0 are counted",
    ),
    _slip(
        "RWMutex",
        "a writer admits the next before it has left",
        """\
        waiting = self._reader_count.add(self.MAX_READERS)
        if waiting >= self.MAX_READERS:
            fatal("sync: Unlock of unlocked RWMutex")
        for _ in range(waiting):
            self._reader_sem.release()
        self._w.unlock()
""",
        """\
        self._w.unlock()
        waiting = self._reader_count.add(self.MAX_READERS)
        if waiting >= self.MAX_READERS:
            fatal("sync: Unlock of unlocked RWMutex")
        for _ in range(waiting):
            self._reader_sem.release()
""",
        Detector.INVARIANT,
        "two writers",
        "R2: a writer has announced itself, but nobody holds w",
    ),
    _slip(
        "RWMutex",
        "a writer keeps w",
        "            self._reader_sem.release()\n        self._w.unlock()\n",
        "            self._reader_sem.release()\n",
        Detector.DEADLOCK,
        "two writers",
        "waits to lock rwmutex.w, held by client 1, which has ended",
    ),
    _slip(
        "RWMutex",
        "a try that fails keeps w",
        "            self._w.unlock()\n            return False\n",
        "            return False\n",
        Detector.DEADLOCK,
        "a reader, a writer, and a writer that tries",
        "waits to lock rwmutex.w, held by client 3, which has ended",
    ),
    _slip(
        "RWMutex",
        "a writer that tries looks, then announces itself",
        "        if not self._reader_count.compare_and_swap(0, -self.MAX_READERS):\n            self._w.unlock()\n            return False\n",
        "        if self._reader_count.load() != 0:\n            self._w.unlock()\n            return False\n        self._reader_count.add(-self.MAX_READERS)\n",
        Detector.INVARIANT,
        "a reader, and a writer that tries first",
        "inside together: 1 who write, 1 who read|a writer is inside, and the words",
    ),
    _slip(
        "RWMutex",
        "a reader that tries looks, then counts itself",
        "            if self._reader_count.compare_and_swap(count, count + 1):\n                if _hook is not None:\n                    _hook.after(self, Access.R_LOCK, True)\n                return True\n",
        "            self._reader_count.add(1)\n            if _hook is not None:\n                _hook.after(self, Access.R_LOCK, True)\n            return True\n",
        Detector.RACE,
        "a writer, and a reader that tries",
        "variable",
    ),
    _slip(
        "Mutex",
        "a try that fails says that it did not",
        "            _hook.after(self, Access.TRY_LOCK, locked)\n        return locked\n",
        "            _hook.after(self, Access.TRY_LOCK, locked)\n        return True\n",
        Detector.RACE,
        "one locks, one tries",
        "variable",
    ),
    _slip(
        "Mutex",
        "a try that succeeds says that it failed",
        "            _hook.after(self, Access.TRY_LOCK, locked)\n        return locked\n",
        "            _hook.after(self, Access.TRY_LOCK, locked)\n        return False\n",
        Detector.DEADLOCK,
        "one locks, one tries",
        "client 2 waits to lock mutex, which it holds itself",
    ),
    _slip(
        "Once",
        "says that it is done before it is",
        """\
                try:
                    f()
                finally:
                    # Stored after `f` has returned: who finds it true may use what `f` made.
                    self._done.store(True)
""",
        """\
                self._done.store(True)
                f()
""",
        Detector.RACE,
        "two first calls",
        "variable",
    ),
    _slip(
        "Once",
        "whoever comes second does not wait",
        "            self._do_slow(f)\n",
        "            if not self._done.swap(True):\n                f()\n",
        Detector.RACE,
        "two first calls",
        "variable",
    ),
    _slip(
        "Once",
        "does not look again under the lock",
        "        with self._m:\n            if not self._done.load():\n                try:\n",
        "        with self._m:\n            if True:\n                try:\n",
        Detector.INVARIANT,
        "two first calls",
        "done 2 times",
    ),
    _slip(
        "Once",
        "has no lock",
        "        with self._m:\n            if not self._done.load():\n                try:\n",
        "        if True:\n            if not self._done.load():\n                try:\n",
        Detector.INVARIANT,
        "three first calls",
        "inside together: 2 who write|done [23] times",
    ),
    _slip(
        "Once",
        "a call that fails does not count",
        """\
                try:
                    f()
                finally:
                    # Stored after `f` has returned: who finds it true may use what `f` made.
                    self._done.store(True)
""",
        """\
                f()
                self._done.store(True)
""",
        Detector.INVARIANT,
        "a call that fails, and the next",
        "done 2 times",
    ),
)


def built(mutant: Mutant) -> Any:
    """The changed class, in the namespace of `impl.sync`."""
    source = inspect.getsource(sync)
    assert source.count(mutant.before) == 1, (
        f"found {source.count(mutant.before)} times, not once: {mutant.before!r}"
    )
    tree = ast.parse(source.replace(mutant.before, mutant.after))
    [changed] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == mutant.subject]
    namespace: dict[str, Any] = {}
    code = compile(ast.Module([changed], []), f"{sync.__name__}__changed.py", "exec")
    exec(code, vars(sync), namespace)  # noqa: S102 - the source of this repository
    return namespace[mutant.subject]


def caught(mutant: Mutant) -> str:
    """What the mutant's detector says of it; "" if nothing."""
    room, programs = SCENARIOS[mutant.scenario]
    changed, strategy = built(mutant), PreemptionBound(BOUND)
    for _ in range(MOST_SCHEDULES):
        if not strategy.begin():
            break
        for detector, sentence in complaints(room(changed), programs, strategy):
            if detector is mutant.detector:
                return sentence
    return ""


def alarms(schedules: int, seed: int) -> list[str]:
    """What any detector says of about so many schedules of the primitives as they are."""
    share = max(1, ceil(schedules / len(SCENARIOS)))
    return [
        f"{name}: {detector}: {sentence}"
        for name, (room, programs) in SCENARIOS.items()
        for strategy in turns(share, BOUND, seed)
        for detector, sentence in complaints(room(), programs, strategy)
    ]
