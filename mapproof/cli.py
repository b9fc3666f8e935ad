"""The command `mapproof`: five verbs, each a few lines that hand over to the room that does the work.

Exit codes: 0 nothing wrong found, 1 a counterexample, 2 bad usage or bad input, 3 no verdict. The rooms are
imported by the verbs, so that `mapproof --help` is quick.
"""

from __future__ import annotations

import math
import os
import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mapproof import __version__
from mapproof.spec.evidence import Evidence, Verdict, exit_code
from mapproof.spec.operations import WHOLE_MAP, Op

if TYPE_CHECKING:
    from mapproof.stateful_tests.trace import Trace

EXITS = "Exit codes: 0 nothing wrong found, 1 a counterexample, 2 bad usage or input, 3 no verdict."

json_option = click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the results for a machine.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Repeat a run."
)


class Words(click.ParamType[tuple[str, ...]]):
    """A comma-separated list of some words."""

    name = "list"

    def __init__(self, *allowed: str) -> None:
        self._allowed = allowed

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        words = tuple(word.strip() for word in value.split(","))
        for word in words:
            if word not in self._allowed:
                self.fail(f"{word!r} is none of {', '.join(self._allowed)}", param, ctx)
        return words


class Operations(click.ParamType[tuple[Op, ...]]):
    """A comma-separated list of operations, out of `allowed`."""

    name = "list"

    def __init__(self, allowed: Sequence[Op]) -> None:
        self._words = Words(*allowed)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Op, ...]:
        return tuple(map(Op, self._words.convert(value, param, ctx)))


class Amount(click.FloatRange):
    """A positive number (`nan` passes every comparison of a range)."""

    name = "number"

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        amount: float = super().convert(value, param, ctx)
        if math.isnan(amount):
            self.fail(f"{value!r} is not a number", param, ctx)
        return amount


class BadInput(click.ClickException):
    """What a user gave cannot be used: one line, exit code 2."""

    exit_code = 2


class _Verbs(click.Group):
    """Neither an error of our own nor Ctrl-C must look like a counterexample: both are no verdict, exit code 3."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            click.echo("interrupted: no verdict", err=True)
            ctx.exit(3)
        except BrokenPipeError:  # whoever read the output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(3)
        except Exception:  # noqa: BLE001 - printed in full
            traceback.print_exc()
            click.echo(
                "mapproof itself failed, which says nothing about the map: please report this.", err=True
            )
            ctx.exit(3)


@click.group(cls=_Verbs, epilog=EXITS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Is this concurrent map right, and how do we know?

    \b
    mapproof verify                         everything known of the reference maps
    mapproof check mypkg.maps:FastMap       test a map of your own, unmodified
    mapproof history recorded.jsonl         is this recorded history linearizable?
    """
    for stream in (sys.stdout, sys.stderr):  # a key may have letters that the terminal does not know
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@main.command(epilog=EXITS)
@seed_option
@json_option
def verify(seed: int, json_file: Path | None) -> None:
    """Prove, explore and test the reference maps."""
    from mapproof.report import progress
    from mapproof.verify import verify as verify_all

    with progress() as show:
        results = verify_all(seed, show)
    _finish(results, json_file, seed)


