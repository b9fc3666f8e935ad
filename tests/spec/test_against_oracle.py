"""The checker against brute force on 35,000 random histories, and mutants of the checker that this catches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from math import inf
from random import Random
from typing import Any

import pytest
from histories import random_history
from oracle import linearizable

from mapproof.spec.claims import Claims, Contract
from mapproof.spec.history import Operation
from mapproof.spec.linearizability import InternalError, Linearizable, Violation, check, groups, search
from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.effects import NO_EFFECT, NONE, Effect, effect_of
from mapproof.spec.model import Inconsistent, MapModel
from mapproof.spec.operations import Op

KEYED_HISTORIES = 5_000
WHOLE_MAP_HISTORIES = 1_000


def one_shard(key: object) -> int:
    return 0


def random_claims(random: Random) -> Claims:
    return Claims(
        range=random.choice(list(Contract)),
        len=random.choice((Contract.WEAK, Contract.PER_SHARD, Contract.ATOMIC)),
        clear=random.choice(list(Contract)),
        shard_of=random.choice((one_shard, str)),
    )


def cases(seed: int, count: int, whole_map: bool) -> Iterator[tuple[list[Operation], Claims]]:
    random = Random(seed)
    for _ in range(count):
        history = random_history(random, whole_map=whole_map)
        yield history, random_claims(random) if whole_map else Claims()


def told(history: list[Operation], claims: Claims) -> str:
    lines = [f"{op.call}..{op.return_} client {op.client} {op}" for op in history]
    return "\n".join([str(claims), *lines])


def compare(seed: int, count: int, whole_map: bool) -> None:
    for history, claims in cases(seed, count, whole_map):
        answer = check(history, claims)
        expected = Linearizable if linearizable(history, claims) else Violation
        assert isinstance(answer, expected), told(history, claims)


@pytest.mark.parametrize("seed", range(5))
def test_keyed_operations(seed: int) -> None:
    compare(seed, KEYED_HISTORIES, whole_map=False)


@pytest.mark.parametrize("seed", range(100, 110))
def test_whole_map_operations_under_each_contract(seed: int) -> None:
    compare(seed, WHOLE_MAP_HISTORIES, whole_map=True)


@pytest.mark.parametrize("whole_map", [False, True])
def test_the_histories_are_worth_comparing(whole_map: bool) -> None:
    """Both answers are common, and simulated histories are linearizable, or the comparison would show little."""
    answers = [linearizable(history, claims) for history, claims in cases(1, 1_000, whole_map)]
    assert 0.15 < answers.count(False) / len(answers) < 0.6
    random = Random(2)
    atomic = Claims(Contract.ATOMIC, Contract.ATOMIC, Contract.ATOMIC)
    for _ in range(300):
        assert linearizable(random_history(random, whole_map=whole_map, perturbed=False), atomic)


@pytest.mark.parametrize("whole_map", [False, True])
def test_witnesses_replay(whole_map: bool) -> None:
    """Held here without the checker's own replay: answers, time, and each completed keyed operation once."""
    model = MapModel()
    for history, claims in cases(3, 1_000, whole_map):
        answer = check(history, claims)
        if not isinstance(answer, Linearizable):
            continue
        shown = [op for witness in answer.witness for op in witness.order]
        for witness in answer.witness:
            state, latest = model.initial, float("-inf")
            for op in witness.order:
                after = model.step(state, op)
                assert not isinstance(after, Inconsistent), told(history, claims)
                assert op.return_ is None or op.return_ >= latest, told(history, claims)
                state, latest = after, max(latest, op.call)
        for op in history:
            if op.completed and op.op not in (Op.RANGE, Op.LEN, Op.CLEAR):
                assert sum(op is other for other in shown) == 1, told(history, claims)


Patch = Callable[[pytest.MonkeyPatch], None]
MUTANTS: dict[str, Patch] = {}
SEARCH_MUTANTS: dict[str, Patch] = {}


def mutant(patch: Patch) -> Patch:
    MUTANTS[patch.__name__] = patch
    return patch


def mutant_of_the_search(patch: Patch) -> Patch:
    SEARCH_MUTANTS[patch.__name__] = patch
    return patch


def patch_effects(monkeypatch: pytest.MonkeyPatch, changed: Callable[[Operation, Any], Any]) -> None:
    monkeypatch.setattr(groups, "effect_of", lambda op, values: changed(op, effect_of(op, values)))


