"""What is said of an instruction without running it."""

from __future__ import annotations

import dis
import functools
import sys
from types import CodeType, FrameType
from typing import Any

import pytest

from mapproof.stateful_tests.explorer.instructions import (
    CONTENTS,
    Touch,
    enters,
    looks_in_at_first,
    may_end,
    names_in,
    touch_at,
)

NAMES = names_in(frozenset({__file__}))._replace(reached_otherwise=False)


class Box:
    def __init__(self) -> None:
        self.v: Any = None
        self.w = 0

    def get(self, key: Any) -> Any:
        return caller_enters_me()

    @functools.lru_cache(maxsize=1)  # noqa: B019 - it is what is looked at
    def cached(self) -> Any:
        return caller_enters_me()

    def __getitem__(self, key: Any) -> Any:
        return caller_enters_me()

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return bool(caller_enters_me())


def caller_enters_me() -> bool:
    """Whether the caller of whoever calls this entered it directly."""
    called = sys._getframe(1)
    assert called.f_back is not None
    return enters(called.f_back, called)


def touches(code: CodeType) -> list[tuple[str, Touch | None]]:
    return [
        (found.opname, touch_at(code, found.offset, NAMES))
        for found in dis.get_instructions(code)
        if found.opname not in ("RESUME", "CACHE")
    ]


def said(function: Any, opname: str) -> list[Touch | None]:
    return [touch for name, touch in touches(function.__code__) if name == opname]


def uses_names(box: Box, foreign: Any) -> Any:
    box.v = box.w
    del box.w
    return foreign.never_assigned_here, box.__class__


def test_a_name_is_what_an_attribute_is_known_by() -> None:
    assert said(uses_names, "STORE_ATTR") == [Touch("name", "v", False)]
    assert said(uses_names, "DELETE_ATTR") == [Touch("name", "w", False)]
    assert said(uses_names, "LOAD_ATTR") == [
        Touch("name", "w", True),
        Touch(CONTENTS, "", False),  # an object made in C may have it, and change it when it is called
        None,
    ]


def uses_contents(d: dict[Any, Any], items: list[Any]) -> None:
    if d in items:
        d["k"] = items.pop()
    d.frobnicate()  # type: ignore[attr-defined]


def test_containers_are_one_thing_and_other_calls_may_be_anything() -> None:
    contents = Touch(CONTENTS, "", False)
    assert said(uses_contents, "CONTAINS_OP") == [contents]
    assert said(uses_contents, "STORE_SUBSCR") == [contents]
    assert said(uses_contents, "CALL") == [contents, None]


def test_where_names_are_reached_by_other_means_nothing_is_about_contents_alone() -> None:
    names = NAMES._replace(reached_otherwise=True)
    assert all(
        touch_at(uses_contents.__code__, found.offset, names) is None
        for found in dis.get_instructions(uses_contents)
        if found.opname in ("CONTAINS_OP", "STORE_SUBSCR", "CALL")
    )


@pytest.mark.parametrize(
    "text", ["vars(self)", "self.__dict__['a']", "setattr(x, 'y', 1)", "getattr(x, y)", "gc"]
)
def test_other_means_are_noticed(text: str, tmp_path: Any) -> None:
    file = tmp_path / "some.py"
    file.write_text(f"def f(self, x, y):\n    return {text}\n")
    assert names_in(frozenset({str(file)})).reached_otherwise


def test_of_a_file_without_its_text_nothing_is_known() -> None:
    assert names_in(frozenset({"<no such file>"})).reached_otherwise


def test_names_are_found_where_they_are_assigned(tmp_path: Any) -> None:
    file = tmp_path / "names.py"
    file.write_text(
        "limit = 3\n\ndef f(self):\n    self.a = 1\n    self.b += 1\n    self.c: int = 2\n    self.d, self.e = 1, 2\n"
        "    self.read == 1\n    self.method()\n"
    )
    names = names_in(frozenset({str(file)}))
    assert names.assigned == frozenset("abcde")
    assert names.in_passing == {"limit", "method"}
    assert not names.reached_otherwise


def calls_directly(box: Box) -> Any:
    return box.get(1)


def calls_by_subscript(box: Box) -> Any:
    return box[1]


def calls_through_a_cache(box: Box) -> Any:
    return box.cached()


def calls_by_comparison_in_c(box: Box) -> Any:
    return box in [Box()]


def calls_a_local_function() -> Any:
    def local() -> bool:
        return caller_enters_me()

    return local()


def calls_a_decorated_local_function() -> Any:
    @functools.lru_cache
    def local() -> bool:
        return caller_enters_me()

    return local()


def calls_back() -> Any:
    def local(_: Any) -> bool:
        return caller_enters_me()

    return next(map(local, [1]))


@pytest.mark.parametrize(
    ("answer", "directly"),
    [
        (lambda: calls_directly(Box()), True),
        (lambda: calls_by_subscript(Box()), True),
        (lambda: calls_through_a_cache(Box()), False),
        (lambda: calls_by_comparison_in_c(Box()), False),
        (calls_a_local_function, True),
        (calls_a_decorated_local_function, False),
        (calls_back, False),
    ],
)
def test_a_function_is_entered_with_nothing_in_between_or_not(answer: Any, directly: bool) -> None:
    assert answer() is directly


def stops_and_returns(box: Box) -> Any:
    return box.v


def goes_on(box: Box) -> Any:
    seen = box.v
    box.w = seen
    return None


def at_its_first_attribute(function: Any) -> FrameType:
    """The frame of a call of the function, as it stands there."""
    found: list[FrameType] = []

    class Watched(Box):
        def __getattribute__(self, name: str) -> Any:
            found.append(sys._getframe(1))
            raise StopIteration

    with pytest.raises(StopIteration):
        function(Watched())
    return found[0]


@pytest.mark.parametrize(("function", "ends"), [(stops_and_returns, True), (goes_on, False)])
def test_a_frame_may_end_before_it_stops_again_or_not(function: Any, ends: bool) -> None:
    assert may_end(at_its_first_attribute(function)) is ends


def tells_truth(items: list[Any]) -> Any:
    return 1 if items else 2


def compares(n: int) -> Any:
    return 1 if n is None else 2


def formats(items: list[Any]) -> str:
    return f"{items}"


def joins(items: list[Any]) -> list[Any]:
    return items + items


def adds_one(n: int) -> int:
    return n + 1


@pytest.mark.parametrize(
    ("function", "looks"),
    [(tells_truth, True), (compares, False), (formats, True), (joins, True), (adds_one, False)],
)
def test_an_object_is_looked_into_in_passing_or_not(function: Any, looks: bool) -> None:
    assert looks_in_at_first(function.__code__) is looks
