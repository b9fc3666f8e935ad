"""Does the code under test depend on more than its schedule? One schedule is run twice, and compared.

The idea: a simulated run has no time and no chance of its own, so two runs of one schedule that part are parted by the
code under test: by what it draws, by the address or the hash of an object, by what an earlier run left behind. What is
compared is where each thread stands before each of its steps, in words that hold from run to run (`positions`), and
what each operation answers, in the order of the run; the first difference is what is told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from mapproof.spec.history import Operation
from mapproof.stateful_tests.execution import Laboratory, Subject
from mapproof.stateful_tests.explorer.positions import position_of
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.strategy import Schedule
from mapproof.stateful_tests.recording import Failure
from mapproof.stateful_tests.scenarios import Call, Scenario

_ADDRESS = re.compile(r"0x[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class _Stood:
    """A client stands before a step."""

    client: int
    position: str

    def __str__(self) -> str:
        return f"client {self.client} stood at `{self.position}`"


@dataclass(frozen=True, slots=True)
class _Answered:
    """A client's operation has ended."""

    client: int
    call: str
    answer: str

    def __str__(self) -> str:
        return f"client {self.client}'s {self.call} {self.answer}"


@dataclass(frozen=True, slots=True)
class _Failed:
    """The run failed; not every failure is in an answer."""

    failure: str

    def __str__(self) -> str:
        return f"it failed ({self.failure})"


_Event = _Stood | _Answered | _Failed


@dataclass(slots=True)
class _Events:
    """What happens in a run, in its order."""

    subject: Subject
    seen: list[_Event] = field(default_factory=list)

    def step(self, client: int, doing: Any) -> None:
        self.seen.append(_Stood(client, position_of(doing)))

    def call(self, client: int, call: Call, operation: Operation | None) -> None:
        if operation is None:
            return
        told = f"raised {operation.error}" if operation.error else self.subject.told(operation)
        self.seen.append(_Answered(client, self.subject.render(call), _ADDRESS.sub("0x…", told)))

    def failed(self, failure: Failure | None) -> None:
        if failure is not None:
            self.seen.append(_Failed(failure.kind.value))


def differences(lab: Laboratory, scenario: Scenario, schedule: Schedule) -> str | None:
    """Run the schedule twice: the first difference, in a sentence; None if there is none.

    Raises one of CANNOT_LOOK when a run cannot be made.
    """
    first, second = (_events(lab, scenario, schedule) for _ in range(2))
    for number, (one, other) in enumerate(zip_longest(first, second), 1):
        if one != other:
            steps = sum(isinstance(event, _Stood) for event in first[:number])
            return _sentence(one, other, steps)
    return None


def _events(lab: Laboratory, scenario: Scenario, schedule: Schedule) -> list[_Event]:
    events = _Events(lab.subject)
    replay = Replay(schedule)
    replay.begin()
    lab.watch(events.step, events.call)
    try:
        ran = lab.run(scenario, replay)
    finally:
        lab.watch(None, None)
    events.failed(ran.failure)
    return events.seen


def _sentence(one: _Event | None, other: _Event | None, steps: int) -> str:
    match one, other:
        case _Answered(client, call, answer), _Answered(again, once_more, differs) if (client, call) == (
            again,
            once_more,
        ):
            return (
                f"one schedule was run twice, and client {client}'s {call} answered {_bare(differs)} "
                f"in place of {_bare(answer)}"
            )
        case None, _:
            return f"one schedule was run twice, and the second run went on: {other}"
        case _, None:
            return f"one schedule was run twice, and the second run ended at step {steps:,}, where in the first {one}"
        case _:
            return f"one schedule was run twice, and at step {steps:,} {other} in place of: {one}"


def _bare(answer: str) -> str:
    return answer.removeprefix("→ ")
