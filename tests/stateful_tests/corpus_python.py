"""Plain Python as a stranger writes it: each line that touches what is shared may come between two of another thread.

The functions take what they share as arguments, and are short, so that brute force gets through them.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import Any

import untraced
from corpus import DEADLOCK, Corpus, Made, answers, each, state

program = Corpus(__file__)


# -- check then act


def put_if_not_in(d: dict[str, int], me: int) -> int:
    if "k" not in d:
        d["k"] = me
    return d["k"]


@program
def not_in() -> Made:
    return answers(put_if_not_in, {})


def put_unless_in(d: dict[str, int], me: int) -> int | None:
    if "k" in d:
        return None
    d["k"] = me
    return d["k"]


@program
def is_in() -> Made:
    return answers(put_unless_in, {})


def put_by_a_variable(d: dict[str, int], me: int) -> int:
    key = "k"
    present = key in d
    if not present:
        d[key] = me
    return d[key]


@program
def in_by_a_variable() -> Made:
    return answers(put_by_a_variable, {})


def put_if_none(d: dict[str, int], me: int) -> int:
    if d.get("k") is None:
        d["k"] = me
    return d["k"]


@program
def get_is_none() -> Made:
    return answers(put_if_none, {})


def put_after_a_key_error(d: dict[str, int], me: int) -> int:
    try:
        return d["k"]
    except KeyError:
        d["k"] = me
        return me


@program
def key_error() -> Made:
    return answers(put_after_a_key_error, {})


def add_if_length_is_zero(d: dict[int, bool], me: int) -> None:
    if len(d) == 0:
        d[me] = True


@program
def length_is_zero() -> Made:
    d: dict[int, bool] = {}
    return state(lambda: tuple(sorted(d)), add_if_length_is_zero, add_if_length_is_zero, shared=[d])


def add_if_it_is_not_true(d: dict[int, bool], me: int) -> None:
    if not d:
        d[me] = True


@program
def truth_of_a_dict() -> Made:
    d: dict[int, bool] = {}
    return state(lambda: tuple(sorted(d)), add_if_it_is_not_true, add_if_it_is_not_true, shared=[d])


def set_default(d: dict[str, int], me: int) -> int:
    return d.setdefault("k", me)


@program
def setdefault() -> Made:
    return answers(set_default, {})


class Holder:
    def __init__(self, v: Any = None, w: Any = None) -> None:
        self.v = v
        self.w = w


def make_if_none(holder: Holder, me: int) -> int:
    if holder.v is None:
        holder.v = me
    found: int = holder.v
    return found


@program
def attribute_is_none() -> Made:
    return answers(make_if_none, Holder())


def take_if_there(d: dict[str, int], me: int) -> int | None:
    if "k" in d:
        return d.pop("k")
    return None


@program
def pop_if_in() -> Made:
    return answers(take_if_there, {"k": 7})


def remove_if_there(s: set[int], me: int) -> bool:
    if 1 in s:
        s.remove(1)
        return True
    return False


@program
def remove_if_in_a_set() -> Made:
    return answers(remove_if_there, {1})


# -- updates that get lost


def increment_attribute(holder: Holder, me: int) -> None:
    holder.v += 1


@program
def lost_update_of_an_attribute() -> Made:
    holder = Holder(0)
    return state(lambda: holder.v, increment_attribute, increment_attribute, shared=[holder])


@program.too_large(1, 2, 3)
def lost_update_by_three() -> Made:
    holder = Holder(0)
    return state(lambda: holder.v, *[increment_attribute] * 3, shared=[holder])


def increment_item(d: dict[str, int], me: int) -> None:
    d["n"] += 1


@program
def lost_update_of_an_item() -> Made:
    d = {"n": 0}
    return state(lambda: d["n"], increment_item, increment_item, shared=[d])


_count = 0


def increment_global(me: int) -> None:
    global _count
    _count += 1


@program
def lost_update_of_a_global() -> Made:
    global _count
    _count = 0
    return state(lambda: _count, increment_global, increment_global)


@program
def lost_update_of_a_closure() -> Made:
    count = 0

    def increment(me: int) -> None:
        nonlocal count
        count += 1

    return state(lambda: count, increment, increment)


def set_through_the_module(me: int) -> None:
    import sys

    sys.modules[__name__]._count = me  # type: ignore[attr-defined]


def read_global_twice(me: int) -> tuple[int, int]:
    return (_count, _count)


@program
def global_by_two_names() -> Made:
    global _count
    _count = 0
    return each(partial(set_through_the_module, 1), partial(read_global_twice, 2))


# -- lists, sets, deques


def append(items: list[int], me: int) -> None:
    items.append(me)


@program
def append_once() -> Made:
    items: list[int] = []
    return state(lambda: tuple(items), append, append, shared=[items])


def append_twice(items: list[int], me: int) -> None:
    items.append(me)
    items.append(me)


@program
def append_twice_each() -> Made:
    items: list[int] = []
    return state(lambda: tuple(items), append_twice, append_twice, shared=[items])


@program
def append_by_three() -> Made:
    items: list[int] = []
    return state(lambda: tuple(items), append, append, append, shared=[items])


def extend(items: list[int], me: int) -> None:
    items.extend([me, me])
    items += [-me]


@program
def extend_and_add() -> Made:
    items: list[int] = []
    return state(lambda: tuple(items), extend, append, shared=[items])


def pop_all(items: list[int], me: int) -> int:
    return items.pop() + items.pop()


@program
def pop_from_a_list() -> Made:
    return answers(pop_all, [1, 2, 3])


def last_by_index(items: list[int], me: int) -> int:
    return items[len(items) - 1]


def shrink(items: list[int], me: int) -> None:
    items.pop()


@program
def index_after_length() -> Made:
    items = [1, 2]
    return each(partial(shrink, items, 1), partial(last_by_index, items, 2))


def discard_and_add(s: set[int], me: int) -> int:
    s.discard(3 - me)
    s.add(me)
    return len(s)


@program
def sets() -> Made:
    return answers(discard_and_add, set())


def rotate(d: deque[int], me: int) -> None:
    d.append(d.popleft() + me)


@program
def deques() -> Made:
    d = deque([10, 20])
    return state(lambda: tuple(d), rotate, rotate, shared=[d])


def total(d: dict[int, int], me: int) -> int:
    found = 0
    for key in d:
        found += key
    return found


def grow(d: dict[int, int], me: int) -> None:
    d[4] = 4


@program
def iteration_during_a_change() -> Made:
    d = {1: 1, 2: 2}
    return each(partial(total, d, 1), partial(grow, d, 2))


# -- several variables


def swap(holder: Holder, me: int) -> None:
    holder.v, holder.w = holder.w, holder.v


def read_both(holder: Holder, me: int) -> tuple[Any, Any]:
    return (holder.v, holder.w)


@program
def swap_of_two_attributes() -> Made:
    holder = Holder("a", "b")
    return state(lambda: read_both(holder, 0), swap, swap, shared=[holder])


@program
def torn_read() -> Made:
    holder = Holder("a", "b")
    return each(partial(swap, holder, 1), partial(read_both, holder, 2))


def publish(holder: Holder, me: int) -> None:
    holder.w = 42
    holder.v = True


def consume(holder: Holder, me: int) -> Any:
    return holder.w if holder.v else None


@program
def publication() -> Made:
    holder = Holder(False, 0)
    return each(partial(publish, holder, 1), partial(consume, holder, 2))


def copy_on_write(holder: Holder, me: int) -> None:
    holder.v = holder.v + (me,)  # noqa: RUF005 - an addition is what it is about


@program
def copies_on_write() -> Made:
    holder = Holder(())
    return state(lambda: holder.v, copy_on_write, copy_on_write, shared=[holder])


def concatenate(items: list[int], other: list[int], me: int) -> None:
    items.append(len(items + other))


@program
def concatenation_in_passing() -> Made:
    items: list[int] = []
    other: list[int] = []
    return state(
        lambda: (tuple(items), tuple(other)),
        partial(concatenate, items, other),
        partial(concatenate, other, items),
    )


def describe(items: list[int], log: list[str], me: int) -> None:
    log.append(f"{items}")
    items.append(me)


@program
def formatting_in_passing() -> Made:
    items: list[int] = []
    first: list[str] = []
    second: list[str] = []
    return state(
        lambda: (tuple(first), tuple(second)),
        partial(describe, items, first),
        partial(describe, items, second),
    )


# -- code that is called back


class Key:
    """Its comparison looks at something that changes."""

    def __init__(self, holder: Holder) -> None:
        self.holder = holder

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return bool(self.holder.v)


def get_by_key(d: dict[Any, int], key: Key) -> int | None:
    return d.get(key)


def change(d: dict[Any, int], key: Key, me: int) -> None:
    d[key] = 6
    key.holder.v = True


@program
def comparison_by_the_dict() -> Made:
    holder = Holder(False)
    key, other = Key(holder), Key(holder)
    d = {key: 5}
    return each(partial(change, d, key, 1), partial(get_by_key, d, other))


def v_of(holder: Holder) -> Any:
    return holder.v


def sort_by_v(items: list[Holder], me: int) -> None:
    items.sort(key=v_of)


def length(items: list[Holder], me: int) -> int:
    return len(items)


@program
def sort_that_calls_back() -> Made:
    """While a list is sorted it looks empty, until the last key is known."""
    items = [Holder(2), Holder(1)]
    return each(partial(sort_by_v, items, 1), partial(length, items, 2))


class Counted:
    """A property: an attribute that is a function."""

    def __init__(self) -> None:
        self.n = 0

    @property
    def next(self) -> int:
        self.n += 1
        return self.n


def draw(counted: Counted, me: int) -> int:
    return counted.next


@program
def a_property() -> Made:
    return answers(draw, Counted())


def read_doubled(doubling: untraced.Doubling, me: int) -> int:
    return doubling.doubled + doubling.doubled


def set_v(doubling: untraced.Doubling, me: int) -> None:
    doubling.v = me


@program
def a_property_elsewhere() -> Made:
    doubling = untraced.Doubling()
    return each(partial(read_doubled, doubling, 1), partial(set_v, doubling, 2))


class Strategy:
    """A method that is replaced: it is looked up in passing."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def add(self, what: str) -> None:
        self.log.append(what)

    def add_loudly(self, what: str) -> None:
        self.log.append(what.upper())


