"""No short schedule of a split goes wrong, and slips of its algorithm do: each mutant with the detector that sees it."""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from splits import (
    BY_TOP_BITS,
    SMALLEST,
    TWO_BINS,
    Make,
    divergence,
    sabotaged,
    scenarios_of_splits,
    split_scenario,
    target_with,
)

from mapproof.impl import hashing, sharded_map, shards
from mapproof.impl.hashing import Routing
from mapproof.impl.sharded_map import ShardedMap
from mapproof.spec.claims import Claims, Contract
from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.execution import FailureKind, laboratory
from mapproof.stateful_tests.exhaustion import Exhaustion
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound


@pytest.mark.parametrize("options", [SMALLEST, TWO_BINS, BY_TOP_BITS], ids=["1", "2", "top"])
def test_no_schedule_of_a_split_goes_wrong(options: dict[str, Any]) -> None:
    target = target_with(ShardedMap, options)
    for name, scenario, bound in scenarios_of_splits(target.adapter):
        explored = Exhaustion(name, target, scenario, bound).run()
        assert explored.verdict is Verdict.EXHAUSTED, explored.evidence()


@pytest.mark.parametrize("claims", [Claims(range=Contract.ATOMIC), Claims(len=Contract.ATOMIC)])
def test_no_more_is_claimed_than_holds(claims: Claims) -> None:
    target = target_with(ShardedMap, {**SMALLEST, "shards": 2}, claims)
    scenario = split_scenario(
        target.adapter, "store a 1; store b 2", "range; len", "delete a; delete b", "store a 3"
    )
    assert Exhaustion("claims", target, scenario, bound=2).run().verdict is Verdict.FAILED


# -- mutants

Change = tuple[ModuleType, str, str]

DELETES_ONCE: Change = (shards, "if split is not None:", "if split is not None and new is not None:")
WRITES_ONCE: Change = (shards, "if split is not None:", "if False:")
LOCKS_LATE: Change = (
    sharded_map,
    """\
                end = min(cursor + self.batch, 2 * len(shard.bins))
                agrees = split.advance_locked(cursor, end)
                at_end""",
    """\
            end = min(cursor + self.batch, 2 * len(shard.bins))
            agrees = split.advance_locked(cursor, end)
            with shard.mu:
                at_end""",
)
FILLS_GAPS: Change = (
    shards,
    "shard.set_bin_locked(number, self._part(chain, shard))",
    """\
held = shard.bins[number].load()
            missing = [node for node in self._part(chain, shard) if find(held, node.hash, node.key) is None]
            shard.set_bin_locked(number, (*held, *missing))""",
)
SWITCHES_AFTER_THE_COPY: Change = (sharded_map, "2 * len(shard.bins)", "len(shard.bins)")
SWITCHES_AT_ONCE: Change = (sharded_map, "at_end = end == 2 * len(shard.bins)", "at_end = True")
COMPARES_NOTHING: Change = (
    shards,
    "return all(self.agrees(step - bins) for step in range(max(start, bins), end))",
    "return True",
)
COUNTS_NOTHING: Change = (sharded_map, "agrees = agrees and split.counts_agree()", "pass")
DOUBLED_MASK: Change = (
    shards,
    "self.routing.shard_of(hash_value, one.shards) == one.index",
    "hash_value & (2 * self.old.shards - 1) & self.old.shards",
)
CHILDREN_OF_THE_TOP_BITS: Change = (
    hashing,
    "return low_bits if self is Routing.LOW_BITS else (2 * shard, 2 * shard + 1)",
    "return 2 * shard, 2 * shard + 1",
)
DOES_NOT_ASK_AGAIN: Change = (sharded_map, "if not shard.successors_locked():", "if True:")
READS_THE_NEW_SHARD: Change = (
    sharded_map,
    "return _found(self.route.load().owner_of(hash_value).find(hash_value, key))",
    """\
shard = self.route.load().owner_of(hash_value)
        split = shard.split.read()
        return _found((shard if split is None else split.child_of(hash_value)).find(hash_value, key))""",
)
CLEARS_ONLY_THE_OLD: Change = (
    shards,
    "for shard in (self, *(() if split is None else split.new)):",
    "for shard in (self,):",
)
CLEAR_DOES_NOT_ASK_AGAIN: Change = (sharded_map, "shards.extend(successors)", "pass")
UNCHECKED = (COMPARES_NOTHING, COUNTS_NOTHING)


