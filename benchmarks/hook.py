"""What the hook of `impl.sync` costs where nobody watches: `python benchmarks/hook.py [ROUNDS]`.

The same source twice, as it is and with every `if _hook is not None:` block taken out, SyncMap on top of each. A
round measures both, one right after the other, so that a machine that is busy meanwhile slows both down; each
figure is the median of ROUNDS (41), in CPU time of all threads. Exits 1 if a load that hits costs more than 1.15
times what it costs without the hook.
"""

from __future__ import annotations

import ast
import inspect
import statistics
import sys
import threading
import time
from collections.abc import Callable
from itertools import cycle, islice
from types import ModuleType
from typing import Any

from mapproof.impl import sync, sync_map

GOAL = 1.15
KEYS = 128
OPERATIONS = 16_000
"""In each measurement, shared out among its threads."""

Program = Callable[[Any, int], None]
"""So many operations on a map that holds every key."""


class WithoutHook(ast.NodeTransformer):
    """Takes every `if _hook is not None:` out, with its block."""

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        return node.orelse or None if ast.unparse(node.test) == "_hook is not None" else node


def sync_maps() -> tuple[type, type]:
    """SyncMap as it is, and on top of primitives without the hook; both loaded in the same way."""
    source = inspect.getsource(sync)
    bare = ast.unparse(ast.fix_missing_locations(WithoutHook().visit(ast.parse(source))))
    assert "_hook." in source and "_hook." not in bare, "the hook is called in a way that is not known here"
    return _sync_map_on(ast.unparse(ast.parse(source)), "hooked"), _sync_map_on(bare, "bare")


def _sync_map_on(source: str, name: str) -> type:
    primitives = _module(f"{name}_sync", source)
    text = inspect.getsource(sync_map)
    replaced = text.replace(f"from {sync.__name__} import", f"from {primitives.__name__} import")
    assert replaced != text
    made: type = _module(f"{name}_sync_map", replaced).SyncMap
    return made


def _module(name: str, source: str) -> ModuleType:
    module = ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)  # noqa: S102 - the source of this repository
    return module


def filled(map_class: type) -> Any:
    """A map whose keys are all in `read`, as after a while of loads."""
    map_ = map_class()
    for key in range(KEYS):
        map_.store(key, key)
    map_.range()
    return map_


def loads(map_: Any, operations: int) -> None:
    load = map_.load
    for key in islice(cycle(range(KEYS)), operations):
        load(key)


def stores(map_: Any, operations: int) -> None:
    store = map_.store
    for key in islice(cycle(range(KEYS)), operations):
        store(key, key)


def mix(map_: Any, operations: int) -> None:
    """Eight of ten are loads; keys come and go, so that there are copies and promotions."""
    for key in islice(cycle(range(KEYS)), operations // 10):
        for _ in range(4):
            map_.load(key)
        map_.delete(key)
        map_.store(key, key)
        for _ in range(3):
            map_.load(key)
        map_.load_or_store(key + KEYS * (key % 3 == 0), key)


PROGRAMS: dict[str, Program] = {"load, hit": loads, "store, key known": stores, "mix": mix}


def seconds(map_: Any, program: Program, threads: int) -> float:
    """CPU time of an operation, all threads together."""
    each = OPERATIONS // threads
    if threads == 1:
        started = time.process_time()
        program(map_, each)
        return (time.process_time() - started) / each
    workers = [threading.Thread(target=program, args=(map_, each)) for _ in range(threads)]
    started = time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return (time.process_time() - started) / (each * threads)


def medians(program: Program, threads: int, rounds: int, classes: tuple[type, type]) -> tuple[float, float]:
    """(with the hook, without it). Who comes first changes from round to round."""
    maps = [filled(map_class) for map_class in classes]
    measured: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            measured[which].append(seconds(maps[which], program, threads))
    return statistics.median(measured[0]), statistics.median(measured[1])


def main(rounds: int) -> bool:
    """Whether the goal was met."""
    classes, met = sync_maps(), True
    print(f"{'SyncMap':18} threads   hook in   taken out   ratio")
    for name, program in PROGRAMS.items():
        for threads in (1, 8):
            hooked, bare = medians(program, threads, rounds, classes)
            ratio = hooked / bare
            print(
                f"{name:18} {threads:7} {1e9 * hooked:6.0f} ns   {1e9 * bare:6.0f} ns   {ratio:5.2f}",
                flush=True,
            )
            met &= program is not loads or ratio <= GOAL
    print(
        f"A load that hits costs {'no more' if met else 'MORE'} than {GOAL} times what it does without the hook."
    )
    return met


if __name__ == "__main__":
    sys.exit(not main(int(sys.argv[1]) if len(sys.argv) > 1 else 41))
