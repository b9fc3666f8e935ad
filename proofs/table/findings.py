"""What a check of this room answers with before it has a name in a report.

The idea: lemmas, contracts and inferred invariants are listed as values, each with a `check` that answers with one
`Finding`; so whoever makes a report of them goes over all the lists in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

from mapproof.spec.evidence import Verdict


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, for how much it holds, and one line or more that show it: a counterexample, a witness, a reason."""

    verdict: Verdict
    scope: str
    text: str = ""
