"""Values are told, looked up and worked out without running any code of the object under test."""

from __future__ import annotations

import enum
from collections import OrderedDict, defaultdict, deque
from typing import Any

import pytest
from failing_runs import first_failure, on
from told_programs import Lines, Node, Waits

from mapproof.impl.sync import Atomic, Mutex, Plain, PlainDict
from mapproof.stateful_tests.places import place_of_access
from mapproof.stateful_tests.trace import plain, trace
from mapproof.stateful_tests.trace.events import Step
from mapproof.stateful_tests.trace.states import attributes
from mapproof.stateful_tests.trace.values import (
    ABSENT,
    LONGEST,
    UNKNOWN,
    Names,
    attribute,
    inherits,
    looked_up,
)

pytestmark = pytest.mark.interpreter


def hostile() -> Any:
    """An object that runs code when it, or its class, is asked for anything. Made here: pytest asks what it finds."""

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise AssertionError(f"{name} was asked of a class under test")

        def __instancecheck__(cls, value: object) -> bool:
            raise AssertionError("isinstance was asked")

    class Hostile(metaclass=Meta):
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"{name} was asked of an object under test")

    return object.__new__(Hostile)


class HostileDict(dict):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise AssertionError("iterated")

    def items(self) -> Any:
        raise AssertionError("items")

    def __len__(self) -> int:
        raise AssertionError("len")


class HostileText(str):
    __slots__ = ()

    def __repr__(self) -> str:
        raise AssertionError("repr")

    def __hash__(self) -> int:
        return 12_345

    def __eq__(self, other: object) -> bool:
        raise AssertionError("==")


class Colour(enum.Enum):
    RED = 1


TEXTS: list[tuple[Any, str]] = [
    (None, "None"),
    (1, "1"),
    (True, "True"),
    ("a'b", '"a\'b"'),
    (b"x", "b'x'"),
    (10**5000, "an int of 16610 bits"),
    ("x" * 1000, "'" + "x" * 38 + "…"),
    ([], "[]"),
    ((), "()"),
    ((1,), "(1,)"),
    ([1, [2, [3, [4]]]], "[1, [2, [3, …]]]"),
    (list(range(9)), "[0, 1, 2, 3, …]"),
    ({"a": 1, 2: None}, "{'a': 1, 2: None}"),
    (set(), "set()"),
    ({"b", "a"}, "{'a', 'b'}"),
    (Node(1, 2), "Node#1"),
    ([Node(1, 2), Node(1, 2)], "[Node#1, Node#2]"),
    (Node, "Node"),
    (HostileDict(a=1), "HostileDict#1"),
    (HostileText("x"), "HostileText#1"),
    (Colour.RED, "Colour#1"),
    (deque([1]), "deque#1"),
    (len, "len"),
    (lambda: 0, "<lambda>"),
    (ABSENT, "absent"),
]


@pytest.mark.parametrize("place", range(len(TEXTS)))
def test_a_value_as_text(place: int) -> None:
    value, text = TEXTS[place]
    names = Names()
    assert names.text(value) == text
    assert names.text(value) == text
    assert len(text) <= LONGEST


def test_a_hostile_object_is_its_class_and_a_number() -> None:
    made = hostile()
    assert Names().text(made) == "Hostile#1"
    assert Names().text(type(made)) == "Hostile"
    assert attribute(made, "x") is UNKNOWN


def test_a_number_is_of_one_object_for_ever() -> None:
    names = Names()
    texts = [names.text(Node(i, i)) for i in range(50)]  # each is gone before the next is made
    assert texts == [f"Node#{i}" for i in range(1, 51)]


class Parent:
    __slots__ = ("__dict__", "slot", "unset")
    shared = "class"

    def __init__(self) -> None:
        self.slot = 1
        self.own = 2

    @property
    def computed(self) -> int:
        raise AssertionError("a property was asked")

    def method(self) -> None: ...


class Child(Parent):
    slot = 5  # type: ignore[misc] # hides the slot
    own = 6


class Answers(Parent):
    def __getattr__(self, name: str) -> Any:
        raise AssertionError("__getattr__")


@pytest.mark.parametrize(
    ("make", "name", "expected"),
    [
        (Parent, "slot", 1),
        (Parent, "own", 2),
        (Parent, "shared", "class"),
        (Parent, "unset", ABSENT),
        (Parent, "computed", UNKNOWN),
        (Parent, "method", UNKNOWN),
        (Parent, "nothing", UNKNOWN),
        (Child, "own", 2),
        (Answers, "own", 2),
        (Answers, "nothing", UNKNOWN),
    ],
)
def test_an_attribute_is_taken_from_where_it_is_kept(make: Any, name: str, expected: Any) -> None:
    assert attribute(make(), name) is expected or attribute(make(), name) == expected


