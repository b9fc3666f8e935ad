"""The operations of a concurrent map and the shapes of their results, in Go's names written the Python way.

The idea: an operation's results tell a missing key from a key that holds `None`, so a pair `(value, present)`
stands wherever Go answers `value, ok`. Everything that reads, generates or checks operations looks them up in
`SIGNATURES`, so a name or a shape is said once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final


class Op(StrEnum):
    """The eleven operations. `range`, `len` and `clear` take no key; the others act on exactly one."""

    LOAD = "load"
    STORE = "store"
    LOAD_OR_STORE = "load_or_store"
    LOAD_AND_DELETE = "load_and_delete"
    DELETE = "delete"
    SWAP = "swap"
    COMPARE_AND_SWAP = "compare_and_swap"
    COMPARE_AND_DELETE = "compare_and_delete"
    RANGE = "range"
    CLEAR = "clear"
    LEN = "len"


class Shape(Enum):
    """What a completed operation answers; the text is what an error message says was expected."""

    NOTHING = "null"
    VALUE_OK = "[value, true] or [null, false]"
    ACTUAL_LOADED = "[value, true] or [value, false]"
    FLAG = "true or false"
    PAIRS = "a list of [key, value] pairs"
    COUNT = "a number of keys, at least 0"


@dataclass(frozen=True, slots=True)
class Signature:
    """`arguments` names what follows the key; `mutates` is whether some outcome changes the map."""

    keyed: bool
    arguments: tuple[str, ...]
    result: Shape
    mutates: bool


SIGNATURES: Final[Mapping[Op, Signature]] = {
    Op.LOAD: Signature(True, (), Shape.VALUE_OK, False),
    Op.STORE: Signature(True, ("value",), Shape.NOTHING, True),
    Op.LOAD_OR_STORE: Signature(True, ("value",), Shape.ACTUAL_LOADED, True),
    Op.LOAD_AND_DELETE: Signature(True, (), Shape.VALUE_OK, True),
    Op.DELETE: Signature(True, (), Shape.NOTHING, True),
    Op.SWAP: Signature(True, ("value",), Shape.VALUE_OK, True),
    Op.COMPARE_AND_SWAP: Signature(True, ("old", "new"), Shape.FLAG, True),
    Op.COMPARE_AND_DELETE: Signature(True, ("old",), Shape.FLAG, True),
    Op.RANGE: Signature(False, (), Shape.PAIRS, False),
    Op.CLEAR: Signature(False, (), Shape.NOTHING, True),
    Op.LEN: Signature(False, (), Shape.COUNT, False),
}

KEYED: Final = tuple(op for op, signature in SIGNATURES.items() if signature.keyed)
WHOLE_MAP: Final = tuple(op for op, signature in SIGNATURES.items() if not signature.keyed)


def has_shape(shape: Shape, result: Any) -> bool:
    """Whether `result` could be an answer of that shape (lists and tuples are alike)."""
    match shape:
        case Shape.NOTHING:
            return result is None
        case Shape.VALUE_OK:
            return _is_pair(result) and isinstance(result[1], bool) and (result[1] or result[0] is None)
        case Shape.ACTUAL_LOADED:
            return _is_pair(result) and isinstance(result[1], bool)
        case Shape.FLAG:
            return isinstance(result, bool)
        case Shape.PAIRS:
            return isinstance(result, list | tuple) and all(map(_is_pair, result))
        case Shape.COUNT:
            return isinstance(result, int) and not isinstance(result, bool) and result >= 0


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2
