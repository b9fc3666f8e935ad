"""Both maps against the sequential model: any list of operations gives the same answers, invariants throughout.

That this search tells a slip from the model is seen in `mutants_sync_map` and `mutants_rwmutex_map` (those whose
detector is ANSWERS).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from sequential import Call, divergence, programs

from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync_map import SyncMap


@pytest.mark.parametrize("make", [SyncMap, RWMutexMap])
def test_any_operations_answer_as_the_model(make: Callable[[], Any]) -> None:
    @settings(max_examples=400, deadline=None)
    @given(programs(make))
    def check(program: list[Call]) -> None:
        map_ = make()
        assert divergence(map_, program, map_.check_invariants) is None

    check()
