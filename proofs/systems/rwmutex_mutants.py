"""Go's RWMutex with one line wrong, again and again; and one claim about the right one that is refuted.

The idea: each mutant is the step in which its line stands, written again. Some let a reader and a writer in together;
others lose a wake-up, which no answer shows: somebody sleeps for ever. MAX_READERS is 3 where they are run, so that
two readers can meet a writer.
"""

from __future__ import annotations

from mapproof.proofs.chapters import Bound, Chapter, Fault, Mutant, Statement
from mapproof.proofs.systems.rwmutex import (
    At,
    fewer_than_max_readers,
    reader_enters,
    readers,
    rw,
    writer,
    writer_enters,
)
from mapproof.proofs.systems.rwmutex_shown import (
    RWMUTEX,
    no_writer,
    passed,
    room,
    writer_is_preferred,
    writer_waits,
)
from mapproof.proofs.terms import Bool, If, any_of, claim, when
from mapproof.proofs.transition_system import Action, action

# ------------------------------------------------------------------------------------------------ readers


@action(name="rlock_waits")
def _more_than_max_readers() -> None:
    """self._reader_count.add(1) < 0, however many readers there are"""
    when(rw.reader_count + 1 < 0)
    rw.reader_count = rw.reader_count + 1
    readers.waiting = readers.waiting + 1


@action(name="rlock")
def _rlock_too_many() -> None:
    """self._reader_count.add(1) < 0: no, however many readers there are"""
    when(rw.reader_count + 1 >= 0)
    reader_enters()
    rw.reader_count = rw.reader_count + 1


@action(name="rlock")
def _rlock_if_positive() -> None:
    """self._reader_count.add(1) <= 0: no"""
    when(fewer_than_max_readers(), rw.reader_count + 1 > 0)
    reader_enters()
    rw.reader_count = rw.reader_count + 1


@action(name="rlock_waits")
def _rlock_waits_at_zero() -> None:
    """self._reader_count.add(1) <= 0"""
    when(fewer_than_max_readers(), rw.reader_count + 1 <= 0)
    rw.reader_count = rw.reader_count + 1
    readers.waiting = readers.waiting + 1


@action(name="rlock")
def _rlock_if_no_writer_is_inside() -> None:
    """a reader enters at once as long as no writer is inside, though one may have announced itself"""
    when(fewer_than_max_readers(), writer.at != At.INSIDE)
    reader_enters()
    rw.reader_count = rw.reader_count + 1


@action(name="rlock_waits")
def _rlock_waits_if_writer_is_inside() -> None:
    """a reader waits only while a writer is inside"""
    when(fewer_than_max_readers(), writer.at == At.INSIDE)
    rw.reader_count = rw.reader_count + 1
    readers.waiting = readers.waiting + 1


@action(name="try_rlock")
def _try_rlock_unasked() -> None:
    """self._reader_count.compare_and_swap(count, count + 1) succeeds, and count >= 0 is not asked"""
    when(fewer_than_max_readers())
    reader_enters()
    rw.reader_count = rw.reader_count + 1


@action(name="runlock_slow")
def _runlock_always_fast() -> None:
    """remaining < 0 is not asked: a reader leaves without telling the writer"""
    when(readers.inside > 0, rw.reader_count - 1 < 0)
    rw.reader_count = rw.reader_count - 1
    readers.inside = readers.inside - 1


@action(name="runlock_not_last")
def _not_the_second_last() -> None:
    """self._reader_wait.add(-1) == 1: no"""
    when(readers.leaving_slowly > 0, rw.reader_wait - 1 != 1)
    rw.reader_wait = rw.reader_wait - 1
    readers.leaving_slowly = readers.leaving_slowly - 1


@action(name="runlock_last")
def _the_second_last() -> None:
    """self._reader_wait.add(-1) == 1"""
    when(readers.leaving_slowly > 0, rw.reader_wait - 1 == 1)
    rw.reader_wait = rw.reader_wait - 1
    readers.leaving_slowly = readers.leaving_slowly - 1
    readers.the_last = readers.the_last + 1


def _count_after_all() -> Bool:
    """Not even a reader that waits is counted any more."""
    return rw.reader_count + rw.MAX_READERS == 0


