"""The searches on one register, plain and as a kernel, against a table of all orders, and mutants caught by it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from math import inf
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from steps import Step, actions, explicable, random_steps, why_not_an_order

from mapproof.spec.linearizability import configurations, register_kernel, register_order, register_search
from mapproof.spec.linearizability.budget import Budget, OutOfBounds
from mapproof.spec.linearizability.compiled import FOREVER, compiled
from mapproof.spec.linearizability.effects import MISSING, Effect, register_step
from mapproof.spec.linearizability.register_kernel import (
    LINEARIZABLE,
    NOT_LINEARIZABLE,
    OUT_OF_CONFIGURATIONS,
    STOPPED,
    TOO_WIDE,
    decide_any,
)
from mapproof.spec.linearizability.register_search import RegisterSearch, find_register_order
from mapproof.spec.linearizability.search import Explained, find_order

UNBOUNDED = 10**9


def budget(configurations: int = UNBOUNDED) -> Budget:
    return Budget(configurations, inf)


def load(value: int, call: int, return_: int) -> Step:
    return Step(value, -1, -1, call, return_, 0)


def store(value: int, call: int, return_: int) -> Step:
    return Step(-1, -1, value, call, return_, 0)


RARE = [
    # A load may have met the store that returns first, or the one that a later load needs.
    [store(1, 0, 10), load(1, 0, 5), store(1, 1, 100), store(2, 12, 13), load(1, 20, 21)],
    # A store was called too late to be hidden by another.
    [store(2, 0, 5), load(1, 0, 10), store(1, 7, 20), load(2, 11, 12)],
]


def cases(seed: int, count: int, repeatable: bool = True) -> Iterator[list[Step]]:
    yield from RARE
    random = Random(seed)
    for number in range(count):
        yield random_steps(random, repeatable=repeatable and number % 4 == 0)


def told(steps: list[Step]) -> str:
    return "\n".join(str(step) for step in steps)


def wrong(find: Callable[..., Any], steps: list[Step]) -> str | None:
    """How the answer of a search differs from the truth."""
    answer = find(actions(steps), budget())
    if (type(answer).__name__ == "Explained") != explicable(steps):
        return f"the answer is {answer}"
    return why_not_an_order(steps, answer.order) if hasattr(answer, "order") else None


def columns(steps: list[Step]) -> list[list[int]]:
    return [list(column) for column in zip(*steps, strict=True)][:6]


def decided(
    decide: Callable[..., tuple[int, int]], steps: list[Step], most: int = UNBOUNDED, stop: int = 0
) -> tuple[int, int, list[int]]:
    """(code, count, order) of a kernel in plain Python."""
    order = [0] * len(steps)
    code, count = decide(*columns(steps), most, order, [stop])
    return code, count, order[:count] if code == LINEARIZABLE else []


def wrong_kernel(decide: Callable[..., tuple[int, int]], steps: list[Step]) -> str | None:
    """How the answer of a kernel differs from the truth."""
    code, count, order = decided(decide, steps)
    if code != explicable(steps):
        return f"the answer is {code}, {count}"
    return why_not_an_order(steps, order) if code == LINEARIZABLE else None


@pytest.mark.parametrize("seed", range(6))
def test_against_all_orders(seed: int) -> None:
    for steps in cases(seed, 5_000):
        assert wrong(find_register_order, steps) is None, told(steps)


@pytest.mark.parametrize("seed", range(30, 33))
def test_the_kernel_against_all_orders(seed: int) -> None:
    for steps in cases(seed, 5_000, repeatable=False):
        assert wrong_kernel(decide_any, steps) is None, told(steps)


def test_the_compiled_kernel_gives_the_same_answers() -> None:
    """Word for word: the code, the step where it got stuck, and the order."""
    numpy = pytest.importorskip("numpy")
    pytest.importorskip("numba")
    fast = compiled(register_kernel.KERNELS)["decide_any"]
    random = Random(40)
    for number in range(6_000):
        steps = random_steps(random, count=random.randint(9, 40) if number % 10 == 0 else None)
        arrays = [numpy.array(column, numpy.int64) for column in columns(steps)]
        order = numpy.zeros(len(steps), numpy.int64)
        code, count = fast(*arrays, UNBOUNDED, order, numpy.zeros(1, numpy.int64))
        found = (code, count, order[:count].tolist() if code == LINEARIZABLE else [])
        assert found == decided(decide_any, steps), told(steps)


@pytest.mark.parametrize("seed", [50, 51])
def test_the_kernel_gets_stuck_where_the_plain_search_does(seed: int) -> None:
    """With many steps at once, so that lists and tables grow; at the same return, or one at the same time."""
    random = Random(seed)
    codes = []
    for _ in range(300):
        steps = random_steps(random, count=random.randint(12, 60))
        plain = find_register_order(actions(steps), budget())
        code, count, order = decided(decide_any, steps)
        codes.append(code)
        if isinstance(plain, Explained):
            assert code == LINEARIZABLE, told(steps)
            assert why_not_an_order(steps, order) is None, told(steps)
        else:
            assert code == NOT_LINEARIZABLE, told(steps)
            assert steps[count].return_ == steps[plain.place].return_, told(steps)
    assert min(codes.count(LINEARIZABLE), codes.count(NOT_LINEARIZABLE)) > 30


def test_the_steps_are_worth_deciding() -> None:
    answers = [explicable(steps) for steps in cases(1, 1_000)]
    assert 0.2 < answers.count(False) / len(answers) < 0.5


@pytest.mark.parametrize("seed", [10, 11])
def test_as_the_search_that_places_each_change_at_once(seed: int) -> None:
    random = Random(seed)
    answers = []
    for _ in range(400):
        steps = random_steps(random, count=random.randint(9, 16))
        found = find_register_order(actions(steps), budget())
        expected = find_order(actions(steps), MISSING, register_step, budget())
        assert isinstance(found, Explained) == isinstance(expected, Explained), told(steps)
        if isinstance(found, Explained):
            assert why_not_an_order(steps, found.order) is None, told(steps)
        answers.append(isinstance(found, Explained))
    assert min(answers.count(True), answers.count(False)) > 40


def mutated(module: ModuleType, old: str, new: str, folder: Path) -> ModuleType:
    """The module with one piece of its source replaced."""
    source = inspect.getsource(module)
    assert old in source, old
    file = folder / "mutant.py"
    file.write_text(source.replace(old, new), "utf-8")
    spec = spec_from_file_location("mutant", file)
    assert spec is not None and spec.loader is not None
    mutant = module_from_spec(spec)
    sys.modules["mutant"] = mutant  # dataclasses look for their module there
    spec.loader.exec_module(mutant)
    return mutant


PLAIN_MUTANTS = {
    "nothing in hindsight": ("        if step.event > past.event:\n", "        if True:\n"),
    "hindsight forgets when": ("_heads(step, mask, past.event)", "_heads(step, mask, self._event)"),
    "hindsight hides what was called later": (
        "if step.event > past.event:\n            return",
        "if past.event == 0:\n            return",
    ),
    "hindsight reads what was called later": ("read.event < until and not mask", "not mask"),
    "hindsight stops at the step": ("_chain(head, past.event, 0)", "_chain(head, past.event, step.bit)"),
    "nothing goes in before a blind write": (
        "self._chain(_Node(state, mask, past.since), now, 0 if blind else step.bit)",
        "[_Node(state, mask, past.since)]",
    ),
    "nothing follows a blind write": ("self._chain(head, now, step.bit)", "[head]"),
    "the least time stays": ("settled[key].event < how.event", "settled[key].event > how.event"),
    "optional ones must happen": ("mask & step.bit or step.optional", "mask & step.bit"),
    "optional ones never happen": ("mask & step.bit and not step.repeatable", "(mask & step.bit or step.optional) and not step.repeatable"),
    "only the state explains": ("for write in self._heads(step, node.mask, now)", "for write in (step,) if blind else ()"),
    "a stand-in called before": ("other.event > step.event", "other.event != step.event"),
    "no stand-in": ("if step.place not in self._writes or step.repeatable", "if True"),
    "stand-ins keep their places in the order": ("takers.get(item)", "False"),
    "a clear happens once": ("write.repeatable or not mask & write.bit", "not mask & write.bit"),
    "a clear that returns is used once more at most": ("if not step.repeatable:", "if True:"),
    "ties are ordered": ("(action.call, False, place)", "(action.call + (action.call < action.return_) / 2, False, place)"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN_MUTANTS)
def test_a_mutant_is_caught(name: str, tmp_path: Path) -> None:
    mutant = mutated(register_search, *PLAIN_MUTANTS[name], tmp_path)
    assert any(wrong(mutant.find_register_order, steps) for steps in cases(20, 12_000))


KERNEL_MUTANTS = {
    "nothing in hindsight": ("early & bit != 0", "False"),
    "hindsight hides what was called later": ("allowed = early if hindsight", "allowed = sets[_ALL] if hindsight"),
    "hindsight stops at the step": ("if goes_on and (hindsight or not done)", "if goes_on and not done"),
    "nothing goes in before a blind write": ("if phase in (_PRESENT, _BEFORE) else 0", "if at <= 1 or phase == _BEFORE else 0"),
    "nothing follows a blind write": ("chain = 0 if phase == _BEFORE else", "chain = 0 if phase in (_BEFORE, _BEHIND) else"),
    "a blind write hides nothing": ("since = sets[_ALL] if", "since = early if"),
    "optional ones must happen": ("if mask & bit != 0 or optional != 0", "if mask & bit != 0"),
    "optional ones never happen": ("if mask & bit == 0:", "if mask & bit == 0 and optional == 0:"),
    "the last to return stands for all": ("if return_[step_at[bit", "if -return_[step_at[bit"),
    "failed compares suit every state": ("sets[_COMPARES] & ~running[about + _AVOIDS]", "sets[_COMPARES]"),
    "ties are ordered": ("call[called] <= return_[step]", "call[called] < return_[step] + (call[called] == return_[called])"),
    "changes are forgotten": ("_flip(wanted[step], unless[step], post[step], bit, running, sets)", "pass"),
}  # fmt: skip


@pytest.mark.parametrize("name", KERNEL_MUTANTS)
def test_a_mutant_of_the_kernel_is_caught(name: str, tmp_path: Path) -> None:
    mutant = mutated(register_kernel, *KERNEL_MUTANTS[name], tmp_path)
    assert caught(mutant, 12_000)


def caught(mutant: ModuleType, count: int) -> bool:
    for steps in cases(20, count, repeatable=False):
        try:
            if wrong_kernel(mutant.decide_any, steps):
                return True
        except IndexError:
            return True
    return False


CONFIGURATION_MUTANTS = {
    "the least time stays": ("entries[base + EARLY] < early", "entries[base + EARLY] > early"),
    "different states are equal": ("and entries[base + STATE] == state", "and True"),
    "different phases are equal": ("and entries[base + TAG] == tag", "and True"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGURATION_MUTANTS)
def test_a_mutant_of_the_configurations_is_caught(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = mutated(configurations, *CONFIGURATION_MUTANTS[name], tmp_path)
    monkeypatch.setattr(register_kernel, "put", mutant.put)
    assert caught(register_kernel, 12_000)


ORDER_MUTANTS = {
    "hindsight comes last": ("if items[place] & 1 != 0:", "if False:"),
    "reads may go back in time": ("least = max(least, gap_of[returns[returned]])", "pass"),
    "compares meet what they must not": ("elif state[gap] == unless[step]:", "elif False:"),
}


@pytest.mark.parametrize("name", ORDER_MUTANTS)
def test_a_mutant_of_the_order_is_caught(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = mutated(register_order, *ORDER_MUTANTS[name], tmp_path)
    for kernel in ("changes_in_order", "with_reads"):
        monkeypatch.setattr(register_kernel, kernel, getattr(mutant, kernel))
    assert caught(register_kernel, 12_000)


def test_the_bounds_of_the_kernel() -> None:
    wide = [store(value, 0, 100 + value) for value in range(1, 64)]
    assert decided(decide_any, wide[:62])[0] == LINEARIZABLE
    assert decided(decide_any, wide)[0] == TOO_WIDE
    pending = [step._replace(return_=FOREVER, optional=1) for step in wide[:62]]
    assert decided(decide_any, [*pending, store(1, 7, 8)])[0] == TOO_WIDE
    assert decided(decide_any, [*pending[:61], store(1, 7, 8)]) == (LINEARIZABLE, 1, [61])
    hard = sorted([step for value in range(1, 9) for step in (store(value, 0, 99), load(value, 0, 50))])
    assert decided(decide_any, hard)[0] == LINEARIZABLE
    assert decided(decide_any, hard, most=1)[0] == OUT_OF_CONFIGURATIONS
    assert decided(decide_any, hard, stop=1)[0] == STOPPED


def test_a_search_step_by_step() -> None:
    search = RegisterSearch(budget())
    search.called(0, Effect(post=1), optional=False)
    search.called(1, Effect(wanted=1), optional=False)
    assert search.states() == {MISSING}
    assert search.running() == [0, 1]
    assert search.returned(1)
    assert search.states() == {1}
    assert search.running() == [0]
    assert search.returned(0)
    search.called(2, Effect(wanted=MISSING), optional=False)
    assert not search.returned(2)
    assert search.states() == {1}
    assert search.running() == [2]
    with pytest.raises(ValueError, match="keep the order"):
        search.order()


def test_what_never_returns_is_not_forced() -> None:
    search = RegisterSearch(budget(), witness=True)
    search.called(7, Effect(post=1), optional=True)
    search.called(8, Effect(wanted=MISSING), optional=False)
    assert search.returned(8)
    assert search.order() == [8]
    search.called(9, Effect(wanted=1), optional=False)
    assert search.returned(9)
    assert search.order() == [8, 7, 9]
    assert search.running() == [7]


def test_the_budget_bounds_the_configurations() -> None:
    steps = [Step(-1, -1, value, 0, 100 + value, 0) for value in range(1, 9)]
    steps += [Step(value, -1, -1, 0, 50 + value, 0) for value in range(1, 9)]
    assert isinstance(find_register_order(actions(steps), budget()), Explained)
    with pytest.raises(OutOfBounds, match="the bound of 20 configurations ran out"):
        find_register_order(actions(steps), budget(20))


def test_any_concurrency() -> None:
    """More steps at once than an integer of the machine has bits, all of different values."""
    steps = [Step(-1, -1, value, 0, 1000 + value, 0) for value in range(1, 101)]
    steps += [Step(100, -1, -1, 0, 900, 0), Step(100, -1, -1, 2000, 2000, 0)]
    answer = find_register_order(actions(steps), budget())
    assert isinstance(answer, Explained)
    assert why_not_an_order(steps, answer.order) is None


def test_it_keeps_little_while_many_overlap() -> None:
    """Thirty writers and readers of five values at once, for a while: a few hundred configurations."""
    random = Random(5)
    search = RegisterSearch(budget())
    running: dict[int, tuple[int, Effect]] = {}
    most, state = 0, MISSING
    for place in range(3_000):
        value = random.randint(0, 5)
        effect = Effect(post=value) if random.random() < 0.5 else Effect(wanted=state)
        state = max(state, effect.post) if effect.post < 0 else effect.post
        search.called(place, effect, optional=False)
        running[place] = value, effect
        if len(running) == 30:
            leaves = random.choice(list(running))
            del running[leaves]
            assert search.returned(leaves)
            most = max(most, search.configurations())
    assert 20 < most < 5_000
