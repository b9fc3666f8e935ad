"""What a step touched, and so which steps of different threads may change places without anybody noticing.

The idea: two neighbouring steps may be swapped if they touch nothing in common, or what they do to it commutes
(Mazurkiewicz). An access of a primitive says exactly what it touches. What else a step did is learned when it is
over: whether an operation began or ended in it, for one, as a history tells who came first.

An object is known by the order in which the threads of an execution first came to it: it is another object in each
execution, but the same number wherever the same steps led.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Hashable
from enum import Enum, IntFlag
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.instructions import (
    CONTENTS,
    enters,
    iterates_afterwards,
    looks_in,
    looks_in_at_first,
    may_end,
    names_in,
    stands_at,
    touch_at,
)
from mapproof.stateful_tests.explorer.simulated_thread import SimulatedThread
from mapproof.stateful_tests.explorer.simulation import FIRST_SPAWNED


class Note(IntFlag):
    """What a step did beside its access. The two of a pair (see `_PAIRS`) do not commute; STARTED does not with itself, as
    threads are numbered in the order in which they are started."""

    CALLED = 1
    RETURNED = 2
    ENDED = 4
    IN_BACKGROUND = 8
    """It was the step of a thread that the code under test started: when the clients have ENDED, the execution is over
    for it too."""
    STARTED = 16
    LOOKED_UP = 32
    """It may have looked up methods and global variables in passing."""
    CHANGED_UNSEEN = 64
    """It set what may be looked up in passing."""
    ELSEWHERE = 128
    """Code of other files was run in it."""
    LOOKED_IN = 256
    """It may have read what is in an object in passing: to tell whether it is true, to add to it, to format it."""
    CHANGED_CONTENTS = 512


_PAIRS: Final = (
    (Note.CALLED, Note.RETURNED),
    (Note.ENDED, Note.IN_BACKGROUND),
    (Note.STARTED, Note.STARTED),
    (Note.LOOKED_UP, Note.CHANGED_UNSEEN),
    (Note.LOOKED_IN, Note.CHANGED_CONTENTS),
)


def _against(notes: int) -> int:
    """What does not commute with these notes."""
    found = 0
    for one, other in _PAIRS:
        found |= (other.value if notes & one.value else 0) | (one.value if notes & other.value else 0)
    return found


_AGAINST: Final = [_against(notes) for notes in range(Note.CHANGED_CONTENTS.value * 2)]

_BEGIN: Final = object()
_CONTENTS: Final = (CONTENTS, "")


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
IN_BACKGROUND: Final = Footprint(notes=Note.IN_BACKGROUND.value)
ANYTHING: Final = Footprint(EVERYTHING, notes=Note.CHANGED_CONTENTS.value * 2 - 1)
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


# Numbers and not flags from here on, as those are slow.
_OF_AN_OPERATION: Final = Note.CALLED.value | Note.RETURNED.value
_ENDED: Final = Note.ENDED.value
_IN_BACKGROUND: Final = Note.IN_BACKGROUND.value
_LOOKED_UP: Final = Note.LOOKED_UP.value
_CHANGED_UNSEEN: Final = Note.CHANGED_UNSEEN.value
_ELSEWHERE: Final = Note.ELSEWHERE.value
_LOOKED_IN: Final = Note.LOOKED_IN.value
_CHANGED_CONTENTS: Final = Note.CHANGED_CONTENTS.value
_OURS: Final = str(Path(__file__).parents[2]) + os.sep
_RUNS_TASKS: Final = SimulatedThread._loop.__code__
_OTHERS: Final = frozenset({threading.__file__, contextlib.__file__})
"""Of the standard library: what they touch beside the locks that they use belongs to one thread, or is protected."""


class Footprints:
    """Learns what each step of one execution touched: told where each thread stops, and what is noted in between.

    `files` are those whose instructions are switch points. Without any, only the primitives are shared, and each step
    is exact. Else a step may have touched EVERYTHING, unless its instruction says what it touches (`touch_at`) or only
    called a function of those files or a method of a lock, and unless code of other files than those, `threading` and
    our own was run on the way or goes on after it. Assumed of code in C: that to get or set an attribute touches
    nothing else, that it reaches the attributes of objects made in Python by nothing that is not named (`names_in`), and
    that it takes no lock of `threading` by itself.
    """

    def __init__(self, files: frozenset[str] = frozenset()) -> None:
        self.ended: set[int] = set()
        self._files = files
        self._names = names_in(files)
        self._numbers: dict[int, int] = {}
        self._kept: list[object] = []
        self._next: dict[int, Footprint] = {}
        self._doing: dict[int, Any] = {}
        self._notes = 0

    def next_of(self, thread: int) -> Footprint:
        """What the next step of this thread will touch, as far as can be said before it."""
        return self._next.get(thread, IN_BACKGROUND if thread >= FIRST_SPAWNED else NOTHING)

    def noted(self, note: Any) -> None:
        """The running step did this too."""
        if note.__class__ is Note:
            self._notes |= note.value
        elif note.__class__ is FrameType and not self._is_ours(note):
            caller = note.f_back
            if caller is None or not self._is_ours(caller):  # else what it does is seen from what it calls
                self._notes |= _ELSEWHERE

    def stopped(self, thread: int, doing: Any, frame: FrameType | None) -> Footprint:
        """The step of this thread is over: what it touched."""
        step = self.next_of(thread)
        notes = self._notes | step.notes
        if self._files:
            notes |= _LOOKED_UP | self._looked_in(thread, step, frame)
            step = self._learned(thread, step, doing, frame)
        unseen = notes & _OF_AN_OPERATION == _OF_AN_OPERATION or self._notes & _ELSEWHERE
        if unseen or (self._files and self._names.sees_what_is_gone):
            # A whole operation in which no access was seen, code of another file, or an object let go in passing: there
            # is no telling.
            step = step._replace(place=EVERYTHING, manner=None)
        if step.place is EVERYTHING or step.place == _CONTENTS:
            notes |= _CHANGED_CONTENTS
        if frame is None:
            self.ended.add(thread)
            if thread < FIRST_SPAWNED:
                notes |= _ENDED
        else:
            self._doing[thread] = doing
            self._next[thread] = self._said(thread, doing, frame)
        self._notes = 0
        return step if notes == step.notes else step._replace(notes=notes)

    # -- before the step

    def _said(self, thread: int, doing: Any, frame: FrameType) -> Footprint:
        notes = _IN_BACKGROUND if thread >= FIRST_SPAWNED else 0
        if self._files and self._will_look_in(frame):
            notes |= _LOOKED_IN
        if doing.__class__ is not tuple:
            elsewhere = self._files and doing is None and self._goes_elsewhere(thread, self._outside(frame))
            return Footprint(EVERYTHING if elsewhere else None, None, notes)
        target, what = doing
        if what.__class__ is Access:
            number = self._number(target)
            if self._files and self._goes_elsewhere(thread, self._outside(frame)):
                return Footprint(EVERYTHING, None, notes, number, what)
            return Footprint(number, what if what in _COMMUTES else None, notes, number, what)
        touch = touch_at(target, what, self._names)
        if touch is None or self._goes_elsewhere(thread, self._outside(frame)):
            return Footprint(EVERYTHING, None, notes)
        if touch.name in self._names.in_passing and not touch.reads:
            notes |= _CHANGED_UNSEEN
        return Footprint(touch[:2], "read" if touch.reads else None, notes)

    def _will_look_in(self, frame: FrameType | None) -> bool:
        """Whether the code of these files that the step goes on with may look into an object before it stops again."""
        while frame is not None:
            if frame.f_code.co_filename in self._files:
                if looks_in(frame):
                    return True
                if not may_end(frame):
                    return False
            frame = frame.f_back
        return False

    def _goes_elsewhere(self, thread: int, frame: FrameType | None) -> bool:
        """Whether the step may end these frames and return to code that does what nobody sees."""
        while frame is not None and not self._is_ours(frame):
            if frame.f_code.co_filename not in self._files:
                return not self._is_task(thread, frame)
            caller = frame.f_back
            if caller is None or not may_end(frame):
                return False
            if not self._is_task(thread, caller) and not enters(
                caller, frame, by_any_name=self._is_ours(caller)
            ):
                return not self._is_task(thread, frame)
            if self._is_ours(caller) and iterates_afterwards(caller):
                return not self._is_task(thread, frame)
            frame = caller
        return False

    def _is_ours(self, frame: FrameType) -> bool:
        name = frame.f_code.co_filename
        return name not in self._files and (name.startswith(_OURS) or name in _OTHERS)

    def _is_task(self, thread: int, frame: FrameType) -> bool:
        """Whether it was given to the simulation to run: nobody else does what its code does beside its calls."""
        return thread < FIRST_SPAWNED and frame.f_back is not None and frame.f_back.f_code is _RUNS_TASKS

    # -- after it

    def _learned(self, thread: int, step: Footprint, doing: Any, frame: FrameType | None) -> Footprint:
        """What is known of a step when it is over, by where it led."""
        before = self._doing.get(thread, _BEGIN)
        if frame is None and before is _BEGIN:
            return step._replace(place=EVERYTHING)
        if frame is None or before is None:
            return step
        here = self._outside(frame)
        if before.__class__ is tuple:
            target, what = before
            if target.__class__ is not CodeType:
                return step
            if step.place is EVERYTHING or step.place == _CONTENTS:
                return step._replace(place=None) if self._only_called(here, doing, target, what) else step
            while here is not None and here.f_code is not target:
                here = here.f_back
            return step if here is not None else step._replace(place=EVERYTHING, manner=None)
        # A thread or an operation has begun.
        if here is None or self._begins(thread, here):
            return step
        return step._replace(place=EVERYTHING, manner=None)

    def _looked_in(self, thread: int, step: Footprint, frame: FrameType | None) -> int:
        """LOOKED_IN if the function that the step led into may have looked into an object before it stopped."""
        here = self._outside(frame)
        if here is None or here.f_code.co_filename not in self._files or not looks_in_at_first(here.f_code):
            return 0
        before = self._doing.get(thread)
        stayed = before.__class__ is tuple and before[0] is here.f_code and step.manner is not None
        return 0 if stayed else _LOOKED_IN

    def _only_called(self, here: FrameType | None, doing: Any, code: CodeType, offset: int) -> bool:
        """Whether that instruction led here by a call of a function, or of a primitive's method."""
        if here is None:
            return False
        if doing.__class__ is tuple and doing[0].__class__ is not CodeType:
            return stands_at(here, code, offset)
        caller = here.f_back
        return caller is not None and stands_at(caller, code, offset) and enters(caller, here)

    def _begins(self, thread: int, here: FrameType) -> bool:
        """Whether only code of ours was run, or the task itself, before this function."""
        if self._is_ours(here) or self._is_task(thread, here):
            return True
        caller = here.f_back
        if here.f_code.co_filename not in self._files or caller is None:
            return False
        return self._is_task(thread, caller) or (
            self._is_ours(caller) and enters(caller, here, by_any_name=True)
        )

    def _number(self, target: object) -> int:
        number = self._numbers.get(id(target))
        if number is None:
            # Kept alive, lest another object takes its identity.
            self._kept.append(target)
            number = self._numbers[id(target)] = len(self._kept)
        return number

    def _outside(self, frame: FrameType | None) -> FrameType | None:
        """The innermost frame of the code under test (or of other code): neither ours nor of `threading`."""
        while frame is not None and self._is_ours(frame):
            frame = frame.f_back
        return frame
