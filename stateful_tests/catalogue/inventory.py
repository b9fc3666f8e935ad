"""The scenarios in which an inventory could go wrong, each named after what meets what in it.

The idea: as in `sync_maps`, but an inventory is no map, so what is judged is its own operations, by the model of a
stock. At the end the stock is counted: what was restocked and not sold must be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from mapproof.impl.inventory import CasInventory, Inventory, MutexInventory, RWMutexInventory
from mapproof.impl.trie_map import TrieMap
from mapproof.spec.objects import Stock
from mapproof.stateful_tests.catalogue.words import Scenarios
from mapproof.stateful_tests.objects import Invocation, ObjectScenario, Program

INVENTORIES: Mapping[str, Callable[[], Inventory]] = {
    "RWMutexInventory": RWMutexInventory,
    "MutexInventory": MutexInventory,
    "CasInventory on a SyncMap": CasInventory,
    "CasInventory on a TrieMap": partial(CasInventory, TrieMap),
}

INVENTORY: Scenarios = {
    "two buyers of the last piece": ("restock a 1", ("deduct a 1", "deduct a 1")),
    "buyers of more than there is": ("restock a 3", ("deduct a 2", "deduct a 2; available a")),
    "three buyers of two pieces": ("restock a 2", ("deduct a 1", "deduct a 1", "deduct a 1")),
    "a buyer who comes too late": ("restock a 1", ("deduct a 2; available a", "restock a 1")),
    "a restock meets a buyer": ("restock a 1", ("restock a 2; available a", "deduct a 1; available a")),
    "two restocks": ("restock a 1", ("restock a 1", "restock a 2")),
    "two first restocks": ("", ("restock a 1", "restock a 2; deduct a 3")),
    "two items": ("restock a 1", ("deduct a 1; restock b 1", "deduct b 1; deduct a 1; available b")),
    "a look meets a restock": ("", ("available a; available a", "restock a 1")),
}


def inventory_scenarios() -> Iterator[ObjectScenario]:
    """Every scenario on every inventory."""
    for kind, make in INVENTORIES.items():
        for name, (setup, threads) in INVENTORY.items():
            yield scenario_of(f"{kind}: {name}", make, setup, threads)


def scenario_of(name: str, make: Callable[[], Any], setup: str, threads: tuple[str, ...]) -> ObjectScenario:
    """Read a scenario written as words: `deduct a 2; available a` calls `deduct("a", 2)`, then `available("a")`."""
    return ObjectScenario(
        name,
        make,
        tuple(map(_program, threads)),
        _program(setup),
        _program("available a; available b"),
        Stock(),
    )


def _program(words: str) -> Program:
    return tuple(_call(*call.split()) for call in words.split(";") if call.strip())


def _call(method: str, item: str, *quantity: str) -> Invocation:
    return Invocation(method, tuple(map(int, quantity)), key=item)
