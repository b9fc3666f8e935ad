"""What the built-in map's flag notices of threads that share it without a lock: the shortest schedule of each kind.

The idea: each schedule within a bound is written down with every access, so that those in which two writers overlap
can be told apart by how they end: somebody dies with Go's words, or nobody notices. Both happen, so "fails fast" is a
help and no promise. `python -m mapproof.stateful_tests.fail_fast` prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mapproof.impl.plain_map import PlainMap
from mapproof.spec.accesses import Access
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.execution import Execution, Target, laboratory
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.scenarios import Call

Map = PlainMap[Any, Any]

TWO_STORES = ("store c 0", "store a 1", "store b 2")
"""The setup, and the program of each of two threads: two new keys for one bucket."""

BOUND = 3
"""With fewer preemptions every overlap of two stores is noticed."""


@dataclass(frozen=True)
class Run:
    """One schedule: every access, by whom, and how it ended."""

    steps: tuple[tuple[int, str, Access], ...]
    execution: Execution

    @property
    def noticed(self) -> bool:
        """Whether a thread died of a fatal error."""
        failure = self.execution.failure
        return (
            failure is not None and failure.kind is FailureKind.EXCEPTION and "fatal error" in failure.summary
        )

    @property
    def overlaps(self) -> bool:
        """Whether each client wrote to the table between two such writes of the other, or around all of them."""
        table = ("key", "tophash", "count", "buckets")
        places: dict[int, list[int]] = {1: [], 2: []}
        for place, (client, name, access) in enumerate(self.steps):
            if access is Access.WRITE and name.startswith(table):
                places[client].append(place)
        one, two = places[1], places[2]
        return bool(one and two and one[0] < two[-1] and two[0] < one[-1])

    @property
    def outcome(self) -> str:
        """Go's words if somebody died of them, else what is wrong, else "right"."""
        failure = self.execution.failure
        if failure is None:
            return "right"
        return failure.summary.partition("fatal error: ")[2].partition(" at ")[0] or failure.kind.value

    def told(self) -> list[str]:
        """The accesses of the flags and the writes, a line for each stretch of one client."""
        kept = [step for step in self.steps if step[1] == "flags" or step[2] is not Access.READ]
        return [
            f"{client}: " + ", ".join(f"{access} {name}" for _, name, access in stretch)
            for client, stretch in groupby(kept, key=lambda step: step[0])
        ]


def target(factory: Callable[[], Any]) -> Target:
    """A target whose threads switch at the hook of `impl.sync` only, wherever its class is written."""
    made = factory()
    return Target("map", factory, adapter_for(made), (), type(made).claims)


def runs(map_class: Callable[..., Map], bound: int, setup: str, *threads: str) -> list[Run]:
    """Every schedule within the bound, of maps that have one bucket for all keys."""
    subject = target(lambda: map_class(hash_function=lambda key, seed: 0))
    scenario = scenario_of(subject.adapter, setup, *threads)
    strategy, steps, found = PreemptionBound(bound), list[tuple[int, str, Access]](), list[Run]()

    def step(client: int, doing: Any) -> None:
        if client and doing is not None and not isinstance(doing, Call):
            steps.append((client, doing[0].name, doing[1]))

    with laboratory(subject) as lab:
        lab.watch(step, None)
        while strategy.begin():
            steps.clear()
            execution = lab.run(scenario, strategy)
            found.append(Run(tuple(steps), execution))
    return found


def shortest(found: Sequence[Run]) -> list[str]:
    """The schedule with the fewest steps, as it is told."""
    return min(found, key=lambda run: len(run.steps)).told() if found else []


def overlaps(bound: int = BOUND) -> tuple[list[Run], list[Run]]:
    """The schedules in which two stores overlap: those that somebody notices, and those that nobody does."""
    found = [run for run in runs(PlainMap, bound, *TWO_STORES) if run.overlaps]
    return [run for run in found if run.noticed], [run for run in found if not run.noticed]


def report() -> str:
    """How many schedules are of each kind, and the shortest of each, in full."""
    noticed, unnoticed = overlaps()
    total = len(noticed) + len(unnoticed)
    lines = [
        f"Two stores of new keys into one bucket of Go's built-in map, no lock, at most {BOUND} preemptions:",
        f"{total} schedules in which they overlap. {len(noticed)} are noticed; the shortest:",
        *(f"  {line}" for line in shortest(noticed)),
        f"{len(unnoticed)} are not; the shortest, which ends {_ending(unnoticed)}:",
        *(f"  {line}" for line in shortest(unnoticed)),
    ]
    return "\n".join(lines)


def _ending(unnoticed: Sequence[Run]) -> str:
    failure = min(unnoticed, key=lambda run: len(run.steps)).execution.failure
    return "right, by luck" if failure is None else f"so: {failure.summary}"


if __name__ == "__main__":
    print(report())
