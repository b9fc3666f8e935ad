"""A failure on disk: everything that it takes to run it again, in one small JSON file.

The idea: a failure is a target, a scenario, a schedule and what was watched, and the run is deterministic, so the file
holds those four and nothing of the run itself. What was seen (`kind`) is there to be compared with. The schedule is
there twice: by the numbers of its decisions, which are exact for this code on this Python, and by the positions in the
code where a thread hands over, which outlive another Python and small changes.
"""

from __future__ import annotations

import hashlib
import platform
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from mapproof.loading import load_factory
from mapproof.spec.evidence import Evidence
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.stateful_tests.adapters import UnsuitableTarget
from mapproof.stateful_tests.concurrent_tests import (
    ONE_CALL,
    ConcurrentTest,
    concurrent_test,
    is_test_function,
)
from mapproof.stateful_tests.execution import (
    CANNOT_LOOK,
    NO_CHECKS,
    Checks,
    Execution,
    Laboratory,
    Target,
    laboratory,
)
from mapproof.stateful_tests.explorer.itinerary import Itinerary, Recorder, Retrace
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.strategy import Schedule
from mapproof.stateful_tests.scenarios import Scenario
from mapproof.stateful_tests.targets import target_of
from mapproof.stateful_tests.trace import Counterexample, Trace, trace


class FailureFileError(ValueError):
    """The file holds no failure that can be replayed; the text is one line."""


class Request(msgspec.Struct, frozen=True):
    """What a user asked to be checked, in the words of the command line."""

    target: str
    args: str | None = None
    kwargs: str | None = None
    ops: tuple[Op, ...] | None = None
    atomic: tuple[Op, ...] = ()
    trace: tuple[str, ...] = ()

    def resolve(self) -> Target | ConcurrentTest:
        """The target: a map, or a test function. Raises LoadingError or UnsuitableTarget."""
        found: Callable[[], Any] = load_factory(self.target, self.args, self.kwargs)
        if is_test_function(found):
            if self.ops is not None or self.atomic:
                raise UnsuitableTarget(
                    f"{self.target} is a test function: it has no operations to choose from"
                )
            return concurrent_test(found, self.target, self.trace)
        return target_of(found, self.target, self.ops, self.atomic, self.trace)


class FailureFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a failure file; `checks` is what was watched, `python` the version that it was found with, and
    `code` what `digest_of` says of the code."""

    mapproof: int
    request: Request
    scenario: Scenario | None
    schedule: str
    kind: str
    python: str
    checks: Checks = NO_CHECKS
    itinerary: Itinerary = ()
    code: str = ""


_FORMAT = 1

DIRECTORY = Path(".mapproof")
"""Where failures are kept unless a user says otherwise."""


def save(request: Request, counterexample: Counterexample, directory: Path) -> Path:
    """Write the failure below `directory`, or where temporary files go if that cannot be written."""
    failure = counterexample.execution.failure
    assert failure is not None
    content = msgspec.json.encode(
        FailureFile(
            mapproof=_FORMAT,
            request=request,
            scenario=None if counterexample.scenario is ONE_CALL else counterexample.scenario,
            schedule=str(counterexample.execution.schedule),
            kind=failure.kind.value,
            python=platform.python_version(),
            checks=counterexample.checks,
            itinerary=_itinerary(request, counterexample),
            code=digest_of(request.resolve()),
        )
    )
    name = request.target.rpartition(":")[2]
    file = f"{name}-{hashlib.sha256(content).hexdigest()[:8]}.json"
    text = msgspec.json.format(content, indent=2) + b"\n"
    try:
        return _write(directory / file, text)
    except OSError:
        return _write(Path(tempfile.gettempdir()) / file, text)


def _itinerary(request: Request, counterexample: Counterexample) -> Itinerary:
    """The way of the failing run; () if it is not that run again, as the code depends on chance."""
    recorder = Recorder(Replay(counterexample.execution.schedule))
    recorder.begin()
    try:
        with laboratory(request.resolve(), counterexample.checks) as lab:
            execution = lab.run(counterexample.scenario, recorder)
    except CANNOT_LOOK:
        return ()
    return recorder.itinerary if execution.schedule == counterexample.execution.schedule else ()


def digest_of(target: Target | ConcurrentTest) -> str:
    """Says whether the code is the same: of the target's own files, or of its modules where none is traced."""
    files = target.files or {getattr(module, "__file__", None) or "" for module in target.modules}
    digest = hashlib.sha256()
    for file in sorted(files):
        with suppress(OSError):
            digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]


def keep(
    request: Request, evidence: Evidence, counterexample: Counterexample | None, directory: Path
) -> Evidence:
    """The evidence, its counterexample saved and followed by the line that replays it."""
    if counterexample is None:
        return evidence
    line = f"replay: mapproof replay {save(request, counterexample, directory)}"
    return replace(evidence, counterexample=f"{evidence.counterexample}\n\n{line}")


