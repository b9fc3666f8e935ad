"""Histories as Parquet: the columns of a JSONL line, for files that are stored, joined and queried.

The idea: a cell of `key`, `args` or `result` is JSON text, so a file holds any value, and a row is exactly a line of
JSONL whose fields were cut apart. Reading puts the lines together again, a batch of rows at a time and by Arrow's
own kernels, and hands them to the reader of JSONL; a line that it takes has seven fields, each once, so no cell
held more than its own value, and the rows that it leaves are looked at cell by cell.

Needs the extra `analysis`, and to read also `fast`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from mapproof.spec.formats.jsonl_table import Reading, kernels_of_reading
from mapproof.spec.history import History, HistoryError, Operation, canonical_json, operation_of
from mapproof.spec.operations import KEYED, SIGNATURES, Shape
from mapproof.spec.table import ABSENT_NAME, COMPLETED, FOREVER, Names, Table, TooLarge

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS: Final = ("client", "op", "key", "args", "result", "error", "call", "return")

_TEXT_OF_JSON: Final = ("key", "args", "result")
_WHOLE_NUMBERS: Final = ("client", "call", "return")
_MAY_BE_NULL: Final = ("result", "error", "return")
_ROWS_AT_ONCE: Final = 65536


class AnalysisExtraMissing(ImportError):
    """The extra `analysis` (pyarrow) is not installed; the text says so."""


def write_parquet(history: History | Table, path: Path | str) -> None:
    """Write a Parquet file of the eight columns. Raises TooLarge for times that no column holds, OSError."""
    _, arrow, parquet = _arrow()
    table = history if isinstance(history, Table) else Table.of(history)
    columns = _keyed_columns(table)
    if table.whole:
        columns = _with_whole(columns, table)
    written = arrow.table(columns, schema=_schema())
    parquet.write_table(
        written, path, compression="zstd", use_dictionary=["op", "key", "args", "result", "error"]
    )


def read_parquet(path: Path | str) -> Table:
    """The history in a Parquet file, as columns. A row counts as a line in messages, from 1.

    `key` may also be a column of whole numbers. Raises HistoryError (bad content), OSError (no such file),
    AnalysisExtraMissing, FastExtraMissing.
    """
    name = str(path)
    _, arrow, parquet = _arrow()
    with open(path, "rb") as stream:
        try:
            file = parquet.ParquetFile(stream)
            _refuse_wrong_schema(file.schema_arrow, name)
            reading = Reading(file.metadata.num_rows, name, kernels_of_reading())
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(COLUMNS)):
                _take(batch, reading, name)
        except TooLarge as error:
            raise HistoryError(_one_line(error)) from None
        except (arrow.ArrowException, OSError, UnicodeDecodeError, OverflowError, MemoryError) as error:
            raise HistoryError(f"{name}: not a sound Parquet file: {_one_line(error)}") from None
    if reading.taken != len(reading.rows.op):
        raise HistoryError(f"{name}: not a sound Parquet file: it holds fewer rows than it says")
    return reading.table()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _arrow() -> tuple[Any, Any, Any]:
    """pyarrow.compute, pyarrow and pyarrow.parquet."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise AnalysisExtraMissing("pyarrow is not installed; pip install 'mapproof[analysis]'") from None
    return pyarrow.compute, pyarrow, pyarrow.parquet


def _schema() -> Any:
    _, arrow, _ = _arrow()
    kinds = {name: arrow.int64() if name in _WHOLE_NUMBERS else arrow.string() for name in COLUMNS}
    return arrow.schema([arrow.field(name, kinds[name], name in _MAY_BE_NULL) for name in COLUMNS])


