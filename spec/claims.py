"""What a map claims of its operations on the whole map: `range`, `len` and `clear`.

The idea: most false alarms of checkers are about promises that a library never made (a `size()` that is only an
estimate, an iterator that is no snapshot). So each of the three is held to what is claimed of it, and the
default is the least that a user may expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mapproof.spec.operations import Op


class Contract(StrEnum):
    """How strong a promise is.

    WEAK: `range` answers no key twice and no value that was never stored to that key before it returned;
    `range` and `len` are exact when no operation that may change the map overlaps them; `clear` deletes each
    key at one or more moments of the call.
    PER_KEY: as Go documents sync.Map.Range: each key is read (or, for `clear`, deleted) at one moment of the
    call, each key at its own.
    ATOMIC: the whole operation at one moment.
    """

    WEAK = "weak"
    PER_KEY = "per_key"
    ATOMIC = "atomic"


@dataclass(frozen=True, slots=True)
class Claims:
    """The contract of each whole-map operation. A `len` that is PER_KEY has no meaning of its own: ValueError."""

    range: Contract = Contract.WEAK
    len: Contract = Contract.WEAK
    clear: Contract = Contract.WEAK

    def __post_init__(self) -> None:
        if self.len is Contract.PER_KEY:
            raise ValueError("len can be claimed weak or atomic, not per_key")

    def of(self, op: Op) -> Contract:
        """The contract of `op`; an operation on one key is always atomic."""
        match op:
            case Op.RANGE:
                return self.range
            case Op.LEN:
                return self.len
            case Op.CLEAR:
                return self.clear
            case _:
                return Contract.ATOMIC
