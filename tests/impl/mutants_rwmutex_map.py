"""Slips in `RWMutexMap`, and the detector that catches each."""

from __future__ import annotations

import map_mutants
from mutants import Detector, Mutant
from sequential import shortest_divergence

from mapproof.impl import rwmutex_map
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.stateful_tests.catalogue.sync_maps import RWMUTEX_MAP

SCENARIOS = {
    **RWMUTEX_MAP,
    "a delete meets a load": ("store a 1", ("delete a", "load a")),
    "a delete meets a delete": ("store a 1; store b 2", ("delete a", "delete b")),
    "a compare_and_delete that fails meets a store": ("store a 1", ("compare_and_delete a 2", "store a 3")),
    "a load meets a store": ("store a 1", ("load a", "store a 2")),
    "two compare_and_swap of one value": ("store a 1", ("compare_and_swap a 1 2", "compare_and_swap a 1 3")),
    "two swaps": ("store a 1", ("swap a 2", "swap a 3")),
}
"""The scenarios of the catalogue, and those that only slips need."""

IN_SEQUENCE = "any operations of one thread"


def _slip(wrong: str, before: str, after: str, detector: Detector, scenario: str, says: str) -> Mutant:
    return Mutant("RWMutexMap", wrong, rwmutex_map, before, after, detector, scenario, says)


_LOAD_OR_STORE = """\
        with self.mu.writing():
            actual: V = self.items.get(key, ABSENT)
            if actual is not ABSENT:
                return actual, True
            self.items[key] = value
            return value, False
"""

_DELETE = '''\
        """Delete the key if it is there."""
        with self.mu.writing():
            self.items.pop(key)
'''

_STORE = '''\
        """Set the value of the key."""
        with self.mu.writing():
            self.items[key] = value
'''

_LOAD = '''\
        """`(value, True)` or `(None, False)`."""
        with self.mu.reading():
            return self._get(key)
'''

_SWAP = """\
        with self.mu.writing():
            previous = self._get(key)
            self.items[key] = value
            return previous
"""

_COMPARE_AND_SWAP = """\
        with self.mu.writing():
            value, present = self._get(key)
            if not (present and value == old):
                return False
            self.items[key] = new
            return True
"""

_COMPARE_AND_DELETE = """\
        with self.mu.writing():
            value, present = self._get(key)
            if not (present and value == old):
                return False
            self.items.pop(key)
            return True
"""

MUTANTS: tuple[Mutant, ...] = (
    _slip(
        "load_or_store under the read lock",
        _LOAD_OR_STORE,
        _LOAD_OR_STORE.replace("writing", "reading"),
        Detector.RACE,
        "two load_or_store of one key",
        "items",
    ),
    _slip(
        "delete without the lock",
        _DELETE,
        _DELETE.replace("with self.mu.writing()", "if True"),
        Detector.RACE,
        "a delete meets a load",
        "items",
    ),
    _slip(
        "load without the lock",
        _LOAD,
        _LOAD.replace("with self.mu.reading()", "if True"),
        Detector.RACE,
        "a load meets a store",
        "items",
    ),
    _slip(
        "range copies after it has unlocked",
        "            pairs = list(self.items.items())\n",
        "            pairs = self.items.items()\n",
        Detector.RACE,
        "a range and a len meet stores",
        "items",
    ),
    _slip(
        "range walks items while others write",
        "        with self.mu.reading():\n            pairs = list(self.items.items())\n",
        "        pairs = list(self.items.items())\n",
        Detector.EXCEPTION,
        "a range and a len meet stores",
        "changed size during iteration",
    ),
    _slip(
        "store under the read lock",
        _STORE,
        _STORE.replace("writing", "reading"),
        Detector.INVARIANT,
        "a load meets a store",
        "items changed, but no writer has mu for itself",
    ),
    _slip(
        "load_or_store looks under the read lock, then stores under the lock",
        _LOAD_OR_STORE,
        """\
        with self.mu.reading():
            actual: V = self.items.get(key, ABSENT)
        if actual is not ABSENT:
            return actual, True
        with self.mu.writing():
            self.items[key] = value
            return value, False
""",
        Detector.LINEARIZABILITY,
        "two load_or_store of one key",
        "key 'a'",
    ),
    _slip(
        "compare_and_swap compares under the read lock, then stores under the lock",
        _COMPARE_AND_SWAP,
        """\
        with self.mu.reading():
            value, present = self._get(key)
        if not (present and value == old):
            return False
        with self.mu.writing():
            self.items[key] = new
            return True
""",
        Detector.LINEARIZABILITY,
        "two compare_and_swap of one value",
        "both took 1 from key 'a'",
    ),
    _slip(
        "swap looks before it locks",
        _SWAP,
        """\
        previous = self.load(key)
        with self.mu.writing():
            self.items[key] = value
            return previous
""",
        Detector.LINEARIZABILITY,
        "two swaps",
        "key 'a'",
    ),
    _slip(
        "a compare_and_delete that fails keeps the lock",
        _COMPARE_AND_DELETE,
        """\
        self.mu.lock()
        value, present = self._get(key)
        if not (present and value == old):
            return False
        self.items.pop(key)
        self.mu.unlock()
        return True
""",
        Detector.DEADLOCK,
        "a compare_and_delete that fails meets a store",
        "waits to lock mu.w, held by client 1, which has ended",
    ),
    _slip(
        "load_or_store takes the lock while it holds the read lock",
        _LOAD_OR_STORE,
        """\
        with self.mu.reading():
            actual: V = self.items.get(key, ABSENT)
            if actual is not ABSENT:
                return actual, True
            self.store(key, value)
            return value, False
""",
        Detector.DEADLOCK,
        "two load_or_store of one key",
        "waits to acquire mu.writerSem",
    ),
    _slip(
        "load reads twice under two read locks",
        _LOAD,
        '''\
        """`(value, True)` or `(None, False)`."""
        with self.mu.reading(), self.mu.reading():
            return self._get(key)
''',
        Detector.DEADLOCK,
        "a load meets a store",
        "client 1 waits to acquire mu.readerSem.*client 2 waits to acquire mu.writerSem",
    ),
    _slip(
        "load gives the read lock back twice",
        _LOAD,
        '''\
        """`(value, True)` or `(None, False)`."""
        with self.mu.reading():
            found = self._get(key)
            self.mu.runlock()
            return found
''',
        Detector.EXCEPTION,
        "a load meets a store",
        "FatalError: fatal error: sync: RUnlock of unlocked RWMutex",
    ),
    _slip(
        "load keeps the read lock",
        _LOAD,
        '''\
        """`(value, True)` or `(None, False)`."""
        self.mu.rlock()
        return self._get(key)
''',
        Detector.INVARIANT,
        "two readers and a writer",
        "mu is held or waited for, so the map is not at rest",
    ),
    _slip(
        "load_or_store takes None for absent",
        "            if actual is not ABSENT:\n",
        "            if actual is not ABSENT and actual is not None:\n",
        Detector.ANSWERS,
        IN_SEQUENCE,
        "answered",
    ),
)


def caught(mutant: Mutant) -> str:
    """What the mutant's detector says of it; "" if nothing."""
    made = mutant.built()
    if mutant.detector is Detector.ANSWERS:
        return shortest_divergence(made)
    return map_mutants.account(RWMutexMap, made, SCENARIOS[mutant.scenario], mutant.detector)


def alarms(schedules: int, seed: int) -> list[str]:
    """What any detector says of about so many schedules of `RWMutexMap` as it is."""
    return map_mutants.alarms(RWMutexMap, SCENARIOS, schedules, seed)
