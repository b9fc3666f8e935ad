"""The online checker against brute force, event by event; its memory; mutants of it that this catches."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from math import inf
from random import Random
from types import ModuleType
from typing import Any

import pytest
from histories import random_history
from oracle import linearizable

from mapproof.spec.claims import Claims, Contract
from mapproof.spec.evidence import Verdict
from mapproof.spec.history import Operation
from mapproof.spec.linearizability import (
    Method,
    Unknown,
    Violation,
    check,
    streaming,
    streaming_core,
    streaming_key,
    streaming_map,
    streaming_wide,
)
from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.core import violates
from mapproof.spec.linearizability.effects import Values, effect_of
from mapproof.spec.linearizability.groups import split
from mapproof.spec.linearizability.search import PENDING
from mapproof.spec.linearizability.streaming import LinearizableSoFar
from mapproof.spec.model import Inconsistent, MapModel
from mapproof.spec.operations import KEYED, SIGNATURES, Op

FAR = 10**6


def random_claims(random: Random) -> Claims:
    by_key = (Contract.WEAK, Contract.PER_KEY)
    return Claims(range=random.choice(by_key), clear=random.choice(by_key))


def cases(seed: int, number: int, whole_map: bool) -> Iterator[tuple[list[Operation], Claims]]:
    random = Random(seed)
    for _ in range(number):
        history = random_history(random, whole_map=whole_map)
        yield history, random_claims(random) if whole_map else Claims()


def told(history: list[Operation], claims: Claims) -> str:
    lines = [f"{op.call}..{op.return_} client {op.client} {op}" for op in history]
    return "\n".join([str(claims), *lines])


Event = tuple[int, bool, int]
"""Time, whether it is a return, and which operation's."""


def events_of(history: list[Operation]) -> list[Event]:
    calls = [(op.call, False, place) for place, op in enumerate(history)]
    return sorted(
        [*calls, *((op.return_, True, p) for p, op in enumerate(history) if op.return_ is not None)]
    )


def cut(history: list[Operation], events: list[Event]) -> list[Operation]:
    """What a recorder knows after the events: what runs is pending."""
    called = [place for _, is_return, place in events if not is_return]
    returned = {place for _, is_return, place in events if is_return}
    return [
        history[place]
        if place in returned
        else replace(history[place], result=None, error=None, return_=None)
        for place in called
    ]


def play(checker: streaming.OnlineChecker, history: list[Operation], events: list[Event]) -> Event | None:
    """The event at which the checker reports a violation. Each operation has a client of its own."""
    for event in events:
        time, is_return, place = event
        op = history[place]
        if not is_return:
            checker.called(place, op.op, op.key, op.args, time)
        elif (
            checker.raised(place, op.error, time) if op.error else checker.returned(place, op.result, time)
        ) is not None:
            return event
    return None


def wrong_by_events(history: list[Operation], claims: Claims) -> str | None:
    """How the answers to the events differ from the truth."""
    events = events_of(history)
    checker = streaming.OnlineChecker(claims)
    reported = play(checker, history, events)
    answer = checker.finish()
    if reported is None:
        return wrong_at_the_end(answer, history, claims)
    upto = events[: events.index(reported) + 1]
    if linearizable(cut(history, upto), claims):
        return f"false alarm at {reported}"
    if answer.verdict is not Verdict.VIOLATION:
        return "a violation was forgotten"
    if claims.range is Contract.WEAK and any(op.op is Op.RANGE for op in history):
        return None
    return None if linearizable(cut(history, upto[:-1]), claims) else f"too late at {reported}"


def wrong_at_the_end(answer: Any, history: list[Operation], claims: Claims) -> str | None:
    if isinstance(answer, Unknown):
        keyed = all(op.key is not None for op in history)
        return f"no verdict: {answer.reason}" if keyed else None
    right = Verdict.LINEARIZABLE if linearizable(history, claims) else Verdict.VIOLATION
    return None if answer.verdict is right else f"{answer.verdict} in the end"


