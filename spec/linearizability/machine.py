"""The deciding kernels as machine code, made once in a process; needs the extra `fast`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

from mapproof.spec.linearizability import near_linear, table_kernels
from mapproof.spec.linearizability.compiled import compiled


@cache
def kernels() -> Mapping[str, Callable[..., Any]]:
    """Every kernel by name. Raises FastExtraMissing."""
    rooms = (near_linear, table_kernels)
    return compiled([kernel for room in rooms for kernel in room.KERNELS])


@cache
def available() -> bool:
    """Whether the extra is installed; does not load it."""
    return find_spec("numba") is not None
