"""What stands before the local cache: a replica that follows the log as told, and what is known of its lag."""

from __future__ import annotations

import pytest
from caches import fill

from mapproof.impl.replication import LagError, ManualClock, Replica
from mapproof.spec.values import ABSENT
from mapproof.stateful_tests.catalogue.cache import Deployment


@pytest.fixture
def node() -> Deployment:
    return Deployment(inline=True)


def test_the_replica_follows_as_far_as_it_is_told(node: Deployment) -> None:
    for value in (1, 2, 3):
        node.store("a", value)
    assert [node.replica.apply(2), node.replica.apply(2), node.replica.apply(2)] == [2, 1, 0]
    assert node.replica.read("a") == node.primary.read("a")
    node.delete("a")
    assert node.replica.catch_up() == 1
    assert node.replica.read("a").value is ABSENT
    assert node.replica.read("a").as_of == 4


def test_a_replica_starts_level_and_refuses_to_be_read_too_far_behind(node: Deployment) -> None:
    node.store("a", 1)
    replica = Replica(node.primary, node.clock, max_lag=2)
    assert replica.read("a") == node.primary.read("a")
    node.store("a", 2)
    node.advance(2)
    assert replica.read("a").value == 1
    node.advance(1)
    with pytest.raises(LagError, match="the replica is 3 s behind, and may be 2 s"):
        replica.read("a")
    replica.catch_up()
    assert replica.read("a").value == 2


def test_a_clock_does_not_go_back() -> None:
    clock = ManualClock(3)
    clock.advance(0.5)
    assert clock() == 3.5
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


def test_the_invariants_of_the_log_see_what_is_broken(node: Deployment) -> None:
    checks = [part.step_invariants() for part in (node.primary, node.replica)]
    fill(node, a=1)
    for check, name, rows in zip(checks, ("primary", "replica"), (node.primary, node.replica), strict=True):
        check()
        rows.rows.peek()["a"] = 2
        with pytest.raises(AssertionError, match=f"{name}.rows are not what the first 1 changes make"):
            check()
    node.primary.last.write(node.primary.last.peek().__class__(2, "a", 2, 0))
    with pytest.raises(AssertionError, match="change 2 was applied, but it does not follow"):
        checks[0]()
