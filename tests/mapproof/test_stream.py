"""Histories that come as a stream: good, broken, out of order, malformed, empty, cut."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mapproof.spec.claims import Claims, Contract
from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.spec.history import History, HistoryError
from mapproof.spec.linearizability import check
from mapproof.stream import judge_stream


def line(client: int, op: str, call: int, return_: int | None, result: Any = None, *args: Any) -> bytes:
    fields = {"client": client, "op": op, "key": "a", "args": args, "result": result}
    return json.dumps({**fields, "call": call, "return": return_}).encode() + b"\n"


STORE = line(0, "store", 0, 10, None, 1)
OTHER = line(1, "store", 12, 14, None, 2)
STALE = line(0, "load", 16, 18, [1, True])
LATER = line(1, "load", 20, 22, [2, True])


def judged(*lines: bytes, **options: Any) -> Evidence:
    return judge_stream(io.BytesIO(b"".join(lines)), "-", Claims(), **options)


def test_a_good_stream() -> None:
    found = judged(STORE, OTHER, LATER)
    assert (found.name, found.kind, found.verdict) == ("-", Kind.HISTORY, Verdict.LINEARIZABLE)
    assert found.scope == "3 operations, 2 clients; no witness is kept of a stream"
    assert found.counterexample is None


def test_a_broken_stream_stops_at_the_event() -> None:
    def lines() -> Iterator[bytes]:
        yield from (STORE, OTHER, STALE, LATER)
        raise AssertionError("it goes on")

    found = judge_stream(lines(), "-", Claims())
    assert found.verdict is Verdict.VIOLATION
    assert found.scope == "certain when line 4 was read; 3 operations, 2 clients"
    assert found.counterexample is not None
    assert found.counterexample.splitlines()[1:] == [
        "",
        "the core, by call..return:",
        "  client 0   0..10  store('a', 1) -> None",
        "  client 1  12..14  store('a', 2) -> None",
        "  client 0  16..18  load('a') -> (1, True)",
    ]


def test_a_violation_at_the_end() -> None:
    found = judged(STORE, OTHER, STALE)
    assert (found.verdict, found.scope) == (
        Verdict.VIOLATION,
        "certain at the end of the stream; 3 operations, 2 clients",
    )


def test_lines_out_of_order_need_a_heap() -> None:
    long = line(2, "load", 11, 30, [2, True])
    assert judged(STORE, OTHER, LATER, long, reorder=2).verdict is Verdict.LINEARIZABLE
    with pytest.raises(HistoryError) as error:
        judged(STORE, OTHER, LATER, long)
    assert str(error.value) == (
        "-:4: call: 11 is before 20, which is decided already; sort the lines by call, "
        "hold back more of them with --reorder N, or give a file"
    )


@pytest.mark.parametrize("seed", range(3))
def test_any_order_within_the_heap(seed: int) -> None:
    random = Random(seed)
    lines = [line(0, "store", 3 * n, 3 * n + 1, None, n) for n in range(50)]
    shuffled = [text for at in range(0, 50, 5) for text in random.sample(lines[at : at + 5], 5)]
    assert judged(*shuffled, reorder=5).verdict is Verdict.LINEARIZABLE


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "-:1: the file holds no operation"),
        ([STORE, b"\n"], "-:2: blank line; each line is one JSON object"),
        ([STORE, OTHER[:-9]], "-:2: the last line is cut short or not JSON"),
        ([STORE, b'{"client": 1}\n'], "-:2: op: the field is missing"),
        (
            [STORE, line(0, "load", 5, 6, [1, True])],
            "-:2: call: client 0 calls load at 5, but its store of line 1 runs until 10",
        ),
        (
            [line(0, "store", 0, None, None, 1), line(0, "load", 5, 6, [1, True])],
            "-:2: call: client 0 calls load at 5, but its store of line 1 is still pending",
        ),
    ],
)
@pytest.mark.parametrize("reorder", [0, 3])
def test_bad_lines_are_one_line(lines: list[bytes], says: str, reorder: int) -> None:
    with pytest.raises(HistoryError) as error:
        judged(*lines, reorder=reorder)
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)


def test_a_client_may_share_a_moment_with_itself() -> None:
    """In either order of the lines, as in a file."""
    moment, after = line(0, "store", 5, 5, None, 1), line(0, "load", 5, 8, [1, True])
    for lines in ((moment, after), (after, moment)):
        assert judged(*lines).verdict is Verdict.LINEARIZABLE
        assert isinstance(History.parse(lines, "-"), History)


def test_claims_that_a_stream_cannot_be_held_to() -> None:
    with pytest.raises(HistoryError, match=r"^-: range claimed atomic ties keys together"):
        judge_stream(io.BytesIO(STORE), "-", Claims(range=Contract.ATOMIC))


@pytest.mark.parametrize(
    ("cut", "words"), [(KeyboardInterrupt(), "interrupted"), (OSError("the pipe broke"), "the pipe broke")]
)
def test_a_stream_that_is_cut_is_never_linearizable(cut: BaseException, words: str) -> None:
    def lines() -> Iterator[bytes]:
        yield from (STORE, OTHER)
        raise cut

    found = judge_stream(lines(), "-", Claims())
    assert found.verdict is Verdict.UNKNOWN
    assert found.scope == (f"{words}; no violation was found in what came before: 2 operations, 2 clients")


def test_a_limit() -> None:
    found = judged(*[STORE] * 1, limit_seconds=1e-9)
    assert (found.verdict, found.scope.split(";")[0]) == (Verdict.UNKNOWN, "the time limit ran out")


def test_progress_is_told() -> None:
    told: list[str] = []
    lines = [line(0, "store", 3 * n, 3 * n + 1, None, n) for n in range(600)]
    judged(*lines, progress=told.append)
    assert told[0] == "-: 0 operations"


def test_as_a_file(examples: Path) -> None:
    for name in ("history_good.jsonl", "history_bad.jsonl"):
        history = History.read(examples / name)
        lines = list(history.lines())
        found = judge_stream(lines, name, Claims(), reorder=len(lines))
        assert found.verdict is check(history).verdict


def test_the_example_of_the_manual_prints_what_it_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "streaming.md").read_text("utf-8")
    (code,), (expected,) = (
        re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("python", "text")
    )
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "streaming.md", "exec"), {})  # noqa: S102 - our own manual
    assert printed.getvalue() == expected