class Missing(dict):  # type: ignore[type-arg]
    def __missing__(self, key: Any) -> Any:
        raise AssertionError("missing")


def test_a_look_up_compares_builtin_keys_alone() -> None:
    assert looked_up({1: "a"}, 1) == "a"
    assert looked_up({1: "a"}, True) == "a"
    assert looked_up({1: "a"}, 2) is ABSENT
    assert looked_up({HostileText("x"): 1, 1: 2}, 1) == 2
    assert looked_up({HostileText("x"): 1}, "x") is UNKNOWN
    assert looked_up({}, HostileText("x")) is UNKNOWN
    assert looked_up(dict.fromkeys(range(100_000)), 5) is UNKNOWN
    assert inherits(OrderedDict(), dict, "__getitem__", "__missing__")
    assert not inherits(defaultdict(int), dict, "__getitem__", "__missing__")
    assert not inherits(Missing(), dict, "__getitem__", "__missing__")
    assert not inherits(HostileDict(), dict, "__len__")
    assert not inherits([], dict)


class Slotted:
    __slots__ = ("lock", "m", "n", "text", "words")

    def __init__(self) -> None:
        self.n = Atomic(1, "n")
        self.m = Plain([1], "m")
        self.words: Any = PlainDict("words")
        self.lock = Mutex("lock")
        self.text = "x"


def test_the_state_of_an_object_is_what_it_is_made_of() -> None:
    assert attributes(Slotted(), Names()) == "lock = free, m = [1], n = 1, text = 'x', words = {}"
    assert attributes(HostileDict(a=1), Names()) == ""
    assert attributes(Parent(), Names()) == "slot = 1, own = 2"
    assert attributes({"a": 1}, Names()) == "{'a': 1}"
    assert len(attributes(dict.fromkeys(range(100), "x" * 100), Names())) <= 300


# -- what lines of source read and write


EXPECTED = """\
self.n = value  := 1
self.n += 2  → 1  := 3
self.n = -self.n  self.n → 3  := -3
self.items_[1] = self.items_[0]  → 10  := 10
got = self.nested["z"]["b"]  → 7
self.deep = self.computed
return self.n  → -3
… self.deep = self.computed  := -3
one, two = self.n, self.items_[-1]  self.n → -3  self.items_[-1] → 10
if "x" in self.words and key not in self.nested:  'x' in self.words → True  key not in self.nested → True
self.nested[key] = [one, two]  := [-3, 10]
self.deep = Node(got, got)
self.key, self.value = key, value  self.key := 7  self.value := 7
… self.deep = Node(got, got)  := Node#1
self.node.key = self.shared  → 3  := 3
popped = self.nested.pop("none", None)  → None
del self.nested["z"]
with self.changed:  holds self.changed
self.changed.notify_all()
with self.changed:  holds no lock
self.deep = {**self.nested}  self.nested → {'a': [-3, 10]}  := {'a': [-3, 10]}
super().__setitem__(key, popped)"""
"""By hand, from the source of `Lines`."""


def told(found: Any) -> list[str]:
    lines = []
    for row in found.rows:
        if isinstance(row, Step):
            notes = [touch.note for touch in row.touches if touch.note]
            if row.owners is not None:
                notes.append(f"holds {', '.join(row.owners) or 'no lock'}")
            lines.append("  ".join(["… " * row.continued + row.source, *notes]))
    return lines


def test_what_each_kind_of_line_reads_and_writes() -> None:
    with on(Lines, "", "store a 1") as (lab, scenario):
        found = trace(lab, scenario, first_failure(lab, scenario))
    assert found.valued
    assert told(found) == EXPECTED.splitlines()


def test_the_place_of_a_wait_is_in_the_program() -> None:
    with on(Waits, "", "load a") as (lab, scenario):
        failing = first_failure(lab, scenario)
        account = plain(trace(lab, scenario, failing), 200)
    line = Waits.__getitem__.__code__.co_firstlineno + 2
    assert f"told_programs.py:{line} self.changed.wait()  holds no lock" in account
    assert f"✗ waits to lock the notification awaited at told_programs.py:{line}\n" in account
    assert "threading.py" not in account.partition("\n\n")[2]


def test_who_calls_no_primitive_is_nowhere() -> None:
    assert place_of_access(Atomic(0)) is None
