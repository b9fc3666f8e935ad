"""How results reach people and machines: a table, the counterexamples below it, and a JSON file.

The JSON is described in docs/json.md. Progress goes to standard error, and only if that is a terminal.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mapproof import __version__
from mapproof.spec.evidence import COUNTEREXAMPLES, NO_VERDICT, Evidence, Verdict, exit_code
from mapproof.stateful_tests.trace import Trace, plain
from mapproof.stateful_tests.trace.terminal import Account

_WIDTH_OF_A_FILE = 160

SCHEMA = 1


def print_results(results: Sequence[Evidence], told: Trace | None = None) -> None:
    """The table, then each counterexample in full, then one line that sums up. `told`, of the only counterexample, is
    shown in its place where the terminal has colours."""
    console = plain_console()
    console.print(_table(results))
    for result in results:
        if result.counterexample is not None:
            console.rule(escape(result.name), align="left")
            _print_account(console, result.counterexample, told)
    print(summary(results))


def plain_console() -> Console:
    """The terminal; where there is none, wide enough that lines stay whole."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_OF_A_FILE)


def print_trace(told: Trace) -> None:
    """What happened in a failing run: in colours on a terminal, else as plain text."""
    _print_account(Console(), f"{plain(told)}\n", told)


def _print_account(console: Console, account: str, told: Trace | None) -> None:
    """The account; where there are colours, what was told in place of the same in plain text."""
    if told is None or not console.is_terminal or plain(told) not in account:
        print(account)
        return
    before, _, after = account.partition(plain(told))
    print(before, end="")
    console.print(Account(told))
    print(after)


def _table(results: Sequence[Evidence]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("verdict", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("scope", overflow="fold")
    table.add_column("seconds", justify="right", no_wrap=True)
    for result in results:
        table.add_row(
            f"[{colour(result.verdict)}]{result.verdict}[/]",
            escape(result.name),
            escape(result.scope),
            f"{result.seconds:.1f}",
        )
    return table


def colour(verdict: Verdict) -> str:
    """In which a verdict is printed."""
    if verdict in COUNTEREXAMPLES:
        return "bold red"
    return "yellow" if verdict in NO_VERDICT else "green"


def summary(results: Sequence[Evidence]) -> str:
    """How many results carry which verdict."""
    counts = {verdict: sum(result.verdict is verdict for result in results) for verdict in Verdict}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def write_json(path: Path, results: Sequence[Evidence], seed: int | None) -> None:
    """Write the machine's report. Raises OSError."""
    report = {
        "schema": SCHEMA,
        "exit": exit_code(result.verdict for result in results),
        "seed": seed,
        "versions": _versions(),
        "results": [_without_none(result) for result in results],
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def _without_none(result: Evidence) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(result)
    return {name: value for name, value in fields.items() if value is not None}


def _versions() -> dict[str, str]:
    found = {"mapproof": __version__, "python": platform.python_version()}
    for package in ("hypothesis", "greenlet", "z3-solver", "crosshair-tool", "cvc5"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A function that shows one line of what is going on, in place; it does nothing where nobody looks."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with _Line(console) as line:
        yield line.show


class _Line:
    """The last line of a terminal, rewritten. rich's own would start a thread, which must not run while
    `threading` is simulated."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def show(self, text: str) -> None:
        width = self._console.width - 1
        self._console.file.write("\r" + text[:width].ljust(width))
        self._console.file.flush()

    def __exit__(self, *exception: object) -> None:
        self._console.file.write("\r" + " " * (self._console.width - 1) + "\r")
        self._console.file.flush()