def use(strategy: Strategy, me: int) -> None:
    strategy.add("a")
    strategy.add("b")


def replace(strategy: Strategy, me: int) -> None:
    strategy.add = strategy.add_loudly  # type: ignore[method-assign]


@program
def method_looked_up_in_passing() -> Made:
    strategy = Strategy()
    return state(lambda: tuple(strategy.log), use, replace, shared=[strategy])


class Counter:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n = 0

    def increment(self) -> int:
        with self.lock:
            self.n += 1
            return self.n


# -- locks


def append_under(lock: Any, items: list[int], me: int) -> None:
    with lock:
        items.append(me)


@program
def with_a_lock_once_each() -> Made:
    lock, items = threading.Lock(), list[int]()
    return state(lambda: tuple(items), append_under, append_under, shared=[lock, items])


def append_under_twice(lock: Any, items: list[int], me: int) -> None:
    with lock:
        items.append(me)
    with lock:
        items.append(me)


@program.too_large((1, 1, 2, 2), (1, 2, 1, 2), (1, 2, 2, 1), (2, 1, 1, 2), (2, 1, 2, 1), (2, 2, 1, 1))
def with_a_lock_twice_each() -> Made:
    lock, items = threading.Lock(), list[int]()
    return state(lambda: tuple(items), append_under_twice, append_under_twice, shared=[lock, items])


