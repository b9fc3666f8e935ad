"""A failing run as people and machines read it: what each thread did, in which order, to which values.

The idea: the run is made once more under a watcher that writes a `Trace` (events.py), one immutable value; `plain`,
`terminal` and `as_json` are pure functions of it. docs/trace.md says how to read them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mapproof.stateful_tests.execution import NO_CHECKS, Checks, Execution, Laboratory
from mapproof.stateful_tests.scenarios import Scenario
from mapproof.stateful_tests.trace.events import Minimum, Trace
from mapproof.stateful_tests.trace.plain import WIDTH, plain
from mapproof.stateful_tests.trace.states import attributes, given
from mapproof.stateful_tests.trace.watching import trace_of

__all__ = ["WIDTH", "Counterexample", "Minimum", "Trace", "counterexample", "plain", "tell", "trace"]


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A failing scenario, its run, the account of it for people, what was watched at every step, and what happened."""

    scenario: Scenario
    execution: Execution
    account: str
    checks: Checks = NO_CHECKS
    trace: Trace | None = field(default=None, repr=False)

    @property
    def minimum(self) -> Minimum | None:
        """How small it is, and what was shown of that; None if it was not shrunk."""
        return None if self.trace is None else self.trace.minimum


def counterexample(
    laboratory: Laboratory, scenario: Scenario, execution: Execution, minimum: Minimum | None = None
) -> Counterexample:
    """A failing run with its account, which tells the `minimum`; runs it once more to watch it."""
    watched = msgspec.structs.replace(trace(laboratory, scenario, execution), minimum=minimum)
    return Counterexample(scenario, execution, plain(watched), laboratory.checks, watched)


def tell(
    laboratory: Laboratory,
    scenario: Scenario,
    execution: Execution,
    *,
    state: bool | Callable[[Any], object] = False,
    width: int = WIDTH,
) -> str:
    """The whole account of a failing run as plain text; `state` and what it costs as for `trace`."""
    return plain(trace(laboratory, scenario, execution, state=state), width)


def trace(
    laboratory: Laboratory,
    scenario: Scenario,
    execution: Execution,
    *,
    state: bool | Callable[[Any], object] = False,
) -> Trace:
    """What happened in a failing run; runs it once more to watch it.

    With `state` the object is shown between steps whenever that has changed: what it is made of, or what the function
    that was given answers of it. The function is called while all threads stand still: it must not wait for a lock.
    """
    picture = None if state is False else attributes if state is True else given(state)
    return trace_of(laboratory, scenario, execution, picture=picture)
