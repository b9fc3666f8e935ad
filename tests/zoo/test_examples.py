"""The examples are what they say: the histories, the locked cache, and the smallest wrong map."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mapproof.spec.history import History, HistoryError, Operation
from mapproof.spec.model import Inconsistent, MapModel, MapState

EXAMPLES = Path(__file__).parents[2] / "examples"


def load_example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def orders(left: tuple[Operation, ...], state: MapState) -> Iterator[list[Operation]]:
    """Every order of the operations that their times and the model allow, by trying all of them."""
    if not left:
        yield []
    for i, first in enumerate(left):
        rest = left[:i] + left[i + 1 :]
        if any(other.return_ is not None and other.return_ < first.call for other in rest):
            continue
        after = MapModel().step(state, first)
        if not isinstance(after, Inconsistent):
            yield from ([first, *order] for order in orders(rest, after))


@pytest.mark.parametrize(("name", "linearizable"), [("history_good", True), ("history_bad", False)])
def test_a_history_is_what_its_name_says(name: str, linearizable: bool) -> None:
    path = EXAMPLES / f"{name}.jsonl"
    history = History.read(path)
    assert b"".join(history.lines()) == path.read_bytes()
    assert any(orders(history.operations, MapModel.initial)) is linearizable


def test_the_bad_history_is_a_stale_read_of_one_key() -> None:
    *rest, stale, pear = History.read(EXAMPLES / "history_bad.jsonl").operations
    assert str(stale) == "load('apple') -> (1, True)"
    assert any(orders((*rest, pear), MapModel.initial))


def test_the_malformed_history_is_refused_in_one_line() -> None:
    with pytest.raises(HistoryError) as raised:
        History.read(EXAMPLES / "history_malformed.jsonl")
    assert str(raised.value).endswith(
        "history_malformed.jsonl:4: result: load answers [value, true] or [null, false]"
    )


def test_the_locked_cache_is_a_dict_that_evicts() -> None:
    cache = load_example("locked_lru").LockedLRU()
    assert cache.maxsize == 1000
    cache["a"] = 1
    assert cache.setdefault("a", 2) == 1
    assert cache.setdefault("b", 2) == 2
    assert (cache.get("a"), cache.get("c", 3), cache["b"]) == (1, 3, 2)
    assert (sorted(cache.items()), sorted(cache), sorted(cache.values())) == (
        [("a", 1), ("b", 2)],
        ["a", "b"],
        [1, 2],
    )
    assert (cache.pop("a"), cache.pop("a", None), len(cache)) == (1, None, 1)
    del cache["b"]
    with pytest.raises(KeyError):
        del cache["b"]
    assert not cache.lock._is_owned()
    for key in range(1001):
        cache[key] = key
    assert (len(cache), 0 in cache) == (1000, False)
    cache.clear()
    assert cache.items() == []


def test_each_method_of_the_locked_cache_holds_its_lock() -> None:
    class Counting:
        taken = 0

        def __enter__(self) -> None:
            self.taken += 1

        def __exit__(self, *exception: object) -> None:
            pass

    cache = load_example("locked_lru").LockedLRU()
    calls: list[Callable[[], object]] = [
        lambda: cache.__setitem__("a", 1),
        lambda: cache["a"],
        lambda: cache.get("a"),
        lambda: cache.setdefault("a"),
        lambda: len(cache),
        lambda: iter(cache),
        lambda: cache.items(),
        lambda: cache.values(),
        lambda: cache.pop("a"),
        lambda: cache.setdefault("a", 1),
        lambda: cache.popitem(),
        lambda: cache.clear(),
    ]
    for call in calls:
        cache.lock = Counting()
        call()
        assert cache.lock.taken > 0


def test_the_smallest_wrong_map_is_right_alone_and_wrong_with_somebody_in_between() -> None:
    wrong_map = load_example("check_then_act").CheckThenAct
    alone = wrong_map()
    assert [alone.setdefault("a", 1), alone.setdefault("a", 2)] == [1, 1]
    between: list[Any] = []

    class Interrupted(wrong_map):  # type: ignore[misc,valid-type]
        """Another thread's whole `setdefault` runs between the check and the act."""

        def __contains__(self, key: object) -> bool:
            found = super().__contains__(key)
            between.append(dict.setdefault(self, key, 2))
            return bool(found)

    assert (Interrupted().setdefault("a", 1), between) == (1, [2])
