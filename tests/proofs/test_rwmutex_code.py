"""The RWMutex of impl/sync.py is the one that is proved: every access of it, in random runs, is a step of the system.

The idea: real threads take turns, one access to shared memory each. Between two accesses the words of the lock are
looked at, and where every thread stands: that is a state of the system but for the local variables, and the system
must have a step of that access that leads to it. The code with a line wrong must be noticed, and the system too.
"""

import random
from collections import Counter

import pytest
from turns import Parted, Turns

from mapproof.impl.sync import RWMutex
from mapproof.proofs.chapters import Bound
from mapproof.proofs.running.exploration import machine_within
from mapproof.proofs.systems.rwmutex_mutants import MUTANTS
from mapproof.proofs.systems.rwmutex_shown import RWMUTEX
from mapproof.spec.accesses import Access

READER_PLACES = {
    ("rlock", "readerSem", Access.ACQUIRE): "waiting",
    ("runlock", "readerCount", Access.ADD): "inside",
    ("_runlock_slow", "readerWait", Access.ADD): "leaving_slowly",
    ("_runlock_slow", "writerSem", Access.RELEASE): "the_last",
}
WRITER_PLACES = {
    ("lock", "readerCount", Access.ADD): "LOCKED_W",
    ("lock", "readerWait", Access.ADD): "ANNOUNCED",
    ("lock", "writerSem", Access.ACQUIRE): "WRITER_SEM",
    ("unlock", "readerCount", Access.ADD): "INSIDE",
    ("unlock", "readerSem", Access.RELEASE): "RELEASING",
    ("unlock", "w", Access.UNLOCK): "RELEASING",
    ("try_lock", "readerCount", Access.COMPARE_AND_SWAP): "TRIED_W",
    ("try_lock", "w", Access.UNLOCK): "TRY_FAILED",
}
STEPS = {
    ("rlock", "readerCount", Access.ADD): ("rlock", "rlock_waits"),
    ("rlock", "readerSem", Access.ACQUIRE): ("rlock_wakes",),
    ("try_rlock", "readerCount", Access.LOAD): (),
    ("try_rlock", "readerCount", Access.COMPARE_AND_SWAP): ("try_rlock",),
    ("runlock", "readerCount", Access.ADD): ("runlock", "runlock_slow"),
    ("_runlock_slow", "readerWait", Access.ADD): ("runlock_not_last", "runlock_last"),
    ("_runlock_slow", "writerSem", Access.RELEASE): ("runlock_lets_writer_in",),
    ("lock", "w", Access.LOCK): ("lock_w",),
    ("lock", "readerCount", Access.ADD): ("lock_alone", "lock_announces"),
    ("lock", "readerWait", Access.ADD): ("lock_waits", "lock_all_have_left"),
    ("lock", "writerSem", Access.ACQUIRE): ("lock_wakes",),
    ("try_lock", "w", Access.TRY_LOCK): ("try_lock_w",),
    ("try_lock", "readerCount", Access.COMPARE_AND_SWAP): ("try_lock_succeeds", "try_lock_fails"),
    ("try_lock", "w", Access.UNLOCK): ("try_lock_unlocks_w",),
    ("unlock", "readerCount", Access.ADD): ("unlock",),
    ("unlock", "readerSem", Access.RELEASE): ("unlock_releases",),
    ("unlock", "w", Access.UNLOCK): ("unlock_w",),
}
"""The steps of the system that each access of the code may be."""

TRY_READER = ("try_rlock", "readerCount", Access.COMPARE_AND_SWAP)
MAY_FAIL = {TRY_READER, ("try_rlock", "readerCount", Access.LOAD), ("try_lock", "w", Access.TRY_LOCK)}
"""Accesses that may be no step, and then change nothing."""


