"""Each broken map is broken as the table of specimens says, which is shown in milliseconds: its smallest program fails
in a schedule with so many preemptions and in none with fewer. Whether the kit finds it unaided is a long run:
`make zoo-30min`.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache

import pytest
from specimens import BROKEN, CORRECT, SPECIMENS, ZOO, own_class

from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.execution import Target
from mapproof.stateful_tests.exhaustion import Exhaustion, Explored
from mapproof.stateful_tests.targets import target_of

MOST = 2_000
"""Schedules of one program."""


@cache
def target(kind: str, name: str) -> Target:
    module_name = f"zoo_specimen_{name}"
    spec = importlib.util.spec_from_file_location(module_name, ZOO / kind / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[module_name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return target_of(own_class(module), name)


def explored(kind: str, name: str, specimen: str, preemptions: int) -> Explored:
    """Every schedule of that specimen's program with so many preemptions, on any map."""
    map_ = target(kind, name)
    scenario = SPECIMENS[specimen].scenario(map_.adapter)
    return Exhaustion(name, map_, scenario, preemptions, MOST).run()


def test_every_broken_map_is_in_the_table() -> None:
    assert sorted(SPECIMENS) == BROKEN


@pytest.mark.parametrize("name", BROKEN)
def test_a_map_names_its_mechanism_first(name: str) -> None:
    text = (ZOO / "broken" / f"{name}.py").read_text()
    assert text.startswith(f'"""Broken: {SPECIMENS[name].mechanism}. ')


def test_the_zoo_is_as_rich_as_promised() -> None:
    assert len(BROKEN) >= 32
    assert len(CORRECT) >= 18
    assert len({specimen.mechanism for specimen in SPECIMENS.values()}) >= 16


@pytest.mark.parametrize("name", BROKEN)
def test_the_smallest_program_fails_with_as_many_preemptions(name: str) -> None:
    specimen = SPECIMENS[name]
    failed = explored("broken", name, name, specimen.preemptions)
    assert failed.verdict is Verdict.FAILED, failed.scope
    assert failed.counterexample is not None
    assert failed.counterexample.execution.failure is not None
    assert failed.counterexample.execution.failure.kind == specimen.kind


@pytest.mark.parametrize("name", [name for name in BROKEN if SPECIMENS[name].preemptions > 0])
def test_it_fails_with_no_fewer(name: str) -> None:
    fewer = explored("broken", name, name, SPECIMENS[name].preemptions - 1)
    assert fewer.verdict is Verdict.EXHAUSTED, fewer.scope


@pytest.mark.parametrize("name", BROKEN)
def test_a_program_needs_at_most_three_threads_and_two_operations(name: str) -> None:
    threads = SPECIMENS[name].threads
    assert len(threads) <= 3
    assert all(text.count(";") < 2 for text in threads)


RIGHT_ONES = {
    "compare_and_publish": "compare_under_lock",
    "copy_lost": "copy_on_write",
    "early_notify": "condition_monitor",
    "half_built_table": "lazy_rehash",
    "late_version": "versioned_entries",
    "lossy_resize": "chained_table",
    "lru_splice": "lru",
    "notify_one": "read_write_lock",
    "parallel_lists": "persistent_tree",
    "seqlock_odd": "seqlock",
    "swept_tombstones": "striped_resize",
    "two_locks": "locks_on_demand",
    "unlinked_node": "hand_over_hand",
    "upgrade_deadlock": "writer_preference",
    "write_buffer": "combining_queue",
}
"""A map that is built in the same manner, or for the same purpose, and is right."""


@pytest.mark.parametrize("name", RIGHT_ONES)
def test_a_right_map_stands_the_same_program(name: str) -> None:
    stood = explored("correct", RIGHT_ONES[name], name, SPECIMENS[name].preemptions)
    assert stood.verdict is Verdict.EXHAUSTED, stood.counterexample


def test_the_page_of_the_manual_lists_them_all() -> None:
    rows = [line.split(" | ") for line in (ZOO.parents[1] / "docs" / "zoo.md").read_text().splitlines()]
    first = [row[0].removeprefix("| ").strip("`") for row in rows if row[0].startswith("| `")]
    assert first == BROKEN + CORRECT
    assert all(row[1] == SPECIMENS[row[0][3:-1]].mechanism for row in rows if row[0][3:-1] in SPECIMENS)
