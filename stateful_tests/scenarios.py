"""What is run: a small concurrent program, and the Hypothesis strategy that draws one.

The idea: most bugs of concurrent maps show in two threads of one to three operations on one or two keys, some of
them only when the map is about to grow. So scenarios are small, keys collide, and some start with a map that was
filled first. Every stored value is another number, so a result names the store that it came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, islice, product
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

_LOOK_THEN_ACT = frozenset(
    {Op.LOAD_OR_STORE, Op.LOAD_AND_DELETE, Op.SWAP, Op.COMPARE_AND_SWAP, Op.COMPARE_AND_DELETE}
)

LARGEST_FILL = 40
"""Enough to bring a hash table of 32 or 64 slots to the brink of a resize."""

KEYS = LARGEST_FILL + 10
"""How many keys a target must have for scenarios to be drawn."""

_KINDS = ("mixed", "mixed", "twins", "crowd")
"""What the threads do: operations on one or two keys; all the same, for an operation that races with itself; or
each inserts keys of its own, for a map that grows meanwhile."""

_THREADS = {2: (2,), 3: (2, 2, 2, 3), 4: (2, 2, 2, 2, 2, 3, 3, 4)}
"""How many there are: few bugs need three, hardly any four, and each more makes for many more schedules."""

_FILLS = (0, 0, 0, 3, 3, 3, 12, 12, LARGEST_FILL)
"""How full the map is at the start, at most: mostly hardly at all, for that is where runs are cheap."""


@st.composite
def scenarios(
    draw: st.DrawFn, adapter: Adapter, keys: Sequence[Any], max_threads: int = 3, max_operations: int = 3
) -> Scenario:
    """Scenarios for a map with that adapter. `keys` are the KEYS keys that it accepts.

    Of two threads mostly, of `max_threads` (2 to 4) seldom. They shrink to fewer threads and operations, and to an
    empty map at the start.
    """
    fill = draw(st.integers(0, draw(st.sampled_from(_FILLS))))
    contended = sorted(
        draw(st.sets(st.sampled_from(sorted({0, max(fill - 1, 0), fill, fill + 1})), min_size=1, max_size=2))
    )
    drafts = st.lists(_drafts(adapter, contended), min_size=1, max_size=max_operations)
    warming = draw(st.lists(_drafts(adapter, contended), max_size=max_operations + 1))
    count = draw(st.sampled_from(_THREADS[max_threads]))
    match draw(st.sampled_from(_KINDS)):
        case "twins":
            threads = [draw(drafts)] * count
        case "crowd" if _inserting(adapter):
            threads = [
                draw(_crowd(adapter, range(fill + i, len(keys), count), max_operations)) for i in range(count)
            ]
        case _:
            threads = [draw(drafts) for _ in range(count)]
    filling = _filling(adapter, fill)
    asked = {draft.key for thread in threads for draft in thread}
    if Op.RANGE not in adapter.forms:
        asked |= {0, max(fill - 1, 0), fill, fill + 1}
    return build(adapter, keys, [filling + warming, *threads], sorted(asked))


def _inserting(adapter: Adapter) -> list[Op]:
    return [op for op in adapter.forms if op in _INSERTS]


def _crowd(adapter: Adapter, own_keys: Sequence[int], most: int) -> st.SearchStrategy[list[_Draft]]:
    """One thread's insertions, each of a key that no other thread touches."""
    ops = st.lists(st.sampled_from(_inserting(adapter)), min_size=1, max_size=most)
    return ops.map(lambda drawn: [_Draft(op, key, 0, 0) for op, key in zip(drawn, own_keys, strict=False)])


@st.composite
def _drafts(draw: st.DrawFn, adapter: Adapter, contended: Sequence[int]) -> _Draft:
    """One call. Operations that look and then act come twice as often as the others."""
    ops = [op for op in _SIMPLEST_FIRST if op in adapter.forms]
    op = draw(st.sampled_from([*ops, *(op for op in ops if op in _LOOK_THEN_ACT)]))
    form = draw(st.integers(0, len(adapter.forms[op]) - 1))
    return _Draft(op, draw(st.sampled_from(contended)), form, draw(st.integers(0, 3)))


