"""Operations that are atomic on many keys: against brute force and the plain search, with mutants; and at length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from random import Random
from typing import Any

import pytest
from histories import with_another_answer
from oracle import linearizable

from mapproof.spec.claims import Claims, Contract
from mapproof.spec.history import Operation
from mapproof.spec.linearizability import (
    ALL_KEYS,
    InternalError,
    Linearizable,
    Unknown,
    Violation,
    check,
    frontier,
    groups,
    moments,
    points,
)
from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.deciding import decide
from mapproof.spec.linearizability.pieces import spelled_out
from mapproof.spec.linearizability.search import Explained, find_order
from mapproof.spec.model import Inconsistent, MapModel
from mapproof.spec.operations import KEYED, SIGNATURES, WHOLE_MAP, Op

MODEL = MapModel()
ATOMIC = Claims(Contract.ATOMIC, Contract.ATOMIC, Contract.ATOMIC)


def c_apart(key: Any) -> bool:
    return bool(key == "c")


def one_shard(key: Any) -> int:
    return 0


def by_number(key: Any) -> int:
    return int(key) % 4


PER_SHARD = Claims(Contract.PER_SHARD, Contract.PER_SHARD, Contract.PER_SHARD, by_number)


def crowded(random: Random, most: int) -> list[Operation]:
    """Up to so many operations on 1 to 3 keys, nearly all at once, one to three of them on the whole map."""
    count, whole = random.randint(3, most), random.choice((1, 2, 2, 3))
    keys, longest, span = "abc"[: random.randint(1, 3)], random.choice((2, 4, 9)), random.choice((5, 10, 20))
    names = [op for op in KEYED if random.random() < 0.5] + [Op.STORE] + [Op.LOAD] * random.choice((0, 2))
    values = random.choice(((1,), (1, 2), (1, 2, 3), range(1, count + 1)))
    planned: list[Any] = []
    for client in range(count):
        op = random.choice(WHOLE_MAP) if client < whole else random.choice(names)
        call = random.randint(0, span)
        end = call + random.randint(0, longest)
        key = random.choice(keys) if SIGNATURES[op].keyed else None
        given = tuple(random.choice(values) for _ in SIGNATURES[op].arguments)
        planned.append((random.uniform(call, end), client, op, key, given, call, end))
    history = run(random, planned, 0.06)
    if random.random() < 0.6:
        place = random.randrange(count)
        history[place] = with_another_answer(random, history[place])
    return history


def run(random: Random, planned: list[Any], fault: float) -> list[Operation]:
    """The planned operations, each in effect at its moment, some of them pending or raised and perhaps not."""
    state, done = MODEL.initial, []
    for _, client, op, key, given, call, end in sorted(planned):
        fate = random.random()
        after, answer = MODEL.invoke(state, op, key, given)
        if fate >= 2 * fault or random.random() < 0.5:
            state = after
        if fate < fault:
            done.append(Operation(client, op, key, given, None, call, None))
        elif fate < 2 * fault:
            done.append(Operation(client, op, key, given, None, call, end, "KeyError"))
        else:
            done.append(Operation(client, op, key, given, answer, call, end))
    return sorted(done, key=lambda operation: operation.call)


def random_claims(random: Random, lens: tuple[Contract, ...]) -> Claims:
    strong = (Contract.PER_SHARD, Contract.ATOMIC)
    return Claims(
        range=random.choice((*strong, *strong, *Contract)),
        len=random.choice(lens),
        clear=random.choice((*strong, *Contract)),
        shard_of=random.choice((c_apart, one_shard, str)),
    )


def cases(
    seed: int,
    count: int,
    most: int,
    lens: tuple[Contract, ...] = (Contract.WEAK, Contract.PER_SHARD, Contract.ATOMIC),
) -> Iterator[tuple[list[Operation], Claims]]:
    random = Random(seed)
    for _ in range(count):
        yield crowded(random, most), random_claims(random, lens)


def told(history: list[Operation], claims: Claims) -> str:
    return "\n".join([str(claims), *(f"{op.call}..{op.return_} client {op.client} {op}" for op in history)])


@pytest.mark.parametrize("seed", range(6))
def test_against_brute_force_under_each_contract(seed: int) -> None:
    """Verdicts, and that a core is a violation by itself; every witness was replayed by the checker."""
    refuted = 0
    for history, claims in cases(seed, 1_000, 6):
        answer = check(history, claims)
        assert isinstance(answer, Linearizable) == linearizable(history, claims), told(history, claims)
        if isinstance(answer, Violation):
            refuted += 1
            assert not linearizable(answer.core, claims), told(history, claims)
    assert 100 < refuted < 600


@pytest.mark.parametrize("seed", range(4))
def test_against_the_plain_search_of_all_keys_at_once(seed: int) -> None:
    """More operations than brute force can take; the two even stumble at the same return."""
    no_bounds = Budget(10**9, inf)
    tied = 0
    for history, claims in cases(seed, 1_000, 11, (Contract.WEAK, Contract.ATOMIC)):
        found = groups.split(history, claims, no_bounds)
        for group in [] if isinstance(found, groups.Impossible) else found:
            if group.key is ALL_KEYS:
                tied += 1
                outcome = decide(group, group.actions, no_bounds)
                expected = find_order(group.actions, group.initial, group.step, no_bounds)  # type: ignore[misc]
                if isinstance(expected, Explained):
                    assert isinstance(outcome, Explained), told(history, claims)
                else:
                    assert not isinstance(outcome, Explained), told(history, claims)
                    assert outcome.place == expected.place, told(history, claims)
    assert tied > 450


def test_witnesses_of_pieces_replay() -> None:
    """Held here without the checker's own replay."""
    for history, claims in cases(9, 1_000, 6, (Contract.PER_SHARD,)):
        answer = check(history, claims)
        for witness in answer.witness if isinstance(answer, Linearizable) else ():
            state, latest = MODEL.initial, float("-inf")
            for op in witness.order:
                after = MODEL.step(state, op)
                assert not isinstance(after, Inconsistent), told(history, claims)
                assert op.return_ is None or op.return_ >= latest, told(history, claims)
                state, latest = after, max(latest, op.call)