def explained_before(history: list[Operation], time: int, claims: Claims) -> bool:
    """Whether what was called by then has an explanation, if what runs need not happen, and answers as it does."""
    done = [op for op in history if op.return_ is not None and op.return_ < time]
    runs = [replace(op, return_=FAR) for op in history if op not in done and op.completed]
    others = [replace(op, return_=None, error=None) for op in history if op not in done and not op.completed]
    return any(
        linearizable([*done, *others, *chosen], claims)
        for size in range(len(runs) + 1)
        for chosen in combinations(runs, size)
    )


def wrong_by_operations(history: list[Operation], claims: Claims) -> str | None:
    checker = streaming.OnlineChecker(claims)
    for place, op in enumerate(history):
        if checker.feed(op) is None:
            continue
        if linearizable(history, claims):
            return f"false alarm before {op}"
        if any(op.key is None for op in history):
            return None
        if explained_before(history[:place], op.call, claims):
            return f"too early: before {op}"
        if not explained_before(history[: place - 1], history[place - 1].call, claims):
            return f"too late: before {op}"
        return None
    return wrong_at_the_end(checker.finish(), history, claims)


@pytest.mark.parametrize("seed", range(4))
def test_keyed_events(seed: int) -> None:
    for history, claims in cases(seed, 1_500, False):
        assert wrong_by_events(history, claims) is None, told(history, claims)


@pytest.mark.parametrize("seed", range(4))
def test_keyed_operations(seed: int) -> None:
    for history, claims in cases(10 + seed, 1_500, False):
        assert wrong_by_operations(history, claims) is None, told(history, claims)


@pytest.mark.parametrize("seed", range(3))
def test_whole_map_events(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming_map, "MOST_MISSING", seed)
    for history, claims in cases(20 + seed, 1_000, True):
        assert wrong_by_events(history, claims) is None, told(history, claims)


@pytest.mark.parametrize("seed", range(3))
def test_whole_map_operations(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming_map, "MOST_MISSING", seed)
    for history, claims in cases(30 + seed, 1_000, True):
        assert wrong_by_operations(history, claims) is None, told(history, claims)


def verdicts(seed: int, whole_map: bool) -> list[Verdict]:
    found = []
    for history, claims in cases(seed, 1_000, whole_map):
        checker = streaming.OnlineChecker(claims)
        for op in history:
            checker.feed(op)
        found.append(checker.finish().verdict)
    return found


def test_verdicts_are_of_all_sorts_and_seldom_open() -> None:
    keyed, whole_map = verdicts(40, False), verdicts(41, True)
    assert Verdict.UNKNOWN not in keyed
    assert 0.02 > whole_map.count(Verdict.UNKNOWN) / len(whole_map) > 0
    for found in (keyed, whole_map):
        assert found.count(Verdict.VIOLATION) > 150
        assert found.count(Verdict.LINEARIZABLE) > 400


def stays_a_violation(history: list[Operation], answer: Violation) -> bool:
    """Whether the core has no explanation with all the rest forgotten."""
    if len(answer.core) == 1 and isinstance(effect_of(answer.core[0], Values()), Inconsistent):
        return True
    possible = [op for op in history if not isinstance(effect_of(op, Values()), Inconsistent)]
    kept = {place for place, op in enumerate(possible) if any(op is other for other in answer.core)}
    groups = split(possible, Claims(), Budget(10**9, inf))
    assert isinstance(groups, list)
    group = next(group for group in groups if group.key == answer.key)
    return violates(group, group.actions, kept, PENDING, Budget(10**9, inf))


def core_of(history: list[Operation], claims: Claims, remembered: int) -> str | None:
    """What sort of a core is found, None for no violation."""
    checker = streaming.OnlineChecker(claims, remembered=remembered)
    taken = [op for op in history if checker.feed(op) is None]
    answer = checker.finish()
    if not isinstance(answer, Violation):
        return None
    assert [op.call for op in answer.core] == sorted(op.call for op in answer.core)
    if "no longer in memory" in answer.explanation:
        return "by states"
    return "unsound" if linearizable(answer.core) or not stays_a_violation(taken, answer) else "proper"


