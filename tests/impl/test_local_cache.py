"""The local cache in sequence: what it answers, what it loads, how stale it gets."""

from __future__ import annotations

import random
import re
import runpy
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest
from caches import ArticleCache, Oracle, divergence, fill
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from mutants_local_cache import SEQUENTIAL, growth

from mapproof.impl.local_cache import LocalCache
from mapproof.impl.replication import ManualClock, Primary, Replica
from mapproof.spec.values import ABSENT
from mapproof.stateful_tests.catalogue.cache import BOUND, MAX_LAG, Broken, Deployment


@pytest.fixture
def node() -> Deployment:
    return Deployment(inline=True)


# -- what it answers


def test_a_key_is_loaded_once_until_it_is_due(node: Deployment) -> None:
    fill(node, a=1)
    for _ in range(10):
        assert node.load("a") == (1, True)
        node.advance(1)
    assert node.loads == 1
    assert node.load("a") == (1, True)
    assert node.loads == 2


def test_a_due_read_answers_the_old_value_at_once_if_somebody_else_loads() -> None:
    node = Deployment()
    fill(node, a=1)
    node.load("a")
    fill(node, a=2)
    node.advance(10)
    assert [node.load("a"), node.load("a")] == [(1, True)] * 2
    assert len(node.tasks) == 1
    node.refresh()
    assert node.load("a") == (2, True)
    assert node.loads == 2


def test_a_due_read_that_must_load_itself_answers_what_it_loaded(node: Deployment) -> None:
    fill(node, a=1)
    node.load("a")
    fill(node, a=2)
    node.advance(10)
    assert node.load("a") == (2, True)


def test_a_key_that_nobody_asks_for_expires(node: Deployment) -> None:
    fill(node, a=1)
    node.load("a")
    fill(node, a=2)
    node.advance(29)
    assert node.cache.get_if_present("a") == (1, True)
    node.advance(1)
    assert node.cache.get_if_present("a") is None
    assert node.load("a") == (2, True)


def test_a_refresh_that_fails_keeps_the_old_value_and_is_tried_again(node: Deployment) -> None:
    fill(node, a=1)
    node.load("a")
    node.advance(10)
    node.fail()
    assert [node.load("a"), node.load("a")] == [(1, True)] * 2
    assert node.loads == 3
    node.recover()
    node.load("a")
    node.load("a")
    assert node.loads == 4
    node.fail()
    node.advance(30)
    with pytest.raises(Broken):
        node.load("a")
    node.check_invariants()


def test_a_load_that_fails_is_not_cached(node: Deployment) -> None:
    fill(node, a=1)
    node.fail()
    for _ in range(2):
        with pytest.raises(Broken, match="cannot read 'a'"):
            node.load("a")
    node.recover()
    assert node.load("a") == (1, True)


def test_a_load_that_is_killed_is_over_too(node: Deployment) -> None:
    fill(node, a=1)
    read = node.replica.read

    def interrupted(key: Any) -> Any:
        raise KeyboardInterrupt

    node.of_replica.source = type("Source", (), {"read": staticmethod(interrupted)})()
    with pytest.raises(KeyboardInterrupt):
        node.load("a")
    node.check_invariants()
    node.of_replica.source = type("Source", (), {"read": staticmethod(read)})()
    assert node.load("a") == (1, True)


def test_a_load_that_spawn_loses_is_made_by_who_misses_the_key() -> None:
    node = Deployment()
    fill(node, a=1)
    node.load("a")
    node.advance(10)
    node.load("a")
    node.tasks.clear()
    node.advance(10)
    assert node.load("a") == (1, True)
    assert node.loads == 1
    node.advance(10)
    assert node.load("a") == (1, True)
    assert node.loads == 2
    node.check_invariants()


def test_what_spawn_refuses_the_reader_loads(node: Deployment) -> None:
    def refuse(task: Callable[[], None]) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    node.cache.spawn = refuse
    fill(node, a=1)
    node.load("a")
    fill(node, a=2)
    node.advance(10)
    assert node.load("a") == (2, True)
    node.check_invariants()


def test_none_is_a_value(node: Deployment) -> None:
    fill(node, a=None)
    assert node.load("a") == (None, True)
    assert node.load("b") == (None, False)
    node.load("a")
    assert node.loads == 2


@pytest.mark.parametrize(
    "options",
    [
        {"ttl": 0},
        {"refresh_after": 31},
        {"refresh_after": 0},
        {"negative_ttl": -1},
        {"negative_ttl": 31},
        {"ttl": float("nan")},
        {"max_entries": 0},
    ],
)
def test_numbers_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Deployment(**options)


# -- changes


def test_the_log_brings_the_value(node: Deployment) -> None:
    fill(node, a=1)
    node.load("a")
    node.store("a", 2)
    node.deliver()
    assert node.load("a") == (2, True)
    node.delete("a")
    node.deliver()
    assert node.load("a") == (None, False)
    assert node.loads == 1


def test_a_key_that_is_made_replaces_its_absence(node: Deployment) -> None:
    assert node.load("a") == (None, False)
    node.store("a", 1)
    node.deliver()
    assert node.load("a") == (1, True)
    assert node.loads == 1


def test_a_replica_that_is_behind_the_log_of_the_cache_loses(node: Deployment) -> None:
    fill(node, a=1)
    node.store("a", 2)
    node.deliver()
    node.cache.entries.pop("a")
    node.cache.floor.write(2)
    assert node.load("a") == (2, True)
    assert (node.of_replica.reads.peek(), node.of_primary.reads.peek()) == (1, 1)


