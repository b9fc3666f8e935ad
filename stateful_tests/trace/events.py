"""What happened in a failing run, as values: the one thing that the accounts for people and for machines are made of.

The idea: a trace is rows in the order of the run, each one thing that one client did, so that a rendering is a pure
function of it. All that a row holds is text and numbers taken while the run stood still; nothing of the object under
test is kept. These structs are the schema of the JSON, too (docs/trace.md).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec

SCHEMA = 1
"""Grows when a field is removed or changes its meaning; a new field does not change it."""


class Why(StrEnum):
    """Why another client went on. All but the first were forced."""

    PREEMPTED = "preempted"
    WAITS = "waits"
    ENDED = "ended"
    GAVE_WAY = "gave way"


class _Struct(msgspec.Struct, frozen=True, omit_defaults=True):
    pass


class _Row(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag=str.lower):
    pass


class Touch(_Struct, frozen=True):
    """What a step read or wrote. `kind` is an `Access` of a primitive, or `read`, `write` and `assign` (a local
    variable) in traced code; `name` is the primitive's, or the expression. `value` is what was read or written as text,
    null where it is not known; `happened` the outcome of a compare-and-swap or of a try. `note` is the same in words,
    "" for what only leads to another touch of the same line."""

    kind: str
    name: str
    args: tuple[str, ...] = ()
    value: str | None = None
    happened: bool | None = None
    note: str = ""


class Call(_Row, frozen=True):
    """A client calls an operation."""

    client: int
    call: str


class Return(_Row, frozen=True):
    """The operation has answered, or has raised (`error` is the exception's name)."""

    client: int
    answer: str
    error: str | None = None


class Step(_Row, frozen=True):
    """A client ran a line (`traced`), or accessed a primitive there. `steps` is how many of the scheduler's steps that
    was: a line may be left in the middle, and then comes again (`continued`). `owners` are the locks held after it, each
    with its clients, where that has changed."""

    client: int
    file: str
    line: int
    function: str
    source: str
    touches: tuple[Touch, ...] = ()
    steps: int = 1
    traced: bool = True
    continued: bool = False
    owners: dict[str, tuple[int, ...]] | None = None


class Switch(_Row, frozen=True):
    """`client` no longer runs, client `to` does. `waits` says for what, if it has to."""

    client: int
    to: int
    why: Why
    waits: str = ""


class State(_Row, frozen=True):
    """The object under test, after what comes before; `client` made that change."""

    client: int
    text: str


class End(_Row, frozen=True):
    """The run ended while this client stood here."""

    client: int
    why: str


class Repeat(_Row, frozen=True):
    """These rows came so many times in a row, without any difference."""

    rows: tuple[Row, ...]
    times: int


class Omitted(_Row, frozen=True):
    """So many steps were left out here: the middle of a very long run."""

    count: int


Row: TypeAlias = Call | Return | Step | Switch | State | End | Repeat | Omitted


class Held(_Struct, frozen=True):
    """One client of a cycle: it holds `lock`, taken at `taken` ("file:line", "" if not known), and waits at `at` for
    `wanted`, which the next one holds."""

    client: int
    lock: str
    taken: str
    wanted: str
    at: str


class Recorded(_Struct, frozen=True):
    """An operation of the history; `core` if it is one of those that no order explains."""

    client: int
    call: int
    returned: int | None
    operation: str
    core: bool = False


class Minimum(_Struct, frozen=True):
    """How small the failure is, and what was shown of that.

    So many `operations` in so many `threads` at once, with operations `before` and `after` them. If the program was not
    `given`, smaller `programs` were explored: every part of it if `every_part`, else it without one operation each. All
    `runs` of all of them were made if there is a `within`, which says of which schedules these are all; else only
    `programs_run` were explored to their end. None fails so or more plainly; `otherwise` runs failed less plainly.
    `schedules` of the program itself with fewer `preemptions` were run and do not fail so; all of them if `fewest`.
    """

    threads: int
    operations: int
    preemptions: int
    before: int = 0
    after: int = 0
    given: bool = False
    every_part: bool = False
    programs: int = 0
    programs_run: int = 0
    runs: int = 0
    within: str = ""
    otherwise: int = 0
    schedules: int = 0
    fewest: bool = False


class Trace(msgspec.Struct, frozen=True):
    """A failing run. `before` and `after` are what client 0 did alone, `rows` what the clients did at once.

    `repeated` is False if the run that was watched did not go as the one that failed: the rows are then of another run.
    `valued` is False if values could not be looked at without changing the run; there are none then. `minimum` is null
    for a run that nobody made smaller.
    """

    kind: str
    summary: str
    clients: tuple[int, ...]
    before: tuple[Row, ...]
    rows: tuple[Row, ...]
    after: tuple[Row, ...]
    history: tuple[Recorded, ...]
    cycle: tuple[Held, ...] = ()
    schedule: str = "-"
    repeated: bool = True
    valued: bool = True
    minimum: Minimum | None = None
    schema: int = SCHEMA