@pytest.mark.parametrize("remembered", [0, 1, 2, 3, 64])
def test_a_core_is_a_violation_whatever_was_forgotten(
    remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held against the whole history: the core is a violation with all the rest forgotten."""
    if remembered < 64:
        monkeypatch.setattr(streaming_map, "MOST_MISSING", 0)
    cores = [core_of(*case, remembered) for case in cases(50 + remembered, 1_500, False)]
    assert "unsound" not in cores
    assert cores.count("proper") > 50
    assert ("by states" in cores) == (remembered < 64)


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_an_operation_that_outlasts_the_limit_is_let_go(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a false alarm, never LINEARIZABLE for a violation, and seldom no answer."""
    monkeypatch.setattr(streaming_key, "MOST_WAITING", limit)
    answers = []
    for history, claims in cases(60, 1_500, False):
        events = events_of(history)
        checker = streaming.OnlineChecker(claims)
        reported = play(checker, history, events)
        answer = checker.finish()
        answers.append(answer.verdict)
        if reported is not None:
            assert not linearizable(cut(history, events[: events.index(reported) + 1]))
        elif not isinstance(answer, Unknown):
            assert wrong_at_the_end(answer, history, claims) is None
        else:
            assert answer.reason.endswith("cannot be judged in bounded memory")
    assert 0 < answers.count(Verdict.UNKNOWN) < 1_450 - 300 * limit


def sizes(checker: streaming.OnlineChecker) -> tuple[int, ...]:
    """How much the checker holds: of everything that could grow."""
    keys = list(checker._map._keys.values())
    return (
        len(keys),
        len(checker._map._missing),
        len(checker._returns),
        len(checker._map._wides),
        max((len(key.values) for key in keys), default=0),
        max((len(key.values._values) for key in keys), default=0),
        max((len(key.tail) for key in keys), default=0),
        max((len(key.running) for key in keys), default=0),
        max((len(key._events) + len(key._waiting) + len(key._let_go) for key in keys), default=0),
        max((0 if (found := key._register._search) is None else found.configurations() for key in keys), default=0),
        max((0 if (found := key._register._search) is None else found._next_bit.bit_length() for key in keys), default=0),
    )  # fmt: skip


def busy(random: Random, operations: int) -> Iterator[Operation]:
    """Eight clients that store, load and delete new values under ever new keys, a few keys at a time."""
    for number in range(operations):
        key, time = f"{number // 100}-{random.randrange(4)}", 10 * number + number // 100 * 200
        op = random.choice((Op.STORE, Op.STORE, Op.DELETE, Op.COMPARE_AND_SWAP))
        given = {Op.STORE: (number,), Op.DELETE: (), Op.COMPARE_AND_SWAP: (-1, number)}[op]
        result = False if op is Op.COMPARE_AND_SWAP else None
        yield Operation(number % 8, op, key, given, result, time, time + random.randrange(1, 60))
        if number % 100 == 99:
            for part in range(4):
                yield Operation(8, Op.DELETE, f"{number // 100}-{part}", (), None, time + 100, time + 110)


def largest(operations: int, *first: Operation) -> list[int]:
    checker = streaming.OnlineChecker()
    for operation in first:
        checker.feed(operation)
    found = [0] * 11
    for number, operation in enumerate(busy(Random(1), operations)):
        assert checker.feed(operation) is None
        if number % 17 == 0:
            found = list(map(max, found, sizes(checker)))
    assert isinstance(checker.finish(), LinearizableSoFar)
    return found


def test_memory_does_not_grow_with_the_history() -> None:
    """Five times as many operations, values and keys: the same memory."""
    short, long = largest(10_000), largest(50_000)
    assert all(more <= 1.3 * less + 3 for less, more in zip(short, long, strict=True)), (short, long)
    assert max(long) < 300


def test_memory_does_not_grow_beside_an_operation_that_never_returns() -> None:
    pending = Operation(99, Op.STORE, "a", (-5,), None, -1, None)
    checker = streaming.OnlineChecker()
    checker.feed(pending)
    found = []
    for number in range(20_000):
        operation = Operation(0, Op.SWAP, "a", (number,), (number - 1, True), 3 * number, 3 * number + 1)
        if number == 0:
            operation = replace(operation, result=(None, False))
        assert checker.feed(operation) is None
        found.append(sizes(checker))
    assert max(map(max, found)) <= 2 * 64 + 2
    assert checker.feed(Operation(1, Op.LOAD, "a", (), (-5, True), 70_000, 70_001)) is None
    assert isinstance(checker.finish(), LinearizableSoFar)


def test_memory_does_not_grow_beside_an_answer_that_does_not_come() -> None:
    checker = streaming.OnlineChecker()
    checker.called(99, Op.LOAD, "a", (), -1)
    for number in range(2_000):
        checker.called(1, Op.STORE, "a", (number,), 2 * number)
        assert checker.returned(1, None, 2 * number + 1) is None
    assert max(sizes(checker)) <= streaming_key.MOST_WAITING + 3
    assert isinstance(checker.finish(), LinearizableSoFar)
    assert checker.returned(99, (-7, True), 5_000) is None
    assert checker.finish() == Unknown("1 answers cannot be judged in bounded memory")


def test_numbers_of_values_are_given_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming_key, "_MANY_VALUES", 0)
    for history, claims in cases(70, 1_000, False):
        assert wrong_by_events(history, claims) is None, told(history, claims)
        assert wrong_by_operations(history, claims) is None, told(history, claims)


