"""Records a history of a map under real threads, for the checker to judge afterwards.

The idea: a simulation chooses interleavings, but it is sequentially consistent and slow; real threads show what
the interpreter itself does. The recorder of `spec` keeps their times, and adds no synchronisation.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier
from typing import Any

from mapproof.spec.history import History
from mapproof.spec.operations import SIGNATURES
from mapproof.spec.recorder import Recorder
from mapproof.spec.watched import as_it_is
from mapproof.stateful_tests.adapters import Adapter


def record(
    factory: Callable[[], Any], adapter: Adapter, *, clients: int, operations: int, keys: int, seed: int
) -> History:
    """The history of `clients` threads that each do `operations` random operations on one new map.

    Whole-map operations are left out. Every stored value is another number. A client whose operation raises
    stops there, with the name of the exception as the operation's error.
    """
    target, recorder = factory(), Recorder()
    barrier = Barrier(clients)
    keyed = [op for op in adapter.forms if SIGNATURES[op].keyed]

    def client(number: int) -> None:
        random = Random(seed * 1_000 + number)
        plan = [(random.choice(keyed), random.randrange(keys)) for _ in range(operations)]
        values = iter(range(number, 2 * clients * operations + clients + number, clients))
        mine = recorder.client()
        barrier.wait()
        for op, key in plan:
            args = tuple(_argument(name, values, random) for name in SIGNATURES[op].arguments)
            try:
                mine.record(as_it_is(op), key, args, adapter.perform, target, op, key, args, 0)
            except Exception:  # noqa: BLE001 - whatever the map raises is its answer
                break

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(1, clients + 1)))
    return recorder.history()


def _argument(name: str, values: Any, random: Random) -> int:
    """A compare mostly asks for a value that was stored a moment ago; anything else is new."""
    fresh: int = next(values)
    return max(0, fresh - random.randrange(12)) if name == "old" else fresh