def test_changes_may_come_late_twice_and_in_any_order(node: Deployment) -> None:
    first = node.primary.newest()
    for value in (1, 2, 3):
        node.store("a", value)
    changes = []
    while (change := (changes[-1] if changes else first).next.peek()) is not None:
        changes.append(change)
    for change in (*reversed(changes), *changes):
        node.cache.receive(change)
        assert node.load("a") == (3, True)


def test_a_cache_that_is_made_while_the_replica_is_behind_answers_nothing_from_before() -> None:
    clock = ManualClock()
    primary: Primary[str, int] = Primary(clock)
    replica = Replica(primary, clock)
    primary.store("a", 1)
    cache = LocalCache(primary, replica, primary.newest(), clock=clock)
    assert replica.read("a").value is ABSENT
    assert cache.load("a") == (1, True)


# -- bounds


def test_the_bound_is_reached_and_not_passed(node: Deployment) -> None:
    fill(node, a=1)
    node.store("a", 2)
    node.advance(MAX_LAG)
    assert node.load("a") == (1, True)
    node.cache.refresh_after = inf
    node.advance(29)
    assert node.load("a") == (1, True), f"{BOUND - 1} s after it was overwritten"
    node.replicate()
    node.advance(1)
    assert node.load("a") == (2, True)


def test_without_a_log_a_write_is_not_seen_by_the_next_read(node: Deployment) -> None:
    fill(node, a=1)
    node.load("a")
    node.store("a", 2)
    assert node.load("a") == (1, True)


def test_two_caches_may_go_back_between_them(node: Deployment) -> None:
    other = LocalCache(node.primary, node.replica, node.primary.newest(), clock=node.clock)
    fill(node, a=1)
    other.load("a")
    fill(node, a=2)
    assert (node.load("a"), other.load("a")) == ((2, True), (1, True))


def test_many_keys_pass_through_and_are_gone() -> None:
    assert growth() == ""
    deployment = Deployment(inline=True, max_entries=3)
    for key in range(20):
        fill(deployment, **{str(key): key})
        deployment.load(str(key))
        assert len(deployment.cache) == min(key + 1, 3)
        deployment.check_invariants()


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_random_programs(name: str) -> None:
    assert divergence(random.Random(name), 3_000, **SEQUENTIAL[name]) == ""


class Sequence(RuleBasedStateMachine):
    """One thread; the oracle knows all that the primary ever held."""

    @initialize(
        delivery=st.sampled_from([1, 3, 12, inf]),
        max_entries=st.sampled_from([None, None, 1, 2]),
        negative_ttl=st.sampled_from([0.0, 5.0, 30.0]),
        inline=st.booleans(),
    )
    def begin(self, **options: Any) -> None:
        self.oracle = Oracle(**options)

    keys = st.sampled_from("abc")

    @rule(key=keys)
    def store(self, key: str) -> None:
        self.oracle.store(key)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        self.oracle.delete(key)

    @rule(key=keys)
    def load(self, key: str) -> None:
        self.oracle.load(key)

    @rule(changes=st.integers(1, 4))
    def replicate(self, changes: int) -> None:
        self.oracle.replicate(changes)

    @rule(changes=st.integers(1, 4))
    def deliver(self, changes: int) -> None:
        self.oracle.deliver(changes)

    @rule(index=st.integers(0, 20))
    def receive_again(self, index: int) -> None:
        self.oracle.receive_again(index)

    @rule(seconds=st.sampled_from([1, 4, 5, 9, 10, 29, 30]))
    def advance(self, seconds: int) -> None:
        self.oracle.advance(seconds)

    @rule()
    def refresh(self) -> None:
        self.oracle.deployment.refresh()

    @invariant()
    def holds(self) -> None:
        self.oracle.check_invariants()


TestSequence = Sequence.TestCase
TestSequence.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


# -- what the article says


def penetration(cache: type, keys: list[str], **options: Any) -> int:
    """How many of the lookups, one each second, reach a source that has only the key "present"."""
    node = Deployment(cache, inline=True, **options)
    fill(node, present=1)
    for key in keys:
        node.load(key)
        node.advance(1)
    return node.loads


def test_expiry_and_refresh_do_not_keep_lookups_of_an_absent_key_from_the_database() -> None:
    same = ["absent"] * 60
    assert penetration(ArticleCache, same) == 60
    assert penetration(LocalCache, same) == 12


def test_no_entry_keeps_lookups_of_ever_other_absent_keys_from_the_database() -> None:
    assert penetration(LocalCache, [f"absent {number}" for number in range(60)]) == 60


def test_the_lines_that_are_printed_cache_nothing() -> None:
    same = ["present"] * 60
    assert penetration(ArticleCache, same, puts=False) == 60
    assert penetration(ArticleCache, same) == 2
    assert penetration(LocalCache, same) == 6


def test_a_replica_that_is_behind_puts_back_what_the_log_removed() -> None:
    answers = {}
    for cache in (ArticleCache, LocalCache):
        node = Deployment(cache, inline=True)
        fill(node, a=1)
        node.store("a", 2)
        node.deliver()
        answers[cache] = [node.load("a")]
        node.replicate()
        node.advance(29)
        answers[cache].append(node.load("a"))
    assert answers == {ArticleCache: [(1, True)] * 2, LocalCache: [(2, True)] * 2}


# -- the manual


def test_the_page_prints_what_its_program_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "local-cache.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    printed = re.findall(r"```text\n(.*?)```", page, re.DOTALL)[0]
    (tmp_path / "orders.py").write_text(program)
    runpy.run_path(str(tmp_path / "orders.py"))
    assert capsys.readouterr().out == printed
