"""Runs the child and notices what it cannot tell itself: that it crashed, ended, hangs, or eats memory.

The idea: a busy machine must not make a map look as if it hangs. So silence is measured in the parent's own looks at the
journal, each of which counts for no more than it was meant to last (the machine may have been suspended), less the
time in which some thread of the child could have run and had no processor, but for what the others computed then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mapproof.stateful_tests.real_threads.journal import Journal, Phase
from mapproof.stateful_tests.real_threads.messages import OUTPUT, STACKS, Fault
from mapproof.stateful_tests.real_threads.processes import (
    processor_seconds,
    resident_megabytes,
    waited_for_a_processor,
)

_LOOK_SECONDS: Final = 0.05

_IMPORT_SECONDS: Final = 120.0
"""What an import may take before the campaign is given up."""

_STACKS_SECONDS: Final = 2.0
"""How long to wait for the stacks of a child that hangs."""

_OWN_PHASES: Final = frozenset({Phase.STARTING, Phase.JUDGING, Phase.ENDED})
"""In these nothing of the map runs."""

_FROM_OUTSIDE: Final = frozenset({"SIGKILL", "SIGTERM", "SIGHUP", "SIGINT"})
"""Signals that a process seldom sends to itself."""

Look = Callable[[int, int], None]
"""Told how many rounds and operations are done."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`silence`: seconds without a call or a return until a map hangs. `judging`: seconds that a history may take.

    `megabytes`: what the process may have in memory, None for any amount.
    """

    silence: float
    judging: float
    megabytes: float | None = None


@dataclass(frozen=True, slots=True)
class Noticed:
    """What was noticed from outside: a fault of the map, or (None) why nothing can be said."""

    fault: Fault | None
    summary: str


def contain(directory: Path, journal: Journal, limits: Limits, look: Look) -> Noticed | None:
    """Run the child of that directory to its end; None if it ended as it should, its answer being there or not.

    The child has ended, with all that it has started in its process group, whatever is raised here.
    """
    with open(directory / OUTPUT, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, *_options(), "-m", "mapproof.stateful_tests.real_threads.child", str(directory)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is for the parent alone, which then ends the whole group
        )
    try:
        return _Watch(process, directory, journal, limits, look).to_the_end()
    finally:
        _end(process)


def _options() -> list[str]:
    """The `-X` options of this interpreter: `-X gil=0` decides what is tested."""
    return [f"-X{name}" if value is True else f"-X{name}={value}" for name, value in sys._xoptions.items()]


def _end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


class _Watch:
    def __init__(
        self,
        process: subprocess.Popen[bytes],
        directory: Path,
        journal: Journal,
        limits: Limits,
        look: Look,
    ) -> None:
        self._process = process
        self._stacks = directory / STACKS
        self._journal = journal
        self._limits = limits
        self._look = look
        self._position = journal.position()
        self._used = 0.0
        self._waited: dict[int, float] = {}
        self._silent = 0.0

    def to_the_end(self) -> Noticed | None:
        """Look again and again; what was noticed when there was something."""
        before = time.monotonic()
        while True:
            try:
                return _ended(self._process.wait(_LOOK_SECONDS))
            except subprocess.TimeoutExpired:
                pass
            self._look(self._journal.rounds, self._journal.operations)
            before, since = time.monotonic(), time.monotonic() - before
            if noticed := self._hangs(min(since, 2 * _LOOK_SECONDS)) or self._too_large():
                return noticed

    def _hangs(self, seconds: float) -> Noticed | None:
        position = self._journal.position()
        seconds = self._silence_of(seconds)
        if position != self._position:
            self._position, self._silent = position, 0.0
            return None
        self._silent += seconds
        phase = self._journal.phase
        if phase is Phase.LOADING:
            given_up = f"its import did not end within {_IMPORT_SECONDS:g} s"
            return Noticed(None, given_up) if self._silent > _IMPORT_SECONDS else None
        if phase in _OWN_PHASES:
            limit = _IMPORT_SECONDS + self._limits.judging
            return Noticed(None, f"no answer within {limit:g} s") if self._silent > limit else None
        if self._silent <= self._limits.silence:
            return None
        self._ask_for_stacks()
        return Noticed(Fault.HANG, f"nothing began or ended for {self._limits.silence:g} s")

    def _silence_of(self, seconds: float) -> float:
        """How much of the time since the last look the child could have used."""
        used, waited = processor_seconds(self._process.pid), waited_for_a_processor(self._process.pid) or {}
        starved = max((waited[thread] - self._waited.get(thread, 0.0) for thread in waited), default=0.0)
        computed = used - self._used
        self._used, self._waited = used, waited
        return min(seconds, max(seconds - starved, computed, 0.0))

    def _ask_for_stacks(self) -> None:
        if not hasattr(signal, "SIGUSR1"):
            return
        self._process.send_signal(signal.SIGUSR1)
        deadline, size = time.monotonic() + _STACKS_SECONDS, -1
        while time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            before, size = size, self._stacks.stat().st_size
            if size == before > 0:
                return

    def _too_large(self) -> Noticed | None:
        if self._limits.megabytes is None:
            return None
        resident = resident_megabytes(self._process.pid)
        if resident is None or resident <= self._limits.megabytes:
            return None
        return Noticed(
            Fault.MEMORY, f"{resident:,.0f} MB in memory; the limit is {self._limits.megabytes:g} MB"
        )


def _ended(code: int) -> Noticed | None:
    """What an exit code says; 0 may be what the child ends with."""
    if code == 0:
        return None
    if code > 0:
        return Noticed(Fault.EXIT, f"the process ended with exit code {code}")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name in _FROM_OUTSIDE:
        return Noticed(None, f"the process was killed from outside by {name}, as a system out of memory does")
    return Noticed(Fault.CRASH, f"the process was killed by {name}")