def op(client: int, name: Op, key: Any, *given: Any, result: Any = None, at: tuple[int, int]) -> Operation:
    return Operation(client, name, key, given, result, *at)


def torn(pairs: list[Any]) -> list[Operation]:
    """y is stored, and then x, while a snapshot is taken."""
    return [
        op(0, Op.STORE, "y", 1, at=(1, 2)),
        op(0, Op.STORE, "x", 1, at=(3, 4)),
        op(1, Op.RANGE, None, result=pairs, at=(0, 5)),
    ]


def test_a_snapshot_that_sees_the_later_store_but_not_the_earlier() -> None:
    answer = check(torn([["x", 1]]), ATOMIC)
    assert isinstance(answer, Violation)
    assert answer.key is ALL_KEYS
    assert len(answer.core) == 3
    assert answer.explanation == (
        "no order of these 3 operations on the whole map explains all their results"
    )
    assert isinstance(check(torn([["x", 1]]), Claims(range=Contract.PER_KEY)), Linearizable)
    assert isinstance(check(torn([["y", 1]]), ATOMIC), Linearizable)


def test_a_snapshot_that_tears_one_shard_or_two() -> None:
    together, apart = (Claims(range=Contract.PER_SHARD, shard_of=of) for of in (one_shard, str))
    assert isinstance(check(torn([["x", 1]]), together), Violation)
    assert isinstance(check(torn([["x", 1]]), apart), Linearizable)


def test_a_len_may_miss_the_same_key_in_one_shard_and_meet_it_in_another() -> None:
    """One key is moved from shard to shard: atomic, there is always one; per shard, both or none may be met."""
    history = [
        op(0, Op.STORE, "a", 1, at=(0, 1)),
        op(1, Op.LEN, None, result=2, at=(2, 9)),
        op(0, Op.DELETE, "a", at=(3, 4)),
        op(0, Op.STORE, "b", 1, at=(5, 6)),
    ]
    assert isinstance(check(history, ATOMIC), Violation)
    assert isinstance(check(history, Claims(len=Contract.PER_SHARD, shard_of=one_shard)), Violation)
    answer = check(history, Claims(len=Contract.PER_SHARD, shard_of=str))
    assert isinstance(answer, Linearizable)
    assert [str(step) for step in answer.witness[0].order] == [
        "store('a', 1) -> None",
        "load('a') -> (1, True)",
        "delete('a') -> None",
        "store('b', 1) -> None",
        "load('b') -> (1, True)",
    ]


def test_several_counts_must_agree_on_the_keys_that_they_met() -> None:
    """Either store may be the first, but not another one for each `len`."""
    both = [op(0, Op.STORE, "a", 1, at=(0, 20)), op(1, Op.STORE, "b", 1, at=(0, 20))]
    one = op(2, Op.LEN, None, result=1, at=(1, 2))
    not_a = op(2, Op.LOAD, "a", result=(None, False), at=(3, 4))
    not_b = op(2, Op.LOAD, "b", result=(None, False), at=(5, 6))
    assert isinstance(check([*both, one, not_a], ATOMIC), Linearizable)
    assert isinstance(check([*both, one, not_a, not_b], ATOMIC), Violation)


