"""No short schedule of a split goes wrong, at any step; what is claimed is no less than what holds, and no more."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from mutants import Changes, built
from mutants_sharded_map import FILLS_GAPS, MODULES
from slips_sharded_map import READS_FIRST
from splits import driven, sabotaged

from mapproof.impl import sharded_map
from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.small_maps import by_low_bits, splitting_map
from mapproof.spec.claims import Claims, Contract
from mapproof.spec.evidence import Verdict
from mapproof.spec.operations import Op
from mapproof.stateful_tests.catalogue.hashed import SHARDED_MAP, exploration
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.execution import Checks
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.exploration import Explored
from mapproof.stateful_tests.scenarios import Call
from mapproof.stateful_tests.targets import target_of


@pytest.mark.parametrize("name", SHARDED_MAP)
def test_no_schedule_of_a_split_goes_wrong_at_any_step(name: str) -> None:
    """At most one preemption; `mapproof verify` has two."""
    explored = exploration("ShardedMap", SHARDED_MAP, name, bound=1).run()
    assert explored.verdict is Verdict.EXHAUSTED, explored.evidence()


@pytest.mark.parametrize(
    "threads",
    [
        ("store a 2", "load_and_delete a"),
        ("load a", "compare_and_swap a 1 2"),
        ("range", "store b 2"),
        ("clear", "load_or_store a 2"),
    ],
)
def test_three_threads_of_which_one_rehashes(threads: tuple[str, ...]) -> None:
    """A rehash is one call here, and not a batch at a time as in the catalogue."""
    target = target_of(partial(ShardedMap, shards=1, capacity=1, batch=1, hash_key=by_low_bits), "ShardedMap")
    adapter = driven(target.factory())
    scenario = scenario_of(adapter, "store a 1", *threads)
    rehash = (Call(Op.LOAD, "a", form=1),)
    scenario = replace(scenario, threads=(rehash, *scenario.threads))
    checks = Checks(races=True, invariants=True)
    explored = Exhaustion("rehash", replace(target, adapter=adapter), scenario, 1, checks=checks).run()
    assert explored.verdict is Verdict.EXHAUSTED, explored.evidence()


@pytest.mark.parametrize("claims", [Claims(range=Contract.ATOMIC), Claims(len=Contract.ATOMIC)])
def test_no_more_is_claimed_than_holds(claims: Claims) -> None:
    make = partial(ShardedMap, shards=2, capacity=1, hash_key=by_low_bits)
    target = replace(target_of(make, "ShardedMap"), claims=claims)
    scenario = scenario_of(
        target.adapter, "store a 1; store b 2", "range; len", "delete a; delete b", "store a 3"
    )
    assert Exhaustion("claims", target, scenario, bound=2).run().verdict is Verdict.FAILED


# -- the lock around the copy, and the comparison before the switch


def exhausted_with(changes: Changes) -> Explored:
    make = built(splitting_map.__name__, changes, MODULES)
    _, setup, threads = SHARDED_MAP["a delete meets a split"]
    target = target_of(make, "changed")
    return Exhaustion("changed", target, scenario_of(target.adapter, setup, *threads), 2).run()


def test_filling_gaps_instead_of_overwriting_is_right_under_the_lock_and_wrong_without() -> None:
    assert exhausted_with(FILLS_GAPS).verdict is Verdict.EXHAUSTED
    assert exhausted_with({**FILLS_GAPS, sharded_map: [READS_FIRST]}).verdict is Verdict.FAILED


def test_a_switch_before_the_comparison_lets_a_wrong_copy_through() -> None:
    before = "                end = min(cursor + self.batch, 2 * len(shard.bins))\n"
    at_end = "                at_end = end == 2 * len(shard.bins)\n"
    counted = "agrees = agrees and split.counts_agree()"
    changes: Changes = {
        sharded_map: [
            (before, before.replace("2 * ", "")),
            (at_end, at_end.replace("2 * ", "")),
            (counted, "pass"),
        ]
    }
    map_ = sabotaged(built("ShardedMap", changes, MODULES[:-1]))
    map_.rehash()
    assert len(map_.range()) < 4
