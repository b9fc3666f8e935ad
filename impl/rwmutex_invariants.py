"""What holds of an RWMutex between any two accesses, and whether a writer may be inside it.

R1  readerCount is at least -MAX_READERS and less than MAX_READERS
R2  readerCount is negative (a writer has announced itself): w is held
R3  readerCount is not negative: readerWait is 0 and writerSem is 0
R4  readerSem admits no more readers than are counted; writerSem admits one writer

The idea: the words do not say who is inside. How many readers an announced writer must wait for is what readerCount
was at its announcement, less the readers that left since; so whoever looks at every step knows it, from the
changes of readerCount alone (readers that come later queue, and cannot leave before the writer has).
"""

from __future__ import annotations

from mapproof.impl.sync import RWMutex, RWMutexState


class RWMutexWatch:
    """Follows a lock that nobody waits for when the watch first looks: between any two accesses from then on."""

    def __init__(self, rwmutex: RWMutex) -> None:
        self._rwmutex = rwmutex
        self._count = 0
        self._readers_before = 0
        """Readers that were inside when the writer announced itself, and are still."""

    @property
    def writer_may_be_inside(self) -> bool:
        """A writer has announced itself, and no reader is left from before."""
        return self._count < 0 and self._readers_before == 0

    def look(self) -> None:
        """Raise AssertionError, naming which of R1 to R4 is broken."""
        state = self._rwmutex.peek()
        _check(state)
        count = state.reader_count
        if count < 0:
            if self._count >= 0:
                self._readers_before = self._count
            elif count < self._count:
                self._readers_before -= self._count - count
        self._count = count


def _check(state: RWMutexState) -> None:
    count, most = state.reader_count, RWMutex.MAX_READERS
    if not -most <= count < most:
        raise AssertionError(f"R1: readerCount is {count}")
    if count < 0 and not state.w:
        raise AssertionError("R2: a writer has announced itself, but nobody holds w")
    if count >= 0 and (state.reader_wait or state.writer_sem):
        words = f"readerWait is {state.reader_wait}, writerSem {state.writer_sem}"
        raise AssertionError(f"R3: no writer has announced itself, but {words}")
    if state.reader_sem > (readers := count % most):
        raise AssertionError(f"R4: readerSem admits {state.reader_sem} readers, {readers} are counted")
    if state.writer_sem > 1:
        raise AssertionError(f"R4: writerSem admits {state.writer_sem} writers")