def test_what_one_key_alone_refutes_is_told_of_that_key() -> None:
    history = [
        op(0, Op.STORE, "a", 1, at=(0, 1)),
        op(0, Op.STORE, "b", 1, at=(0, 1)),
        op(1, Op.RANGE, None, result=[["a", 1]], at=(2, 3)),
    ]
    answer = check(history, ATOMIC)
    assert isinstance(answer, Violation)
    assert answer.key == "b"
    assert [step.op for step in answer.core] == [Op.STORE, Op.RANGE]


def test_a_weak_clear_may_act_before_and_after_another_operation_that_it_lets_happen() -> None:
    history = [
        op(0, Op.STORE, "a", 1, at=(0, 1)),
        op(1, Op.CLEAR, None, at=(2, 10)),
        op(2, Op.LOAD_OR_STORE, "a", 2, result=(2, False), at=(3, 15)),
        op(0, Op.LOAD, "a", result=(None, False), at=(16, 17)),
    ]
    assert linearizable(history, Claims())
    assert isinstance(check(history), Linearizable)
    tied = [*history, op(0, Op.LEN, None, result=0, at=(18, 19))]
    assert isinstance(check(tied), Linearizable)


def test_claims_that_say_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="per_shard needs shard_of"):
        Claims(clear=Contract.PER_SHARD)
    with pytest.raises(ValueError, match="weak, per_shard or atomic"):
        Claims(len=Contract.PER_KEY)


def test_pieces_that_do_not_add_up_are_an_internal_error() -> None:
    history = [op(0, Op.STORE, "a", 1, at=(0, 1)), op(0, Op.LEN, None, result=1, at=(2, 3))]
    found = groups.split(history, Claims(len=Contract.PER_SHARD, shard_of=str), Budget(100, inf))
    assert not isinstance(found, groups.Impossible)
    with pytest.raises(InternalError, match="met 0 keys"):
        spelled_out(found[0], [0, 1])


def generated(seed: int, count: int, clients: int, keys: int, whole: float) -> list[Operation]:
    """A linearizable history of clients that are nearly always busy; every store has a value of its own."""
    random = Random(seed)
    free_at = [0] * clients
    planned: list[Any] = []
    for number in range(count):
        client = min(range(clients), key=free_at.__getitem__)
        call = free_at[client] + random.randint(1, 200)
        end = free_at[client] = call + int(random.expovariate(0.001))
        names = WHOLE_MAP if random.random() < whole else (Op.LOAD,) * 4 + (Op.STORE,) * 5 + (Op.DELETE,)
        op = random.choice(names)
        key = random.randrange(keys) if SIGNATURES[op].keyed else None
        given = tuple(number for _ in SIGNATURES[op].arguments)
        planned.append((random.uniform(call, end), client, op, key, given, call, end))
    return run(random, planned, 0.0)


@pytest.mark.parametrize(
    ("clients", "keys", "whole"), [(8, 16, 0.05), (8, 2, 0.05), (16, 16, 0.02), (4, 16, 0.3)]
)
def test_long_histories_with_atomic_operations(clients: int, keys: int, whole: float) -> None:
    assert isinstance(check(generated(1, 2_000, clients, keys, whole), ATOMIC), Linearizable)


def test_a_long_history_that_is_atomic_per_shard() -> None:
    claims = Claims(Contract.PER_SHARD, Contract.WEAK, Contract.PER_SHARD, by_number)
    assert isinstance(check(generated(1, 2_000, 8, 16, 0.05), claims), Linearizable)
    assert isinstance(check(generated(1, 300, 8, 16, 0.05), PER_SHARD), Linearizable)


def test_a_torn_snapshot_in_a_long_history_is_found() -> None:
    history = generated(2, 2_000, 8, 16, 0.05)
    end = max(step.return_ or 0 for step in history)
    later = [
        Operation(
            step.client,
            step.op,
            step.key,
            step.args,
            step.result,
            step.call + end + 2,
            step.return_ + end + 2,
        )
        for step in [op(0, Op.CLEAR, None, at=(-2, -1)), *torn([["x", 1]])]
        if step.return_ is not None
    ]
    answer = check([*history, *later], ATOMIC)
    assert isinstance(answer, Violation)
    assert answer.key is ALL_KEYS
    assert len(answer.core) <= 4
    assert answer.core[0].call >= end


