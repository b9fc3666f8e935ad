"""Random sequences of operations that mean the same in Go and in Python.

The idea: keys and values of one sequence are drawn from one pool in which Python's equality is Go's. So no pool has
an int beside the float or the bool that Python takes for the same, and sync.Map's keys have no NaN: Go never finds
one again, a map of ours, which asks a dict, finds the very object.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

from side_by_side import UNHASHABLE, Program, Word

NAN: Final = math.nan
FLOATS: Final = [0.0, -0.0, math.inf, -math.inf, *(number / 2 for number in range(-9, 10, 2))]
STRINGS: Final = ["", *"abcdefgh", *(a + b for a in "xyz" for b in "uvw")]
INTS: Final = list(range(1, 12))
TUPLES: Final = [(1, 2), (2, 1), (0, 0)]

KEYS: Final[list[list[Any]]] = [STRINGS, INTS, FLOATS, [None, "", "a", 1, 2, 0.0, -0.0, 0.5, (1, 2), (2, 1)]]
VALUES: Final[list[list[Any]]] = [[1, 2, 3], [None, 1, "", "a"], [None, 0.0, -0.0, NAN, 0.5, "a", (1, 2)]]

SYNC_OPERATIONS: Final = {  # by name: number of values, and how often
    "load": (0, 5),
    "store": (1, 4),
    "load_or_store": (1, 2),
    "load_and_delete": (0, 1),
    "delete": (0, 1),
    "swap": (1, 2),
    "compare_and_swap": (2, 2),
    "compare_and_delete": (1, 2),
}


def sync_program(seed: int, kind: str = "sync") -> Program:
    """Some dozen operations of sync.Map on few keys."""
    random_ = random.Random(seed)
    pool, values = random_.choice(KEYS), random_.choice(VALUES)
    keys = random_.sample(pool, random_.randint(1, min(8, len(pool))))
    names = random_.choices(
        list(SYNC_OPERATIONS), [often for _, often in SYNC_OPERATIONS.values()], k=random_.randint(5, 50)
    )
    words = [_sync_word(random_, name, keys, values) for name in names]
    return Program(kind, (*words, ("range",)))


def _sync_word(random_: random.Random, name: str, keys: Sequence[Any], values: Sequence[Any]) -> Word:
    chance = random_.random()
    if chance < 0.08:
        return random_.choice(
            [("range",), ("clear",), ("range_until", random_.randint(1, 4)), ("range_and_delete",)]
        )
    key = UNHASHABLE() if chance < 0.085 else random_.choice(keys)
    return (name, key, *random_.choices(values, k=SYNC_OPERATIONS[name][0]))


def built_in_program(seed: int) -> Program:
    """Operations of a built-in map; one sequence of 200 is long and lets the map grow several times."""
    random_ = random.Random(seed)
    kind, pool = random_.choice(
        [
            ("map.int", range(random_.choice([6, 40, 1000]))),
            ("map.string", STRINGS),
            ("map.float", [NAN, NAN, *FLOATS]),
            ("map.any", [None, NAN, *FLOATS, *STRINGS, *range(5, 15), *TUPLES]),
        ]
    )
    long = seed % 200 == 199
    if long and kind == "map.int":
        pool = range(1000)
    if seed % 1000 == 0:
        kind = "map.nil"
    deletes = random_.choice([1, 3, 5])
    length = 2000 if long else random_.randint(5, 40)
    words = [_built_in_word(random_, kind, pool, deletes, number, length) for number in range(length)]
    return Program(kind, (*words, ("range",), ("len",)))


def _built_in_word(
    random_: random.Random, kind: str, pool: Sequence[Any], deletes: int, number: int, length: int
) -> Word:
    """The number of the word is the value that it stores, so that each entry can be told from the others."""
    chance = random_.random() * max(1, length / 100)  # a long sequence is seldom cleared, iterated or cloned
    if chance < 0.01:
        return ("clear",)
    if chance < 0.02:
        return ("clone",) if kind != "map.nil" else ("len",)
    if chance < 0.05:
        return ("range",)
    if chance < 0.12 and kind != "map.nil":
        return _walk(random_, pool, length + 100 * number)
    return _change(random_, pool, deletes, number, kind in ("map.any", "map.nil"))


def _change(random_: random.Random, pool: Sequence[Any], deletes: int, value: int, of_any: bool) -> Word:
    key = UNHASHABLE() if of_any and random_.random() < 0.01 else random_.choice(pool)
    operation = random_.choices(["store", "load", "len", "delete"], [5, 4, 1, deletes])[0]
    match operation:
        case "store":
            return ("store", key, value)
        case "len":
            return ("len",)
    return (operation, key)


def _walk(random_: random.Random, pool: Sequence[Any], first: int) -> Word:
    """Stores and deletes; no clear, which may leave NaNs to an iteration in some releases of Go."""
    script = []
    for value in range(first, first + random_.choice([0, 10, 60])):
        key = random_.choice(pool)
        script.append(("store", key, value) if random_.random() < 0.6 else ("delete", key))
    return ("walk", random_.choice([1, 3]), tuple(script))


def numbers_program(seed: int) -> Program:
    """Operations on a map of numbers, for the kind that shows its memory."""
    random_ = random.Random(seed)
    if seed % 3 == 0:
        return Program("map.inside", tuple(_crowding_words(random_)))
    keys, deletes, length = random_.choice([(10, 3, 30), (40, 1, 100), (40, 4, 100), (150, 1, 300)])
    words: list[Word] = []
    for number in range(length):
        if random_.random() < 0.01:
            words.append(random_.choice([("clear",), ("range",)]))
        words.append(_change(random_, range(keys), deletes, number, False))
    return Program("map.inside", tuple(words))


def _crowding_words(random_: random.Random) -> Iterator[Word]:
    """Many keys come into one bucket and nearly all go again, so that overflow buckets remain and a repacking begins.

    The low bits of the hash of a number are the same for numbers that have theirs in common.
    """
    fresh = itertools.count()
    for _ in range(random_.randint(2, 6)):
        low = random_.randrange(4)
        keys = [low + 64 * next(fresh) for _ in range(random_.randint(9, 24))]
        yield from (("store", key, key) for key in keys)
        yield from (_change(random_, keys, 3, 0, False) for _ in range(5))
        yield from (("delete", key) for key in random_.sample(keys, len(keys) - random_.randint(0, 4)))


def clearing_program(seed: int) -> Program:
    """A map of floats and NaNs that grows, and is cleared, while it is iterated over."""
    random_ = random.Random(seed)
    stores = [
        ("store", random_.choice([NAN, NAN, *map(float, range(30))]), value)
        for value in range(random_.choice([4, 8, 12, 30, 60]))
    ]
    grows = [("store", float(number), number) for number in range(100, 100 + random_.choice([1, 5, 20, 60]))]
    return Program("map.float", (*stores, ("walk", random_.choice([1, 2, 5, 100]), (*grows, ("clear",)))))
