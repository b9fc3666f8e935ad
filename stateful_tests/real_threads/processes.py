"""What Linux tells of another process in /proc: what its threads waited for, what it used. Elsewhere nothing is known."""

from __future__ import annotations

import os
from pathlib import Path


def waited_for_a_processor(pid: int) -> dict[int, float] | None:
    """Seconds that each thread of a process could have run and had no processor; None where the system does not say.

    Threads are named by the system's numbers.
    """
    waited: dict[int, float] = {}
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            waited[int(task.name)] = int((task / "schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return None
    return waited


def processor_seconds(pid: int) -> float:
    """Seconds of a processor that all threads of a process had; 0 where the system does not say."""
    try:
        after_the_name = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        ticks = int(after_the_name[11]) + int(after_the_name[12])
    except (OSError, IndexError, ValueError):
        return 0.0
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float | None:
    """What a process has in memory; None where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
