"""Decides a history file, of any format and size, and words the answers.

The idea: one reading serves all that is asked of a history. Large files of operations on a map go into a table,
where no operation is an object; small ones, and those of other objects, are read as they are.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mapproof.memory import limited_memory
from mapproof.spec.claims import Claims
from mapproof.spec.consistency import (
    NotRegular,
    NotSequentiallyConsistent,
    Regular,
    SequentiallyConsistent,
    Staleness,
    regular,
    sequentially_consistent,
    staleness,
)
from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.spec.formats import FORMATS, detect, read_history
from mapproof.spec.history import History, HistoryError, Operation, line_of
from mapproof.spec.linearizability import Linearizable, Unknown, Violation, check, machine
from mapproof.spec.linearizability.any_model import check_model
from mapproof.spec.model import Model
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.spec.table import Table, TooLarge
from mapproof.spec.values import identity
from mapproof.stream import core_table, judge_stream

ALSO: Final = ("regular", "sequential", "staleness")
"""What may be asked beside linearizability."""

_LARGE: Final = 4_000_000
"""From how many bytes on a file is read into a table: some 40,000 operations."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a history file.

    `format` and `model` are found from the file if None. The limits are in seconds for each answer, and in
    megabytes for the whole.
    """

    file: Path
    claims: Claims = field(default_factory=Claims)
    format: str | None = None
    model: Model[Any] | None = None
    limit: float | None = None
    megabytes: float | None = None
    also: Sequence[str] = ()


def judge_file(question: Question) -> list[Evidence]:
    """The verdict on a history, and those on what was asked beside. Raises HistoryError, OSError, ModelError."""
    started = time.perf_counter()
    try:
        if question.megabytes is not None and machine.available():
            _load_machine_code()
        with limited_memory(question.megabytes):
            return _judged(question, started)
    except MemoryError:
        return [_evidence(question, "", Verdict.UNKNOWN, "the memory ran out", started)]


def _load_machine_code() -> None:
    """A compiler that finds no memory may end the process, so it comes before the bound; a tiny history calls it."""
    from mapproof.spec.formats.jsonl_table import read_table

    store = Operation(0, Op.STORE, 0, (0,), None, 0, 0)
    check(read_table(line_of(store)))


def judge_standard_input(question: Question, reorder: int) -> Evidence:
    """The verdict on JSONL from standard input, as it comes. Raises HistoryError."""
    if question.format not in (None, "jsonl") or question.model is not None or question.also:
        raise HistoryError("-: standard input is JSONL of a map, and linearizability all that is asked of it")
    started = time.perf_counter()
    try:
        with limited_memory(question.megabytes):
            return judge_stream(
                sys.stdin.buffer, "-", question.claims, reorder=reorder, limit_seconds=question.limit
            )
    except MemoryError:
        return _evidence(question, "", Verdict.UNKNOWN, "the memory ran out", started)


def _judged(question: Question, started: float) -> list[Evidence]:
    if not question.file.is_file():
        raise HistoryError(f"{question.file}: a pipe or a device, which can be read only once: give it as -")
    format = question.format or _format_of(question.file)
    if format not in FORMATS and format != "parquet":
        raise HistoryError(f"--format: {format!r} is none of {', '.join([*FORMATS, 'parquet'])}")
    model = question.model or (FORMATS[format].model if format in FORMATS else None)
    history: History | Table
    if model is not None:
        history = _read_any(question.file, format)
        answer = check_model(history, model, limit_seconds=question.limit)
    else:
        history = _read(question.file, format)
        answer = check(
            history, question.claims, limit_seconds=question.limit, limit_megabytes=question.megabytes
        )
    found = [_worded(question, answer, _size(history), started)]
    if question.also:
        operations = history.history() if isinstance(history, Table) else history
        if isinstance(answer, Linearizable) and model is None and all(map(_keyed, operations.operations)):
            found += [_implied(question, also) for also in question.also]
        else:
            found += [_ALSO[also](question, operations) for also in question.also]
    return found


def _implied(question: Question, also: str) -> Evidence:
    """What a linearizable history of operations on single keys has besides, by definition."""
    about, verdict, scope = {
        "regular": (": regular", Verdict.REGULAR, "as every history that is linearizable"),
        "sequential": (
            ": sequentially consistent",
            Verdict.SEQUENTIAL,
            "as every history that is linearizable",
        ),
        "staleness": (": staleness", Verdict.MEASURED, Staleness(0, None, 0).sentence),
    }[also]
    return _evidence(question, about, verdict, scope, time.perf_counter())


def _format_of(file: Path) -> str:
    return "parquet" if file.suffix == ".parquet" else detect(file)


def _read_any(file: Path, format: str) -> History:
    """A history of any object: JSONL with operations of any name, or what another format holds."""
    if format == "parquet":
        raise HistoryError(f"{file}: --model: a Parquet file holds operations of a map only")
    if format != "jsonl":
        return read_history(file, format)
    with open(file, "rb") as stream:
        return History.parse(stream, str(file), any_operation=True)


def _read(file: Path, format: str) -> History | Table:
    if format == "parquet":
        from mapproof.spec.formats.parquet import read_parquet

        return read_parquet(file)
    if format == "jsonl" and file.stat().st_size >= _LARGE and machine.available():
        from mapproof.spec.formats.jsonl_table import read_table

        try:
            return read_table(file)
        except TooLarge:
            return History.read(file)
    return read_history(file, format)


def _worded(
    question: Question, answer: Linearizable | Violation | Unknown, size: str, started: float
) -> Evidence:
    account = None
    match answer:
        case Violation(core=core, explanation=explanation):
            account = "\n".join([explanation, "", *core_table(core)])
        case Unknown(reason=reason):
            size = f"{reason}; {size}"
        case Linearizable(methods=methods):
            size = "; ".join([size, *(_by(method, keys) for method, keys in methods.items())])
    return _evidence(question, "", answer.verdict, size, started, account)


def _by(method: str, keys: int) -> str:
    return f"{keys:,} {'key' if keys == 1 else 'keys'} by {method}"


def _evidence(
    question: Question, about: str, verdict: Verdict, scope: str, started: float, account: str | None = None
) -> Evidence:
    name = f"{question.file}{about}"
    return Evidence(name, Kind.HISTORY, verdict, scope, time.perf_counter() - started, account)


def _size(history: History | Table) -> str:
    if isinstance(history, Table):
        operations, clients, keys = len(history), history.clients(), len(history.keys)
    else:
        operations = len(history)
        clients = len({operation.client for operation in history.operations})
        keys = len({identity(operation.key) for operation in history.operations if _keyed(operation)})
    return f"{operations:,} operations, {clients:,} clients, {keys:,} keys"


def _keyed(operation: Operation) -> bool:
    return operation.op not in SIGNATURES or SIGNATURES[operation.op].keyed


def _regular(question: Question, history: History) -> Evidence:
    started = time.perf_counter()
    answer = regular(history)
    match answer:
        case Regular():
            return _evidence(question, ": regular", Verdict.REGULAR, answer.sentence, started)
        case NotRegular(sentence=sentence):
            return _evidence(question, ": regular", Verdict.VIOLATION, _size(history), started, sentence)


def _sequential(question: Question, history: History) -> Evidence:
    started = time.perf_counter()
    answer = sequentially_consistent(history, limit_seconds=question.limit)
    about = ": sequentially consistent"
    match answer:
        case SequentiallyConsistent():
            return _evidence(question, about, Verdict.SEQUENTIAL, answer.sentence, started)
        case NotSequentiallyConsistent(core=core, sentence=sentence):
            account = "\n".join([sentence, "", *core_table(core)])
            return _evidence(question, about, Verdict.VIOLATION, _size(history), started, account)
        case Unknown(reason=reason):
            return _evidence(question, about, Verdict.UNKNOWN, f"{reason}; {_size(history)}", started)


def _staleness(question: Question, history: History) -> Evidence:
    started = time.perf_counter()
    answer = staleness(history, limit_seconds=question.limit)
    match answer:
        case Staleness():
            return _evidence(question, ": staleness", Verdict.MEASURED, answer.sentence, started)
        case _:
            return _evidence(
                question, ": staleness", Verdict.VIOLATION, _size(history), started, answer.sentence
            )


_ALSO: Final[Mapping[str, Callable[[Question, History], Evidence]]] = dict(
    zip(ALSO, (_regular, _sequential, _staleness), strict=True)
)