def test_a_bound_that_runs_out_is_no_verdict() -> None:
    history = generated(1, 2_000, 8, 16, 0.05)
    assert check(history, ATOMIC, max_configurations=50) == Unknown(
        "the bound of 50 configurations ran out on the whole map"
    )
    assert check(history, ATOMIC, limit_seconds=0.02).verdict.value == "UNKNOWN"


Patch = Callable[[pytest.MonkeyPatch], None]
MUTANTS: dict[str, Patch] = {}


def mutant(patch: Patch) -> Patch:
    MUTANTS[patch.__name__] = patch
    return patch


@mutant
def a_moment_is_tried_only_before_its_own_return(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier.Key, "settled", lambda *_: True)


@mutant
def a_key_that_may_be_present_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    original = moments._Walk._options
    monkeypatch.setattr(moments._Walk, "_options", lambda *args: original(*args)[-1:])


@mutant
def a_count_need_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "combinations", lambda places, many: [()])


@mutant
def every_change_may_go_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier._Running, "blind", property(lambda self: not self.reads))


@mutant
def no_change_may_go_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    original = frontier._add
    monkeypatch.setattr(
        frontier, "_add", lambda settled, state, done, hidden: original(settled, state, done, 0)
    )


@mutant
def a_running_read_notices_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier, "_with_free", lambda state, done, free: done)


@mutant
def one_possibility_of_a_state_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier, "_better", lambda one, other: one[0] == other[0] and one < other)


@mutant
def moments_come_after_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    original = points._times
    monkeypatch.setattr(
        points,
        "_times",
        lambda found: original([moment._replace(event=moment.event + 1) for moment in found]),
    )


@mutant
def all_keys_are_one_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        groups._WholeMap,
        "_names_by_shard",
        lambda self: {"": list(self._keys.names)} if self._keys.names else {},
    )


@mutant
def branches_agree_if_their_frontiers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        moments, "_distinct", lambda found: list({tuple(one.frontiers): one for one in found}.values())
    )


@mutant
def what_touches_other_keys_can_always_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def bound_to(self: Any, bound: list[int], keys: frozenset[int]) -> list[int]:
        near = [place for place in self._shared if not self._touched[place].isdisjoint(keys)]
        return list({*bound, *near})

    monkeypatch.setattr(moments._Walk, "_bound_to", bound_to)


def a_clear_that_waits() -> list[Operation]:
    """It could act on the empty map, but it must delete what is inserted after that."""
    return [
        op(0, Op.CLEAR, None, at=(0, 10)),
        op(1, Op.LOAD_OR_STORE, "a", 1, result=(1, False), at=(1, 2)),
        op(1, Op.LOAD, "a", result=(None, False), at=(3, 4)),
        op(1, Op.LOAD, "b", result=(None, False), at=(5, 6)),
    ]


def a_clear_between_two_shards() -> list[Operation]:
    """The load of c forces the clear; the range met a and b before it, and c after it."""
    return [
        op(1, Op.STORE, "a", 1, at=(0, 1)),
        op(1, Op.STORE, "b", 1, at=(0, 1)),
        op(1, Op.STORE, "c", 1, at=(2, 3)),
        op(0, Op.RANGE, None, result=[["a", 1], ["b", 1]], at=(4, 20)),
        op(2, Op.CLEAR, None, at=(5, 15)),
        op(1, Op.LOAD, "c", result=(None, False), at=(6, 7)),
    ]


TELLING = [
    (a_clear_that_waits(), ATOMIC),
    (torn([["x", 1]]), Claims(range=Contract.PER_SHARD, shard_of=str)),
    (a_clear_between_two_shards(), Claims(Contract.PER_SHARD, clear=Contract.ATOMIC, shard_of=c_apart)),
]
"""Linearizable, and what it takes to see it is rare among random histories."""


@pytest.mark.parametrize(("history", "claims"), TELLING)
def test_telling_histories(history: list[Operation], claims: Claims) -> None:
    assert linearizable(history, claims)
    assert isinstance(check(history, claims), Linearizable)


def caught(history: list[Operation], claims: Claims) -> bool:
    """The mutant's verdict is wrong, or it comes to contradict itself."""
    try:
        return isinstance(check(history, claims), Linearizable) != linearizable(history, claims)
    except (AssertionError, IndexError):
        return True


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](monkeypatch)
    assert any(caught(history, claims) for history, claims in [*TELLING, *cases(1, 4_000, 6)])
