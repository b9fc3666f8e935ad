"""Lines of traced code as rows: which instructions make up one line, and what the line read, wrote and assigned.

The idea: a frame runs a line until it stops at another one, or at an instruction that this line has run already (a loop
came round). A thread may be switched in the middle; the rest of the line is then a second row.
"""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from types import CodeType, FrameType
from typing import Any

from mapproof.spec.accesses import Access
from mapproof.stateful_tests.explorer.cooperative_threading import Lock, RLock
from mapproof.stateful_tests.places import Place
from mapproof.stateful_tests.trace.events import Step, Touch
from mapproof.stateful_tests.trace.locks import Owners
from mapproof.stateful_tests.trace.reading import (
    Eyes,
    Instruction,
    Position,
    Site,
    assigned,
    instruction,
    stored,
)
from mapproof.stateful_tests.trace.values import (
    ABSENT,
    UNKNOWN,
    Names,
    attribute,
    inherits,
    looked_up,
    shortened,
)


@dataclass(slots=True)
class Line:
    """A row in the making."""

    client: int
    file: str
    number: int
    function: str
    source: str
    traced: bool
    continued: bool = False
    steps: int = 0
    touches: list[Touch] = field(default_factory=list)
    sites: list[Site | None] = field(default_factory=list)
    owners: tuple[Owners, Owners] | None = None
    """Before and after."""

    @staticmethod
    def at(client: int, place: Place | None, traced: bool) -> Line:
        if place is None:
            return Line(client, "", 0, "", "", traced)
        code = place.code
        return Line(client, code.co_filename, place.number, code.co_qualname, place.source, traced)

    def add(self, touch: Touch, site: Site | None = None) -> int:
        """Where the touch stands in the row."""
        self.touches.append(touch)
        self.sites.append(site)
        return len(self.touches) - 1

    def owned(self, before: Owners, after: Owners) -> None:
        """A step of the row has changed who holds the locks."""
        self.owners = (self.owners[0] if self.owners else before, after)

    @property
    def where(self) -> str:
        """`cache.py:12`; "" if not known."""
        return f"{PurePath(self.file).name}:{self.number}" if self.file else ""

    def step(self) -> Step:
        """The row as it is now."""
        return Step(
            self.client,
            self.file,
            self.number,
            self.function,
            self.source,
            tuple(self._touch(i) for i in range(len(self.touches))),
            self.steps,
            self.traced,
            self.continued,
            # A lock that was taken and given back in one line is nothing that anybody could have waited for.
            None if self.owners is None or self.owners[0] == self.owners[1] else self.owners[1],
        )

    def _touch(self, i: int) -> Touch:
        touch, site = self.touches[i], self.sites[i]
        if site is None or not touch.note:
            return touch
        inside = any(
            other is not None
            and other is not site
            and self.touches[j].note
            and _is_inside(site.node, other.node)
            for j, other in enumerate(self.sites)
        )
        return Touch(touch.kind, touch.name, touch.args, touch.value, touch.happened) if inside else touch


def _is_inside(part: ast.expr, whole: ast.expr) -> bool:
    return part is not whole and any(node is part for node in ast.walk(whole))


@dataclass(slots=True)
class _Visit:
    """A frame, by its identity, at one of its lines. Where values are looked at it holds on to the frame until the line
    is over, and to what the line has read."""

    identity: int
    frame: FrameType | None = None
    line: int = 0
    ran: set[tuple[str, Position]] = field(default_factory=set)
    read: dict[Position, Any] = field(default_factory=dict)
    statement: ast.stmt | None = None
    before: dict[str, int] = field(default_factory=dict)
    row: Line | None = None
    told: bool = False


