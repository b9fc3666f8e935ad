"""Go's sync.RWMutex as a transition system: any number of readers and writers, counted at each place.

The idea: `impl/sync.py` builds the lock out of a mutex `w`, two semaphores and two counters, and so does this, one
action for each access to one of them. A writer that comes adds -MAX_READERS to reader_count: from then on it is
negative, and readers that come wait. Those that were inside leave through the slow path, and the last of them lets
the writer in. The writer that goes adds MAX_READERS again and lets in as many readers as wait.

Counting. A reader is its place and nothing else: what it reads from a counter decides where it goes next, and is
forgotten. No step asks who a reader is. So two readers at one place can be exchanged, and how many there are at each
place tells all that any number of readers can do. Of the writers only the one that holds `w` has touched anything
else, so one place is enough for all of them. How often they come is open, so it is any number.

Shown: mutual exclusion; what reader_count means; that no wake-up is lost, neither a writer's nor a reader's; that once
a writer has announced itself no reader that comes later enters before it; that as many readers as a writer found
waiting enter before the next writer, and the same ones if a wake-up goes to who has waited longest. That last
condition matters: Go's semaphores, and those of impl/sync.py, let a newcomer take a wake-up that it finds, and
then a reader may be passed by writer after writer (`NEWCOMER_FIRST` in `rwmutex_mutants`).

Not shown: that somebody who waits is let in at last (that needs a fair scheduler; that there is always a step which
helps, and a rank that falls, is shown); that `w` is fair; what happens when MAX_READERS readers come at once
(`fewer_than_max_readers` is assumed, and needed: see the mutants), so nothing of 32 bits either.
"""

from __future__ import annotations

from mapproof.proofs.terms import Bool, Enumeration, Field, Globals, If, Int, all_of, claim, one_of, when
from mapproof.proofs.transition_system import action, actions_in
from mapproof.proofs.tree import Constant


class At(Enumeration):
    """Where the writer is that holds w, or tries to lock without waiting."""

    NOBODY: At  # w is free
    LOCKED_W: At
    ANNOUNCED: At  # has announced itself while readers were inside; `active` of them
    WRITER_SEM: At  # waits at writer_sem
    INSIDE: At
    RELEASING: At  # has left, and lets the readers in that wait
    TRIED_W: At  # try_lock has w
    TRY_FAILED: At  # try_lock has w, and must give it back


class RWMutex(Globals, prefix="rw"):
    """The words of the lock. `w` is spelled out as where its holder is."""

    reader_count = Field(Int)
    reader_wait = Field(Int)
    writer_sem = Field(Int)
    reader_sem = Field(Int)
    MAX_READERS = Field(Int)  # the same for ever; any positive number


class Writer(Globals, prefix="writer"):
    """The writer that holds w, and its local variables."""

    at = Field(At)
    active = Field(Int)  # the readers that were inside when it announced itself
    to_release = Field(Int)  # what is left of range(waiting) in unlock


class Readers(Globals, prefix="readers"):
    """How many readers are at each place."""

    inside = Field(Int)
    waiting = Field(Int)  # at reader_sem.acquire()
    leaving_slowly = Field(Int)  # before reader_wait.add(-1)
    the_last = Field(Int)  # before writer_sem.release()
    passed = Field(Int, ghost=True)  # of the waiting, those that the last writer found waiting when it left


rw, writer, readers = RWMutex(), Writer(), Readers()
STATE = (RWMutex, Writer, Readers)

THREE = Int(Constant(Int, 3))
"""MAX_READERS on plain values, where what is left open is 0: enough for two readers to meet a writer."""

PENDING = (At.ANNOUNCED, At.WRITER_SEM, At.INSIDE)
"""Where a writer is between the two additions to reader_count."""


def pending() -> Bool:
    """A writer has announced itself, and has not left."""
    return one_of(writer.at, *PENDING)


def fewer_than_max_readers() -> Bool:
    """What the lock assumes of its users: with one reader more there are still fewer than MAX_READERS."""
    return readers.inside + readers.waiting + 1 < rw.MAX_READERS


