"""What is true of Go's RWMutex in every reachable state and of every step, and the system put together.

The idea: the words of the lock are sums of how many are where, one equation for each place of the writer. From them it
follows that nobody sleeps for want of a wake-up. Two step properties say what waiting costs: a number of steps of
others, bounded when the writer announces itself, that no newcomer adds to.
"""

from __future__ import annotations

from mapproof.proofs.systems.rwmutex import (
    STATE,
    STEPS,
    At,
    initial,
    pending,
    readers,
    rw,
    writer,
)
from mapproof.proofs.terms import (
    Bool,
    If,
    Int,
    after,
    all_of,
    any_of,
    count,
    implies,
)
from mapproof.proofs.transition_system import (
    invariant,
    invariants_in,
    lemma,
    lemmas_in,
    step_properties_in,
    step_property,
    system,
)

# ------------------------------------------------------------------------------------------------ vocabulary


def may_still_enter() -> Int:
    """Readers that wait, and whose wake-up is there or due."""
    return rw.reader_sem + writer.to_release


def still_to_leave() -> Int:
    """Readers that a writer that has announced itself waits for: inside, about to come in, or leaving slowly."""
    return readers.inside + may_still_enter() + readers.leaving_slowly


def rank() -> Int:
    """How many steps of others a waiting writer still needs: four for a reader that has its wake-up, and so on."""
    let_in = writer.to_release * 5 + rw.reader_sem * 4
    return let_in + readers.inside * 3 + readers.leaving_slowly * 2 + readers.the_last


def unmoved(value: Int) -> Bool:
    """The step leaves the value alone."""
    return after(value) == value


# ------------------------------------------------------------------------------------------------ the invariant


@invariant("numbers are not negative")
def not_negative() -> Bool:
    """There is no place with fewer than no readers, no semaphore below 0, and room for a reader at least."""
    places = (readers.inside, readers.waiting, readers.leaving_slowly, readers.the_last)
    words = (rw.writer_sem, rw.reader_sem, writer.to_release)
    return all_of(rw.MAX_READERS > 0, *(value >= 0 for value in (*places, *words)))


@invariant("there are fewer than MAX_READERS readers")
def room() -> Bool:
    """Those inside and those that wait are fewer than MAX_READERS, as the users of the lock have promised."""
    return readers.inside + readers.waiting < rw.MAX_READERS


@invariant("reader_count counts the readers, and is negative when a writer has announced itself")
def reader_count() -> Bool:
    """It is the number of readers inside and waiting, less MAX_READERS from a writer's announcement to its unlock."""
    counted = readers.inside + readers.waiting
    return rw.reader_count == If(pending(), counted - rw.MAX_READERS, counted)


@invariant("without a writer nobody waits in vain, and nothing is left over for the next one")
def no_writer() -> Bool:
    """When no writer has announced itself, each waiting reader's wake-up is there or due, and no reader is leaving
    slowly: reader_wait and writer_sem are 0."""
    return implies(
        ~pending(),
        readers.waiting == may_still_enter(),
        rw.reader_wait == 0,
        rw.writer_sem == 0,
        readers.leaving_slowly == 0,
        readers.the_last == 0,
    )


@invariant("no more readers are let in than wait")
def wake_ups_fit() -> Bool:
    """While a writer has announced itself, each wake-up that is there or due has a reader that waits."""
    return implies(pending(), may_still_enter() <= readers.waiting)


@invariant("a writer that has announced itself knows how many are to leave")
def announced() -> Bool:
    """Those that were active, less those that have left since, are still to leave; nobody has let the writer in."""
    return implies(
        writer.at == At.ANNOUNCED,
        rw.reader_wait + writer.active == still_to_leave(),
        rw.reader_wait <= 0,
        writer.active > 0,
        rw.writer_sem == 0,
        readers.the_last == 0,
    )


@invariant("a writer that waits is let in by exactly one wake-up, when the last reader has left")
def writer_waits() -> Bool:
    """reader_wait is how many are still to leave; the wake-up is there or on its way exactly when that is none."""
    return implies(
        writer.at == At.WRITER_SEM,
        rw.reader_wait == still_to_leave(),
        rw.writer_sem + readers.the_last == count(rw.reader_wait == 0),
    )


@invariant("a writer inside is alone")
def writer_inside() -> Bool:
    """No reader is inside, let in, or leaving, and no wake-up of a writer is left."""
    nothing = (still_to_leave(), rw.reader_wait, rw.writer_sem, readers.the_last)
    return implies(writer.at == At.INSIDE, *(value == 0 for value in nothing))


@invariant("each reader that was passed by a writer has its wake-up")
def passed() -> Bool:
    """Those that the last writer found waiting when it left, and that are not inside yet, are as many as wake-ups that
    are there or due."""
    return readers.passed == may_still_enter()


# ------------------------------------------------------------------------------------------------ what follows


@lemma("mutual exclusion")
def mutual_exclusion() -> Bool:
    """While a writer is inside no reader is. (Of writers one at most is: it holds w.)"""
    return implies(writer.at == At.INSIDE, readers.inside == 0)


@lemma("no wake-up of a writer is lost")
def writer_is_helped() -> Bool:
    """A writer that waits can go on, or some reader can take a step that brings that nearer."""
    return implies(
        writer.at == At.WRITER_SEM,
        any_of(
            rw.writer_sem > 0,
            readers.the_last > 0,
            readers.leaving_slowly > 0,
            readers.inside > 0,
            all_of(rw.reader_sem > 0, readers.waiting > 0),
            writer.to_release > 0,
        ),
    )


@lemma("no wake-up of a reader is lost")
def reader_is_helped() -> Bool:
    """Where readers wait, a wake-up is there or due, or a writer has announced itself and not left."""
    return implies(readers.waiting > 0, any_of(may_still_enter() > 0, pending()))


@lemma("a writer of rank 0 has its wake-up")
def rank_is_enough() -> Bool:
    """When the steps that a waiting writer needs have been taken, it can go on."""
    return implies(all_of(writer.at == At.WRITER_SEM, rank() == 0), rw.writer_sem > 0)


@step_property("a writer that has announced itself is passed by no newcomer")
def writer_is_preferred() -> Bool:
    """As long as it has not left, the readers that may still enter only grow fewer, and so do those inside with them."""
    return implies(
        all_of(pending(), after(pending())),
        after(may_still_enter()) <= may_still_enter(),
        after(readers.inside + may_still_enter()) <= readers.inside + may_still_enter(),
    )


@step_property("each step that concerns a waiting writer brings it nearer")
def rank_falls() -> Bool:
    """While a writer waits no step raises its rank, and one that moves any reader but a newcomer lowers it."""
    places = (writer.to_release, rw.reader_sem, readers.inside, readers.leaving_slowly, readers.the_last)
    return implies(
        all_of(writer.at == At.WRITER_SEM, after(writer.at) == At.WRITER_SEM),
        any_of(after(rank()) < rank(), all_of(*(unmoved(place) for place in places))),
    )


RWMUTEX = system(
    "sync.RWMutex",
    scope="all readers and writers, counted at each place, below any MAX_READERS; sequentially consistent",
    state=STATE,
    initial=initial,
    actions=STEPS,
    invariants=invariants_in(globals()),
    lemmas=lemmas_in(globals()),
    step_properties=step_properties_in(globals()),
)
