"""The wrong uses of a map are found at the line that is wrong; and what the answers alone would have shown."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

import pytest

from mapproof.impl import misuse, rwmutex_map, sync_map
from mapproof.impl.misuse import DeletesFromRead, DeletesUnlocked, StoresIntoDirty, StoresIntoRead
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.execution import NO_CHECKS, Checks
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.exploration import Explored
from mapproof.stateful_tests.targets import target_of

BOUND = 3


@dataclass(frozen=True)
class Use:
    """A user who does wrong, in a scenario (a setup and two threads) in which every answer is right all the same."""

    kind: Any
    programs: tuple[str, ...]
    race: str
    broken: str


def at(module: Any, source: str, nth: int = 0) -> str:
    """Where the line stands in the file of the module, as a finding names it."""
    numbers = [
        n for n, line in enumerate(inspect.getsource(module).splitlines(), 1) if line.strip() == source
    ]
    return f"{module.__name__.rpartition('.')[2]}.py:{numbers[nth]} `{source}`"


POP_READ = at(misuse, "self.read.load().m.pop(key)")
SET_READ = at(misuse, "self.read.load().m[key] = Entry(Box(value))")
SET_DIRTY = at(misuse, "dirty[key] = Entry(Box(value))")
POP_ITEMS = at(misuse, "self.items.pop(key)")
LOOK_IN_READ = at(sync_map, "entry = read.m.get(key)")  # the first line of this text is the one in load
LOOK_IN_DIRTY = at(sync_map, "return None if dirty is None else dirty.get(key)")
LOOK_IN_ITEMS = at(rwmutex_map, "value = self.items.get(key, ABSENT)")

USES = (
    Use(
        DeletesFromRead,
        ("load_or_store a 1; load a", "load a", "delete a"),
        f"client 1 reads entries at {LOOK_IN_READ}, holding no lock, and client 2 writes it at {POP_READ}, holding "
        "no lock; nothing orders the two. They would be ordered if one lock were held around each.",
        "I5: the key set of a published read.m changed; broken by client 2's m.delete('a') at "
        f"{POP_READ} (entries: write)",
    ),
    Use(
        StoresIntoRead,
        ("load_or_store a 1; load a", "load a", "store b 2"),
        f"client 1 reads entries at {LOOK_IN_READ}, holding no lock, and client 2 writes it at {SET_READ}, holding "
        "no lock; nothing orders the two. They would be ordered if one lock were held around each.",
        "I5: the key set of a published read.m changed; broken by client 2's m.store('b', 2) at "
        f"{SET_READ} (entries: write)",
    ),
    Use(
        StoresIntoDirty,
        ("load_or_store a 1; load a; load_or_store b 2", "load b", "store c 3"),
        f"client 1 reads entries at {LOOK_IN_DIRTY}, holding mu, and client 2 writes it at {SET_DIRTY}, holding no "
        "lock; nothing orders the two. They would be ordered if client 2 had held mu as well.",
        "mu is free, but dirty changed; broken by client 2's m.store('c', 3) at "
        f"{SET_DIRTY} (entries: write)",
    ),
    Use(
        DeletesUnlocked,
        ("store a 1", "load a", "delete a"),
        f"client 1 reads items at {LOOK_IN_ITEMS}, holding mu (for reading), and client 2 writes it at {POP_ITEMS}, "
        "holding no lock; nothing orders the two. They would be ordered if client 2 had held mu as well, not only "
        "for reading.",
        "items changed, but no writer has mu for itself; broken by client 2's m.delete('a') at "
        f"{POP_ITEMS} (items: write)",
    ),
)


def explored(kind: Any, checks: Checks, setup: str, *threads: str) -> Explored:
    target = target_of(kind, kind.__name__)
    return Exhaustion("it", target, scenario_of(target.adapter, setup, *threads), BOUND, checks=checks).run()


def headline(found: Explored) -> str:
    assert found.counterexample is not None, found.scope
    return found.counterexample.account.split("\n\n")[0]


@pytest.mark.parametrize("use", USES, ids=lambda use: use.kind.__name__)
def test_a_wrong_use_is_a_data_race_with_both_lines_and_the_remedy(use: Use) -> None:
    assert headline(explored(use.kind, Checks(races=True), *use.programs)) == f"DATA RACE: {use.race}"


@pytest.mark.parametrize("use", USES, ids=lambda use: use.kind.__name__)
def test_a_wrong_use_breaks_an_invariant_at_its_own_line(use: Use) -> None:
    found = explored(use.kind, Checks(invariants=True), *use.programs)
    assert headline(found) == f"BROKEN INVARIANT: {use.broken}"


@pytest.mark.parametrize("use", USES, ids=lambda use: use.kind.__name__)
def test_there_the_answers_alone_show_nothing(use: Use) -> None:
    """In every schedule within the bound the history is linearizable, and the map at rest is in order."""
    assert explored(use.kind, NO_CHECKS, *use.programs).verdict == "EXHAUSTED"


@pytest.mark.parametrize(
    ("kind", "programs", "says"),
    [
        # Dirty still has the key, and brings it back at the next promotion.
        (
            DeletesFromRead,
            ("load_or_store a 1; load a; load_or_store b 2", "load a", "delete a"),
            "NOT LINEARIZABLE: client 0 read 1 from key 'a' at .* was deleted before by client 2's delete",
        ),
        # The next promotion replaces read by a dirty that never had the key.
        (
            StoresIntoRead,
            ("load_or_store a 1; load a; load_or_store b 2", "load a", "store c 3"),
            "NOT LINEARIZABLE: client 0 found key 'c' missing at .* client 2's store",
        ),
        # Two entries of one key: readers look at the one in read.
        (
            StoresIntoDirty,
            ("load_or_store a 1; load a; load_or_store b 2", "load b", "store a 3"),
            "NOT LINEARIZABLE: client 0 read 1 from key 'a' at .* was replaced before by client 2's store",
        ),
        # Both insert the key, one of them without the lock: the entry that was there first is lost.
        (
            StoresIntoDirty,
            ("load_or_store a 1; load a; load_or_store b 2", "load_or_store c 5", "store c 3"),
            "NOT LINEARIZABLE: client 1's load_or_store.* found key 'c' missing",
        ),
        (
            DeletesUnlocked,
            ("store a 1", "compare_and_swap a 1 2", "delete a"),
            "NOT LINEARIZABLE: no order of these 4 operations on key 'a'",
        ),
        # In Go: fatal error: concurrent map iteration and map write.
        (
            DeletesUnlocked,
            ("store a 1; store b 2", "range", "delete a"),
            "EXCEPTION: .* RuntimeError: dictionary changed size during iteration",
        ),
    ],
)
def test_elsewhere_the_answers_show_it_but_not_where(kind: Any, programs: tuple[str, ...], says: str) -> None:
    found = headline(explored(kind, NO_CHECKS, *programs))
    assert re.match(says, found), found
    assert "misuse.py" not in found


@pytest.mark.parametrize("kind", [sync_map.SyncMap, rwmutex_map.RWMutexMap])
def test_those_who_use_the_operations_alone_are_right_in_the_same_scenarios(kind: Any) -> None:
    for use in USES:
        found = explored(kind, Checks(races=True, invariants=True), *use.programs)
        assert found.verdict == "EXHAUSTED", headline(found)
