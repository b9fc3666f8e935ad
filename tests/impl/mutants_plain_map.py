"""Slips of the built-in map and of the RWMutex around it, and who must notice each of them.

The idea: most slips of a hash table show in one thread, as a wrong answer, as memory that is kept, or as a step at
which the table is out of shape although every answer is right. Those of the guard need two threads; those of the
flag show in the words that nobody dies with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import map_mutants
from map_mutants import KINDS, MOST_SCHEDULES
from mutants import Detector, Mutant
from plain_map_flags import not_as_go
from plain_maps import (
    Search,
    breaks_a_rule_of_iteration,
    differs_from_a_dict,
    keeps_what_was_deleted,
    leaves_the_wrong_keys,
    len_differs_at_rest,
    never_repacks,
    step_checked,
)
from schedules import turns

from mapproof.impl import guarded_map, plain_map
from mapproof.impl.guarded_map import GuardedMap
from mapproof.impl.sync import FatalError
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.catalogue.guarded_map import GUARDED_MAP, numbered
from mapproof.stateful_tests.catalogue.sync_maps import RWMUTEX_MAP
from mapproof.stateful_tests.execution import Checks, Execution, Laboratory, Target, laboratory
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.explorer.strategy import Strategy
from mapproof.stateful_tests.scenarios import Scenario

PROGRAM = "a random program"
ITERATION = "an iteration meets changes"
ZEROS = "zeros and NaNs"
REPACKING = "chains of deleted slots"
KEPT = "deleted keys"
EACH_STEP = "every step of a random program"

SEARCHES: dict[tuple[Detector, str], Search] = {
    (Detector.ANSWERS, PROGRAM): differs_from_a_dict,
    (Detector.ANSWERS, ITERATION): breaks_a_rule_of_iteration,
    (Detector.ANSWERS, ZEROS): leaves_the_wrong_keys,
    (Detector.LEN_AT_REST, PROGRAM): len_differs_at_rest,
    (Detector.MEMORY_BOUND, REPACKING): never_repacks,
    (Detector.MEMORY_BOUND, KEPT): keeps_what_was_deleted,
    (Detector.INVARIANT, EACH_STEP): step_checked(differs_from_a_dict),
}
MOST_PROGRAMS = 3_000


def _plain(wrong: str, before: str, after: str, detector: Detector, scenario: str, says: str) -> Mutant:
    return Mutant("PlainMap", wrong, plain_map, before, after, detector, scenario, says)


def _guarded(wrong: str, before: str, after: str, detector: Detector, scenario: str, says: str) -> Mutant:
    return Mutant("GuardedMap", wrong, guarded_map, before, after, detector, scenario, says)


ANSWERS = (
    _plain(
        "a lookup that forgets the old buckets",
        "if not old.is_evacuated():\n                head = old",
        "pass",
        Detector.ANSWERS,
        PROGRAM,
        r"load\(.*\) answered \(None, False\)",
    ),
    _plain(
        "an evacuation that splits by the wrong bit",
        "hash_ & newbit != 0",
        "hash_ & newbit << 1 != 0",
        Detector.ANSWERS,
        PROGRAM,
        "9 keys instead of 8",
    ),
    _plain(
        "a deletion that always ends the chain",
        "if following is None or following.tophash.read() == EMPTY_REST:",
        "if True:\n            slot.tophash.write(EMPTY_REST)",
        Detector.ANSWERS,
        PROGRAM,
        "J6: .* comes after the end of bucket",
    ),
    _plain(
        "a change of a bucket that is not evacuated yet",
        "self._evacuate(number & self._noldbuckets() - 1)",
        "pass",
        Detector.ANSWERS,
        PROGRAM,
        "J7: .* keys, count is",
    ),
    _plain(
        "a clear that keeps the number of overflow buckets",
        "self.noverflow.write(0)\n        self.count.write(0)",
        "self.count.write(0)",
        Detector.ANSWERS,
        PROGRAM,
        "J7: 0 overflow buckets, noverflow is 1",
    ),
    _plain(
        "an iteration that takes moved pairs as they were",
        "if top not in (EVACUATED_X, EVACUATED_Y) or not reflexive:",
        "if True:",
        Detector.ANSWERS,
        ITERATION,
        "came with .*, but the map has",
    ),
    _plain(
        "an iteration that looks NaNs up",
        "if top not in (EVACUATED_X, EVACUATED_Y) or not reflexive:",
        "if top not in (EVACUATED_X, EVACUATED_Y):",
        Detector.ANSWERS,
        ITERATION,
        "NaN.* never came",
    ),
    _plain(
        "an iteration that takes both halves of an old bucket",
        "if bucket != only_for:",
        "if False:",
        Detector.ANSWERS,
        ITERATION,
        "came twice",
    ),
    _plain(
        "an iteration of the new array alone",
        "if oldbuckets and self.B.read() == B:",
        "if False:",
        Detector.ANSWERS,
        ITERATION,
        "never came",
    ),
    _plain(
        "an evacuation that sends NaNs anywhere under an iterator",
        "if not equals_itself(key) and self.flags.read() & ITERATOR:",
        "if False:",
        Detector.ANSWERS,
        ITERATION,
        r"\('NaN', .*\) came twice",
    ),
    _plain(
        "an evacuation that wipes what an iterator still reads",
        "if not self.flags.read() & OLD_ITERATOR:",
        "if True:",
        Detector.ANSWERS,
        ITERATION,
        "never came",
    ),
    _plain(
        "a growth that forgets its iterators",
        "iterators = OLD_ITERATOR if flags & ITERATOR else 0",
        "iterators = 0",
        Detector.ANSWERS,
        ITERATION,
        "never came",
    ),
    _plain(
        "a clear that leaves the old buckets to iterators",
        "for head in (*buckets, *self.oldbuckets.read()):",
        "for head in buckets:",
        Detector.ANSWERS,
        ITERATION,
        r"\('NaN', .*\) came with .*, but the map has None",
    ),
    _plain(
        "a store that keeps the old zero",
        "slot.key.write(key)  # equal",
        "pass  # equal",
        Detector.ANSWERS,
        ZEROS,
        r"after store\(",
    ),
    _plain(
        "a hash that takes NaNs as they come",
        "return hash_ if equals_itself(key) else self._rand.getrandbits(64)",
        "return hash_",
        Detector.ANSWERS,
        ZEROS,
        "the NaNs are in one chain",
    ),
)

LEN_AND_MEMORY = (
    _plain(
        "a deletion that does not count",
        "count = self.count.read() - 1",
        "count = self.count.read()",
        Detector.LEN_AT_REST,
        PROGRAM,
        "len is .*, and there are",
    ),
    _plain(
        "a store that counts a key that was there",
        "slot.key.write(key)  # equal",
        "self.count.write(self.count.read() + 1)  # equal",
        Detector.LEN_AT_REST,
        PROGRAM,
        "len is .*, and there are",
    ),
    _plain(
        "a map that never repacks",
        "if over_load_factor(self.count.read() + 1, B):\n            B += 1\n        else:",
        "B += 1\n        if False:",
        Detector.MEMORY_BOUND,
        REPACKING,
        r"^\[2, 4, 0, 3, ",
    ),
    _plain(
        "a deletion that keeps the pair",
        "slot.wipe()\n        slot.tophash.write(EMPTY_ONE)",
        "slot.tophash.write(EMPTY_ONE)",
        Detector.MEMORY_BOUND,
        KEPT,
        "deleted keys are kept",
    ),
    _plain(
        "a clear that keeps the pairs",
        "for head in buckets:\n            head.wipe()",
        "pass",
        Detector.MEMORY_BOUND,
        KEPT,
        "deleted keys are kept",
    ),
    _plain(
        "an evacuation that keeps what it moved",
        "old.wipe()",
        "pass",
        Detector.MEMORY_BOUND,
        KEPT,
        "deleted keys are kept",
    ),
)

EVERY_STEP = (
    _plain(
        "a growth that ends one bucket early",
        "if mark == newbit:",
        "if mark >= newbit - 1:",
        Detector.INVARIANT,
        EACH_STEP,
        "S3: old buckets were let go",
    ),
    _plain(
        "a growth that puts the new buckets in before it keeps the old",
        "self.oldbuckets.write(oldbuckets)\n        self.buckets.write(buckets)",
        "self.buckets.write(buckets)\n        self.oldbuckets.write(oldbuckets)",
        Detector.INVARIANT,
        EACH_STEP,
        "S2: the buckets were replaced",
    ),
    _plain(
        "an evacuation that marks a pair as moved after it was",
        """\
        slot.tophash.write(EVACUATED_X + use_y)
        target = next(halves[use_y])
        target.tophash.write(top)
        target.key.write(key)
