"""What a thread is about to touch, as far as its stop tells: good enough to choose by, not to prove by.

The idea: the random strategies that look at events (POS, SURW) only need to know which of them may race, by a name
that is the same in each execution. A primitive has a name of its own; an instruction names an attribute or a global
variable, and all that go through an object (subscripts, calls, `in`) are taken to be about one thing.
`dependence` is the exact relation.
"""

from __future__ import annotations

import dis
from types import CodeType
from typing import Any, NamedTuple

from mapproof.spec.accesses import Access

_READS = frozenset({Access.LOAD, Access.READ})
_NAMED_READS = frozenset({"LOAD_ATTR", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_METHOD"})
_NAMED = _NAMED_READS | {
    name.replace("LOAD", verb) for name in _NAMED_READS - {"LOAD_METHOD"} for verb in ("STORE", "DELETE")
}


class Pending(NamedTuple):
    """The name of what is about to be touched, and whether it may be changed."""

    name: str
    writes: bool

    def may_race(self, other: Pending) -> bool:
        """One name, and one of the two may change it."""
        return self.name == other.name and (self.writes or other.writes)


def pending(doing: Any) -> Pending | None:
    """What a stop before `doing` says; None if it is before nothing that others may see."""
    if type(doing) is not tuple:
        return None
    if type(doing[0]) is CodeType:
        known = _instructions.get((id(doing[0]), doing[1]))
        return known[1] if known is not None else _remembered(*doing)
    target, access = doing
    return Pending(str(getattr(target, "name", type(target).__name__)), access not in _READS)


_instructions: dict[tuple[int, int], tuple[CodeType, Pending]] = {}
"""By the identity of the code, which is kept alive for that."""


def _remembered(code: CodeType, offset: int) -> Pending:
    for found in dis.get_instructions(code):
        _instructions[id(code), found.offset] = (code, _named(found))
    return _instructions[id(code), offset][1]


def _named(instruction: dis.Instruction) -> Pending:
    if instruction.opname in _NAMED:
        return Pending(f".{instruction.argval}", instruction.opname not in _NAMED_READS)
    return Pending("[]", True)
