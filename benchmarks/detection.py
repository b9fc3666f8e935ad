"""How reliably the kit tells broken maps from right ones: `python benchmarks/detection.py [broken|correct] [NAME...]`.

A broken map is hunted at the default settings, with one seed after the other; it must be found each time within 10
seconds of CPU time. A correct map is run in 100,000 schedules, and must not be accused. Exits 1 if one was missed or
accused.

With `--to FILE` each result is added to FILE, a JSON object a line, so that the maps may be run in pieces;
`--page FILE...` prints docs/zoo.md from such files. Time is CPU time, as other programs may be running.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.conformance import Findings, Tally, examine
from mapproof.stateful_tests.targets import target_of

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from zoo.specimens import BROKEN, CORRECT, SPECIMENS, own_class

WITHIN = 10.0
"""CPU seconds in which a broken map must be found; making its counterexample small comes on top."""

FIRST = 20.0
"""Seconds that a correct map is run with its first seed; how far it came says how long the next one needs."""

SHORTEST = 5.0
"""With less, a busy machine may run nothing at all."""


@dataclass(frozen=True, slots=True)
class Hunt:
    """One search for the bug of a broken map. `found` is when the scenario that failed had begun, `seconds` when its
    counterexample was small; `threads`, `operations` (of the longest thread) and `setup` are its size."""

    name: str
    seed: int
    verdict: str
    schedules: int
    found: float
    seconds: float
    threads: int
    operations: int
    setup: int
    kind: str
    python: str
    day: str

    @property
    def right(self) -> bool:
        return self.verdict == Verdict.FAILED and self.found <= WITHIN

    @property
    def small(self) -> bool:
        return self.threads <= 3 and self.operations <= 2

    def __str__(self) -> str:
        what = f"{self.kind}, {self.threads} x {self.operations} after {self.setup}" if self.kind else ""
        return (
            f"broken   {self.name:22} seed {self.seed:2} {self.verdict:9} found {self.found:5.1f} s, "
            f"in all {self.seconds:5.1f} s, {self.schedules:6,} schedules  {what}"
        )


@dataclass(frozen=True, slots=True)
class Acquittal:
    """All that was run of a correct map; `distinct` counts schedules that differ from all others of their seed."""

    name: str
    verdict: str
    schedules: int
    distinct: int
    scenarios: int
    seconds: float
    python: str
    day: str
    account: str = ""

    @property
    def right(self) -> bool:
        return self.verdict == Verdict.SAMPLED

    def __str__(self) -> str:
        return (
            f"correct  {self.name:22} {self.verdict:9} {self.schedules:7,} schedules, {self.distinct:7,} distinct, of "
            f"{self.scenarios:,} scenarios, {self.seconds:.0f} s\n{self.account}".rstrip()
        )


Result = Hunt | Acquittal


def hunt(name: str, seed: int, budget: float) -> Hunt:
    """Search a broken map as `mapproof check` does."""
    started = time.process_time()
    began = started

    def scenario_begins(tally: Tally) -> None:
        nonlocal began
        began = time.process_time()

    findings = _examined("broken", name, budget, seed, scenario_begins)
    small = findings.counterexample
    threads = [thread for thread in small.scenario.threads if thread] if small else []
    return Hunt(
        name=name,
        seed=seed,
        verdict=findings.verdict,
        schedules=findings.tally.runs,
        found=began - started,
        seconds=time.process_time() - started,
        threads=len(threads),
        operations=max(map(len, threads), default=0),
        setup=len(small.scenario.setup) if small else 0,
        kind=small.execution.failure.kind if small and small.execution.failure else "",
        python=platform.python_version(),
        day=date.today().isoformat(),
    )


def acquit(name: str, schedules: int, first_seed: int) -> Acquittal:
    """Run a correct map until so many schedules were run, seed after seed."""
    started, began = time.process_time(), time.perf_counter()
    done = Tally()
    verdict, account = Verdict.SAMPLED, ""
    seed, budget = first_seed, FIRST
    while done.runs < schedules and verdict is Verdict.SAMPLED:
        findings = _examined("correct", name, budget, seed, lambda tally: None)
        verdict = findings.verdict
        if verdict is not Verdict.SAMPLED:
            account = findings.counterexample.account if findings.counterexample else findings.scope
        done.runs += findings.tally.runs
        done.distinct += findings.tally.distinct
        done.scenarios += findings.tally.scenarios
        seed += 1
        left = (schedules - done.runs) / max(done.runs, 1)
        budget = max((time.perf_counter() - began) * left, SHORTEST)
    return Acquittal(
        name=name,
        verdict=verdict,
        schedules=done.runs,
        distinct=done.distinct,
        scenarios=done.scenarios,
        seconds=time.process_time() - started,
        python=platform.python_version(),
        day=date.today().isoformat(),
        account=account,
    )


def _examined(kind: str, name: str, budget: float, seed: int, progress: Callable[[Tally], None]) -> Findings:
    factory = own_class(importlib.import_module(f"zoo.{kind}.{name}"))
    return examine(target_of(factory, name), budget=budget, seed=seed, progress=progress)


# -- the page


INTRODUCTION = """\
# The zoo

