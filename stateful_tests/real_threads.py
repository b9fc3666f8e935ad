"""Records a history of a map under real threads, for the checker to judge afterwards.

The idea: a simulation chooses interleavings, but it is sequentially consistent and slow; real threads show what
the interpreter itself does. Each thread keeps its own list, so that recording adds no synchronisation.

The clock is `time.monotonic_ns`: one clock for all threads, read before the call and after the return, so an
interval is never too short. If it ticks slowly times are equal, and equal times count as overlapping.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier
from typing import Any

from mapproof.spec.history import History, Operation
from mapproof.spec.operations import SIGNATURES
from mapproof.stateful_tests.adapters import Adapter


def record(
    factory: Callable[[], Any], adapter: Adapter, *, clients: int, operations: int, keys: int, seed: int
) -> History:
    """The history of `clients` threads that each do `operations` random operations on one new map.

    Whole-map operations are left out. Every stored value is another number. A client whose operation raises
    stops there, with the exception as the operation's error.
    """
    target = factory()
    barrier = Barrier(clients)
    keyed = [op for op in adapter.forms if SIGNATURES[op].keyed]

    def client(number: int) -> list[Operation]:
        random = Random(seed * 1_000 + number)
        plan = [(random.choice(keyed), random.randrange(keys)) for _ in range(operations)]
        values = iter(range(number, 2 * clients * operations + clients + number, clients))
        recorded: list[Operation] = []
        barrier.wait()
        for op, key in plan:
            args = tuple(_argument(name, values, random) for name in SIGNATURES[op].arguments)
            call = time.monotonic_ns()
            result, error = None, None
            try:
                result = adapter.perform(target, op, key, args, 0)
            except Exception as raised:  # noqa: BLE001 - whatever the map raises is its answer
                error = f"{type(raised).__name__}: {raised}"
            recorded.append(Operation(number, op, key, args, result, call, time.monotonic_ns(), error))
            if error is not None:
                break
        return recorded

    with ThreadPoolExecutor(clients) as pool:
        by_client = list(pool.map(client, range(1, clients + 1)))
    in_time = sorted((operation for recorded in by_client for operation in recorded), key=lambda op: op.call)
    return History(tuple(in_time))


def _argument(name: str, values: Any, random: Random) -> int:
    """A compare mostly asks for a value that was stored a moment ago; anything else is new."""
    fresh: int = next(values)
    return max(0, fresh - random.randrange(12)) if name == "old" else fresh
