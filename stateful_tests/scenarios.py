"""What is run: a small concurrent program, and the Hypothesis strategy that draws one.

The idea: most bugs of concurrent maps show in two threads of one to three operations on one or two keys, some of
them only when the map is about to grow. So scenarios are small, keys collide, and some start with a map that was
filled first. Every stored value is another number, so a result names the store that it came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from mapproof.spec.operations import SIGNATURES, Op
from mapproof.stateful_tests.adapters import Adapter
from mapproof.stateful_tests.explorer.strategy import Schedule


@dataclass(frozen=True, slots=True)
class Call:
    """One operation to perform; `form` picks one of the adapter's ways to call it."""

    op: Op
    key: Any = None
    args: tuple[Any, ...] = ()
    form: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Client 0 runs `setup`, then clients 1, 2, ... run `threads` at once, then client 0 runs `observers`."""

    setup: tuple[Call, ...]
    threads: tuple[tuple[Call, ...], ...]
    observers: tuple[Call, ...]

    def calls(self) -> Iterator[Call]:
        """Every call, setup first."""
        yield from self.setup
        for thread in self.threads:
            yield from thread
        yield from self.observers


@dataclass(frozen=True, slots=True)
class _Draft:
    """A call before its values are known: `old` chooses what a compare compares with."""

    op: Op
    key: int
    form: int
    old: int


_SIMPLEST_FIRST = (
    Op.STORE,
    Op.LOAD,
    Op.LOAD_OR_STORE,
    Op.DELETE,
    Op.LOAD_AND_DELETE,
    Op.SWAP,
    Op.COMPARE_AND_SWAP,
    Op.COMPARE_AND_DELETE,
    Op.LEN,
    Op.RANGE,
    Op.CLEAR,
)
"""Hypothesis shrinks a choice towards the front."""

LARGEST_FILL = 40
"""Enough to bring a hash table of 32 or 64 slots to the brink of a resize."""

_TWINS = (False, False, True)

_FILLS = (0, 0, 0, 3, 3, 3, 12, 12, LARGEST_FILL)
"""How full the map is at the start, at most: mostly hardly at all, for that is where runs are cheap."""


@st.composite
def scenarios(
    draw: st.DrawFn, adapter: Adapter, keys: Sequence[Any], max_threads: int = 3, max_operations: int = 3
) -> Scenario:
    """Scenarios for a map with that adapter. `keys` are at least LARGEST_FILL + 2 keys that it accepts."""
    fill = draw(st.integers(0, draw(st.sampled_from(_FILLS))))
    near = sorted({0, max(fill - 1, 0), fill, fill + 1})
    contended = sorted(draw(st.sets(st.sampled_from(near), min_size=1, max_size=2)))
    drafts = st.lists(_drafts(adapter, contended), min_size=1, max_size=max_operations)
    warming = draw(st.lists(_drafts(adapter, contended), max_size=max_operations + 1))
    count = draw(st.sampled_from([2] * 3 + [max_threads]))
    # Twins: every thread runs the same program, for an operation that races with itself.
    threads = (
        [draw(drafts)] * count if draw(st.sampled_from(_TWINS)) else [draw(drafts) for _ in range(count)]
    )
    filling = [_Draft(Op.STORE, key, 0, 0) for key in range(fill)] if Op.STORE in adapter.forms else []
    return build(adapter, keys, [filling + warming, *threads], near)


def _drafts(adapter: Adapter, touched: Sequence[int]) -> st.SearchStrategy[_Draft]:
    ways = [
        (op, form) for op in _SIMPLEST_FIRST if op in adapter.forms for form in range(len(adapter.forms[op]))
    ]
    return st.builds(
        lambda way, key, old: _Draft(way[0], key, way[1], old),
        st.sampled_from(ways),
        st.sampled_from(touched),
        st.integers(0, 3),
    )


def build(
    adapter: Adapter, keys: Sequence[Any], programs: Sequence[Sequence[_Draft]], touched: Sequence[int]
) -> Scenario:
    """Give every store its own value and every compare one that its key may hold; add the observers."""
    numbered = _number(programs)
    stored = _values_by_key(numbered)
    setup, *threads = [
        tuple(_call(draft, value, keys, stored) for draft, value in program) for program in numbered
    ]
    return Scenario(setup, tuple(threads), _observers(adapter, [keys[i] for i in touched]))


_Numbered = Sequence[Sequence[tuple[_Draft, int]]]


def _number(programs: Sequence[Sequence[_Draft]]) -> _Numbered:
    values = iter(range(1, 1 + sum(map(len, programs))))
    return [[(draft, next(values)) for draft in program] for program in programs]


def _values_by_key(programs: _Numbered) -> Mapping[int, list[int]]:
    stored: dict[int, list[int]] = {}
    for program in programs:
        for draft, value in program:
            if SIGNATURES[draft.op].arguments[-1:] in (("value",), ("new",)):
                stored.setdefault(draft.key, []).append(value)
    return stored


def _call(draft: _Draft, value: int, keys: Sequence[Any], stored: Mapping[int, list[int]]) -> Call:
    signature = SIGNATURES[draft.op]
    candidates = stored.get(draft.key) or [0]
    by_name = {"value": value, "new": value, "old": candidates[draft.old % len(candidates)]}
    key = keys[draft.key] if signature.keyed else None
    return Call(draft.op, key, tuple(by_name[name] for name in signature.arguments), draft.form)


def _observers(adapter: Adapter, keys: Sequence[Any]) -> tuple[Call, ...]:
    """What client 0 asks when the threads are done, so that a lost update is seen."""
    loads = [Call(Op.LOAD, key) for key in keys] if Op.LOAD in adapter.forms else []
    return (*loads, *(Call(op) for op in (Op.LEN, Op.RANGE) if op in adapter.forms))


def schedules(threads: int = 3, longest: int = 300) -> st.SearchStrategy[Schedule]:
    """Schedules of at most four switches, each at one of the first `longest` decisions."""
    switch = st.tuples(st.integers(0, longest), st.integers(1, threads))
    return st.lists(switch, max_size=4, unique_by=lambda pair: pair[0]).map(
        lambda found: Schedule(tuple(sorted(found)))
    )
