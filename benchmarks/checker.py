"""Time and memory of the checker beside its goals: `python benchmarks/checker.py [--quick] [PART...]`.

PART is one of unique, values, small, growth, broken, file; all of them without any. --quick takes a tenth of the
operations, where the goals are those of the whole. Times are CPU seconds, medians of 5, each figure in a process of its own
(see `measuring.py`) with the compile cache warm. Exits 1 if a goal was missed.
"""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from histories import ALL_EIGHT, READ_WRITE, UNIQUE, Break, Workload, generate, write

from mapproof.spec.table import Table

REPEATS = 5
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` and `goal` in `unit`; the goal is a bound from above, None where there is none."""

    what: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def met(self) -> bool:
        return self.goal is None or self.value <= self.goal

    def __str__(self) -> str:
        goal = "" if self.goal is None else f"<= {self.goal:g}"
        return (
            f"{self.what:66} {self.value:9.3f} {self.unit:4} {goal:8} {'' if self.met else 'missed'}".rstrip()
        )


@dataclass(frozen=True, slots=True)
class Bench:
    """Where files go, and by how much the workloads are made smaller."""

    folder: Path
    divisor: int

    def scaled(self, workload: Workload) -> Workload:
        return replace(workload, operations=workload.operations // self.divisor)

    def decision(
        self, workload: Workload, broken: Break | None = None, repeats: int = REPEATS
    ) -> dict[str, Any]:
        """The decision of a generated history; it must come out as it was made."""
        file = self.folder / "table.npz"
        save(generate(self.scaled(workload), broken), file)
        measured = measure("decision", file, repeats)
        expected = "VIOLATION" if broken else "LINEARIZABLE"
        if measured["verdict"] != expected:
            sys.exit(f"{workload} is {expected}, but the answer was {measured['verdict']}")
        return measured


def measure(kind: str, file: Path, repeats: int = REPEATS) -> dict[str, Any]:
    """Measure in a fresh process, which must not fail."""
    script = Path(__file__).parent / "measuring.py"
    command = [sys.executable, str(script), kind, str(file), str(repeats)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def save(table: Table, file: Path) -> None:
    columns = {field.name: getattr(table, field.name) for field in fields(Table)}
    arrays = {name: column for name, column in columns.items() if isinstance(column, np.ndarray)}
    arrays["names"] = np.array([len(table.keys), len(table.values)])
    np.savez(file, **arrays)  # type: ignore[arg-type]


def unique(bench: Bench) -> Iterator[Figure]:
    """A million operations, each stored value its own."""
    for keys in (1, 16, 1024):
        for clients in (2, 8, 32):
            measured = bench.decision(Workload(MILLION, keys, clients))
            what = f"unique values, {keys} keys, {clients} clients"
            yield Figure(f"{what}: decision", measured["seconds"], "s", 0.5)
            yield Figure(
                f"{what}: peak memory ({measured['before']:.0f} before)", measured["peak"], "MB", 400
            )
    for keys, clients in ((1, 32), (16, 8)):
        measured = bench.decision(Workload(MILLION, keys, clients, mix=ALL_EIGHT))
        yield Figure(f"unique values, all eight, {keys} keys, {clients} clients", measured["seconds"], "s")


def values(bench: Bench) -> Iterator[Figure]:
    """A million operations over five values."""
    for keys, clients, goal in ((16, 8, 0.5), (16, 32, 0.5), (1024, 32, 0.5), (1, 32, 5.0)):
        measured = bench.decision(Workload(MILLION, keys, clients, values=5))
        what = f"5 values, {keys} keys, {clients} clients"
        yield Figure(f"{what}: decision", measured["seconds"], "s", goal)
        yield Figure(f"{what}: peak memory ({measured['before']:.0f} before)", measured["peak"], "MB", 400)
    for keys, clients in ((1, 8), (16, 8)):
        measured = bench.decision(Workload(MILLION, keys, clients, values=5, mix=ALL_EIGHT))
        yield Figure(f"5 values, all eight, {keys} keys, {clients} clients", measured["seconds"], "s")


def small(bench: Bench) -> Iterator[Figure]:
    """Histories of 20 operations of 4 clients on one key, without numpy or numba: what Hypothesis waits for."""
    for name, count in (("unique values", UNIQUE), ("5 values", 5)):
        for mix_name, mix in (("store/load/delete", READ_WRITE), ("all eight", ALL_EIGHT)):
            tables = (
                generate(Workload(20, 1, 4, count, mix, seed)) for seed in range(3_000 // bench.divisor)
            )
            histories = [[table.operation(row) for row in range(len(table))] for table in tables]
            file = bench.folder / "small.pickle"
            file.write_bytes(pickle.dumps(histories))
            seconds = measure("small", file)["seconds"]
            yield Figure(f"20 operations, {name}, {mix_name}, plain Python", 1e6 * seconds, "us", 150)


def growth(bench: Bench) -> Iterator[Figure]:
    """From 1e5 to 1e7 operations: the exponent is the slope of log(seconds) over log(operations)."""
    for keys, clients in ((16, 8), (1, 32)):
        sizes, seconds = [MILLION // 10, MILLION, 10 * MILLION], []
        for size in sizes:
            measured = bench.decision(Workload(size, keys, clients), repeats=3)
            seconds.append(measured["seconds"])
            name = f"{size // bench.divisor:,} operations, {keys} keys, {clients} clients"
            yield Figure(f"{name}: decision", seconds[-1], "s")
            yield Figure(f"{name}: peak memory ({measured['before']:.0f} before)", measured["peak"], "MB")
        logs = [[math.log(x) for x in numbers] for numbers in (sizes, seconds)]
        yield Figure(f"growth exponent, {keys} keys, {clients} clients", slope(*logs), "", 1.1)


def slope(x: list[float], y: list[float]) -> float:
    """Least squares."""
    return float(np.polyfit(x, y, 1)[0])


def broken(bench: Bench) -> Iterator[Figure]:
    """One wrong answer at a random place of a million operations, down to the core."""
    for keys, clients in ((1, 32), (16, 8)):
        for kind in Break:
            workload = Workload(MILLION, keys, clients)
            measured = bench.decision(workload, kind, repeats=3)
            what = f"{kind}, {keys} keys, {clients} clients"
            yield Figure(f"{what}: verdict and core", measured["seconds"], "s", 1.0)
            yield Figure(f"{what}: size of the core", measured["core"], "ops", 6)


def file(bench: Bench) -> Iterator[Figure]:
    """From a JSONL file of a million lines to the verdict."""
    for keys, clients, count in ((16, 8, UNIQUE), (1, 32, UNIQUE), (16, 8, 5)):
        path = bench.folder / "history.jsonl"
        write(generate(bench.scaled(Workload(MILLION, keys, clients, count))), path)
        runs = sorted((measure("from_file", path) for _ in range(REPEATS)), key=lambda run: run["seconds"])
        median = runs[REPEATS // 2]
        what = f"JSONL, {keys} keys, {clients} clients, {count or 'unique'} values"
        yield Figure(f"{what}: file to verdict", median["seconds"], "s", 1.0)
        yield Figure(f"{what}: with start and imports", median["whole"], "s")


PARTS: Mapping[str, Callable[[Bench], Iterator[Figure]]] = {
    part.__name__: part for part in (unique, values, small, growth, broken, file)
}


def main(arguments: list[str]) -> bool:
    """Whether all goals were met."""
    names = [name for name in arguments if name != "--quick"] or list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"no part named {unknown[0]}; there are {', '.join(PARTS)}")
    all_met = True
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder), 10 if "--quick" in arguments else 1)
        bench.decision(Workload(1_000, 1, 2), repeats=1)  # fills the compile cache, which takes memory too
        for name in names:
            for figure in PARTS[name](bench):
                print(figure, flush=True)
                all_met &= figure.met
    return all_met


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]))
