"""Parquet files give back what was written; a cell that is wrong is named by its row and column."""

from __future__ import annotations

import io
import json
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pyarrow
import pyarrow.parquet
import pytest
from histories import random_history

from mapproof.spec.formats import parquet
from mapproof.spec.formats.parquet import COLUMNS, read_parquet, write_parquet
from mapproof.spec.history import History, HistoryError, Operation
from mapproof.spec.operations import Op
from mapproof.spec.table import FOREVER, Table

ALL_KINDS = History(
    (
        Operation(0, Op.STORE, "a", (1,), None, 1, 2),
        Operation(0, Op.CLEAR, None, (), None, 2, 3),
        Operation(1, Op.LOAD, "a\n", (), (1, True), 1, 3),
        Operation(1, Op.LOAD, "b", (), (None, False), 3, 4),
        Operation(1, Op.LOAD, 'b"', (), (None, True), 4, 5),
        Operation(2, Op.LOAD_OR_STORE, 7, ("é",), ("é", False), 5, 6),
        Operation(2, Op.LOAD_OR_STORE, 7, (2.5,), ("é", True), 6, 6),
        Operation(2, Op.RANGE, None, (), [["a", 1]], 8, 9),
        Operation(2, Op.DELETE, True, (), None, 9, 10, 'Odd"Error\n'),
        Operation(2, Op.RANGE, None, (), None, 10, 10, "KeyError"),
        Operation(2, Op.SWAP, [1, "x"], ({"k": [2]},), (1e30, True), 11, 12),
        Operation(-5, Op.COMPARE_AND_SWAP, "a", (1, True), True, -14, -13),
        Operation(2, Op.COMPARE_AND_DELETE, "a", (1,), False, 15, 16),
        Operation(2, Op.STORE, "a", (None,), None, 19, None),
        Operation(3, Op.LEN, None, (), None, 21, None),
    )
)

ROW = {
    "client": 0,
    "op": "store",
    "key": '"a"',
    "args": "[1]",
    "result": "null",
    "error": None,
    "call": 1,
    "return": 2,
}
KINDS = {"client": "int64", "call": "int64", "return": "int64"}


def written(path: Path, rows: list[dict[str, Any]], **kinds: Any) -> Path:
    columns = {
        name: pyarrow.array([row[name] for row in rows], kinds.get(name, KINDS.get(name, "string")))
        for name in COLUMNS
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(HistoryError) as error:
        read_parquet(path)
    assert str(error.value).startswith(f"{path}:")
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path}:")


@pytest.mark.parametrize("form", [lambda history: history, Table.of], ids=["history", "table"])
def test_every_kind_of_operation_comes_back(tmp_path: Path, form: Any) -> None:
    write_parquet(form(ALL_KINDS), tmp_path / "h.parquet")
    assert read_parquet(tmp_path / "h.parquet").history() == ALL_KINDS


def test_random_histories_come_back(tmp_path: Path) -> None:
    random = Random(3)
    for _ in range(100):
        history = History(tuple(random_history(random, whole_map=random.random() < 0.5)))
        write_parquet(history, tmp_path / "h.parquet")
        assert read_parquet(tmp_path / "h.parquet").history().operations == tuple(
            History.parse(history.lines(), "h").operations
        )


def test_many_batches_and_row_groups(tmp_path: Path) -> None:
    lines = b"".join(
        b'{"client": 0, "op": "store", "key": %d%s, "args": [%d], "result": null, "call": %d, "return": %d}\n'
        % (n % 50, b".5" if n % 9 == 0 else b"", n, n, n + 1)
        for n in range(150_000)
    )
    history = History.parse(io.BytesIO(lines), "h")
    write_parquet(history, tmp_path / "h.parquet")
    groups = pyarrow.parquet.read_table(tmp_path / "h.parquet")
    pyarrow.parquet.write_table(groups, tmp_path / "g.parquet", row_group_size=10_000)
    assert read_parquet(tmp_path / "h.parquet").history() == history
    assert read_parquet(tmp_path / "g.parquet").history() == history


def test_keys_may_be_whole_numbers_and_columns_dictionaries(tmp_path: Path) -> None:
    rows = [{**ROW, "key": 7}, {**ROW, "key": -3, "call": 2}]
    path = written(tmp_path / "h.parquet", rows, key="int32", error="null", client="uint8")
    assert [operation.key for operation in read_parquet(path).history().operations] == [7, -3]
    as_dictionary = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    path = written(tmp_path / "d.parquet", [ROW], op=as_dictionary, args=as_dictionary)
    assert read_parquet(path).history().operations == (Operation(0, Op.STORE, "a", (1,), None, 1, 2),)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"client": None}, "2: client: the cell is null"),
        ({"call": None}, "2: call: the cell is null"),
        ({"op": None}, "2: op: the cell is null"),
        ({"key": None}, "2: key: the cell is null"),
        ({"args": None}, "2: args: the cell is null"),
        ({"result": None}, "2: result: the cell is null; that is for an operation that raised"),
        ({"error": "KeyError"}, "2: error: an operation that raised has no result"),
        ({"error": "", "result": None}, "2: error: the name of the exception is empty"),
        ({"op": "jump"}, "2: op: no operation 'jump'; one of "),
        ({"op": 'store", "x": "'}, '2: op: no operation \'store", "x": "\'; one of '),
        ({"key": "a"}, "2: key: not JSON: "),
        ({"key": ""}, "2: key: not JSON: "),
        ({"key": "NaN"}, "2: key: not JSON: "),
        ({"key": '1, "args": [2]'}, "2: key: not JSON: "),
        ({"key": '"a'}, "2: key: not JSON: "),
        ({"key": '1}\n{"client": 1'}, "2: key: not JSON: "),
        ({"key": '1, "args": [], "result": null, "call": 1, "return": 2}\n'}, "2: key: not JSON: "),
        ({"args": "1"}, "2: args: Expected array, got int"),
        ({"args": "[1, 2]"}, "2: args: store takes value; 2 given"),
        ({"args": "[" * 5000}, "2: args: not JSON: "),
        ({"result": "true"}, "2: result: store answers null"),
        ({"result": 'null, "error": "x"'}, "2: result: not JSON: "),
        ({"return": 0}, "2: return: 0 is before the call at 1"),
        (
            {"error": "Odd\nError", "result": None, "call": FOREVER, "return": FOREVER},
            "2: no column has a place for ",
        ),
        ({"return": FOREVER}, "2: no column has a place for store('a', 1) -> None"),
        ({"call": 1, "client": 0}, None),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, changed: dict[str, Any], said: str | None) -> None:
    rows = [ROW, {**ROW, "client": 1, **changed}]
    path = written(tmp_path / "h.parquet", rows)
    expected = (
        "2: call: client 0 calls store at 1, but its store of line 1 runs until 2" if said is None else said
    )
    assert refusal(path).startswith(expected)


