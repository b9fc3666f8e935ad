"""Happens-before and data races, held against the relation itself: every edge written down, and its closure.

The idea: a run is a random list of events. The slow side draws an edge for each sentence of the memory model and
takes the transitive closure; the clocks must know exactly the same. Slips of the clocks are caught by that.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from types import ModuleType
from typing import Any

import pytest

from mapproof.spec import happens_before
from mapproof.spec.accesses import Access
from mapproof.spec.happens_before import DataRaces, Race

ACCESSES = {
    "mu": (Access.LOCK, Access.TRY_LOCK, Access.UNLOCK),
    "rw": (Access.LOCK, Access.R_LOCK, Access.UNLOCK, Access.R_UNLOCK),
    "word": (Access.LOAD, Access.STORE, Access.SWAP, Access.ADD, Access.COMPARE_AND_SWAP),
    "other word": (Access.LOAD, Access.STORE),
    "semaphore": (Access.ACQUIRE, Access.RELEASE),
    "x": (Access.READ, Access.WRITE, Access.OR),
    "y": (Access.READ, Access.WRITE),
}
PLAIN = (Access.READ, Access.WRITE, Access.OR)
MAY_FAIL = (Access.TRY_LOCK, Access.COMPARE_AND_SWAP)
THREADS = 4


@dataclass(frozen=True)
class Event:
    """`what` is an access, or "start" or "join" of the thread `target`."""

    thread: int
    what: Access | str
    target: Any
    happened: bool = True


def drawn(random: Random, length: int) -> list[Event]:
    """Events in any order, sense or none: the clocks judge no program. A joined thread does nothing more."""
    alive, events = list(range(THREADS)), list[Event]()
    for _ in range(length):
        thread = random.choice(alive)
        others = [other for other in alive if other != thread]
        if others and random.random() < 0.08:
            what, other = random.choice(["start", "start", "join"]), random.choice(others)
            events.append(Event(thread, what, other))
            if what == "join":
                alive.remove(other)
            continue
        target = random.choice([*ACCESSES, "x", "y"])
        access = random.choice(ACCESSES[target])
        happened = access not in MAY_FAIL or random.random() < 0.5
        events.append(Event(thread, access, target, happened))
    return events


# -- the slow side


def observes(event: Event) -> bool:
    return event.what in (Access.LOAD, Access.SWAP, Access.ADD, Access.COMPARE_AND_SWAP)


def changes(event: Event) -> bool:
    return event.happened and event.what in (
        Access.STORE,
        Access.SWAP,
        Access.ADD,
        Access.COMPARE_AND_SWAP,
    )


def has_edge(events: Sequence[Event], a: int, b: int) -> bool:
    """Whether some sentence orders event a before the later event b."""
    one, other, between = events[a], events[b], events[a + 1 : b]
    part_of = {one.thread, *([one.target] if one.what == "start" else [])}
    waits_for = {other.thread, *([other.target] if other.what == "join" else [])}
    if part_of & waits_for:
        return True
    if one.target != other.target or (not other.happened and other.what is Access.TRY_LOCK):
        return False
    since = [event for event in between if event.target == one.target]
    if changes(one) and observes(other):  # the effect of the last change is what is observed
        return not any(changes(event) for event in since)
    locks = other.what in (Access.LOCK, Access.TRY_LOCK)
    match one.what:
        case Access.UNLOCK:
            return locks or other.what is Access.R_LOCK
        case Access.R_UNLOCK:  # the next Lock, and no other
            return locks and not any(event.what is Access.LOCK for event in since)
        case Access.RELEASE:
            return other.what is Access.ACQUIRE
        case _:
            return False


def closure(events: Sequence[Event]) -> list[set[int]]:
    """For each event those that happen before it."""
    before: list[set[int]] = []
    for b in range(len(events)):
        direct = [a for a in range(b) if has_edge(events, a, b)]
        before.append(set(direct).union(*(before[a] for a in direct)))
    return before


def racing(events: Sequence[Event], before: Sequence[set[int]]) -> set[tuple[int, int]]:
    """The pairs that race, by the definition."""
    return {
        (a, b)
        for b in range(len(events))
        for a in range(b)
        if events[a].target == events[b].target
        and events[a].what in PLAIN
        and events[b].what in PLAIN
        and Access.WRITE in (events[a].what, events[b].what)
        and events[a].thread != events[b].thread
        and a not in before[b]
    }


# -- the comparison


def difference(module: Any, seeds: int, length: int = 24) -> str:
    """Where the clocks of this module and the relation first disagree in so many random runs, or nothing."""
    for seed in range(seeds):
        events = drawn(Random(seed), length)
        before = closure(events)
        if found := clocks_differ(module, events, before) or races_differ(module, events, before):
            return f"seed {seed}: {found}"
    return ""


def clocks_differ(module: Any, events: Sequence[Event], before: Sequence[set[int]]) -> str:
    order, times = module.HappensBefore(), list[int]()
    for b, event in enumerate(events):
        times.append(order.time(event.thread))
        tell(order, event)
        known = {a for a in range(b) if order.knows(event.thread, events[a].thread, times[a])}
        if known != before[b]:
            return f"before event {b}, {event}: {sorted(known)}, not {sorted(before[b])}"
    return ""


def tell(order: Any, event: Event) -> None:
    if event.what == "start":
        order.start(event.thread, event.target)
    elif event.what == "join":
        order.join(event.thread, event.target)
    elif event.what not in PLAIN:
        order.order(event.thread, event.target, event.what, event.happened)


def races_differ(module: Any, events: Sequence[Event], before: Sequence[set[int]]) -> str:
    expected = racing(events, before)
    detector = module.DataRaces()
    for place, event in enumerate(events):
        if event.what in PLAIN:
            detector.touch(event.thread, event.target, event.what, lambda _, place=place: place)
        else:
            tell(detector, event)
    pairs = {(int(race.first.place), int(race.second.place)) for race in detector.races}
    if pairs - expected:
        return f"races that are none: {sorted(pairs - expected)}"
    missed = {events[a].target for a, _ in expected} - {race.location for race in detector.races}
    return f"no race found on {sorted(missed)}" if missed else ""


def test_the_clocks_are_the_relation() -> None:
    assert difference(happens_before, 600) == ""


def test_the_random_runs_have_all_that_matters() -> None:
    racy = ordered = 0
    for seed in range(100):
        events = drawn(Random(seed), 24)
        before = closure(events)
        racy += bool(racing(events, before))
        ordered += any(
            events[a].thread != events[b].thread and a in before[b]
            for b in range(len(events))
            for a in range(b)
        )
    assert racy > 50
    assert ordered > 90


# -- slips


MUTANTS = {
    "readers order each other": (
        "if access is not Access.R_LOCK and self._readers:",
        "if self._readers:",
    ),
    "readers release to everybody": (
        "to = self._readers if access is Access.R_UNLOCK else self._published",
        "to = self._published",
    ),
    "readers release to every later writer": (
        "readers = self._readers.pop(target, None)",
        "readers = self._readers.get(target)",
    ),
    "a failed compare-and-swap releases": (
        "            access = Access.LOAD\n",
        "            pass\n",
    ),
    "a failed compare-and-swap observes nothing": (
        "if access is not Access.COMPARE_AND_SWAP:\n                return False",
        "if True:\n                return False",
    ),
    "a failed try acquires": ("if access is not Access.COMPARE_AND_SWAP:", "if False:"),
    "unlock does not release": ("Access.UNLOCK: Label.RELEASE", "Access.UNLOCK: Label.NOTHING"),
    "lock does not acquire": ("Access.LOCK: Label.ACQUIRE", "Access.LOCK: Label.NOTHING"),
    "store acquires": ("Access.STORE: Label.RELEASE", "Access.STORE: Label.BOTH"),
    "a store hands on what the one before it released": (" or access is Access.STORE else", " else"),
    "add does not release": ("Access.ADD: Label.BOTH", "Access.ADD: Label.ACQUIRE"),
    "a semaphore hands on the last release only": (
        "or access is Access.STORE else",
        "or access in (Access.STORE, Access.RELEASE) else",
    ),
    "join is forgotten": (
        "self._clocks[parent] = joined(self.clock(parent), self.clock(child))",
        "pass",
    ),
    "start is forgotten": (
        "self._clocks[child] = joined(self.clock(child), self.clock(parent))",
        "pass",
    ),
    "time does not move on": ("clock[thread] + 1, ", "clock[thread], "),
    "what a parent does after a start is known to the child": (
        "self.clock(parent))\n        self._tick(parent)",
        "self.clock(parent))",
    ),
    "a join of clocks keeps what both know": ("tuple(map(max, one", "tuple(map(min, one"),
    "an atomic or races with a read": ("if access is Access.WRITE:", "if access is not Access.READ:"),
    "a write is not compared with reads": ("for other in state.reads.values():", "for other in ():"),
    "a read is not compared with the write": (
        "if last is not None:",
        "if last is not None and access is Access.WRITE:",
    ),
    "only the last reader is remembered": (
        "touch = state.reads[thread] = ",
        "state.reads.clear()\n            touch = state.reads[thread] = ",
    ),
    "a thread's interval never ends": (
        "self._begin_interval(thread)\n\n    def touch",
        "pass\n\n    def touch",
    ),
}


def changed(before: str, after: str) -> ModuleType:
    """The module from its own source with one place changed."""
    source = inspect.getsource(happens_before)
    assert source.count(before) == 1, f"found {source.count(before)} times, not once: {before!r}"
    module = ModuleType("mapproof.spec.happens_before__changed")
    sys.modules[module.__name__] = module  # where dataclasses look it up
    exec(compile(source.replace(before, after), "changed.py", "exec"), module.__dict__)  # noqa: S102 - ours
    return module


@pytest.mark.parametrize("name", MUTANTS)
def test_each_slip_is_caught(name: str) -> None:
    assert difference(changed(*MUTANTS[name]), 150)


# -- what a race is told as


def told(*events: tuple[int, Access, str]) -> list[Race]:
    """The races of a run; the place of an access is its number, from 1."""
    detector = DataRaces()
    for number, (thread, access, target) in enumerate(events, 1):
        if access in PLAIN:
            detector.touch(thread, target, access, lambda _, number=number: f"line {number}")
        else:
            detector.order(thread, target, access)
    return detector.races


LOCK, UNLOCK, R_LOCK, R_UNLOCK = Access.LOCK, Access.UNLOCK, Access.R_LOCK, Access.R_UNLOCK
READ, WRITE = Access.READ, Access.WRITE

OR_A_LOCK = "or if one lock were held around each."

REMEDIES = {
    "nothing held, nothing released": (
        [(1, WRITE, "x"), (2, READ, "x")],
        "They would be ordered if one lock were held around each.",
    ),
    "released by an atomic": (
        [(1, WRITE, "x"), (1, Access.STORE, "flag"), (2, READ, "x")],
        "They would be ordered if client 2 had loaded flag before, after client 1's store of it; "
        + OR_A_LOCK,
    ),
    "released by an unlock": (
        [
            (1, LOCK, "mu"),
            (1, UNLOCK, "mu"),
            (1, WRITE, "x"),
            (1, LOCK, "mu"),
            (1, UNLOCK, "mu"),
            (2, READ, "x"),
        ],
        "They would be ordered if client 2 had locked mu before, after client 1's unlock of it; " + OR_A_LOCK,
    ),
    "the second holds a lock": (
        [(1, WRITE, "x"), (2, LOCK, "mu"), (2, READ, "x")],
        "They would be ordered if client 1 had held mu as well.",
    ),
    "the first holds a lock": (
        [(1, LOCK, "mu"), (1, WRITE, "x"), (2, READ, "x")],
        "They would be ordered if client 2 had held mu as well.",
    ),
    "the reader holds a lock for reading": (
        [(1, R_LOCK, "mu"), (1, READ, "x"), (2, WRITE, "x")],
        "They would be ordered if client 2 had held mu as well, not only for reading.",
    ),
    "the writer holds a lock for reading": (
        [(1, R_LOCK, "mu"), (1, WRITE, "x"), (2, READ, "x")],
        "They would be ordered if client 2 had held mu as well, and client 1, which writes, not only for reading.",
    ),
    "both hold it for reading": (
        [(1, R_LOCK, "mu"), (1, WRITE, "x"), (1, R_UNLOCK, "mu"), (2, R_LOCK, "mu"), (2, READ, "x")],
        "Both hold mu only for reading, which orders no readers: whoever writes must lock it.",
    ),
    "two locks": (
        [(1, LOCK, "one"), (1, WRITE, "x"), (2, LOCK, "two"), (2, WRITE, "x")],
        "They hold different locks: they would be ordered if both had locked one, or both two.",
    ),
}


@pytest.mark.parametrize("name", REMEDIES)
def test_what_would_have_ordered_them(name: str) -> None:
    events, remedy = REMEDIES[name]
    (race,) = told(*events)
    assert race.remedy == remedy


def test_a_race_is_told_in_one_paragraph() -> None:
    (race,) = told((1, LOCK, "w"), (1, R_LOCK, "mu"), (1, WRITE, "x"), (2, Access.OR, "x"))
    assert str(race) == (
        "client 1 writes x at line 3, holding w and mu (for reading), and client 2 sets bits of it at line 4, "
        "holding no lock; nothing orders the two. They would be ordered if client 2 had held w as well."
    )


def test_a_lock_that_somebody_else_gave_back_is_held_no_more() -> None:
    (race,) = told((1, LOCK, "mu"), (2, UNLOCK, "mu"), (1, WRITE, "x"), (2, READ, "x"))
    assert race.first.held == race.second.held == ()


def test_a_pair_of_places_is_told_once() -> None:
    detector = DataRaces()
    for _ in range(5):
        for thread in (1, 2):
            detector.touch(thread, "x", WRITE, lambda _: "the line")
            detector.order(thread, f"word of {thread}", Access.STORE)
    assert len(detector.races) == 1
