"""A failing run as people read it: one column a thread, the lines that ran between two switches, the history.

The idea: an operation that nothing interrupted is one row, `call → answer`. Only where threads overlap are the
source lines shown, because there the order of lines is the explanation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import CodeType
from typing import Any

from mapproof.spec.history import History, Operation
from mapproof.stateful_tests.execution import NO_CHECKS, Checks, Execution, Laboratory, Subject
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.places import Place, said
from mapproof.stateful_tests.recording import Failure
from mapproof.stateful_tests.scenarios import Call, Scenario

WIDTH = 118
_LINES_KEPT = 3
"""Of a long stretch of lines, so many at the start and at the end are shown."""


@dataclass(frozen=True, slots=True)
class _Event:
    """Something that a client did: began a call, ran a line or an access, or ended the call."""

    client: int
    text: str
    begins: bool = False
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A failing scenario, its run, the account of it for people, and what was watched at every step."""

    scenario: Scenario
    execution: Execution
    account: str
    checks: Checks = NO_CHECKS


def counterexample(laboratory: Laboratory, scenario: Scenario, execution: Execution) -> Counterexample:
    """A failing run with its account; runs it once more to watch it."""
    account = tell(laboratory, scenario, execution)
    return Counterexample(scenario, execution, account, laboratory.checks)


def tell(laboratory: Laboratory, scenario: Scenario, execution: Execution) -> str:
    """The whole account of a failing run; runs it once more to watch it."""
    assert execution.failure is not None
    events = _watch(laboratory, scenario, execution)
    parts = [
        _sentence(execution.failure),
        _alone("before", [event for event in events if event.client == 0][: 2 * len(scenario.setup)]),
        "\n".join(_columns([event for event in events if event.client > 0], len(scenario.threads))),
        _alone("after", [event for event in events if event.client == 0][2 * len(scenario.setup) :]),
        "\n".join(_history(execution.history, execution.failure.core)),
    ]
    return "\n\n".join(part for part in parts if part)


def _sentence(failure: Failure) -> str:
    return f"{failure.kind.value.upper()}: {failure.summary}"


def _watch(laboratory: Laboratory, scenario: Scenario, execution: Execution) -> list[_Event]:
    events: list[_Event] = []
    subject = laboratory.subject

    def step(client: int, doing: Any) -> None:
        if client > 0 and not isinstance(doing, Call) and doing is not None:
            events.append(_Event(client, _describe(doing)))

    def announce(client: int, call: Call, operation: Operation | None) -> None:
        if operation is None:
            events.append(_Event(client, subject.render(call), begins=True))
        else:
            events.append(_Event(client, _answer(operation, subject), ends=True))

    laboratory.watch(step, announce)
    try:
        replay = Replay(execution.schedule)
        replay.begin()
        laboratory.run(scenario, replay)
    finally:
        laboratory.watch(None, None)
    return events


def _answer(operation: Operation, subject: Subject) -> str:
    return subject.told(operation) if operation.error is None else f"raised {operation.error}"


def _describe(doing: Any) -> str:
    if isinstance(doing[0], CodeType):
        place = Place(*doing)
        return f"{place.line} {place.source}"
    return said(doing)


def _alone(when: str, events: Sequence[_Event]) -> str:
    """What client 0 did, a row an operation."""
    rows = [f"  {text}" for text in _whole_operations(events)]
    return "\n".join([f"{when} (client 0):", *rows]) if rows else ""


def _whole_operations(events: Sequence[_Event]) -> Iterator[str]:
    for i, event in enumerate(events):
        if event.begins:
            ended = i + 1 < len(events) and events[i + 1].ends
            yield f"{event.text}  {events[i + 1].text}" if ended else f"{event.text}  never ended"


def _columns(events: Sequence[_Event], clients: int) -> Iterator[str]:
    width = (WIDTH - 3 * (clients - 1)) // clients
    yield " │ ".join(f"client {client}".ljust(width) for client in range(1, clients + 1)).rstrip()
    yield "─┼─".join("─" * width for _ in range(clients))
    for client, stretch in groupby(events, key=lambda event: event.client):
        for text in _stretch(list(stretch)):
            cells = [""] * clients
            cells[client - 1] = text
            yield " │ ".join(_fit(cell, width) for cell in cells).rstrip()


def _fit(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _stretch(events: Sequence[_Event]) -> Iterator[str]:
    """The rows of what one client did without a switch."""
    lines: list[str] = []
    open_call: str | None = None
    for event in events:
        if event.begins:
            open_call, lines = event.text, []
        elif event.ends and open_call is not None:
            yield f"{open_call}  {event.text}"
            open_call, lines = None, []
        elif event.ends:
            yield from _shorten(lines)
            yield f"  {event.text}"
            lines = []
        elif not lines or lines[-1] != event.text:
            lines.append(event.text)
    if open_call is not None:
        yield open_call
    yield from _shorten(lines)


def _shorten(lines: Sequence[str]) -> Iterator[str]:
    hidden = len(lines) - 2 * _LINES_KEPT
    if hidden <= 1:
        yield from (f"  {line}" for line in lines)
        return
    yield from (f"  {line}" for line in lines[:_LINES_KEPT])
    yield f"  … {hidden} more"
    yield from (f"  {line}" for line in lines[-_LINES_KEPT:])


def _history(history: History, core: Sequence[Operation]) -> Iterator[str]:
    marked = " (* = the core: no order of these explains their answers)" if core else ""
    yield f"history, call..return{marked}:"
    in_core = {(operation.client, operation.call) for operation in core}
    for operation in history.operations:
        star = "*" if (operation.client, operation.call) in in_core else " "
        end = "" if operation.return_ is None else operation.return_
        yield f"{star} client {operation.client}  {operation.call:>3}..{end:<3}  {operation}"
