"""Looking at an object: which manner of map it is, what it accepts, what it claims, where its code is."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import ChainMap, OrderedDict
from typing import Any

import maps_to_test as maps
import pytest

from mapproof.impl.sync_map import SyncMap
from mapproof.spec.claims import Claims, Contract
from mapproof.spec.evidence import Verdict
from mapproof.spec.operations import SIGNATURES, Op, has_shape
from mapproof.stateful_tests.adapters import MISSING, UnsuitableTarget, adapter_for
from mapproof.stateful_tests.catalogue.words import scenario_of
from mapproof.stateful_tests.execution import laboratory
from mapproof.stateful_tests.exploration import run_plan
from mapproof.stateful_tests.explorer.cooperative_threading import UnsupportedTarget
from mapproof.stateful_tests.explorer.cooperative_threading.patching import REPLACEMENTS
from mapproof.stateful_tests.explorer.plan import bounded
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.recording import FailureKind
from mapproof.stateful_tests.scenarios import KEYS
from mapproof.stateful_tests.targets import target_of

pytestmark = pytest.mark.interpreter

DICT_OPS = {
    Op.LOAD,
    Op.STORE,
    Op.LOAD_OR_STORE,
    Op.LOAD_AND_DELETE,
    Op.DELETE,
    Op.CLEAR,
    Op.LEN,
    Op.RANGE,
}


@pytest.mark.parametrize("make", [dict, OrderedDict, ChainMap])
def test_dict_like_maps_are_recognised(make: Any) -> None:
    adapter = adapter_for(make())
    assert (adapter.style, set(adapter.forms)) == ("dict-like", DICT_OPS)
    assert [form.text for form in adapter.forms[Op.LOAD]] == ["m.get({k}, MISSING)", "m[{k}]"]


@pytest.mark.parametrize(
    ("make", "ops"),
    [
        (SyncMap, set(Op) - {Op.LEN}),
        (maps.GoLike, {Op.LOAD, Op.STORE}),
        (maps.GoLikeWithLen, {Op.LOAD, Op.STORE, Op.LEN}),
        (maps.Both, {Op.LOAD, Op.STORE}),
    ],
)
def test_go_like_maps_are_recognised(make: Any, ops: set[Op]) -> None:
    adapter = adapter_for(make())
    assert (adapter.style, set(adapter.forms)) == ("Go-like", ops)


@pytest.mark.parametrize("make", [maps.NoMap, maps.ReadOnly, object, list[int]().__iter__])
def test_what_is_no_map_is_refused_in_one_line(make: Any) -> None:
    with pytest.raises(
        UnsuitableTarget, match=r"^\S+ is not a map: it has neither m\[k\] and .* nor load\(k\) and"
    ):
        adapter_for(make())


def test_the_forms_of_a_dict_answer_as_the_model_wants() -> None:
    adapter = adapter_for({})
    d: dict[str, Any] = {"n": None}
    for op, forms in adapter.forms.items():
        for number in range(len(forms)):
            for key in ("n", "absent"):
                args = (7,) * len(SIGNATURES[op].arguments)
                answer = adapter.perform(dict(d), op, key, args, number)
                assert has_shape(SIGNATURES[op].result, answer), (op, number, answer)


@pytest.mark.parametrize("form", [0, 1])
def test_a_stored_none_is_not_absence(form: int) -> None:
    adapter = adapter_for({})
    for op in (Op.LOAD, Op.LOAD_AND_DELETE):
        assert adapter.perform({1: None}, op, 1, (), form) == (None, True)
        assert adapter.perform({}, op, 1, (), form) == (None, False)
    assert adapter.perform({1: None}, Op.LOAD_OR_STORE, 1, (5,), 0) == (None, True)
    assert adapter.perform({}, Op.LOAD_OR_STORE, 1, (5,), 0) == (5, False)
    assert adapter.perform({}, Op.DELETE, 1, (), 0) is None
    assert repr(MISSING) == "MISSING"


@pytest.mark.parametrize(
    ("op", "key", "args", "form", "text"),
    [
        (Op.LOAD, "a", (), 0, "m.get('a', MISSING)"),
        (Op.LOAD, 1, (), 1, "m[1]"),
        (Op.STORE, 1, (2,), 0, "m[1] = 2"),
        (Op.LOAD_OR_STORE, 1, (2,), 0, "m.setdefault(1, 2)"),
        (Op.LOAD_AND_DELETE, 1, (), 1, "m.pop(1)"),
        (Op.RANGE, None, (), 0, "list(m.items())"),
    ],
)
def test_a_call_reads_as_its_user_would_write_it(op: Op, key: Any, args: Any, form: int, text: str) -> None:
    assert adapter_for({}).render(op, key, args, form) == text


def test_go_like_calls_read_so_too() -> None:
    adapter = adapter_for(SyncMap())
    assert adapter.render(Op.COMPARE_AND_SWAP, "a", (1, 2), 0) == "m.compare_and_swap('a', 1, 2)"
    assert adapter.render(Op.RANGE, None, (), 0) == "m.range()"
    assert adapter_for(maps.GoLikeWithLen()).render(Op.LEN, None, (), 0) == "len(m)"


@pytest.mark.parametrize(
    ("op", "answer", "by_dict", "by_go"),
    [
        (Op.LOAD, (None, False), "→ absent", "→ absent"),
        (Op.LOAD, (None, True), "→ None", "→ (None, True)"),
        (Op.LOAD_AND_DELETE, (1, True), "→ 1", "→ (1, True)"),
        (Op.LOAD_OR_STORE, (None, False), "→ None", "→ (None, False)"),
        (Op.STORE, None, "done", "done"),
        (Op.COMPARE_AND_SWAP, False, "→ False", "→ False"),
        (Op.RANGE, [[1, 2]], "→ [[1, 2]]", "→ [[1, 2]]"),
        (Op.RANGE, ((None, False),), "→ ((None, False),)", "→ ((None, False),)"),
        (Op.LEN, 0, "→ 0", "→ 0"),
    ],
)
def test_an_answer_reads_as_its_user_would_see_it(op: Op, answer: Any, by_dict: str, by_go: str) -> None:
    assert adapter_for({}).told(op, answer) == by_dict
    assert adapter_for(SyncMap()).told(op, answer) == by_go


def test_a_target_of_a_dict() -> None:
    target = target_of(dict, "dict")
    assert (target.name, set(target.adapter.forms), target.adapter.left_out) == ("dict", DICT_OPS, ())
    assert target.keys == tuple(range(KEYS))
    assert (target.files, target.modules, target.claims) == (frozenset(), (), Claims())


def test_forms_that_it_refuses_are_left_out_with_the_reason() -> None:
    target = target_of(maps.SmallDict, "SmallDict")
    assert {op: [form.text for form in forms] for op, forms in target.adapter.forms.items()} == {
        Op.LOAD: ["m[{k}]"],
        Op.STORE: ["m[{k}] = {0}"],
        Op.LOAD_AND_DELETE: ["m.pop({k})"],
    }
    get, pop, clear = target.adapter.left_out
    assert get.startswith("m.get(k, MISSING) (TypeError: ")
    assert pop.startswith("m.pop(k, MISSING) (TypeError: ")
    assert clear == "m.clear() (NotImplementedError: never)"


def test_text_keys_are_used_where_numbers_are_refused() -> None:
    keys = target_of(maps.TextKeys, "TextKeys").keys
    assert len(keys) == KEYS == len(set(keys))
    assert all(isinstance(key, str) for key in keys)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (maps.NoMap, r"maps_to_test\.NoMap is not a map: "),
        (maps.Unmakeable, r"it: making one raised OSError: no disk"),
        (maps.DiesWhenMade, r"it: making one raised FatalError: fatal error: no memory"),
        (maps.AcceptsNothing, r"it: nothing can be stored in it: m\[k\] \(TypeError: "),
        (int, r"builtins\.int is not a map"),
    ],
)
def test_unsuitable_objects_are_refused_in_one_line(make: Any, line: str) -> None:
    with pytest.raises(UnsuitableTarget, match=f"^{line}") as raised:
        target_of(make, "it")
    assert "\n" not in str(raised.value)


class StoresInAThread(dict[Any, Any]):
    """Right: it waits for the thread that it starts."""

    def __setitem__(self, key: Any, value: Any) -> None:
        thread = threading.Thread(target=super().__setitem__, args=(key, value))
        thread.start()
        thread.join()


class StartsAThreadAtRest(dict[Any, Any]):
    def check_invariants(self) -> None:
        threading.Thread(target=self.clear).start()


@pytest.mark.parametrize(
    ("make", "verdict"), [(maps.StartsAThread, Verdict.FAILED), (StoresInAThread, Verdict.EXHAUSTED)]
)
def test_a_map_that_starts_threads_is_explored(make: Any, verdict: Verdict) -> None:
    target = target_of(make, "it")
    assert set(target.adapter.forms) == DICT_OPS
    scenario = scenario_of(target.adapter, "", "store a 1", "load a")
    with laboratory(target) as lab:
        assert run_plan(lab, scenario, bounded(1)).verdict is verdict


def test_a_map_that_starts_a_thread_outside_of_a_run_is_unsupported() -> None:
    target = target_of(StartsAThreadAtRest, "it")
    scenario = scenario_of(target.adapter, "", "store a 1", "load a")
    with laboratory(target) as lab, pytest.raises(UnsupportedTarget, match=r"outside of a run"):
        lab.run(scenario, RandomWalk(0))


def test_a_map_that_dies_of_a_fatal_error_when_it_is_looked_at_is_found_to() -> None:
    target = target_of(maps.DiesOfALoad, "it")
    assert set(target.adapter.forms) == {Op.LOAD, Op.STORE}
    scenario = scenario_of(target.adapter, "", "store a 1", "store b 1")
    with laboratory(target) as lab:
        failure = lab.run(scenario, RandomWalk(0)).failure
    assert failure is not None
    assert failure.kind is FailureKind.EXCEPTION
    assert failure.summary.startswith(
        "client 0: m.load('a') raised FatalError: fatal error: read of nothing at "
    )


def test_who_interrupts_the_look_at_a_map_is_obeyed() -> None:
    with pytest.raises(KeyboardInterrupt):
        target_of(maps.Interrupted, "it")


def test_only_some_operations() -> None:
    assert set(target_of(dict, "dict", [Op.LEN, Op.STORE]).adapter.forms) == {Op.LEN, Op.STORE}
    with pytest.raises(UnsuitableTarget, match=r"^dict does not offer swap; it offers load, store, "):
        target_of(dict, "dict", [Op.SWAP, Op.LOAD])


def test_claims_are_picked_up_and_raised_by_the_caller() -> None:
    assert target_of(SyncMap, "SyncMap").claims == SyncMap.claims
    assert target_of(maps.GoLikeWithLen, "it").claims == Claims(len=Contract.ATOMIC)
    raised = target_of(SyncMap, "SyncMap", atomic=[Op.RANGE]).claims
    assert raised == Claims(range=Contract.ATOMIC, clear=Contract.ATOMIC)


def test_only_the_files_of_the_map_are_switch_points() -> None:
    assert target_of(maps.CheckThenAct, "it").files == {maps.__file__}
    assert target_of(SyncMap, "SyncMap").files == set()
    assert SyncMap.__module__ in {module.__name__ for module in target_of(SyncMap, "SyncMap").modules}


def test_a_decorated_method_does_not_drag_its_decorator_in() -> None:
    target = target_of(maps.ManagedLock, "ManagedLock")
    assert target.files == {maps.__file__}
    assert contextlib.__file__ not in target.files


def test_a_factory_brings_its_own_module() -> None:
    def factory() -> Any:
        return dict[Any, Any]()

    assert __file__ in target_of(factory, "factory").files


def test_a_module_that_names_parts_of_the_kit_leaves_them_whole() -> None:
    """The stand-ins ask the real clocks, which stay what they ask: a file of tests may have imported them."""

    def factory() -> Any:
        time.monotonic()
        return dict[Any, Any]()

    before = [getattr(owner, name) for owner, name, _ in REPLACEMENTS]
    target_of(factory, "factory")
    assert [getattr(owner, name) for owner, name, _ in REPLACEMENTS] == before


def test_looking_at_a_map_leaves_threading_as_it_was() -> None:
    before = threading.Lock, threading.RLock, threading.Thread.start
    target_of(maps.ManagedLock, "ManagedLock")
    assert (threading.Lock, threading.RLock, threading.Thread.start) == before


def test_a_form_of_pop_that_answers_none_for_a_missing_key_is_left_out() -> None:
    target = target_of(maps.ForgivingPop, "it")
    assert [form.text for form in target.adapter.forms[Op.LOAD_AND_DELETE]] == ["m.pop({k}, MISSING)"]
    assert "m.pop(k) (a missing key answered None" in " ".join(target.adapter.left_out)


def test_a_map_that_drops_numbers_is_given_text() -> None:
    assert target_of(maps.TextOnly, "it").keys[0] == "k0"
    assert target_of(dict, "it").keys[0] == 0
