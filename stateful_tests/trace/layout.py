"""A trace as lines of cells: what every rendering for people shows, whatever it is drawn on.

The idea: an operation that nothing interrupts is one line, `call  answer`. Only where threads overlap are the lines of
source shown, because there their order is the explanation; and of a long stretch only the beginning and the end.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby
from pathlib import PurePath

from mapproof.stateful_tests.explorer.simulation import FIRST_SPAWNED
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.trace.events import (
    Call,
    End,
    Omitted,
    Repeat,
    Return,
    Row,
    State,
    Step,
    Switch,
    Trace,
    Why,
)

LINES_KEPT = 3
"""Of a long stretch of lines, so many at the start and at the end are shown."""

NARROW = 45
"""In columns that are narrower, the name of the file is left out where all lines are of one."""


TIMES = "\N{MULTIPLICATION SIGN}"


class Style(Enum):
    """What a cell is, for who draws in colours."""

    CALL = "call"
    STEP = "step"
    ACCESS = "access"
    SWITCH = "switch"
    END = "end"
    STATE = "state"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Cell:
    """A line of one client's column; of no column if `client` is None."""

    client: int | None
    style: Style
    text: str
    place: str = ""
    note: str = ""

    def lines(self, width: int) -> Iterator[Cell]:
        """The same in lines of at most so many characters. Only source is cut: what does not fit beside it comes below,
        and whatever else is too long is wrapped."""
        note = f"  {self.note}" if self.note else ""
        if len(self._place) + len(self.text) + len(note) <= width:
            yield replace(self, place=self._place, note=note)
            return
        if self.style is Style.STEP:
            room = max(1, width - len(self._place))
            yield Cell(self.client, self.style, _cut(self.text, room), self._place)
            below = self.note
        else:
            indent = self.text[: len(self.text) - len(self.text.lstrip())]
            yield from (Cell(self.client, self.style, text) for text in _wrapped(self.text, width, indent))
            below = f"{self.note}  {self.place}".strip()
        for text in _wrapped(below, width, _BELOW) if below else ():
            yield Cell(self.client, self.style, "", "", text)

    @property
    def _place(self) -> str:
        if not self.place:
            return ""
        return f"  {self.place} " if self.style is Style.STEP else f"  {self.place}"

    def parts(self) -> tuple[str, str, str]:
        """Place, text and note in the order in which they are shown."""
        if self.style is Style.ACCESS:
            return "", self.text, self.note + self.place
        return self.place, self.text, self.note

    def __str__(self) -> str:
        return "".join(self.parts())