Small maps in plain Python, as their authors would write them: none imports mapproof, none was written with its
explorer in mind. {broken} are broken, by {mechanisms} mechanisms; {correct} are right, some of them oddly built.
`tests/zoo/specimens.py` says what is wrong with each broken one and keeps the smallest program that shows it, which
the default tests run. `make zoo-30min` hunts and acquits them all; this page is made from such runs by
`python benchmarks/detection.py --page FILE...`.
"""

HUNTED = """\
## Broken maps

Each was hunted as `mapproof check` does, with {seeds}. {found} of {hunted} were found with every seed within
{within:g} s of CPU time, {small} of them with counterexamples of at most 3 threads and 2 operations a thread.

*Fewest* is the smallest program known: threads x operations of the longest thread, after so many operations of
*setup*, with so many *preemptions* (every schedule with fewer was run, and is right). *Found* counts the seeds,
*largest* is the largest counterexample among them. *Schedules* and *seconds* are medians, up to the scenario that
failed; *in all* adds the seconds in which the counterexample was made small. {measured}

| map | mechanism | fewest | setup | preemptions | failure | found | largest | schedules | seconds | in all |
|---|---|---|---|---|---|---|---|---|---|---|
"""

ACQUITTED = """
## Correct maps

Run at the default settings, seed after seed. A schedule is *distinct* if no other of its seed is the same.
{measured}

