"""What each thread of a round is doing, in a file that outlives the process.

The idea: the file is mapped into memory, and each client has a part of it, in pages of its own, with a column for
each thing that is known of an operation. What is known before the round (which operation, which key) is filled in
before the threads start, so that a thread writes eight bytes before an operation, its time, and twenty-four after
it. These are plain stores to memory that no other thread touches: no lock, no system call, no fence. The pages are the
kernel's, so whoever opens the file sees all stores of a process that was killed between two instructions.

    head        phase, number of the round, how many rounds and operations are done
    client 0    identity of its thread | op form key argument argument | call return kind value | text
    client 1    ...

`value` is the answer if it is a small number, as nearly every answer is, or else where in the part's text its JSON is.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from pathlib import Path
from time import perf_counter_ns as now
from typing import Any, Final

import msgspec

from mapproof.spec.history import History, Operation, canonical_json
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.stateful_tests.real_threads.plan import MOST_OBSERVERS, Program

_WORD: Final = 8
_PAGE: Final = 4096
_TEXT_BYTES: Final = 4 * _PAGE
_HEAD_WORDS: Final = _PAGE // _WORD
_COLUMNS: Final = 9
_LARGEST: Final = 2**63 - 1
_OPS: Final = tuple(Op)


class Phase(IntEnum):
    """What the child is doing."""

    STARTING = 0
    LOADING = 1
    PROBING = 2
    MAKING = 3
    RUNNING = 4
    OBSERVING = 5
    INVARIANTS = 6
    JUDGING = 7
    ENDED = 8


class _Kind(IntEnum):
    """What is in the column `value`; the pairs are a value and a flag."""

    NOTHING = 0
    NONE_FALSE = 1
    NONE_TRUE = 2
    NUMBER_FALSE = 3
    NUMBER_TRUE = 4
    FLAG = 5
    NUMBER = 6
    JSON = 7
    RAISED = 8
    NOT_KEPT = 9


NOT_KEPT: Final = "AnswerNotKept"
"""The error of an operation whose answer found no room: it took effect within its interval or not at all."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation as the journal has it; `form` is the adapter's way in which it was called."""

    operation: Operation
    form: int


class Pen:
    """Writes what one client does."""

    __slots__ = ("_ident", "_kinds", "_returns", "_text", "_used", "_values", "calls")

    def __init__(self, part: _Part) -> None:
        self.calls = part.calls
        """The time of each call, by the place of the operation in the program."""
        self._returns = part.returns
        self._kinds = part.kinds
        self._values = part.values
        self._text = part.text
        self._ident = part.ident
        self._used = 0

    def begin(self, ident: int) -> None:
        """The thread with that identity is the client."""
        self._ident[0] = ident

    def answered(self, place: int, answer: Any) -> None:
        """The operation at that place of the program has answered."""
        kind = type(answer)
        if answer is None:
            self._write(place, _Kind.NOTHING, 0)
        elif kind is bool:
            self._write(place, _Kind.FLAG, answer)
        elif kind is int and -_LARGEST <= answer <= _LARGEST:
            self._write(place, _Kind.NUMBER, answer)
        elif kind is tuple and len(answer) == 2 and _is_simple(*answer):
            value, flag = answer
            if value is None:
                self._write(place, _Kind.NONE_TRUE if flag else _Kind.NONE_FALSE, 0)
            else:
                self._write(place, _Kind.NUMBER_TRUE if flag else _Kind.NUMBER_FALSE, value)
        else:
            self._answered_at_length(place, answer)

    def raised(self, place: int, error: str) -> None:
        """The operation at that place has raised an exception of that name."""
        self._write_text(place, _Kind.RAISED, error.encode())

    def _answered_at_length(self, place: int, answer: Any) -> None:
        try:
            text = canonical_json(answer)
        except Exception:  # noqa: BLE001 - whatever a foreign repr raises
            self._write(place, _Kind.NOT_KEPT, 0)
        else:
            self._write_text(place, _Kind.JSON, text)

    def _write_text(self, place: int, kind: _Kind, text: bytes) -> None:
        start, end = self._used, self._used + len(text)
        if end > len(self._text):
            self._write(place, _Kind.NOT_KEPT, 0)
            return
        self._text[start:end] = text
        self._used = end
        self._write(place, kind, start << 32 | len(text))

    def _write(self, place: int, kind: int, value: int) -> None:
        self._kinds[place] = kind
        self._values[place] = value
        self._returns[place] = now()


def _is_simple(value: Any, flag: Any) -> bool:
    number = value is None or (type(value) is int and -_LARGEST <= value <= _LARGEST)
    return number and type(flag) is bool


