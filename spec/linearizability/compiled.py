"""Runs one source at two speeds: plain Python on lists, and machine code by numba on arrays.

The idea: a kernel is an ordinary function over sequences of integers, with loops and nothing else. Plain Python
runs it as it stands, at once, for the small histories of a test. For a million operations the same function is
compiled: a copy whose global names lead to compiled functions, so that the two cannot come to differ. The
machine code is kept on disk, in a folder named after the source, so that it is made once.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, MutableSequence, Sequence
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, TypeAlias

Ints: TypeAlias = MutableSequence[int]
"""A list in plain Python, an array of 64-bit integers in machine code."""

FOREVER = 2**62
"""The return time, in a kernel, of an operation that never returned. All other times are smaller in size."""


class FastExtraMissing(ImportError):
    """The extra `fast` (numpy and numba) is not installed; the text says so."""


def filled(length: int, value: int) -> Ints:
    """A new sequence of `length` times `value`."""
    return [value] * length


def ascending(values: Sequence[int], length: int) -> Ints:
    """The positions 0 .. length-1 in ascending order of their values, equal ones in their own order."""
    return sorted(range(length), key=values.__getitem__)


@cache
def _substitutes() -> dict[Callable[..., Any], Any]:
    """What stands in machine code for the functions above."""
    import numpy
    from numba import njit

    def filled_array(length, value):  # type: ignore[no-untyped-def]
        return numpy.full(length, value, numpy.int64)

    def ascending_array(values, length):  # type: ignore[no-untyped-def]
        order = numpy.arange(length)
        for begin in range(0, length, _RUN):
            for at in range(begin + 1, min(begin + _RUN, length)):
                moved = order[at]
                to = at
                while to > begin and values[order[to - 1]] > values[moved]:
                    order[to] = order[to - 1]
                    to -= 1
                order[to] = moved
        spare = numpy.empty(length, numpy.int64)
        width = _RUN
        while width < length:
            for begin in range(0, length - width, 2 * width):
                middle, end = begin + width, min(begin + 2 * width, length)
                if values[order[middle - 1]] <= values[order[middle]]:
                    continue
                spare[begin:middle] = order[begin:middle]
                left, right = begin, middle
                for at in range(begin, end):
                    if left == middle:
                        break
                    if right == end or values[spare[left]] <= values[order[right]]:
                        order[at] = spare[left]
                        left += 1
                    else:
                        order[at] = order[right]
                        right += 1
            width *= 2
        return order

    return {filled: njit(inline="always")(filled_array), ascending: njit(ascending_array)}


_RUN = 16
"""So many positions are sorted by insertion before runs are merged; times come nearly sorted."""


def compiled(
    kernels: Iterable[Callable[..., Any]], *, allocate: bool = True
) -> dict[str, Callable[..., Any]]:
    """The kernels by name, to be compiled when first called. They may call each other and the functions above.

    They release the interpreter lock. Kernels that do not `allocate` need not count references, and are faster.
    Raises FastExtraMissing.
    """
    try:
        from numba import config, njit
    except ImportError:
        raise FastExtraMissing("numba is not installed; pip install 'mapproof[fast]'") from None
    plain: list[FunctionType] = [kernel for kernel in kernels if isinstance(kernel, FunctionType)]
    copies = [FunctionType(k.__code__, dict(k.__globals__), k.__name__, k.__defaults__) for k in plain]
    before, config.CACHE_DIR = config.CACHE_DIR, str(_folder(plain))
    try:
        fast = {k: njit(cache=True, nogil=True, _nrt=allocate)(c) for k, c in zip(plain, copies, strict=True)}
    finally:
        config.CACHE_DIR = before
    replaced: dict[Any, Any] = {**fast, **_substitutes()}
    for kernel, copy in zip(plain, copies, strict=True):
        for name, value in kernel.__globals__.items():
            if isinstance(value, FunctionType) and value in replaced:
                copy.__globals__[name] = replaced[value]
    return {kernel.__name__: fast[kernel] for kernel in plain}


def _folder(kernels: Sequence[FunctionType]) -> Path:
    """Where the machine code of these sources is kept: other sources, another folder."""
    files = sorted({kernel.__code__.co_filename for kernel in kernels})
    source = b"".join(Path(file).read_bytes() for file in [*files, __file__])
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "mapproof" / hashlib.sha256(source).hexdigest()[:16]
