"""Reads EDN, the notation of Clojure's data, strictly and form by form (https://github.com/edn-format/edn).

The idea: the forms that are open are kept on a stack of our own, so that nothing recurses, and a line is all
that is read ahead. A vector or list at the top of a file is not a value but a sequence of forms: a history of any
length is read in the memory of its longest line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import inf, nan
from typing import Any, Final, NamedTuple

from mapproof.spec.history import HistoryError
from mapproof.spec.values import identity

MAX_NESTING: Final = 100
"""Open collections, tags and discards at once: far below Python's recursion limit, far above any history."""

MAX_DIGITS: Final = 4300
"""Of a number: where Python too stops, for reading more takes quadratic time."""


class Named:
    """A value that is a name of some kind: equal to the same name of the same kind, and to nothing else."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.name == other.name

    def __hash__(self) -> int:
        return hash((type(self), self.name))


class Keyword(Named):
    """`:name`, without its colon."""

    def __repr__(self) -> str:
        return f":{self.name}"


class Symbol(Named):
    """A bare `name`."""

    def __repr__(self) -> str:
        return self.name


class Character(Named):
    """`\\c`: one character, which is not the string of it."""

    def __repr__(self) -> str:
        return f"\\{self.name}"


class Tagged:
    """`#tag value`. Equal where both are the same, by `identity`."""

    __slots__ = ("tag", "value")

    def __init__(self, tag: str, value: Any) -> None:
        self.tag = tag
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tagged) and self._same() == other._same()

    def __hash__(self) -> int:
        return hash(self._same())

    def __repr__(self) -> str:
        return f"#{self.tag} {self.value!r}"

    def _same(self) -> tuple[str, Hashable]:
        return self.tag, identity(self.value)


class Form(NamedTuple):
    """A value and where it starts, both counted from 1."""

    value: Any
    line: int
    column: int


def forms(stream: Iterable[bytes], name: str) -> Iterator[Form]:
    """The forms of a file, those in a vector or list at the top one by one.

    nil, true, false, numbers and strings become Python's own (an `M` number a Decimal), vectors and lists lists,
    maps dicts, sets frozensets; a collection that is in a set or the key of a map becomes a tuple, or a frozenset
    of pairs. Raises HistoryError: `name:line:column: what is wrong`.
    """
    reader = _Reader(name)
    for number, line in enumerate(stream, 1):
        reader.number, column = number, 0
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise reader.error("not UTF-8", len(line[: error.start].decode())) from None
        while column < len(text):
            column = reader.read(text, column)
            yield from reader.done
            reader.done.clear()
    reader.finish()


@dataclass(slots=True)
class _Open:
    """A collection, tag or discard that is not complete; `text` is what opened it."""

    text: str
    line: int
    column: int
    parts: list[Any]


_TOKEN = re.compile(
    r"""(?:[\s,]++|;[^\n]*+)*+
    (?:(?P<string>")
    |(?P<open>\#?\{|[\[(])
    |(?P<close>[\])}])
    |(?P<discard>\#_)
    |(?P<character>\\(?:[^\s,;"\[\](){}\\]+|\S))
    |(?P<keyword>:[^\s,;"\[\](){}\\]*)
    |(?P<atom>[^\s,;"\[\](){}\\]+)
    |(?P<lone>\\)
    |(?P<end>\Z))""",
    re.VERBOSE,
)
_REST_OF_STRING = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"t": "\t", "r": "\r", "n": "\n", "b": "\b", "f": "\f", "\\": "\\", '"': '"'}
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)N?")
_FLOAT = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?=[.eEM])(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?M?")
_NAME = re.compile(r"(?![0-9]|[+-][0-9])[^:#@^`~'][^@^`~]*")
_CONSTANTS = {"nil": None, "true": True, "false": False, "##Inf": inf, "##-Inf": -inf, "##NaN": nan}
_CHARACTERS = {
    "newline": "\n",
    "return": "\r",
    "space": " ",
    "tab": "\t",
    "backspace": "\b",
    "formfeed": "\f",
}
_KEPT_KEYWORDS = 1000
"""Of the keywords of a file: a history has a dozen that come again and again."""
_CLOSES = {"[": "]", "(": ")", "{": "}", "#{": "}"}


class _Reader:
    """What is open after some of the text; `done` holds the forms that are complete and not handed out yet."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: list[_Open] = []
        self._string: list[str] = []  # "" and the lines so far, while inside a string
        self._keywords: dict[str, Keyword] = {}
        self._string_at = (1, 0)
        self._started = (1, 1)
        self.number = 1
        self.done: list[Form] = []

    def error(self, what: str, column: int, line: int | None = None) -> HistoryError:
        return HistoryError(f"{self._name}:{line or self.number}:{column + 1}: {what}")

    def read(self, text: str, column: int) -> int:
        """Take one token of the line at that column (from 0); the column after it."""
        if self._string:
            return self._read_string(text, column)
        found = _TOKEN.match(text, column)
        assert found is not None
        kind = found.lastgroup or ""
        token, column = found[kind], found.start(kind)
        if kind == "end":
            return found.end()
        if kind == "close":
            self._close(token, column)
            return found.end()
        if self._top_level():
            self._started = (self.number, column + 1)
        match kind:
            case "keyword":
                self._complete(self._keyword(token, column))
            case "atom":
                self._atom(token, column)
            case "string":
                self._string = [""]
                self._string_at = (self.number, column)
            case "character":
                self._complete(Character(self._character(token[1:], column)))
            case "lone":
                raise self.error("a lone backslash", column)
            case _:
                self._push(token, column)
        return found.end()

    def finish(self) -> None:
        """Nothing follows: raises HistoryError if something is open."""
        if self._string:
            raise self.error("the string is not closed", self._string_at[1], self._string_at[0])
        if self._open:
            last = self._open[-1]
            what = "is not closed" if last.text in _CLOSES else "is followed by nothing"
            raise self.error(f"{_shown(last.text)} {what}", last.column, last.line)

    def _top_level(self) -> bool:
        return not self._open or (len(self._open) == 1 and self._open[0].text in ("[", "("))

    def _push(self, text: str, column: int) -> None:
        if len(self._open) == MAX_NESTING:
            raise self.error(f"nested deeper than {MAX_NESTING} levels", column)
        self._open.append(_Open(text, self.number, column, []))

    def _close(self, token: str, column: int) -> None:
        top = self._open[-1] if self._open else None
        if top is None or _CLOSES.get(top.text) != token:
            inside = "nothing" if top is None else f"{_shown(top.text)} of line {top.line}"
            raise self.error(f"{_shown(token)} where {inside} is open", column)
        self._open.pop()
        if not self._open and top.text in ("[", "("):
            return
        self._complete(self._collection(top))

    def _collection(self, closed: _Open) -> Any:
        match closed.text:
            case "{":
                return self._map(closed)
            case "#{":
                members = [_frozen(part) for part in closed.parts]
                if len(set(members)) < len(members):
                    raise self.error("a set has the same member twice", closed.column, closed.line)
                return frozenset(members)
        return closed.parts

    def _map(self, closed: _Open) -> dict[Hashable, Any]:
        keys = [_frozen(key) for key in closed.parts[::2]]
        if len(closed.parts) % 2:
            raise self.error("a map has a key without a value", closed.column, closed.line)
        if len(set(keys)) < len(keys):
            raise self.error("a map has the same key twice", closed.column, closed.line)
        return dict(zip(keys, closed.parts[1::2], strict=True))

    def _complete(self, value: Any) -> None:
        """Hand a value to what it is part of."""
        while self._open and self._open[-1].text.startswith("#") and self._open[-1].text != "#{":
            waiting = self._open.pop()
            if waiting.text == "#_":
                return
            value = Tagged(waiting.text[1:], value)
        if self._top_level():
            self.done.append(Form(value, *self._started))
        else:
            self._open[-1].parts.append(value)

    def _atom(self, token: str, column: int) -> None:
        if token in _CONSTANTS:
            self._complete(_CONSTANTS[token])
        elif token[0] == "#":
            if not token[1:2].isalpha() or not _NAME.fullmatch(token[1:]):
                raise self.error(f"{_shown(token)} is no tag", column)
            self._push(token, column)
        elif number := _number(token):
            if len(token) > MAX_DIGITS:
                raise self.error(f"a number of more than {MAX_DIGITS} digits", column)
            try:
                self._complete(number())
            except ArithmeticError:
                raise self.error(f"{_shown(token)} is out of range", column) from None
        elif _NAME.fullmatch(token):
            self._complete(Symbol(token))
        else:
            raise self.error(f"{_shown(token)} is no value", column)

    def _keyword(self, token: str, column: int) -> Keyword:
        known = self._keywords.get(token)
        if known is None:
            if not _NAME.fullmatch(token[1:]) and not token[1:].isdigit():
                raise self.error(f"{_shown(token)} is no keyword", column)
            known = Keyword(token[1:])
            if len(self._keywords) < _KEPT_KEYWORDS:
                self._keywords[token] = known
        return known

    def _character(self, named: str, column: int) -> str:
        if len(named) == 1:
            return named
        if re.fullmatch("u[0-9a-fA-F]{4}", named):
            return self._whole(chr(int(named[1:], 16)), column)
        if named not in _CHARACTERS:
            raise self.error(f"\\{_shown(named)} is no character", column)
        return _CHARACTERS[named]

    def _read_string(self, text: str, column: int) -> int:
        """The column after the string, or the end of the line if it goes on in the next."""
        found = _REST_OF_STRING.match(text, column)
        end = len(text) if found is None else found.end()
        self._string.append(text[column:end])
        if found is not None:
            raw, self._string = "".join(self._string)[:-1], []
            self._complete(self._whole(_ESCAPE.sub(lambda e: self._escaped(e, column), raw), column))
        return end

    def _escaped(self, escape: re.Match[str], column: int) -> str:
        if escape[1]:
            return chr(int(escape[1], 16))
        if escape[2] not in _ESCAPED:
            raise self.error(f"\\{_shown(escape[2])} is no escape in a string", column)
        return _ESCAPED[escape[2]]

    def _whole(self, text: str, column: int) -> str:
        """Java writes a character beyond the 65536th as two halves; a half by itself is no text."""
        try:
            return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self.error("half of a character", column) from None


def _number(token: str) -> Callable[[], int | float | Decimal] | None:
    if _INTEGER.fullmatch(token):
        return lambda: int(token.rstrip("N"))
    if _FLOAT.fullmatch(token):
        return lambda: Decimal(token[:-1]) if token[-1] == "M" else float(token)
    return None


def _frozen(value: Any) -> Hashable:
    """What stands for a value where it must be hashed."""
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    if isinstance(value, dict):
        return frozenset((key, _frozen(part)) for key, part in value.items())
    return value  # type: ignore[no-any-return]


def _shown(token: str) -> str:
    """A token in an error message: on one line, and not too long."""
    return repr(token if len(token) <= 40 else token[:40] + "...")
