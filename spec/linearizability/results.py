"""The three answers of a check, each with what shows it.

The idea: no answer stands alone. LINEARIZABLE carries orders that anyone can replay, VIOLATION the few
operations that cannot be ordered, UNKNOWN the bound that ran out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, Final

from mapproof.spec.evidence import Verdict
from mapproof.spec.history import Operation


class Scope(Enum):
    """Stands where a key stands when an answer is about all keys together."""

    ALL_KEYS = "all keys"


ALL_KEYS: Final = Scope.ALL_KEYS


class Method(StrEnum):
    """How a key was decided, and why so. All are exact."""

    NEAR_LINEAR = "zones, chains and a greedy order: no value was stored twice"
    REPEATED = "just-in-time search: a value was stored twice"
    FAILED_COMPARE = "just-in-time search: a failed compare did not fit the order found at first"
    UNANSWERED = "just-in-time search: an unanswered compare_and_delete may have happened or not"
    REPEATABLE = "just-in-time search: a clear may delete a key more than once"
    SEARCH = "just-in-time search"
    POINTS = "shared moments: an operation that is claimed atomic ties the keys"


@dataclass(frozen=True, slots=True)
class Witness:
    """An order of the operations of one key (or of ALL_KEYS) that `MapModel.step` accepts from its initial state.

    An operation that was pending or raised is in the order exactly when it took effect. One that acts on each
    key at a moment of its own stands as what it amounts to there: a `range` as a `load`, a `clear` as a
    `delete`, once for each moment. An operation whose result says nothing (a `len` or `range` that is claimed
    weak and met a change) is in no order.
    """

    key: Any
    order: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Linearizable:
    """The history has an explanation: one witness for each key, or one for ALL_KEYS if an operation ties them.

    `methods` says how many keys were decided how.
    """

    witness: Sequence[Witness]
    methods: Mapping[Method, int] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        return Verdict.LINEARIZABLE


@dataclass(frozen=True, slots=True)
class Violation:
    """The history has no explanation, for the operations of `core` (by call) have none, whatever the rest did.

    (If a bound ran out before those were found in a long history, the explanation says so.)
    `key` is the key they are about, or ALL_KEYS; `explanation` is one sentence for a person. `method` is how
    it was found; None if one operation refutes itself.
    """

    core: tuple[Operation, ...]
    key: Any
    explanation: str
    method: Method | None = None

    @property
    def verdict(self) -> Verdict:
        return Verdict.VIOLATION


@dataclass(frozen=True, slots=True)
class Unknown:
    """A bound ran out before an answer was found; `reason` says which, and on which key."""

    reason: str

    @property
    def verdict(self) -> Verdict:
        return Verdict.UNKNOWN
