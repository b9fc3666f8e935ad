"""Checks of every step of a run: what a monitor is told, and the monitor of the invariants that hold at each step.

The idea: between two accesses every simulated thread stands still, so a check sees one state, and whatever is wrong
there was brought about by the one access that came before. That access, with its source line, is the explanation.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Protocol

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.races import Place, RaceDetector
from mapproof.stateful_tests.scenarios import Call


class Monitor(Protocol):
    """Watches the threads that run at once, and says in a sentence what is wrong, as soon as something is."""

    looked: bool
    """Whether there was anything that it could judge."""

    def arrived(self) -> str | None:
        """The state before a step: all that came before has happened, the step itself has not."""

    def step(self, client: int, doing: Any) -> str | None:
        """`client` is about to do this (see `simulation.Watcher`)."""

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        """What could not be known before the access (see `impl.sync.Hook.after`)."""


def has_step_invariants(target: object) -> bool:
    """Whether the object says what holds of it at every step."""
    return callable(getattr(target, "step_invariants", None))


class StepInvariants:
    """Checks what an object's `step_invariants()` answered, and names the access that broke it."""

    def __init__(self, check: Callable[[], None], render: Callable[[Call], str]) -> None:
        self.looked = False
        self._check = check
        self._render = render
        self._calls: dict[int, Call] = {}
        self._last: tuple[int, Any, Place | None] | None = None

    def arrived(self) -> str | None:
        self.looked = True
        try:
            self._check()
        except AssertionError as broken:
            return f"{broken}; {self._account()}"
        return None

    def step(self, client: int, doing: Any) -> str | None:
        if isinstance(doing, Call):
            self._calls[client] = doing
        self._last = client, doing, place_of_access(doing)
        return None

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        pass

    def _account(self) -> str:
        if self._last is None:
            return "broken before the threads began"
        client, doing, place = self._last
        call = f"client {client}'s {self._render(self._calls[client])}"
        if place is None:
            return f"broken as {call} began"
        access = "" if isinstance(doing[0], CodeType) else f" ({said(doing)})"
        return f"broken by {call} at {place}{access}"


def place_of_access(doing: Any, frame: FrameType | None = None) -> Place | None:
    """Where a thread is about to do this (what a watcher is told); None if it only begins a call.

    The line that calls the primitive's method, through the `with` statement or not. `frame` is the thread's
    innermost one; that of the running thread unless given.
    """
    if not isinstance(doing, tuple):
        return None
    if isinstance(doing[0], CodeType):
        return Place(*doing)
    primitives = type(doing[0]).__init__.__code__.co_filename
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


class Races:
    """Data races by happens-before between the threads that run at once. Client 0's setup comes before all that
    they do, its observers after: it races with nobody, and need not be heard."""

    def __init__(self) -> None:
        self.looked = False
        self._detector = RaceDetector()

    def arrived(self) -> str | None:
        races = self._detector.races
        return str(races[0]) if races else None

    def step(self, client: int, doing: Any) -> str | None:
        # Memory of Python code that is not made of `impl.sync` is not seen.
        self.looked = self.looked or (isinstance(doing, tuple) and isinstance(doing[1], Access))
        self._detector.step(client, doing)
        return self.arrived()

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        self._detector.effect(client, target, access, happened)
