"""The main job: everything that is known about the reference maps, shown again from nothing.

The idea: four kinds of evidence in one table. The proofs run in a process of their own while this one explores,
so that two cores are used and a prover that crashes costs one line, not the run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import seed as hypothesis_seed
from hypothesis.stateful import run_state_machine_as_test

from mapproof.failures import DIRECTORY, Request, keep
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync_map import SyncMap
from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.spec.linearizability import Linearizable, Unknown, Violation, check
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.catalogue import Exploration, explorations
from mapproof.stateful_tests.conformance import examine
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.machines import machine_for
from mapproof.stateful_tests.real_threads import record
from mapproof.stateful_tests.targets import target_of

REFERENCE_MAPS: tuple[Callable[[], Any], ...] = (SyncMap, RWMutexMap)

CAMPAIGN_SECONDS = 15.0
PROGRAMS = 200
PROGRAM_STEPS = 50
CLIENTS = 4
OPERATIONS_A_CLIENT = 2_000
PROOF_SECONDS = 150.0


def verify(seed: int, progress: Callable[[str], None]) -> list[Evidence]:
    """All evidence: proofs first, then explorations, tests and histories."""
    results = []
    with _proofs_in_the_background() as finish:
        for name, job in _jobs(seed):
            progress(name)
            results.append(job())
        progress("waiting for the proofs")
        proofs = finish()
    return proofs + results


def _jobs(seed: int) -> Iterator[tuple[str, Callable[[], Evidence]]]:
    for exploration in explorations():
        yield exploration.name, partial(_exploration, exploration)
    for factory in REFERENCE_MAPS:
        name = factory.__name__
        yield f"{name}: generated scenarios", partial(_campaign, factory, seed)
        yield f"{name}: sequential programs", partial(_programs, factory, seed)
        yield f"{name}: real threads", partial(_history, factory, seed)


def _exploration(exploration: Exploration) -> Evidence:
    explored = exploration.run()
    if not isinstance(exploration, Exhaustion):
        return explored.evidence()
    request = _request(exploration.target.factory)
    return keep(request, explored.evidence(), explored.counterexample, DIRECTORY)


def _campaign(factory: Callable[[], Any], seed: int) -> Evidence:
    target = target_of(factory, f"{factory.__name__}: generated scenarios")
    findings = examine(target, budget=CAMPAIGN_SECONDS, seed=seed)
    return keep(_request(factory), findings.evidence(), findings.counterexample, DIRECTORY)


def _request(factory: Callable[[], Any]) -> Request:
    return Request(f"{factory.__module__}:{factory.__qualname__}")


def _programs(factory: Callable[[], Any], seed: int) -> Evidence:
    """Hypothesis programs in sequence, against the model."""
    started = time.perf_counter()
    machine = hypothesis_seed(seed)(machine_for(factory, adapter_for(factory())))
    verdict, account = Verdict.SAMPLED, None
    try:
        run_state_machine_as_test(machine, settings=_sequential_settings())
    except Exception as error:  # noqa: BLE001 - whatever the map raised is the finding
        verdict, account = Verdict.FAILED, "\n".join([str(error), *getattr(error, "__notes__", [])])
    return Evidence(
        f"{factory.__name__}: sequential programs",
        Kind.TEST,
        verdict,
        f"{PROGRAMS} programs of at most {PROGRAM_STEPS} operations, against the model",
        time.perf_counter() - started,
        account,
    )


def _sequential_settings() -> settings:
    return settings(
        max_examples=PROGRAMS,
        stateful_step_count=PROGRAM_STEPS,
        phases=(Phase.generate, Phase.shrink),
        deadline=None,
        database=None,
        verbosity=Verbosity.quiet,
        suppress_health_check=[HealthCheck.too_slow],
    )


def _history(factory: Callable[[], Any], seed: int) -> Evidence:
    started = time.perf_counter()
    adapter = adapter_for(factory())
    history = record(factory, adapter, clients=CLIENTS, operations=OPERATIONS_A_CLIENT, keys=8, seed=seed)
    raised = [operation for operation in history.operations if operation.error is not None]
    answer = check(history)
    verdict, account = answer.verdict, "\n".join(f"client {op.client}  {op}" for op in raised) or None
    match answer:
        case Violation(core=core, explanation=explanation):
            account = "\n".join([explanation, *(f"  client {op.client}  {op}" for op in core)])
        case Linearizable() | Unknown() if raised:
            verdict = Verdict.FAILED
        case _:
            pass
    scope = f"one run: {CLIENTS} real threads, {len(history.operations):,} operations on 8 keys"
    name = f"{factory.__name__}: real threads"
    return Evidence(name, Kind.HISTORY, verdict, scope, time.perf_counter() - started, account)


# -- the proofs


@contextmanager
def _proofs_in_the_background() -> Iterator[Callable[[], list[Evidence]]]:
    """Start `mapproof prove` in a process of its own; the function that is yielded waits for its answers."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "proofs.json")
        errors = Path(directory, "errors.txt")
        command = [sys.executable, "-m", "mapproof", "prove", "--quiet", "--json", str(report)]
        started = time.perf_counter()
        with errors.open("wb") as stream:
            process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
        try:
            yield lambda: _answers(process, report, errors, started)
        finally:
            process.kill()
            process.wait()


def _answers(process: subprocess.Popen[bytes], report: Path, errors: Path, started: float) -> list[Evidence]:
    left = PROOF_SECONDS - (time.perf_counter() - started)
    try:
        process.wait(max(left, 1.0))
    except subprocess.TimeoutExpired:
        return [
            _no_proofs(Verdict.UNDECIDED, f"the provers did not end within {PROOF_SECONDS:.0f} s", started)
        ]
    try:
        results = msgspec.json.decode(report.read_bytes(), type=_Report).results
    except (OSError, msgspec.DecodeError):
        last = (errors.read_text(errors="replace").strip().splitlines() or ["without a word"])[-1]
        return [_no_proofs(Verdict.INCONCLUSIVE, f"the provers' process ended: {last}", started)]
    return list(results)


def _no_proofs(verdict: Verdict, reason: str, started: float) -> Evidence:
    return Evidence("the proofs", Kind.PROOF, verdict, reason, time.perf_counter() - started)


class _Report(msgspec.Struct):
    """The part of `mapproof prove --json` that is needed here."""

    results: tuple[Evidence, ...]