_BELOW = "      "


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    """The text in lines of that width, the first one indented and the others more so."""
    further = indent if indent == _BELOW else f"{indent}    "
    return textwrap.wrap(
        text.strip(), width, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def drawn(trace: Trace, width: int) -> Iterator[Cell]:
    """The lines of the columns, each as wide as its column may be when all are `width` wide."""
    column = width_of_column(trace, width)
    only = _only_file(trace.rows) if column < NARROW else None
    placed = False
    for cell in cells(trace.rows, folds=trace.kind != FailureKind.RACE):
        placed = placed or bool(cell.place)
        if only is not None:
            cell = replace(cell, place=cell.place[len(only) :])
        yield from cell.lines(width if cell.client is None else column)
    if only is not None and placed:
        yield Cell(None, Style.HIDDEN, f"(lines of {only})")


def width_of_column(trace: Trace, width: int) -> int:
    """How wide each column is when all are `width` wide."""
    count = len(trace.clients)
    return (width - 3 * (count - 1)) // count


def _only_file(rows: Sequence[Row]) -> str | None:
    """The file that all lines are of, if it is one."""
    files = {PurePath(row.file).name for row in unfolded_once(rows) if isinstance(row, Step) and row.file}
    return files.pop() if len(files) == 1 else None


def unfolded_once(rows: Sequence[Row]) -> Iterator[Row]:
    """All rows that are told, those in repetitions once."""
    for row in rows:
        if isinstance(row, Repeat):
            yield from unfolded_once(row.rows)
        else:
            yield row


def cells(rows: Sequence[Row], *, folds: bool = True) -> Iterator[Cell]:
    """The lines of the columns, of any length. Unless it `folds`, no operation is one line: to a data race it does not
    matter whether the other one has ended."""
    for client, stretch in groupby(rows, key=_client):
        if client is None:
            for row in stretch:
                yield from _of_all(row)
        else:
            yield from _stretch(client, list(stretch), folds)


def _client(row: Row) -> int | None:
    """The client of whose column it is; that of all its rows, if it is a repetition."""
    if isinstance(row, Repeat):
        clients = {_client(each) for each in row.rows}
        return clients.pop() if len(clients) == 1 else None
    return None if isinstance(row, Omitted) else row.client


def _of_all(row: Row) -> Iterator[Cell]:
    if isinstance(row, Repeat):
        yield from cells(row.rows)
        yield Cell(None, Style.HIDDEN, f"… the last {len(row.rows)} rows came {row.times:,} times in a row")
    elif isinstance(row, Omitted):
        yield Cell(None, Style.HIDDEN, f"… {row.count:,} steps")


def _stretch(client: int, rows: Sequence[Row], folds: bool) -> Iterator[Cell]:
    """What one client did without a switch."""
    lines: list[Row] = []
    open_call: Call | None = None
    for row in rows:
        match row:
            case Call():
                yield from _begun(client, open_call, lines)
                open_call, lines = row, []
            case Return(error=None) if (
                open_call is not None and (folds or not lines) and not _keeps(client, lines)
            ):
                note = f"({_amount(lines)})" if counted(lines) else ""
                yield Cell(client, Style.CALL, f"{open_call.call}  {row.answer}", note=note)
                yield from _last_state(lines)
                open_call, lines = None, []
            case Return():
                yield from _begun(client, open_call, lines)
                yield Cell(client, Style.CALL, f"  {row.answer}")
                open_call, lines = None, []
            case Switch() | End():
                yield from _begun(client, open_call, lines)
                yield _mark(row)
                open_call, lines = None, []
            case _:
                lines.append(row)
    yield from _begun(client, open_call, lines)


def _keeps(client: int, rows: Sequence[Row]) -> bool:
    """Whether the client still holds a lock at the end."""
    changes = [row.owners for row in unfolded_once(rows) if isinstance(row, Step) and row.owners is not None]
    return bool(changes) and any(client in clients for clients in changes[-1].values())


def _amount(rows: Sequence[Row]) -> str:
    """How many lines of source, or accesses of primitives, that is."""
    count = counted(rows)
    one = "line" if all(row.traced for row in unfolded_once(rows) if isinstance(row, Step)) else "access"
    return f"{count:,} {one if count == 1 else {'line': 'lines', 'access': 'accesses'}[one]}"


def _begun(client: int, call: Call | None, lines: Sequence[Row]) -> Iterator[Cell]:
    if call is not None:
        yield Cell(client, Style.CALL, call.call)
    yield from _shortened(client, lines)


def _last_state(lines: Sequence[Row]) -> Iterator[Cell]:
    states = [row for row in lines if isinstance(row, State)]
    if states:
        yield _state(states[-1])


def _state(row: State) -> Cell:
    return Cell(None, Style.STATE, f"      state: {row.text}")


def _mark(row: Switch | End) -> Cell:
    if isinstance(row, End):
        return Cell(row.client, Style.END, f"  ✗ {row.why}")
    words = {Why.PREEMPTED: "switch", Why.WAITS: row.waits or "waits"}
    return Cell(row.client, Style.SWITCH, f"  ↷ {words.get(row.why, row.why.value)}")


def _shortened(client: int, rows: Sequence[Row]) -> Iterator[Cell]:
    """The lines of a stretch; states between them count for nothing, and are shown where their line is."""
    steps = [i for i, row in enumerate(rows) if not isinstance(row, State)]
    hidden = steps[LINES_KEPT:-LINES_KEPT]
    if len(hidden) <= 1:
        hidden = []
    for i, row in enumerate(rows):
        if hidden and i == hidden[0]:
            yield Cell(client, Style.HIDDEN, f"  … {_amount([rows[j] for j in hidden])}")
        if not hidden or not hidden[0] <= i <= hidden[-1]:
            yield from _line(client, row)


def counted(rows: Sequence[Row]) -> int:
    """How many steps that is, those that are told once counted as often as they came."""
    return sum(
        row.times * counted(row.rows) if isinstance(row, Repeat) else isinstance(row, Step) for row in rows
    )


def _line(client: int, row: Row) -> Iterator[Cell]:
    match row:
        case State():
            yield _state(row)
        case Step():
            yield described(row)
        case Repeat(rows=(Step() as only,)):
            once = described(only)
            note = f"{once.note}  {TIMES} {row.times:,}" if once.note else f"{TIMES} {row.times:,}"
            yield Cell(client, once.style, once.text, once.place, note)
        case Repeat():
            for each in row.rows:
                yield from _line(client, each)
            yield Cell(client, Style.HIDDEN, f"  … these {len(row.rows)} lines {TIMES} {row.times:,}")


def described(step: Step) -> Cell:
    """A step: its line of source and what it touched, or the access of a primitive and where that is."""
    notes = [touch.note for touch in step.touches if touch.note]
    if step.owners is not None:
        held = [lock for lock, clients in step.owners.items() if step.client in clients]
        notes.append(f"holds {', '.join(held)}" if held else "holds no lock")
    where = f"{PurePath(step.file).name}:{step.line}" if step.file else ""
    if step.traced:
        source = f"… {step.source}" if step.continued else step.source
        return Cell(step.client, Style.STEP, source, where, "  ".join(notes))
    return Cell(step.client, Style.ACCESS, f"  {notes[0]}", where, "  ".join(notes[1:]))


# -- what stands around the columns


def alone(when: str, rows: Sequence[Row]) -> Iterator[str]:
    """What client 0 did, a line an operation."""
    if rows:
        yield f"{when} (client 0):"
    for i, row in enumerate(rows):
        if isinstance(row, Call):
            after = rows[i + 1] if i + 1 < len(rows) else None
            yield f"  {row.call}  {after.answer if isinstance(after, Return) else 'never ended'}"


def cycle(trace: Trace) -> Iterator[str]:
    """Who holds what and waits for what, in a ring."""
    if trace.cycle:
        yield "wait-for cycle:"
    for held in trace.cycle:
        taken = f" (taken at {held.taken})" if held.taken else ""
        at = f" at {held.at}" if held.at else ""
        yield f"  client {held.client} holds {held.lock}{taken} and waits for {held.wanted}{at} →"
    if trace.cycle:
        yield f"  client {trace.cycle[0].client}"


def history(trace: Trace) -> Iterator[str]:
    """The operations with their times."""
    marked = any(operation.core for operation in trace.history)
    note = " (* = the core: no order of these explains their answers)" if marked else ""
    yield f"history, call..return{note}:"
    for operation in trace.history:
        star = "*" if operation.core else " "
        end = "" if operation.returned is None else operation.returned
        yield f"{star} client {operation.client}  {operation.call:>3}..{end:<3}  {operation.operation}"


NOT_THE_SAME = "The columns are of another run: this schedule, run again to be watched, did not go as it did when it failed."


NO_VALUES = "Values are not shown: this run goes another way when they are looked at."


def remark(trace: Trace) -> str:
    """What is to be known of the columns; "" if they are what they seem."""
    if not trace.repeated:
        return NOT_THE_SAME
    return "" if trace.valued else NO_VALUES


def sentence(trace: Trace) -> str:
    """What went wrong."""
    return f"{trace.kind.upper()}: {trace.summary}"


def title(client: int) -> str:
    """The head of a column; the code under test may have started threads of its own."""
    return f"client {client}" if client < FIRST_SPAWNED else f"thread {client}"