""",
        """\
        target = next(halves[use_y])
        target.tophash.write(top)
        target.key.write(key)
        slot.tophash.write(EVACUATED_X + use_y)
""",
        Detector.INVARIANT,
        EACH_STEP,
        "S5: bucket .* has keys",
    ),
    _plain(
        "a deletion that lets go of the key before the flag is set",
        "        with self._hash_writing():\n            self._mapdelete(key, hash_)",
        "        self._mapdelete(key, hash_)",
        Detector.INVARIANT,
        EACH_STEP,
        "S1: the table was changed",
    ),
    _plain(
        "a growth whose mark starts where the last one ended",
        "self.nevacuate.write(0)\n        self.noverflow.write(0)\n\n    def _bucket_to_change",
        "self.noverflow.write(0)\n\n    def _bucket_to_change",
        Detector.INVARIANT,
        EACH_STEP,
        "S5: old buckets .* are not evacuated, but the mark has passed them",
    ),
    _plain(
        "an overflow bucket that is linked before it is counted",
        """\
            self.noverflow.write(self.noverflow.read() + 1)
        bucket.overflow.write(overflow)
""",
        """\
            bucket.overflow.write(overflow)
            self.noverflow.write(self.noverflow.read() + 1)
        bucket.overflow.write(overflow)
