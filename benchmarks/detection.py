"""How reliably the kit tells broken maps from right ones: `python benchmarks/detection.py [KIND [BUDGET [SEEDS [NAME...]]]]`.

KIND is `broken` or `correct`. A broken map is checked with SEEDS seeds (20), each time for at most BUDGET seconds
(10); a correct one once, for BUDGET seconds (60). Exits 1 if a broken map was missed or a right one accused.
"""

from __future__ import annotations

import importlib
import pkgutil
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.conformance import examine
from mapproof.stateful_tests.targets import target_of

TESTS = Path(__file__).parents[1] / "tests"
DEFAULTS = {"broken": (10.0, 20, Verdict.FAILED), "correct": (60.0, 1, Verdict.SAMPLED)}


def main(arguments: list[str]) -> bool:
    """Whether every map got the verdict that it deserves."""
    sys.path.insert(0, str(TESTS))
    kinds = arguments[:1] or list(DEFAULTS)
    right = [one_kind(kind, arguments[1:]) for kind in kinds]
    return all(right)


def one_kind(kind: str, arguments: list[str]) -> bool:
    budget, seeds, expected = DEFAULTS[kind]
    budget = float(arguments[0]) if arguments else budget
    seeds = int(arguments[1]) if len(arguments) > 1 else seeds
    right = True
    for name, factory in maps(kind, arguments[2:]):
        verdicts, seconds = [], []
        for seed in range(seeds):
            started = time.perf_counter()
            findings = examine(target_of(factory, name), budget=budget, seed=seed)
            seconds.append(time.perf_counter() - started)
            verdicts.append(findings.verdict)
            if findings.verdict is not expected:
                right = False
                print(findings.counterexample.account if findings.counterexample else findings.scope)
        counts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts).items())
        median, slowest = statistics.median(seconds), max(seconds)
        print(f"{kind:8} {name:24} {counts:24} median {median:5.1f} s, slowest {slowest:5.1f} s", flush=True)
    return right


def maps(kind: str, names: list[str]) -> Iterator[tuple[str, Any]]:
    """The one public class of each module of the zoo."""
    for name in names or [found.name for found in pkgutil.iter_modules([str(TESTS / "zoo" / kind)])]:
        module = importlib.import_module(f"zoo.{kind}.{name}")
        own = [value for value in vars(module).values() if isinstance(value, type)]
        yield name, next(c for c in own if c.__module__ == module.__name__ and not c.__name__.startswith("_"))


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]))
