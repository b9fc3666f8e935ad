"""The main job: everything that is known about the reference maps, shown again from nothing.

The idea: four kinds of evidence in one table, and what binds the proofs to the code among them. The proofs run in a
process of their own, and so does every other one of the remaining jobs, so that two cores are used and a process that
crashes costs one line, not the run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import seed as hypothesis_seed
from hypothesis.stateful import run_state_machine_as_test

from mapproof.failures import DIRECTORY, Request, keep
from mapproof.impl.guarded_map import GuardedMap
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.sync_map import SyncMap
from mapproof.impl.trie_map import TrieMap
from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.spec.linearizability import Linearizable, Unknown, Violation, check
from mapproof.stateful_tests.adapters import adapter_for
from mapproof.stateful_tests.catalogue import CHAPTERS, Chapter, Exploration
from mapproof.stateful_tests.conformance import examine
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.exploration import Explored, watched_words
from mapproof.stateful_tests.machines import machine_for
from mapproof.stateful_tests.real_threads import record
from mapproof.stateful_tests.targets import target_of
from mapproof.validated_maps import SUBJECTS, Subject
from mapproof.validation import evidence as validation

REFERENCE_MAPS: tuple[Callable[[], Any], ...] = (SyncMap, TrieMap, RWMutexMap, GuardedMap, ShardedMap)

CAMPAIGN_SECONDS = 8.0
PROGRAMS = 200
PROGRAM_STEPS = 50
CLIENTS = 4
OPERATIONS_A_CLIENT = 2_000
PROOF_SECONDS = 300.0
PART_SECONDS = 300.0
"""The other half of the jobs is given up after so long."""


def verify(seed: int, progress: Callable[[str], None]) -> list[Evidence]:
    """All evidence: proofs first, then explorations, tests and histories."""
    with _proofs() as proofs, _other_half(seed) as odd:
        even = part(seed, 0, progress)
        progress("waiting for the other processes")
        return proofs() + _by_subject(even + odd(), seed)


def part(seed: int, which: int, progress: Callable[[str], None]) -> list[Evidence]:
    """The results of half of the jobs that are no proofs: of the even ones (0) or of the odd ones (1)."""
    results = []
    for name, job in islice(_jobs(seed), which, None, 2):
        progress(name)
        results += job()
    return results


def _by_subject(results: list[Evidence], seed: int) -> list[Evidence]:
    """In the order of the jobs, but what is known of one map together, whichever process found it."""
    names = [name for name, _ in _jobs(seed)]
    subjects = [_subject(name) for name in names]

    def place(result: Evidence) -> tuple[int, int]:
        subject = _subject(result.name)
        return (
            subjects.index(subject) if subject in subjects else len(subjects),
            names.index(result.name) if result.name in names else -1,
        )

    return sorted(results, key=place)


def _subject(name: str) -> str:
    return name.partition(": ")[0]


def _jobs(seed: int) -> Iterator[tuple[str, Callable[[], list[Evidence]]]]:
    for chapter in CHAPTERS:
        yield f"{chapter.subject}: the catalogue", partial(_chapter, chapter)
    for subject in SUBJECTS:
        yield f"{subject.name}: the code follows the proved model", partial(_validation, subject)
    for factory in REFERENCE_MAPS:
        name = factory.__name__
        yield f"{name}: generated scenarios", partial(_one, _campaign, factory, seed)
        yield f"{name}: sequential programs", partial(_one, _programs, factory, seed)
        yield f"{name}: real threads", partial(_one, _history, factory, seed)


def _one(
    check: Callable[[Callable[[], Any], int], Evidence], factory: Callable[[], Any], seed: int
) -> list[Evidence]:
    return [check(factory, seed)]


def _validation(subject: Subject) -> list[Evidence]:
    return [validation(subject)]


def _chapter(chapter: Chapter) -> list[Evidence]:
    """One line for all that was exhausted, and one for each scenario that was not."""
    bounds, watched, seconds, others = [], [], 0.0, []
    for exploration in chapter.explorations():
        explored = exploration.run()
        if explored.verdict is Verdict.EXHAUSTED:
            bounds.append(exploration.bound)
            watched.append(explored.watched)
            seconds += explored.seconds
        else:
            others.append(_kept(exploration, explored))
    if not bounds:
        return others
    scope = (
        f"preemptions <= {' or '.join(map(str, sorted(set(bounds))))}: every schedule of {len(bounds)} scenarios"
        # Only what each of them was in fact watched for.
        f"{watched_words(frozenset.intersection(*watched))}{chapter.shows and f'; {chapter.shows}'}"
    )
    name = f"{chapter.subject}: the catalogue"
    return [Evidence(name, Kind.EXPLORATION, Verdict.EXHAUSTED, scope, seconds), *others]


def _kept(exploration: Exploration, explored: Explored) -> Evidence:
    """What was not exhausted; the failure of a map with a file that replays it."""
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


# -- what runs beside

Answers = AbstractContextManager[Callable[[], list[Evidence]]]


def _proofs() -> Answers:
    command = ("mapproof", "prove", "--quiet", "--summary", "--json")
    return _Background("the proofs", Kind.PROOF, Verdict.UNDECIDED, command).answers(PROOF_SECONDS)


def _other_half(seed: int) -> Answers:
    command = ("mapproof.verify", str(seed))
    name = "the other half of the jobs"
    return _Background(name, Kind.TEST, Verdict.INCONCLUSIVE, command).answers(PART_SECONDS)


def _write_half(seed: int, file: Path) -> None:
    """What the other process does."""
    file.write_bytes(msgspec.json.encode(_Report(tuple(part(seed, 1, lambda name: None)))))


@dataclass(frozen=True, slots=True)
class _Background:
    """A Python module in a process of its own; its last argument is a file, to which it writes its results."""

    name: str
    kind: Kind
    late: Verdict
    command: tuple[str, ...]

    @contextmanager
    def answers(self, seconds: float) -> Iterator[Callable[[], list[Evidence]]]:
        """Start it; the function that is yielded waits until so many seconds after the start."""
        with tempfile.TemporaryDirectory() as directory:
            report = Path(directory, "report.json")
            errors = Path(directory, "errors.txt")
            command = [sys.executable, "-m", *self.command, str(report)]
            started = time.perf_counter()
            with errors.open("wb") as stream:
                process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
            try:
                yield lambda: self._wait(process, report, errors, started, seconds)
            finally:
                process.kill()
                process.wait()

    def _wait(
        self, process: subprocess.Popen[bytes], report: Path, errors: Path, started: float, seconds: float
    ) -> list[Evidence]:
        left = seconds - (time.perf_counter() - started)
        try:
            process.wait(max(left, 1.0))
        except subprocess.TimeoutExpired:
            return [self._nothing(self.late, f"no answer within {seconds:.0f} s", started)]
        try:
            results = msgspec.json.decode(report.read_bytes(), type=_Report).results
        except (OSError, msgspec.DecodeError):
            last = (errors.read_text(errors="replace").strip().splitlines() or ["without a word"])[-1]
            return [self._nothing(Verdict.INCONCLUSIVE, f"their process ended: {last}", started)]
        return list(results)

    def _nothing(self, verdict: Verdict, reason: str, started: float) -> Evidence:
        return Evidence(self.name, self.kind, verdict, reason, time.perf_counter() - started)


class _Report(msgspec.Struct):
    """The part of a JSON report that is needed here."""

    results: tuple[Evidence, ...]


if __name__ == "__main__":
    _write_half(int(sys.argv[1]), Path(sys.argv[2]))
