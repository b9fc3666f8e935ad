"""What a step touched, and so which steps of different threads may change places without anybody noticing.

The idea: two neighbouring steps may be swapped if they touch nothing in common, or what they do to it commutes
(Mazurkiewicz). An access of a primitive says exactly what it touches. What else a step did is learned when it is
over: whether an operation began or ended in it, for one, as a history tells who came first.

An object is known by the order in which the threads of an execution first came to it: it is another object in each
execution, but the same number wherever the same steps led.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum, IntFlag
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.simulation import FIRST_SPAWNED


class Note(IntFlag):
    """What a step did beside its access. The two of a pair do not commute, each does with its like; but STARTED
    does with nothing but the others: threads are numbered in the order in which they are started."""

    CALLED = 1
    RETURNED = 2
    ENDED = 4
    IN_BACKGROUND = 8
    """It was the step of a thread that the code under test started: when the clients have ENDED, the execution is over
    for it too."""
    STARTED = 16


_AGAINST: Final = [
    (notes & 5) << 1 | (notes & 10) >> 1 | notes & 16 for notes in range(32)
]  # what does not commute with these notes


class _Everything(Enum):
    EVERYTHING = "everything"


EVERYTHING: Final = _Everything.EVERYTHING
"""The place of a step that may have touched anything: it depends on every step that touches something."""


class Footprint(NamedTuple):
    """What one step touched: `place` (None: nothing), in a `manner` that commutes with itself (None: with nothing).

    `notes` are `Note`s. `target` and `access` are those of the primitive, if it was the step of one, even if it may
    have touched EVERYTHING.
    """

    place: Hashable = None
    manner: Hashable = None
    notes: int = 0
    target: int | None = None
    access: Access | None = None


NOTHING: Final = Footprint()
IN_BACKGROUND: Final = Footprint(notes=int(Note.IN_BACKGROUND))
ANYTHING: Final = Footprint(EVERYTHING, notes=31)
"""That of a step of which nothing is known."""


def depend(one: Footprint, other: Footprint) -> bool:
    """Whether the order of these two steps of different threads may matter."""
    if one[2] and other[2] & _AGAINST[one[2]]:
        return True
    here, there = one[0], other[0]
    if here is None or there is None:
        return False
    if here is EVERYTHING or there is EVERYTHING:
        return True
    return here == there and (one[1] is None or one[1] != other[1])


_COMMUTES: Final = frozenset({Access.LOAD, Access.READ, Access.RELEASE})
"""Each commutes with itself on one object: a read changes nothing, a release adds one to a count and answers nothing."""

_AT_A_PRIMITIVE: Final = {access: (access if access in _COMMUTES else None, access) for access in Access}


_OF_AN_OPERATION: Final = Note.CALLED | Note.RETURNED
"""A step with both was a whole operation, in which no access was seen."""


class Footprints:
    """Learns what each step of one execution touched: told where each thread stops, and what is noted in between.

    `files` are those whose instructions are switch points. What such an instruction touches is not known, nor what the
    code that calls an operation, or that takes its answer, does with it.
    """

    def __init__(self, files: frozenset[str] = frozenset()) -> None:
        self._traced = bool(files)
        self.ended: set[int] = set()
        self._numbers: dict[int, int] = {}
        self._kept: list[object] = []
        self._next: dict[int, Footprint] = {}
        self._notes = 0

    def next_of(self, thread: int) -> Footprint:
        """What the next step of this thread will touch, as far as can be said before it."""
        return self._next.get(thread, IN_BACKGROUND if thread >= FIRST_SPAWNED else NOTHING)

    def noted(self, note: Any) -> None:
        """The running step did this too."""
        if note.__class__ is Note:
            self._notes |= note

    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> Footprint:
        """The step of this thread is over: what it touched."""
        step = self.next_of(thread)
        if frame is None:
            self.ended.add(thread)
            if thread < FIRST_SPAWNED:
                self._notes |= Note.ENDED
        else:
            self._next[thread] = self._of(doing, thread >= FIRST_SPAWNED)
        if self._notes:
            step = step._replace(notes=int(step.notes | self._notes))
            if (
                self._traced and self._notes & _OF_AN_OPERATION
            ) or self._notes & _OF_AN_OPERATION == _OF_AN_OPERATION:
                step = step._replace(place=EVERYTHING, manner=None)
            self._notes = 0
        return step

    def _of(self, doing: Any, in_background: bool) -> Footprint:
        notes = int(Note.IN_BACKGROUND) if in_background else 0
        if doing.__class__ is tuple and doing[1].__class__ is Access:
            target, access = doing
            number = self._number(target)
            return Footprint(number, access if access in _COMMUTES else None, notes, number, access)
        if doing.__class__ is tuple and doing[0].__class__ is CodeType:
            return Footprint(EVERYTHING, notes=notes)
        return IN_BACKGROUND if in_background else NOTHING

    def _number(self, target: object) -> int:
        number = self._numbers.get(id(target))
        if number is None:
            # Kept alive, lest another object takes its identity.
            self._kept.append(target)
            number = self._numbers[id(target)] = len(self._kept)
        return number