def _refuse_wrong_schema(schema: Any, name: str) -> None:
    _, arrow, _ = _arrow()
    kinds = arrow.types
    for column in schema.names:
        if column not in COLUMNS:
            raise HistoryError(f"{name}: {column!r}: there is no such field")
    for column in COLUMNS:
        if schema.names.count(column) != 1:
            raise HistoryError(
                f"{name}: {column}: the column is missing"
                if column not in schema.names
                else f"{name}: {column}: there are several columns of that name"
            )
        kind = schema.field(column).type
        if kinds.is_dictionary(kind):
            kind = kind.value_type
        whole = kinds.is_integer(kind) and column in (*_WHOLE_NUMBERS, "key")
        text = column not in _WHOLE_NUMBERS and (kinds.is_string(kind) or kinds.is_large_string(kind))
        if not (whole or text or (kinds.is_null(kind) and column in _MAY_BE_NULL)):
            expected = "whole numbers" if column in _WHOLE_NUMBERS else "text"
            raise HistoryError(f"{name}: {column}: Expected a column of {expected}, got {kind}")


def _take(batch: Any, reading: Reading, name: str) -> None:
    """Reads one batch of rows."""
    first = reading.taken
    if first + len(batch) > len(reading.rows.op):
        raise HistoryError(f"{name}: not a sound Parquet file: it holds more rows than it says")
    cells = {column: _as_text(batch.column(column), f"{name}:{first + 1}", column) for column in COLUMNS}
    _refuse_missing(cells, first, name)
    hard = reading.take(_lines(cells))
    if hard:
        _, arrow, _ = _arrow()
        places = arrow.array([row - first for row in hard])
        texts = {column: cells[column].take(places).to_pylist() for column in COLUMNS}
        for row, *row_cells in zip(hard, *texts.values(), strict=True):
            reading.put(row, _operation(dict(zip(COLUMNS, row_cells, strict=True)), f"{name}:{row + 1}"))


def _as_text(column: Any, where: str, name: str) -> Any:
    """The cells as text, however they are stored; large ones, since many cells together may be beyond 2 GB."""
    _, arrow, _ = _arrow()
    if arrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        text = column.cast(arrow.large_string())
        text.validate(full=True)
    except (arrow.ArrowException, UnicodeDecodeError) as error:
        raise HistoryError(f"{where}: {name}: {_one_line(error)}") from None
    return text


def _refuse_missing(cells: Mapping[str, Any], first: int, name: str) -> None:
    compute, _, _ = _arrow()
    for column in COLUMNS:
        if column not in _MAY_BE_NULL and cells[column].null_count:
            row = first + compute.index(cells[column].is_null(), True).as_py() + 1
            raise HistoryError(f"{name}:{row}: {column}: the cell is null")
    neither = compute.and_(cells["result"].is_null(), cells["error"].is_null())
    if (place := compute.index(neither, True).as_py()) >= 0:
        raise HistoryError(
            f"{name}:{first + place + 1}: result: the cell is null; that is for an operation that raised"
        )


def _lines(cells: Mapping[str, Any]) -> bytes:
    """The rows as JSONL. A cell that holds more or less than one value makes a line that the kernel cannot take."""
    compute, _, _ = _arrow()

    def some(prefix: str, column: str, missing: str, suffix: str = "") -> Any:
        joined = compute.binary_join_element_wise(_text(prefix), cells[column], _text(suffix), _text(""))
        return compute.fill_null(joined, _text(missing))

    def one_line(column: str) -> Any:
        return compute.replace_substring(cells[column], "\n", "\t")  # which the kernel takes nowhere

    cells = {**cells, **{column: one_line(column) for column in ("op", "error", *_TEXT_OF_JSON)}}
    joined = compute.binary_join_element_wise(
        *(_text('{"client": '), cells["client"], _text(', "op": "'), cells["op"], _text('", "key": ')),
        *(cells["key"], _text(', "args": '), cells["args"], some(', "result": ', "result", "")),
        *(some(', "error": "', "error", "", '"'), _text(', "call": '), cells["call"]),
        *(some(', "return": ', "return", ', "return": null'), _text("}\n"), _text("")),
    )
    _, offsets, content = joined.buffers()
    ends = memoryview(offsets).cast("q")
    return bytes(memoryview(content)[ends[joined.offset] : ends[joined.offset + len(joined)]])


def _text(text: str) -> Any:
    _, arrow, _ = _arrow()
    return arrow.scalar(text, arrow.large_string())


