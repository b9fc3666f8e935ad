"""What the built-in map's flag does in Go, and the search that tells where a changed map does otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from mapproof.stateful_tests.fail_fast import TWO_STORES, Map, runs, shortest


def spread(key: Any, seed: int) -> int:
    """Keys "a", "b", ... each in the next bucket, in every process."""
    return ord(key) * 0x0100_0000_0000_0001


EIGHT = "; ".join(f"store {key} 0" for key in "abcdefgh")


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
        "a load": Counter(run.outcome for run in reading),
        "the shortest load of a key that has no value yet": shortest(
            [run for run in reading if run.outcome == "not linearizable"]
        ),
    }


def an_iteration(map_class: Callable[..., Map]) -> dict[str, Any]:
    iterating = runs(map_class, 1, "store c 0; store d 0", "range", "store a 1")
    return {"an iteration": Counter(run.outcome for run in iterating)}


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
