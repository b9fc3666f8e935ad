"""Stops simulated threads between the instructions of anybody's unmodified Python.

The idea: a trace callback runs before each instruction, and greenlets may be switched inside it. Only
instructions that can touch shared memory matter, and only in the files under test.

The obstacle: CPython counts nested callbacks in a counter of the OS thread (`tstate->tracing`), drops events
while it is not zero, and greenlet does not save it. So the counter must be the same on both sides of a switch:
* every switch happens inside a callback (code outside of one goes through a traced function that does nothing);
* a greenlet that has never run is entered by `sys.call_tracing`, which zeroes the counter for the callee;
* a greenlet never ends, but parks inside a callback.
Before 3.12 the events come from `sys.settrace`, from then on from `sys.monitoring` (PEP 669).
"""

from __future__ import annotations

import dis
import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from greenlet import greenlet

Point = Callable[[Any], None]
Elsewhere = Callable[[FrameType], None]

_OURS = str(Path(__file__).parents[2]) + os.sep
"""Where mapproof is: its functions are no news to whoever asks for code of other files."""

_LOCAL = frozenset(
    """
    RESUME NOP CACHE POP_TOP COPY SWAP PUSH_NULL EXTENDED_ARG PRECALL KW_NAMES
    LOAD_FAST LOAD_FAST_CHECK LOAD_FAST_AND_CLEAR LOAD_FAST_LOAD_FAST STORE_FAST STORE_FAST_LOAD_FAST
    STORE_FAST_STORE_FAST DELETE_FAST LOAD_CONST LOAD_ASSERTION_ERROR LOAD_BUILD_CLASS LOAD_METHOD
    RETURN_CONST RETURN_VALUE RETURN_GENERATOR MAKE_FUNCTION MAKE_CELL COPY_FREE_VARS SET_FUNCTION_ATTRIBUTE
    LOAD_CLOSURE
    JUMP_FORWARD JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT POP_JUMP_IF_TRUE POP_JUMP_IF_FALSE POP_JUMP_IF_NONE
    POP_JUMP_IF_NOT_NONE POP_JUMP_FORWARD_IF_TRUE POP_JUMP_FORWARD_IF_FALSE POP_JUMP_FORWARD_IF_NONE
    POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_BACKWARD_IF_FALSE
    POP_JUMP_BACKWARD_IF_NONE POP_JUMP_BACKWARD_IF_NOT_NONE JUMP_IF_TRUE_OR_POP JUMP_IF_FALSE_OR_POP
    IS_OP UNARY_NOT TO_BOOL BUILD_TUPLE BUILD_LIST BUILD_MAP BUILD_SLICE BUILD_STRING BUILD_CONST_KEY_MAP
    FORMAT_VALUE FORMAT_SIMPLE CONVERT_VALUE PUSH_EXC_INFO POP_EXCEPT RERAISE CHECK_EXC_MATCH
    LIST_TO_TUPLE END_FOR END_SEND
    """.split()
)
"""Instructions that reach only the frame's own stack and variables, or what cannot change."""

_IN_PLACE = 13
"""BINARY_OP arguments from here on are `+=` and its kin, which may change a shared object in place."""

_METHOD_FLAG = 1
"""LOAD_ATTR (3.12 and later) with this bit set fetches a method for the call that follows."""


def shared_offsets(code: CodeType) -> frozenset[int]:
    """Offsets of the instructions of `code` that may read or write shared memory."""
    known = _shared.get(id(code))
    if known is None:
        offsets = frozenset(found.offset for found in dis.get_instructions(code) if _may_share(found, code))
        known = _shared[id(code)] = (code, offsets)
    return known[1]


_shared: dict[int, tuple[CodeType, frozenset[int]]] = {}
"""By the identity of the code, which is kept alive for that: to hash a code object is to hash all that is in it."""


def _may_share(instruction: dis.Instruction, code: CodeType) -> bool:
    name = instruction.opname
    if name in _LOCAL:
        return False
    argument = instruction.arg or 0
    if name == "BINARY_OP":
        return argument >= _IN_PLACE
    if name == "LOAD_ATTR" and sys.version_info >= (3, 12):
        return not argument & _METHOD_FLAG
    if name == "LOAD_GLOBAL":
        return instruction.argval in _assigned_globals(code.co_filename)
    return True


def _assigned_globals(filename: str) -> frozenset[str]:
    """Names that some function of the file declares `global`; the others are bound once, at import."""
    known = _globals.get(filename)
    if known is None:
        known = _globals[filename] = frozenset(_find_global_statements(filename))
    return known


_globals: dict[str, frozenset[str]] = {}


def _find_global_statements(filename: str) -> Iterator[str]:
    import ast
    import linecache

    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from node.names


def line_of(code: CodeType, offset: int) -> int:
    """The source line of the instruction at `offset`."""
    for start, end, line in code.co_lines():
        if start <= offset < end and line is not None:
            return line
    return code.co_firstlineno


def _gate() -> None:
    """Traced, and does nothing: calling it is how code outside of a callback gets into one."""


class TracingLost(BaseException):
    """Someone else took the trace function, so instructions are no longer seen."""


