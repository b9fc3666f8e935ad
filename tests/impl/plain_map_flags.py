"""What the built-in map's flag notices of threads that share it without a lock, in every schedule within a bound.

The idea: each schedule is written down with every access, so that those in which two writers overlap can be told
apart by how they end: somebody dies with Go's words, or nobody notices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mapproof.impl.plain_map import PlainMap
from mapproof.spec.accesses import Access
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.catalogue import scenario_of
from mapproof.stateful_tests.execution import Execution, FailureKind, Target, laboratory
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.scenarios import Call

Map = PlainMap[Any, Any]


def spread(key: Any, seed: int) -> int:
    """Keys "a", "b", ... each in the next bucket, in every process."""
    return ord(key) * 0x0100_0000_0000_0001


EIGHT = "; ".join(f"store {key} 0" for key in "abcdefgh")


def target(factory: Callable[[], Any]) -> Target:
    """A target whose threads switch at the hook of `impl.sync` only, wherever its class is written."""
    made = factory()
    return Target("map", factory, adapter_for(made), (), type(made).claims)


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

    def told(self) -> list[str]:
        """The accesses of the flags and the writes, a line for each stretch of one client."""
        kept = [step for step in self.steps if step[1] == "flags" or step[2] is not Access.READ]
        return [
            f"{client}: " + ", ".join(f"{access} {name}" for _, name, access in stretch)
            for client, stretch in groupby(kept, key=lambda step: step[0])
        ]


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


TWO_STORES = ("store c 0", "store a 1", "store b 2")


def two_stores(map_class: Callable[..., Map]) -> dict[str, Any]:
    overlapping = [run for run in runs(map_class, 2, *TWO_STORES) if run.overlaps]
    return {
        "two stores overlap at one preemption": any(run.overlaps for run in runs(map_class, 1, *TWO_STORES)),
        "at two, unnoticed": sum(not run.noticed for run in overlapping),
        "the shortest noticed": shortest(overlapping),
    }


def a_load(map_class: Callable[..., Map]) -> dict[str, Any]:
    reading = runs(map_class, 1, "store c 0", "load a", "store a 1")
    return {
        "a load": Counter(map(outcome, reading)),
        "the shortest load of a key that has no value yet": shortest(
            [run for run in reading if outcome(run) == "not linearizable"]
        ),
    }


def an_iteration(map_class: Callable[..., Map]) -> dict[str, Any]:
    iterating = runs(map_class, 1, "store c 0; store d 0", "range", "store a 1")
    return {"an iteration": Counter(map(outcome, iterating))}


WITHOUT_A_LOCK = {
    "two stores without a lock": two_stores,
    "a load meets a store without a lock": a_load,
    "an iteration meets a store without a lock": an_iteration,
}
"""What every schedule within a bound shows; the shortest schedules, in full."""


def not_as_go(map_class: Callable[..., Map], situation: str) -> str:
    """What the flag does there that it does not do in Go."""
    found = WITHOUT_A_LOCK[situation](map_class)
    return "; ".join(
        f"{what}: {found[what]}, not {AS_GO[what]}" for what in found if found[what] != AS_GO[what]
    )


def outcome(run: Run) -> str:
    failure = run.execution.failure
    if failure is None:
        return "right"
    return failure.summary.partition("fatal error: ")[2].partition(" at ")[0] or failure.kind.value


TABLE_WRITES = "write key[1], write tophash[1], write count"

AS_GO = {
    "two stores overlap at one preemption": False,
    "at two, unnoticed": 0,
    "the shortest noticed": [
        "1: read flags",
        "2: read flags, read flags, write flags, write key[1]",
        "1: read flags, write flags, write key[1], write tophash[1], write count, read flags",
        "2: write tophash[1], write count, read flags",
    ],
    "a load": {"concurrent map read and map write": 18, "right": 17, "not linearizable": 1},
    "the shortest load of a key that has no value yet": [
        "2: read flags, read flags, write flags, " + TABLE_WRITES + ", read flags, read flags, write flags",
        "1: read flags",
        "2: write elem[1]",
    ],
    "an iteration": {"concurrent map iteration and map write": 20, "right": 32, "not linearizable": 1},
}
"""The shortest noticed: the second toggle clears the flag, and both writers die of it."""
