"""What was recorded: operations with the times of their call and return, and the JSONL file that holds them.

The idea: one open format, an object a line, read strictly. A checker is worth nothing if it guesses what a
damaged file meant, so every mistake is one line that names the file, the line and the field, and nothing is
skipped. A file in the canonical spacing (`", "` and `": "`) is written back byte for byte.

    {"client": 2, "op": "load_or_store", "key": "a", "args": [1], "result": [1, false], "call": 10, "return": 14}

Intervals are closed: two operations whose times are equal overlap, because a clock that ticks too slowly cannot
tell which came first. A `null` return is an operation that was still pending at the end; an operation that
raised has `"error"` in place of `"result"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from mapproof.spec.operations import SIGNATURES, Op, Shape, has_shape


class HistoryError(ValueError):
    """A history that cannot be read. Its text is one line: file, line, field, what is wrong."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one client.

    `call` and `return_` are whole numbers of one clock, in any unit; `return_` is None while pending. `error`
    names the exception of an operation that raised: whether it took effect is then not known. `op` is an Op for
    a map; for an object with a model of its own it is any string that the model knows.
    """

    client: int
    op: Op | Any
    key: Any
    args: tuple[Any, ...]
    result: Any
    call: int
    return_: int | None
    error: str | None = None

    @property
    def pending(self) -> bool:
        """Still running when the recording ended."""
        return self.return_ is None

    @property
    def completed(self) -> bool:
        """Returned with an answer."""
        return self.return_ is not None and self.error is None

    def __str__(self) -> str:
        signature = SIGNATURES.get(self.op)
        keyed = self.key is not None if signature is None else signature.keyed
        given = [repr(self.key)] if keyed else []
        text = f"{self.op}({', '.join([*given, *map(repr, self.args)])})"
        if self.pending:
            return f"{text} pending"
        return f"{text} raised {self.error}" if self.error else f"{text} -> {self.result!r}"


@dataclass(frozen=True, slots=True)
class History:
    """Operations in the order they were recorded or written; the times, not the order, say what came first."""

    operations: tuple[Operation, ...]

    def __len__(self) -> int:
        return len(self.operations)

    @staticmethod
    def read(path: Path | str) -> History:
        """The history in a JSONL file. Raises HistoryError (bad content) or OSError (no such file)."""
        with open(path, "rb") as stream:
            return History.parse(stream, str(path))

    @staticmethod
    def parse(stream: BinaryIO | Iterable[bytes], name: str, any_operation: bool = False) -> History:
        """The history in a stream of JSONL lines; `name` stands for it in error messages.

        With `any_operation` an op is any name, kept as a plain string, and neither key, arguments nor result are
        held to a shape: what they mean is for a model of one's own to say.
        """
        read = _any_operation if any_operation else operation_of
        operations = tuple(read(line, f"{name}:{number}") for number, line in enumerate(stream, 1))
        if not operations:
            raise no_operation_error(name)
        _refuse_overlapping_clients(operations, name)
        return History(operations)

    def lines(self) -> Iterator[bytes]:
        """The canonical JSONL lines, each with its newline. Values that JSON cannot hold become their repr."""
        return map(line_of, self.operations)

    def write(self, path: Path | str) -> None:
        """Write the canonical JSONL file."""
        Path(path).write_bytes(b"".join(self.lines()))


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    client: int
    op: str
    key: Any
    args: list[Any]
    call: int
    return_: int | None = msgspec.field(name="return")
    result: Any = msgspec.UNSET
    error: str | msgspec.UnsetType = msgspec.UNSET


class _CanonicalLine(msgspec.Struct, rename={"return_": "return"}):
    """The same fields in the order that they are written; a separate type because defaults must come last."""

    client: int
    op: str
    key: Any
    args: tuple[Any, ...]
    result: Any
    error: str | msgspec.UnsetType
    call: int
    return_: int | None


_MAX_NESTING = 100
"""Levels of lists and objects in a field: far below Python's recursion limit, far above any key or value."""

_DECODER = msgspec.json.Decoder(_Line)
_ENCODER = msgspec.json.Encoder(enc_hook=repr)


def line_of(operation: Operation) -> bytes:
    """The canonical JSONL line of one operation, with its newline."""
    return canonical_json(_to_line(operation)) + b"\n"


def canonical_json(value: Any) -> bytes:
    """JSON with `", "` and `": "`. A value that JSON cannot hold becomes its repr."""
    return msgspec.json.format(_ENCODER.encode(value), indent=0)


def _to_line(operation: Operation) -> _CanonicalLine:
    return _CanonicalLine(
        client=operation.client,
        op=str(operation.op),
        key=operation.key,
        args=operation.args,
        result=msgspec.UNSET if operation.error else operation.result,
        error=operation.error or msgspec.UNSET,
        call=operation.call,
        return_=operation.return_,
    )


def operation_of(line: bytes, where: str) -> Operation:
    """The operation of one JSONL line; `where` is the file and the line, for messages. Raises HistoryError."""
    read = _decode(line, where)
    try:
        op = Op(read.op)
    except ValueError:
        raise HistoryError(f"{where}: op: no operation {read.op!r}; one of {', '.join(Op)}") from None
    _refuse_wrong_arguments(read, op, where)
    _refuse_wrong_outcome(read, where)
    if read.result is msgspec.UNSET:
        return _made(read, op, None)
    if read.return_ is not None and not has_shape(SIGNATURES[op].result, read.result):
        raise HistoryError(f"{where}: result: {op} answers {SIGNATURES[op].result.value}")
    return _made(read, op, _as_answer(op, read.result))


