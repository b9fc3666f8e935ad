"""A large history as columns of numbers: a million operations in some 50 MB, and no object for each.

The idea: keys and values are numbered once (`Names`), an operation is a row of small integers, and only the few
operations of an explanation are ever turned back into objects. Needs the extra `fast`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from mapproof.spec.history import Operation
from mapproof.spec.operations import KEYED, SIGNATURES, Op, Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CODES: Final[Mapping[Op, int]] = {op: code for code, op in enumerate(KEYED)}
"""The number of each keyed operation in the column `op`."""

COMPLETED, PENDING, RAISED = 0, 1, 2
"""The numbers of the column `fate`."""

ABSENT_NAME: Final = -1
"""Stands in `first`, `second` and `found` where there is no value, and in `told` where there is no flag."""

FOREVER: Final = 2**62
"""`return_` of a pending operation. Calls and returns lie between -FOREVER and FOREVER, both excluded."""


class Names(Protocol):
    """The keys or the values of a table, numbered from 0; the same by `identity` exactly if the same number."""

    def __len__(self) -> int: ...

    def value(self, number: int) -> Any: ...


@dataclass(frozen=True, slots=True)
class Table:
    """The keyed operations of a history, a row each, in any order; `whole` holds those on the whole map.

    `first` and `second` are the arguments after the key, `found` the value in the answer, `told` its flag
    (`ok`, `loaded`, or the answer of a compare) as 0 or 1. `errors` has the error of each RAISED row; `whole`
    pairs an operation on the whole map with its place in the history.
    """

    client: NDArray[np.int64]
    op: NDArray[np.int8]
    key: NDArray[np.int32]
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    found: NDArray[np.int32]
    told: NDArray[np.int8]
    fate: NDArray[np.int8]
    call: NDArray[np.int64]
    return_: NDArray[np.int64]
    keys: Names
    values: Names
    errors: Mapping[int, str] = field(default_factory=dict)
    whole: Sequence[tuple[int, Operation]] = ()

    def __len__(self) -> int:
        return len(self.op) + len(self.whole)

    def operation(self, row: int) -> Operation:
        """One row as an object."""
        op, fate = KEYED[self.op[row]], int(self.fate[row])
        given = (self.first[row], self.second[row])[: len(SIGNATURES[op].arguments)]
        return Operation(
            client=int(self.client[row]),
            op=op,
            key=self.keys.value(int(self.key[row])),
            args=tuple(self.values.value(int(number)) for number in given),
            result=self._answer(op, row) if fate == COMPLETED else None,
            call=int(self.call[row]),
            return_=None if fate == PENDING else int(self.return_[row]),
            error=self.errors[row] if fate == RAISED else None,
        )

    def _answer(self, op: Op, row: int) -> Any:
        told, found = bool(self.told[row] == 1), int(self.found[row])
        match SIGNATURES[op].result:
            case Shape.NOTHING:
                return None
            case Shape.FLAG:
                return told
            case _:
                return (None if found == ABSENT_NAME else self.values.value(found), told)
