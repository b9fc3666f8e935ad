"""How many operations a second the recorder records: `python benchmarks/recorder.py [OPERATIONS]`.

Each line is the median of 5 runs of OPERATIONS (200,000) operations of one thread, half stores and half loads of a
dict, in CPU time, beside the same loop on the bare dict. Recording runs on one core: threads share what a GIL
gives. Exits 1 if the watched dict records fewer than 300,000 operations a second.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mapproof.spec.recorder import Recorder

RUNS = 5
GOAL = 300_000


def main(operations: int) -> bool:
    """Whether the watched dict reaches the goal."""
    rounds = operations // 2
    bare = median(lambda: use({}, rounds))
    watched = median(lambda: use(Recorder().watch({}), rounds))
    by_hand = median(lambda: tell(rounds))
    for name, seconds in (("bare dict", bare), ("watched dict", watched), ("with operation(...)", by_hand)):
        print(
            f"{name:20} {operations / seconds:12,.0f} operations/s {1e9 * seconds / operations:8,.0f} ns each"
        )
    recorder = Recorder()
    use(recorder.watch({}), rounds)
    taken = median(lambda: recorder.history())
    with tempfile.TemporaryDirectory() as folder:
        written = median(lambda: recorder.write(Path(folder) / "recorded.jsonl"))
    for name, seconds in (("history()", taken), ("write()", written)):
        print(f"{name:20} {operations / seconds:12,.0f} operations/s")
    return operations / watched >= GOAL


def median(work: Callable[[], object]) -> float:
    """CPU seconds."""
    seconds = []
    for _ in range(RUNS):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)


def use(shared: Any, rounds: int) -> None:
    for value in range(rounds):
        shared["a"] = value
        shared["a"]


def tell(rounds: int) -> None:
    recorder = Recorder()
    for value in range(rounds):
        with recorder.operation("store", "a", value):
            pass
        with recorder.operation("load", "a") as running:
            running.result = (value, True)


if __name__ == "__main__":
    sys.exit(not main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000))