def reader_enters() -> None:
    """One reader more has the lock."""
    claim("no reader enters while a writer is inside", writer.at != At.INSIDE)
    readers.inside = readers.inside + 1


def writer_enters() -> None:
    """The writer has the lock."""
    claim("a writer enters when no reader is inside", readers.inside == 0)
    claim(
        "as many readers as a writer found waiting enter before the next writer",
        rw.reader_sem + writer.to_release == 0,
    )
    claim(
        "no reader is passed by a second writer, if a wake-up goes to who has waited longest",
        readers.passed == 0,
    )
    writer.at = At.INSIDE


@action
def initial() -> None:
    """Nobody is inside, and nobody waits. MAX_READERS is any positive number."""
    rw.MAX_READERS = If(rw.MAX_READERS > 0, rw.MAX_READERS, THREE)
    rw.reader_count = 0
    rw.reader_wait = 0
    rw.writer_sem = 0
    rw.reader_sem = 0
    writer.at = At.NOBODY
    writer.active = 0
    writer.to_release = 0
    readers.inside = 0
    readers.waiting = 0
    readers.leaving_slowly = 0
    readers.the_last = 0
    readers.passed = 0


# ------------------------------------------------------------------------------------------------ rlock, try_rlock


@action
def rlock() -> None:
    """self._reader_count.add(1) < 0: no"""
    when(fewer_than_max_readers(), rw.reader_count + 1 >= 0)
    reader_enters()
    rw.reader_count = rw.reader_count + 1


@action
def rlock_waits() -> None:
    """self._reader_count.add(1) < 0"""
    when(fewer_than_max_readers(), rw.reader_count + 1 < 0)
    rw.reader_count = rw.reader_count + 1
    readers.waiting = readers.waiting + 1


@action
def rlock_wakes() -> None:
    """self._reader_sem.acquire(), by the reader that has waited longest"""
    when(readers.waiting > 0, rw.reader_sem > 0)
    reader_enters()
    rw.reader_sem = rw.reader_sem - 1
    readers.waiting = readers.waiting - 1
    readers.passed = If(readers.passed > 0, readers.passed - 1, readers.passed)


@action
def try_rlock() -> None:
    """(count := self._reader_count.load()) >= 0, and self._reader_count.compare_and_swap(count, count + 1) succeeds

    One step: where the swap succeeds the count is what was loaded. What else a try does changes nothing."""
    when(fewer_than_max_readers(), rw.reader_count >= 0)
    reader_enters()
    rw.reader_count = rw.reader_count + 1


# ------------------------------------------------------------------------------------------------ runlock


@action
def runlock() -> None:
    """remaining = self._reader_count.add(-1); remaining < 0: no"""
    when(readers.inside > 0, rw.reader_count - 1 >= 0)
    rw.reader_count = rw.reader_count - 1
    readers.inside = readers.inside - 1


@action
def runlock_slow() -> None:
    """remaining = self._reader_count.add(-1); remaining < 0"""
    when(readers.inside > 0, rw.reader_count - 1 < 0)
    claim(
        "who holds the read lock is never accused of not holding it",
        all_of(rw.reader_count != 0, rw.reader_count + rw.MAX_READERS != 0),
    )
    rw.reader_count = rw.reader_count - 1
    readers.inside = readers.inside - 1
    readers.leaving_slowly = readers.leaving_slowly + 1


@action
def runlock_not_last() -> None:
    """self._reader_wait.add(-1) == 0: no"""
    when(readers.leaving_slowly > 0, rw.reader_wait - 1 != 0)
    rw.reader_wait = rw.reader_wait - 1
    readers.leaving_slowly = readers.leaving_slowly - 1


@action
def runlock_last() -> None:
    """self._reader_wait.add(-1) == 0"""
    when(readers.leaving_slowly > 0, rw.reader_wait - 1 == 0)
    rw.reader_wait = rw.reader_wait - 1
    readers.leaving_slowly = readers.leaving_slowly - 1
    readers.the_last = readers.the_last + 1


