"""Gives the processor away at random lines of somebody's Python, where the interpreter alone would rarely switch.

The idea: a thread that gives way between a look and an act is what most races wait for. Line events come from
`sys.settrace` before 3.12, from `sys.monitoring` from then on. Each thread draws from numbers of its own: a shared
generator has a lock, which would order what is not ordered.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from types import CodeType, FrameType
from typing import Any, Final

Join = Callable[[Random], None]
"""Called in a thread that shall yield from now on, with its own generator."""

_PROBABILITIES: Final = (0.02, 0.1, 0.3)
"""Of a yield at a line; a thread draws one of them."""

_TOOLS: Final = range(5, -1, -1)


@contextmanager
def yields_at_lines(files: frozenset[str]) -> Iterator[Join]:
    """While it is open, threads that joined yield at lines of these files."""
    with (_monitored if sys.version_info >= (3, 12) else _traced)(files) as join:
        yield join


def _yields_or_not(random: Random) -> Callable[[], None]:
    probability, draw, sleep = random.choice(_PROBABILITIES), random.random, time.sleep

    def yields_or_not() -> None:
        if draw() < probability:
            sleep(0)

    return yields_or_not


@contextmanager
def _traced(files: frozenset[str]) -> Iterator[Join]:
    def join(random: Random) -> None:
        yields_or_not = _yields_or_not(random)

        def at_line(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "line":
                yields_or_not()
            return at_line

        def at_call(frame: FrameType, event: str, argument: Any) -> Any:
            return at_line if frame.f_code.co_filename in files else None

        sys.settrace(at_call)

    yield join


if sys.version_info >= (3, 12):

    @contextmanager
    def _monitored(files: frozenset[str]) -> Iterator[Join]:
        tool = next((tool for tool in _TOOLS if sys.monitoring.get_tool(tool) is None), None)
        mine = threading.local()

        def join(random: Random) -> None:
            mine.yields_or_not = _yields_or_not(random)

        def at_line(code: CodeType, line: int) -> Any:
            if code.co_filename not in files:
                return sys.monitoring.DISABLE
            yields_or_not = getattr(mine, "yields_or_not", None)
            if yields_or_not is not None:
                yields_or_not()
            return None

        if tool is None:  # all taken, by debuggers and the like: the map runs without these yields
            yield join
            return
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(tool, "mapproof")
        sys.monitoring.register_callback(tool, events.LINE, at_line)
        sys.monitoring.restart_events()  # lines stay disabled for whoever has the tool next
        sys.monitoring.set_events(tool, events.LINE)
        try:
            yield join
        finally:
            sys.monitoring.set_events(tool, events.NO_EVENTS)
            sys.monitoring.free_tool_id(tool)

else:
    _monitored = _traced
