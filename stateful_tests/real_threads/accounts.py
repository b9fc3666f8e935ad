"""What people read of a map that failed under real threads.

The idea: whoever finds a dead process asks what it was doing. So the operations that were running come first, then
the last ones of each client, then the stacks, each under the client whose thread it is.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from mapproof.spec.history import Operation
from mapproof.stateful_tests.real_threads.journal import Entry
from mapproof.stateful_tests.real_threads.messages import Description

LAST: Final = 4
"""So many operations of each client are shown."""

TIMES: Final = "call..return in nanoseconds since the first call"

_OUTPUT_LINES: Final = 15

_FRAME: Final = re.compile(r'  File "(?P<file>.*)", line (?P<line>\S+) in (?P<name>.*)')
_THREAD: Final = re.compile(r"(Current thread|Thread) 0x(?P<ident>[0-9a-f]+)")


def since_the_first_call(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """The same with short times: nanoseconds since the first of their calls."""
    operations = tuple(operations)
    start = min((operation.call for operation in operations), default=0)
    return tuple(
        replace(
            operation,
            call=operation.call - start,
            return_=None if operation.return_ is None else operation.return_ - start,
        )
        for operation in operations
    )


def table(operations: Sequence[Operation]) -> Iterator[str]:
    """A line for each: the client, call..return, what it did."""
    ends = ["" if operation.return_ is None else str(operation.return_) for operation in operations]
    wide = max((len(str(operation.call)) for operation in operations), default=0)
    wide_end = max(map(len, ends), default=0)
    for operation, end in zip(operations, ends, strict=True):
        yield f"  client {operation.client}  {operation.call:>{wide}}..{end:<{wide_end}}  {operation}"


def running(entries: Sequence[Entry], description: Description | None) -> Iterator[str]:
    """The calls that had not returned, as their user would write them."""
    pending = [entry for entry in entries if entry.operation.pending]
    if not pending:
        yield "no operation was running"
        return
    yield "running at the end:"
    for entry in pending:
        yield f"  client {entry.operation.client}  {spelled(entry, description)}"


def spelled(entry: Entry, description: Description | None) -> str:
    """The call of an operation in the words of its user; before these are known, in the model's."""
    operation = entry.operation
    if description is None:
        return str(operation).removesuffix(" pending")
    text = description.forms[operation.op][entry.form]
    return text.format(*map(repr, operation.args), k=repr(operation.key))


def last_operations(operations: Sequence[Operation]) -> Iterator[str]:
    """The last ones of each client, those that were running among them."""
    shown = [
        operation
        for client in sorted({operation.client for operation in operations})
        for operation in [own for own in operations if own.client == client][-LAST:]
    ]
    if shown:
        yield f"the last operations, {TIMES}:"
        yield from table(shown)


def own_frames(error: BaseException) -> Iterator[str]:
    """The traceback, without the kit's frames."""
    frames = traceback.extract_tb(error.__traceback__)
    for text in traceback.format_list([frame for frame in frames if not _is_the_kits(frame.filename)]):
        yield from text.splitlines()


def stacks(text: str, clients: Mapping[int, int]) -> Iterator[str]:
    """What faulthandler wrote of the threads that were in the map, without the kit's frames.

    `clients` has the client of each thread's identity, for those that were running an operation.
    """
    for block in _blocks(text):
        header = next((found for line in block if (found := _THREAD.match(line))), None)
        frames = [found for line in block if (found := _FRAME.match(line))]
        shown, called_by_us = _of_the_map(frames)
        client = None if header is None else clients.get(int(header["ident"], 16))
        if not shown or (called_by_us and client is None):
            continue
        yield f"  {f'client {client}' if client is not None else 'another thread'}, innermost first:"
        for frame in shown:
            yield f"    {frame['file']}:{frame['line']} in {frame['name']}"


def _of_the_map(frames: list[re.Match[str]]) -> tuple[list[re.Match[str]], bool]:
    """The frames, innermost first, that were called by the kit, without those that yield, and whether it called any."""
    inner_to_outer = [_is_the_kits(frame["file"]) for frame in frames]
    if True not in inner_to_outer:
        return frames, False
    outermost = len(frames) - 1 - inner_to_outer[::-1].index(True)
    while outermost > 0 and inner_to_outer[outermost - 1]:
        outermost -= 1
    return [frame for frame, ours in zip(frames[:outermost], inner_to_outer, strict=False) if not ours], True


_ROOM: Final = Path(__file__).parents[1]
_KIT: Final = tuple(str(_ROOM.parent / room) + os.sep for room in ("spec", _ROOM.name))
"""Below these no map is: those of the kit are in `impl`."""


def _is_the_kits(file: str) -> bool:
    return file.startswith(_KIT)


def _blocks(text: str) -> Iterator[list[str]]:
    """The lines of each thread."""
    block: list[str] = []
    for line in text.splitlines():
        if _THREAD.match(line) and block:
            yield block
            block = []
        block.append(line)
    yield block


def last_lines(output: str) -> Iterator[str]:
    """The end of what the process printed."""
    lines = output.splitlines()
    if lines:
        yield "the last that it printed:"
        yield from (f"  {line}" for line in lines[-_OUTPUT_LINES:])