@action(name="runlock_not_last")
def _not_last_of_all() -> None:
    """self._reader_wait.add(-1), and reader_count says that there are readers"""
    when(readers.leaving_slowly > 0, ~_count_after_all())
    rw.reader_wait = rw.reader_wait - 1
    readers.leaving_slowly = readers.leaving_slowly - 1


@action(name="runlock_last")
def _last_of_all() -> None:
    """self._reader_wait.add(-1), and the count of readers is 0"""
    when(readers.leaving_slowly > 0, _count_after_all())
    rw.reader_wait = rw.reader_wait - 1
    readers.leaving_slowly = readers.leaving_slowly - 1
    readers.the_last = readers.the_last + 1


@action(name="rlock_wakes")
def _anybody_wakes(newcomer: Bool) -> None:
    """self._reader_sem.acquire(), perhaps by a reader that came after the last writer left"""
    when(readers.waiting > 0, rw.reader_sem > 0)
    when(If(newcomer, readers.waiting > readers.passed, readers.passed > 0))
    reader_enters()
    rw.reader_sem = rw.reader_sem - 1
    readers.waiting = readers.waiting - 1
    readers.passed = If(newcomer, readers.passed, readers.passed - 1)


@action(name="lock_all_have_left")
def _nobody_was_passed() -> None:
    """self._reader_wait.add(active) != 0: no, for all have left since"""
    when(writer.at == At.ANNOUNCED, rw.reader_wait + writer.active == 0)
    claim("no reader is passed by a second writer", readers.passed == 0)
    rw.reader_wait = rw.reader_wait + writer.active
    writer.at = At.INSIDE


# ------------------------------------------------------------------------------------------------ writers


@action(name="lock_waits")
def _set_and_wait() -> None:
    """self._reader_wait.store(active) in place of add(active); it is not 0"""
    when(writer.at == At.ANNOUNCED, writer.active != 0)
    rw.reader_wait = writer.active
    writer.at = At.WRITER_SEM


@action(name="lock_all_have_left")
def _set_and_go_on() -> None:
    """self._reader_wait.store(active) in place of add(active); it is 0"""
    when(writer.at == At.ANNOUNCED, writer.active == 0)
    writer_enters()
    rw.reader_wait = writer.active


@action(name="lock_waits")
def _never_waits() -> None:
    """self._reader_wait.add(active) != 0 is not asked"""
    when(writer.at == At.ANNOUNCED, any_of())
    writer.at = At.WRITER_SEM


@action(name="lock_all_have_left")
def _goes_on() -> None:
    """self._reader_wait.add(active), and the writer goes on"""
    when(writer.at == At.ANNOUNCED)
    writer_enters()
    rw.reader_wait = rw.reader_wait + writer.active


@action(name="lock_waits")
def _always_waits() -> None:
    """self._reader_wait.add(active), and the writer waits even if all have left since"""
    when(writer.at == At.ANNOUNCED)
    rw.reader_wait = rw.reader_wait + writer.active
    writer.at = At.WRITER_SEM


@action(name="lock_all_have_left")
def _never_goes_on() -> None:
    """there is no such case"""
    when(writer.at == At.ANNOUNCED, any_of())
    writer.at = At.INSIDE


@action(name="try_lock_succeeds")
def _try_lock_unasked() -> None:
    """self._reader_count.add(-self.MAX_READERS) in place of the compare-and-swap"""
    when(writer.at == At.TRIED_W)
    writer_enters()
    rw.reader_count = rw.reader_count - rw.MAX_READERS


@action(name="unlock")
def _one_too_few() -> None:
    """for _ in range(waiting - 1)"""
    when(writer.at == At.INSIDE)
    waiting = rw.reader_count + rw.MAX_READERS
    writer.to_release = If(waiting > 0, waiting - 1, waiting)
    rw.reader_count = waiting
    writer.at = At.RELEASING
    readers.passed = readers.waiting


@action(name="unlock")
def _one_too_many() -> None:
    """for _ in range(waiting + 1)"""
    when(writer.at == At.INSIDE)
    writer.to_release = rw.reader_count + rw.MAX_READERS + 1
    rw.reader_count = rw.reader_count + rw.MAX_READERS
    writer.at = At.RELEASING
    readers.passed = readers.waiting