| map | verdict | schedules | distinct | scenarios | CPU seconds |
|---|---|---|---|---|---|
"""


def page(results: Sequence[Result]) -> str:
    """docs/zoo.md: the tables of what was measured."""
    hunts = {name: [r for r in results if isinstance(r, Hunt) and r.name == name] for name in BROKEN}
    acquittals = {
        name: [r for r in results if isinstance(r, Acquittal) and r.name == name] for name in CORRECT
    }
    found = [tried for tried in hunts.values() if tried and all(hunt.right for hunt in tried)]
    introduction = INTRODUCTION.format(
        broken=len(BROKEN),
        mechanisms=len({specimen.mechanism for specimen in SPECIMENS.values()}),
        correct=len(CORRECT),
    )
    hunted = HUNTED.format(
        found=len(found),
        hunted=sum(map(bool, hunts.values())),
        within=WITHIN,
        seeds=_seeds([len(tried) for tried in hunts.values() if tried]),
        small=sum(all(hunt.small for hunt in tried) for tried in found),
        measured=_measured(chain.from_iterable(hunts.values())),
    )
    acquitted = ACQUITTED.format(measured=_measured(chain.from_iterable(acquittals.values())))
    rows = (_hunted(name, tried) for name, tried in hunts.items())
    others = (_acquitted(name, tried) for name, tried in acquittals.items())
    return f"{introduction}\n{hunted}{_lines(rows)}{acquitted}{_lines(others)}"


def _seeds(counts: Sequence[int]) -> str:
    fewest, most = min(counts, default=0), max(counts, default=0)
    return f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds"


def _lines(rows: Iterable[str]) -> str:
    return "".join(f"{row}\n" for row in rows)


def _measured(given: Iterable[Result]) -> str:
    results = list(given)
    if not results:
        return "Not measured yet."
    pythons = sorted({result.python for result in results})
    days = sorted({result.day for result in results})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"Measured {when} on Python {', '.join(pythons)}."


def _hunted(name: str, hunts: Sequence[Hunt]) -> str:
    specimen = SPECIMENS[name]
    setup = len([words for words in specimen.setup.split(";") if words.strip()])
    hits = [hunt for hunt in hunts if hunt.right]
    kinds = ", ".join(sorted({hunt.kind for hunt in hits})) or specimen.kind
    return _row(
        f"`{name}`",
        specimen.mechanism,
        specimen.size,
        setup,
        specimen.preemptions,
        kinds,
        f"{len(hits)} of {len(hunts)}" if hunts else "not run",
        f"{max(h.threads for h in hits)} x {max(h.operations for h in hits)}" if hits else "-",
        _median([hunt.schedules for hunt in hits], ",.0f"),
        _median([hunt.found for hunt in hits], ".1f"),
        _median([hunt.seconds for hunt in hits], ".1f"),
    )


def _acquitted(name: str, acquittals: Sequence[Acquittal]) -> str:
    verdicts = ", ".join(sorted({acquittal.verdict for acquittal in acquittals})) or "not run"
    total = [
        sum(getattr(acquittal, column) for acquittal in acquittals)
        for column in ("schedules", "distinct", "scenarios", "seconds")
    ]
    return _row(f"`{name}`", verdicts, *(f"{count:,.0f}" for count in total))


def _median(values: Sequence[float], form: str) -> str:
    return format(statistics.median(values), form) if values else "-"


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


# -- the command


def read(files: Iterable[Path]) -> Iterator[Result]:
    """The results that `--to` wrote."""
    for file in files:
        for line in file.read_text().splitlines():
            fields: dict[str, Any] = json.loads(line)
            yield Hunt(**fields) if "seed" in fields else Acquittal(**fields)


def run(arguments: argparse.Namespace) -> Iterator[Result]:
    """The results of all maps that were asked for, as they come."""
    names = frozenset(arguments.names)
    with ProcessPoolExecutor(arguments.jobs, max_tasks_per_child=1) as pool:
        waiting: list[Future[Hunt] | Future[Acquittal]] = []
        if arguments.kind in ("broken", "all"):
            for name in [name for name in BROKEN if not names or name in names]:
                waiting += [
                    pool.submit(hunt, name, seed, arguments.budget)
                    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
                ]
        if arguments.kind in ("correct", "all"):
            for name in [name for name in CORRECT if not names or name in names]:
                waiting.append(pool.submit(acquit, name, arguments.schedules, arguments.first_seed))
        for future in waiting:
            yield future.result()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", nargs="?", default="all", choices=("all", "broken", "correct"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="of each broken map")
    parser.add_argument(
        "--first-seed", type=int, default=0, metavar="N", help="when the maps are run in pieces"
    )
    parser.add_argument(
        "--budget", type=float, default=10.0, metavar="SECONDS", help="of wall time, to hunt a broken map"
    )
    parser.add_argument("--schedules", type=int, default=100_000, metavar="N", help="of each correct map")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes")
    parser.add_argument("--to", type=Path, metavar="FILE", help="add the results to this file")
    parser.add_argument(
        "--page", type=Path, nargs="+", metavar="FILE", help="print docs/zoo.md from these files"
    )
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - {*BROKEN, *CORRECT}):
        parser.error(f"no such map: {', '.join(unknown)}")
    if arguments.page:
        print(page(list(read(arguments.page))), end="")
        return 0
    right = True
    for result in run(arguments):
        right = right and result.right
        print(result, flush=True)
        if arguments.to:
            with arguments.to.open("a") as file:
                file.write(json.dumps(asdict(result)) + "\n")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
