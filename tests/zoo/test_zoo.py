"""The zoo: small maps as strangers write them, for the kit to be tried on; here they are tried without the kit.

In sequence every map, broken or not, answers as a dict does: their bugs need two threads (a leaked lock one
KeyError). The correct ones also stand a short hammer of real threads, and one that is wrong shows that it bites.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ZOO = Path(__file__).parent
SECONDS = 20.0
Make = Callable[..., Any]


def map_class(path: Path) -> Make:
    """The one public class that a module of the zoo defines."""
    name = f"zoo_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    own = [v for k, v in vars(module).items() if k[0] != "_" and getattr(v, "__module__", None) == name]
    (cls,) = [v for v in own if isinstance(v, type)]
    made: Make = cls
    return made


CORRECT = sorted((ZOO / "correct").glob("*.py"))
BROKEN = sorted((ZOO / "broken").glob("*.py"))
correct_maps = pytest.mark.parametrize("path", CORRECT, ids=lambda path: path.stem)
all_maps = pytest.mark.parametrize("path", CORRECT + BROKEN, ids=lambda path: path.stem)


def test_nobody_is_missing() -> None:
    assert CORRECT
    assert BROKEN
    assert all("mapproof" not in path.read_text() for path in CORRECT + BROKEN)
    assert all(path.read_text().startswith('"""Broken: ') for path in BROKEN)


