"""Where a thread stands, in words that outlive a new line above it and another version of Python.

The idea: a number of an instruction or of a decision means something to one compilation of one text only. The function,
the text of the line and what is done there (`.count =`, `[]`, `call`) mean the same after the line has moved; how often
a thread has come by tells one visit from another.
"""

from __future__ import annotations

import dis
import linecache
from functools import lru_cache
from types import CodeType
from typing import Any

BEGIN = "begin"
"""The position of a thread that has not begun."""

_SUFFIXES = {"LOAD": "", "STORE": " =", "DELETE": " del"}
_NAMED = ("ATTR", "GLOBAL", "NAME", "DEREF", "METHOD")
_KINDS = {
    "BINARY_SUBSCR": "[]",
    "BINARY_SLICE": "[]",
    "STORE_SUBSCR": "[] =",
    "STORE_SLICE": "[] =",
    "DELETE_SUBSCR": "[] del",
    "CONTAINS_OP": "in",
    "COMPARE_OP": "compare",
    "BINARY_OP": "operator",
    "GET_ITER": "iter",
    "FOR_ITER": "next",
    "BEFORE_WITH": "with",
    "WITH_EXCEPT_START": "exit",
    "YIELD_VALUE": "yield",
}


def position_of(doing: Any) -> str:
    """The position of a stop before `doing` (see `strategy.Doing`)."""
    if doing is None:
        return BEGIN
    if type(doing) is tuple:
        if type(doing[0]) is CodeType:
            return _of_instruction(*doing)
        target, access = doing
        return f"{_said(target)} {access}"
    return f"to call {getattr(doing, 'op', doing)}"


def _said(target: object) -> str:
    """The name of a primitive, without the line where it was made."""
    return str(getattr(target, "name", type(target).__name__)).partition(" made at ")[0]


def _of_instruction(code: CodeType, offset: int) -> str:
    function, lines, kinds = _read(code)
    return f"{function}: {lines.get(offset, '')} {{{kinds.get(offset, '')}}}"


@lru_cache(maxsize=1_000)
def _read(code: CodeType) -> tuple[str, dict[int, str], dict[int, str]]:
    """The function's name, and for each offset the text of its line and what is done."""
    lines: dict[int, str] = {}
    for start, end, line in code.co_lines():
        text = " ".join(linecache.getline(code.co_filename, line or 0).split())
        for offset in range(start, end, 2):
            lines[offset] = text
    kinds = {found.offset: _kind(found) for found in dis.get_instructions(code)}
    return code.co_qualname, lines, kinds


def _kind(instruction: dis.Instruction) -> str:
    verb, _, rest = instruction.opname.partition("_")
    if verb in _SUFFIXES and rest in _NAMED:
        return f".{instruction.argval}{_SUFFIXES[verb]}"
    if verb == "CALL":
        return "call"
    return _KINDS.get(instruction.opname, instruction.opname.lower())