""",
        Detector.INVARIANT,
        EACH_STEP,
        "S6: 1 overflow buckets, noverflow is 0",
    ),
)

FLAG = (
    _plain(
        "a writer that does not look for another",
        """\
        self._check_not_writing(CONCURRENT_WRITES)
        hash_ = self._hasher(key)
        with self._hash_writing():
            if not""",
        """\
        hash_ = self._hasher(key)
        with self._hash_writing():
            if not""",
        Detector.EXCEPTION,
        "two stores without a lock",
        "two stores overlap at one preemption: True, not False",
    ),
    _plain(
        "a writer that does not look again at the end",
        "if not self.flags.read() & HASH_WRITING:",
        "if False:",
        Detector.EXCEPTION,
        "two stores without a lock",
        "at two, unnoticed: 18, not 0",
    ),
    _plain(
        "a flag that is set, not toggled",
        "self.flags.read() ^ HASH_WRITING",
        "self.flags.read() | HASH_WRITING",
        Detector.EXCEPTION,
        "two stores without a lock",
        "the shortest noticed: ",
    ),
    _plain(
        "a flag that is set without a look at the others",
        "self.flags.write(self.flags.read() ^ HASH_WRITING)",
        "self.flags.write(HASH_WRITING)",
        Detector.EXCEPTION,
        "two stores without a lock",
        "the shortest noticed: ",
    ),
    _plain(
        "a load that does not look for a writer",
        "self._check_not_writing(CONCURRENT_READ)",
        "pass",
        Detector.EXCEPTION,
        "a load meets a store without a lock",
        r"a load: Counter\({'right': 29, 'not linearizable': 6}\), not",
    ),
    _plain(
        "an iteration that looks for a writer at its start only",
        """\
                        yield slot.key.read(), slot.elem.read()
                        self._check_not_writing(CONCURRENT_ITERATION)""",
        """\
                        yield slot.key.read(), slot.elem.read()""",
        Detector.EXCEPTION,
        "an iteration meets a store without a lock",
        "an iteration: .*'concurrent map iteration and map write': 20, ",
    ),
)

STORES_AS_A_READER = (
    "with self.mu.writing():\n            self.items.store(key, value)\n\n    def load_or_store",
    "with self.mu.reading():\n            self.items.store(key, value)\n\n    def load_or_store",
)
LOADS_OR_STORES = """\
        with self.mu.writing():
            actual, loaded = self.items.load(key)
            if loaded:
                return actual, True
            self.items.store(key, value)
            return value, False
