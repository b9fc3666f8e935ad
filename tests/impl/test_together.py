"""Threads that never end, and threads that fail, are told of: by the helper, and by what is built on it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import long_runs
import mutants_inventory
import mutants_local_cache
import pytest
from together import Hang, run_together

from mapproof.impl.inventory import Item, MutexInventory
from mapproof.impl.local_cache import LocalCache
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sync import FatalError, fatal
from mapproof.spec.evidence import Verdict

STUCK = r"[1-8] threads are still running after 0\.3 s"


@pytest.fixture
def forever() -> Iterator[Callable[[], object]]:
    """Waits as long as the test takes."""
    over = threading.Event()
    yield over.wait
    over.set()


def test_all_begin_together_and_one_more_repeats() -> None:
    barrier, repeated = threading.Barrier(3), threading.Event()

    def meet() -> None:
        barrier.wait(10)
        repeated.wait(10)

    run_together([meet] * 3, 10, beside=repeated.set)
    assert repeated.is_set()


def test_a_hang_is_told(forever: Callable[[], object]) -> None:
    with pytest.raises(Hang, match="1 threads are still running"):
        run_together([forever, lambda: None], 0.1)
    with pytest.raises(Hang, match="1 threads are still running"):
        run_together([lambda: None], 0.1, beside=forever)


def test_what_a_thread_raises_is_raised(forever: Callable[[], object]) -> None:
    for bodies in ([lambda: fatal("wrong")], [forever, lambda: fatal("wrong")]):
        with pytest.raises(FatalError, match="wrong"):
            run_together(bodies, 0.1)
    with pytest.raises(FatalError, match="wrong"):
        run_together([lambda: None], 0.1, beside=lambda: fatal("wrong"))


def test_an_inventory_that_hangs_is_found(forever: Callable[[], object]) -> None:
    class Hanging(MutexInventory):
        def deduct(self, item: Item, quantity: int = 1) -> bool:
            return bool(forever())

    said = mutants_inventory.real_threads(0.0, {"it": Hanging}, round_seconds=0.3)
    assert re.fullmatch(f"it, round 0: {STUCK}", said)


def test_a_cache_that_hangs_is_found(forever: Callable[[], object]) -> None:
    class Hanging(LocalCache[Any, Any]):
        def load(self, key: Any) -> Any:
            return forever()

    assert re.search(STUCK, mutants_local_cache.real_threads(0.0, round_seconds=0.3, cache=Hanging))


def test_a_map_that_hangs_is_found(forever: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(RWMutexMap[Any, Any]):
        def swap(self, key: Any, value: Any) -> Any:
            return forever()

    monkeypatch.setattr(long_runs, "HANG_SECONDS", 0.2)
    outcome = long_runs.run(Hanging, 0.1, long_runs.Flavour.FEW_VALUES)
    assert outcome.verdict is Verdict.FAILED
    assert re.fullmatch(f"Hang: {STUCK}", outcome.account)