class _Part:
    """One client's part of the file, as columns."""

    def __init__(self, words: memoryview, octets: memoryview, slots: int) -> None:
        self.ident = words[:1]
        columns = [words[1 + i * slots : 1 + (i + 1) * slots] for i in range(_COLUMNS)]
        self.planned = columns[:5]
        self.calls, self.returns, self.kinds, self.values = columns[5:]
        self.text = octets[(1 + _COLUMNS * slots) * _WORD :][:_TEXT_BYTES]

    def plan(self, program: Program) -> None:
        """Forget all and put a program in its place."""
        for column in (self.calls, self.returns):
            column[:] = memoryview(array("q", bytes(_WORD * len(column))))
        given = [(*step.args, 0, 0)[:2] for step in program]
        rows = (
            [_OPS.index(step.op) for step in program],
            [step.form for step in program],
            [step.key for step in program],
            [first for first, _ in given],
            [second for _, second in given],
        )
        for column, row in zip(self.planned, rows, strict=True):
            column[: len(row)] = memoryview(array("q", row))

    def entries(self, client: int, keys: Sequence[Any]) -> Iterator[Entry]:
        """What makes no sense is left out: a map that crashes may have written where it should not."""
        for place, call in enumerate(self.calls):
            if call and (not self.returns[place] or call <= self.returns[place]):
                with suppress(LookupError, ValueError, msgspec.DecodeError):
                    yield self._entry(client, place, call, keys)

    def _entry(self, client: int, place: int, call: int, keys: Sequence[Any]) -> Entry:
        number, form, key, *given = (column[place] for column in self.planned)
        op = _OPS[number]
        signature = SIGNATURES[op]
        result, error = self._outcome(place)
        operation = Operation(
            client,
            op,
            keys[key] if signature.keyed else None,
            tuple(given[: len(signature.arguments)]),
            result,
            call,
            self.returns[place] or None,
            error,
        )
        return Entry(operation, form)

    def _outcome(self, place: int) -> tuple[Any, str | None]:
        """The result and the name of the exception."""
        if not self.returns[place]:
            return None, None
        kind, value = _Kind(self.kinds[place]), self.values[place]
        match kind:
            case _Kind.NONE_FALSE | _Kind.NONE_TRUE:
                return (None, kind is _Kind.NONE_TRUE), None
            case _Kind.NUMBER_FALSE | _Kind.NUMBER_TRUE:
                return (value, kind is _Kind.NUMBER_TRUE), None
            case _Kind.FLAG:
                return bool(value), None
            case _Kind.NUMBER:
                return value, None
            case _Kind.JSON:
                return msgspec.json.decode(self._text_at(value)), None
            case _Kind.RAISED:
                return None, self._text_at(value).decode()
            case _Kind.NOT_KEPT:
                return None, NOT_KEPT
            case _Kind.NOTHING:
                return None, None

    def _text_at(self, value: int) -> bytes:
        start, length = value >> 32, value & 0xFFFFFFFF
        return bytes(self.text[start : start + length])


class Journal:
    """The journal in the file `path`, made if it is not there (None: in memory alone), for clients 0 to `clients` with
    at most `operations` operations each. Raises OSError."""

    def __init__(self, path: Path | None, clients: int, operations: int) -> None:
        slots = max(operations, MOST_OBSERVERS)
        words = 1 + _COLUMNS * slots + _TEXT_BYTES // _WORD
        words = -(-words // _HEAD_WORDS) * _HEAD_WORDS
        octets = memoryview(_mapped(path, (_HEAD_WORDS + words * (clients + 1)) * _WORD))
        all_words = octets.cast("q")
        self._head = all_words[:_HEAD_WORDS]
        starts = [_HEAD_WORDS + words * client for client in range(clients + 1)]
        self._parts = [
            _Part(all_words[start : start + words], octets[start * _WORD : (start + words) * _WORD], slots)
            for start in starts
        ]

    @property
    def phase(self) -> Phase:
        try:
            return Phase(self._head[0])
        except ValueError:  # as above
            return Phase.RUNNING

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._head[0] = phase

    @property
    def rounds(self) -> int:
        """How many rounds are done."""
        return self._head[1]

    @rounds.setter
    def rounds(self, rounds: int) -> None:
        self._head[1] = rounds

    @property
    def operations(self) -> int:
        """How many operations the rounds that are done had."""
        return self._head[2]

    @operations.setter
    def operations(self, operations: int) -> None:
        self._head[2] = operations

    def plan(self, programs: Sequence[Program]) -> None:
        """Begin a round: client 0 runs the first program, client 1 the next one, and so on."""
        for part, program in zip(self._parts, programs, strict=False):
            part.plan(program)
        for part in self._parts[len(programs) :]:
            part.plan(())

    def pen(self, client: int) -> Pen:
        """What that client of the round writes with."""
        return Pen(self._parts[client])

    def position(self) -> tuple[int, int, int]:
        """Something that changes whenever anything begins or ends."""
        times = sum(sum(part.calls) + sum(part.returns) for part in self._parts)
        return (self._head[0], self._head[1], times)

    def entries(self, keys: Sequence[Any]) -> list[Entry]:
        """The operations of the round as far as it has come, by call."""
        found = [entry for client, part in enumerate(self._parts) for entry in part.entries(client, keys)]
        return sorted(found, key=attrgetter("operation.call"))

    def history(self, keys: Sequence[Any]) -> History:
        """The same as a history; an operation that has not returned is pending."""
        return History(tuple(entry.operation for entry in self.entries(keys)))

    def threads(self) -> dict[int, int]:
        """The client that a thread is, by the identity of the thread."""
        return {part.ident[0]: client for client, part in enumerate(self._parts) if part.ident[0]}


def _mapped(path: Path | None, size: int) -> mmap.mmap:
    if path is None:
        return mmap.mmap(-1, size)
    with open(path, "r+b" if path.exists() else "w+b") as file:
        file.truncate(size)
        return mmap.mmap(file.fileno(), size)
