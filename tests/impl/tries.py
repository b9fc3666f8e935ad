"""What the tests of TrieMap share: hashes, random sequences held against a dict, and scenarios of threads."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mapproof.impl.sync import FatalError
from mapproof.impl.trie_map import seeded_hash
from mapproof.stateful_tests.catalogue import scenario_of
from mapproof.stateful_tests.exhaustion import Exhaustion, Explored
from mapproof.stateful_tests.targets import target_of

Hash = Callable[[Any], int]

mixed = seeded_hash(7)


def constant(key: Any) -> int:
    """Every key in one chain."""
    return 0


def truncated(key: Any) -> int:
    """Hashes that differ in their last bits only: deep tries."""
    return mixed(key) & 0x3F


def crowded(key: Any) -> int:
    """Few hashes, in the first bits and the last: chains at both ends of the trie."""
    return mixed(key) & 0xC000_0000_0000_0003


HASHES: Mapping[str, Hash] = {
    "mixed": mixed,
    "constant": constant,
    "truncated": truncated,
    "crowded": crowded,
}


def top(*nibbles: int) -> int:
    """The hash that begins with these nibbles."""
    return int("".join(f"{nibble:x}" for nibble in nibbles).ljust(16, "0"), 16)


PATHS = {"a": top(1, 1), "b": top(1, 2), "c": top(1, 2), "d": top(2), "e": top(1, 3)}
"""A tree of two levels: a, b and e part at the second nibble, b and c share a chain, d is alone."""


def paths(key: Any) -> int:
    return PATHS.get(key, 0)


# -- in sequence

KEYED = "load store load_or_store load_and_delete delete swap compare_and_swap compare_and_delete".split()


def expected(model: dict[Any, Any], op: str, key: Any, args: tuple[Any, ...]) -> Any:
    """Do the operation on a dict; what it answers."""
    held = (model.get(key), key in model)
    match op:
        case "load":
            return held
        case "store":
            model[key] = args[0]
            return None
        case "load_or_store":
            return (model.setdefault(key, args[0]), held[1])
        case "swap":
            model[key] = args[0]
            return held
        case "load_and_delete" | "delete":
            model.pop(key, None)
            return held if op == "load_and_delete" else None
        case "compare_and_swap" if matches := held == (args[0], True):
            model[key] = args[1]
            return matches
        case "compare_and_delete" if matches := held == (args[0], True):
            del model[key]
            return matches
        case _:
            return False


ARGUMENTS = {"load": 0, "load_and_delete": 0, "delete": 0, "compare_and_swap": 2}
KEYS = ["a", "b", "", None, 0, 1, (2, 3), -1, "c", "d"]
VALUES = [None, 0, 1]


def divergence(make: Callable[[], Any], seed: int) -> str | None:
    """The first answer or state of a random sequence that a dict does not give, as a sentence."""
    random_, map_, model = random.Random(seed), make(), dict[Any, Any]()
    keys = random_.sample(KEYS, random_.randint(1, len(KEYS)))
    for _ in range(40):
        op, key = random_.choice(KEYED), random_.choice(keys)
        args = tuple(random_.choices(VALUES, k=ARGUMENTS.get(op, 1)))
        try:
            answer = getattr(map_, op)(key, *args)
            if random_.random() < 0.02:
                model.clear()
                map_.clear()
            else:
                assert answer == (want := expected(model, op, key, args)), f"answered {answer}, not {want}"
            pairs = map_.range()
            assert (len(pairs), dict(pairs)) == (len(model), model), f"left {pairs}, not {model}"
            map_.check_invariants()
        except (AssertionError, FatalError) as error:
            return f"{op}({key!r}, {args}): {error}"
    return None


# -- every interleaving with few preemptions

SCENARIOS: Mapping[str, tuple[Hash, str, tuple[str, ...]]] = {
    "two first uses": (constant, "", ("store a 1", "store a 2; load a")),
    "a first use meets a load": (constant, "", ("store a 1", "load a; range")),
    "two load_or_store of one key": (paths, "", ("load_or_store a 1", "load_or_store a 2; load a")),
    "two keys meet in an empty slot": (paths, "", ("store a 1; load b", "store b 2; load a")),
    "a split meets loads of the old key": (paths, "store a 1", ("store b 2", "load a; load a")),
    "a split meets a swap of the old key": (paths, "store a 1", ("store b 2", "swap a 3; load a")),
    "a split meets the delete of the old key": (paths, "store a 1", ("store b 2", "load_and_delete a")),
    "a node's removal meets a store in it": (
        paths,
        "store a 1; store b 2; delete b",
        ("delete a", "store b 3; load b"),
    ),
    "a node's removal meets a load_or_store in it": (
        paths,
        "store a 1; store b 2; delete b",
        ("load_and_delete a", "load_or_store e 3; load e"),
    ),
    "the last two keys of a node go at once": (
        paths,
        "store a 1; store b 2; store d 4",
        ("compare_and_delete a 1", "load_and_delete b"),
    ),
    "a node's removal meets a range": (
        paths,
        "store a 1; store e 2; delete e",
        ("delete a; store e 3", "range"),
    ),
    "a chain loses two keys at once": (
        constant,
        "store a 1; store b 2; store c 3",
        ("load_and_delete b", "load_and_delete a; load c"),
    ),
    "a load in a chain meets a swap and a delete": (
        constant,
        "store a 1; store b 2",
        ("swap b 3; load_and_delete a", "load a; load b"),
    ),
    "a range in a chain meets a swap and an insertion": (
        constant,
        "store a 1; store b 2",
        ("swap a 3; store c 4", "range"),
    ),
    "compare_and_swap meets compare_and_delete": (
        paths,
        "store a 1",
        ("compare_and_swap a 1 2; load a", "compare_and_delete a 1"),
    ),
    "two compare_and_swap in a chain": (
        constant,
        "store a 1; store b 1",
        ("compare_and_swap a 1 2", "compare_and_swap a 1 3; load a"),
    ),
    "a clear meets a store and a load": (
        paths,
        "store a 1; store d 2",
        ("clear; load a", "store a 3; load d; load a"),
    ),
    "a clear meets the removal of a node": (
        paths,
        "store a 1; store b 2; delete b",
        ("clear; store b 3", "load_and_delete a; load b"),
    ),
    "a clear meets loads of two keys": (paths, "store a 1; store d 2", ("clear", "load a; load d")),
    "a node's removal meets two stores in it": (
        paths,
        "store a 1; store b 2; delete b",
        ("delete a", "store b 3", "load_or_store e 4"),
    ),
}


def explored(kind: type, name: str, bound: int) -> Explored:
    """Every schedule of the scenario with at most `bound` preemptions, on a class of maps."""
    hash_of, setup, threads = SCENARIOS[name]
    target = target_of(partial(kind, hash_of), "TrieMap")
    return Exhaustion(name, target, scenario_of(target.adapter, setup, *threads), bound).run()
