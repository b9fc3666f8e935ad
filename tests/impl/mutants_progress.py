"""Slips that take away progress: loads that wait for somebody who may be paused, and a lock that is unfair or sleeps
for ever. The answers of nearly all of these are right."""

from __future__ import annotations

import inspect
from dataclasses import replace
from types import ModuleType
from typing import Any

from mutants import Detector, Mutant

from mapproof.impl import sharded_map, small_maps, sync, sync_map, trie_map
from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.catalogue.progress import PROMISES, promises_of
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.exploration import Explored
from mapproof.stateful_tests.overtaking import Overtaking
from mapproof.stateful_tests.progress import Progress
from mapproof.stateful_tests.targets import target_of

ONE_WRITER = "a writer, and two readers that come again"
TWO_WRITERS = "two writers and a reader"

LOCK_SCENARIOS = {ONE_WRITER: (1, 2, 2), TWO_WRITERS: (2, 1, 1)}
"""Writers, readers, rounds."""

COPY = "SyncMap: a load that hits meets a copy and a promotion"
DELETES = "SyncMap: a load that hits meets deletes and stores of its key"
NODE = "TrieMap: a load meets a node that grows and goes"
SPLIT = "ShardedMap: a load meets a split"

SYNC_LOAD = """\
        LP: the load of p; absent: the load of `read` if not amended, else any moment while mu is held.
        \"\"\"
        read = self._load_read_only()
"""
TRIE_LOAD = "        entry = self._walk(self._hash(key)).lookup(key)\n"
SHARDED_LOAD = "        return _found(self.route.load().owner_of(hash_value).find(hash_value, key))\n"
LOCK_WAITS = "        if active != 0 and self._reader_wait.add(active) != 0:\n"
RLOCK_WAITS = """\
        if self._reader_count.add(1) < 0:
            self._reader_sem.acquire()
"""


def _of_load(
    subject: str, wrong: str, module: ModuleType, change: tuple[str, str], scenario: str, says: str
) -> Mutant:
    return Mutant(subject, wrong, module, *change, Detector.PROGRESS, scenario, says)


def _of_lock(wrong: str, change: tuple[str, str], detector: Detector, scenario: str, says: str) -> Mutant:
    return Mutant("RWMutex", wrong, sync, *change, detector, scenario, says)