MUTANTS: dict[str, tuple[ModuleType, tuple[str, ...], str]] = {
    "a return behind an open answer is believed": (
        streaming_key,
        ("if self._ahead() is not None:", "if True:"),
        "StreamKey",
    ),
    "an operation that raised took effect": (
        streaming_key,
        ("optional = not step.shown.completed or ticket in self._let_go", "optional = ticket in self._let_go"),
        "StreamKey",
    ),
    "an operation that raised by itself took effect": (
        streaming_key,
        ("states |= self._states if optional else set()", "states |= set()"),
        "StreamKey",
    ),
    "each search starts at missing": (
        streaming_key,
        ("{(state, 0): past for state in states}", "{(0, 0): past}"),
        "StreamKey",
    ),
    "a quiet key is in one state": (
        streaming_key,
        ("self._states, self._search = search.states(), None", "self._states, self._search = {min(search.states())}, None"),
        "StreamKey",
    ),
    "a copy shares what runs": (
        streaming_key,
        ("dict(self._running), dict(self._reads)", "self._running, self._reads"),
        "StreamKey",
    ),
    "no answer is waited for": (
        streaming_key,
        ("while events and not (events[0].ticket in self._open and not events[0].is_return):", "while events:"),
        "StreamKey",
    ),
    "numbers in use are given out again": (
        streaming_key,
        ("used = set(self._register.used())", "used = {0}", "_MANY_VALUES: Final = 64", "_MANY_VALUES: Final = 0"),
        "StreamKey",
    ),
    "numbers of a lone step are given out again": (
        streaming_key,
        ("self._states.union(self._alone[1].effect)", "self._states", "_MANY_VALUES: Final = 64", "_MANY_VALUES: Final = 0"),
        "StreamKey",
    ),
    "a key that may be missing is forgotten": (
        streaming_key,
        ("self._states == {MISSING}", "MISSING in self._states"),
        "StreamKey",
    ),
    "a new key escapes a clear": (streaming_map, ("if wide.operation.op is Op.CLEAR or (", "if ("), "StreamMap"),
    "weak answers are always exact": (
        streaming_map,
        ("alone = wide.alone_since == self._changes", "alone = True"),
        "StreamMap",
    ),
    "weak answers are never exact": (
        streaming_map,
        ("alone = wide.alone_since == self._changes", "alone = False"),
        "StreamMap",
    ),
    "what ran before does not matter": (
        streaming_map,
        ("None if self._changing else self._changes", "self._changes"),
        "StreamMap",
    ),
    "a count tells nothing of the keys": (
        streaming_map,
        ("elif not any(key.undecided for key in unsure):", "elif False:"),
        "StreamMap",
    ),
    "a clear deletes each key once": (streaming_wide, ("claims.clear is Contract.WEAK", "False"), "part"),
    "a key that is not met is not missing": (streaming_wide, ("else (None, False)", "else None"), "part"),
    "what may not have been stored was": (
        streaming_wide,
        ("if step.shown.pending and step.shown.op in _STORES_OR_NOT:", "if False:"),
        "may_have_met",
    ),
    "equal times are ordered": (streaming, ("returns[0][0] < call", "returns[0][0] <= call"), "OnlineChecker"),
    "the end settles nothing": (
        streaming,
        ("while self._returns and self._violation is None:", "while False:"),
        "OnlineChecker",
    ),
    "nothing was forgotten": (streaming_core, ("if until is None or not actions:", "if True:"), "violation_on"),
}  # fmt: skip


