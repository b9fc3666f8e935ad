"""What Linux tells of another process in /proc: whether it wants to run, what it used. Elsewhere nothing is known."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Activity:
    """`runnable`: a thread runs or waits for a processor. `processor`: seconds that all threads had of one."""

    runnable: bool
    processor: float


def activity_of(pid: int) -> Activity | None:
    """Of all threads of a process; None where the system does not say."""
    try:
        own = _fields(Path(f"/proc/{pid}/stat"))
        states = [_fields(task / "stat")[0] for task in Path(f"/proc/{pid}/task").iterdir()]
        ticks = int(own[11]) + int(own[12])
    except (OSError, IndexError, ValueError):
        return None
    return Activity("R" in states, ticks / os.sysconf("SC_CLK_TCK"))


def _fields(file: Path) -> list[str]:
    """What follows the name of the program, which may hold anything."""
    return file.read_text(errors="replace").rpartition(")")[2].split()


def resident_megabytes(pid: int) -> float | None:
    """What a process has in memory; None where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