@action
def runlock_lets_writer_in() -> None:
    """self._writer_sem.release()"""
    when(readers.the_last > 0)
    readers.the_last = readers.the_last - 1
    rw.writer_sem = rw.writer_sem + 1


# ------------------------------------------------------------------------------------------------ lock


@action
def lock_w() -> None:
    """self._w.lock()"""
    when(writer.at == At.NOBODY)
    writer.at = At.LOCKED_W


@action
def lock_alone() -> None:
    """active = self._reader_count.add(-self.MAX_READERS) + self.MAX_READERS; active != 0: no"""
    when(writer.at == At.LOCKED_W, rw.reader_count == 0)
    writer_enters()
    rw.reader_count = rw.reader_count - rw.MAX_READERS


@action
def lock_announces() -> None:
    """active = self._reader_count.add(-self.MAX_READERS) + self.MAX_READERS; active != 0"""
    when(writer.at == At.LOCKED_W, rw.reader_count != 0)
    writer.active = rw.reader_count
    rw.reader_count = rw.reader_count - rw.MAX_READERS
    writer.at = At.ANNOUNCED


@action
def lock_waits() -> None:
    """self._reader_wait.add(active) != 0"""
    when(writer.at == At.ANNOUNCED, rw.reader_wait + writer.active != 0)
    rw.reader_wait = rw.reader_wait + writer.active
    writer.at = At.WRITER_SEM


@action
def lock_all_have_left() -> None:
    """self._reader_wait.add(active) != 0: no, for all have left since"""
    when(writer.at == At.ANNOUNCED, rw.reader_wait + writer.active == 0)
    writer_enters()
    rw.reader_wait = rw.reader_wait + writer.active


@action
def lock_wakes() -> None:
    """self._writer_sem.acquire()"""
    when(writer.at == At.WRITER_SEM, rw.writer_sem > 0)
    writer_enters()
    rw.writer_sem = rw.writer_sem - 1


# ------------------------------------------------------------------------------------------------ try_lock


@action
def try_lock_w() -> None:
    """self._w.try_lock()"""
    when(writer.at == At.NOBODY)
    writer.at = At.TRIED_W


@action
def try_lock_succeeds() -> None:
    """self._reader_count.compare_and_swap(0, -self.MAX_READERS) succeeds"""
    when(writer.at == At.TRIED_W, rw.reader_count == 0)
    writer_enters()
    rw.reader_count = rw.reader_count - rw.MAX_READERS


@action
def try_lock_fails() -> None:
    """self._reader_count.compare_and_swap(0, -self.MAX_READERS) fails"""
    when(writer.at == At.TRIED_W, rw.reader_count != 0)
    writer.at = At.TRY_FAILED


@action
def try_lock_unlocks_w() -> None:
    """self._w.unlock(); return False"""
    when(writer.at == At.TRY_FAILED)
    writer.at = At.NOBODY


# ------------------------------------------------------------------------------------------------ unlock


@action
def unlock() -> None:
    """waiting = self._reader_count.add(self.MAX_READERS)"""
    when(writer.at == At.INSIDE)
    claim(
        "who holds the write lock is never accused of not holding it",
        rw.reader_count < 0,
    )
    writer.to_release = rw.reader_count + rw.MAX_READERS
    rw.reader_count = rw.reader_count + rw.MAX_READERS
    writer.at = At.RELEASING
    readers.passed = readers.waiting


@action
def unlock_releases() -> None:
    """for _ in range(waiting): self._reader_sem.release()"""
    when(writer.at == At.RELEASING, writer.to_release > 0)
    writer.to_release = writer.to_release - 1
    rw.reader_sem = rw.reader_sem + 1


@action
def unlock_w() -> None:
    """self._w.unlock()"""
    when(writer.at == At.RELEASING, writer.to_release == 0)
    writer.at = At.NOBODY


STEPS = actions_in(globals())
