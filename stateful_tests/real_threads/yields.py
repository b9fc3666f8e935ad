"""Gives the processor away at random places of somebody's Python, where the interpreter alone would rarely switch.

The idea: a thread that gives way between a look and an act is what most races wait for. Events at lines, or at
instructions (which part `self.size += 1`), come from `sys.settrace` before 3.12, from `sys.monitoring` from then on. Each
thread draws from numbers of its own: a shared generator has a lock, which would order what is not ordered.
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

_AT_LINES: Final = (0.02, 0.1, 0.3)
_AT_INSTRUCTIONS: Final = (0.005, 0.02, 0.1)
"""The probability of a yield; a thread draws one of them."""

_TOOLS: Final = range(5, -1, -1)


@contextmanager
def yields(files: frozenset[str], instructions: bool) -> Iterator[Join]:
    """While it is open, threads that joined yield at lines of these files, or at instructions."""
    with (_monitored if sys.version_info >= (3, 12) else _traced)(files, instructions) as join:
        yield join


def _yields_or_not(random: Random, instructions: bool) -> Callable[[], None]:
    probability = random.choice(_AT_INSTRUCTIONS if instructions else _AT_LINES)
    draw, sleep = random.random, time.sleep

    def yields_or_not() -> None:
        if draw() < probability:
            sleep(0)

    return yields_or_not


@contextmanager
def _traced(files: frozenset[str], instructions: bool) -> Iterator[Join]:
    wanted = "opcode" if instructions else "line"

    def join(random: Random) -> None:
        yields_or_not = _yields_or_not(random, instructions)

        def at_event(frame: FrameType, event: str, argument: Any) -> Any:
            if event == wanted:
                yields_or_not()
            return at_event

        def at_call(frame: FrameType, event: str, argument: Any) -> Any:
            if frame.f_code.co_filename not in files:
                return None
            frame.f_trace_opcodes = instructions
            return at_event

        sys.settrace(at_call)

    yield join


if sys.version_info >= (3, 12):

    @contextmanager
    def _monitored(files: frozenset[str], instructions: bool) -> Iterator[Join]:
        tool = next((tool for tool in _TOOLS if sys.monitoring.get_tool(tool) is None), None)
        mine = threading.local()

        def join(random: Random) -> None:
            mine.yields_or_not = _yields_or_not(random, instructions)

        def at_event(code: CodeType, place: int) -> Any:
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
        wanted = events.INSTRUCTION if instructions else events.LINE
        sys.monitoring.use_tool_id(tool, "mapproof")
        sys.monitoring.register_callback(tool, wanted, at_event)
        sys.monitoring.restart_events()  # places stay disabled for whoever has the tool next
        sys.monitoring.set_events(tool, wanted)
        try:
            yield join
        finally:
            sys.monitoring.set_events(tool, events.NO_EVENTS)
            sys.monitoring.register_callback(tool, wanted, None)
            sys.monitoring.free_tool_id(tool)

else:
    _monitored = _traced
