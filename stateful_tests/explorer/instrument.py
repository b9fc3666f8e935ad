"""Where simulated threads stop, said to a simulation by whoever knows; and the plainest who does.

The idea: a scheduler need not know whether it is asked from a hook or from within a trace callback of the interpreter,
only that control must leave such a place, and come back to it, in the way that the place allows.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

from greenlet import greenlet


class Instrument(Protocol):
    """Where simulated threads stop, and how control may leave such a place."""

    def enter(self, action: Callable[[], None]) -> None:
        """Run `action` where it may switch greenlets."""

    def start(self, thread: greenlet) -> None:
        """Switch to a greenlet that has never run."""

    def prepare(self) -> None:
        """Called in a greenlet when it starts, and again after it was unwound."""

    def watch(
        self, point: Callable[[Any], None] | None, elsewhere: Callable[[FrameType], None] | None = None
    ) -> None:
        """Call `point` with the place before each access of shared memory, until told None; and `elsewhere` with the
        frame whenever a function begins, or a generator goes on, in a file where nothing stops."""


class HookOnly:
    """Threads stop at the hook of `impl.sync` and nowhere else, so a switch is allowed anywhere."""

    def enter(self, action: Callable[[], None]) -> None:
        action()

    def start(self, thread: greenlet) -> None:
        thread.switch()

    def prepare(self) -> None:
        pass

    def watch(
        self, point: Callable[[Any], None] | None, elsewhere: Callable[[FrameType], None] | None = None
    ) -> None:
        pass
