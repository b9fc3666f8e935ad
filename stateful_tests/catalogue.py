"""The scenarios in which the reference maps could go wrong, each named after what meets what in it.

The idea: generated scenarios find what nobody thought of; these few aim at the steps that the algorithms are
about (promotion, the copy of read into dirty, expunged entries, announced writers), small enough to be run in
every schedule with a few preemptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync_map import SyncMap
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.stateful_tests.adapters import Adapter
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.scenarios import Call, Scenario
from mapproof.stateful_tests.targets import target_of

Scenarios = Mapping[str, tuple[str, tuple[str, ...]]]
"""Name -> (setup, one program for each thread), in the words that `program_of` reads."""

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
    "two readers and a writer": ("store a 1", ("load a", "load a", "store a 2")),
}


def explorations(bound: int = 3) -> Iterator[Exhaustion]:
    """Every scenario of the catalogue on the map that it is about."""
    yield from explorations_of(SyncMap, SYNC_MAP, bound)
    yield from explorations_of(RWMutexMap, RWMUTEX_MAP, bound)


def explorations_of(factory: type, scenarios: Scenarios, bound: int) -> Iterator[Exhaustion]:
    """The scenarios on a Go-like map, with at most `bound` preemptions."""
    target = target_of(factory, factory.__name__)
    for name, (setup, threads) in scenarios.items():
        scenario = scenario_of(target.adapter, setup, *threads)
        yield Exhaustion(f"{factory.__name__}: {name}", target, scenario, bound)


def scenario_of(adapter: Adapter, setup: str, *threads: str) -> Scenario:
    """Read a scenario written as words, the operations separated by semicolons."""
    programs = [program_of(text) for text in (setup, *threads)]
    keys = sorted({call.key for program in programs for call in program if call.key is not None})
    # A key is asked for twice: the loads count misses, so that a promotion that would lose a key happens.
    loads = tuple(Call(Op.LOAD, key) for key in keys) * 2
    asked = tuple(Call(op) for op in (Op.RANGE, Op.LEN) if op in adapter.forms)
    return Scenario(programs[0], tuple(programs[1:]), (*loads, *asked))


def program_of(text: str) -> tuple[Call, ...]:
    """The calls of one client."""
    return tuple(_call(words.split()) for words in text.split(";") if words.strip())


def _call(words: list[str]) -> Call:
    op = Op(words[0])
    rest = words[1:]
    key = rest.pop(0) if SIGNATURES[op].keyed else None
    return Call(op, key, tuple(map(int, rest)))