@main.command(epilog=EXITS)
@click.argument("target")
@click.option("--args", metavar="JSON", help="Arguments for the class or factory, a JSON list.")
@click.option("--kwargs", metavar="JSON", help="Keyword arguments, a JSON object.")
@click.option(
    "--budget",
    type=Amount(),
    metavar="SECONDS",
    default=10.0,
    show_default=True,
    help="Seconds to look.",
)
@seed_option
@click.option("--ops", type=Operations(tuple(Op)), help="Test only these operations: load,store,...")
@click.option("--atomic", type=Operations(WHOLE_MAP), help="Claimed atomic too: range,len,clear.")
@click.option(
    "--failures",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".mapproof"),
    show_default=True,
    help="Where a failure is kept for replay.",
)
@click.option(
    "--trace", metavar="MODULE", multiple=True, help="Switch threads in this module or package too (repeat)."
)
@click.option(
    "--strategy", metavar="WORD", help="For a test function: auto, random, pct3, pos, urw, dpor, ..."
)
@click.option(
    "--alone",
    type=click.IntRange(min=1),
    metavar="STEPS",
    help="A call that is left alone, whatever the others are in the midst of, ends within so many steps.",
)
@click.option("--alone-ops", type=Operations(tuple(Op)), help="Asked of these operations alone: load,...")
@click.option(
    "--backend",
    type=click.Choice(["simulated", "threads"]),
    metavar="WORD",
    default="simulated",
    help="simulated (the default), or threads: real ones.",
)
@click.option("--threads", type=click.IntRange(1, 64), metavar="N", help="Real threads: how many.  [4]")
@click.option(
    "--length", type=click.IntRange(1, 10_000), metavar="N", help="Their operations in a round.  [100]"
)
@click.option("--yielding-keys", is_flag=True, default=None, help="Keys that let others run, inside C too.")
@click.option("--silence", type=Amount(), metavar="SECONDS", help="Without a return: a hang.")
@click.option("--memory", type=Amount(), metavar="MB", help="What they may use, all together.")
@json_option
def check(
    target: str,
    args: str | None,
    kwargs: str | None,
    budget: float,
    seed: int,
    ops: tuple[Op, ...] | None,
    atomic: tuple[Op, ...] | None,
    failures: Path,
    trace: tuple[str, ...],
    strategy: str | None,
    alone: int | None,
    alone_ops: tuple[Op, ...] | None,
    backend: str,
    threads: int | None,
    length: int | None,
    yielding_keys: bool | None,
    silence: float | None,
    memory: float | None,
    json_file: Path | None,
) -> None:
    """Test the map TARGET, pkg.mod:attr, a class or a factory; or a function `test...` that starts threads.

    Operations on one key are held to linearizability. len, range and clear are held to a weak contract (no key
    twice, no value never stored, exact once nothing else runs) unless --atomic names them. A test function is run in
    many schedules; it judges itself.
    """
    from mapproof.checking import Order, check_target, check_under_real_threads
    from mapproof.failures import Request
    from mapproof.loading import LoadingError
    from mapproof.report import progress
    from mapproof.stateful_tests.adapters import UnsuitableTarget
    from mapproof.stateful_tests.obstruction import Alone

    real = {
        "clients": threads,
        "operations": length,
        "yielding_keys": yielding_keys,
        "silence": silence,
        "megabytes": memory,
    }
    given = {name: value for name, value in real.items() if value is not None}
    if given and backend != "threads":
        raise BadInput(
            "--threads, --length, --yielding-keys, --silence, --memory: with --backend threads only"
        )
    if backend == "threads" and (trace or strategy or alone):
        raise BadInput("--trace, --strategy and --alone: not with --backend threads")
    if alone_ops and alone is None:
        raise BadInput("--alone-ops: with --alone only")
    request = Request(target, args, kwargs, ops, atomic or (), trace)
    left_alone = None if alone is None else Alone(alone, alone_ops or ())
    order = Order(request, budget, seed, failures, strategy, left_alone)
    try:
        with progress() as show:
            if backend == "threads":
                found, told = check_under_real_threads(order, show, given), None
            else:
                found, told = check_target(order, show)
    except (LoadingError, UnsuitableTarget) as error:
        raise BadInput(str(error)) from None
    _finish([found], json_file, seed, told=told)


@main.command(epilog=EXITS)
@click.argument(
    "file", type=click.Path(path_type=Path, exists=True, dir_okay=False, readable=True, allow_dash=True)
)
@click.option(
    "--format", help="jsonl, parquet, jepsen, porcupine-kv or porcupine-etcd; found out if not said."
)
@click.option("--model", metavar="PKG.MOD:ATTR", help="A model of another object than a map.")
@click.option(
    "--atomic", type=Operations(WHOLE_MAP), help="Operations claimed to be atomic: range,len,clear."
)
@click.option("--also", type=Words("regular", "sequential", "staleness"), help="Ask beside: regular,...")
@click.option("--limit", type=Amount(), metavar="SECONDS", help="Seconds, then UNKNOWN.")
@click.option("--memory", type=Amount(), metavar="MB", help="Megabytes, then UNKNOWN.")
@click.option(
    "--reorder",
    type=click.IntRange(min=0),
    default=0,
    help="On standard input: how many lines to hold back to sort them by call.",
)
@json_option
def history(
    file: Path,
    format: str | None,
    model: str | None,
    atomic: tuple[Op, ...] | None,
    also: tuple[str, ...] | None,
    limit: float | None,
    memory: float | None,
    reorder: int,
    json_file: Path | None,
) -> None:
    """Decide whether the recorded history FILE is linearizable.

    FILE is JSONL (docs/history-format.md), or of another format that is known. A - reads JSONL in the order of
    calls from standard input, and stops at the first operation that makes a violation certain.
    """
    from mapproof.judge import Question, judge_file, judge_standard_input
    from mapproof.loading import LoadingError, load_model
    from mapproof.spec.claims import Claims
    from mapproof.spec.history import HistoryError
    from mapproof.spec.linearizability.any_model import ModelError

    claims = Claims().with_atomic(frozenset(atomic or ()))
    try:
        judged_by = None if model is None else load_model(model)
        question = Question(file, claims, format, judged_by, limit, memory, also or ())
        found = [judge_standard_input(question, reorder)] if str(file) == "-" else judge_file(question)
    except (HistoryError, LoadingError, ModelError, OSError) as error:
        raise BadInput(str(error)) from None
    _finish(found, json_file, None)


