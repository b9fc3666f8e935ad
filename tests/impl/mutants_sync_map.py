"""Slips in `SyncMap`, and the detector that catches each."""

from __future__ import annotations

import map_mutants
from memory import memory
from mutants import Detector, Mutant
from sequential import shortest_divergence

from mapproof.impl import sync_map
from mapproof.impl.sync_map import SyncMap
from mapproof.stateful_tests.catalogue.sync_maps import SYNC_MAP

SCENARIOS = {
    **SYNC_MAP,
    "a failed compare_and_swap meets a store": (
        "store a 1; load a; store b 2",
        ("compare_and_swap c 1 2", "store c 3"),
    ),
    "two compare_and_swap of one value": (
        "store a 1; load a",
        ("compare_and_swap a 1 2", "compare_and_swap a 1 3"),
    ),
    "two deletes of one key": ("store a 1; load a", ("load_and_delete a", "load_and_delete a")),
    "a delete meets a store": ("store a 1; load a", ("load_and_delete a", "store a 2")),
    "a delete meets the promotion of its key": ("store a 1", ("load_and_delete a", "load a")),
    "a store meets the copy of a deleted key": ("store a 1; load a; delete a", ("store b 2", "store a 3")),
    "two new keys": ("", ("store a 1", "store b 2; load a")),
}
"""The scenarios of the catalogue, and those that only slips need."""

IN_SEQUENCE = "any operations of one thread"
COME_AND_GO = "keys that come and go beside one that stays"


def _slip(wrong: str, before: str, after: str, detector: Detector, scenario: str, says: str) -> Mutant:
    return Mutant("SyncMap", wrong, sync_map, before, after, detector, scenario, says)


