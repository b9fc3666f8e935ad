"""A published library that leaves locking to its users is caught; behind a lock it is not, and neither is `dict`.

What passes stands beside what must not, checked in the same way: the cache beside the same cache under its lock, and
`dict` beside the dict of the examples whose `setdefault` is two steps.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from cachetools import LRUCache, TTLCache
from test_examples import EXAMPLES

from mapproof.spec.evidence import Verdict
from mapproof.spec.operations import Op
from mapproof.stateful_tests.conformance import Findings, examine
from mapproof.stateful_tests.targets import target_of

FOUND_LONG_BEFORE = 60.0
"""Seconds for a map that fails: it ends the search."""

A_MOMENT = 0.3
"""Seconds for a map that does not."""

both_seeds = pytest.mark.parametrize("seed", [0, 1])


def least_recently_used() -> Any:
    """Bounded, but never full."""
    return LRUCache(1000)


def never_expiring() -> Any:
    return TTLCache(1000, ttl=10**9)


def findings(make: Callable[[], Any], seed: int, budget: float, ops: Iterable[Op] | None = None) -> Findings:
    return examine(target_of(make, make.__name__, ops), budget=budget, seed=seed)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Imports a module of the examples, as their reader does."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module


def test_the_cache_that_leaves_locking_to_its_users_is_caught() -> None:
    found = findings(least_recently_used, 0, FOUND_LONG_BEFORE, (Op.STORE, Op.DELETE))
    assert found.verdict is Verdict.FAILED
    assert found.counterexample is not None
    assert "KeyError" in found.counterexample.account


@both_seeds
def test_so_is_its_brother_in_which_entries_expire(seed: int) -> None:
    assert findings(never_expiring, seed, FOUND_LONG_BEFORE).verdict is Verdict.FAILED


@both_seeds
def test_the_same_cache_behind_a_lock_is_not(seed: int, example: Callable[[str], Any]) -> None:
    found = findings(example("locked_lru").LockedLRU, seed, A_MOMENT)
    assert found.verdict is Verdict.SAMPLED, found.scope


@both_seeds
def test_neither_is_dict(seed: int) -> None:
    found = findings(dict, seed, A_MOMENT)
    assert found.verdict is Verdict.SAMPLED, found.scope


def test_but_a_dict_whose_setdefault_is_two_steps_is(example: Callable[[str], Any]) -> None:
    wrong = example("check_then_act").CheckThenAct
    assert findings(wrong, 0, FOUND_LONG_BEFORE, (Op.LOAD_OR_STORE,)).verdict is Verdict.FAILED