MUTANTS: tuple[Mutant, ...] = (
    _of_load(
        "SyncMap",
        "load always takes mu",
        sync_map,
        (
            SYNC_LOAD,
            SYNC_LOAD.replace("        read = self", "        with self.mu:\n            read = self"),
        ),
        COPY,
        r"NO PROGRESS: client 1's m.load\('a'\) touches a lock \(mu: lock\)",
    ),
    _of_load(
        "SyncMap",
        "load takes mu whenever dirty has more keys",
        sync_map,
        (
            SYNC_LOAD + "        entry = read.m.get(key)\n        if entry is None and read.amended:\n",
            SYNC_LOAD + "        entry = read.m.get(key)\n        if read.amended:\n",
        ),
        COPY,
        r"NO PROGRESS: client 1's m.load\('a'\) waits to lock mu.* client 2 is at .*, holding mu",
    ),
    _of_load(
        "SyncMap",
        "load waits in a loop for who holds mu",
        sync_map,
        (
            SYNC_LOAD,
            SYNC_LOAD + "        while self.mu.locked():\n            read = self._load_read_only()\n",
        ),
        COPY,
        r"has not ended after 3 steps of its own.* client 2 is at .*, holding mu",
    ),
    _of_load(
        "SyncMap",
        "load waits for a deleted key to come again",
        sync_map,
        (
            "        return _found(self.p.load())\n",
            "        while (p := self.p.load()) is None:\n            pass\n        return _found(p)\n",
        ),
        DELETES,
        "has not ended after 3 steps of its own",
    ),
    _of_load(
        "trie_by_paths",
        "load locks the node",
        trie_map,
        (
            TRIE_LOAD,
            (
                "        place = self._walk(self._hash(key))\n"
                "        with place.node.mu:\n"
                "            entry = place.lookup(key)\n"
            ),
        ),
        NODE,
        r"touches a lock \(node.mu: lock\)",
    ),
    _of_load(
        "trie_by_paths",
        "load walks again while the node is locked",
        trie_map,
        (
            TRIE_LOAD,
            (
                "        while (place := self._walk(self._hash(key))).node.mu.locked():\n"
                "            pass\n"
                "        entry = place.lookup(key)\n"
            ),
        ),
        NODE,
        "has not ended after 4 steps of its own.*, holding node.mu",
    ),
    _of_load(
        "splitting_map",
        "load locks the shard",
        sharded_map,
        (
            SHARDED_LOAD,
            (
                "        with self._owner_locked(hash_value) as shard:\n"
                "            return _found(shard.find(hash_value, key))\n"
            ),
        ),
        SPLIT,
        r"touches a lock \(shard 0 of 1: lock\)",
    ),
    _of_load(
        "splitting_map",
        "load waits for the end of the migration",
        sharded_map,
        (
            SHARDED_LOAD,
            (
                "        while (shard := self.route.load().owner_of(hash_value)).split.peek() is not None:\n"
                "            pass\n"
                "        return _found(shard.find(hash_value, key))\n"
            ),
        ),
        SPLIT,
        "has not ended after 2 steps of its own",
    ),
    _of_lock(
        "readers pass a writer that waits",
        (RLOCK_WAITS, RLOCK_WAITS.replace("< 0", "< -self.MAX_READERS")),
        Detector.PROGRESS,
        ONE_WRITER,
        r"NO PROGRESS: client \d got the lock to read before client 1, which had announced before",
    ),
    _of_lock(
        "a writer does not wait for readers that are being woken",
        (LOCK_WAITS, LOCK_WAITS.replace("active != 0 and", "active > self._reader_sem.peek() and")),
        Detector.PROGRESS,
        TWO_WRITERS,
        r"NO PROGRESS: client 2 got the lock to write before client \d, which had asked before",
    ),
    _of_lock(
        "a reader that was woken asks again",
        (
            RLOCK_WAITS,
            RLOCK_WAITS.replace("if ", "while ") + "            self.runlock()\n",
        ),
        Detector.PROGRESS,
        TWO_WRITERS,
        r"NO PROGRESS: client 2 got the lock to write before client \d, which had asked before",
    ),
    _of_lock(
        "unlock wakes one reader too few",
        ("for _ in range(waiting):", "for _ in range(waiting - 1):"),
        Detector.DEADLOCK,
        ONE_WRITER,
        r"DEADLOCK: client \d waits to acquire rwmutex.readerSem",
    ),
    _of_lock(
        "the last reader does not wake the writer",
        ("if self._reader_wait.add(-1) == 0:", "if self._reader_wait.add(-1) < 0:"),
        Detector.DEADLOCK,
        ONE_WRITER,
        "DEADLOCK: client 1 waits to acquire rwmutex.writerSem",
    ),
    _of_lock(
        "the readers that a writer waits for are not counted",
        (LOCK_WAITS, "        if active != 0:\n"),
        Detector.DEADLOCK,
        ONE_WRITER,
        "DEADLOCK: client 1 waits to acquire rwmutex.writerSem",
    ),
)


def caught(mutant: Mutant) -> str:
    """What is said of the mutant in its scenario; "" if nothing."""
    if mutant.module is sync:
        return _account(Overtaking(_lock(mutant), *LOCK_SCENARIOS[mutant.scenario], bound=2).run())
    modules = (mutant.module,) if mutant.module is sync_map else (mutant.module, small_maps)
    _, setup, threads, most = PROMISES[mutant.scenario]
    target = target_of(mutant.built(*modules), str(mutant))
    scenario = scenario_of(target.adapter, setup, *threads)
    return _account(Progress(str(mutant), target, scenario, 1, most, bound=1).run())


def alarms(schedules: int, seed: int) -> list[str]:
    """What is said of the maps and the lock as they are, in about so many schedules: all within three preemptions, as
    far as that goes, and half as many of those within five.

    The searches are bounded ones, so the seed changes nothing.
    """
    share = max(1, schedules // (len(PROMISES) + len(LOCK_SCENARIOS)))
    bounds = ((3, share), (5, max(1, share // 2)))
    promises = [
        replace(promise, limit=limit).run()
        for bound, limit in bounds
        for promise in promises_of(PROMISES, bound)
    ]
    locks = [
        Overtaking(sync.RWMutex, *numbers, bound=bound, limit=limit).run()
        for bound, limit in bounds
        for numbers in LOCK_SCENARIOS.values()
    ]
    return [
        _account(explored) or explored.scope
        for explored in (*promises, *locks)
        if explored.verdict not in (Verdict.EXHAUSTED, Verdict.SAMPLED)
    ]


def _account(explored: Explored) -> str:
    return "" if explored.counterexample is None else explored.counterexample.account


def _lock(mutant: Mutant) -> Any:
    """The changed class, made inside of `impl.sync`, whose hook is the one that is watched."""
    source = inspect.getsource(sync.RWMutex)
    assert source.count(mutant.before) == 1, mutant
    made: dict[str, Any] = {}
    exec(compile(source.replace(mutant.before, mutant.after), "sync.py", "exec"), sync.__dict__, made)  # noqa: S102
    return made["RWMutex"]