def _operation(cells: Mapping[str, str | None], where: str) -> Operation:
    """The operation of a row, each cell of which must be one JSON text on its own."""
    line = {column: cell for column, cell in cells.items() if cell is not None or column == "return"}
    texts: dict[str, str] = {}
    for column, cell in line.items():
        if cell is None:
            texts[column] = "null"
        elif column in ("op", "error"):
            texts[column] = json.dumps(cell, ensure_ascii=False)
        else:
            _refuse_bad_json(cell, column, where)
            texts[column] = cell.replace("\n", " ")
    fields = ", ".join(f'"{column}": {text}' for column, text in texts.items())
    return operation_of(f"{{{fields}}}\n".encode(), where)


def _refuse_bad_json(cell: str, column: str, where: str) -> None:
    try:
        msgspec.json.decode(cell)
    except (msgspec.DecodeError, RecursionError) as error:
        raise HistoryError(f"{where}: {column}: not JSON: {error}") from None


def _keyed_columns(table: Table) -> dict[str, Any]:
    """The columns of the operations that have a row."""
    compute, arrow, _ = _arrow()
    import numpy

    keys, values = _texts(table.keys), _texts(table.values)
    kinds = [SIGNATURES[op].result for op in KEYED]
    flags = numpy.array([kind is Shape.FLAG for kind in kinds])[table.op]
    answered = (table.fate == COMPLETED) & (table.told != ABSENT_NAME)
    told = compute.if_else(arrow.array(table.told == 1), "true", "false")
    pairs = compute.binary_join_element_wise(
        "[", compute.fill_null(_named(values, table.found), "null"), ", ", told, "]", ""
    )
    raised = numpy.zeros(len(table.op), numpy.bool_)
    raised[list(table.errors)] = True
    result = compute.if_else(arrow.array(answered), compute.if_else(arrow.array(flags), told, pairs), "null")
    return {
        "client": arrow.array(table.client.astype(numpy.int64)),
        "op": arrow.array([str(op) for op in KEYED]).take(arrow.array(table.op)),
        "key": _named(keys, table.key),
        "args": _args(_named(values, table.first), _named(values, table.second)),
        "result": compute.if_else(arrow.array(raised), arrow.scalar(None, arrow.string()), result),
        "error": arrow.array([table.errors.get(row) for row in range(len(table.op))], arrow.string()),
        "call": arrow.array(table.call),
        "return": arrow.array(table.return_, mask=table.return_ == FOREVER),
    }


def _texts(names: Names) -> Any:
    _, arrow, _ = _arrow()
    return arrow.array((_json(names.value(number)) for number in range(len(names))), arrow.string())


def _named(texts: Any, numbers: NDArray[Any]) -> Any:
    """The text of each number, null for ABSENT_NAME."""
    _, arrow, _ = _arrow()
    return texts.take(arrow.array(numbers, mask=numbers == ABSENT_NAME))


def _args(first: Any, second: Any) -> Any:
    compute, _, _ = _arrow()
    one = compute.binary_join_element_wise("[", first, "]", "")
    two = compute.binary_join_element_wise("[", first, ", ", second, "]", "")
    return compute.fill_null(compute.coalesce(two, one), "[]")


def _with_whole(keyed: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """The columns of all operations, each in its place."""
    _, arrow, _ = _arrow()
    import numpy

    rows = [_row(operation) for _, operation in table.whole]
    places = numpy.array([place for place, _ in table.whole])
    order = numpy.empty(len(table), numpy.int64)
    others = numpy.ones(len(table), numpy.bool_)
    others[places] = False
    order[places] = numpy.arange(len(places)) + len(table.op)
    order[others] = numpy.arange(len(table.op))
    return {
        column: arrow.concat_arrays(
            [keyed[column], arrow.array([row[column] for row in rows], keyed[column].type)]
        ).take(arrow.array(order))
        for column in COLUMNS
    }


def _row(operation: Operation) -> dict[str, Any]:
    return {
        "client": operation.client,
        "op": str(operation.op),
        "key": _json(operation.key),
        "args": _json(operation.args),
        "result": None if operation.error is not None else _json(operation.result),
        "error": operation.error,
        "call": operation.call,
        "return": operation.return_,
    }


def _json(value: Any) -> str:
    return canonical_json(value).decode()
