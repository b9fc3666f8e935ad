"""What the tests of TrieMap share: hashes, and random sequences held against a dict."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from mapproof.impl.small_maps import crowded, every_key_the_same
from mapproof.impl.sync import FatalError
from mapproof.impl.trie_map import seeded_hash

Hash = Callable[[Any], int]

seeded = seeded_hash(7)


def truncated(key: Any) -> int:
    """Hashes that differ in their last bits only: deep tries."""
    return seeded(key) & 0x3F


HASHES: Mapping[str, Hash] = {
    "mixed": seeded,
    "constant": every_key_the_same,
    "truncated": truncated,
    "crowded": crowded,
}


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


def divergence(make: Callable[[], Any], seed: int, sound: bool = True) -> str | None:
    """The first answer of a random sequence that a dict does not give, as a sentence; or, unless the state of the map
    is not looked at (`sound`), the first invariant that is broken."""
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
            if sound:
                map_.check_invariants()
        except (AssertionError, FatalError) as error:
            return f"{op}({key!r}, {args}): {error}"
    return None
