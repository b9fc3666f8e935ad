"""Finds the data races of a simulated run: hears each step, and hands it to `spec.happens_before`.

The idea: a simulation switches threads before an access, so the steps that it tells are in the order in which they
take effect; only whether a compare-and-swap or a try took effect, and when an RWMutex is locked, is told later.
A race need not do harm in the run that shows it: two accesses that nothing orders are one, whatever they read.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Hashable
from pathlib import PurePath
from types import CodeType, FrameType
from typing import Any, NamedTuple

from mapproof.spec.accesses import Access
from mapproof.spec.happens_before import DataRaces, Race
from mapproof.stateful_tests.explorer.opcode_events import line_of

_PLAIN = (Access.READ, Access.WRITE, Access.OR)

_KNOWN_LATER = (Access.COMPARE_AND_SWAP, Access.TRY_LOCK)


class Place(NamedTuple):
    """An instruction; as text the source line that it is part of."""

    code: CodeType
    offset: int

    def __str__(self) -> str:
        name, line = self.code.co_filename, line_of(self.code, self.offset)
        text = linecache.getline(name, line).strip()
        return f"{PurePath(name).name}:{line}" + (f" `{text}`" if text else "")


class RaceDetector:
    """Watches one run: `step` is a `Simulation.watcher` and `effect` a `Simulation.listener`. The number of each
    thread is its index in a clock: small numbers.

    Judges what is made of the primitives of `impl.sync`; memory of other Python code is not seen.
    """

    def __init__(self) -> None:
        self._found = DataRaces()
        self.start = self._found.start
        self.join = self._found.join

    @property
    def races(self) -> list[Race]:
        """Those found so far, in the order in which they were found."""
        return self._found.races

    def step(self, thread: int, doing: Any) -> None:
        """What the thread does next; anything but an access of a primitive is passed over."""
        if doing.__class__ is not tuple:
            return
        target, access = doing
        if access.__class__ is not Access or access in _KNOWN_LATER:
            return
        if access in _PLAIN:
            self._found.touch(thread, target, access, _place)
        elif _synchronizes(target):
            self._found.order(thread, target, access)

    def effect(self, thread: int, target: object, access: Access, happened: bool) -> None:
        """What was not known at the step."""
        if _synchronizes(target):
            self._found.order(thread, target, access, happened)


def _synchronizes(target: Hashable) -> bool:
    return getattr(target, "synchronizes", True)


def _place(target: Hashable) -> Place:
    """Where the program makes the access of `target` that is being told: the line that calls its method."""
    primitives = type(target).__init__.__code__.co_filename
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename != primitives:
        frame = frame.f_back
    while frame is not None and frame.f_code.co_filename == primitives:
        frame = frame.f_back
    told = frame or sys._getframe(2)
    return Place(told.f_code, told.f_lasti)