def answer(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except KeyError:
        return "KeyError"


def dict_like_step(map_: Any, model: dict[Any, Any], random_: random.Random) -> None:
    """One random operation on both, among those that the map has."""
    key, value = random_.choice(["a", "b", "c", "", None, 0, 1, 7]), random_.choice([None, 0, "v", "w"])
    steps: dict[str, Callable[[Any], Any]] = {
        "get": lambda m: m.get(key, "default"),
        "__getitem__": lambda m: m[key],
        "__setitem__": lambda m: m.__setitem__(key, value),
        "setdefault": lambda m: m.setdefault(key, value),
        "pop": lambda m: m.pop(key, "default"),
        "__contains__": lambda m: key in m,
        "clear": lambda m: m.clear() if random_.random() < 0.1 else None,
    }
    if key in model or not leaks(map_):
        steps["__delitem__"] = lambda m: m.__delitem__(key)
        steps["pop without default"] = lambda m: m.pop(key)
    usable = [name for name in steps if hasattr(map_, name.split()[0])]
    step, seed = steps[random_.choice(usable)], random_.random()
    random_.seed(seed)
    expected = answer(lambda: step(model))
    random_.seed(seed)
    assert answer(lambda: step(map_)) == expected
    assert len(map_) == len(model)
    assert dict(map_.items()) == model
    if hasattr(map_, "__iter__"):
        assert sorted(map_, key=repr) == sorted(model, key=repr)


def go_like_step(map_: Any, model: dict[Any, Any], random_: random.Random) -> None:
    key, value, other = random_.choice("abc"), random_.choice([None, 0, "v"]), random_.choice([None, 0, "v"])
    found = (model[key], True) if key in model else (None, False)
    match random_.choice([name for name in GO_LIKE if hasattr(map_, name)]):
        case "load":
            assert map_.load(key) == found
        case "store":
            assert map_.store(key, value) is None
            model[key] = value
        case "load_or_store":
            assert map_.load_or_store(key, value) == (found if found[1] else (value, False))
            model.setdefault(key, value)
        case "load_and_delete":
            assert map_.load_and_delete(key) == found
            model.pop(key, None)
        case "delete":
            assert map_.delete(key) is None
            model.pop(key, None)
        case "swap":
            assert map_.swap(key, value) == found
            model[key] = value
        case "compare_and_swap":
            matches = found == (other, True)
            assert map_.compare_and_swap(key, other, value) is matches
            model.update({key: value} if matches else {})
        case "compare_and_delete":
            matches = found == (other, True)
            assert map_.compare_and_delete(key, other) is matches
            if matches:
                del model[key]
        case "clear" if random_.random() < 0.1:
            assert map_.clear() is None
            model.clear()
    assert len(map_) == len(model)
    assert dict(map_.range()) == model


GO_LIKE = (
    "load store load_or_store load_and_delete delete swap compare_and_swap compare_and_delete clear".split()
)


def leaks(map_: Any) -> bool:
    return type(map_).__name__ == "LeakyLockDict"


def is_go_like(map_: Any) -> bool:
    return hasattr(map_, "load_or_store")


@all_maps
def test_it_is_a_map_of_one_manner(path: Path) -> None:
    cls = map_class(path)
    assert hasattr(cls, "__len__")
    for name in (
        ["load", "store", "range"]
        if is_go_like(cls)
        else ["__getitem__", "__setitem__", "setdefault", "items"]
    ):
        assert hasattr(cls, name), name


@all_maps
def test_in_sequence_it_answers_as_a_dict(path: Path) -> None:
    random_ = random.Random(path.stem)
    make = map_class(path)
    for _ in range(10):
        map_, model = make(), dict[Any, Any]()
        step = go_like_step if is_go_like(map_) else dict_like_step
        for _ in range(100):
            step(map_, model, random_)


def test_only_the_leaky_lock_stays_taken_after_a_key_error() -> None:
    leaky = map_class(ZOO / "broken" / "leaky_lock.py")()
    with pytest.raises(KeyError):
        del leaky["absent"]
    assert leaky._lock.locked()


def test_a_cache_evicts_what_was_used_least_recently() -> None:
    lru = map_class(ZOO / "correct" / "lru.py")(2)
    lru["a"], lru["b"] = 1, 2
    lru.get("a")
    lru["c"] = 3
    assert lru.items() == [("a", 1), ("c", 3)]


def test_a_move_between_buckets() -> None:
    buckets = map_class(ZOO / "correct" / "ordered_bucket_locks.py")()
    buckets["a"] = 1
    for old, new in [("a", "b"), ("b", "b"), ("b", "c")]:
        buckets.move(old, new)
    assert buckets.items() == [("c", 1)]
    with pytest.raises(KeyError):
        buckets.move("a", "b")


def test_reads_are_counted_by_thread() -> None:
    counting = map_class(ZOO / "correct" / "thread_local_counters.py")()
    counting["a"] = 1
    counting.get("a")
    counting.get("b")
    assert counting.reads() == {threading.get_ident(): {"hits": 1, "misses": 1}}


class AsDict:
    """The three operations of the hammer, for a map of either manner."""

    def __init__(self, map_: Any) -> None:
        self.map = map_
        self.go_like = is_go_like(map_)

    def setdefault(self, key: Any, value: Any) -> Any:
        return self.map.load_or_store(key, value)[0] if self.go_like else self.map.setdefault(key, value)

    def pop(self, key: Any) -> Any:
        return self.map.load_and_delete(key)[0] if self.go_like else self.map.pop(key, None)

    def items(self) -> set[tuple[Any, Any]]:
        return set(self.map.range() if self.go_like else self.map.items())


def hammer(make: Make) -> list[str]:
    """What four threads saw that no correct map shows them; a thread that raised or never ended included."""
    map_, wrong = make(), list[str]()
    view, winners = AsDict(map_), [set[int]() for _ in range(100)]

    def work(me: int) -> None:
        try:
            for key in range(100):
                winners[key].add(view.setdefault(("shared", key), me))
                if view.setdefault(("mine", me, key), key) != key:
                    wrong.append("a private key had somebody else's value")
                if key % 2 and view.pop(("mine", me, key)) != key:
                    wrong.append("a private key was not there")
                if key % 10 == 0 and not view.items() >= {(("mine", me, k), k) for k in range(0, key, 2)}:
                    wrong.append("a private key was not among the items")
        except Exception as error:  # noqa: BLE001 whatever a map raises is wrong
            wrong.append(repr(error))

    threads = [threading.Thread(target=work, args=(me,), daemon=True) for me in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        return [*wrong, "a thread never ended"]
    if any(len(seen) != 1 for seen in winners):
        wrong.append("setdefault had two winners")
    if len(map_) != 100 + 4 * 50 or len(view.items()) != len(map_):
        wrong.append("the size was wrong at the end")
    return wrong


@pytest.fixture
def often() -> Iterator[None]:
    """Switch threads as often as Python can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@correct_maps
@pytest.mark.usefixtures("often")
def test_a_correct_map_stands_the_hammer(path: Path) -> None:
    assert hammer(map_class(path)) == []


@pytest.mark.usefixtures("often")
def test_the_hammer_bites() -> None:
    honest = map_class(ZOO / "broken" / "check_then_act.py")

    together = threading.Barrier(4)

    class Slow(honest):  # type: ignore[misc,valid-type,unused-ignore]
        """The same bug, where all four threads look at the first key before any of them acts."""

        def setdefault(self, key: Any, default: Any = None) -> Any:
            value = self.get(key)
            if key == ("shared", 0):
                together.wait(SECONDS)
            if value is None:
                self[key] = value = default
            return value

    assert "setdefault had two winners" in hammer(Slow)
