"""The inventories never oversell: every schedule of small scenarios, real threads, and the slips that would.

What the article says of its `DeductRWMutex` is decided here too: it never oversells; the look under the read lock is
not what keeps it from that; without the look under the write lock it is not "still fine".
"""

from __future__ import annotations

import re
import runpy
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mutants import Mutant, built
from mutants_inventory import MUTANTS, alarms, caught, divergence, real_threads

from mapproof.impl import inventory
from mapproof.impl.inventory import CasInventory, Inventory, Item, MutexInventory, RWMutexInventory, StockMap
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.sync import PlainDict, RWMutex
from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.catalogue.inventory import (
    INVENTORIES,
    INVENTORY,
    inventory_scenarios,
    scenario_of,
)
from mapproof.stateful_tests.execution import Checks
from mapproof.stateful_tests.objects import EVERY_CHECK, ObjectScenario, exhaust

every_inventory = pytest.mark.parametrize("make", INVENTORIES.values(), ids=INVENTORIES)

# -- one thread


@every_inventory
def test_it_answers_as_a_dict_would(make: Callable[[], Inventory]) -> None:
    assert divergence(make) == ""


@every_inventory
def test_an_item_that_was_never_restocked_has_no_stock(make: Callable[[], Inventory]) -> None:
    shop = make()
    assert shop.available("a") == 0
    assert not shop.deduct("a", 1)
    shop.restock("b", 1)
    assert shop.available("a") == 0


@every_inventory
@pytest.mark.parametrize("quantity", [0, -1])
def test_a_quantity_that_is_not_positive_is_refused(make: Callable[[], Inventory], quantity: int) -> None:
    shop = make()
    shop.restock("a", 1)
    for method in (shop.deduct, shop.restock):
        with pytest.raises(ValueError, match=f"^quantity must be at least 1, not {quantity}$"):
            method("a", quantity)
    assert shop.available("a") == 1


@pytest.mark.parametrize("stock", [RWMutexMap, ShardedMap])
def test_any_map_that_compares_and_swaps_will_do(stock: Callable[[], StockMap]) -> None:
    assert divergence(partial(CasInventory, stock)) == ""


def test_at_rest_no_lock_is_held_and_no_stock_is_negative() -> None:
    for shop in (RWMutexInventory(), MutexInventory()):
        shop.check_invariants()
        shop.mu.lock()
        with pytest.raises(AssertionError, match="mu is held"):
            shop.check_invariants()
        shop.mu.unlock()
        shop.stock["a"] = -1
        with pytest.raises(AssertionError, match="'a' is oversold: its stock is -1"):
            shop.check_invariants()
    unlocked = CasInventory()
    unlocked.stock.load_or_store("a", -1)
    with pytest.raises(AssertionError, match="'a' is oversold: its stock is -1"):
        unlocked.check_invariants()


# -- many threads


def bound_of(scenario: ObjectScenario) -> int:
    """Preemptions: as many as take little time."""
    many = "three buyers" in scenario.name or scenario.name.startswith("CasInventory")
    return 1 if many and "two buyers" not in scenario.name else 2


@pytest.mark.parametrize("scenario", list(inventory_scenarios()), ids=lambda scenario: scenario.name)
def test_every_schedule(scenario: ObjectScenario) -> None:
    """Never oversells, loses no restock, races nowhere, keeps its invariants at every step."""
    explored = exhaust(scenario, bound=bound_of(scenario))
    assert explored.verdict is Verdict.EXHAUSTED, explored
    assert "watched for a broken invariant and a data race" in explored.scope


def test_no_alarm_for_the_inventories_as_they_are() -> None:
    assert alarms(1_000, seed=1) == []


def test_real_threads() -> None:
    assert real_threads(0.0).startswith("LINEARIZABLE: ")


def test_real_threads_can_fail() -> None:
    class Raising(MutexInventory):
        def available(self, item: Item) -> int:
            raise KeyError(item)

    def verdict_on(make: Callable[[], Any]) -> str:
        return real_threads(0.0, {"inventory": make})

    slip = next(mutant for mutant in MUTANTS if mutant.wrong == "the last piece is not sold")
    assert verdict_on(slip.built()).startswith("inventory, round 0: VIOLATION: ")
    assert re.match(r"inventory, round 0: available\('[ab]'\) raised KeyError$", verdict_on(Raising))


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_each_slip_is_caught_by_the_detector_that_must(mutant: Mutant) -> None:
    assert re.search(mutant.says, caught(mutant)), caught(mutant)


# -- what the article says

FIRST_LOOK = """\
        with self.mu.reading():
            available = self.stock.get(item, 0)
        if available < quantity:
            return False
"""


def test_the_first_look_is_not_needed_for_safety() -> None:
    without = built("RWMutexInventory", {inventory: [(FIRST_LOOK, "")]}, (inventory,))
    for name, programs in INVENTORY.items():
        scenario = scenario_of(name, without, *programs)
        assert exhaust(scenario, bound=bound_of(scenario)).verdict is Verdict.EXHAUSTED, name


def test_the_first_look_spares_late_buyers_the_write_lock() -> None:
    shop = RWMutexInventory()
    shop.restock("a", 1)
    with shop.mu.reading():
        assert not shop.deduct("a", 2)


@pytest.mark.parametrize("checks", [Checks(), EVERY_CHECK], ids=["model alone", "every check"])
def test_without_the_second_look_one_preemption_oversells(checks: Checks) -> None:
    slip = next(mutant for mutant in MUTANTS if mutant.wrong == "no second look")
    name = "two buyers of the last piece"
    oversells = replace(scenario_of(name, slip.built(), *INVENTORY[name]), checks=checks)
    assert exhaust(oversells, bound=0).verdict is Verdict.EXHAUSTED
    explored = exhaust(oversells, bound=1)
    assert explored.verdict is Verdict.FAILED
    assert explored.counterexample is not None
    execution = explored.counterexample.execution
    assert len(execution.schedule.switches) == 1
    assert execution.failure is not None
    sold = [operation.args for operation in execution.failure.core if operation.op == "deduct"]
    assert sold == [(1,), (1,)], "one piece was there"


def test_no_thread_and_no_queue_is_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = RWMutexInventory()
    assert {name: type(getattr(shop, name)) for name in shop.__slots__} == {"mu": RWMutex, "stock": PlainDict}
    monkeypatch.setattr(threading.Thread, "start", None)
    shop.restock("a", 2)
    assert shop.deduct("a", 1)
    assert shop.available("a") == 1


# -- the manual


def test_the_run_in_the_manual_is_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "inventory.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    (tmp_path / "books.py").write_text(program)
    runpy.run_path(str(tmp_path / "books.py"))
    assert capsys.readouterr().out == printed
