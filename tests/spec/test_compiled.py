"""Kernels give the same as machine code; what stands in for their sorting sorts."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest

from mapproof.spec.linearizability.compiled import FastExtraMissing, Ints, ascending, compiled, filled


def doubled(values: Ints, length: int) -> Ints:
    result = filled(length, 0)
    for at in range(length):
        result[at] = 2 * values[at]
    return result


def doubled_in_order(values: Ints, length: int) -> Ints:
    twice, result = doubled(values, length), filled(length, 0)
    order = ascending(values, length)
    for at in range(length):
        result[at] = twice[order[at]]
    return result


KERNELS = (doubled, doubled_in_order)


def test_a_kernel_calls_kernels() -> None:
    fast = compiled(KERNELS)["doubled_in_order"]
    values = [5, -1, 3, 3, 0]
    assert doubled_in_order(values, 5) == [-2, 0, 6, 6, 10]
    assert fast(np.array(values), 5).tolist() == [-2, 0, 6, 6, 10]
    assert doubled_in_order([], 0) == fast(np.array([], np.int64), 0).tolist() == []


def order_only(values: Ints, length: int) -> Ints:
    return ascending(values, length)


@pytest.mark.parametrize("width", [1, 5, 10**9])
def test_sorting_in_machine_code_is_stable(width: int) -> None:
    """Nearly sorted, with ties, and shuffled; around the lengths of runs."""
    fast = compiled([order_only])["order_only"]
    random = Random(width)
    for length in (0, 1, 2, 15, 16, 17, 31, 32, 33, 48, 200, 1_000):
        for _ in range(20):
            values = [at + random.randrange(width) for at in range(length)]
            assert fast(np.array(values, np.int64), length).tolist() == ascending(values, length)


def test_only_the_first_positions_are_sorted() -> None:
    fast = compiled([order_only])["order_only"]
    assert fast(np.array([3, 2, 1]), 2).tolist() == ascending([3, 2, 1], 2) == [1, 0]


def test_machine_code_is_kept_by_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled([order_only])["order_only"](np.array([1]), 1)
    (folder,) = (tmp_path / "mapproof").iterdir()
    assert list(folder.rglob("*.nbi"))


def test_without_the_extra_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(FastExtraMissing, match=r"numba is not installed; pip install 'mapproof\[fast\]'"):
        compiled(KERNELS)