def pairs(adapter: Adapter, keys: Sequence[Any]) -> Iterator[Scenario]:
    """Every two operations at once: on one key, that was never there, is, or was; and on two, one new or both.

    Few bugs need more, so they come first: those that look and then act before the others, those of the whole map
    last. Two that only look are loads.
    """
    ops = sorted((op for op in _SIMPLEST_FIRST if op in adapter.forms), key=_rank)
    couples = sorted(combinations_with_replacement(ops, 2), key=lambda couple: _rank(couple[1]))
    for couple in couples:
        if couple == (Op.LOAD, Op.LOAD) or not _LOOKS.issuperset(couple):
            often = 4 if _COMMON.issuperset(couple) else 2
            for setup in islice(_setups(adapter), often):
                yield build(adapter, keys, [setup, *([_Draft(op, 0, 0, 0)] for op in couple)], [0, 1])
    for first, second in couples:
        if first in _INSERTS and second in _INSERTS | _REMOVES:
            for fill in (0, 1, 3) if second in _INSERTS else (1, 3):
                other = fill + 1 if second in _INSERTS else 0
                programs = [[_Draft(first, fill, 0, 0)], [_Draft(second, other, 0, 0)]]
                yield build(adapter, keys, [_filling(adapter, fill), *programs], range(fill + 2))


def _setups(adapter: Adapter) -> Iterator[list[_Draft]]:
    """Client 0 leaves key 0 alone; stores it and another; deletes it then; or clears the map."""
    yield []
    full = _filling(adapter, 2)
    if full:
        yield full
        yield from ([*full, _Draft(op, 0, 0, 0)] for op in (Op.DELETE, Op.CLEAR) if op in adapter.forms)


def _filling(adapter: Adapter, fill: int) -> list[_Draft]:
    return [_Draft(Op.STORE, key, 0, 0) for key in range(fill)] if Op.STORE in adapter.forms else []


_LOOKS = frozenset({Op.LOAD, Op.LEN, Op.RANGE})
_INSERTS = frozenset({Op.STORE, Op.LOAD_OR_STORE, Op.SWAP})
_REMOVES = frozenset({Op.DELETE, Op.LOAD_AND_DELETE})
_COMMON = frozenset({Op.STORE, Op.LOAD, Op.LOAD_OR_STORE, Op.DELETE})


def triples(adapter: Adapter, keys: Sequence[Any]) -> Iterator[Scenario]:
    """Three operations on one key, on a map that is empty or has it: each in a thread, then two beside one."""
    ops = [op for op in _SIMPLEST_FIRST if op in adapter.forms and op in _COMMON]
    changes = [op for op in ops if op is not Op.LOAD]
    looks = [op for op in ops if op in (Op.LOAD, Op.LOAD_OR_STORE)]
    beside = [((one,), (first, second)) for one, first, second in product(changes, ops, looks)]
    apart = [tuple((op,) for op in three) for three in combinations_with_replacement(ops, 3)]
    for threads in (*apart, *beside):
        programs = [[_Draft(op, 0, 0, 0) for op in thread] for thread in threads]
        for fill in (0, 1):
            yield build(adapter, keys, [_filling(adapter, fill), *programs], [0])


def _rank(op: Op) -> int:
    """In which order operations are tried."""
    return 2 if not SIGNATURES[op].keyed else 0 if op in _LOOK_THEN_ACT else 1


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
    """Schedules of at most four switches, each at one of the first `longest` decisions.

    They shrink to fewer switches, then to earlier ones. To find a bug, search for its schedule
    (`explorer.plan`): a drawn one hits it seldom.
    """
    switch = st.tuples(st.integers(0, longest), st.integers(1, threads))
    return st.lists(switch, max_size=4, unique_by=lambda pair: pair[0]).map(
        lambda found: Schedule(tuple(sorted(found)))
    )
