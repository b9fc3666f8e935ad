"""What the tests of the maps that are told apart by hashes share: how their mutants are built, and watched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import map_mutants
from mutants import Changes, Mutant, built

from mapproof.stateful_tests.catalogue.hashed import Placed

Factory = Callable[[], Any]


def factory_of(
    mutant: Mutant, right: Factory, modules: Sequence[ModuleType], changes: Changes | None = None
) -> Factory:
    """The function that makes small maps, out of the changed modules, of which the last is the function's own;
    `changes` are made beside the mutant's."""
    made = {module: list(pairs) for module, pairs in (changes or {}).items()}
    made.setdefault(mutant.module, []).append((mutant.before, mutant.after))
    factory: Factory = built(right.__name__, made, modules)
    return factory


def alarms(placed: Placed, schedules: int, seed: int) -> list[str]:
    """What any detector says of about so many schedules, shared out among the maps of the scenarios."""
    factories = dict.fromkeys(factory for factory, _, _ in placed.values())
    return [
        alarm
        for factory in factories
        for alarm in map_mutants.alarms(
            factory,
            {name: (setup, threads) for name, (of, setup, threads) in placed.items() if of is factory},
            schedules // len(factories),
            seed,
        )
    ]
