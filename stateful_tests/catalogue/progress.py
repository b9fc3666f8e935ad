"""What the reference maps promise of progress: client 1's loads end alone, whatever the others are in the middle of.

The idea: a promise like "readers are never blocked" is a number of steps. Each entry names the reader, the writer who
is paused in the middle of what could block it, and how many accesses of shared memory the load may make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mapproof.impl.small_maps import splitting_map, trie_by_paths, trie_of_one_chain
from mapproof.impl.sync_map import SyncMap
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.progress import Progress
from mapproof.stateful_tests.targets import target_of

Promises = Mapping[str, tuple[Callable[[], Any], str, tuple[str, ...], int]]
"""Name -> (the map, setup, one program for each thread, the most steps of a call of client 1)."""

PROMISES: Promises = {
    # The record, its dictionary, the entry.
    "SyncMap: a load that hits meets a copy and a promotion": (
        SyncMap,
        "store a 1; load a",
        ("load a", "store b 2; load b"),
        3,
    ),
    "SyncMap: a load that hits meets deletes and stores of its key": (
        SyncMap,
        "store a 1; load a; store b 2",
        ("load a", "delete a; store a 3"),
        3,
    ),
    "SyncMap: a load that hits meets a range that promotes": (
        SyncMap,
        "store a 1; load a; store b 2",
        ("load a", "range; clear"),
        3,
    ),
    # The flag, the root, a slot a level.
    "TrieMap: a load meets a node that grows and goes": (
        trie_by_paths,
        "store a 1",
        ("load a", "store b 2; delete b"),
        4,
    ),
    "TrieMap: a load meets two nodes that grow": (
        trie_by_paths,
        "store b 1",
        ("load b", "store f 2"),
        5,
    ),
    # One slot, and a link for each key before it in the chain.
    "TrieMap: a load in a chain meets a delete and a store": (
        trie_of_one_chain,
        "store a 1; store b 2; store c 3",
        ("load a", "delete b; store b 4"),
        5,
    ),
    # The route, the bin.
    "ShardedMap: a load meets a split": (
        splitting_map,
        "store a 1",
        ("load a", "len; len"),
        2,
    ),
    "ShardedMap: a load meets writes to both sides of a split": (
        splitting_map,
        "store a 1; len",
        ("load a", "store a 2; len; delete a"),
        2,
    ),
}


def promises_of(promises: Promises, bound: int = 2) -> Iterator[Progress]:
    """Each promise, to be checked with at most `bound` preemptions."""
    for name, (factory, setup, threads, most) in promises.items():
        target = target_of(factory, factory.__name__)
        yield Progress(name, target, scenario_of(target.adapter, setup, *threads), 1, most, bound)


def explorations() -> Iterator[Progress]:
    """Every promise."""
    yield from promises_of(PROMISES)
