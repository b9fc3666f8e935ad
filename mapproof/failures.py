"""A failure on disk: everything that it takes to run it again, in one small JSON file.

The idea: a failure is a target, a scenario, a schedule and what was watched, and the run is deterministic, so the file
holds those four and nothing of the run itself. What was seen (`kind`) is there to be compared with.
"""

from __future__ import annotations

import hashlib
import platform
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from mapproof.loading import load_factory
from mapproof.spec.evidence import Evidence
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.stateful_tests.execution import NO_CHECKS, Checks, Execution, Laboratory, Target, laboratory
from mapproof.stateful_tests.explorer.replay import Replay
from mapproof.stateful_tests.explorer.strategy import Schedule
from mapproof.stateful_tests.scenarios import Scenario
from mapproof.stateful_tests.targets import target_of
from mapproof.stateful_tests.trace import Counterexample, tell


class FailureFileError(ValueError):
    """The file holds no failure that can be replayed; the text is one line."""


class Request(msgspec.Struct, frozen=True):
    """What a user asked to be checked, in the words of the command line."""

    target: str
    args: str | None = None
    kwargs: str | None = None
    ops: tuple[Op, ...] | None = None
    atomic: tuple[Op, ...] = ()

    def resolve(self) -> Target:
        """The target. Raises LoadingError or UnsuitableTarget."""
        factory: Callable[[], Any] = load_factory(self.target, self.args, self.kwargs)
        return target_of(factory, self.target, self.ops, self.atomic)


class FailureFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a failure file; `checks` is what was watched at every step, `python` the version that it was
    found with."""

    mapproof: int
    request: Request
    scenario: Scenario
    schedule: str
    kind: str
    python: str
    checks: Checks = NO_CHECKS


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
            scenario=counterexample.scenario,
            schedule=str(counterexample.execution.schedule),
            kind=failure.kind.value,
            python=platform.python_version(),
            checks=counterexample.checks,
        )
    )
    name = request.target.rpartition(":")[2]
    file = f"{name}-{hashlib.sha256(content).hexdigest()[:8]}.json"
    text = msgspec.json.format(content, indent=2) + b"\n"
    try:
        return _write(directory / file, text)
    except OSError:
        return _write(Path(tempfile.gettempdir()) / file, text)


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
    """What `times` replays gave. `account` tells the last failing run; `diverged` counts the runs in which the
    schedule could not be followed to its end."""

    times: int
    failed: int
    diverged: int
    other_kinds: tuple[str, ...]
    account: str | None

    def summary(self) -> str:
        """One line: how often it failed, and what has changed since it was saved."""
        parts = [f"failed {self.failed} of {self.times} times"]
        if self.other_kinds:
            parts.append(f"in another way than was saved: {', '.join(self.other_kinds)}")
        if self.diverged:
            parts.append(
                f"the schedule could not be followed in {self.diverged}: the code has changed, or the hash seed of text keys"
            )
        return "; ".join(parts)


def replay(path: Path, times: int) -> Replayed:
    """Run a saved failure again. Raises FailureFileError, OSError, LoadingError, UnsuitableTarget, and one of
    `CANNOT_LOOK` if nothing can be said."""
    saved, schedule = load(path)
    target = saved.request.resolve()
    _refuse_other_calls(path, saved.scenario, target)
    with laboratory(target, saved.checks) as lab:
        runs = [_once(lab, saved.scenario, schedule) for _ in range(times)]
        failing = [execution for execution, _ in runs if execution.failure is not None]
        account = tell(lab, saved.scenario, failing[-1]) if failing else None
    kinds = {execution.failure.kind.value for execution in failing if execution.failure is not None}
    return Replayed(
        times=times,
        failed=len(failing),
        diverged=sum(diverged for _, diverged in runs),
        other_kinds=tuple(sorted(kinds - {saved.kind})),
        account=account,
    )


def _refuse_other_calls(path: Path, scenario: Scenario, target: Target) -> None:
    """The map may have changed since, and the file may be damaged: each call must be one that the map takes."""
    for call in scenario.calls():
        forms = len(target.adapter.forms.get(call.op, ()))
        if not 0 <= call.form < forms or len(call.args) != len(SIGNATURES[call.op].arguments):
            raise FailureFileError(
                f"{path}: scenario: {target.name} has no {call.op} with {len(call.args)} arguments in form {call.form}"
            )


def _once(lab: Laboratory, scenario: Scenario, schedule: Schedule) -> tuple[Execution, bool]:
    strategy = Replay(schedule)
    strategy.begin()
    execution = lab.run(scenario, strategy)
    return execution, strategy.diverged