MUTANTS: tuple[Mutant, ...] = (
    _slip(
        "load does not look in read again under mu",
        """\
                read = self._load_read_only()
                entry = read.m.get(key)
                if entry is None and read.amended:
                    entry = self._get_dirty_locked(key)
                    self._miss_locked()
        return (None, False) if entry is None else entry.load()
""",
        """\
                if self.dirty.read() is not None:
                    entry = self._get_dirty_locked(key)
                    self._miss_locked()
        return (None, False) if entry is None else entry.load()
""",
        Detector.LINEARIZABILITY,
        "a load meets the promotion of its key",
        "found key 'a' missing",
    ),
    _slip(
        "load_and_delete does not ask under mu whether dirty is still there",
        """\
                entry = read.m.get(key)
                if entry is None and read.amended:
                    entry = self._existing_dirty_locked().pop(key)
""",
        """\
                entry = read.m.get(key)
                if entry is None:
                    entry = self._existing_dirty_locked().pop(key)
""",
        Detector.EXCEPTION,
        "deletes of a key that only dirty has",
        "there is no dirty",
    ),
    _slip(
        "a promoted dirty stays dirty",
        """\
        self.dirty.write(None)
        self.misses.write(0)
""",
        """\
        self.misses.write(0)
""",
        Detector.INVARIANT,
        "a load meets the promotion of its key",
        "I5: dirty is the published read.m",
    ),
    _slip(
        "dirty is given up before it is published",
        """\
        self.read.store(read)
        self.dirty.write(None)
""",
        """\
        self.dirty.write(None)
        self.read.store(read)
""",
        Detector.INVARIANT,
        "a load meets the promotion of its key",
        "I2: read is amended, but there is no dirty",
    ),
    _slip(
        "a promotion leaves the misses",
        """\
        self.dirty.write(None)
        self.misses.write(0)
""",
        """\
        self.dirty.write(None)
""",
        Detector.INVARIANT,
        "a load meets the promotion of its key",
        "I7: 1 misses of a dirty with 0 keys",
    ),
    _slip(
        "promotes one miss late",
        "    return misses >= dirty_len\n",
        "    return misses > dirty_len\n",
        Detector.INVARIANT,
        "a load meets the promotion of its key",
        "I7: 1 misses of a dirty with 1 keys",
    ),
    _slip(
        "a range promotes without mu",
        """\
            with self.mu:
                read = self._load_read_only()
                if read.amended:
                    read = self._promote_locked()
""",
        """\
            read = self._promote_locked()
""",
        Detector.RACE,
        "a range meets stores and deletes",
        "dirty",
    ),
    _slip(
        "a range walks dirty in place of promoting it",
        "                    read = self._promote_locked()\n",
        "                    read = ReadOnly(self._existing_dirty_locked(), amended=True)\n",
        Detector.EXCEPTION,
        "a range meets stores and deletes",
        "changed size during iteration",
    ),
    _slip(
        "a range that promotes walks the old read",
        "                    read = self._promote_locked()\n",
        "                    self._promote_locked()\n",
        Detector.ANSWERS,
        IN_SEQUENCE,
        r"^left \[\]",
    ),
    _slip(
        "load looks in dirty without mu",
        """\
            with self.mu:
                read = self._load_read_only()
                entry = read.m.get(key)
                if entry is None and read.amended:
                    entry = self._get_dirty_locked(key)
                    self._miss_locked()
        return (None, False) if entry is None else entry.load()
""",
        """\
            entry = self._get_dirty_locked(key)
            with self.mu:
                if self._load_read_only().amended:
                    self._miss_locked()
        return (None, False) if entry is None else entry.load()
""",
        Detector.RACE,
        "a load meets the promotion of its key",
        "dirty",
    ),
    _slip(
        "a new key is put into dirty without mu",
        """\
            self._insert_locked(read, key, box)
            return None, False
""",
        """\
        self._insert_locked(read, key, box)
        return None, False
""",
        Detector.RACE,
        "two new keys",
        "dirty|entries",
    ),
    _slip(
        "the copy does not expunge",
        "            if not entry.try_expunge_locked():\n",
        "            if entry.p.load() is not None:\n",
        Detector.INVARIANT,
        "a store meets the copy that expunges its key",
        "I4: the entry of 'a' is deleted in read, but dirty does not hold it",
    ),
    _slip(
        "the copy takes expunged entries along",
        """\
            if not entry.try_expunge_locked():
                dirty[key] = entry
""",
        """\
            entry.try_expunge_locked()
            dirty[key] = entry
""",
        Detector.INVARIANT,
        "a store meets the copy of a deleted key",
        "I3: the entry of 'a' is expunged, but dirty has the key",
    ),
    _slip(
        "a store under mu leaves the entry expunged",
        "                self._unexpunge_locked(key, entry)\n                return _found(entry.swap_locked(box))\n",
        "                return _found(entry.swap_locked(box))\n",
        Detector.INVARIANT,
        "a stored expunged key survives the next promotion",
        "I6: an expunged entry got a value",
    ),
    _slip(
        "an entry that is no longer expunged is not put into dirty",
        "        if entry.unexpunge_locked():\n            self._existing_dirty_locked()[key] = entry\n",
        "        entry.unexpunge_locked()\n",
        Detector.LINEARIZABILITY,
        "a stored expunged key survives the next promotion",
        "found key 'a' missing",
    ),
    _slip(
        "a store without mu does not mind that the entry is expunged",
        "        while (p := self.p.load()) is not EXPUNGED:\n            if self.p.compare_and_swap(p, box):\n                return p, True\n        return None, False\n",
        "        while not self.p.compare_and_swap(p := self.p.load(), box):\n            pass\n        return p, True\n",
        Detector.LINEARIZABILITY,
        "a stored expunged key survives the next promotion",
        "found key 'a' missing",
    ),
    _slip(
        "a delete expunges",
        """\
        while isinstance(p := self.p.load(), Box):
            if self.p.compare_and_swap(p, None):
                return p.value, True
""",
        """\
        while isinstance(p := self.p.load(), Box):
            if self.p.compare_and_swap(p, EXPUNGED):
                return p.value, True
""",
        Detector.INVARIANT,
        "two deletes of one key",
        "I3: the entry of 'a' is expunged, but there is no dirty",
    ),
    _slip(
        "a delete empties the entry whatever it holds by then",
        """\
        while isinstance(p := self.p.load(), Box):
            if self.p.compare_and_swap(p, None):
                return p.value, True
""",
        """\
        if isinstance(p := self.p.load(), Box):
            self.p.store(None)
            return p.value, True
""",
        Detector.LINEARIZABILITY,
        "two deletes of one key",
        "both took 1 from key 'a'",
    ),
    _slip(
        "a delete tries with the value that it saw first, for ever",
        """\
        while isinstance(p := self.p.load(), Box):
            if self.p.compare_and_swap(p, None):
                return p.value, True
""",
        """\
        p = self.p.load()
        while isinstance(p, Box):
            if self.p.compare_and_swap(p, None):
                return p.value, True
""",
        Detector.PROGRESS,
        "a delete meets a store",
        "did not end",
    ),
    _slip(
        "compare_and_swap compares, then stores",
        "            if self.p.compare_and_swap(p, box):\n                return True\n        return False\n\n    def compare_and_delete",
        "            self.p.store(box)\n            return True\n        return False\n\n    def compare_and_delete",
        Detector.LINEARIZABILITY,
        "two compare_and_swap of one value",
        "both took 1 from key 'a'",
    ),
    _slip(
        "load_or_store fills an entry without looking whether it succeeded",
        "            if self.p.compare_and_swap(None, box):\n                return value, False\n",
        "            self.p.compare_and_swap(None, box)\n            return value, False\n",
        Detector.LINEARIZABILITY,
        "load_or_store of a deleted key",
        "no order of these 3 operations on key 'a'",
    ),
    _slip(
        "the first new key does not say that read is amended",
        "            self.read.store(ReadOnly(read.m, amended=True))\n",
        "",
        Detector.ANSWERS,
        IN_SEQUENCE,
        r"^left \[\]|answered",
    ),
    _slip(
        "the first new key is there before read says that it is amended",
        """\
            self._dirty_locked()
            self.read.store(ReadOnly(read.m, amended=True))
        self._existing_dirty_locked()[key] = Entry(box)
""",
        """\
            self._dirty_locked()
        self._existing_dirty_locked()[key] = Entry(box)
        if not read.amended:
            self.read.store(ReadOnly(read.m, amended=True))
""",
        Detector.INVARIANT,
        "two new keys",
        "I1: dirty got the new key",
    ),
    _slip(
        "a delete empties a key of dirty but leaves it there",
        "                    entry = self._existing_dirty_locked().pop(key)\n",
        "                    entry = self._get_dirty_locked(key)\n",
        Detector.MEMORY_BOUND,
        COME_AND_GO,
        "keeps 200 of 200 deleted keys",
    ),
    _slip(
        "clear leaves dirty",
        """\
            dirty = self.dirty.read()
            if dirty is not None:
                dirty.clear()
""",
        "",
        Detector.INVARIANT,
        "a clear meets a store and a load",
        "I1: read is not amended, but dirty holds keys",
    ),
    _slip(
        "clear leaves the misses",
        "            # Otherwise the next lookup that misses might promote the dirty map that was just emptied.\n            self.misses.write(0)\n",
        "",
        Detector.INVARIANT,
        "a clear meets a store and a load",
        "I7: 1 misses of a dirty with 0 keys",
    ),
    _slip(
        "compare_and_swap of a missing key keeps mu",
        """\
        with self.mu:
            entry = self._load_read_only().m.get(key)
            if entry is not None:
                return entry.try_compare_and_swap(old, new)
            entry = self._get_dirty_locked(key)
            if entry is None:
                return False
            swapped = entry.try_compare_and_swap(old, new)
            self._miss_locked()
            return swapped
""",
        """\
        self.mu.lock()
        entry = self._load_read_only().m.get(key)
        if entry is not None:
            self.mu.unlock()
            return entry.try_compare_and_swap(old, new)
        entry = self._get_dirty_locked(key)
        if entry is None:
            return False
        swapped = entry.try_compare_and_swap(old, new)
        self._miss_locked()
        self.mu.unlock()
        return swapped
""",
        Detector.DEADLOCK,
        "a failed compare_and_swap meets a store",
        "waits to lock mu, held by client",
    ),
    _slip(
        "load_or_store of a key in dirty calls load while it holds mu",
        """\
            elif (entry := self._get_dirty_locked(key)) is not None:
                answer = entry.try_load_or_store(value)
                self._miss_locked()
""",
        """\
            elif (entry := self._get_dirty_locked(key)) is not None:
                actual, loaded = self.load(key)
                answer = entry.try_load_or_store(value)
""",
        Detector.DEADLOCK,
        "two load_or_store of one key",
        "waits to lock mu, which it holds itself",
    ),
)


def caught(mutant: Mutant) -> str:
    """What the mutant's detector says of it; "" if nothing."""
    made = mutant.built()
    match mutant.detector:
        case Detector.ANSWERS:
            return shortest_divergence(made)
        case Detector.MEMORY_BOUND:
            kept = memory(made)
            return f"keeps {kept} of 200 deleted keys" if kept > 2 else ""
        case detector:
            return map_mutants.account(SyncMap, made, SCENARIOS[mutant.scenario], detector)


def alarms(schedules: int, seed: int) -> list[str]:
    """What any detector says of about so many schedules of `SyncMap` as it is."""
    return map_mutants.alarms(SyncMap, SCENARIOS, schedules, seed)
