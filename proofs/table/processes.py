"""Jobs in several processes at once, each result as soon as it is there.

The idea: each group of jobs has a process to itself, the long groups first, and a thread passes on what it says; a
process that dies costs the jobs that it had not finished, which are INCONCLUSIVE. In which order they end makes no
difference: whoever called sorts by the list of jobs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import TypeAlias

import msgspec

from mapproof.proofs.table.checks import Job, Options, Progress, Shown, show
from mapproof.proofs.table.worker import Message, Order
from mapproof.spec.evidence import Evidence, Kind, Verdict

PROCESSES = 2

WORTH_A_PROCESS = 3.0
"""Seconds of work, about, below which all of it is done here."""

WORKER = "mapproof.proofs.table.worker"

Group: TypeAlias = tuple[Job, ...]


def run_all(
    jobs: Sequence[Job], options: Options, *, timeout: float, progress: Progress, processes: int = PROCESSES
) -> Iterator[Shown]:
    """What every job shows, in the order in which they end; in this process where others are not worth their start."""
    groups = grouped(jobs)
    cost = sum(max(job.cost for job in group) for group in groups)
    if len(groups) == 1 or processes < 2 or cost < WORTH_A_PROCESS:
        yield from (_shown(job, timeout, progress) for group in groups for job in group)
        return
    crew = _Crew(groups, options, timeout)
    try:
        yield from crew.results(min(processes, len(groups)), progress)
    finally:
        crew.stop()


def _shown(job: Job, timeout: float, progress: Progress) -> Shown:
    progress(job.name)
    return show(job, timeout, lambda text: progress(f"{job.name}: {text}"))


def grouped(jobs: Sequence[Job]) -> list[Group]:
    """The jobs by their groups, the most costly group first."""
    groups = [tuple(group) for _, group in groupby(jobs, key=lambda job: job.group)]
    return sorted(groups, key=lambda group: -max(job.cost for job in group))


class _Crew:
    """The processes, the groups that wait, and what was said."""

    def __init__(self, groups: Sequence[Group], options: Options, timeout: float) -> None:
        self._waiting: SimpleQueue[Group] = SimpleQueue()
        for group in groups:
            self._waiting.put(group)
        self._said: SimpleQueue[Message | None] = SimpleQueue()
        self._options, self._timeout = msgspec.json.encode(options).decode(), timeout
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def results(self, processes: int, progress: Progress) -> Iterator[Shown]:
        """Start so many, and pass on what they show until all have ended."""
        for _ in range(processes):
            threading.Thread(target=self._serve, daemon=True).start()
        while processes:
            message = self._said.get()
            if message is None:
                processes -= 1
            elif message.shown is not None:
                yield message.shown
            elif message.at:
                progress(message.at)

    def stop(self) -> None:
        """Leave none behind, whatever they are at."""
        self._stopped = True
        for process in tuple(self._running):
            process.kill()

    def _serve(self) -> None:
        """One group after the other, until none is left."""
        try:
            while not self._stopped:
                self._run(self._waiting.get_nowait())
        except Empty:
            pass
        finally:
            self._said.put(None)

    def _run(self, group: Group) -> None:
        """One group in a process of its own."""
        missing = {job.name: job for job in group}
        order = msgspec.json.encode(Order(tuple(missing), self._timeout)).decode()
        command = [sys.executable, "-m", WORKER, self._options, order]
        pipe, fixed = subprocess.PIPE, {**os.environ, "PYTHONHASHSEED": "0"}
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, env=fixed) as process,
        ):
            self._running.add(process)
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    message = msgspec.json.decode(line, type=Message)
                    if message.shown is not None:
                        del missing[message.shown.evidence.name]
                    self._said.put(message)
            finally:
                process.kill()
                self._running.discard(process)
            if missing and not self._stopped:
                errors.seek(0)
                self._lost(missing.values(), errors.read().decode(errors="replace"))

    def _lost(self, jobs: Iterable[Job], errors: str) -> None:
        reason = f"its process ended: {(errors.strip().splitlines() or ['without a word'])[-1]}"
        for job in jobs:
            evidence = Evidence(job.name, Kind.PROOF, Verdict.INCONCLUSIVE, reason, 0.0)
            self._said.put(Message(shown=Shown(evidence, job.part, reason)))
