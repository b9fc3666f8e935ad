"""`mapproof history`: the examples, the words of the verdicts, and files that cannot be read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mapproof.cli import main

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


DATA = Path(__file__).parents[1] / "spec" / "data"


def test_other_consistencies_are_told_beside(mapproof: Any, examples: Path) -> None:
    asked = mapproof(
        "history",
        examples / "history_good.jsonl",
        "--also",
        "regular,sequential,staleness",
        "--json",
        "out.json",
    )
    assert (asked.exit_code, asked.stderr) == (0, "")
    report = json.loads(Path("out.json").read_text())
    assert [found["verdict"] for found in report["results"]] == [
        "LINEARIZABLE",
        "REGULAR",
        "SEQUENTIAL",
        "MEASURED",
    ]
    bad = mapproof("history", examples / "history_bad.jsonl", "--also", "regular,staleness")
    assert bad.exit_code == 1
    assert "history_bad.jsonl: staleness" in bad.stdout


def test_how_it_was_decided_is_told(mapproof: Any, here: Path) -> None:
    (here / "history.jsonl").write_text(GOOD)
    result = mapproof("history", "history.jsonl", "--json", "out.json")
    assert result.exit_code == 0
    (found,) = json.loads((here / "out.json").read_text())["results"]
    assert found["scope"] == (
        "1 operations, 1 clients, 1 keys; 1 key by zones, chains and a greedy order: no value was stored twice"
    )


@pytest.mark.parametrize("file", ["register.edn", "strings.txt", "etcd.log"])
def test_histories_of_other_tools(mapproof: Any, file: str) -> None:
    result = mapproof("history", DATA / file)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.rstrip().endswith("1 LINEARIZABLE")


QUEUE = (
    '{"client": 0, "op": "enqueue", "key": null, "args": [1], "result": null, "call": 0, "return": 1}\n'
    '{"client": 0, "op": "dequeue", "key": null, "args": [], "result": %s, "call": 2, "return": 3}\n'
)


def test_a_model_of_another_object(mapproof: Any, here: Path) -> None:
    (here / "right.jsonl").write_text(QUEUE % 1)
    (here / "wrong.jsonl").write_text(QUEUE % 2)
    model = "mapproof.spec.objects:FifoQueue"
    assert mapproof("history", "right.jsonl", "--model", model).exit_code == 0
    assert mapproof("history", "wrong.jsonl", "--model", model).exit_code == 1
    assert mapproof("history", "right.jsonl").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model", "nonsense"], "--model: 'nonsense' is not of the form pkg.mod:attr"),
        (["--model", "json:nothing"], "json has no nothing"),
        (["--model", "json:dumps"], "--model: json:dumps: TypeError"),
        (["--model", "json:JSONDecoder"], "has no `initial` or no `step`, so it is no model"),
        (["--format", "foo"], "--format: 'foo' is none of jsonl, "),
        (["--format", "parquet"], "history.jsonl"),
        (["--also", "strange"], "'strange' is none of regular, sequential, staleness"),
        (
            ["--model", "mapproof.spec.objects:Register", "--format", "parquet"],
            "history.jsonl: --model: a Parquet file holds operations of a map only",
        ),
        (["--model", "no_such:Model"], "--model: no_such:Model: cannot import no_such"),
        (["--memory", "0"], "Invalid value for '--memory'"),
        (["--memory", "nan"], "Invalid value for '--memory'"),
        (["--reorder", "-1"], "Invalid value for '--reorder'"),
    ],
)
def test_what_cannot_be_asked_is_one_line(mapproof: Any, here: Path, arguments: list[str], says: str) -> None:
    (here / "history.jsonl").write_text(GOOD)
    result = mapproof("history", "history.jsonl", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def piped(content: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["history", "-", *arguments], input=content)


def test_standard_input(here: Path) -> None:
    assert piped(GOOD).exit_code == 0
    wrong = GOOD + GOOD.replace('"store"', '"load"').replace("[1]", "[]").replace(
        "null,", "[2, true],"
    ).replace('"call": 0, "return": 1', '"call": 2, "return": 3')
    assert piped(wrong).exit_code == 1
    assert piped(GOOD.replace("}", "")).exit_code == 2
    assert "standard input is JSONL of a map" in piped(GOOD, "--also", "regular").stderr


@pytest.mark.parametrize("count", [30_000, 60_000])
def test_a_bound_of_memory_is_unknown(process: Any, tmp_path: Path, count: int) -> None:
    """In a process of its own: the bound is the process's. The second file is large enough for machine code."""
    lines = [
        GOOD.replace("[1]", f"[{n}]").replace(
            '"call": 0, "return": 1', f'"call": {2 * n}, "return": {2 * n + 1}'
        )
        for n in range(count)
    ]
    (tmp_path / "long.jsonl").write_text("".join(lines))
    result = process("history", tmp_path / "long.jsonl", "--memory", "4")
    assert (result.returncode, result.stderr) == (3, "")
    assert "memory ran out" in result.stdout or "need more than 4 MB" in result.stdout