def mutant(*changes: Change) -> Make:
    """ShardedMap from its own sources with these places changed."""
    made: dict[str, ModuleType] = {}
    for original in (hashing, shards, sharded_map):
        source = inspect.getsource(original)
        for module, old, new in changes:
            if module is original:
                assert old in source, f"{old!r} is not in {original.__name__}"
                source = source.replace(old, new)
        for name in made:
            source = source.replace(
                f"from mapproof.impl.{name} import", f"from mapproof.impl._broken_{name} import"
            )
        name = original.__name__.rpartition(".")[2]
        made[name] = ModuleType(f"mapproof.impl._broken_{name}")
        sys.modules[made[name].__name__] = made[name]  # where the next one and dataclasses look it up
        exec(compile(source, f"_broken_{name}.py", "exec"), made[name].__dict__)  # noqa: S102 - our own source
    return made["sharded_map"].ShardedMap  # type: ignore[no-any-return]


def failures(make: Make, options: dict[str, Any]) -> Iterator[tuple[str, FailureKind]]:
    """Each scenario that goes wrong, and how its first wrong schedule shows it."""
    target = target_with(make, options)
    for name, scenario, bound in scenarios_of_splits(target.adapter):
        strategy = PreemptionBound(bound)
        with laboratory(target) as lab:
            while strategy.begin():
                failure = lab.run(scenario, strategy).failure
                if failure is not None:
                    yield name, failure.kind
                    break


COMPARISON, HISTORY, INVARIANT = FailureKind.EXCEPTION, FailureKind.VIOLATION, FailureKind.INVARIANT


@pytest.mark.parametrize(
    ("changes", "options", "detector"),
    [
        pytest.param((DELETES_ONCE,), SMALLEST, COMPARISON, id="delete not sent to the new shards"),
        pytest.param((DELETES_ONCE, *UNCHECKED), SMALLEST, HISTORY, id="the same, not compared"),
        pytest.param(
            (DELETES_ONCE, SWITCHES_AFTER_THE_COPY, COUNTS_NOTHING), TWO_BINS, HISTORY, id="switched first"
        ),
        pytest.param((WRITES_ONCE,), SMALLEST, COMPARISON, id="no dual write"),
        pytest.param((WRITES_ONCE, *UNCHECKED), SMALLEST, HISTORY, id="no dual write, not compared"),
        pytest.param((LOCKS_LATE,), SMALLEST, COMPARISON, id="stale copy overwrites"),
        pytest.param((LOCKS_LATE, *UNCHECKED), SMALLEST, HISTORY, id="stale copy overwrites, not compared"),
        pytest.param((LOCKS_LATE, FILLS_GAPS), SMALLEST, COMPARISON, id="stale copy resurrects"),
        pytest.param((LOCKS_LATE, FILLS_GAPS, *UNCHECKED), SMALLEST, HISTORY, id="resurrects, not compared"),
        pytest.param((SWITCHES_AT_ONCE, *UNCHECKED), TWO_BINS, HISTORY, id="switch too early"),
        pytest.param((DOUBLED_MASK,), BY_TOP_BITS, INVARIANT, id="doubled mask with top bits"),
        pytest.param((DOES_NOT_ASK_AGAIN,), SMALLEST, HISTORY, id="writes to a shard that was split"),
        pytest.param((READS_THE_NEW_SHARD,), SMALLEST, HISTORY, id="reads the new shard during the split"),
        pytest.param((CLEARS_ONLY_THE_OLD, *UNCHECKED), SMALLEST, HISTORY, id="clear misses the new shards"),
        pytest.param(
            (CLEAR_DOES_NOT_ASK_AGAIN,), SMALLEST, HISTORY, id="clear misses a shard that was split"
        ),
    ],
)
def test_each_mutant_is_caught(
    changes: tuple[Change, ...], options: dict[str, Any], detector: FailureKind
) -> None:
    assert any(kind is detector for _, kind in failures(mutant(*changes), options))


def test_filling_gaps_instead_of_overwriting_is_right_under_the_lock() -> None:
    """So it is the lock around read and copy that matters, as the mutants above show."""
    assert list(failures(mutant(FILLS_GAPS), SMALLEST)) == []


def test_a_switch_before_the_comparison_lets_a_wrong_copy_through() -> None:
    map_ = sabotaged(mutant(SWITCHES_AFTER_THE_COPY, COUNTS_NOTHING))
    map_.rehash()
    assert len(map_.range()) < 4


def test_the_doubled_mask_loses_keys_of_a_map_by_top_bits() -> None:
    map_ = mutant(DOUBLED_MASK)(shards=2, capacity=4, routing=Routing.TOP_BITS)
    assert "answered (None, False), a dict" in (divergence(map_, random.Random(3)) or "")


def test_children_of_the_top_bits_have_no_slot_in_a_route_by_low_bits() -> None:
    map_ = mutant(CHILDREN_OF_THE_TOP_BITS)(shards=2, capacity=4)
    with pytest.raises(KeyError):
        map_.rehash()