def installed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the mutant in the place of the original wherever that is used."""
    module, replaced, public = MUTANTS[name]
    source = inspect.getsource(module)
    for old, new in zip(replaced[::2], replaced[1::2], strict=True):
        assert old in source, old
        source = source.replace(old, new)
    mutant = ModuleType("mutant")
    monkeypatch.setitem(sys.modules, "mutant", mutant)  # dataclasses look for their module there
    exec(compile(source, "mutant.py", "exec"), mutant.__dict__)  # noqa: S102 - our own source
    for user in (streaming, streaming_map, streaming_wide, streaming_core):
        if hasattr(user, public):
            monkeypatch.setattr(user, public, getattr(mutant, public))


def caught(history: list[Operation], claims: Claims) -> bool:
    """The mutant's answer is wrong, or it stumbles."""
    try:
        wrong = wrong_by_events(history, claims) or wrong_by_operations(history, claims)
        keyed = all(op.key is not None for op in history)
        return wrong is not None or (keyed and core_of(history, claims, 1) == "unsound")
    except (AssertionError, IndexError, KeyError, ValueError):
        return True


def load(found: int | None, call: int) -> Operation:
    return Operation(1, Op.LOAD, "a", (), (found, found is not None), call, call + 1)


def store(value: int, call: int, client: int = 1) -> Operation:
    return Operation(client, Op.STORE, "a", (value,), None, call, call + 1)


RARE = [
    # A clear that has to delete the key twice.
    [Operation(0, Op.CLEAR, None, (), None, 0, 20), store(1, 1), load(None, 3), store(2, 5), load(None, 7)],
    # The count decides which of two changes came last.
    [store(1, 0), Operation(2, Op.DELETE, "a", (), None, 0, 1), Operation(3, Op.LEN, None, (), 0, 5, 6), load(1, 8)],
    # A range met what a compare_and_swap, as it says later, did not store.
    [Operation(1, Op.COMPARE_AND_SWAP, "a", (2, 1), False, 0, 8), Operation(2, Op.RANGE, None, (), [["a", 1]], 1, 2)],
    [store(1, 0), Operation(2, Op.DELETE, "a", (), None, 0, 1), Operation(3, Op.LEN, None, (), 1, 5, 6), load(None, 8)],
]  # fmt: skip


def hard_cases() -> Iterator[tuple[list[Operation], Claims]]:
    yield from ((history, Claims()) for history in RARE)
    yield from cases(80, 800, False)
    yield from cases(81, 800, True)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming_map, "MOST_MISSING", 0)
    installed(name, monkeypatch)
    assert any(caught(history, claims) for history, claims in hard_cases())


def test_the_checker_itself_is_not_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming_map, "MOST_MISSING", 0)
    assert not any(caught(history, claims) for history, claims in hard_cases())