def _write(path: Path, text: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return path


def load(path: Path) -> tuple[FailureFile, Schedule]:
    """Read a failure file. Raises FailureFileError or OSError."""
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=FailureFile)
        schedule = Schedule.parse(saved.schedule)
    except (msgspec.DecodeError, ValueError) as error:
        raise FailureFileError(f"{path}: {error}") from None
    if saved.mapproof != _FORMAT:
        raise FailureFileError(f"{path}: mapproof: format {saved.mapproof} is not known, only {_FORMAT}")
    return saved, schedule


class Replayed(msgspec.Struct, frozen=True):
    """What `times` replays gave. `trace` is of the last failing run; `diverged` counts the runs in which the
    schedule could not be followed to its end, and `lost` is the first position that was not come by. `changes` says
    what is not as it was when the failure was saved."""

    times: int
    failed: int
    diverged: int
    other_kinds: tuple[str, ...]
    trace: Trace | None
    lost: str = ""
    changes: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line: how often it failed, and what has changed since it was saved."""
        parts = [f"failed {self.failed} of {self.times} times"]
        if self.other_kinds:
            parts.append(f"in another way than was saved: {', '.join(self.other_kinds)}")
        if self.changes:
            parts.append(f"since it was saved, {' and '.join(self.changes)} changed")
        if self.diverged:
            where = f", first to {self.lost!r}" if self.lost else ""
            why = (
                ""
                if self.changes
                else ": the code depends on more than its schedule, or on the hash seed of text keys"
            )
            parts.append(f"the schedule could not be followed in {self.diverged}{where}{why}")
        return "; ".join(parts)


def replay(path: Path, times: int, *, state: bool = False) -> Replayed:
    """Run a saved failure again; with `state`, the account shows the object between steps.

    Where neither the code nor the version of Python has changed, by the numbers of its decisions; else by the
    positions where its threads hand over. Raises FailureFileError, OSError, LoadingError, UnsuitableTarget, and one of
    `CANNOT_LOOK` if nothing can be said.
    """
    saved, schedule = load(path)
    target = saved.request.resolve()
    scenario = _scenario(path, saved, target)
    changes = _changes(saved, target)
    itinerary = saved.itinerary if changes else ()
    with laboratory(target, saved.checks) as lab:
        runs = [_once(lab, scenario, schedule, itinerary) for _ in range(times)]
        failing = [execution for execution, _ in runs if execution.failure is not None]
        told = trace(lab, scenario, failing[-1], state=state) if failing else None
    kinds = {execution.failure.kind.value for execution in failing if execution.failure is not None}
    lost = [where for _, where in runs if where is not None]
    return Replayed(
        times=times,
        failed=len(failing),
        diverged=len(lost),
        other_kinds=tuple(sorted(kinds - {saved.kind})),
        trace=told,
        lost=lost[0] if lost else "",
        changes=changes,
    )


def _changes(saved: FailureFile, target: Target | ConcurrentTest) -> tuple[str, ...]:
    before, now = (version.split(".")[:2] for version in (saved.python, platform.python_version()))
    code = "the code" if saved.code not in ("", digest_of(target)) else ""
    python = f"Python ({'.'.join(before)} to {'.'.join(now)})" if before != now else ""
    return tuple(filter(None, (code, python)))


def _scenario(path: Path, saved: FailureFile, target: Target | ConcurrentTest) -> Scenario:
    """What was saved; a test function's is always the same."""
    if isinstance(target, ConcurrentTest):
        return ONE_CALL
    if saved.scenario is None:
        raise FailureFileError(f"{path}: scenario: {target.name} is a map, and no operation was saved")
    _refuse_other_calls(path, saved.scenario, target)
    return saved.scenario


def _refuse_other_calls(path: Path, scenario: Scenario, target: Target) -> None:
    """The map may have changed since, and the file may be damaged: each call must be one that the map takes."""
    for call in scenario.calls():
        forms = len(target.adapter.forms.get(call.op, ()))
        if not 0 <= call.form < forms or len(call.args) != len(SIGNATURES[call.op].arguments):
            raise FailureFileError(
                f"{path}: scenario: {target.name} has no {call.op} with {len(call.args)} arguments in form {call.form}"
            )


def _once(
    lab: Laboratory, scenario: Scenario, schedule: Schedule, itinerary: Itinerary
) -> tuple[Execution, str | None]:
    """The run, and what was not come by (None: it was followed to its end)."""
    if itinerary:
        retrace = Retrace(itinerary)
        retrace.begin()
        execution = lab.run(scenario, retrace)
        return execution, retrace.lost
    strategy = Replay(schedule)
    strategy.begin()
    execution = lab.run(scenario, strategy)
    return execution, "" if strategy.diverged else None