class Lines:
    """The lines that the clients are at. `values` says whether what they read and write is looked at."""

    def __init__(self, names: Names, values: bool) -> None:
        self._names = names
        self._values = values
        self._visits: dict[int, list[_Visit]] = {}
        self._waiting: Callable[[], None] | None = None
        self.aliases: dict[int, tuple[str, object]] = {}
        """Locks by identity, and the expression by which the code under test first reached them."""

    def settle(self) -> None:
        """The last step is over: what it wrote can be looked at."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting()

    def clear(self) -> None:
        """What comes next is not told."""
        self._waiting = None
        self._visits.clear()

    def returned(self, client: int) -> None:
        """The client's operation has ended, and with it all its lines."""
        for visit in reversed(self._visits.pop(client, [])):
            self._leave(visit)

    def ran(
        self,
        client: int,
        frame: FrameType,
        code: CodeType,
        offset: int,
        last: Line | None,
        access: Access | None = None,
    ) -> Line:
        """The client is about to run this instruction, in `frame`, or is in the middle of it and about to make an
        `access`; `last` is the row before if it may be continued. Answers the row that the instruction is part of."""
        place = Place(code, offset)
        ran = instruction(code, offset) if access is None else None
        # From 3.13 on each `with` of several has a place of its own; before, the second looks like the first again.
        key = None if ran is None or ran.name == "BEFORE_WITH" else (ran.name, ran.position)
        visit = self._visit(client, frame, place.number, key)
        if visit.row is None or visit.row is not last:
            continued = visit.row is not None
            visit.row = Line.at(client, place, traced=True)
            visit.row.continued = continued
        visit.row.steps += 1
        if visit.frame is not None and ran is not None:
            self._look(visit, visit.frame, visit.row, ran)
        return visit.row

    def _visit(self, client: int, frame: FrameType, line: int, key: tuple[str, Position] | None) -> _Visit:
        visits = self._visits.setdefault(client, [])
        on_stack = set(map(id, _frames(frame)))
        while visits and visits[-1].identity not in on_stack:
            self._leave(visits.pop())
        if not visits or visits[-1].identity != id(frame):
            visits.append(_Visit(id(frame), frame if self._values else None))
        visit = visits[-1]
        if visit.line != line or key in visit.ran:
            self._leave(visit)
            visit.line, visit.ran, visit.row, visit.told = line, set(), None, False
            if visit.frame is not None:
                visit.before = {name: id(value) for name, value in _assigned(visit.frame, line)}
        if key is not None:
            visit.ran.add(key)
        return visit

    def _leave(self, visit: _Visit) -> None:
        """The line is over: the variables that it assigned tell what it read, if nothing else does."""
        if visit.row is None or visit.told or visit.frame is None:
            return
        for name, value in _assigned(visit.frame, visit.line):
            if visit.before.get(name) != id(value) and not name.startswith("."):
                text = self._names.text(value)
                visit.row.add(Touch("assign", name, value=text, note=f"{name} = {text}"))

    def _look(self, visit: _Visit, frame: FrameType, row: Line, ran: Instruction) -> None:
        site = ran.site
        if site is None:
            return
        if site.statement is not visit.statement:
            visit.read, visit.statement = {}, site.statement
        code = frame.f_code
        eyes = Eyes(
            frame.f_locals,
            frame.f_globals,
            frozenset((*code.co_cellvars, *code.co_freevars)),
            visit.read,
        )
        if site.writes:
            self._write(visit, row, site, eyes)
        else:
            self._read(visit, row, site, eyes)

    def _read(self, visit: _Visit, row: Line, site: Site, eyes: Eyes) -> None:
        value = eyes.read_now(site.node)
        visit.read[site.span] = value
        name = self._expression(site.node, eyes)
        if value is UNKNOWN:
            return
        self._name_lock(value, name)
        text = self._names.text(value)
        note = "" if site.leads else f"→ {text}" if site.whole else f"{name} → {text}"
        visit.told = visit.told or bool(note)
        row.add(Touch("read", name, value=text, note=note), site)

    def _write(self, visit: _Visit, row: Line, site: Site, eyes: Eyes) -> None:
        name = self._expression(site.node, eyes)
        value = stored(site, eyes)
        at = row.add(Touch("write", name), site)

        def tell(value: Any) -> None:
            if value is not UNKNOWN and value is not ABSENT:
                text = self._names.text(value)
                note = f":= {text}" if site.whole else f"{name} := {text}"
                row.touches[at] = Touch("write", name, value=text, note=note)

        visit.told = True
        if value is UNKNOWN:
            self._waiting = _look_later(site.node, eyes, tell)
        else:
            tell(value)

    def _expression(self, node: ast.expr, eyes: Eyes) -> str:
        """The source of an expression, with the values of its indices."""
        match node:
            case ast.Attribute():
                return f"{self._expression(node.value, eyes)}.{node.attr}"
            case ast.Subscript():
                index = eyes.value(node.slice)
                shown = ast.unparse(node.slice) if index is UNKNOWN else self._names.text(index)
                return f"{self._expression(node.value, eyes)}[{shown}]"
            case _:
                return shortened(ast.unparse(node))

    def _name_lock(self, value: Any, name: str) -> None:
        if type(value) is threading.Condition:
            value = attribute(value, "_lock")
        if type(value) in (Lock, RLock):
            self.aliases.setdefault(id(value), (name, value))


def _look_later(node: ast.expr, eyes: Eyes, tell: Callable[[Any], None]) -> Callable[[], None] | None:
    """What was written could not be told before; it is there once the step is over, and nothing has come since."""
    if isinstance(node, ast.Attribute):
        base, attr = eyes.value(node.value), node.attr
        return None if base is UNKNOWN else lambda: tell(attribute(base, attr))
    if isinstance(node, ast.Subscript):
        base, key = eyes.value(node.value), eyes.value(node.slice)
        if key is not UNKNOWN and base is not UNKNOWN and inherits(base, dict, "__getitem__", "__setitem__"):
            return lambda: tell(looked_up(base, key))
    return None


def _assigned(frame: FrameType, line: int) -> Iterator[tuple[str, Any]]:
    """The local variables that the line assigns, with their values, as far as they have one."""
    local = frame.f_locals
    for name in assigned(frame.f_code, line):
        if name in local:
            yield name, local[name]


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def frame_of(code: CodeType) -> FrameType | None:
    """The innermost frame of the running thread that runs this code."""
    return next((frame for frame in _frames(sys._getframe(1)) if frame.f_code is code), None)