def patch_actions(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    original = groups._action
    monkeypatch.setattr(groups, "_action", lambda *args: original(*args)._replace(**fields))


@mutant
def raised_operations_must_take_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    patch_actions(monkeypatch, optional=False)


@mutant
def unanswered_operations_never_take_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    patch_effects(monkeypatch, lambda op, effect: effect if op.completed else NO_EFFECT)


@mutant
def failed_comparisons_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    patch_effects(monkeypatch, lambda op, e: NO_EFFECT if isinstance(e, Effect) and e.unless != NONE else e)


@mutant
def a_wrong_load_or_store_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    patch_effects(monkeypatch, lambda op, e: NO_EFFECT if isinstance(e, Inconsistent) else e)


@mutant_of_the_search
def equal_times_are_ordered(monkeypatch: pytest.MonkeyPatch) -> None:
    def events(actions: Any, budget: Any) -> list[tuple[bool, int]]:
        times = [(action.call, 1, False, place) for place, action in enumerate(actions)]
        times += [
            (action.return_, 0 if action.return_ > action.call else 2, True, place)
            for place, action in enumerate(actions)
            if action.return_ != search.PENDING
        ]
        return [(returns, place) for _, _, returns, place in sorted(times)]

    monkeypatch.setattr(search, "_events", events)


@mutant_of_the_search
def reads_take_effect_whatever_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    original = search._at_once
    monkeypatch.setattr(
        search, "_at_once", lambda live, free, _: original(live, free, lambda state, _: state)
    )


@mutant_of_the_search
def only_the_returning_operation_takes_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    original = search._returned

    def returned(live: Any, running: Any, reads: Any, writers: Any, *others: Any) -> Any:
        return original(live, running, reads, [running] if not reads else [], *others)

    monkeypatch.setattr(search, "_returned", returned)


@mutant_of_the_search
def an_operation_in_effect_may_be_so_again(monkeypatch: pytest.MonkeyPatch) -> None:
    patch_actions(monkeypatch, repeatable=True)


@mutant_of_the_search
def operations_on_all_keys_depend_on_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def dependent(returning: Any, writers: Any, readers: Any) -> Any:
        return [writer for writer in writers if writer.part == returning.part]

    monkeypatch.setattr(search, "_dependent", dependent)


@mutant
def clear_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    original = groups._WholeMap._add

    def add(self: Any, index: int, operation: Operation) -> None:
        if operation.op is not Op.CLEAR:
            original(self, index, operation)

    monkeypatch.setattr(groups._WholeMap, "_add", add)


@mutant
def a_weak_clear_deletes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    patch_actions(monkeypatch, repeatable=False)


@mutant
def weak_answers_are_always_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups._Changes, "meet", lambda self, operation: False)


@mutant
def weak_answers_are_never_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups._Changes, "meet", lambda self, operation: True)


@mutant
def a_range_may_answer_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups._WholeMap, "_refusal", lambda self, operation: None)


def caught(history: list[Operation], claims: Claims, right: bool) -> bool:
    """The mutant's answer is wrong, or its witness does not replay."""
    try:
        return isinstance(check(history, claims), Linearizable) != right
    except InternalError:
        return True


@cache
def judged() -> list[tuple[list[Operation], Claims, bool]]:
    """Cases for all mutants, and what brute force says of each."""
    both = [*cases(0, 2_000, False), *cases(100, 6_000, True)]
    return [(history, claims, linearizable(history, claims)) for history, claims in both]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_of_the_checker_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    both = judged()
    MUTANTS[name](monkeypatch)
    assert any(caught(history, claims, right) for history, claims, right in both)


def searched(history: list[Operation], claims: Claims) -> bool:
    """Whether the plain search, on all tied keys at once, finds an order."""
    no_bounds = Budget(10**9, inf)
    found = groups.split(history, claims, no_bounds)
    return not isinstance(found, groups.Impossible) and all(
        isinstance(search.find_order(group.actions, group.initial, group.step, no_bounds), search.Explained)
        for group in found
    )


def search_cases() -> Iterator[tuple[list[Operation], Claims]]:
    """Without a `len` that is taken in pieces: the sum over them is nothing that one step can know."""
    yield from cases(0, 2_000, False)
    yield from (case for case in cases(100, 1_500, True) if case[1].len is not Contract.PER_SHARD)


def test_the_plain_search() -> None:
    for history, claims in search_cases():
        assert searched(history, claims) == linearizable(history, claims), told(history, claims)


@pytest.mark.parametrize("name", SEARCH_MUTANTS)
def test_a_mutant_of_the_search_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    SEARCH_MUTANTS[name](monkeypatch)
    assert any(searched(*case) != linearizable(*case) for case in search_cases())