@action(name="unlock")
def _w_first() -> None:
    """self._w.unlock() stands before the loop, not after it"""
    when(writer.at == At.INSIDE)
    writer.to_release = writer.to_release + rw.reader_count + rw.MAX_READERS
    rw.reader_count = rw.reader_count + rw.MAX_READERS
    writer.at = At.NOBODY
    readers.passed = readers.waiting


@action(name="unlock_releases")
def _releases_without_w() -> None:
    """for _ in range(waiting): self._reader_sem.release(), by a writer that has given w back"""
    when(writer.to_release > 0)
    writer.to_release = writer.to_release - 1
    rw.reader_sem = rw.reader_sem + 1


SMALL = Bound({})


def _mutant(
    name: str, *replaced: Action, breaks: Statement | None, fault: Fault, bound: Bound = SMALL
) -> Mutant:
    return Mutant(name, RWMUTEX, replaced, breaks, fault, bound)


NEWCOMER_FIRST = _mutant(
    "no reader is passed by a second writer even if a newcomer may take a wake-up, it is said",
    _anybody_wakes,
    _nobody_was_passed,
    breaks=passed,
    fault=Fault.WRONG_ANSWER,
)
REFUTED = (NEWCOMER_FIRST,)

MUTANTS = (
    _mutant(
        "MAX_READERS readers may come",
        _more_than_max_readers,
        _rlock_too_many,
        breaks=room,
        fault=Fault.WRONG_ANSWER,
    ),
    _mutant(
        "a reader enters unless a writer is inside",
        _rlock_if_no_writer_is_inside,
        _rlock_waits_if_writer_is_inside,
        breaks=writer_is_preferred,
        fault=Fault.WRONG_ANSWER,
    ),
    _mutant(
        "try_rlock does not ask for a writer",
        _try_rlock_unasked,
        breaks="no reader enters while a writer is inside",
        fault=Fault.WRONG_ANSWER,
    ),
    _mutant("no reader leaves slowly", _runlock_always_fast, breaks=writer_waits, fault=Fault.BROKEN_STATE),
    _mutant(
        "the last but one lets the writer in",
        _not_the_second_last,
        _the_second_last,
        breaks=writer_waits,
        fault=Fault.WRONG_ANSWER,
    ),
    _mutant(
        "the writer is let in when no reader is counted",
        _not_last_of_all,
        _last_of_all,
        breaks=writer_waits,
        fault=Fault.WRONG_ANSWER,
    ),
    _mutant(
        "the writer sets reader_wait",
        _set_and_wait,
        _set_and_go_on,
        breaks=writer_waits,
        fault=Fault.BROKEN_STATE,
    ),
    _mutant(
        "the writer does not wait",
        _never_waits,
        _goes_on,
        breaks="a writer enters when no reader is inside",
        fault=Fault.WRONG_ANSWER,
    ),
    _mutant(
        "the writer waits for readers that have left",
        _always_waits,
        _never_goes_on,
        breaks=writer_waits,
        fault=Fault.BROKEN_STATE,
    ),
    _mutant(
        "try_lock does not ask for readers",
        _try_lock_unasked,
        breaks="a writer enters when no reader is inside",
        fault=Fault.WRONG_ANSWER,
    ),
    _mutant("unlock lets one reader too few in", _one_too_few, breaks=no_writer, fault=Fault.BROKEN_STATE),
    _mutant("unlock lets one reader too many in", _one_too_many, breaks=no_writer, fault=Fault.WRONG_ANSWER),
    _mutant(
        "w is unlocked before the readers are let in",
        _w_first,
        _releases_without_w,
        breaks=None,
        fault=Fault.EQUIVALENT,
    ),
    _mutant(
        "rlock compares with <= 0",
        _rlock_if_positive,
        _rlock_waits_at_zero,
        breaks=None,
        fault=Fault.EQUIVALENT,
    ),
)

CHAPTER = Chapter(RWMUTEX, MUTANTS, (SMALL,), REFUTED)
