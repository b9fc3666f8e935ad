"""The validator on a counter that can be wrong in every way that it must notice.

That it follows the real maps is tested where the explorer runs them (tests/mapproof/test_validation.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from toys import COUNTER, PC, READ_FIRST, RULES, Counter, CounterBinding, Thread, c

from mapproof.impl.sync import Atomic, Plain, watched_by
from mapproof.impl.sync_map import SyncMap
from mapproof.proofs.terms import when
from mapproof.proofs.trace_validation.binding import does
from mapproof.proofs.trace_validation.sync_map import SyncMapBinding
from mapproof.proofs.trace_validation.validator import Validator
from mapproof.proofs.transition_system import action
from mapproof.spec.accesses import Access


@dataclass
class Asked:
    """A call as a scheduler tells of it."""

    op: str
    key: Any = None
    args: tuple[Any, ...] = ()


class Listening:
    """The hook of `impl.sync` for one thread, handing all to a validator."""

    def __init__(self, validator: Validator, client: int) -> None:
        self._validator = validator
        self._client = client

    def before(self, target: object, access: Access) -> None:
        self._validator.step(self._client, (target, access))

    def wait(self, target: object, access: Access, ready: Callable[[], bool]) -> None:
        self._validator.step(self._client, (target, access))

    def after(self, target: object, access: Access, happened: bool) -> None:
        self._validator.effect(self._client, target, access, happened)

    def thread(self) -> int:
        return self._client


def followed(subject: Any, validator: Validator, *calls: Asked) -> str:
    """The complaint about these calls of client 1 on a new object; "" for none."""
    validator.begin(subject)
    made(subject, validator, 1, *calls)
    return validator.complaint or ""


def made(subject: Any, validator: Validator, client: int, *calls: Asked) -> None:
    """The client makes the calls."""
    with watched_by(Listening(validator, client)):
        for call in calls:
            validator.step(client, call)
            given = () if call.key is None else (call.key,)
            validator.returned(client, getattr(subject, call.op)(*given, *call.args))


ADD = Asked("add")


def complaint(subject: Counter, validator: Validator | None = None, calls: int = 1) -> str:
    return followed(subject, validator or Validator(CounterBinding()), *[ADD] * calls)


def test_the_right_code_is_followed_and_each_action_is_counted() -> None:
    validator = Validator(CounterBinding())
    assert complaint(Counter(), validator, calls=2) == ""
    assert validator.covered == set(COUNTER.actions)
    assert (validator.matched, validator.outside) == (10, 2)
    assert complaint(Counter(), validator) == ""


class LeavesOutTheRead(Counter):
    def add(self) -> int:
        with self.mu:
            number = self.first.peek() + 1
            self.first.write(number)
            self.second.write(number)
        return number


class WritesOnce(Counter):
    def add(self) -> int:
        with self.mu:
            number = self.first.read() + 1
            self.first.write(number)
        return number


class WritesAnother(Counter):
    def add(self) -> int:
        with self.mu:
            number = self.first.read() + 1
            self.first.write(number)
            self.second.write(number + 1)
        return number


class WritesInTheOtherOrder(Counter):
    def add(self) -> int:
        with self.mu:
            number = self.first.read() + 1
            self.second.write(number)
            self.first.write(number)
        return number


class TakesNoLock(Counter):
    def add(self) -> int:
        number = self.first.read() + 1
        self.first.write(number)
        self.second.write(number)
        return number


class AnswersAnother(Counter):
    def add(self) -> int:
        return super().add() - 1


class KeepsTheLock(Counter):
    def add(self) -> int:
        self.mu.lock()
        number = self.first.read() + 1
        self.first.write(number)
        self.second.write(number)
        return number


class TouchesSomethingElse(Counter):
    def add(self) -> int:
        Atomic(0).load()
        return super().add()


class WritesBesideAllAccesses(Counter):
    def add(self) -> int:
        number = super().add()
        self.second._value = 7
        return number


class StartsElsewhere(Counter):
    def __init__(self) -> None:
        super().__init__()
        self.first._value = 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (LeavesOutTheRead, "no action of the model makes this access here"),
        (WritesOnce, "add has happened; now must come second: write"),
        (WritesAnother, "this access does not complete what it does"),
        (WritesInTheOtherOrder, "no action of the model makes this access here"),
        (TakesNoLock, "no action of the model makes this access here"),
        (AnswersAnother, "the model answers 1, the code 0"),
        (KeepsTheLock, "the call returns, where the model has more to do"),
        (TouchesSomethingElse, "something that the binding does not know"),
        (WritesBesideAllAccesses, "no action of the model does what the access did"),
        (StartsElsewhere, "the new object is not in the model's initial state"),
    ],
)
def test_what_the_code_does_wrong_is_told(wrong: type[Counter], says: str) -> None:
    assert says in complaint(named(wrong)())


def named(wrong: type[Counter]) -> type[Counter]:
    """The class with its `add` called as the binding calls it."""
    wrong.add.__code__ = wrong.add.__code__.replace(co_qualname="Counter.add")
    return wrong


def test_another_function_may_not_make_the_access() -> None:
    class Derived(Counter):
        def add(self) -> int:
            return self._add()

        def _add(self) -> int:
            with self.mu:
                return 1

    assert "no action of the model makes this access here" in complaint(Derived())


class ChangesTheModelledByOthers(Counter):
    """A write of a word that is not modelled changes one that is."""

    def __init__(self) -> None:
        super().__init__()
        first = self.first

        class Linked(Plain[int]):
            def write(self, value: int) -> None:
                super().write(value)
                first._value = 5

        self.seen = Linked(0, "seen")


def test_what_is_not_modelled_may_change_nothing_that_is() -> None:
    assert "the model does not speak of seen" in complaint(ChangesTheModelledByOthers())


class CountsInSecret(SyncMap[str, int]):
    def load(self, key: str) -> tuple[int | None, bool]:
        answer = super().load(key)
        self.misses._value += 1
        return answer


def test_what_changes_after_the_last_access_is_seen() -> None:
    validator = Validator(SyncMapBinding(clients=2, keys=("a",), values=(1,), maps=2))
    assert "something was changed beside all accesses" in followed(
        CountsInSecret(), validator, Asked("load", "a")
    )


def test_a_claim_of_the_model_that_is_false_is_told() -> None:
    assert "what was proved is false here: fewer than three" in complaint(Counter(), calls=3)


def test_an_exception_is_no_answer_of_the_model() -> None:
    validator = Validator(CounterBinding())
    validator.begin(Counter())
    validator.step(1, ADD)
    assert "the model raises nothing, the code KeyError" in (validator.returned(1, None, "KeyError") or "")


@action(name="add")
def _adds_to_the_first_only(t: Thread) -> None:
    """only one word is written"""
    when(t.pc == PC.ADD)
    t.result = c.first + 1
    c.first = c.first + 1
    t.pc = PC.UNLOCK


@action(name="add")
def _never_adds(t: Thread) -> None:
    """neither word is written"""
    when(t.pc == PC.ADD, c.first < 0)
    t.pc = PC.UNLOCK


@pytest.mark.parametrize("wrong", [_adds_to_the_first_only, _never_adds])
def test_what_the_model_does_wrong_is_told(wrong: Any) -> None:
    mutant = COUNTER.with_actions("wrong", (wrong,))
    assert complaint(Counter(), Validator(CounterBinding(made=mutant)))


def test_a_binding_to_an_action_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="counter has no action subtract"):
        Validator(CounterBinding((*RULES, does("subtract", READ_FIRST))))


def test_a_binding_by_which_one_access_is_two_actions_is_refused() -> None:
    @action
    def also(t: Thread) -> None:
        """the same to the eye"""
        when(t.pc == PC.LOCK)
        c.held = True
        t.pc = PC.UNLOCK

    made = COUNTER.with_actions("counter", ())
    twice = type(made)(
        made.name, made.scope, made.state, made.initial, {**made.actions, "also": also}, made.invariants
    )
    both = (*RULES, does("also", *RULES[0].touches))
    assert "the binding is not clear: lock or also" in complaint(
        Counter(), Validator(CounterBinding(both, twice))
    )


def test_both_sides_of_the_last_step_are_shown() -> None:
    told = complaint(named(WritesOnce)())
    assert "c.held: True -> False" in told
    assert "unlock(t1): the end of the with block" in told
    assert "c.second: 0 -> 1" in told or "* c.second" in told


def test_a_run_that_needs_more_elements_than_there_are_is_no_pass() -> None:
    validator = Validator(SyncMapBinding(clients=2, keys=("a", "b"), values=(1, 2), maps=2))
    assert followed(SyncMap(), validator, Asked("store", "a", (1,)), Asked("load", "a")) == ""
    assert validator.undecided is None
    assert followed(SyncMap(), validator, *[Asked("store", key, (1,)) for key in "ab"]) == ""
    assert validator.undecided == "more calls store x1 than the model was told of"


def test_a_map_that_the_model_has_no_element_for_is_no_pass() -> None:
    validator = Validator(SyncMapBinding(clients=2, keys=("a", "b"), values=(1, 2), maps=2))
    calls = [Asked("store", "a", (1,)), Asked("load", "a"), Asked("store", "b", (2,))]
    assert followed(SyncMap(), validator, *calls) == ""
    assert validator.undecided == "the run makes more than 3 of EntryMap: give the model more"


def test_a_setup_is_followed_once() -> None:
    validator = Validator(SyncMapBinding(clients=2, keys=("a", "b"), values=(1, 2), maps=3))
    validator.setup = "a is stored and promoted"
    matched = []
    for _ in range(3):
        map_ = SyncMap[str, int]()
        validator.begin(map_)
        made(map_, validator, 0, Asked("store", "a", (1,)), Asked("load", "a"))
        made(map_, validator, 1, Asked("store", "b", (2,)), Asked("load", "b"), Asked("load", "a"))
        assert (validator.complaint, validator.undecided) == (None, None)
        matched.append(validator.matched)
    assert matched[0] > matched[2] - matched[1] == matched[1] - matched[0] > 0


def test_a_setup_that_leads_elsewhere_the_second_time_is_told() -> None:
    validator = Validator(CounterBinding())
    validator.setup = "one is added"
    for calls in (1, 0):
        counter = Counter()
        validator.begin(counter)
        made(counter, validator, 0, *[ADD] * calls)
        made(counter, validator, 1, ADD)
    assert "the setup led elsewhere than when it was followed" in (validator.complaint or "")