class FollowedRWMutex(Turns):
    """The system takes each step that the code takes."""

    def __init__(self, rwmutex, system, seed):
        super().__init__(RWMutex, random.Random(seed).choice)
        self.rwmutex = rwmutex
        self.machine = machine_within(system, Bound({}))
        picture = self.machine.decode(self.machine.initial())
        picture = {**picture, "RWMutex.MAX_READERS": {(): RWMutex.MAX_READERS}}
        self.state = self.machine.initial(self.machine.encode(picture))
        self.seen = Counter()

    def program(self, calls):
        """A thread that makes these calls, in pairs."""

        def run():
            for acquire, release in calls:
                if getattr(self.rwmutex, acquire)() is not False:
                    getattr(self.rwmutex, release)()

        return run

    def happened(self, number, access):
        """The code has one way on, so each step that the system has must lead to where the code is; but whether a
        reader's compare-and-swap takes effect hangs on what it loaded, which the system has forgotten."""
        words = self._words()
        steps = [(name, step) for name in STEPS[access] if (step := self.machine.step(self.state, name))]
        right = [(name, step) for name, step in steps if self._pictured(step.after) == words]
        if right and (len(right) == len(steps)):
            name, step = right[0]
            assert not step.broken_claims
            self.state = step.after
            self.seen[name] += 1
        elif (
            self._pictured(self.state) != words or (steps and access != TRY_READER) or access not in MAY_FAIL
        ):
            raise Parted(f"{access}: the code has {words}, the system had {self._pictured(self.state)}")

    def _words(self):
        """What is to be seen of the code: its words, and at which place each thread is."""
        at = self.pending()
        count = Counter(READER_PLACES.get(access) for access in at)
        writers = [WRITER_PLACES[access] for access in at if access in WRITER_PLACES]
        if len(writers) > 1:
            raise Parted(f"two writers have w: {writers}")
        state = self.rwmutex.peek()
        words = (state.reader_count, state.reader_wait, state.writer_sem, state.reader_sem)
        places = [count[place] for place in ("inside", "waiting", "leaving_slowly", "the_last")]
        return (*words, *places, writers[0] if writers else "NOBODY")

    def _pictured(self, state):
        names = ("RWMutex.reader_count", "RWMutex.reader_wait", "RWMutex.writer_sem", "RWMutex.reader_sem")
        places = ("Readers.inside", "Readers.waiting", "Readers.leaving_slowly", "Readers.the_last")
        return tuple(self.machine.read(state, name) for name in (*names, *places, "Writer.at"))


READ, WRITE, TRY_READ, TRY_WRITE = (
    ("rlock", "runlock"),
    ("lock", "unlock"),
    ("try_rlock", "runlock"),
    ("try_lock", "unlock"),
)
PROGRAMS = (
    (READ, READ, TRY_READ),
    (READ, TRY_READ, READ),
    (WRITE, READ, TRY_WRITE),
    (TRY_WRITE, WRITE, READ),
)


def follow(make=RWMutex, system=RWMUTEX, runs=60):
    """How often each step of the system was made in so many random runs. Raises Parted."""
    seen = Counter()
    for seed in range(runs):
        turns = FollowedRWMutex(make(), system, seed)
        turns.run([turns.program(calls) for calls in PROGRAMS])
        seen += turns.seen
    return seen


def test_every_access_of_the_code_is_a_step_of_the_system():
    seen = follow()
    assert set(RWMUTEX.actions) - set(seen) == set()
    assert sum(seen.values()) > 1_500


class OneTooFew(RWMutex):
    """unlock lets one reader too few in."""

    __slots__ = ()

    def unlock(self):
        waiting = self._reader_count.add(self.MAX_READERS)
        for _ in range(waiting - 1):
            self._reader_sem.release()
        self._w.unlock()


class SetsReaderWait(RWMutex):
    """lock does not notice readers that have left since."""

    __slots__ = ()

    def lock(self):
        self._w.lock()
        active = self._reader_count.add(-self.MAX_READERS) + self.MAX_READERS
        if active != 0:
            self._reader_wait.add(active)
            self._writer_sem.acquire()


class LastButOne(RWMutex):
    """The last reader but one lets the writer in."""

    __slots__ = ()

    def _runlock_slow(self, remaining):
        if self._reader_wait.add(-1) == 1:
            self._writer_sem.release()


@pytest.mark.parametrize("wrong", [OneTooFew, SetsReaderWait, LastButOne])
def test_the_code_with_a_line_wrong_parts_from_the_system(wrong):
    with pytest.raises(Parted):
        follow(wrong)


ALIKE = {"rlock compares with <= 0"}
"""The same steps: reader_count is never -1 before a reader comes."""
MORE = {"try_rlock does not ask for a writer", "MAX_READERS readers may come"}
"""These can do all that the right system can, and more: no run of right code tells them from it."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_system_with_a_line_wrong_parts_from_the_code(mutant):
    if mutant.name in ALIKE | MORE:
        follow(system=mutant.system, runs=5)
    else:
        with pytest.raises(AssertionError):
            follow(system=mutant.system)