def _any_operation(line: bytes, where: str) -> Operation:
    read = _decode(line, where)
    if not read.op:
        raise HistoryError(f"{where}: op: the name of the operation is empty")
    _refuse_wrong_outcome(read, where)
    return _made(read, read.op, None if read.result is msgspec.UNSET else read.result)


def _made(read: _Line, op: str, result: Any) -> Operation:
    return Operation(
        client=read.client,
        op=op,
        key=read.key,
        args=tuple(read.args),
        result=result,
        call=read.call,
        return_=read.return_,
        error=None if read.error is msgspec.UNSET else read.error,
    )


def _decode(line: bytes, where: str) -> _Line:
    if not line.strip():
        raise HistoryError(f"{where}: blank line; each line is one JSON object")
    try:
        return _DECODER.decode(line)
    except msgspec.ValidationError as error:
        raise HistoryError(f"{where}: {_field_first(str(error))}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        cut = "" if line.endswith(b"\n") else "the last line is cut short or "
        raise HistoryError(f"{where}: {cut}not JSON: {error}") from None


def _field_first(message: str) -> str:
    """msgspec says 'Expected `int`, got `str` - at `$.client`'; a reader looks for the field first."""
    message = message.replace("`", "").replace("\n", "\\n").replace("\r", "\\r")
    if found := re.fullmatch(r"(.*) - at \$\.?(.*)", message):
        return f"{found[2] or 'line'}: {found[1]}"
    if found := re.fullmatch(r"Object missing required field (\S+)", message):
        return f"{found[1]}: the field is missing"
    if found := re.fullmatch(r"Object contains unknown field (\S+)", message):
        return f"{found[1]}: there is no such field"
    return message


def _refuse_wrong_arguments(read: _Line, op: Op, where: str) -> None:
    signature = SIGNATURES[op]
    if not signature.keyed and read.key is not None:
        raise HistoryError(f"{where}: key: {op} takes no key, so it must be null")
    if len(read.args) != len(signature.arguments):
        wanted = ", ".join(signature.arguments) or "none"
        raise HistoryError(f"{where}: args: {op} takes {wanted}; {len(read.args)} given")


def _is_nested_beyond(value: Any, levels: int) -> bool:
    if not isinstance(value, list | dict):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_nested_beyond(part, levels - 1) for part in inner)


def _refuse_wrong_outcome(read: _Line, where: str) -> None:
    for field, value in (("key", read.key), ("args", read.args), ("result", read.result)):
        if _is_nested_beyond(value, _MAX_NESTING):
            raise HistoryError(f"{where}: {field}: nested deeper than {_MAX_NESTING} levels")
    if read.return_ is not None and read.return_ < read.call:
        raise HistoryError(f"{where}: return: {read.return_} is before the call at {read.call}")
    if read.error is not msgspec.UNSET:
        if read.result is not msgspec.UNSET:
            raise HistoryError(f"{where}: error: an operation that raised has no result")
        if read.return_ is None:
            raise HistoryError(f"{where}: return: an operation that raised has returned; null is for pending")
        if not read.error:
            raise HistoryError(f"{where}: error: the name of the exception is empty")
    elif read.result is msgspec.UNSET:
        raise HistoryError(f"{where}: result: the field is missing (null while pending)")
    elif read.return_ is None and read.result is not None:
        raise HistoryError(f"{where}: result: a pending operation (return null) has none, so it must be null")


def _as_answer(op: Op, result: Any) -> Any:
    pair = SIGNATURES[op].result in (Shape.VALUE_OK, Shape.ACTUAL_LOADED)
    return tuple(result) if pair and result is not None else result


def _refuse_overlapping_clients(operations: tuple[Operation, ...], name: str) -> None:
    """A client does one thing at a time: two of its operations may share a moment, not an interval."""
    last: dict[int, int] = {}
    by_time = sorted(range(len(operations)), key=lambda i: (operations[i].call, _end(operations[i])))
    for i in by_time:
        operation = operations[i]
        before = last.get(operation.client)
        if before is not None and operation.call < _end(operations[before]):
            raise overlap_error(name, i, operation, before, operations[before])
        last[operation.client] = i


def no_operation_error(name: str) -> HistoryError:
    """Says that there is nothing in the file."""
    return HistoryError(f"{name}:1: the file holds no operation")


def overlap_error(name: str, place: int, operation: Operation, before: int, busy: Operation) -> HistoryError:
    """Says that the client of `operation` (line `place`, from 0) was busy with another (line `before`)."""
    until = "is still pending" if busy.return_ is None else f"runs until {busy.return_}"
    return HistoryError(
        f"{name}:{place + 1}: call: client {operation.client} calls {operation.op} at {operation.call}, "
        f"but its {busy.op} of line {before + 1} {until}"
    )


def _end(operation: Operation) -> float:
    return float("inf") if operation.return_ is None else operation.return_
