"""What a growth of the built-in map could do to a map behind an RWMutex: nothing, in every schedule of these.

The idea: it is said of such a map that a growth "may still panic" under the lock. So in these scenarios each step of
a growth (its begin, the evacuation of a bucket, its end) meets what reads and what writes, and every access of the
table is watched for a data race besides. Keys are numbers, which have the same hash in every process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from mapproof.impl.guarded_map import GuardedMap
from mapproof.spec.operations import Op
from mapproof.stateful_tests.adapters import Adapter
from mapproof.stateful_tests.catalogue.words import program_of
from mapproof.stateful_tests.execution import Checks
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.scenarios import Call, Scenario
from mapproof.stateful_tests.targets import target_of

FULL: Final = "; ".join(f"store {key} 0" for key in range(8))
"""One bucket, and the next new key begins a growth that ends in the same operation."""

HALF_GROWN: Final = "; ".join(f"store {key} 0" for key in range(27))
"""A growth from four buckets to eight: the buckets of 0 and 3 are not evacuated yet, and one change ends it."""

GUARDED_MAP: Final[Mapping[str, tuple[int, str, tuple[str, ...]]]] = {
    "a load meets the store that begins a growth": (2, FULL, ("load 8", "store 8 1")),
    "two load_or_store begin a growth": (1, FULL, ("load_or_store 8 1", "load_or_store 8 2")),
    "a clear meets the store that begins a growth": (1, FULL, ("clear; len", "store 8 1; load 0")),
    "a load meets the evacuation of its bucket": (1, HALF_GROWN, ("load 3", "store 3 1")),
    "an evacuation meets a delete": (1, HALF_GROWN, ("load_and_delete 0", "store 3 1")),
    "a range meets the end of a growth": (1, HALF_GROWN, ("range", "delete 3")),
    "a clear meets a store in a growth": (1, HALF_GROWN, ("clear", "store 27 1")),
    "a len meets the delete of the last key": (2, "store 0 0", ("len", "delete 0; load 0")),
    "compare_and_swap meets compare_and_delete": (
        2,
        "store 0 1",
        ("compare_and_swap 0 1 2; load 0", "compare_and_delete 0 1"),
    ),
}
"""Name -> (bound of preemptions, setup, one program for each thread), in the words of `words.program_of`."""


def explorations() -> Iterator[Exhaustion]:
    """Every scenario within its bound, each access watched for a data race."""
    target = target_of(GuardedMap, "GuardedMap")
    for name, (bound, setup, threads) in GUARDED_MAP.items():
        scenario = numbered(target.adapter, setup, *threads)
        yield Exhaustion(f"GuardedMap: {name}", target, scenario, bound, checks=Checks(races=True))


def numbered(adapter: Adapter, setup: str, *threads: str) -> Scenario:
    """Read a scenario whose keys are numbers; what the threads touched is observed at the end."""
    first, *programs = [_with_numbers(program_of(text)) for text in (setup, *threads)]
    keys = sorted({call.key for program in programs for call in program if call.key is not None})
    asked = [Call(Op.LOAD, key) for key in keys] + [Call(Op.LEN), Call(Op.RANGE)]
    return Scenario(first, tuple(programs), tuple(call for call in asked if call.op in adapter.forms))


def _with_numbers(calls: tuple[Call, ...]) -> tuple[Call, ...]:
    return tuple(call if call.key is None else replace(call, key=int(call.key)) for call in calls)