def test_equal_times_overlap() -> None:
    checker = streaming.OnlineChecker()
    assert checker.feed(store(1, 0)) is None
    assert checker.feed(load(None, 1)) is None  # called at the moment at which the store returned
    assert checker.feed(load(None, 3)) is None
    answer = checker.finish()
    assert isinstance(answer, Violation)
    assert answer.core == (store(1, 0), load(None, 3))
    assert "client 1's store('a', 1) -> None at 0..1 had put 1 there" in answer.explanation


def test_a_violation_is_final() -> None:
    checker = streaming.OnlineChecker()
    checker.called(1, Op.LOAD, "a", (), 0)
    violation = checker.returned(1, (7, True), 1)
    assert isinstance(violation, Violation)
    assert violation.explanation == "client 1 read 7 from key 'a' at 0..1, but no operation stored 7 there"
    checker.called(1, Op.STORE, "a", (7,), 2)
    assert checker.returned(1, None, 3) is violation
    assert checker.feed(store(7, 4)) is violation
    assert checker.finish() is violation


def test_what_the_key_held_is_said_where_memory_ends() -> None:
    checker = streaming.OnlineChecker(remembered=1)
    for time in range(0, 20, 2):
        assert checker.feed(replace(load(None, time))) is None
    checker.feed(store(8, 30))
    checker.feed(Operation(2, Op.DELETE, "a", (), None, 30, 31))
    checker.feed(Operation(3, Op.STORE, "b", (7,), None, 40, 41))
    checker.feed(Operation(4, Op.STORE, "a", (5,), None, 40, 60))
    checker.feed(load(7, 42))
    answer = checker.finish()
    assert isinstance(answer, Violation)
    assert answer.explanation == (
        "client 1's load('a') -> (7, True) at 42..43, but no order of all that went before explains that: when it "
        "returned, key 'a' was missing or held 8, before what client 4's store('a', 5) -> None at 40..60 may have "
        "done; what this rests on is no longer in memory"
    )
    assert [op.client for op in answer.core] == [4, 1]
    assert answer.method is Method.SEARCH


@pytest.mark.parametrize(
    ("op", "contract"),
    [("range", Contract.ATOMIC), ("len", Contract.ATOMIC), ("clear", Contract.PER_SHARD)],
)
def test_claims_that_tie_keys_are_refused(op: str, contract: Contract) -> None:
    with pytest.raises(ValueError, match=f"^{op} claimed {contract} ties keys together"):
        streaming.OnlineChecker(replace(Claims(shard_of=hash), **{op: contract}))


def test_bounds_must_be_positive() -> None:
    for bounds in ({"max_configurations": 0}, {"limit_seconds": 0.0}, {"remembered": -1}):
        with pytest.raises(ValueError, match="must be positive"):
            streaming.OnlineChecker(**bounds)


def test_events_that_cannot_be() -> None:
    checker = streaming.OnlineChecker()
    checker.called(1, Op.LOAD, "a", (), 5)
    with pytest.raises(ValueError, match="client 1 calls store at 6, but its load runs"):
        checker.called(1, Op.STORE, "a", (1,), 6)
    with pytest.raises(ValueError, match="store takes value"):
        checker.called(2, Op.STORE, "a", (), 6)
    with pytest.raises(ValueError, match="client 2 returns at 6, but it runs nothing"):
        checker.returned(2, None, 6)
    with pytest.raises(ValueError, match="client 1 returns at 4, after an event of 5"):
        checker.returned(1, (None, False), 4)
    assert checker.returned(1, (None, False), 7) is None
    for time in (6, 7):
        with pytest.raises(
            ValueError, match="after an event of 7: events come by time, calls before returns"
        ):
            checker.called(1, Op.LOAD, "a", (), time)
        with pytest.raises(ValueError, match=f"load is called at {time}, before what was taken in already"):
            checker.feed(load(None, time))
    with pytest.raises(ValueError, match="returns at 8, before its call at 9"):
        checker.feed(replace(load(None, 9), return_=8))


