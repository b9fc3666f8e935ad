"""The scenarios in which `SyncMap` and `RWMutexMap` could go wrong, each named after what meets what in it.

The idea: generated scenarios find what nobody thought of; these few aim at the steps that the algorithms are
about (promotion, the copy of read into dirty, expunged entries, announced writers), small enough to be run in
every schedule with a few preemptions.
"""

from __future__ import annotations

from collections.abc import Iterator

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync_map import SyncMap
from mapproof.stateful_tests.catalogue.words import Scenarios, scenario_of
from mapproof.stateful_tests.execution import Checks
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.targets import target_of

SYNC_MAP: Scenarios = {
    "a load meets the promotion of its key": ("store a 1", ("load a", "load a")),
    "a store of a new key meets a promotion": (
        "store a 1; load a; store b 2; load b",
        ("load b", "store c 3"),
    ),
    "a store meets the copy that expunges its key": (
        "store a 1; load a; delete a",
        ("store b 2", "store a 3; load a"),
    ),
    "a stored expunged key survives the next promotion": (
        "store a 1; load a; delete a; store b 2",
        ("store a 3; load b", "load b; load a"),
    ),
    "deletes of a key that only dirty has": (
        "store a 1; load a; store b 2",
        ("load_and_delete b", "load_and_delete b"),
    ),
    "a store meets the delete of a key that only dirty has": (
        "store a 1; load a; store b 2",
        ("load_and_delete b", "store b 3; load b"),
    ),
    "two load_or_store of one key": ("", ("load_or_store a 1", "load_or_store a 2; load a")),
    "load_or_store of a deleted key": (
        "store a 1; load a; delete a",
        ("load_or_store a 2", "load_or_store a 3"),
    ),
    "compare_and_swap meets compare_and_delete": (
        "store a 1",
        ("compare_and_swap a 1 2; load a", "compare_and_delete a 1"),
    ),
    "two deletes of one key": ("store a 1; load a", ("load_and_delete a", "load_and_delete a")),
    "a delete meets a store": ("store a 1; load a", ("load_and_delete a", "store a 2")),
    "a failed compare_and_swap meets a store": (
        "store a 1; load a; store b 2",
        ("compare_and_swap c 1 2", "store c 3"),
    ),
    "a range meets stores and deletes": ("store a 1; store b 2", ("range", "delete a; store c 3")),
    "a range after a promotion meets a new key": ("store a 1; load a", ("range; range", "store b 2")),
    "a clear meets a store and a load": (
        "store a 1; load a; store b 2",
        ("clear; load a", "store b 3; load b"),
    ),
}

RWMUTEX_MAP: Scenarios = {
    "two load_or_store of one key": ("", ("load_or_store a 1", "load_or_store a 2; load a")),
    "a swap meets a delete": ("store a 1", ("swap a 2; load a", "load_and_delete a")),
    "a range and a len meet stores": ("store a 1", ("range; len", "store b 2; store a 3")),
    "a clear meets compare_and_swap": ("store a 1", ("clear; len", "compare_and_swap a 1 2; load a")),
    "a delete meets a load": ("store a 1", ("delete a", "load a")),
    "a compare_and_delete that fails meets a store": ("store a 1", ("compare_and_delete a 2", "store a 3")),
    "two readers and a writer": ("store a 1", ("load a", "load a", "store a 2")),
}


def explorations(bound: int = 2) -> Iterator[Exhaustion]:
    """Every scenario on the map that it is about, races and invariants looked for at every step."""
    yield from explorations_of(SyncMap, SYNC_MAP, bound)
    yield from explorations_of(RWMutexMap, RWMUTEX_MAP, bound)


def explorations_of(factory: type, scenarios: Scenarios, bound: int) -> Iterator[Exhaustion]:
    """The scenarios on a Go-like map, with at most `bound` preemptions."""
    target = target_of(factory, factory.__name__)
    for name, (setup, threads) in scenarios.items():
        scenario = scenario_of(target.adapter, setup, *threads)
        checks = Checks(races=True, invariants=True)
        yield Exhaustion(f"{factory.__name__}: {name}", target, scenario, bound, checks=checks)
