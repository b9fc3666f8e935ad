"""What can be said of an instruction without running it: what it touches, whom it calls, whether its frame may end.

The idea: an attribute, a global variable or a variable of a closure is known by its name, whatever object has it: two
accesses of different names touch different things, two reads change nothing. What is no name but in an object (the
items of a list, say) counts as one thing: a subscript, `in`, an iteration, a comparison and the methods of the built-in
containers touch that, and nothing that has a name. Any other call may touch everything.
"""

from __future__ import annotations

import dis
import linecache
import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FrameType, FunctionType
from typing import Any, Final, NamedTuple

from mapproof.stateful_tests.explorer.opcode_events import shared_offsets

_NAMED = {
    f"{verb}_{where}": ("variable of a closure" if where == "DEREF" else "name", verb == "LOAD")
    for verb in ("LOAD", "STORE", "DELETE")
    for where in ("ATTR", "GLOBAL", "DEREF")
}
"""An attribute of a module is a global variable, so those two share their names."""

_ATTRIBUTES = frozenset({"LOAD_ATTR", "STORE_ATTR", "DELETE_ATTR"})

_ENDS = frozenset({"RETURN_VALUE", "RETURN_CONST", "RERAISE", "RAISE_VARARGS", "YIELD_VALUE", "SEND"})
_JUMPS = frozenset({"JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"})
_CALLS = frozenset({"CALL", "CALL_KW", "CALL_FUNCTION_EX"})
_LOADS = frozenset({"LOAD_METHOD", "LOAD_ATTR", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_DEREF"})
_CALLED_BY = {
    "BINARY_SUBSCR": "__getitem__",
    "STORE_SUBSCR": "__setitem__",
    "DELETE_SUBSCR": "__delitem__",
    "CONTAINS_OP": "__contains__",
    "BEFORE_WITH": "__enter__",
}
_OF_BUILTINS = {"len": "__len__", "iter": "__iter__"}
_LOOK_IN = frozenset({"FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "CONVERT_VALUE"})
_TELL_TRUTH = frozenset(
    {"TO_BOOL", "UNARY_NOT", "JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP"}
    | {f"POP_JUMP_{way}IF_{truth}" for way in ("", "FORWARD_", "BACKWARD_") for truth in ("TRUE", "FALSE")}
)
_ARE_BOOLEAN = frozenset({"COMPARE_OP", "CONTAINS_OP", "IS_OP", "UNARY_NOT", "TO_BOOL", "CHECK_EXC_MATCH"})
_GENERATOR = 0x20 | 0x80 | 0x200


class Touch(NamedTuple):
    """What an instruction touches, by reading it or not; `kind` is CONTENTS or says what the `name` is that of."""

    kind: str
    name: str
    reads: bool


CONTENTS: Final = "contents"
_OF_CONTENTS: Final = Touch(CONTENTS, "", False)

_ON_CONTENTS = frozenset(
    """
    BINARY_SUBSCR STORE_SUBSCR DELETE_SUBSCR BINARY_SLICE STORE_SLICE CONTAINS_OP COMPARE_OP GET_ITER FOR_ITER GET_LEN
    UNPACK_SEQUENCE UNPACK_EX LIST_EXTEND LIST_APPEND SET_ADD SET_UPDATE MAP_ADD DICT_UPDATE DICT_MERGE BINARY_OP
    BUILD_SET UNARY_NEGATIVE UNARY_INVERT
    """.split()
)
_METHODS_ON_CONTENTS = frozenset(
    """
    add append appendleft clear copy count difference discard extend extendleft get index insert intersection
    isdisjoint issubset issuperset items keys move_to_end pop popitem popleft remove reverse rotate setdefault sort
    symmetric_difference union update values
    all any bool dict enumerate frozenset int isinstance iter len list max min next range reversed set sorted str
    sum tuple zip
    """.split()
)
_BY_OTHER_MEANS = re.compile(
    r"\b(__\w*dict__|vars|globals|locals|__\w*attr\w*__|\w+attr|attrgetter|exec|eval|cell_contents|__closure__|__code__|"
    r"gc|inspect|pickle|marshal|ctypes|_getframe|MethodType|FunctionType)\b"
)
"""Where code says one of these, a name may be reached without being said."""

_SEES_WHAT_IS_GONE = re.compile(r"\b([wW]eak\w*|__del__|finalize|getrefcount)\b")


class _Stretch(NamedTuple):
    """What the code may do from one stop to the next."""

    ends: bool
    looks_in: bool


class _Facts:
    """Of one code object, by the offsets of its instructions; the code is kept alive, as it is known by identity."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.instructions = {found.offset: found for found in dis.get_instructions(code)}
        self.offsets = sorted(self.instructions)
        self.called: dict[int, str | None] = {}
        self._stretches: dict[int, _Stretch] = {}

    def at(self, offset: int) -> int:
        """The instruction that this offset is in: a call that goes on stands at its cache."""
        return self.offsets[max(bisect_right(self.offsets, offset) - 1, 0)]

    def before(self, offset: int) -> dis.Instruction | None:
        """The instruction before this one, in the text."""
        place = bisect_right(self.offsets, offset) - 2
        return self.instructions[self.offsets[place]] if place >= 0 else None

    def until_next_stop(self, start: int) -> _Stretch:
        """What may be done from that instruction on."""
        if start not in self._stretches:
            passed = list(self._passed(start))
            self._stretches[start] = _Stretch(
                any(found.opname in _ENDS for found in passed),
                any(_looks_in(found, self.before(found.offset)) for found in passed),
            )
        return self._stretches[start]

    def _passed(self, start: int) -> Iterator[dis.Instruction]:
        shared = shared_offsets(self.code)
        seen: set[int] = set()
        todo = [start]
        while todo:
            offset = todo.pop()
            if offset in seen or (offset in shared and offset != start):
                continue
            seen.add(offset)
            found = self.instructions[offset]
            yield found
            if found.opcode in dis.hasjrel or found.opcode in dis.hasjabs:
                todo.append(found.argval)
            if found.opname not in _JUMPS:
                place = bisect_right(self.offsets, offset)
                todo += self.offsets[place : place + 1]


def _looks_in(instruction: dis.Instruction, before: dis.Instruction | None) -> bool:
    if instruction.opname in _LOOK_IN:
        return True
    if before is None or instruction.opname not in _TELL_TRUTH:
        return instruction.opname == "BINARY_OP" and not _is_of_numbers(before)
    return before.opname not in _ARE_BOOLEAN


def _is_of_numbers(operand: dis.Instruction | None) -> bool:
    """Whether the second operand is a number, which nothing but numbers adds to itself."""
    return operand is not None and operand.opname == "LOAD_CONST" and isinstance(operand.argval, int | float)


_facts: dict[int, _Facts] = {}


def _facts_of(code: CodeType) -> _Facts:
    known = _facts.get(id(code))
    if known is None:
        known = _facts[id(code)] = _Facts(code)
    return known


def touch_at(code: CodeType, offset: int, names: Names) -> Touch | None:
    """What the instruction touches, or None if that may be everything."""
    instruction = _facts_of(code).instructions[offset]
    kind = _NAMED.get(instruction.opname)
    if kind is not None:
        name = str(instruction.argval)
        if name.startswith("__") or name == "cell_contents":
            return None
        if instruction.opname in _ATTRIBUTES and name not in names.assigned:
            # Perhaps an object that is made in C has it, and its methods change it; who sets it is not known either.
            return _OF_CONTENTS if kind[1] else None
        return Touch(kind[0], name, kind[1])
    if names.reached_otherwise:
        return None
    if instruction.opname in _ON_CONTENTS:
        return _OF_CONTENTS
    if instruction.opname in _CALLS and _called_at(code, offset) in _METHODS_ON_CONTENTS:
        return _OF_CONTENTS
    return None


def stands_at(frame: FrameType, code: CodeType, offset: int) -> bool:
    """Whether the frame stands at that instruction."""
    return frame.f_code is code and _facts_of(code).at(frame.f_lasti) == offset


def may_end(frame: FrameType) -> bool:
    """Whether the frame may return before it stops again."""
    facts = _facts_of(frame.f_code)
    return facts.until_next_stop(facts.at(frame.f_lasti)).ends


def looks_in(frame: FrameType) -> bool:
    """Whether the frame may look into an object before it stops again: for its truth, to add to it, to format it."""
    facts = _facts_of(frame.f_code)
    return facts.until_next_stop(facts.at(frame.f_lasti)).looks_in


def looks_in_at_first(code: CodeType) -> bool:
    """The same of a function that begins."""
    facts = _facts_of(code)
    return facts.until_next_stop(facts.offsets[0]).looks_in


def enters(caller: FrameType, called: FrameType, *, by_any_name: bool = False) -> bool:
    """Whether the caller's instruction does nothing but call that Python function: no code in C between them that
    might do something before or after.

    It is asked to call that name (or, if the caller may, a name that it computes), and the name is that of the function
    itself, not of what decorates it.
    """
    code = called.f_code
    if code.co_flags & _GENERATOR or not _is_plain(called):
        return False
    wanted = _called_by(caller)
    return wanted == code.co_name or (wanted == "*" and by_any_name)


def _called_by(frame: FrameType) -> str | None:
    """The name of what the frame's instruction calls; "*" if that is computed."""
    facts = _facts_of(frame.f_code)
    name = _called_at(frame.f_code, facts.at(frame.f_lasti))
    return _OF_BUILTINS.get(name, name) if name is not None else None


def _called_at(code: CodeType, offset: int) -> str | None:
    facts = _facts_of(code)
    if offset not in facts.called:
        facts.called[offset] = _find_called(facts, offset)
    return facts.called[offset]


def _find_called(facts: _Facts, offset: int) -> str | None:
    instruction = facts.instructions[offset]
    if instruction.opname in _CALLED_BY:
        return _CALLED_BY[instruction.opname]
    start = _start(instruction)
    if instruction.opname not in _CALLS or start is None:
        return None
    # What is called begins where the call does, and nothing after it does until the arguments are there.
    for before in reversed(facts.offsets[: bisect_right(facts.offsets, offset) - 1]):
        load = facts.instructions[before]
        if _start(load) == start and load.opname in _LOADS:
            return str(load.argval)
        if _start(load) == start and load.opname in _CALLS:
            return "*"
    return None


def _start(instruction: dis.Instruction) -> tuple[int, int] | None:
    """The line and the column where its expression begins, if the compiler has kept that."""
    where = instruction.positions
    if where is None or where.lineno is None or where.col_offset is None:
        return None
    return where.lineno, where.col_offset


def iterates_afterwards(frame: FrameType) -> bool:
    """Whether the code of the frame goes through something after this instruction, or in it."""
    facts = _facts_of(frame.f_code)
    here = facts.at(frame.f_lasti)
    return any(
        offset >= here and instruction.opname in ("GET_ITER", "FOR_ITER")
        for offset, instruction in facts.instructions.items()
    )


_plain: dict[int, tuple[CodeType, bool]] = {}


def _is_plain(frame: FrameType) -> bool:
    """Whether what its module, class or function knows by the function's name is that function, and no wrapper."""
    code = frame.f_code
    known = _plain.get(id(code))
    if known is None:
        found = _found(frame) is code or _is_a_plain_local(code)
        known = _plain[id(code)] = (code, found)
    return known[1]


def _found(frame: FrameType) -> CodeType | None:
    space: Any = frame.f_globals
    value: Any = None
    for name in frame.f_code.co_qualname.split("."):
        value = space.get(name)
        space = vars(value) if isinstance(value, type) else {}
    function = getattr(value, "__func__", value)
    return function.__code__ if isinstance(function, FunctionType) else None


def _is_a_plain_local(code: CodeType) -> bool:
    """Whether a function within a function is not decorated, and nothing else is assigned to its name."""
    if "<locals>" not in code.co_qualname:
        return False
    first = linecache.getline(code.co_filename, code.co_firstlineno).split()
    text = "".join(linecache.getlines(code.co_filename))
    return first[:1] == ["def"] and re.search(rf"\b{code.co_name}\s*(:[^=\n]*)?=[^=]", text) is None


class Names(NamedTuple):
    """Names in some files: of attributes that are `assigned`; of what may be looked up `in_passing`, where the code does
    not stop (methods, to call them, and variables of modules); whether any may be reached without being said; and
    whether the code may see that an object is gone, which any instruction may let go."""

    assigned: frozenset[str]
    in_passing: frozenset[str]
    reached_otherwise: bool
    sees_what_is_gone: bool


@lru_cache(maxsize=64)
def names_in(files: frozenset[str]) -> Names:
    """The names in these files. What is overlooked is taken to touch everything, and so is what has no text."""
    texts = ["".join(linecache.getlines(file)) for file in sorted(files)]
    text = "\n".join(texts)
    stored = re.findall(r"\.\s*(\w+)\s*(?::[^=\n]*)?(?:[-+*/%&|^@]|//|\*\*|<<|>>)?=(?!=)", text)
    unpacked = re.findall(r"^\s*((?:[\w.]+\s*,\s*)+[\w.]+)\s*=(?!=)", text, re.MULTILINE)
    stored += [name for targets in unpacked for name in re.findall(r"\.(\w+)", targets)]
    called = re.findall(r"\.\s*(\w+)\s*\(", text)
    of_modules = re.findall(r"^(\w+)\s*(?::[^=\n]*)?=", text, re.MULTILINE)
    return Names(
        frozenset(stored),
        frozenset([*called, *of_modules]),
        not all(texts) or _BY_OTHER_MEANS.search(text) is not None,
        not all(texts) or _SEES_WHAT_IS_GONE.search(text) is not None,
    )