def many_at_once(key: str) -> Iterator[Operation]:
    """Twenty changes of which each may have come before each, and a load that needs them in a certain order."""
    for client in range(20):
        yield Operation(client, Op.COMPARE_AND_SWAP, key, (client, client + 1), None, 100, None)
        yield Operation(30 + client, Op.STORE, key, (client % 7,), None, 100, 200 + client)


def test_a_key_beyond_its_bound_is_undecided_and_the_others_go_on() -> None:
    for broken in (False, True):
        checker = streaming.OnlineChecker(max_configurations=50)
        for operation in many_at_once("a"):
            assert checker.feed(operation) is None
        checker.feed(replace(store(1, 300), key="b"))
        checker.feed(replace(load(2 if broken else 1, 302), key="b"))
        checker.feed(load(77, 304))  # nobody can say any more whether that is right
        answer = checker.finish()
        if broken:
            assert isinstance(answer, Violation)
            assert answer.key == "b"
        else:
            assert answer == Unknown("the bound of 50 configurations ran out on key 'a'")
            assert answer.verdict is Verdict.UNKNOWN


def test_a_pending_read_is_not_kept() -> None:
    checker = streaming.OnlineChecker()
    checker.feed(Operation(1, Op.LOAD, "a", (), None, 0, None))
    checker.feed(Operation(2, Op.RANGE, None, (), None, 0, None))
    assert max(sizes(checker)[2:-1]) == 0
    assert checker.finish() == LinearizableSoFar(2)


def test_a_count_between_the_possible_ones_is_not_judged() -> None:
    checker = streaming.OnlineChecker()
    for key in ("a", "b"):
        checker.feed(replace(store(1, 0), client=ord(key), key=key))
        checker.feed(Operation(1 + ord(key), Op.DELETE, key, (), None, 0, 1))
    checker.feed(Operation(3, Op.LEN, None, (), 1, 5, 6))
    assert checker.finish() == Unknown("1 answers cannot be judged in bounded memory")


def test_a_wrong_count() -> None:
    checker = streaming.OnlineChecker()
    checker.feed(store(1, 0))
    checker.feed(Operation(3, Op.LEN, None, (), 2, 5, 6))
    answer = checker.finish()
    assert isinstance(answer, Violation)
    assert answer.explanation == (
        "client 3's len() -> 2 at 5..6, but nothing that may change the map ran then, and it held 1 key"
    )


def long_history(random: Random) -> list[Operation]:
    """Forty keyed operations of four clients, by call; in half of them one answer is changed."""
    model, state, done, free = MapModel(), MapModel.initial, [], [0] * 4
    planned = []
    for _ in range(40):
        client = random.randrange(4)
        call = free[client] + random.randrange(3)
        free[client] = call + random.randrange(6)
        planned.append((random.uniform(call, free[client]), client, call, free[client]))
    for _, client, call, end in sorted(planned):
        op, key = random.choice(KEYED), random.choice("ab")
        args = tuple(random.randint(1, 3) for _ in SIGNATURES[op].arguments)
        state, answer = model.invoke(state, op, key, args)
        done.append(Operation(client, op, key, args, answer, call, end))
    if random.random() < 0.5:
        place = random.randrange(40)
        done[place] = replace(done[place], op=Op.LOAD, args=(), result=(random.randint(1, 3), True))
    return sorted(done, key=lambda op: op.call)


@pytest.mark.parametrize("seed", [90, 91])
def test_as_the_checker_of_whole_histories(seed: int) -> None:
    """Longer histories than brute force can decide."""
    random = Random(seed)
    answers = []
    for _ in range(300):
        history = long_history(random)
        checker, by_events = streaming.OnlineChecker(), streaming.OnlineChecker()
        for op in history:
            checker.feed(op)
        play(by_events, history, events_of(history))
        expected = check(history).verdict
        assert checker.finish().verdict is expected, told(history, Claims())
        assert by_events.finish().verdict is expected, told(history, Claims())
        answers.append(expected)
    assert min(answers.count(Verdict.VIOLATION), answers.count(Verdict.LINEARIZABLE)) > 50