"""

GUARD = (
    _guarded(
        "a store under the read lock",
        *STORES_AS_A_READER,
        Detector.RACE,
        "a load meets the store that begins a growth",
        "client 1 reads flags .*, and client 2 writes it",
    ),
    _guarded(
        "a store under the read lock, which the flag notices",
        *STORES_AS_A_READER,
        Detector.EXCEPTION,
        "two stores of new keys",
        "fatal error: concurrent map writes",
    ),
    _guarded(
        "a store under the read lock, at the step that writes",
        *STORES_AS_A_READER,
        Detector.INVARIANT,
        "two stores of new keys",
        "no writer has mu for itself; broken by client 1's m.store.*HASH_WRITING",
    ),
    _guarded(
        "a load without the lock",
        "with self.mu.reading():\n            return self.items.load(key)",
        "return self.items.load(key)",
        Detector.RACE,
        "a load meets the evacuation of its bucket",
        "client 1 reads flags .* holding no lock, and client 2 writes it",
    ),
    _guarded(
        "a range without the lock",
        "with self.mu.reading():\n            pairs = self.items.range()",
        "pairs = self.items.range()",
        Detector.EXCEPTION,
        "a range meets the end of a growth",
        "fatal error: concurrent map iteration and map write",
    ),
    _guarded(
        "a len without the lock",
        "with self.mu.reading():\n            return self.items.len()",
        "return self.items.len()",
        Detector.RACE,
        "a len meets the delete of the last key",
        "client 1 reads count .* holding no lock, and client 2 writes it",
    ),
    _guarded(
        "a clear under the read lock",
        "with self.mu.writing():\n            self.items.clear()",
        "with self.mu.reading():\n            self.items.clear()",
        Detector.RACE,
        "a clear meets a load",
        "client 1 writes count .*, and client 2 reads it",
    ),
    _guarded(
        "a clear without the lock",
        "with self.mu.writing():\n            self.items.clear()",
        "self.items.clear()",
        Detector.INVARIANT,
        "a clear meets the store that begins a growth",
        "somebody writes, but no writer has mu for itself; broken by client 1's m.clear",
    ),
    _guarded(
        "a load_or_store that looks and stores under two locks",
        LOADS_OR_STORES,
        """\
        with self.mu.reading():
            actual, loaded = self.items.load(key)
        if loaded:
            return actual, True
        with self.mu.writing():
            self.items.store(key, value)
        return value, False
""",
        Detector.LINEARIZABILITY,
        "two load_or_store begin a growth",
        "both found key 8 missing",
    ),
    _guarded(
        "a load_or_store that takes the write lock inside the read lock",
        LOADS_OR_STORES,
        """\
        with self.mu.reading():
            actual, loaded = self.items.load(key)
            if loaded:
                return actual, True
            with self.mu.writing():
                self.items.store(key, value)
        return value, False
""",
        Detector.DEADLOCK,
        "two load_or_store begin a growth",
        "client 2 waits to acquire mu.readerSem",
    ),
    _guarded(
        "a load_and_delete that looks and deletes under two locks",
        """\
        with self.mu.writing():
            found = self.items.load(key)
            self.items.delete(key)
            return found
