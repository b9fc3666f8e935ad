"""A table holds what a history holds, and numbers two values alike exactly if they are the same."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy
import pytest
from histories import random_history
from test_readers_fuzz import mutant

from mapproof.spec.formats.jsonl_table import Kernels, Tokens, kernels_of_reading, read_table, tabulated
from mapproof.spec.history import History, HistoryError, Operation
from mapproof.spec.operations import Op
from mapproof.spec.table import ABSENT_NAME, CODES, COMPLETED, FOREVER, PENDING, RAISED, Table, TooLarge
from mapproof.spec.values import identity

ALL_KINDS = History(
    (
        Operation(0, Op.STORE, "a", (1,), None, 1, 2),
        Operation(0, Op.CLEAR, None, (), None, 2, 3),
        Operation(1, Op.LOAD, "a", (), (1, True), 1, 3),
        Operation(1, Op.LOAD, "b", (), (None, False), 3, 4),
        Operation(1, Op.LOAD, "b", (), (None, True), 4, 5),
        Operation(2, Op.LOAD_OR_STORE, 7, ("é",), ("é", False), 5, 6),
        Operation(2, Op.LOAD_OR_STORE, 7, (2.5,), ("é", True), 6, 6),
        Operation(2, Op.LOAD_AND_DELETE, None, (), (None, False), 7, 8),
        Operation(2, Op.RANGE, None, (), [["a", 1]], 8, 9),
        Operation(2, Op.DELETE, True, (), None, 9, 10, "KeyError"),
        Operation(2, Op.SWAP, (1, "x"), ({"k": [2]},), (2**80, True), 11, 12),
        Operation(-5, Op.COMPARE_AND_SWAP, "a", (1, True), True, -14, -13),
        Operation(2, Op.COMPARE_AND_DELETE, "a", (1,), False, 15, 16),
        Operation(2, Op.LEN, None, (), 2, 17, 18),
        Operation(2, Op.STORE, "a\n", (None,), None, 19, None),
        Operation(3, Op.LEN, None, (), None, 21, None),
    )
)


def test_every_kind_of_operation_comes_back() -> None:
    table = Table.of(ALL_KINDS)
    assert table.history() == ALL_KINDS
    assert len(table) == len(ALL_KINDS.operations)
    keyed = [operation for operation in ALL_KINDS.operations if operation.op in CODES]
    assert [table.operation(row) for row in range(len(table.op))] == keyed


def test_the_lines_of_a_table_are_those_of_its_history(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    Table.of(ALL_KINDS).write(path)
    assert path.read_bytes() == b"".join(ALL_KINDS.lines())
    assert read_table(path).history() == History.read(path)
    assert b"".join(read_table(path).lines()) == path.read_bytes()


def test_random_histories_come_back() -> None:
    random = Random(5)
    for _ in range(300):
        history = History(tuple(random_history(random, whole_map=random.random() < 0.5)))
        table = Table.of(history)
        assert table.history() == history
        assert list(table.lines()) == list(history.lines())


def test_the_columns() -> None:
    table = Table.of(
        History(
            (
                Operation(3, Op.LOAD_OR_STORE, "a", (1,), (2, False), 1, 2),
                Operation(3, Op.COMPARE_AND_SWAP, "b", (2, 1), False, 2, 5),
                Operation(3, Op.LOAD, "a", (), (None, False), 5, 6),
                Operation(3, Op.DELETE, "a", (), None, 6, 7, "KeyError"),
                Operation(3, Op.SWAP, "a", (1,), None, 7, None),
            )
        )
    )
    assert table.key.tolist() == [0, 1, 0, 0, 0]
    assert table.first.tolist() == [0, 1, ABSENT_NAME, ABSENT_NAME, 0]
    assert table.second.tolist() == [ABSENT_NAME, 0, ABSENT_NAME, ABSENT_NAME, ABSENT_NAME]
    assert table.found.tolist() == [1, ABSENT_NAME, ABSENT_NAME, ABSENT_NAME, ABSENT_NAME]
    assert table.told.tolist() == [0, 0, 0, ABSENT_NAME, ABSENT_NAME]
    assert table.fate.tolist() == [COMPLETED, COMPLETED, COMPLETED, RAISED, PENDING]
    assert table.return_.tolist() == [2, 5, 6, 7, FOREVER]
    assert table.errors == {3: "KeyError"}


SAME = ["1", "1.0", "1e0", "10E-1"]
PAIRS_THAT_DIFFER = [
    ("1", "true"),
    ("0", "false"),
    ("null", "false"),
    ('"1"', "1"),
    ("[1]", "1"),
    ("1.5", "1"),
]


def numbers_of(texts: list[str]) -> list[int]:
    lines = (
        f'{{"client": 0, "op": "store", "key": {text}, "args": [0], "result": null, "call": {n}, "return": {n}}}\n'
        for n, text in enumerate(texts)
    )
    return [int(number) for number in read_table("".join(lines).encode()).key]


@pytest.mark.parametrize(
    "texts",
    [
        SAME,
        SAME[::-1],
        ["0", "-0", "-0.0", "0.0"],
        ['"a"', '"\\u0061"'],
        ['"\\u00e9"', '"é"'],
        ["[1, {}]", "[1.0, {}]"],
        ["18446744073709551616", "18446744073709551616.0"],
        ['"\\ud83d\\ude00"', '"😀"'],
        ["5000000000000000000", "5e18"],
        ["4999999999999999999", "4999999999999999999"],
    ],
)
def test_one_value_has_one_number_however_it_is_written(texts: list[str]) -> None:
    assert set(numbers_of(texts)) == {0}


@pytest.mark.parametrize("texts", PAIRS_THAT_DIFFER)
def test_different_values_have_different_numbers(texts: tuple[str, str]) -> None:
    assert len(set(numbers_of(list(texts)))) == 2
    assert len(set(numbers_of(list(texts[::-1])))) == 2


@pytest.mark.parametrize(
    "operation",
    [
        Operation(2**63, Op.LOAD, "a", (), (1, True), 1, 2),
        Operation(0, Op.LOAD, "a", (), (1, True), 1, FOREVER),
        Operation(0, Op.LOAD, "a", (), (1, True), -FOREVER, 2),
        Operation(0, Op.CLEAR, None, (), None, FOREVER, None),
    ],
)
def test_numbers_beyond_the_columns_are_too_large(operation: Operation) -> None:
    with pytest.raises(TooLarge, match="no column has a place for"):
        Table.of(History((operation,)))
    with pytest.raises(TooLarge):
        read_table(b"".join(History((operation,)).lines()))


def test_an_answer_of_the_wrong_shape_has_no_place() -> None:
    with pytest.raises(TooLarge):
        Table.of(History((Operation(0, Op.LOAD, "a", (), 1, 1, 2),)))  # type: ignore[arg-type, unused-ignore]
    with pytest.raises(TooLarge):
        Table.of(History((Operation(0, Op.STORE, "a", (), None, 1, 2),)))


def line(client: int, call: int, end: int | None) -> bytes:
    return next(
        History((Operation(client, Op.LOAD, "a", (), None if end is None else (1, True), call, end),)).lines()
    )


@pytest.mark.parametrize(
    "spans",
    [
        [(0, 1, 5), (0, 4, 6)],
        [(0, 4, 6), (1, 0, 9), (0, 1, 5)],
        [(0, 1, None), (0, 4, 6)],
        [(0, 4, 6), (0, 1, None), (0, 7, 8)],
        [(0, 4, 6), (5, 1, 3), (5, 2, 3), (0, 5, 6)],
        [(-1, 4, 6), (2**50, 1, 3), (-1, 5, 6), (2**50, 2, 2)],
        [(0, 1, 1), (0, 1, 1), (0, 1, 3), (0, 2, 3)],
    ],
)
def test_a_client_that_overlaps_itself_is_refused_in_the_words_of_the_strict_reader(spans: list[Any]) -> None:
    lines = [line(*span) for span in spans]
    with pytest.raises(HistoryError) as strict:
        History.parse(lines, "h.jsonl")
    with pytest.raises(HistoryError) as fast:
        read_table(b"".join(lines), "h.jsonl")
    assert str(fast.value) == str(strict.value)


def test_clients_that_take_turns_in_any_order_of_the_file() -> None:
    data = line(0, 4, 6) + line(2**50, 1, 3) + line(0, 1, 4) + line(0, 6, 6) + line(0, 6, None)
    assert len(read_table(data)) == 5


def test_names_of_the_reader_and_of_a_history_are_the_same() -> None:
    data = b"".join(ALL_KINDS.lines())
    read, made = read_table(data), Table.of(ALL_KINDS)
    for column in ("client", "op", "told", "fate", "call", "return_"):
        assert getattr(read, column).tolist() == getattr(made, column).tolist()
    assert {identity(read.keys.value(n)) for n in range(len(read.keys))} == {
        identity(made.keys.value(n)) for n in range(len(made.keys))
    }


def test_an_empty_file_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"^<bytes>:1: the file holds no operation$"):
        read_table(b"")
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none.jsonl")


def farthest(family: list[str], kernels: Kernels) -> int:
    """How many slots away from its own a name is found at most."""
    lines = (
        f'{{"client":0,"op":"delete","key":{key},"args":[],"result":null,"call":{n},"return":{n}}}\n'
        for n, key in enumerate(family)
    )
    names = tabulated("".join(lines).encode(), "h.jsonl", kernels).keys
    assert isinstance(names, Tokens) and len(names) == len(family)
    slots = names.arrays[0]
    places = numpy.flatnonzero(slots >= 0)
    return int(((places - (slots[places] >> 32)) & (len(slots) - 1)).max())


def test_no_family_of_names_crowds_the_hash_table() -> None:
    """A file cannot be written to be slow: no name is found far from the slot that is its own."""
    halves = (
        "0110100110010110",
        "1001011001101001",
    )  # powers of any one number, summed modulo 2**64, agree on these
    blocks = ("".join(halves[bit == "1"] for bit in f"{n:08b}") for n in range(256))
    families = [
        [str(n << 40) for n in range(20_000)],
        [str(n) for n in range(-20_000, 20_000)],
        [f'"{"x" * 100}{n}"' for n in range(5_000)],
        [f'"{n:0200d}"' for n in range(5_000)],
        [f'"{block * 16}"' for block in blocks],
    ]
    assert max(farthest(family, kernels_of_reading()) for family in families) < 64


def test_a_hash_without_a_secret_is_crowded() -> None:
    weak = mutant("    return product ^ (product >> 32)", "    return (hashed + (part << 32)) & HASH")
    assert (
        farthest([str(n << 40) for n in range(1_000)], weak) > 64
        or farthest([f'"{n:08b}"' for n in range(256)], weak) > 64
    )


def test_a_time_with_a_fraction_has_no_column() -> None:
    with pytest.raises(TooLarge, match="no column has a place for"):
        Table.of(History((Operation(0, Op.DELETE, "a", (), None, 0.5, 1),)))  # type: ignore[arg-type]
