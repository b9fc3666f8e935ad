"""Whatever a module had taken of the real `threading` is replaced while it is under test, and given back."""

from __future__ import annotations

import threading
import types
from typing import Any

import local_takers
import lock_takers
import pytest
from cooperating import alone, outcomes

from mapproof.stateful_tests.explorer import cooperative_threading as cooperative
from mapproof.stateful_tests.explorer.cooperative_threading import UnsupportedTarget, patched, taken

pytestmark = pytest.mark.interpreter

COOPERATIVE = (cooperative.Lock, cooperative.RLock)


def kinds() -> dict[str, bool]:
    return {name: isinstance(lock, COOPERATIVE) for name, lock in lock_takers.every_lock().items()}


def test_locks_are_replaced_wherever_they_are_and_given_back() -> None:
    before = {name: id(lock) for name, lock in vars(lock_takers).items()}
    class_before = dict(vars(lock_takers.ByClassAttribute))
    found_before = {name: id(lock) for name, lock in lock_takers.every_lock().items()}
    assert not any(kinds().values())
    with patched([lock_takers]):
        assert [name for name, replaced in kinds().items() if not replaced] == []
        locks = lock_takers.every_lock()
        recursive = [name for name, lock in locks.items() if isinstance(lock, cooperative.RLock)]
        assert recursive == [name for name in locks if "recursive" in name]
    assert not any(kinds().values())
    assert {name: id(lock) for name, lock in vars(lock_takers).items()} == before
    assert dict(vars(lock_takers.ByClassAttribute)) == class_before
    found = {name: id(lock) for name, lock in lock_takers.every_lock().items()}
    kept = [
        name for name in found if name.startswith(("module", "slot", "class", "nested", "closure", "event"))
    ]
    assert [name for name in kept if found[name] != found_before[name] and name != "class of locks"] == []


def test_a_lock_that_is_found_twice_is_replaced_by_one() -> None:
    with patched([lock_takers]):
        locks = lock_takers.every_lock()
        assert locks["module"] is locks["default of a static method"] is locks["argument of a partial"]
        assert locks["bound method"] is locks["slot, object"]
        assert locks["module, recursive"] is locks["keyword of a partial, recursive"]


def test_a_lock_is_named_after_where_it_was_found() -> None:
    with patched([lock_takers]):
        locks = lock_takers.every_lock()
        assert locks["module"].name == "Lock lock_takers.module_lock"
        assert locks["class, recursive"].name == "RLock ByClassAttribute.rlock"
        assert locks["slot, list"].name == "Lock lock_takers.registry.stripes[1]"
        assert locks["slot, dictionary, tuple, recursive"].name == "RLock lock_takers.registry.by_key['a'][1]"
        assert "lock_takers.py:" in locks["name"].name


def test_what_is_made_of_them_works_in_a_simulation() -> None:
    def program() -> Any:
        log: list[str] = []

        def wait() -> None:
            with lock_takers.registry.changed:
                lock_takers.registry.changed.wait_for(lambda: "put" in log)
                log.append("taken")
            lock_takers.barrier.wait()

        def put() -> None:
            with lock_takers.bounded, lock_takers.registry.changed:
                log.append("put")
                lock_takers.registry.changed.notify()
            lock_takers.barrier.wait()

        return [wait, put], lambda: tuple(log)

    assert outcomes(program, bound=1, modules=[lock_takers]) == {("put", "taken")}


def test_locals_of_a_module_differ_from_thread_to_thread() -> None:
    def program() -> Any:
        seen: list[Any] = []

        def work() -> None:
            made = local_takers.make()
            seen.append(
                (hasattr(local_takers.plain, "value"), local_takers.named.add(), local_takers.loud.add())
            )
            seen.append((made.add(), made.add(), isinstance(made, local_takers.Named)))

        return [work, work], lambda: tuple(seen)

    assert outcomes(program, bound=1, modules=[local_takers]) == {((False, 1, 10), (60, 70, True)) * 2}
    assert (local_takers.plain.value, local_takers.named.value) == ("of the module", 0)
    assert isinstance(local_takers.make(), threading.local)


def test_a_local_that_was_made_with_arguments_cannot_be_followed() -> None:
    with pytest.raises(
        UnsupportedTarget, match=r"a Told .* was made at import, with arguments that only C knows"
    ):
        alone(lambda: local_takers.told.value, modules=[local_takers])
    assert alone(lambda: local_takers.Told(4).value, modules=[local_takers]) == 4


def test_without_that_the_threads_share_them() -> None:
    def program() -> Any:
        seen: list[int] = []
        work = lambda: seen.append(local_takers.Named.add(shared))
        shared = local_takers.Named()
        return [work, work], lambda: tuple(seen)

    assert outcomes(program, bound=0) == {(1, 2)}


def test_a_module_that_is_named_by_one_under_test_is_looked_at_too() -> None:
    caller = types.ModuleType("caller")
    vars(caller)["lock_takers"] = lock_takers
    with patched([caller]):
        assert all(kinds().values())


def test_the_testing_itself_and_the_library_are_left_alone() -> None:
    caller = types.ModuleType("caller")
    vars(caller).update(cooperative=cooperative, threading=threading, taken=taken)
    assert [change.owner for change in taken.taken_at_import([caller], {})] == []


def test_a_cycle_of_objects_and_odd_ones_are_no_obstacle() -> None:
    class Odd:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("asked for what is not there")

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("compared")

        __hash__ = None  # type: ignore[assignment]

    module = types.ModuleType("odd")
    ring: list[Any] = [Odd()]
    ring.append(ring)
    vars(module).update(ring=ring, odd=Odd(), lock=threading.Lock())
    with patched([module]):
        assert isinstance(module.lock, cooperative.Lock)
    assert alone(lambda: 1, modules=[module]) == 1