def test_wrong_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "h.parquet"
    good = pyarrow.table({name: pyarrow.array([ROW[name]], KINDS.get(name, "string")) for name in COLUMNS})
    for column in COLUMNS:
        pyarrow.parquet.write_table(good.drop_columns([column]), path)
        assert refusal(path) == f" {column}: the column is missing"
    pyarrow.parquet.write_table(good.append_column("more", good["op"]), path)
    assert refusal(path) == " 'more': there is no such field"
    assert refusal(written(path, [{**ROW, "call": 1.5}], call="float64")) == (
        " call: Expected a column of whole numbers, got double"
    )
    assert refusal(written(path, [{**ROW, "args": [1]}], args=pyarrow.list_(pyarrow.int64()))).startswith(
        " args: Expected a column of text, got list<"
    )
    assert refusal(written(path, [])) == "1: the file holds no operation"


def test_what_is_not_parquet(tmp_path: Path) -> None:
    path = tmp_path / "h.parquet"
    path.write_bytes(b"{}\n")
    assert refusal(path).startswith(" not a sound Parquet file: ")
    with pytest.raises(FileNotFoundError):
        read_parquet(tmp_path / "none.parquet")


def test_without_pyarrow_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(
        parquet.AnalysisExtraMissing, match=r"^pyarrow is not installed; pip install 'mapproof"
    ):
        read_parquet(tmp_path / "h.parquet")


CELLS = [
    "1",
    "1.0",
    '"a"',
    "null",
    "[]",
    "[1]",
    "[1, 2]",
    '["a"]',
    "[1.5]",
    "[1,2]",
    "true",
    "[1, true]",
    "[null, false]",
]
CELLS += [
    " 1",
    "\n1\n",
    "[1,\n true]",
    '"\\u0061"',
    '"é"',
    "01",
    "",
    '"',
    "]",
    "[",
    "1]",
    "[1",
    '1, "op": "load"',
    "1 2",
]
CELLS += [
    '"a", "key": "b"',
    '"a"}',
    '{"a": "}"}',
    "NaN",
    "1\n",
    '"\n"',
    '", "call": 1, "args": "',
    "{",
    "}",
    '["',
]
OPS = [*Op, 'load"', "", "Load", '"load"', "load\n", 'store", "op": "load', "load\\u0020", "st\\u006fre"]


def said_cell_by_cell(row: dict[str, Any]) -> Any:
    """The slow and obvious reader: each cell on its own, then the line that they make."""
    line = {}
    for column in ("key", "args", "result"):
        if row[column] is not None:
            try:
                line[column] = msgspec.json.decode(row[column])
            except (msgspec.DecodeError, RecursionError) as error:
                return f"1: {column}: not JSON: {error}"
    line |= {column: row[column] for column in ("client", "op", "call", "return")}
    if row["error"] is not None:
        line["error"] = row["error"]
    try:
        return History.parse([json.dumps(line).encode() + b"\n"], "").operations
    except HistoryError as error:
        return str(error).removeprefix(":")


def test_rows_are_read_as_cell_by_cell(tmp_path: Path) -> None:
    random, path = Random(8), tmp_path / "h.parquet"
    outcomes = set()
    for _ in range(1_500):
        row = {**ROW, "op": random.choice(OPS[:8] if random.random() < 0.8 else OPS)}
        for column in random.choices(("key", "args", "result"), k=random.choice((1, 2, 3))):
            row[column] = random.choice(CELLS)
        expected = said_cell_by_cell(row)
        written(path, [row])
        try:
            assert read_parquet(path).history().operations == expected, row
            outcomes.add("read")
        except HistoryError as error:
            assert str(error).removeprefix(f"{path}:") == expected, row
            outcomes.add(expected[:20])
    assert "read" in outcomes and len(outcomes) > 10


def test_damaged_bytes_end_in_one_line_or_in_a_history(tmp_path: Path) -> None:
    random, path = Random(9), tmp_path / "h.parquet"
    write_parquet(ALL_KINDS, path)
    good = path.read_bytes()
    refused = 0
    for _ in range(400):
        at = random.randrange(len(good))
        damaged = good[:at] + bytes([random.randrange(256)]) + good[at + random.choice((0, 1, 1, 1, 2)) :]
        path.write_bytes(damaged)
        try:
            read_parquet(path)
        except HistoryError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 200