@pytest.mark.parametrize("much", ["inf", "1e300"])
def test_a_bound_of_memory_may_be_far_away(mapproof: Any, here: Path, much: str) -> None:
    (here / "history.jsonl").write_text(GOOD)
    assert mapproof("history", "history.jsonl", "--memory", much).exit_code == 0


def test_standard_input_has_the_bound_of_memory_too(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("mapproof.judge.judge_stream", out_of_memory)
    result = piped(GOOD)
    assert result.exit_code == 3
    assert "the memory ran out" in result.stdout


def test_a_pipe_that_is_named_is_refused(mapproof: Any, here: Path) -> None:
    os.mkfifo(here / "pipe")
    result = mapproof("history", "pipe")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: pipe: a pipe or a device, which can be read only once: give it as -\n"


def test_what_the_system_refuses_is_one_line(
    mapproof: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(5, "Input/output error", "history.jsonl")

    monkeypatch.setattr("mapproof.judge.detect", refused)
    (here / "history.jsonl").write_text(GOOD)
    result = mapproof("history", "history.jsonl")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_a_terminal_may_not_know_a_letter(
    process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    load = GOOD.replace('"store"', '"load"').replace("[1]", "[]").replace("null,", '["é", true],')
    (tmp_path / "wrong.jsonl").write_text(load)
    result = process("history", tmp_path / "wrong.jsonl")
    assert (result.returncode, result.stderr) == (1, "")
    assert "'\\xe9'" in result.stdout


def test_an_interrupt_is_no_counterexample(
    mapproof: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mapproof.judge.judge_file", interrupted)
    (here / "history.jsonl").write_text(GOOD)
    result = mapproof("history", "history.jsonl")
    assert (result.exit_code, result.stderr) == (3, "interrupted: no verdict\n")


def test_a_large_file_goes_through_a_table(mapproof: Any, here: Path) -> None:
    lines = []
    for n in range(45_000):
        lines.append(
            GOOD.replace('"a"', f'"key {n % 50}"')
            .replace("[1]", f"[{n}]")
            .replace('"call": 0, "return": 1', f'"call": {2 * n}, "return": {2 * n + 1}')
        )
    (here / "large.jsonl").write_text("".join(lines))
    assert (here / "large.jsonl").stat().st_size > 4_000_000
    result = mapproof("history", "large.jsonl", "--json", "out.json")
    assert result.exit_code == 0
    (found,) = json.loads((here / "out.json").read_text())["results"]
    assert found["scope"].startswith("45,000 operations, 1 clients, 50 keys; 50 keys by zones")


def test_a_wrong_history_of_another_tool(mapproof: Any) -> None:
    result = mapproof("history", DATA / "independent.edn")
    assert (result.exit_code, result.stderr) == (1, "")
    assert "the core, by call..return:" in result.stdout
