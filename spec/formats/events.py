"""Pairs the calls and returns of a log into operations, for every format that records events.

The idea: the place of an event in its log is its time, for the log was written in the order of the events, while
its clock may stand still or jump. So only the operations that are running need to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from mapproof.spec.history import HistoryError, Operation
from mapproof.spec.values import identity

INVOKE: Final = "invoke"
TYPES: Final = (INVOKE, "ok", "fail", "info")
UNSAID: Final = object()


class Event(NamedTuple):
    """One line of a log. `where` is `name:line`, `time` the place of the event; `type` is one of TYPES.

    `key` is UNSAID in a return that does not repeat it.
    """

    where: str
    time: int
    process: int
    type: str
    f: str
    key: Any
    value: Any


class Meaning(NamedTuple):
    """What an operation of a log is to the model: its name, arguments and, where it was answered, result."""

    op: str
    args: tuple[Any, ...]
    result: Any = None


Translate = Callable[[Event, Event | None], Meaning | None]
"""The meaning of a call and its return; None for the return if it is not known, None for one that never was."""


def operations(events: Iterable[Event], translate: Translate) -> Iterator[Operation]:
    """The operations, in the order of their returns; those that never returned come last.

    `ok` is an answer, `fail` what `translate` makes of it. After `info` the operation may take effect at any later
    time or never, and its process has crashed: its number must not be used again. Raises HistoryError.
    """
    running: dict[int, Event] = {}
    crashed: dict[int, Event] = {}
    for event in events:
        if event.process in crashed:
            at = crashed[event.process].where.rpartition(":")[2]
            raise HistoryError(f"{event.where}: process: {event.process} crashed (:info) in line {at}")
        call = running.get(event.process)
        if event.type == INVOKE:
            if call is not None:
                raise HistoryError(f"{event.where}: process: {event.process} is still running its {call.f}")
            running[event.process] = event
            continue
        if call is None:
            raise HistoryError(
                f"{event.where}: process: {event.process} ends a {event.f} that it never invoked"
            )
        if call.f != event.f:
            raise HistoryError(f"{event.where}: f: {event.f} ends the {call.f} of process {event.process}")
        if event.key is not UNSAID and identity(event.key) != identity(call.key):
            raise HistoryError(
                f"{event.where}: key: not the one that process {event.process} called {call.f} for"
            )
        del running[event.process]
        if event.type == "info":
            crashed[event.process] = event
            yield from _operation(call, None, translate)
        else:
            yield from _operation(call, event, translate)
    for call in running.values():
        yield from _operation(call, None, translate)


def _operation(call: Event, end: Event | None, translate: Translate) -> Iterator[Operation]:
    if meaning := translate(call, end):
        op, args, result = meaning
        return_ = None if end is None else end.time
        yield Operation(call.process, op, call.key, args, result, call.time, return_)