def call_increment(counter: Counter, me: int) -> int:
    return counter.increment()


@program.too_large((1, 2), (2, 1))
def counter_behind_a_lock() -> Made:
    return answers(call_increment, Counter())


def first_under(lock: Any, holder: Holder, me: int) -> None:
    with lock:
        if holder.v is None:
            holder.v = me


@program.too_large(1, 2, 3)
def who_takes_the_lock_first() -> Made:
    lock, holder = threading.Lock(), Holder()
    return state(lambda: holder.v, first_under, first_under, first_under, shared=[lock, holder])


def both_locks(one: Any, other: Any, items: list[int], me: int) -> None:
    with one, other:
        items.append(me)


@program.too_large((DEADLOCK, ()), (1, 2), (2, 1))
def opposite_locks() -> Made:
    one, other, items = threading.Lock(), threading.Lock(), list[int]()
    return state(
        lambda: tuple(items),
        partial(both_locks, one, other, items),
        partial(both_locks, other, one, items),
    )


def check_outside(lock: Any, d: dict[str, int], me: int) -> None:
    if "k" not in d:
        with lock:
            d["k"] = d.get("k", 0) + 1


@program.too_large(1, 2)
def check_outside_of_the_lock() -> Made:
    lock, d = threading.Lock(), dict[str, int]()
    return state(lambda: d["k"], check_outside, check_outside, shared=[lock, d])


def try_to_append(lock: Any, items: list[int], me: int) -> None:
    if lock.acquire(blocking=False):
        items.append(me)
        lock.release()


@program
def try_lock() -> Made:
    lock, items = threading.Lock(), list[int]()
    return state(lambda: tuple(items), try_to_append, try_to_append, shared=[lock, items])
