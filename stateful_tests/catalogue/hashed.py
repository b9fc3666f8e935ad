"""The scenarios in which a trie or a map in shards could go wrong, each with the small map that it is about.

The idea: as in `sync_maps`. For the trie they aim at the nodes that come and go with keys whose hashes agree, and at
chains; for the shards at each moment of a split, where `len` does a batch of it (see `small_maps.SplittingMap`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mapproof.impl.small_maps import (
    splitting_map,
    splitting_map_by_top_bits,
    splitting_map_of_two_bins,
    trie_by_paths,
    trie_of_one_chain,
)
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.execution import Checks
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.targets import target_of

Placed = Mapping[str, tuple[Callable[[], Any], str, tuple[str, ...]]]
"""Name -> (the map, setup, one program for each thread), in the words that `words.program_of` reads."""

TRIE_MAP: Placed = {
    "two first uses": (trie_of_one_chain, "", ("store a 1", "store a 2; load a")),
    "a first use meets a load": (trie_of_one_chain, "", ("store a 1", "load a; range")),
    "two load_or_store of one key": (trie_by_paths, "", ("load_or_store a 1", "load_or_store a 2; load a")),
    "two keys meet in an empty slot": (trie_by_paths, "", ("store a 1; load b", "store b 2; load a")),
    "a node grows while the old key is loaded": (trie_by_paths, "store a 1", ("store b 2", "load a; load a")),
    "a node grows while the old key is swapped": (
        trie_by_paths,
        "store a 1",
        ("store b 2", "swap a 3; load a"),
    ),
    "a node grows while the old key is deleted": (
        trie_by_paths,
        "store a 1",
        ("store b 2", "load_and_delete a"),
    ),
    "a node's removal meets a store in it": (
        trie_by_paths,
        "store a 1; store b 2; delete b",
        ("delete a", "store b 3; load b"),
    ),
    "a node's removal meets a load_or_store in it": (
        trie_by_paths,
        "store a 1; store b 2; delete b",
        ("load_and_delete a", "load_or_store e 3; load e"),
    ),
    "the last two keys of a node go at once": (
        trie_by_paths,
        "store a 1; store b 2; store d 4",
        ("compare_and_delete a 1", "load_and_delete b"),
    ),
    "a node grows by two levels while the old key is deleted": (
        trie_by_paths,
        "store b 1",
        ("store f 2", "load_and_delete b"),
    ),
    "the removal of two nodes meets a store in the upper one": (
        trie_by_paths,
        "store b 1; store f 2; delete f",
        ("delete b", "store a 3; load a"),
    ),
    "a node's removal meets a range": (
        trie_by_paths,
        "store a 1; store e 2; delete e",
        ("delete a", "range"),
    ),
    "a chain loses two keys at once": (
        trie_of_one_chain,
        "store a 1; store b 2; store c 3",
        ("load_and_delete b", "load_and_delete a; load c"),
    ),
    "a load in a chain meets a swap and a delete": (
        trie_of_one_chain,
        "store a 1; store b 2",
        ("swap b 3; load_and_delete a", "load a; load b"),
    ),
    "a range in a chain meets a swap and an insertion": (
        trie_of_one_chain,
        "store a 1; store b 2",
        ("swap a 3; store c 4", "range"),
    ),
    "compare_and_swap meets compare_and_delete": (
        trie_by_paths,
        "store a 1",
        ("compare_and_swap a 1 2; load a", "compare_and_delete a 1"),
    ),
    "two compare_and_swap in a chain": (
        trie_of_one_chain,
        "store a 1; store b 1",
        ("compare_and_swap a 1 2", "compare_and_swap a 1 3; load a"),
    ),
    "a clear meets a store and a load": (
        trie_by_paths,
        "store a 1; store d 2",
        ("clear; load a", "store a 3; load d; load a"),
    ),
    "a clear meets the removal of a node": (
        trie_by_paths,
        "store a 1; store b 2; delete b",
        ("clear; store b 3", "load_and_delete a; load b"),
    ),
    "a clear meets loads of two keys": (trie_by_paths, "store a 1; store d 2", ("clear", "load a; load d")),
}

SHARDED_MAP: Placed = {
    "a store meets a split": (splitting_map, "store a 1", ("len; len", "store a 2")),
    "loads meet a split": (splitting_map, "store a 1", ("len; len", "load a")),
    "a delete meets a split": (splitting_map, "store a 1", ("len; len", "delete a")),
    "a key comes and goes": (splitting_map, "store b 1; len", ("len", "store a 2; delete a")),
    "a compare_and_swap between copy and switch": (
        splitting_map,
        "store a 1; len",
        ("len; compare_and_delete a 1", "compare_and_swap a 1 2"),
    ),
    "two load_or_store between copy and switch": (
        splitting_map,
        "store b 1; len",
        ("len; load_or_store a 1", "load_or_store a 2"),
    ),
    "a range meets a split and stores": (
        splitting_map,
        "store a 1; store b 2; len",
        ("len; store a 3; store b 4", "range"),
    ),
    "a clear meets a split": (
        splitting_map,
        "store a 1; store b 2; len",
        ("len; load a", "clear"),
    ),
    "a write waits while its shard splits": (
        splitting_map,
        "store c 1; len",
        ("len; swap c 3", "swap c 2"),
    ),
    "two threads split": (splitting_map, "store a 1", ("len", "len; swap a 2")),
    "a store behind and before the cursor": (
        splitting_map_of_two_bins,
        "store a 1; store b 2; len",
        ("len", "store a 3; store b 4"),
    ),
    "a delete meets the comparison": (
        splitting_map_of_two_bins,
        "store a 1; store b 2; len; len",
        ("len", "delete a; delete b"),
    ),
    "a store meets a split by the top bits": (
        splitting_map_by_top_bits,
        "store a 1; store c 2; len",
        ("len; load c", "store c 3; load c"),
    ),
}

PLACED: Mapping[str, Placed] = {"TrieMap": TRIE_MAP, "ShardedMap": SHARDED_MAP}


def explorations(bound: int = 2) -> Iterator[Exhaustion]:
    """All of them."""
    for subject in PLACED:
        yield from explorations_of(subject, bound)


def explorations_of(subject: str, bound: int) -> Iterator[Exhaustion]:
    """Every scenario on its map, with at most `bound` preemptions, races and invariants looked for at every step.

    A range of a trie loads all the children there are, so that it has one preemption less.
    """
    placed = PLACED[subject]
    for name, (_, _, threads) in placed.items():
        is_long = placed is TRIE_MAP and any("range" in program for program in threads)
        yield exploration(subject, placed, name, bound - is_long)


def exploration(subject: str, placed: Placed, name: str, bound: int) -> Exhaustion:
    """One of them."""
    factory, setup, threads = placed[name]
    target = target_of(factory, factory.__name__)
    scenario = scenario_of(target.adapter, setup, *threads)
    checks = Checks(races=True, invariants=True)
    return Exhaustion(f"{subject}: {name}", target, scenario, bound, checks=checks)
