"""The other verdicts against brute force on random small histories, their words, and mutants that this catches."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import combinations, permutations
from math import inf
from pathlib import Path
from random import Random
from typing import Any

import pytest
from histories import random_history
from oracle import linearizable

from mapproof.spec.consistency import (
    NotRegular,
    NotSequentiallyConsistent,
    Regular,
    SequentiallyConsistent,
    Staleness,
    Unexplained,
    registers,
    regular,
    sequential,
    sequentially_consistent,
    stale_reads,
    staleness,
)
from mapproof.spec.history import Operation
from mapproof.spec.linearizability import InternalError, Unknown
from mapproof.spec.model import Inconsistent, MapModel, MapState, same_answer
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.spec.values import ABSENT, identity

MODEL = MapModel()
PAGE = Path(__file__).parents[2] / "docs" / "consistency.md"
HISTORIES = 1_500


def cases(seed: int, count: int, whole_map: bool = False) -> Iterator[list[Operation]]:
    random = Random(seed)
    for _ in range(count):
        yield random_history(random, whole_map=whole_map)


def told(history: Iterable[Operation]) -> str:
    return "\n".join(f"{op.call}..{op.return_} client {op.client} {op}" for op in history)


# -- brute force: sequential consistency


def sequential_by_brute_force(history: list[Operation]) -> bool:
    """Try every interleaving of the clients, and for what was not answered both that it happened and not."""
    clients: dict[int, list[Operation]] = {}
    for op in sorted(history, key=lambda op: (op.call, inf if op.return_ is None else op.return_)):
        clients.setdefault(op.client, []).append(op)
    return some_interleaving(list(clients.values()), MODEL.initial)


def some_interleaving(clients: list[list[Operation]], state: MapState) -> bool:
    if not any(clients):
        return True
    for at, own in enumerate(clients):
        if not own:
            continue
        rest = [*clients[:at], own[1:], *clients[at + 1 :]]
        after, answer = MODEL.invoke(state, own[0].op, own[0].key, own[0].args)
        if not own[0].completed:
            if some_interleaving(rest, state) or some_interleaving(rest, after):
                return True
        elif same_answer(own[0].op, own[0].result, answer) and some_interleaving(rest, after):
            return True
    return False


# -- brute force: regular reads and missed writes


def written(op: Operation) -> Any:
    """What an operation on one key, or a `clear`, leaves as another state (ABSENT: nothing there); None for nothing."""
    done = op.completed
    match op.op:
        case Op.STORE:
            return [op.args[0]]
        case Op.DELETE | Op.CLEAR:
            return [ABSENT]
        case Op.LOAD_OR_STORE:
            return [op.args[0]] if not done or not op.result[1] else None
        case Op.LOAD_AND_DELETE:
            return [ABSENT] if not done or op.result[1] else None
        case Op.SWAP:
            same = done and op.result[1] and identity(op.result[0]) == identity(op.args[0])
            return None if same else [op.args[0]]
        case Op.COMPARE_AND_SWAP:
            same = identity(op.args[0]) == identity(op.args[1])
            return [op.args[1]] if (not done or op.result) and not same else None
        case Op.COMPARE_AND_DELETE:
            return [ABSENT] if not done or op.result else None
    return None


def accepts(op: Operation) -> Callable[[Any], bool] | None:
    """Which states an operation on one key may have found; None if it says nothing."""
    if not op.completed or op.op in (Op.STORE, Op.DELETE):
        return None
    if op.op in (Op.COMPARE_AND_SWAP, Op.COMPARE_AND_DELETE):
        return lambda state: (state is not ABSENT and identity(state) == identity(op.args[0])) == op.result
    value, there = op.result
    if op.op is Op.LOAD_OR_STORE and not there:
        return lambda state: state is ABSENT and identity(value) == identity(op.args[0])
    return lambda state: (identity(state) == identity(value)) if there else state is ABSENT


def missed_by_brute_force(history: list[Operation]) -> float:
    """The most writes that some read must have missed; `inf` if one has no explanation."""
    worst: float = 0
    for read in history:
        if not SIGNATURES[read.op].keyed or accepts(read) is None:
            continue
        others = [op for op in history if op is not read and (op.key == read.key or op.op is Op.CLEAR)]
        writes = [op for op in others if written(op) is not None]
        sure = [op for op in writes if op.completed]
        unsure = [op for op in writes if not op.completed]
        chosen = ([*sure, *some] for size in range(len(unsure) + 1) for some in combinations(unsure, size))
        worst = max(worst, min((fewest_between(read, some) for some in chosen), default=inf))
    return worst


def fewest_between(read: Operation, writes: list[Operation]) -> float:
    """Over all orders that respect time: the fewest writes after one that the read accepts, before the read."""
    accepted, fewest = accepts(read), inf
    assert accepted is not None
    for order in permutations([*writes, read]):
        if any(y.return_ is not None and y.return_ < x.call for x, y in combinations(order, 2)):
            continue
        before = [[ABSENT], *(written(op) for op in order[: order.index(read)])]
        fresh = next((n for n, (state,) in enumerate(reversed(before)) if accepted(state)), inf)
        fewest = min(fewest, fresh)
    return fewest


def small(history: list[Operation]) -> bool:
    return sum(written(op) is not None for op in history) <= 5


# -- brute force: delta


def delta_by_brute_force(history: list[Operation], most: int = 40) -> float:
    judged = [op for op in history if op.op not in (Op.RANGE, Op.LEN)]
    return next((d for d in range(most) if linearizable([earlier(op, d) for op in judged])), inf)


def earlier(op: Operation, delta: int) -> Operation:
    return replace(op, call=op.call - delta) if op.completed and written(op) is None else op


# -- comparisons: each says whether the verdict is right


def right_sequential(history: list[Operation]) -> bool:
    answer = sequentially_consistent(history)
    if isinstance(answer, NotSequentiallyConsistent) and sequential_by_brute_force(
        with_the_rest_possible(answer.core, history)
    ):
        return False
    return isinstance(answer, SequentiallyConsistent) == sequential_by_brute_force(history)


def with_the_rest_possible(core: tuple[Operation, ...], history: list[Operation]) -> list[Operation]:
    """The core, with the stores and deletes that it left out as operations that may have happened."""
    left = {id(op) for op in core}
    rest = [op for op in history if id(op) not in left and op.op in (Op.STORE, Op.DELETE)]
    return [*core, *(replace(op, error="Perhaps") if op.completed else op for op in rest)]


def right_regular(history: list[Operation]) -> bool:
    return isinstance(regular(history), Regular) == (missed_by_brute_force(history) == 0)


def right_missed(history: list[Operation]) -> bool:
    answer = staleness(history)
    return missed_by_brute_force(history) == (answer.missed if isinstance(answer, Staleness) else inf)


def right_delta(history: list[Operation]) -> bool:
    answer = staleness(history)
    return delta_by_brute_force(history) == (answer.delta if isinstance(answer, Staleness) else inf)


@pytest.mark.parametrize("whole_map", [False, True])
def test_sequential_consistency_is_exact(whole_map: bool) -> None:
    for history in cases(1, HISTORIES, whole_map):
        assert right_sequential(history), told(history)


@pytest.mark.parametrize("whole_map", [False, True])
def test_regularity_and_missed_writes_are_exact(whole_map: bool) -> None:
    for history in filter(small, cases(2, HISTORIES, whole_map)):
        assert right_regular(history), told(history)
        assert right_missed(history), told(history)


def test_delta_is_exact() -> None:
    for history in cases(3, HISTORIES // 2):
        assert right_delta(history), told(history)


def test_the_histories_are_worth_comparing() -> None:
    some = [*cases(4, 400)]
    verdicts = [isinstance(sequentially_consistent(history), SequentiallyConsistent) for history in some]
    assert 0.1 < verdicts.count(False) / len(some) < 0.6
    found = [answer for answer in map(staleness, some) if isinstance(answer, Staleness)]
    assert sum(answer.missed == 1 for answer in found) > 5
    assert sum(answer.missed > 1 for answer in found) > 1
    assert sum(answer.delta not in (0, inf) for answer in found) > 10
    assert sum(answer.delta == inf for answer in found) > 10


def test_a_linearizable_history_keeps_every_promise() -> None:
    random = Random(5)
    for _ in range(300):
        history = random_history(random, perturbed=False)
        assert isinstance(sequentially_consistent(history), SequentiallyConsistent)
        assert isinstance(regular(history), Regular)
        answer = staleness(history)
        assert isinstance(answer, Staleness)
        assert (answer.missed, answer.delta) == (0, 0)


# -- mutants

Patch = Callable[[pytest.MonkeyPatch], None]
MUTANTS: dict[str, tuple[Patch, Callable[[list[Operation]], bool], bool]] = {}


def mutant(right: Callable[[list[Operation]], bool], whole_map: bool = False) -> Callable[[Patch], Patch]:
    def keep(patch: Patch) -> Patch:
        MUTANTS[patch.__name__] = patch, right, whole_map
        return patch

    return keep


def patch_steps(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    original = sequential._step

    def changed(*given: Any) -> Any:
        step = original(*given)
        return step if step is None or isinstance(step, Inconsistent) else step._replace(**fields)

    monkeypatch.setattr(sequential, "_step", changed)


@mutant(right_sequential)
def clients_have_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequential, "_by_client", lambda steps: [[step] for step in steps])


@mutant(right_sequential)
def what_was_not_answered_must_have_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    patch_steps(monkeypatch, optional=False)


@mutant(right_sequential)
def reads_take_effect_in_any_state(monkeypatch: pytest.MonkeyPatch) -> None:
    original = sequential._after
    monkeypatch.setattr(
        sequential, "_after", lambda state, step: original(state, step) or state if step.parts else state
    )


@mutant(right_sequential)
def what_changes_nothing_now_is_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delete of a missing key may be needed later."""
    original = sequential._after

    def unchanged(clients: Any, places: Any, state: Any, link: Any) -> Any:
        moved = list(places)
        for at, steps in enumerate(clients):
            while moved[at] < len(steps) and original(state, steps[moved[at]]) == state:
                link = (link, steps[moved[at]])
                moved[at] += 1
        return tuple(moved), state, link

    monkeypatch.setattr(sequential, "_taken_at_once", unchanged)


