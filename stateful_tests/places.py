"""Where a thread is in the program, and what it does there, in words.

The idea: an access is made in a primitive's method, which says nothing to a reader; what explains is the line of the
program that called it. So the place is the first frame outside of the primitive's own file.
"""

from __future__ import annotations

import contextlib
import linecache
import sys
from pathlib import PurePath
from types import CodeType, FrameType
from typing import Any, NamedTuple

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.opcode_events import line_of


class Place(NamedTuple):
    """An instruction; as text the source line that it is part of."""

    code: CodeType
    offset: int

    @property
    def line(self) -> str:
        """The file, without its folders, and the line: `cache.py:12`."""
        return f"{PurePath(self.code.co_filename).name}:{line_of(self.code, self.offset)}"

    @property
    def source(self) -> str:
        """The text of the line; "" if it is not to be had."""
        return linecache.getline(self.code.co_filename, line_of(self.code, self.offset)).strip()

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
    """The line that calls the method of this primitive, through the `with` statement or not.

    `frame` as for `place_of`; None if it is in no method of a primitive.
    """
    primitives = type(target).__init__.__code__.co_filename
    frame = frame or sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != primitives:
        frame = frame.f_back
    while frame is not None and frame.f_code.co_filename in (primitives, contextlib.__file__):
        frame = frame.f_back
    return None if frame is None else Place(frame.f_code, frame.f_lasti)


def said(doing: tuple[object, Access]) -> str:
    """An access in words: the name of the primitive and what is done to it."""
    target, access = doing
    return f"{getattr(target, 'name', type(target).__name__)}: {access}"
