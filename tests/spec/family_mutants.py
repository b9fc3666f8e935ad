"""Mutants of the deciders, to see the comparison of `families` catch them: `python family_mutants.py NUMBER`
(-1 and below: the controls).

The idea: a mutant is the source of one module with one line wrong, put in its place while it is imported, in a
process of its own. The comparison then runs as it always does, until somebody disagrees. Kernels run as plain
Python, which spares their compilation: one source, so the mutant is the same.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from itertools import count
from pathlib import Path
from time import process_time
from types import CodeType, ModuleType
from typing import Final

LIMIT_SECONDS: Final = 60.0
"""CPU time after which a mutant has survived. Nearly all are caught within three seconds."""

CONTROL_ROUNDS: Final = 6
"""Rounds that a control has to survive. Nearly all mutants are caught in the first."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`module` with `new` in the one place where it has `old`; `decider` is one of `families.DECIDERS`, or
    `whole map`."""

    breaks: str
    module: str
    old: str
    new: str
    decider: str = "check"


MUTANTS: Final = (
    Mutant(
        "a failed compare says nothing",
        "effects",
        "if result else Effect(unless=old)",
        "if result else NO_EFFECT",
    ),
    Mutant(
        "an unanswered load_or_store overwrites",
        "effects",
        "return Effect(wanted=MISSING, post=values.number(operation.args[0]))\n        case Op.LOAD_AND_DELETE",
        "return Effect(post=values.number(operation.args[0]))\n        case Op.LOAD_AND_DELETE",
    ),
    Mutant(
        "a load_or_store that loaded may have met anything",
        "effects",
        "        return Effect(wanted=values.number(actual))\n    if identity",
        "        return NO_EFFECT\n    if identity",
    ),
    Mutant("a raised operation took effect", "groups", "not shown.completed,", "shown.return_ is None,"),
    Mutant("a pending operation took effect", "groups", "not shown.completed,", "shown.error is not None,"),
    Mutant(
        "equal times do not overlap within a chain",
        "chains",
        "if return_[seer] < call[before]:",
        "if return_[seer] <= call[before]:",
    ),
    Mutant(
        "a change of value does not wait for the value's readers",
        "chains",
        "if return_[at] < call[late]:",
        "if False:",
    ),
    Mutant(
        "a delete leaves the overwrites that wait behind",
        "greedy",
        "if insertable > 0 or (what == DELETE and waits > 0):",
        "if insertable > 0:",
    ),
    Mutant(
        "a delete without an answer may be in nobody's way",
        "greedy",
        "if certain[latest[forced]] != 0:",
        "if True:",
    ),
    Mutant(
        "a compare-and-delete without an answer never happened",
        "near_linear",
        "for choice in range(1, 1 << found):",
        "for choice in range(0):",
    ),
    Mutant(
        "a failed compare may stand anywhere",
        "failed_compares",
        "last = _below(called, placed, return_[step] + 1)",
        "last = placed",
    ),
    Mutant(
        "no change in hindsight",
        "register_search",
        "        if step.event > past.event:\n            return\n",
        "        return\n",
        "search",
    ),
    Mutant(
        "hindsight for what was called too late",
        "register_search",
        "        if step.event > past.event:\n            return\n",
        "",
        "search",
    ),
    Mutant(
        "of equal configurations the least can do most",
        "register_search",
        "settled[key].event < how.event",
        "settled[key].event > how.event",
        "search",
    ),
    Mutant(
        "no chain before a blind write",
        "register_search",
        "for node in self._chain(_Node(state, mask, past.since), now, 0 if blind else step.bit):",
        "for node in self._chain(_Node(state, mask, past.since), now, -1):",
        "search",
    ),
    Mutant(
        "a write stands in for one that was called later",
        "register_search",
        "and other.event > step.event",
        "and other.event < step.event",
        "search",
    ),
    Mutant(
        "a compare that failed excludes nothing",
        "table_kernels",
        "        avoid = given",
        "        avoid = -1",
        "machine code",
    ),
    Mutant(
        "values keep the numbers that they had on another key",
        "table_kernels",
        "if stamp[value] != begin:",
        "if stamp[value] < 0:",
        "machine code",
    ),
    Mutant(
        "the search believes a refutation of a history with repeated values",
        "table_kernels",
        "if found in (REPEATED, FAILED_COMPARE, UNANSWERED_DELETE):",
        "if found in (FAILED_COMPARE, UNANSWERED_DELETE):",
        "machine code",
    ),
    Mutant(
        "equal times do not overlap in the compiled search",
        "register_kernel",
        "call[called] <= return_[step]",
        "call[called] < return_[step]",
        "machine code",
    ),
    Mutant(
        "a write does not end the time before it in the compiled search",
        "register_kernel",
        "since = sets[_ALL] if is_head and not hindsight else early",
        "since = early",
        "machine code",
    ),
    Mutant(
        "of the states after a search a stream keeps one",
        "streaming_key",
        "self._states, self._search = search.states(), None",
        "self._states, self._search = {min(search.states())}, None",
        "stream",
    ),
    Mutant(
        "in a stream, a step by itself took effect though it raised",
        "streaming_key",
        "states |= self._states if optional else set()",
        "states |= set()",
        "stream",
    ),
    Mutant(
        "an operation on the whole map reads as soon as it can",
        "moments",
        "return self._shared[place].reads and child.left == branch.left and child.frontiers == branch.frontiers",
        "return self._shared[place].reads",
        "whole map",
    ),
    Mutant(
        "a len counts keys that it did not meet",
        "moments",
        "present += met",
        "present += 1",
        "whole map",
    ),
    Mutant(
        "no operation on the whole map takes effect before a return",
        "moments",
        "if returns and self._shared:",
        "if False:",
        "whole map",
    ),
)


CONTROLS: Final = tuple(
    Mutant("nothing", "effects", "NO_EFFECT: Final = Effect()", "NO_EFFECT: Final = Effect()", decider)
    for decider in ("check", "search", "machine code", "stream", "whole map")
)
"""Mutants that are none, to see that it is the mutants which are caught, and not the way in which they run."""


class _Importer(MetaPathFinder, SourceFileLoader):  # type: ignore[misc]
    """Finds and loads the one module of a mutant."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = f"mapproof.spec.linearizability.{mutant.module}"

    def find_spec(
        self, fullname: str, path: object = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = PathFinder.find_spec(fullname, path)  # type: ignore[arg-type]
        assert spec is not None and spec.origin is not None
        SourceFileLoader.__init__(self, fullname, spec.origin)
        spec.loader = self
        return spec

    def get_code(self, fullname: str) -> CodeType:
        source = Path(self.path).read_text()
        assert source.count(self._mutant.old) == 1, f"{self._mutant.breaks}: the source has changed"
        return compile(source.replace(self._mutant.old, self._mutant.new), self.path, "exec")


def hunt(mutant: Mutant, rounds: Iterable[int]) -> str | None:
    """What the comparison says of a mutant; None if it finds nothing in so many rounds and LIMIT_SECONDS."""
    sys.meta_path.insert(0, _Importer(mutant))
    import families
    import numpy as np
    from numba import config

    from mapproof.spec.linearizability import compiled

    for family in families.FAMILIES:
        families.expected(families.drawn(family, 0, 1))
    config.DISABLE_JIT = 1
    np.seterr(over="ignore")  # machine code does not notice either
    compiled._substitutes.cache_clear()
    for seed in rounds:
        outcomes = (
            [families.compare_whole_map(seed, 100)]
            if mutant.decider == "whole map"
            else (families.compare(family, seed, 250, [mutant.decider]) for family in families.FAMILIES)
        )
        for outcome in outcomes:
            if not isinstance(outcome, Counter):
                return str(outcome)
        if process_time() > LIMIT_SECONDS:
            break
    return None


def hunt_number(number: int) -> str | None:
    """What is said of MUTANTS[number], or of CONTROLS[~number]; to be called in a process of its own."""
    return hunt(MUTANTS[number], count()) if number >= 0 else hunt(CONTROLS[~number], range(CONTROL_ROUNDS))


if __name__ == "__main__":
    said = hunt_number(int(sys.argv[1]))
    print(said or "it survived")
    sys.exit(said is None)