@mutant(right_sequential, whole_map=True)
def a_len_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    patch_steps(monkeypatch, length=None)


@mutant(right_sequential)
def any_write_may_be_left_out_of_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left alone, a core would say no more than that a read has lost its write."""
    monkeypatch.setattr(sequential, "_loses_nothing", lambda step, rest: True)


@mutant(right_regular)
def a_read_may_answer_the_future(monkeypatch: pytest.MonkeyPatch) -> None:
    original = registers.Writes.explaining
    monkeypatch.setattr(
        registers.Writes, "explaining", lambda self, read: original(self, read._replace(return_=inf))
    )


@mutant(right_regular)
def equal_times_are_ordered(monkeypatch: pytest.MonkeyPatch) -> None:
    original = registers.Writes.newest_before
    monkeypatch.setattr(
        registers.Writes,
        "newest_before",
        lambda self, read: original(self, read._replace(call=read.call + 1)),
    )


@mutant(right_regular)
def what_was_not_answered_overwrites(monkeypatch: pytest.MonkeyPatch) -> None:
    original = registers.Writes.__init__
    monkeypatch.setattr(
        registers.Writes,
        "__init__",
        lambda self, accesses: original(self, [access._replace(optional=False) for access in accesses]),
    )


@mutant(right_regular)
def the_first_write_of_a_value_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registers, "_later_return", lambda one, other: one)


@mutant(right_regular)
def failed_compares_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    original = registers.Writes.explaining
    monkeypatch.setattr(
        registers.Writes,
        "explaining",
        lambda self, read: original(self, read) if read.effect.wanted >= 0 else self._best[-1],
    )


@mutant(right_missed)
def overlapping_writes_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    original = stale_reads._CountsByCall.above
    monkeypatch.setattr(stale_reads._CountsByCall, "above", lambda self, bound: original(self, bound - 1))


@mutant(right_delta)
def the_search_stops_one_early(monkeypatch: pytest.MonkeyPatch) -> None:
    original = stale_reads._least
    monkeypatch.setattr(stale_reads, "_least", lambda *given: original(*given) + 1)


@mutant(right_delta)
def what_also_writes_is_called_earlier_too(monkeypatch: pytest.MonkeyPatch) -> None:
    original = stale_reads._linearizable

    def all_earlier(accesses: Any, delta: Any, budget: Any) -> Any:
        return original([access._replace(call=access.call - delta) for access in accesses], 0, budget)

    monkeypatch.setattr(stale_reads, "_linearizable", all_earlier)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patch, right, whole_map = MUTANTS[name]
    patch(monkeypatch)

    def wrong(history: list[Operation]) -> bool:
        try:
            return not right(history)
        except InternalError:
            return True

    assert any(wrong(history) for history in filter(small, cases(6, HISTORIES, whole_map)))


# -- words, bounds and mistakes


def op(
    client: int, name: Op, args: tuple[Any, ...], result: Any, call: int, end: int | None, key: Any = "a"
) -> Operation:
    return Operation(client, name, key, args, result, call, end)


STALE = [
    op(0, Op.STORE, (1,), None, 0, 1),
    op(0, Op.STORE, (2,), None, 2, 3),
    op(0, Op.STORE, (3,), None, 4, 5),
    op(1, Op.LOAD, (), (1, True), 10, 12),
]


def test_a_stale_read_in_words() -> None:
    answer = regular(STALE)
    assert answer == NotRegular(STALE[3], "a", STALE[0], STALE[2], answer.sentence)
    assert answer.sentence == (
        "client 1's load('a') -> (1, True) at 10..12, but 1 of client 0's store('a', 1) -> None at 0..1 was "
        "overwritten by client 0's store('a', 3) -> None at 4..5, which had returned before it was called"
    )
    measured = staleness(STALE)
    assert measured == Staleness(2, STALE[3], 7)
    assert measured.sentence == (
        "the stalest read missed 2 newer: client 1's load('a') -> (1, True) at 10..12; "
        "the history is linearizable if reads are called 7 units earlier, and not with less"
    )
    assert isinstance(sequentially_consistent(STALE), SequentiallyConsistent)


def test_a_value_from_nowhere_is_not_stale() -> None:
    read = op(0, Op.LOAD, (), (5, True), 0, 1)
    for answer in (regular([read]), staleness([read])):
        assert isinstance(answer, NotRegular | Unexplained)
        assert answer.sentence.startswith(
            "client 0's load('a') -> (5, True) at 0..1, but nobody had stored 5 under 'a'"
        )


def test_other_states_in_words() -> None:
    lost = [op(0, Op.STORE, (1,), None, 0, 1), op(0, Op.LOAD, (), (None, False), 2, 3)]
    assert "the missing key of the start was overwritten" in regular(lost).sentence
    refused = [*lost[:1], op(1, Op.COMPARE_AND_SWAP, (1, 2), False, 2, 3)]
    assert "every state but 1 of the start was overwritten" in regular(refused).sentence
    twice = [op(0, Op.LOAD_OR_STORE, (1,), (2, False), 0, 1)]
    assert "answered to have stored" in regular(twice).sentence
    assert isinstance(staleness(twice), Unexplained)


def test_two_winners_are_regular_but_no_widening_explains_them() -> None:
    history = [
        op(0, Op.STORE, (1,), None, 0, 1),
        op(1, Op.COMPARE_AND_SWAP, (1, 2), True, 2, 6),
        op(2, Op.COMPARE_AND_SWAP, (1, 3), True, 3, 7),
    ]
    assert isinstance(regular(history), Regular)
    answer = staleness(history)
    assert answer == Staleness(0, None, inf)
    assert answer.sentence.endswith("calling reads earlier makes the history linearizable by no amount")


def test_reads_that_disagree_about_two_keys() -> None:
    """Store buffering, and independent reads: each key is fine alone, the map is not sequentially consistent."""
    history = [
        op(0, Op.STORE, (1,), None, 0, 1, "x"),
        op(0, Op.LOAD, (), (None, False), 2, 3, "y"),
        op(1, Op.STORE, (1,), None, 0, 1, "y"),
        op(1, Op.LOAD, (), (None, False), 2, 3, "x"),
    ]
    noise = [op(2, Op.STORE, (number,), None, number, number + 1, "z") for number in range(5)]
    answer = sequentially_consistent([*history, *noise])
    assert isinstance(answer, NotSequentiallyConsistent)
    assert set(map(str, answer.core)) == set(map(str, history))
    assert answer.sentence == (
        "no order of these 4 operations that keeps each client's own explains all their results"
    )
    assert isinstance(sequentially_consistent(history[:3]), SequentiallyConsistent)


def test_bounds_end_in_an_answer_of_their_own() -> None:
    history = [op(client, Op.STORE, (client,), None, 0, 1) for client in range(8)]
    history.append(op(9, Op.LOAD, (), (5, True), 0, 1))
    history.append(op(9, Op.LOAD, (), (6, True), 2, 3))
    history.append(op(9, Op.LOAD, (), (5, True), 4, 5))
    assert isinstance(sequentially_consistent(history, max_configurations=10), Unknown)
    assert isinstance(
        sequentially_consistent(history, limit_seconds=1e-9), NotSequentiallyConsistent | Unknown
    )
    answer = staleness(history, limit_seconds=1e-9)
    assert isinstance(answer, Staleness)
    assert answer.delta is None
    assert answer.sentence.endswith("is not known, for a bound ran out")
    enough = sequentially_consistent(history)
    assert isinstance(enough, NotSequentiallyConsistent)


def test_a_core_that_could_not_be_made_small_says_so() -> None:
    """Enough configurations to refute, too few to refute again and again."""
    noise = [op(2, Op.STORE, (number,), None, number, number + 1, "z") for number in range(5)]
    lost = [op(0, Op.STORE, (1,), None, 0, 1), op(0, Op.LOAD, (), (None, False), 2, 3)]
    sentences = list[str]()
    for bound in range(1, 100):
        answer = sequentially_consistent([*lost, *noise], max_configurations=bound)
        sentences += [answer.sentence] if isinstance(answer, NotSequentiallyConsistent) else []
    assert "a bound ran out while looking for fewer operations" in sentences[0]
    assert "these 2 operations" in sentences[-1]
    assert "bound" not in sentences[-1]


def test_a_client_that_does_two_things_at_once_is_refused() -> None:
    history = [op(0, Op.STORE, (1,), None, 0, 5), op(0, Op.STORE, (2,), None, 3, 6)]
    with pytest.raises(ValueError, match=r"client 0 calls store\('a', 2\) -> None while it does"):
        sequentially_consistent(history)


def test_long_histories_are_measured() -> None:
    history = [op(0, Op.STORE, (number,), None, 2 * number, 2 * number + 1) for number in range(3_000)]
    history.append(op(1, Op.LOAD, (), (0, True), 7_000, 7_001))
    answer = staleness(history)
    assert isinstance(answer, Staleness)
    assert (answer.missed, answer.delta) == (2_999, 7_000 - 3)
    assert isinstance(regular(history), NotRegular)
    assert isinstance(sequentially_consistent(history), SequentiallyConsistent)


def test_the_program_of_the_manual_prints_what_it_shows() -> None:
    page = PAGE.read_text()
    program, printed = re.findall(r"^```(?:python|text)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == (printed, "")
