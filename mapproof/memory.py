"""Keeps a process within a bound of memory, so that it can say so instead of being killed.

The idea: the operating system refuses what goes beyond, as a MemoryError at the place that asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

try:
    import resource
except ImportError:  # no such limits on Windows
    resource = None  # type: ignore[assignment]


_LARGEST: Final = 2**62
"""A number that every system takes, more than any has."""


@contextmanager
def limited_memory(megabytes: float | None) -> Iterator[None]:
    """Memory beyond what the process has now, and so much more, raises MemoryError; None: what is free now.

    Where the system cannot tell or limit (Windows, macOS) nothing is bounded.
    """
    now, free = _in_use(), _free()
    if resource is None or now is None or free is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    more = free if megabytes is None else megabytes * 1e6
    wanted = int(min(now + more, _LARGEST))
    if before[1] != resource.RLIM_INFINITY:
        wanted = min(wanted, before[1])
    resource.setrlimit(resource.RLIMIT_AS, (wanted, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _in_use() -> int | None:
    """The size of the address space, in bytes (Linux)."""
    return _kilobytes("/proc/self/status", "VmSize:")


def _free() -> int | None:
    """What the machine has left, in bytes (Linux)."""
    return _kilobytes("/proc/meminfo", "MemAvailable:")


def _kilobytes(file: str, field: str) -> int | None:
    try:
        for line in Path(file).read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None
