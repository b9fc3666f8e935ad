"""What `benchmarks/checker.py` measures in a fresh process: `python benchmarks/measuring.py KIND FILE REPEATS`.

The idea: CPU time of the whole process, so that all its threads count, and the memory of a process that has done
nothing else. Nothing here is imported before it is asked for: what a small history costs must not hide behind numpy.
"""

from __future__ import annotations

import json
import pickle
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from resource import getpagesize
from time import process_time
from typing import Any, TypeAlias

Measured: TypeAlias = dict[str, Any]


def megabytes() -> float:
    """The most memory that this process has held so far, not counting what it was before it began this program."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def megabytes_now() -> float:
    """The memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * getpagesize() / 2**20


def decision(file: Path, repeats: int) -> Measured:
    """A table that another process saved as columns; the kernels are loaded before the clock starts."""
    import numpy as np
    from histories import UNIQUE, Integers, Workload, generate

    from mapproof.spec.linearizability import Violation, check
    from mapproof.spec.table import Table

    for domain in (UNIQUE, 3):
        check(generate(Workload(300, 2, 2, domain)))
    with np.load(file) as saved:
        columns = {name: saved[name] for name in saved.files}
    keys, values = (Integers(int(count)) for count in columns.pop("names"))
    table = Table(**columns, keys=keys, values=values)
    before = megabytes_now()
    seconds = []
    for _ in range(repeats):
        started = process_time()
        answer = check(table)
        seconds.append(process_time() - started)
    core = len(answer.core) if isinstance(answer, Violation) else 0
    return {
        "seconds": statistics.median(seconds),
        "before": before,
        "peak": megabytes(),
        "verdict": str(answer.verdict),
        "core": core,
    }


def from_file(file: Path, repeats: int) -> Measured:
    """From the bytes on disk to the verdict, without and with the start of Python, imports and loading of kernels."""
    from mapproof.spec.formats.jsonl_table import read_table
    from mapproof.spec.linearizability import check

    first = b'{"client": 0, "op": "store", "key": 1, "args": [1], "result": null, "call": 0, "return": 1}\n'
    check(read_table(first))
    started = process_time()
    answer = check(read_table(file))
    return {"seconds": process_time() - started, "whole": process_time(), "verdict": str(answer.verdict)}


def small(file: Path, repeats: int) -> Measured:
    """Many small histories, pickled as lists of operations: seconds for each one, in plain Python."""
    from mapproof.spec.linearizability import check

    histories = pickle.loads(file.read_bytes())
    seconds = []
    for _ in range(repeats):
        started = process_time()
        for history in histories:
            check(history)
        seconds.append((process_time() - started) / len(histories))
    verdicts = {str(check(history).verdict) for history in histories}
    assert "numba" not in sys.modules and "numpy" not in sys.modules, "a small history needs neither"
    return {"seconds": statistics.median(seconds), "verdict": " ".join(sorted(verdicts))}


KINDS: dict[str, Callable[[Path, int], Measured]] = {
    "decision": decision,
    "from_file": from_file,
    "small": small,
}


if __name__ == "__main__":
    kind, path, times = sys.argv[1:]
    print(json.dumps(KINDS[kind](Path(path), int(times))))