class _Gated:
    """What both ways of tracing share: the gate, and the action that waits behind it."""

    def __init__(self, files: Collection[str]) -> None:
        self.files = frozenset(files)
        self._action: Callable[[], None] | None = None
        self._point: Point | None = None
        self._elsewhere: Elsewhere | None = None

    def enter(self, action: Callable[[], None]) -> None:
        self._action = action
        _gate()
        if self._action is action:
            raise TracingLost(
                "tracing was switched off during a run, by a debugger or by the code under test"
            )

    def start(self, thread: greenlet) -> None:
        sys.call_tracing(thread.switch, ())

    def watch(self, point: Point | None, elsewhere: Elsewhere | None = None) -> None:
        self._point = point
        self._elsewhere = elsewhere

    def prepare(self) -> None:
        """Nothing to do, unless the way of tracing says otherwise."""

    def _at_gate(self) -> None:
        action, self._action = self._action, None
        if action is not None:
            action()


class _SetTrace(_Gated):
    def __init__(self, files: Collection[str]) -> None:
        super().__init__(files)
        self._tracers: dict[int, Callable[[FrameType, str, Any], Any]] = {}

    def prepare(self) -> None:
        # Each greenlet has its own use_tracing flag before 3.12, and an exception that leaves a trace function
        # switches tracing off; this sets both.
        sys.settrace(self._on_call)

    def _on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if code is _gate.__code__:
            self._at_gate()
            return None
        if self._point is None:
            return None
        if code.co_filename not in self.files:
            if self._elsewhere is not None and not code.co_filename.startswith(_OURS):
                self._elsewhere(frame)
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._tracer_of(code)

    def _tracer_of(self, code: CodeType) -> Callable[[FrameType, str, Any], Any]:
        tracer = self._tracers.get(id(code))
        if tracer is None:
            tracer = self._tracers[id(code)] = self._made_for(code)
        return tracer

    def _made_for(self, code: CodeType) -> Callable[[FrameType, str, Any], Any]:
        """What is called before each instruction of that code: the busiest function of all, so it looks up little."""
        places = {offset: (code, offset) for offset in shared_offsets(code)}

        def on_event(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "opcode" and frame.f_lasti in places and self._point is not None:
                self._point(places[frame.f_lasti])
            return on_event

        return on_event


class _Monitoring(_Gated):
    def __init__(self, files: Collection[str]) -> None:
        super().__init__(files)
        self._places: dict[int, dict[int, tuple[CodeType, int]]] = {}
        self.tool: int | None = None

    def watch(self, point: Point | None, elsewhere: Elsewhere | None = None) -> None:
        super().watch(point, elsewhere)
        if elsewhere is not None and self.tool is not None:
            # Left on from then, as to change the events is to instrument all code anew.
            events = sys.monitoring.events
            wanted = events.INSTRUCTION | events.PY_START | events.PY_RESUME
            if sys.monitoring.get_events(self.tool) != wanted:
                sys.monitoring.set_events(self.tool, wanted)

    def _on_start(self, code: CodeType, offset: int) -> Any:
        if code is _gate.__code__:
            self._at_gate()
        elif code.co_filename in self.files or code.co_filename.startswith(_OURS):
            return sys.monitoring.DISABLE
        elif self._elsewhere is not None:
            self._elsewhere(sys._getframe(1))
        return None

    def _on_instruction(self, code: CodeType, offset: int) -> Any:
        places = self._places.get(id(code)) or self._places_of(code)
        if offset not in places:
            return sys.monitoring.DISABLE
        if self._point is not None:
            self._point(places[offset])
        return None

    def _places_of(self, code: CodeType) -> dict[int, tuple[CodeType, int]]:
        shared = shared_offsets(code) if code.co_filename in self.files else ()
        # The code of other files is not kept alive, so its identity may be another's later.
        found = {offset: (code, offset) for offset in shared}
        if found:
            self._places[id(code)] = found
        return found


@contextmanager
def opcode_events(files: Collection[str]) -> Iterator[_Gated]:
    """An instrument for the code of `files`, alive inside the block. One at a time, on one OS thread."""
    if sys.version_info >= (3, 12):
        with _monitored(_Monitoring(files)) as instrument:
            yield instrument
    else:
        with _settraced(_SetTrace(files)) as instrument:
            yield instrument


@contextmanager
def _settraced(instrument: _SetTrace) -> Iterator[_Gated]:
    previous = sys.gettrace()
    instrument.prepare()
    try:
        yield instrument
    finally:
        sys.settrace(previous)


@contextmanager
def _monitored(instrument: _Monitoring) -> Iterator[_Gated]:
    monitoring = sys.monitoring
    events = monitoring.events
    tool = _take_tool()
    monitoring.register_callback(tool, events.INSTRUCTION, instrument._on_instruction)
    instrument.tool = tool
    for event in (events.PY_START, events.PY_RESUME):
        monitoring.register_callback(tool, event, instrument._on_start)
    monitoring.set_local_events(tool, _gate.__code__, events.PY_START)
    monitoring.set_events(tool, events.INSTRUCTION)
    monitoring.restart_events()
    try:
        yield instrument
    finally:
        monitoring.set_events(tool, 0)
        monitoring.set_local_events(tool, _gate.__code__, 0)
        monitoring.register_callback(tool, events.INSTRUCTION, None)
        for event in (events.PY_START, events.PY_RESUME):
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)


_TOOLS = (3, 4, 5, 2)
"""Tool identifiers to try; 0 and 1 are a debugger's and coverage's (PEP 669)."""


def _take_tool() -> int:
    for tool in _TOOLS:
        if sys.monitoring.get_tool(tool) is None:
            sys.monitoring.use_tool_id(tool, "mapproof")
            return tool
    raise TracingLost("sys.monitoring has no tool identifier left: other tools in this process hold them all")
