"""What a map claims of its operations on the whole map: `range`, `len` and `clear`.

The idea: most false alarms of checkers are about promises that a library never made (a `size()` that is only an
estimate, an iterator that is no snapshot). So each of the three is held to what is claimed of it, and the
default is the least that a user may expect.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from mapproof.spec.operations import Op


class Contract(StrEnum):
    """How strong a promise is.

    WEAK: `range` answers no key twice and no value that was never stored to that key before it returned;
    `range` and `len` are exact when no operation that may change the map overlaps them; `clear` deletes each
    key at one or more moments of the call.
    PER_KEY: as Go documents sync.Map.Range: each key is read (or, for `clear`, deleted) at one moment of the
    call, each key at its own.
    PER_SHARD: the keys of each shard at one moment of the call, each shard at its own; `len` is the sum of what
    it met in each.
    ATOMIC: the whole operation at one moment.
    """

    WEAK = "weak"
    PER_KEY = "per_key"
    PER_SHARD = "per_shard"
    ATOMIC = "atomic"


@dataclass(frozen=True, slots=True)
class Claims:
    """The contract of each whole-map operation; `shard_of` names the shard of a key for those that are PER_SHARD.

    Raises ValueError for a `len` that is PER_KEY, which has no meaning of its own, and for PER_SHARD without
    `shard_of`.
    """

    range: Contract = Contract.WEAK
    len: Contract = Contract.WEAK
    clear: Contract = Contract.WEAK
    shard_of: Callable[[Any], Hashable] | None = None

    def __post_init__(self) -> None:
        if self.len is Contract.PER_KEY:
            raise ValueError("len can be claimed weak, per_shard or atomic, not per_key")
        if self.shard_of is None and Contract.PER_SHARD in (self.range, self.len, self.clear):
            raise ValueError("per_shard needs shard_of, which names the shard of a key")

    def with_atomic(self, ops: Collection[Op]) -> Claims:
        """The same, with those of these operations atomic that are on the whole map."""
        return replace(
            self,
            range=Contract.ATOMIC if Op.RANGE in ops else self.range,
            len=Contract.ATOMIC if Op.LEN in ops else self.len,
            clear=Contract.ATOMIC if Op.CLEAR in ops else self.clear,
        )

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
