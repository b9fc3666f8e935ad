"""What every kind of check answers with: one statement, its verdict, and the scope that the verdict speaks of.

The idea: a verdict without its scope is a lie waiting to happen. `Evidence` makes the pair inseparable, and
the words are few and fixed, so that a budget that ran out can never be read as a pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Which sort of check produced a piece of evidence."""

    PROOF = "proof"
    EXPLORATION = "exploration"
    TEST = "test"
    HISTORY = "history"


class Verdict(StrEnum):
    """The words that a result may use. What each of them claims is said beside it, and nowhere stronger."""

    PROVED = "PROVED"  # an unbounded obligation was discharged
    CONFIRMED = "CONFIRMED"  # all paths of a function explored, within the stated sizes
    REFUTED = "REFUTED"  # a proof obligation fails, with the state that shows it
    UNDECIDED = "UNDECIDED"  # a prover gave up
    EXHAUSTED = "EXHAUSTED"  # every case within the stated bound was run
    SAMPLED = "SAMPLED"  # so many cases were run, nothing was found, and nothing more is claimed
    FAILED = "FAILED"  # a run of the code itself went wrong
    INCONCLUSIVE = "INCONCLUSIVE"  # the check could not look
    LINEARIZABLE = "LINEARIZABLE"  # a history has an order that explains it
    VIOLATION = "VIOLATION"  # a history has none
    REGULAR = "REGULAR"  # each read answered a write that overlaps it, or one that was not overwritten before
    SEQUENTIAL = "SEQUENTIAL"  # an order explains a history that keeps each client's own, if not the clock
    MEASURED = "MEASURED"  # a figure, which is neither right nor wrong
    UNKNOWN = "UNKNOWN"  # the decision ran out of its bound


COUNTEREXAMPLES = frozenset({Verdict.REFUTED, Verdict.FAILED, Verdict.VIOLATION})
"""Verdicts that say something is wrong: exit code 1."""

NO_VERDICT = frozenset({Verdict.UNDECIDED, Verdict.INCONCLUSIVE, Verdict.UNKNOWN})
"""Verdicts that say nothing either way: exit code 3."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One statement and what was shown of it.

    `scope` says for how much the verdict holds ("all keys and threads", "preemptions <= 2 of 3 scenarios");
    `seconds` is wall time; `counterexample` is text for a person, there exactly when something is wrong.
    """

    name: str
    kind: Kind
    verdict: Verdict
    scope: str
    seconds: float
    counterexample: str | None = None


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """0 nothing wrong found, 1 a counterexample, 3 no counterexample but some check gave no verdict."""
    seen = set(verdicts)
    if seen & COUNTEREXAMPLES:
        return 1
    return 3 if seen & NO_VERDICT else 0