""",
        """\
        with self.mu.reading():
            found = self.items.load(key)
        with self.mu.writing():
            self.items.delete(key)
        return found
""",
        Detector.LINEARIZABILITY,
        "two load_and_delete",
        "both took 0 from key 0",
    ),
    _guarded(
        "a compare_and_swap that compares under the read lock",
        """\
        with self.mu.writing():
            matches = self._holds(key, old)
            if matches:
                self.items.store(key, new)
            return matches
""",
        """\
        with self.mu.reading():
            matches = self._holds(key, old)
        if matches:
            self.store(key, new)
        return matches
""",
        Detector.LINEARIZABILITY,
        "compare_and_swap meets compare_and_delete",
        "both took 1 from key 0",
    ),
)

MUTANTS: tuple[Mutant, ...] = (*ANSWERS, *LEN_AND_MEMORY, *EVERY_STEP, *FLAG, *GUARD)


def caught(mutant: Mutant) -> str:
    """What the detector of this mutant says of it in its scenario; "" if it finds nothing."""
    made = mutant.built()
    if mutant.subject == "GuardedMap":
        return _guilty(made, mutant.scenario, mutant.detector)
    search = SEARCHES.get((mutant.detector, mutant.scenario))
    return not_as_go(made, mutant.scenario) if search is None else _found(search, made)


def _found(search: Search, make: Callable[..., Any]) -> str:
    for seed in range(MOST_PROGRAMS):
        try:
            if wrong := search(make, seed):
                return wrong
        except (LookupError, FatalError, AssertionError) as error:
            return f"{type(error).__name__}: {error}"  # a map so wrong that it cannot go on
    return ""


# -- two threads

SCENARIOS = {
    **{name: (setup, threads) for name, (_, setup, threads) in GUARDED_MAP.items()},
    "two stores of new keys": ("store 0 0", ("store 1 1", "store 2 2")),
    "a clear meets a load": ("store 0 0; store 1 0", ("clear", "load 0; load 1")),
    "two load_and_delete": ("store 0 0", ("load_and_delete 0", "load_and_delete 0")),
}


def _guilty(factory: Callable[[], Any], name: str, detector: Detector) -> str:
    checks = Checks(races=detector is Detector.RACE, invariants=detector is Detector.INVARIANT)
    target = _target(factory)
    with laboratory(target, checks) as lab:
        for execution in islice(_runs(lab, _scenario(target, name), PreemptionBound(2)), MOST_SCHEDULES):
            if execution.failure is not None and execution.failure.kind is KINDS[detector]:
                return execution.failure.summary
    return ""


def _target(factory: Callable[[], Any]) -> Target:
    made = factory()
    return Target("GuardedMap", factory, adapter_for(made), (), type(made).claims)


def _scenario(target: Target, name: str) -> Scenario:
    setup, threads = SCENARIOS[name]
    return numbered(target.adapter, setup, *threads)


def _runs(lab: Laboratory, scenario: Scenario, strategy: Strategy) -> Iterator[Execution]:
    while strategy.begin():
        yield lab.run(scenario, strategy)


def alarms(schedules: int, seed: int) -> list[str]:
    """What anybody says of about so many schedules of the guarded map as it is, every step watched: a half of them
    of scenarios in which it grows, a half of those of `map_mutants`, drawn ones among them."""
    target, found = _target(partial(GuardedMap, seed=seed)), list[str]()
    share = max(1, schedules // (2 * len(SCENARIOS)))
    with laboratory(target, Checks(races=True, invariants=True)) as lab:
        for name in SCENARIOS:
            scenario = _scenario(target, name)
            for strategy in turns(share, 2, seed):
                execution = lab.run(scenario, strategy)
                if execution.failure is not None or execution.undecided:
                    found.append(f"{name}, {execution.schedule}: {execution.failure or 'undecided'}")
    return found + map_mutants.alarms(GuardedMap, RWMUTEX_MAP, schedules // 2, seed)
