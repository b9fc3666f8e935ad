"""`mapproof history`: the examples, the words of the verdicts, and files that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

GOOD = '{"client": 0, "op": "store", "key": "a", "args": [1], "result": null, "call": 0, "return": 1}\n'


def test_a_good_history(mapproof: Any, examples: Path) -> None:
    result = mapproof("history", examples / "history_good.jsonl")
    assert (result.exit_code, result.stderr) == (0, "")
    assert (
        "7 operations, 3 clients, 2 keys" in result.stdout or "operations, 3 clients, 2 keys" in result.stdout
    )
    assert result.stdout.rstrip().endswith("1 LINEARIZABLE")


def test_a_bad_history_comes_with_its_core(mapproof: Any, examples: Path, here: Path) -> None:
    result = mapproof("history", examples / "history_bad.jsonl", "--json", "out.json")
    assert (result.exit_code, result.stderr) == (1, "")
    assert "the core, by call..return:" in result.stdout
    assert "load('apple') -> (1, True)" in result.stdout
    assert result.stdout.rstrip().endswith("1 VIOLATION")
    report = json.loads((here / "out.json").read_text())
    assert (report["schema"], report["exit"], report["seed"]) == (1, 1, None)
    assert [(found["kind"], found["verdict"]) for found in report["results"]] == [("history", "VIOLATION")]


def test_a_malformed_history_is_one_line(mapproof: Any, examples: Path) -> None:
    result = mapproof("history", examples / "history_malformed.jsonl")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(
        "history_malformed.jsonl:4: result: load answers [value, true] or [null, false]\n"
    )
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", ":1: the file holds no operation"),
        (b"\xff\xfe\n", ":1: "),
        (b"[]\n", ":1: "),
        (b'{"client": 1}\n', ":1: op: the field is missing"),
        (GOOD.replace('"store"', '"fly"').encode(), ":1: op: no operation 'fly'; one of load, store"),
        (GOOD.encode() + b"\n", ":2: blank line"),
        (GOOD.encode()[:-20], ":1: the last line is cut short"),
        (b"[" * 100_000, ":1: "),
    ],
)
def test_bad_files_are_one_line(mapproof: Any, here: Path, content: bytes, says: str) -> None:
    (here / "history.jsonl").write_bytes(content)
    result = mapproof("history", "history.jsonl")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: history.jsonl{says}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.jsonl"], "File 'missing.jsonl' does not exist."),
        (["."], "File '.' is a directory."),
        ([], "Missing argument 'FILE'."),
        (["history.jsonl", "--limit", "0"], "Invalid value for '--limit'"),
        (["history.jsonl", "--limit", "nan"], "Invalid value for '--limit'"),
        (["history.jsonl", "--atomic", "store"], "'store' is none of range, clear, len"),
    ],
)
def test_bad_usage_of_history_is_one_line(mapproof: Any, here: Path, arguments: list[str], says: str) -> None:
    (here / "history.jsonl").write_text(GOOD)
    result = mapproof("history", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_claim_makes_a_history_a_violation(mapproof: Any, here: Path) -> None:
    store, other, length = (
        GOOD,
        GOOD.replace('"a"', '"b"').replace('"call": 0, "return": 1', '"call": 4, "return": 5'),
        '{"client": 1, "op": "len", "key": null, "args": [], "result": 0, "call": 3, "return": 6}\n',
    )
    (here / "history.jsonl").write_text(store + length + other)
    assert mapproof("history", "history.jsonl").exit_code == 0
    assert mapproof("history", "history.jsonl", "--atomic", "len").exit_code == 1


def test_a_history_beyond_its_limit_is_unknown(mapproof: Any, here: Path) -> None:
    lines = []
    for client in range(14):
        value = json.dumps({"client": client, "op": "swap", "key": "a", "args": [client % 3], "call": 0})[:-1]
        lines.append(f'{value}, "result": [{(client * 7) % 3}, true], "return": 100}}\n')
    (here / "history.jsonl").write_text("".join(lines) * 1)
    result = mapproof("history", "history.jsonl", "--limit", "1e-9")
    assert (result.exit_code, result.stdout.rstrip()[-9:]) == (3, "1 UNKNOWN"), result.output
