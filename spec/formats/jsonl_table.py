"""Reads a history file into columns: a million lines in a third of a second.

The idea: a kernel takes every line that it understands whole and marks the others; those go, one by one, to the
strict reader of `spec.history`, from which all messages come. So both readers accept the same files and say the
same of the others, and the fast one has nothing to decide. Needs the extra `fast`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from mapproof.spec.formats import jsonl_kernel
from mapproof.spec.history import HistoryError, Operation, no_operation_error, operation_of, overlap_error
from mapproof.spec.linearizability.compiled import compiled
from mapproof.spec.table import CODES, FOREVER, Rows, Table, TooLarge
from mapproof.spec.values import identity

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kernels: TypeAlias = Mapping[str, Callable[..., Any]]
"""The functions of `jsonl_kernel` by name, compiled or as they stand."""

_LARGEST_SIMPLE: Final = 5 * 10**18
"""Whole numbers at least as large in size are never simple to the kernel."""

_NEVER_SIMPLE: Final = re.compile(r'[\x00-\x1f"\\\ud800-\udfff]').search
"""Looks for what keeps a string from being simple: what JSON escapes, and halves of characters."""

_CLIENTS_IN_AN_ARRAY: Final = 2**20


def read_table(source: Path | str | bytes, name: str | None = None) -> Table:
    """The history in a JSONL file, or in bytes of that format, as columns; `name` stands for it in messages.

    Raises HistoryError (bad content, as `History.read` says it), OSError (no such file), TooLarge (a client or a
    time that no column holds; `History` does), FastExtraMissing.
    """
    kernels = kernels_of_reading()
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    return tabulated(data, name or ("<bytes>" if isinstance(source, bytes) else str(source)), kernels)


@cache
def kernels_of_reading() -> Kernels:
    """The compiled kernels. Raises FastExtraMissing."""
    return compiled(jsonl_kernel.KERNELS, allocate=False)


def tabulated(data: bytes, name: str, kernels: Kernels) -> Table:
    """The table of the lines in `data`; the errors are those of `read_table`."""
    lines = data.count(b"\n") + (len(data) > 0 and not data.endswith(b"\n"))
    reading = Reading(lines, name, kernels)
    for row in reading.take(data):
        start = int(reading.rows.call[row])
        stop = data.find(b"\n", start) + 1 or len(data)
        reading.put(row, operation_of(data[start:stop], f"{name}:{row + 1}"))
    return reading.table()


class Reading:
    """A table that is being filled with the lines of a file, a row each, some megabytes at a time."""

    def __init__(self, size: int, name: str, kernels: Kernels) -> None:
        """There are `size` lines to come from the file of that name. Raises HistoryError if there is none."""
        if size == 0:
            raise no_operation_error(name)
        secret = (secrets.randbits(62), secrets.randbits(61) | 2**61 | 1)
        self.taken = 0
        self.rows = Rows.empty(size, Tokens(kernels, secret), Tokens(kernels, secret))
        self._name = name
        self._kernels = kernels
        self._hard: list[int] = []

    def take(self, data: bytes) -> list[int]:
        """Read whole lines, the very last of which may lack its newline. Says which rows were too hard.

        Those must be `put` next; until then `rows.call` has the byte at which the line of each starts.
        """
        import numpy

        first, end = self.taken, data.rfind(b"\n") + 1
        lines = data.count(b"\n") + (end < len(data))
        if first + lines > len(self.rows.op):
            raise ValueError("more lines than there are rows")
        self._take_simple(data, end)
        self.taken = first + lines
        if end < len(data):
            self.rows.fate[self.taken - 1], self.rows.call[self.taken - 1] = jsonl_kernel.HARD, end
        hard = self.rows.fate[first : self.taken] == jsonl_kernel.HARD
        return (numpy.flatnonzero(hard) + first).tolist()

    def _take_simple(self, data: bytes, end: int) -> None:
        import numpy

        keys, values = self.rows.keys, self.rows.values
        text, got = keys.text(data), numpy.zeros(jsonl_kernel.GOT, numpy.int64)
        at, row = 0, self.taken
        while at < end:
            counts = numpy.array((keys.count, values.count))
            at, row = self._kernels["read_lines"](
                *(text, at, end, row, self.rows.columns(), keys.arrays, values.arrays, counts),
                *(keys.grammar, keys.secret, got),
            )
            keys.count, values.count = map(int, counts)
            if at < end:
                longest = data.index(b"\n", at) + 1 - at
                keys.make_room(4, longest)
                values.make_room(4, longest)

    def put(self, row: int, operation: Operation) -> None:
        """Write the operation of a hard line to its row. Raises TooLarge."""
        try:
            self.rows.put(row, operation)
            if operation.op in CODES:
                self._hard.append(row)
        except TooLarge as error:
            raise TooLarge(f"{self._name}:{row + 1}: {error}") from None

    def table(self) -> Table:
        """The table of all lines. Raises HistoryError if a client overlaps itself."""
        rows = self.rows
        self._settle()
        if not self._take_turns():
            import numpy

            by_time = numpy.lexsort((rows.return_, rows.call))
            by_client = by_time[numpy.argsort(rows.client[by_time], kind="stable")]
            before, after = by_client[:-1], by_client[1:]
            overlaps = (rows.client[before] == rows.client[after]) & (rows.call[after] < rows.return_[before])
            if overlaps.any():
                moment = numpy.empty_like(by_time)
                moment[by_time] = numpy.arange(len(by_time))
                first = numpy.argmin(numpy.where(overlaps, moment[after], len(moment)))
                raise self._overlap(int(before[first]), int(after[first]))
        return rows.table()

    def _settle(self) -> None:
        """Puts final numbers in place of the provisional ones."""
        import numpy

        rows, hard = self.rows, numpy.array(self._hard, numpy.int64)
        names = ((rows.keys, (rows.key,)), (rows.values, (rows.first, rows.second, rows.found)))
        for tokens, columns in names:
            numbers = tokens.settled()
            for column in columns:
                found = column[hard]
                provisional = found < -1
                column[hard[provisional]] = numbers[-2 - found[provisional]]

    def _take_turns(self) -> bool:
        """Whether one sweep shows that no client overlaps itself; False too if the file is not in order of time."""
        import numpy

        client = self.rows.client
        if client.min() < 0 or client.max() >= _CLIENTS_IN_AN_ARRAY:
            return False
        free = numpy.full(int(client.max()) + 1, -FOREVER)
        return bool(self._kernels["takes_turns"](client, self.rows.call, self.rows.return_, free))

    def _overlap(self, before: int, after: int) -> HistoryError:
        busy, operation = self.rows.operation(before), self.rows.operation(after)
        return overlap_error(self._name, after, operation, before, busy)


class Tokens:
    """The keys or the values of a file, as the bytes that stood there; an object only for those that were hard.

    A value has one number however it was written: those that came to the strict reader are spelled in the kernel's
    way if that can be done, and looked for among the kernel's, all at once when everything is read.
    """

    def __init__(self, kernels: Kernels, secret: tuple[int, int]) -> None:
        import numpy

        self.count = 0
        self.secret = secret
        self._kernels = kernels
        self._is_compiled = not isinstance(kernels["read_lines"], FunctionType)
        self._hard: dict[int, Any] = {}
        self._waiting: dict[Hashable, int] = {}
        self._waiting_values: list[Any] = []
        words, starts, arguments, kinds = jsonl_kernel.vocabulary()
        tables = (numpy.array(column, numpy.int64) for column in (starts, arguments, kinds))
        self.grammar = (self.text(words), *tables)
        self.arrays = (
            numpy.full(2048, jsonl_kernel.EMPTY, numpy.int64),
            numpy.zeros(1025, numpy.int64),
            numpy.empty(16384, numpy.uint8),
        )

    def __len__(self) -> int:
        return self.count

    def text(self, data: bytes) -> Any:
        """The bytes in the form that the kernels take."""
        import numpy

        return numpy.frombuffer(data, numpy.uint8) if self._is_compiled else data

    def value(self, number: int) -> Any:
        """The key or value of that number."""
        if number in self._hard:
            return self._hard[number]
        _, offsets, store = self.arrays
        return msgspec.json.decode(store[offsets[number] : offsets[number + 1]].tobytes())

    def number(self, value: Any) -> int:
        """A provisional number, below -1, for a key or value from the strict reader; `settled` has the final one."""
        number = self._waiting.setdefault(identity(value), len(self._waiting_values))
        if number == len(self._waiting_values):
            self._waiting_values.append(value)
        return -2 - number

    def settled(self) -> NDArray[Any]:
        """The final numbers, by -2 - the provisional one: found among the kernel's, or new."""
        import numpy

        spelled = [_spelled(name) for name in self._waiting]
        text = b"\n".join(spelled) + b"\n"
        self.make_room(len(spelled), len(text))
        numbers = numpy.empty(len(spelled), numpy.int32)
        number_all = self._kernels["number_tokens"]
        self.count = number_all(self.text(text), numbers, self.arrays, self.count, self.grammar, self.secret)
        self._hard = {
            int(numbers[i]): self._waiting_values[i] for i, token in enumerate(spelled) if not token
        }
        return numbers

    def make_room(self, tokens: int, length: int) -> None:
        """For so many more tokens, of `length` bytes together."""
        import numpy

        slots, offsets, store = self.arrays
        while 2 * (self.count + tokens) > len(slots):
            old, slots = slots, numpy.full(2 * len(slots), jsonl_kernel.EMPTY, numpy.int64)
            self._kernels["rehash"](old, slots)
        if self.count + tokens >= len(offsets):
            offsets = _extended(offsets, 2 * len(offsets) + tokens)
        if int(offsets[self.count]) + length > len(store):
            store = _extended(store, 2 * len(store) + length)
        self.arrays = (slots, offsets, store)


def _extended(array: NDArray[Any], size: int) -> NDArray[Any]:
    import numpy

    longer = numpy.zeros(size, array.dtype)
    longer[: len(array)] = array
    return longer


def _spelled(name: Hashable) -> bytes:
    """How the kernel reads the value of that identity; empty if it always leaves it to the strict reader."""
    if isinstance(name, float) and name.is_integer():
        name = int(name)
    if isinstance(name, int) and abs(name) < _LARGEST_SIMPLE:
        return str(name).encode()
    if isinstance(name, str):
        return b"" if _NEVER_SIMPLE(name) else b'"%b"' % name.encode()
    if name is None:
        return b"null"
    return (b"true" if name[1] else b"false") if isinstance(name, tuple) and name[0] == "bool" else b""
