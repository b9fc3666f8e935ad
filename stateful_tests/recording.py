"""What is written down of one run: its operations, in the order of their calls, and the first thing that went wrong.

The idea: a history needs no clock but one that ticks at each call and each return, as one thread runs at a time. Of
several complaints the first is the cause as far as anybody can tell, so it stands and the others are forgotten.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mapproof.spec.history import Operation
from mapproof.stateful_tests.explorer.endings import Ending, Wait
from mapproof.stateful_tests.scenarios import Call


class FailureKind(StrEnum):
    """What can be wrong with a run, the plainest first."""

    EXCEPTION = "exception"
    ANSWER = "impossible answer"
    DEADLOCK = "deadlock"
    LEAK = "lock not given back"
    ENDLESS = "never ends"
    RACE = "data race"
    INVARIANT = "broken invariant"
    PROGRESS = "no progress"
    VIOLATION = "not linearizable"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong. `core` is the part of the history that no order explains (violations only)."""

    kind: FailureKind
    summary: str
    core: tuple[Operation, ...] = ()


@dataclass(slots=True)
class Recording:
    """The operations of one run and its failure, if there is one."""

    operations: list[Operation] = field(default_factory=list)
    failure: Failure | None = None
    _clock: int = 0

    def called(self, client: int, call: Call) -> int:
        """A call begins: where its operation stands among the `operations`."""
        self._clock += 1
        self.operations.append(Operation(client, call.op, call.key, call.args, None, self._clock, None))
        return len(self.operations) - 1

    def returned(self, place: int, result: Any, error: str | None) -> Operation:
        """The call that stands there has answered, or has raised the exception of that name."""
        self._clock += 1
        begun = self.operations[place]
        ended = Operation(
            begun.client, begun.op, begun.key, begun.args, result, begun.call, self._clock, error
        )
        self.operations[place] = ended
        return ended

    def fail(self, kind: FailureKind, summary: str) -> None:
        """Something went wrong; only the first is kept."""
        if self.failure is None:
            self.failure = Failure(kind, summary)


def describe_exception(client: int, call: str, raised: BaseException) -> str:
    """Who raised what in which call, and at which line."""
    message = str(raised)
    frames = traceback.extract_tb(raised.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    text = type(raised).__name__ + (f": {message}" if message else "")
    return f"client {client}: {call} raised {text}{where}"


def describe_deadlock(waits: tuple[Wait, ...]) -> str:
    """Who waits for what, and who has it."""
    return "; ".join(f"client {wait.thread} waits to {wait.access} {_held(wait, waits)}" for wait in waits)


def describe_endless(ending: Ending) -> str:
    """Who went on and on where."""
    spins = (f"; client {client} is still at `{position}`" for client, position in ending.spins)
    return f"an operation did not end within {ending.steps:,} steps{''.join(spins)}"


def _held(wait: Wait, waits: tuple[Wait, ...]) -> str:
    if wait.holder is None:
        return wait.target
    if wait.holder == wait.thread:
        return f"{wait.target}, which it holds itself"
    ended = "" if wait.holder in {other.thread for other in waits} else ", which has ended"
    return f"{wait.target}, held by client {wait.holder}{ended}"
