"""The recorder: intervals hold the effect, answers are right, nothing is lost, and a recorder that errs is caught."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mapproof.spec import recorder as module
from mapproof.spec.claims import Claims, Contract
from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability import Linearizable, Violation, check
from mapproof.spec.operations import SIGNATURES, Op, has_shape
from mapproof.spec.recorder import Client, Recorder
from mapproof.spec.watched import Form

PAGE = Path(__file__).parents[2] / "docs" / "recording.md"
ATOMIC = Claims(Contract.ATOMIC, Contract.ATOMIC, Contract.ATOMIC)


def told(recorder: Recorder) -> list[str]:
    return [str(operation) for operation in recorder.history().operations]


def run(*works: Callable[[], None]) -> None:
    """Each in a thread of its own, all at once."""
    barrier = threading.Barrier(len(works))

    def start(work: Callable[[], None]) -> None:
        barrier.wait()
        work()

    threads = [threading.Thread(target=start, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


class LockedDict:
    """A right map: each operation under one lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.items_: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        with self.lock:
            return self.items_[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.lock:
            self.items_[key] = value

    def __delitem__(self, key: Any) -> None:
        with self.lock:
            del self.items_[key]

    def pop(self, key: Any, *default: Any) -> Any:
        with self.lock:
            return self.items_.pop(key, *default)

    def setdefault(self, key: Any, default: Any) -> Any:
        with self.lock:
            return self.items_.setdefault(key, default)


class CheckThenAct(LockedDict):
    """Broken: two may find the key missing and both store."""

    def setdefault(self, key: Any, default: Any) -> Any:
        if key in self.items_:
            return self.items_[key]
        time.sleep(0.001)
        self[key] = default
        return default


class GoMap:
    """A right Go-like map over a dict, with some of the operations."""

    def __init__(self) -> None:
        self.pairs: dict[Any, Any] = {}

    def load(self, key: Any) -> Any:
        return [self.pairs[key], True] if key in self.pairs else [None, False]

    def store(self, key: Any, value: Any) -> None:
        self.pairs[key] = value

    def load_or_store(self, key: Any, value: Any) -> Any:
        loaded = key in self.pairs
        return self.pairs.setdefault(key, value), loaded

    def compare_and_swap(self, key: Any, old: Any, new: Any) -> bool:
        matches = key in self.pairs and self.pairs[key] == old
        if matches:
            self.pairs[key] = new
        return matches

    def range(self) -> Iterator[tuple[Any, Any]]:
        return iter(self.pairs.items())

    def clear(self) -> None:
        self.pairs.clear()

    def __len__(self) -> int:
        return len(self.pairs)


def mixed(shared: Any, me: int, rounds: int = 200) -> None:
    for number in range(rounds):
        key, value = number % 3, (me, number)
        shared[key] = value
        shared.setdefault(key, (me, number, "default"))
        try:
            shared[key]
            del shared[key]
        except KeyError:
            pass
        shared.pop(key, None)


# -- answers


def test_what_each_call_of_a_dict_is_recorded_as() -> None:
    recorder = Recorder()
    shared = recorder.watch({})
    with pytest.raises(KeyError):
        shared["a"]
    assert shared.get("a") is None
    assert shared.get("a", 7) == 7
    assert "a" not in shared
    shared["a"] = None
    assert shared["a"] is None
    assert shared.get("a", 7) is None
    assert "a" in shared
    assert shared.setdefault("a", 8) is None
    assert shared.setdefault("b") is None
    assert shared.pop("a", 9) is None
    assert shared.pop("a", 9) == 9
    with pytest.raises(KeyError):
        shared.pop("a")
    with pytest.raises(KeyError):
        del shared["a"]
    del shared["b"]
    shared[0] = False
    assert len(shared) == 1
    assert shared.items() == [(0, False)]
    assert (list(iter(shared)), list(shared.keys()), list(shared.values())) == ([0], [0], [False])
    shared.clear()
    assert told(recorder) == [
        "load('a') -> (None, False)",
        "load('a') -> (None, False)",
        "load('a') -> (None, False)",
        "load('a') -> (None, False)",
        "store('a', None) -> None",
        "load('a') -> (None, True)",
        "load('a') -> (None, True)",
        "load_or_store('a', 8) -> (None, True)",
        "load_or_store('b', None) -> (None, False)",
        "load_and_delete('a') -> (None, True)",
        "load_and_delete('a') -> (None, False)",
        "load_and_delete('a') -> (None, False)",
        "load_and_delete('a') -> (None, False)",
        "delete('b') -> None",
        "store(0, False) -> None",
        "len() -> 1",
        "range() -> [(0, False)]",
        "clear() -> None",
    ]
    assert isinstance(check(recorder.history(), ATOMIC), Linearizable)


@pytest.mark.parametrize("key", [None, 0, False, "", (), frozenset()])
def test_falsy_keys(key: Any) -> None:
    recorder = Recorder()
    shared = recorder.watch({})
    shared[key] = 0
    assert shared.pop(key) == 0
    assert told(recorder) == [f"store({key!r}, 0) -> None", f"load_and_delete({key!r}) -> (0, True)"]


def test_a_go_like_map() -> None:
    recorder = Recorder()
    shared = recorder.watch(GoMap())
    assert shared.load(None) == [None, False]
    shared.store(None, 1)
    assert shared.load_or_store(None, 2) == (1, True)
    assert shared.compare_and_swap(None, 1, None)
    assert shared.range() == [(None, None)]
    assert len(shared) == 1
    shared.clear()
    assert told(recorder) == [
        "load(None) -> (None, False)",
        "store(None, 1) -> None",
        "load_or_store(None, 2) -> (1, True)",
        "compare_and_swap(None, 1, None) -> True",
        "range() -> [(None, None)]",
        "len() -> 1",
        "clear() -> None",
    ]
    with pytest.raises(AttributeError, match="swap"):
        shared.swap(1, 2)
    assert len(told(recorder)) == 7


def test_a_setdefault_that_does_not_tell_what_it_did_is_no_false_alarm() -> None:
    """The same object was stored before: `setdefault` answers it whether it found or stored it."""
    recorder = Recorder()
    shared = recorder.watch({})
    shared["a"] = 1
    shared.setdefault("a", 1)
    shared.setdefault("b", 1)
    assert told(recorder)[1:] == ["store('a', 1) -> None", "load_or_store('b', 1) -> (1, False)"]
    assert isinstance(check(recorder.history()), Linearizable)


def test_a_map_that_keeps_copies() -> None:
    class Copies(dict[Any, Any]):
        def setdefault(self, key: Any, default: Any) -> Any:
            return list(super().setdefault(key, default))

    recorder = Recorder()
    recorder.watch(Copies()).setdefault("a", [1])
    assert told(recorder) == ["store('a', [1]) -> None"]


def test_what_was_in_the_map_before_is_recorded_as_stores() -> None:
    for target in ({"a": 1}, GoMap()):
        if isinstance(target, GoMap):
            target.store("a", 1)
        recorder = Recorder()
        first, second = recorder.watch(target), recorder.watch(target)
        (first.load if isinstance(target, GoMap) else first.get)("a")
        assert told(recorder) == ["store('a', 1) -> None", "load('a') -> (1, True)"]
        assert type(first) is type(second)


def test_what_cannot_be_watched() -> None:
    for target, text in (
        (5, "int is no map"),
        (defaultdict(int), "defaultdict cannot be watched"),
        (Counter("a"), "__missing__"),
    ):
        with pytest.raises(TypeError, match=text):
            Recorder().watch(target)
    recorder = Recorder()
    recorder.watch({})
    with pytest.raises(ValueError, match="records one map"):
        recorder.watch({})
    for name in ("update", "popitem", "copy"):
        with pytest.raises(AttributeError, match=f"{name!r} cannot be recorded"):
            getattr(Recorder().watch(OrderedDict()), name)


# -- outcomes


class Awkward(dict[Any, Any]):
    def __setitem__(self, key: Any, value: Any) -> None:
        if value == "exit":
            raise SystemExit
        if value == "error":
            raise TimeoutError("too late")
        super().__setitem__(key, value)


def test_an_exception_is_passed_on_and_recorded_by_its_name() -> None:
    recorder = Recorder()
    shared = recorder.watch(Awkward())
    with pytest.raises(TimeoutError, match="too late"):
        shared["a"] = "error"
    with pytest.raises(SystemExit):
        shared["a"] = "exit"
    with pytest.raises(TypeError):
        shared[[]]
    assert told(recorder) == [
        "store('a', 'error') raised TimeoutError",
        "store('a', 'exit') raised SystemExit",
        "load([]) raised TypeError",
    ]


class Stuck(LockedDict):
    """Its stores take effect and then wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.go = threading.Event(), threading.Event()

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.inside.set()
        assert self.go.wait(30)


def test_an_operation_that_never_returned_is_pending() -> None:
    target, recorder = Stuck(), Recorder()
    shared = recorder.watch(target)
    thread = threading.Thread(target=shared.__setitem__, args=("a", 1))
    thread.start()
    assert target.inside.wait(30)
    assert shared["a"] == 1
    assert told(recorder) == ["store('a', 1) pending", "load('a') -> (1, True)"]
    assert isinstance(check(recorder.history()), Linearizable)
    target.go.set()
    thread.join(30)
    assert told(recorder) == ["store('a', 1) -> None", "load('a') -> (1, True)"]


def test_an_operation_inside_another_is_another_clients() -> None:
    recorder = Recorder()
    shared = recorder.watch({})

    class Key:
        def __hash__(self) -> int:
            shared["inner"] = 1
            return 1

    shared[Key()] = 2
    shared["later"] = 3
    outer, inner, later = recorder.history().operations
    assert (outer.args, inner.args, later.args) == ((2,), (1,), (3,))
    assert (outer.client, inner.client, later.client) == (0, 1, 0)
    assert outer.call <= inner.call <= inner.return_ <= outer.return_ <= later.call  # type: ignore[operator]


def test_an_interrupt_between_the_two_entries_costs_one_operation_its_answer() -> None:
    recorder = Recorder()
    shared = recorder.watch({})
    shared["a"] = 1
    client = recorder._clients[0]
    client._entries.pop()
    shared["a"] = 2
    pending, later = recorder.history().operations
    assert pending.pending
    assert (later.result, later.client) == (None, 1)


# -- operations told by hand


def test_operations_told_by_hand(tmp_path: Path) -> None:
    recorder = Recorder()
    with recorder.operation("load", "a") as running:
        running.result = (None, False)
    with pytest.raises(TimeoutError), recorder.operation(Op.STORE, "a", 1):
        raise TimeoutError
    with recorder.operation("store", "a", 2) as running:
        running.unanswered()
    with recorder.operation("load", "a") as running:
        running.result = (2, True)
    operations = recorder.history().operations
    assert [str(op) for op in operations] == [
        "load('a') -> (None, False)",
        "store('a', 1) raised TimeoutError",
        "store('a', 2) pending",
        "load('a') -> (2, True)",
    ]
    assert [op.client for op in operations] == [0, 0, 0, 1]
    assert isinstance(check(operations), Linearizable)
    recorder.write(tmp_path / "recorded.jsonl")
    assert len(History.read(tmp_path / "recorded.jsonl").operations) == 4


def test_mistakes_of_the_hand_are_one_clear_line() -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="store takes value after its key; 0 given"):
        recorder.operation("store", "a")
    with pytest.raises(ValueError, match="len takes no key"):
        recorder.operation("len", "a")
    with pytest.raises(ValueError, match=r"load answers \[value, true\]"), recorder.operation("load", "a"):
        pass
    assert told(recorder) == ["load('a') raised ValueError"]


def test_an_object_with_operations_of_its_own() -> None:
    recorder = Recorder()
    with recorder.operation("push", None, 5) as running:
        running.result = 1
    (operation,) = recorder.history().operations
    assert (operation.op, operation.args, operation.result) == ("push", (5,), 1)


def test_tasks_are_clients_by_their_handles() -> None:
    recorder, values = Recorder(), dict[str, int]()

    async def task(client: Client, value: int) -> None:
        for _ in range(3):
            with client.operation("store", "a", value) as running:
                await asyncio.sleep(0)
                values["a"] = value
                await asyncio.sleep(0)
            with client.operation("load", "a") as running:
                await asyncio.sleep(0)
                running.result = (values["a"], True)

    async def main() -> None:
        await asyncio.gather(*(task(recorder.client(), value) for value in range(4)))

    asyncio.run(main())
    history = recorder.history()
    assert len({op.client for op in history.operations}) == 4
    assert len(history.operations) == 24
    assert isinstance(check(history), Linearizable)


# -- threads


def test_a_right_map_under_threads_is_linearizable() -> None:
    recorder = Recorder()
    shared = recorder.watch(LockedDict())
    run(*[lambda me=me: mixed(shared, me) for me in range(4)])  # type: ignore[misc]
    history = recorder.history()
    assert {op.client for op in history.operations} == {0, 1, 2, 3}
    assert all(op.completed and has_shape(SIGNATURES[op.op].result, op.result) for op in history.operations)
    assert isinstance(check(history), Linearizable)


def test_a_broken_map_is_caught() -> None:
    recorder = Recorder()
    shared = recorder.watch(CheckThenAct())
    run(*[lambda me=me: [shared.setdefault(key, (me, key)) for key in range(20)] for me in range(4)])  # type: ignore[misc]
    assert isinstance(check(recorder.history()), Violation)


class Noting(LockedDict):
    """Notes the moment at which each store takes effect."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: dict[Any, int] = {}

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.lock:
            self.items_[key] = value
            self.moments[value] = time.perf_counter_ns()


def test_the_interval_holds_the_effect_and_clients_do_one_thing_at_a_time(tmp_path: Path) -> None:
    target, recorder = Noting(), Recorder()
    shared = recorder.watch(target)
    run(*[lambda me=me: mixed(shared, me) for me in range(4)])  # type: ignore[misc]
    stores = [op for op in recorder.history().operations if op.op is Op.STORE]
    assert len(stores) == len(target.moments) == 800
    assert all(op.call <= target.moments[op.args[0]] <= op.return_ for op in stores)  # type: ignore[operator]
    recorder.write(tmp_path / "recorded.jsonl")
    read = History.read(tmp_path / "recorded.jsonl")
    assert Counter(op.call for op in read.operations) == Counter(
        op.call for op in recorder.history().operations
    )


def test_a_history_taken_while_threads_go_on_is_no_false_alarm() -> None:
    recorder = Recorder()
    shared = recorder.watch(LockedDict())
    histories = list[History]()

    def take() -> None:
        for _ in range(5):
            time.sleep(0.001)
            histories.append(recorder.history())

    run(take, lambda: mixed(shared, 1, rounds=60), lambda: mixed(shared, 2, rounds=60))
    lengths = [len(history.operations) for history in histories]
    assert lengths == sorted(lengths)
    for history in histories:
        assert isinstance(check(history), Linearizable)


def test_what_was_called_after_the_cut_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    times = iter(range(100))
    monkeypatch.setattr(module, "now", lambda: next(times))
    shared = recorder.watch({})
    for value in range(4):
        shared["a"] = value
    monkeypatch.setattr(module, "_moment_after_all_readings", lambda: 4)
    assert [(op.call, op.return_) for op in recorder.history().operations] == [(0, 1), (2, 3), (4, None)]


def test_the_cut_is_later_than_every_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = iter([5, 5, 5, 6, 7])
    monkeypatch.setattr(module, "now", lambda: next(slow))
    assert module._moment_after_all_readings() == 6


def test_the_history_is_saved_when_the_program_fails(tmp_path: Path) -> None:
    path, recorder = tmp_path / "recorded.jsonl", Recorder()
    with pytest.raises(RuntimeError, match="crash"), recorder.saving(path):
        recorder.watch({})["a"] = 1
        raise RuntimeError("crash")
    (operation,) = History.read(path).operations
    assert str(operation) == "store('a', 1) -> None"


# -- recorders that err


def reads_the_clock_after_the_call(
    self: Client, form: Form, key: Any, args: tuple[Any, ...], function: Any, /, *given: Any
) -> Any:
    answer = function(*given)
    self._entries.append((form, key, args, module.now()))
    self._entries.append((module._ANSWERED, answer, module.now()))
    return answer


def reads_the_clock_before_the_return(
    self: Client, form: Form, key: Any, args: tuple[Any, ...], function: Any, /, *given: Any
) -> Any:
    self._entries.append((form, key, args, module.now()))
    ended = module.now()
    answer = function(*given)
    self._entries.append((module._ANSWERED, answer, ended))
    return answer


def a_load_while_a_store_is_under_way() -> list[Operation]:
    """One store waits before its effect, the other after it; a load in each pause sees what is true then."""
    recorder = Recorder()
    early, late, go_early, go_late = (threading.Event() for _ in range(4))

    class Slow(LockedDict):
        def __setitem__(self, key: Any, value: Any) -> None:
            early.set()
            assert go_early.wait(30)
            super().__setitem__(key, value)
            late.set()
            assert go_late.wait(30)

    shared = recorder.watch(Slow())
    thread = threading.Thread(target=shared.__setitem__, args=("a", 1))
    thread.start()
    assert early.wait(30)
    with pytest.raises(KeyError):
        shared["a"]
    go_early.set()
    assert late.wait(30)
    assert shared["a"] == 1
    go_late.set()
    thread.join(30)
    return list(recorder.history().operations)


def test_a_right_recorder_sees_a_right_map() -> None:
    assert isinstance(check(a_load_while_a_store_is_under_way()), Linearizable)


def raising_too(record: Any) -> Any:
    def recorded(self: Client, form: Form, key: Any, args: Any, function: Any, /, *given: Any) -> Any:
        def answer(*given: Any) -> Any:
            try:
                return function(*given)
            except KeyError as error:
                return error

        result = record(self, form, key, args, answer, *given)
        if isinstance(result, KeyError):
            self._entries.append((module._RAISED, KeyError, self._entries.pop()[-1]))
            raise result
        return result

    return recorded


@pytest.mark.parametrize("record", [reads_the_clock_after_the_call, reads_the_clock_before_the_return])
def test_a_recorder_that_reads_the_clock_at_the_wrong_moment_is_caught(
    record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "record", raising_too(record))
    assert isinstance(check(a_load_while_a_store_is_under_way()), Violation)


@pytest.mark.parametrize(
    "program", re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
)
def test_the_programs_of_the_manual_run(program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
