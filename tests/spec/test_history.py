"""The JSONL format: what it reads it writes back byte for byte, and each kind of mistake is one clear line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mapproof.spec.history import History, HistoryError, Operation
from mapproof.spec.linearizability import Linearizable, check
from mapproof.spec.operations import KEYED, SIGNATURES, Op

GOOD = b"""\
{"client": 0, "op": "store", "key": "a", "args": [1], "result": null, "call": 1, "return": 2}
{"client": 1, "op": "load", "key": "a", "args": [], "result": [1, true], "call": 1, "return": 3}
{"client": 1, "op": "load", "key": [1, {"x": null}], "args": [], "result": [null, false], "call": 3, "return": 4}
{"client": 2, "op": "load_or_store", "key": 7, "args": ["\xc3\xa9"], "result": ["\xc3\xa9", false], "call": 5, "return": 6}
{"client": 2, "op": "load_and_delete", "key": null, "args": [], "result": [null, false], "call": 7, "return": 8}
{"client": 2, "op": "delete", "key": true, "args": [], "result": null, "call": 9, "return": 10}
{"client": 2, "op": "swap", "key": 1.5, "args": [2], "result": [1, true], "call": 11, "return": 12}
{"client": 2, "op": "compare_and_swap", "key": "a", "args": [1, 2], "result": true, "call": 13, "return": 14}
{"client": 2, "op": "compare_and_delete", "key": "a", "args": [1], "error": "KeyError", "call": 15, "return": 16}
{"client": 2, "op": "range", "key": null, "args": [], "result": [["a", 1], [2, null]], "call": 17, "return": 18}
{"client": 2, "op": "len", "key": null, "args": [], "result": 2, "call": -3, "return": -2}
{"client": 2, "op": "clear", "key": null, "args": [], "result": null, "call": 21, "return": null}
"""


def read(content: bytes) -> History:
    return History.parse(content.splitlines(keepends=True), "h.jsonl")


def test_what_is_read_is_written_back_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(GOOD)
    history = History.read(path)
    again = tmp_path / "again.jsonl"
    history.write(again)
    assert again.read_bytes() == GOOD
    assert History.read(again) == history
    assert {operation.op for operation in history.operations} == set(Op)


def test_the_fields_of_an_operation() -> None:
    first, *_, failed, _, _, last = read(GOOD).operations
    assert first == Operation(0, Op.STORE, "a", (1,), None, 1, 2)
    assert (first.pending, first.completed) == (False, True)
    assert (failed.error, failed.result, failed.completed) == ("KeyError", None, False)
    assert (last.return_, last.pending, last.completed) == (None, True, False)
    assert str(first) == "store('a', 1) -> None"
    assert str(failed) == "compare_and_delete('a', 1) raised KeyError"
    assert str(last) == "clear() pending"


def test_spacing_and_a_missing_newline_at_the_end_are_free() -> None:
    loose = GOOD.replace(b", ", b" ,\t").replace(b": ", b":")[:-1]
    assert list(read(loose).lines()) == GOOD.splitlines(keepends=True)


def test_a_value_that_json_cannot_hold_is_written_as_its_repr() -> None:
    history = History((Operation(0, Op.STORE, "a", (object,), None, 1, 2),))
    assert b"\"<class 'object'>\"" in next(history.lines())


BASE: dict[str, Any] = {
    "client": 0,
    "op": "load",
    "key": "a",
    "args": [],
    "result": [None, False],
    "call": 1,
    "return": 2,
}


def line(**changed: Any) -> bytes:
    return json.dumps({**BASE, **changed}).encode() + b"\n"


def line_without(field: str) -> bytes:
    return json.dumps({name: value for name, value in BASE.items() if name != field}).encode() + b"\n"


def nested(depth: int) -> bytes:
    return line(key=0).replace(b'"key": 0', b'"key": ' + b"[" * depth + b"]" * depth)


MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "h.jsonl:1: the file holds no operation"),
    "blank line": (line() + b"\n" + line(), "h.jsonl:2: blank line; each line is one JSON object"),
    "blank last line": (line() + b"  \n", "h.jsonl:2: blank line"),
    "truncated last line": (
        line() + line(client=1)[:-9],
        "h.jsonl:2: the last line is cut short or not JSON",
    ),
    "not JSON": (b"load a\n" + line(), "h.jsonl:1: not JSON: JSON is malformed"),
    "not an object": (b"[1]\n", "h.jsonl:1: Expected object, got array"),
    "invalid UTF-8": (
        line(key="X").replace(b"X", b"\xff"),
        "h.jsonl:1: not JSON: 'utf-8' codec can't decode",
    ),
    "byte order mark": (b"\xef\xbb\xbf" + line(), "h.jsonl:1: not JSON: JSON is malformed"),
    "half a surrogate pair": (line(key="X").replace(b"X", b"\\ud800"), "h.jsonl:1: not JSON"),
    "deep nesting": (nested(101), "h.jsonl:1: key: nested deeper than 100 levels"),
    "bottomless nesting": (nested(100_000), "h.jsonl:1: not JSON: maximum recursion depth exceeded"),
    "unknown field": (line(thread=1), "h.jsonl:1: thread: there is no such field"),
    "unknown field of two lines": (line(**{"a\nb": 1}), "h.jsonl:1: a\\nb: there is no such field"),
    "missing client": (line_without("client"), "h.jsonl:1: client: the field is missing"),
    "missing op": (line_without("op"), "h.jsonl:1: op: the field is missing"),
    "missing key": (line_without("key"), "h.jsonl:1: key: the field is missing"),
    "missing args": (line_without("args"), "h.jsonl:1: args: the field is missing"),
    "missing result": (
        line_without("result"),
        "h.jsonl:1: result: the field is missing (null while pending)",
    ),
    "missing call": (line_without("call"), "h.jsonl:1: call: the field is missing"),
    "missing return": (line_without("return"), "h.jsonl:1: return: the field is missing"),
    "client is text": (line(client="x"), "h.jsonl:1: client: Expected int, got str"),
    "op is a number": (line(op=3), "h.jsonl:1: op: Expected str, got int"),
    "args is text": (line(args="x"), "h.jsonl:1: args: Expected array, got str"),
    "call is a flag": (line(call=True), "h.jsonl:1: call: Expected int, got bool"),
    "call is a fraction": (line(call=1.5), "h.jsonl:1: call: Expected int, got float"),
    "call is null": (line(call=None), "h.jsonl:1: call: Expected int, got null"),
    "return is text": (line(**{"return": "2"}), "h.jsonl:1: return: Expected int | null, got str"),
    "error is a number": (line(error=1), "h.jsonl:1: error: Expected str"),
    "unknown operation": (line(op="put"), "h.jsonl:1: op: no operation 'put'; one of load, store, "),
    "operation of two lines": (line(op="a\nb"), "h.jsonl:1: op: no operation 'a\\nb'; one of load"),
    "key where none belongs": (
        line(op="len", result=0),
        "h.jsonl:1: key: len takes no key, so it must be null",
    ),
    "too few arguments": (
        line(op="compare_and_swap", args=[1], result=True),
        "h.jsonl:1: args: compare_and_swap takes old, new; 1 given",
    ),
    "too many arguments": (line(args=[1]), "h.jsonl:1: args: load takes none; 1 given"),
    "return before call": (line(call=5), "h.jsonl:1: return: 2 is before the call at 5"),
    "error with result": (line(error="KeyError"), "h.jsonl:1: error: an operation that raised has no result"),
    "error while pending": (
        line_without("result").replace(b'"return": 2', b'"return": null, "error": "E"'),
        "h.jsonl:1: return: an operation that raised has returned; null is for pending",
    ),
    "error without a name": (
        line_without("result").replace(b'"return": 2', b'"return": 2, "error": ""'),
        "h.jsonl:1: error: the name of the exception is empty",
    ),
    "pending with result": (
        line(**{"return": None}),
        "h.jsonl:1: result: a pending operation (return null) has none, so it must be null",
    ),
    "overlapping client": (
        line(client=3, call=10, **{"return": 20}) + line() + line(client=3, call=19, **{"return": 30}),
        "h.jsonl:3: call: client 3 calls load at 19, but its load of line 1 runs until 20",
    ),
    "client goes on while pending": (
        line(result=None, **{"return": None}) + line(call=7, **{"return": 8}),
        "h.jsonl:2: call: client 0 calls load at 7, but its load of line 1 is still pending",
    ),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_mistake_is_one_line_that_names_file_line_and_field(kind: str) -> None:
    content, expected = MALFORMED[kind]
    with pytest.raises(HistoryError) as raised:
        read(content)
    message = str(raised.value)
    assert message.startswith(expected)
    assert message.isprintable()


WRONG_RESULTS: dict[Op, list[Any]] = {
    Op.LOAD: [None, 1, [1], [1, True, 2], [1, 1], [1, None], [1, False], {"value": 1}],
    Op.STORE: [1, True, []],
    Op.LOAD_OR_STORE: [None, 1, [1, 0], [1]],
    Op.LOAD_AND_DELETE: [None, [1, False], True],
    Op.DELETE: [True, [1, True]],
    Op.SWAP: [None, [1, False]],
    Op.COMPARE_AND_SWAP: [None, 1, "true", [True]],
    Op.COMPARE_AND_DELETE: [None, 0],
    Op.RANGE: [None, 1, [1], [[1]], [["a", 1, 2]], {"a": 1}],
    Op.CLEAR: [0, []],
    Op.LEN: [None, -1, True, 1.0, [1]],
}


@pytest.mark.parametrize("op", Op)
def test_a_result_of_a_wrong_shape(op: Op) -> None:
    signature = SIGNATURES[op]
    for result in WRONG_RESULTS[op]:
        given = line(
            op=op, key="a" if op in KEYED else None, args=[1] * len(signature.arguments), result=result
        )
        with pytest.raises(HistoryError) as raised:
            read(given)
        assert str(raised.value) == f"h.jsonl:1: result: {op} answers {signature.result.value}"


def test_a_client_may_call_at_the_moment_of_its_return() -> None:
    assert len(read(line() + line(call=2)).operations) == 2
    assert len(read(line(call=2) + line()).operations) == 2


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        History.read(tmp_path / "none.jsonl")


def test_nesting_up_to_the_limit_is_read_and_checked() -> None:
    assert isinstance(check(read(nested(100))), Linearizable)