@main.command(epilog=EXITS)
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option(
    "--timeout",
    type=Amount(),
    metavar="SECONDS",
    default=60.0,
    show_default=True,
    help="Seconds for a system, or for a lemma.",
)
@click.option("--cross-check", is_flag=True, help="Put every obligation to cvc5 too.")
@click.option(
    "--smt",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Keep what cvc5 is asked, as SMT-LIB files.",
)
@click.option("--one-by-one", is_flag=True, help="No two obligations in one query: for exact times.")
@click.option(
    "--explain", metavar="NAME", help="All about a statement, an obligation (ACTION/STATEMENT), a mutant."
)
@click.option("--system", "target", metavar="FILE.py[:NAME]", help="Prove a system of your own.")
@click.option("--summary", is_flag=True, help="One line for each system and sort of thing.")
@click.option("--quiet", is_flag=True, help="Print nothing.")
@json_option
def prove(
    words: tuple[str, ...],
    timeout: float,
    cross_check: bool,
    smt: Path | None,
    one_by_one: bool,
    explain: str | None,
    target: str | None,
    summary: bool,
    quiet: bool,
    json_file: Path | None,
) -> None:
    """Prove the statements whose name holds every WORD; all of them without one."""
    from mapproof import proving
    from mapproof.proofs.table.checks import ExtraMissing, Options
    from mapproof.proofs.table.own_systems import SystemFileError
    from mapproof.proofs.table.summary import summaries
    from mapproof.report import progress

    options = Options(cross_check or smt is not None, one_by_one, None if smt is None else str(smt), target)
    try:
        with progress() as show:
            if explain is not None:
                told = proving.explained(explain, options, timeout, show)
            else:
                shown = proving.prove(words, options, timeout, show)
    except (ExtraMissing, SystemFileError, proving.NothingNamed) as error:
        raise BadInput(str(error)) from None
    if explain is not None:
        print(told.text)
        sys.exit(exit_code([told.verdict]))
    if summary:
        _finish(summaries(shown), json_file, None, quiet=quiet)
    if not quiet:
        proving.print_proofs(shown, details=bool(words))
    _finish([one.evidence for one in shown], json_file, None, quiet=True)


@main.command(epilog=EXITS)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, readable=True))
@click.option(
    "--times", type=click.IntRange(min=1), default=1, show_default=True, help="Run it so many times."
)
@click.option("--state", is_flag=True, help="Show the object between steps, whenever it has changed.")
@click.option(
    "--trace-json", type=click.Path(path_type=Path, dir_okay=False), help="Write the trace for a machine."
)
def replay(file: Path, times: int, state: bool, trace_json: Path | None) -> None:
    """Run the failure kept in FILE again.

    Exits 1 if it fails again, 0 if it no longer does, 3 if it cannot be run.
    """
    from mapproof.failures import FailureFileError
    from mapproof.failures import replay as replay_file
    from mapproof.loading import LoadingError
    from mapproof.report import print_trace
    from mapproof.stateful_tests.adapters import UnsuitableTarget
    from mapproof.stateful_tests.execution import CANNOT_LOOK
    from mapproof.stateful_tests.trace.as_json import as_json

    try:
        replayed = replay_file(file, times, state=state)
    except (FailureFileError, LoadingError, UnsuitableTarget) as error:
        raise BadInput(str(error)) from None
    except CANNOT_LOOK as trouble:
        print(f"could not be run: {trouble}")
        sys.exit(exit_code([Verdict.INCONCLUSIVE]))
    if replayed.trace is not None:
        print_trace(replayed.trace)
    if replayed.trace is not None and trace_json is not None:
        try:
            trace_json.write_bytes(as_json(replayed.trace))
        except OSError as error:
            raise BadInput(f"--trace-json: {error}") from None
    print(replayed.summary())
    sys.exit(1 if replayed.failed else 0)


def _finish(
    results: list[Evidence],
    json_file: Path | None,
    seed: int | None,
    *,
    quiet: bool = False,
    told: Trace | None = None,
) -> NoReturn:
    """`told` is what happened in the one run that failed: a terminal shows it in colours."""
    from mapproof.report import print_results, write_json

    if not quiet:
        print_results(results, told)
    if json_file is not None:
        try:
            write_json(json_file, results, seed)
        except OSError as error:
            raise BadInput(f"--json: {error}") from None
    sys.exit(exit_code(result.verdict for result in results))
