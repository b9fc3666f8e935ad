"""Decides a history file and words the answer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from mapproof.spec.claims import Claims
from mapproof.spec.evidence import Evidence, Kind
from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability import Linearizable, Unknown, Violation, check
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.spec.values import identity


def judge_file(file: Path, atomic: Iterable[Op], limit: float | None) -> Evidence:
    """The verdict on a JSONL history; `limit` is in seconds. Raises HistoryError or OSError."""
    started = time.perf_counter()
    claims = Claims().with_atomic(frozenset(atomic))
    history = History.read(file)
    answer = check(history, claims, limit_seconds=limit)
    scope = _scope(history)
    account = None
    match answer:
        case Violation(core=core, explanation=explanation):
            account = "\n".join([explanation, "", *_table(core)])
        case Unknown(reason=reason):
            scope = f"{reason}; {scope}"
        case Linearizable():
            pass
    return Evidence(str(file), Kind.HISTORY, answer.verdict, scope, time.perf_counter() - started, account)


def _scope(history: History) -> str:
    operations = history.operations
    clients = len({operation.client for operation in operations})
    keys = len({identity(operation.key) for operation in operations if SIGNATURES[operation.op].keyed})
    return f"{len(operations):,} operations, {clients:,} clients, {keys:,} keys"


def _table(core: Sequence[Operation]) -> list[str]:
    """The core, an operation a line, times aligned."""
    ends = ["" if operation.return_ is None else str(operation.return_) for operation in core]
    wide = max(len(str(operation.call)) for operation in core)
    wide_end = max(map(len, ends))
    return ["the core, by call..return:"] + [
        f"  client {operation.client}  {operation.call:>{wide}}..{end:<{wide_end}}  {operation}"
        for operation, end in zip(core, ends, strict=True)
    ]
