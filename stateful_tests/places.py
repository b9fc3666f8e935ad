"""Where a thread is in the program, and what it does there, in words.

The idea: an access is made in a primitive's method, which says nothing to a reader; what explains is the line of the
program that called it. So the place is the first frame outside of the primitive's own file.
"""

from __future__ import annotations

import contextlib
import linecache
import queue
import sys
import threading
from concurrent.futures import thread
from pathlib import PurePath
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from mapproof.impl import sync
from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer import opcode_events
from mapproof.stateful_tests.explorer.opcode_events import line_of


class Place(NamedTuple):
    """An instruction; as text the source line that it is part of."""

    code: CodeType
    offset: int

    @property
    def number(self) -> int:
        """The number of the line."""
        return line_of(self.code, self.offset)

    @property
    def line(self) -> str:
        """The file, without its folders, and the line: `cache.py:12`."""
        return f"{PurePath(self.code.co_filename).name}:{self.number}"

    @property
    def source(self) -> str:
        """The text of the line; "" if it is not to be had."""
        return linecache.getline(self.code.co_filename, self.number).strip()

    def __str__(self) -> str:
        return self.line + (f" `{self.source}`" if self.source else "")


def place_of(doing: Any, frame: FrameType | None = None) -> Place | None:
    """Where a thread is about to do this (what a watcher is told); None if it only begins a call.

    `frame` is the thread's innermost one; that of the running thread unless given.
    """
    if not isinstance(doing, tuple):
        return None
    if isinstance(doing[0], CodeType):
        return Place(*doing)
    return place_of_access(doing[0], frame)


def place_of_access(target: object, frame: FrameType | None = None) -> Place | None:
    """The line that calls the method of this primitive, through the `with` statement, a Condition or a Queue or not.

    `frame` as for `place_of`; None if it is in no method of a primitive.
    """
    found = caller_of(target, frame or sys._getframe(1))
    return None if found is None else Place(found.f_code, found.f_lasti)


_EXPLORER: Final = str(PurePath(opcode_events.__file__).parent)

_BETWEEN: Final = frozenset(
    {sync.__file__, contextlib.__file__, queue.__file__, threading.__file__, thread.__file__}
)
"""Files of the primitives, and those of the standard library by whose functions they are called: they explain nothing."""


def caller_of(target: object, frame: FrameType) -> FrameType | None:
    """The frame of the program that calls the method of this primitive, in which `frame` is."""
    made = getattr(type(target).__init__, "__code__", None)
    own = None if made is None else made.co_filename

    def is_inside(file: str) -> bool:
        return file == own or file in _BETWEEN or file.startswith(_EXPLORER)

    found: FrameType | None = frame
    while found is not None and not is_inside(found.f_code.co_filename):
        found = found.f_back
    while found is not None and is_inside(found.f_code.co_filename):
        found = found.f_back
    return found


def said(doing: tuple[object, Access]) -> str:
    """An access in words: the name of the primitive and what is done to it."""
    target, access = doing
    return f"{getattr(target, 'name', type(target).__name__)}: {access}"
