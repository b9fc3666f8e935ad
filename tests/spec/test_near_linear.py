"""Holds the near-linear decision against a table of all sets of steps, on a flood of small histories.

The idea: the histories and the slow decision are kernels as well, so that a million take seconds. The mutants
are the real sources with one line wrong: each must be seen to fail.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from mapproof.spec.linearizability import chains, failed_compares, greedy, near_linear
from mapproof.spec.linearizability.compiled import FOREVER, Ints, ascending, compiled, filled
from mapproof.spec.linearizability.near_linear import (
    FAILED_COMPARE,
    KERNELS,
    LINEARIZABLE,
    MOST_BLAMED,
    NOT_LINEARIZABLE,
    REPEATED,
    STOPPED,
    UNANSWERED_DELETE,
    decide_unique,
)

MOST_STEPS = 9
MISSING, NONE = 0, -1


def drawn(random: Ints, bound: int) -> int:
    """A number from 0 to bound-1 (Park and Miller's generator)."""
    random[0] = random[0] * 48271 % 2147483647
    return (random[0] >> 5) % bound


def random_history(
    random: Ints, wanted: Ints, unless: Ints, post: Ints, call: Ints, return_: Ints, optional: Ints
) -> int:
    """Fill the columns with 1 to MOST_STEPS steps, in any order; how many.

    They act at hidden moments within their intervals, so they have an order until some of them are changed.
    """
    length = 1 + drawn(random, MOST_STEPS)
    width = 1 + length * drawn(random, 4)
    longest = 1 + drawn(random, 4) * drawn(random, 5)
    repeats = drawn(random, 6) == 0
    kinds = 3 if drawn(random, 3) == 0 else 8
    unanswered = drawn(random, 3) * drawn(random, 4)
    noise = drawn(random, 4) * drawn(random, 4)
    shortened = drawn(random, 5) * drawn(random, 5)
    moment = filled(length, 0)
    for step in range(length):
        call[step] = drawn(random, width)
        return_[step] = call[step] + drawn(random, longest)
        moment[step] = 8 * call[step] + drawn(random, 8 * (return_[step] - call[step]) + 8)
    by_moment = ascending(moment, length)
    state = 0
    stored = filled(length + 1, 0)
    changes = 1
    for fresh in range(1, length + 1):
        step = by_moment[fresh - 1]
        wanted[step], unless[step], post[step], optional[step] = -1, -1, -1, 0
        kind = drawn(random, kinds)
        value = 1 + drawn(random, fresh) if repeats and drawn(random, 2) == 0 else fresh
        found = state
        if drawn(random, 12) < noise:
            found = drawn(random, length) if drawn(random, 8) == 0 else stored[drawn(random, changes)]
        if kind == 0:
            post[step] = value
        elif kind == 1:
            wanted[step] = found
        elif kind == 2:
            post[step] = 0
        elif kind == 3:
            wanted[step] = found
            post[step] = value if found == 0 else -1
        elif kind == 4:
            wanted[step] = found
            post[step] = 0 if found != 0 else -1
        elif kind == 5:
            wanted[step], post[step] = found, value
        else:
            old = drawn(random, fresh + 1) if kind == 6 else found
            if old != state:
                unless[step] = old
            else:
                wanted[step] = old
                post[step] = value if drawn(random, 2) == 0 else 0
        if wanted[step] == post[step]:
            post[step] = -1
        happens = True
        if post[step] >= 0 and drawn(random, 12) < unanswered:
            optional[step] = 1
            happens = drawn(random, 2) == 0
            if wanted[step] > 0 and drawn(random, 2) == 0:
                wanted[step] = -1
            if drawn(random, 2) == 0:
                return_[step] = FOREVER
        if happens and post[step] >= 0 and (wanted[step] < 0 or wanted[step] == state):
            state = post[step]
            stored[changes] = state
            changes += 1
    for step in range(length):
        if drawn(random, 16) < shortened and return_[step] != FOREVER:
            call[step] += drawn(random, return_[step] - call[step] + 1)
            return_[step] = call[step] + drawn(random, return_[step] - call[step] + 1)
    return length


def sort_by_call(
    length: int, wanted: Ints, unless: Ints, post: Ints, call: Ints, return_: Ints, optional: Ints
) -> None:
    """Put the steps in the order of their calls (insertion sort)."""
    for column in range(length):
        at = column
        while at > 0 and call[at - 1] > call[at]:
            wanted[at - 1], wanted[at] = wanted[at], wanted[at - 1]
            unless[at - 1], unless[at] = unless[at], unless[at - 1]
            post[at - 1], post[at] = post[at], post[at - 1]
            call[at - 1], call[at] = call[at], call[at - 1]
            return_[at - 1], return_[at] = return_[at], return_[at - 1]
            optional[at - 1], optional[at] = optional[at], optional[at - 1]
            at -= 1


def explicable(
    length: int,
    wanted: Ints,
    unless: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    optional: Ints,
    reached: Ints,
) -> bool:
    """Whether some order of all that must have happened, and of some that may have, respects time.

    `reached[done]` becomes the set of states (as bits) that orders of exactly the steps in `done` can leave.
    """
    must = 0
    for step in range(length):
        if optional[step] == 0:
            must |= 1 << step
    for done in range(1 << length):
        reached[done] = 0
    reached[0] = 1
    for done in range(1 << length):
        if reached[done] == 0:
            continue
        if done & must == must:
            return True
        for step in range(length):
            if (done >> step) & 1 != 0:
                continue
            late = False
            for other in range(length):
                if (done >> other) & 1 != 0 and return_[step] < call[other]:
                    late = True
            if late:
                continue
            states = reached[done]
            if wanted[step] >= 0:
                states &= 1 << wanted[step]
            if unless[step] >= 0:
                states &= ~(1 << unless[step])
            if states != 0:
                reached[done | 1 << step] |= states if post[step] < 0 else 1 << post[step]
    return False


def wrong_order(
    length: int,
    wanted: Ints,
    unless: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    optional: Ints,
    order: Ints,
    count: int,
) -> bool:
    """Whether order[:count] is no witness of the steps."""
    done = 0
    state = 0
    latest = -1
    for at in range(count):
        step = order[at]
        if (done >> step) & 1 != 0 or return_[step] < latest:
            return True
        if (wanted[step] >= 0 and wanted[step] != state) or unless[step] == state:
            return True
        done |= 1 << step
        latest = max(latest, call[step])
        if post[step] >= 0:
            state = post[step]
    left_out = 0
    for step in range(length):
        if optional[step] == 0 and (done >> step) & 1 == 0:
            left_out += 1
    return left_out > 0


def compare_many(seed: int, histories: int, tally: Ints) -> int:
    """The random state before the first history on which the two decisions differ, or -1.

    `tally[code]` counts the answers, `tally[8]` the histories that have an order among those without verdict.
    """
    random = filled(1, seed)
    stop = filled(1, 0)
    reached = filled(1 << MOST_STEPS, 0)
    for _ in range(histories):
        before = random[0]
        wanted, unless, post = filled(MOST_STEPS, 0), filled(MOST_STEPS, 0), filled(MOST_STEPS, 0)
        call, return_, optional = filled(MOST_STEPS, 0), filled(MOST_STEPS, 0), filled(MOST_STEPS, 0)
        length = random_history(random, wanted, unless, post, call, return_, optional)
        sort_by_call(length, wanted, unless, post, call, return_, optional)
        order, blame = filled(length, 0), filled(MOST_BLAMED, 0)
        code, count = decide_unique(
            wanted[:length], unless[:length], post[:length], call[:length], return_[:length],
            optional[:length], length, order, blame, stop,
        )  # fmt: skip
        truth = explicable(length, wanted, unless, post, call, return_, optional, reached)
        tally[code] += 1
        if code > 1 and truth:
            tally[8] += 1
        if code == NOT_LINEARIZABLE and truth:
            return before
        if code == LINEARIZABLE and (
            not truth or wrong_order(length, wanted, unless, post, call, return_, optional, order, count)
        ):
            return before
    return -1


class Steps(NamedTuple):
    """The six columns of a small history, by call."""

    wanted: list[int]
    unless: list[int]
    post: list[int]
    call: list[int]
    return_: list[int]
    optional: list[int]

    @property
    def values(self) -> int:
        return max([0, *self.wanted, *self.unless, *self.post])


class Answer(NamedTuple):
    code: int
    order: tuple[int, ...] = ()
    blame: tuple[int, ...] = ()


def answer(steps: Steps, stop: int = 0) -> Answer:
    """The answer of whatever `near_linear.decide_unique` is now."""
    order, blame = [0] * len(steps.call), [0] * MOST_BLAMED
    code, count = near_linear.decide_unique(*steps, steps.values, order, blame, [stop])
    if code == LINEARIZABLE:
        return Answer(code, order=tuple(order[:count]))
    return Answer(code, blame=tuple(blame[:count]))


def is_wrong(steps: Steps, truth: bool, given: Answer) -> bool:
    if given.code == LINEARIZABLE:
        length = len(steps.call)
        return not truth or wrong_order(length, *steps, list(given.order), len(given.order))
    return given.code == NOT_LINEARIZABLE and truth


@cache
def pool() -> tuple[tuple[Steps, bool], ...]:
    """Small histories and whether they have an order."""
    random, reached = [20], [0] * (1 << MOST_STEPS)
    histories = []
    while len(histories) < 6000:
        columns = [[0] * MOST_STEPS for _ in range(6)]
        length = random_history(random, *columns)
        sort_by_call(length, *columns)
        if length < 8:
            steps = Steps(*(column[:length] for column in columns))
            histories.append((steps, explicable(length, *steps, reached)))
    return tuple(histories)


def steps(*rows: str | tuple[str, int, int]) -> Steps:
    """Steps out of texts `wanted>post@call-return`: `!v` for unless v, `?` behind for optional, no return: never."""
    columns: list[list[int]] = []
    for row in rows:
        assert isinstance(row, str)
        effect, times = row.removesuffix("?").split("@")
        demand, _, leaves = effect.partition(">")
        call, _, end = times.partition("-")
        columns.append(
            [
                int(demand) if demand and not demand.startswith("!") else NONE,
                int(demand[1:]) if demand.startswith("!") else NONE,
                int(leaves) if leaves else NONE,
                int(call),
                int(end) if end else FOREVER,
                int(row.endswith("?")),
            ]
        )
    columns.sort(key=lambda row: row[3])
    return Steps(*([row[at] for row in columns] for at in range(6)))


def test_agrees_with_every_set_of_steps() -> None:
    codes = [0] * 6
    for history, truth in pool():
        given = answer(history)
        assert not is_wrong(history, truth, given), history
        codes[given.code] += 1
    assert codes[LINEARIZABLE] > 3000 and codes[NOT_LINEARIZABLE] > 300
    assert codes[REPEATED] + codes[FAILED_COMPARE] + codes[UNANSWERED_DELETE] < 300


def test_agrees_with_every_set_of_steps_in_machine_code() -> None:
    numpy = pytest.importorskip("numpy")
    pytest.importorskip("numba")
    slow = (drawn, random_history, sort_by_call, explicable, wrong_order, compare_many)
    fast = compiled((*KERNELS, *slow))
    tally = numpy.zeros(9, numpy.int64)
    assert fast["compare_many"](31, 50_000, tally) == -1
    assert tally[LINEARIZABLE] > 30_000 and tally[NOT_LINEARIZABLE] > 3_000

    def array(column: list[int]) -> Any:
        return numpy.array(column, numpy.int64)

    for history, _ in pool()[:2000]:
        order, blame = array([0] * len(history.call)), array([0] * MOST_BLAMED)
        columns = [array(column) for column in history]
        code, count = fast["decide_unique"](*columns, history.values, order, blame, array([0]))
        told = Answer(code, order=tuple(order[:count].tolist()))
        if code != LINEARIZABLE:
            told = Answer(code, blame=tuple(blame[:count].tolist()))
        assert told == answer(history)


def test_blames_few_steps_that_mostly_have_no_order_themselves() -> None:
    reached = [0] * (1 << MOST_STEPS)
    refuted = cores = 0
    for history, _ in pool():
        given = answer(history)
        if given.code != NOT_LINEARIZABLE:
            continue
        assert 1 <= len(given.blame) == len(set(given.blame)) <= MOST_BLAMED
        refuted += 1
        part = sorted({*given.blame, *(i for i, may in enumerate(history.optional) if may)})
        blamed = Steps(*([column[i] for i in part] for column in history))
        cores += not explicable(len(part), *blamed, reached)
    assert cores > 0.9 * refuted


def overlapping(random: Random, clients: int, length: int, compares: float = 0.0) -> Steps:
    """What `clients` clients see of one key when they store, load and delete, each value once.

    `compares` is the share of the loads that are compares in vain with a recent value instead.
    """
    clocks = [0.0] * clients
    spans = []
    for _ in range(length):
        client = clocks.index(min(clocks))
        call = clocks[client] + random.random()
        clocks[client] = end = call + random.expovariate(0.3)
        spans.append((random.uniform(call, end), call, end))
    ranks = {time: rank for rank, time in enumerate(sorted(time for span in spans for time in span[1:]))}
    rows, state, recent = [], MISSING, 1
    for value, (_, call, end) in enumerate(sorted(spans), 1):
        kind = random.random()
        wanted, post = (NONE, value) if kind < 0.4 else (state, NONE) if kind < 0.9 else (NONE, MISSING)
        unless = NONE
        if wanted != NONE and recent != state and random.random() < compares:
            wanted, unless = NONE, recent
        if post != NONE:
            recent = state or recent
            state = post
        rows.append((wanted, unless, post, ranks[call], ranks[end], 0))
    rows.sort(key=lambda row: row[3])
    return Steps(*(list(column) for column in zip(*rows, strict=True)))


@pytest.mark.parametrize("clients", [1, 4, 40])
def test_orders_what_happened_and_sees_one_stale_load(clients: int) -> None:
    random = Random(clients)
    history = overlapping(random, clients, 3000)
    given = answer(history)
    assert given.code == LINEARIZABLE
    assert not wrong_order(3000, *history, list(given.order), len(given.order))
    last = max(at for at in range(3000) if history.wanted[at] > 0)
    first_stored = next(value for value in history.post if value > 0)
    history.wanted[last] = first_stored
    given = answer(history)
    assert given.code == NOT_LINEARIZABLE
    assert last in given.blame


SMALL = {
    "stored and seen": (steps(">1@0-1", "1@1-2"), LINEARIZABLE),
    "out of nowhere": (steps("1@1-2"), NOT_LINEARIZABLE),
    "seen before it was stored": (steps("1@0-1", ">1@2-3"), NOT_LINEARIZABLE),
    "equal times overlap": (steps("1@0-2", ">1@2-3"), LINEARIZABLE),
    "changed twice": (steps(">1@0-1", "1>2@2-9", "1>3@2-9"), NOT_LINEARIZABLE),
    "a circle": (steps("1>2@0-9", "2>1@0-9"), NOT_LINEARIZABLE),
    "missing without a delete": (steps(">1@0-1", "0@2-3"), NOT_LINEARIZABLE),
    "a delete that may have happened": (steps(">1@0-1", "0@2-3", ">0@0?"), LINEARIZABLE),
    "a store that must have happened": (steps("1@5-6", ">1@0?"), LINEARIZABLE),
    "or raised in its interval": (steps("1@5-6", ">1@0-3?", "0@4-4"), NOT_LINEARIZABLE),
    "a chain that must have happened": (steps("2@5-6", ">1@0?", "1>2@0?"), LINEARIZABLE),
    "stored twice, never seen": (steps(">1@0-1", ">1@2-3"), LINEARIZABLE),
    "stored twice and seen": (steps(">1@0-1", ">1@2-3", "1@4-5"), REPEATED),
    "again, in vain": (steps(">1@0-1", ">1@2?", "2@4-5", ">2@3-3"), LINEARIZABLE),
    "an unanswered compare-and-delete": (steps(">1@0-1", "1>0@0?", "0@2-3"), LINEARIZABLE),
    "that came too late": (steps(">1@0-1", "1>0@4?", "0@2-3"), NOT_LINEARIZABLE),
    "compared at the value": (steps(">1@0-1", "!1@2-3"), FAILED_COMPARE),
    "compared while it was held": (steps(">1@0-1", "!1@2-3", "1@4-5"), NOT_LINEARIZABLE),
    "compared after it": (steps(">1@0-1", "!1@2-5", ">2@4-5"), LINEARIZABLE),
    "compared with what never was": (steps(">1@0-1", "!2@2-5"), LINEARIZABLE),
    "nothing": (steps(), LINEARIZABLE),
    "compared where an earlier store can go later": (
        steps(">3@0-0", ">2@1-30", ">1@2-4", "!1@5-6", ">4@7-8"),
        LINEARIZABLE,
    ),
    "compared where a later delete can go earlier": (
        steps(">1@0-1", "!1@4-6", ">4@7-8", ">0@5-30"),
        LINEARIZABLE,
    ),
    "compared where a store is seen too late to make room": (
        steps(">1@0-1", "!1@4-6", ">4@7-8", ">5@5-30", "5@20-21"),
        FAILED_COMPARE,
    ),
    "compared where a delete is needed elsewhere": (
        steps(">9@0-0", ">0@1-30", "0@2-3", ">1@4-5", "!1@7-8", ">4@9-10"),
        FAILED_COMPARE,
    ),
    "compared where another order has room": (
        steps(">4@0-0", ">3@0-30", ">2@1-4", ">1@5-30", "!2@6-7", "!1@8-9", "1@20-21"),
        LINEARIZABLE,
    ),
    "compared where another order of what never returned has room": (
        steps(">4@0-0", ">3@0-30", ">2@1-4", ">1@5?", "!2@6-7", "!1@8-9", "1@20-21", ">0@3?"),
        LINEARIZABLE,
    ),
    "compared where only what was left out makes room": (
        steps(">1@0-1", "!1@4-6", ">5@2?"),
        FAILED_COMPARE,
    ),
}


@pytest.mark.parametrize(("history", "code"), SMALL.values(), ids=SMALL.keys())
def test_small_histories(history: Steps, code: int) -> None:
    assert answer(history).code == code
    truth = explicable(len(history.call), *history, [0] * (1 << MOST_STEPS))
    assert not is_wrong(history, truth, answer(history))


@pytest.mark.parametrize("clients", [2, 8, 32])
def test_finds_room_for_compares_in_vain(clients: int) -> None:
    random = Random(clients)
    histories = [overlapping(random, clients, 1000, 0.5) for _ in range(40)]
    answers = [answer(history) for history in histories]
    assert not any(map(is_wrong, histories, [True] * 40, answers))
    assert {given.code for given in answers} == {LINEARIZABLE}


def test_finds_room_wherever_all_steps_happened() -> None:
    for history, truth in pool():
        if truth and not any(history.optional):
            assert answer(history).code != FAILED_COMPARE


def misfits(times: int, loads: int) -> Steps:
    """`times` times the small history in which another order has room for the compares, with loads between."""
    rows, last = [], 4
    for now in range(0, times * (50 + loads), 50 + loads):
        one, two, three, four = range(now + 1, now + 5)
        rows += [f">{four}@{now}-{now}", f">{three}@{now}-{now + 30}", f">{two}@{now + 1}-{now + 4}"]
        rows += [f">{one}@{now + 5}-{now + 30}", f"!{two}@{now + 6}-{now + 7}", f"!{one}@{now + 8}-{now + 9}"]
        rows += [f"{one}@{now + 31}-{now + 31}", f"!{last}@{now + 32}-{now + 32}"]
        rows += [f"{one}@{now + late}-{now + late}" for late in range(40, 40 + loads)]
        last = one
    return steps(*rows)


def test_searches_a_bounded_number_of_stretches() -> None:
    history = misfits(150, 20)
    assert answer(history).code == LINEARIZABLE
    assert not is_wrong(history, True, answer(history))
    assert answer(misfits(250, 20)).code == FAILED_COMPARE


def loses_what_never_returned() -> bool:
    """Whether an order with a needless store that never returned comes out of with_compares as no such order."""
    history = steps(
        ">5@0?", ">4@0-0", ">3@0-30", ">2@1-4", ">1@5-30", "!2@6-7", "!1@8-9", "1@20-21", "1@40-41"
    )
    order, blame = [0, 1, 2, 3, 4, 7, 8, 0, 0], [0] * MOST_BLAMED
    insert = vars(near_linear)["with_compares"]
    try:
        code, count = insert(*history, history.values, order, 7, blame, [0])
    except IndexError:
        return True
    return code != LINEARIZABLE or count < 9 or wrong_order(9, *history, order, count)


def test_keeps_what_never_returned() -> None:
    assert not loses_what_never_returned()


def test_many_unanswered_compare_and_deletes_are_no_verdict() -> None:
    rows = [f"{value}>0@0?" for value in range(1, 6)] + [f">{value}@0-9" for value in range(1, 6)]
    assert answer(steps(*rows, "0@20-21")).code == UNANSWERED_DELETE
    assert answer(steps(*rows, "7@20-21")).code == NOT_LINEARIZABLE


def test_stops_when_told_to() -> None:
    assert answer(steps(">1@0-1", "1@1-2"), stop=1).code == STOPPED


MUTANTS = [
    (greedy, "if call[latest[forced]] > limit:", "if False:"),
    (greedy, "if call[latest[forced]] > limit:", "if call[latest[forced]] >= limit:"),
    (greedy, "if certain[latest[forced]] != 0:", "if True:"),
    (greedy, "call[admitted] <= limit", "call[admitted] < limit"),
    (greedy, "if last_call > limit:", "if False:"),
    (greedy, "due[by_due[look]] < last_call:", "due[by_due[look]] <= last_call:"),
    (greedy, "if what in (INSERT, ABSENCE):", "if what == INSERT:"),
    (greedy, "if what in (INSERT, ABSENCE):", "if what == ABSENCE:"),
    (greedy, "insertable = pushed(inserts, insertable, block, due)", "insertable = 0"),
    (greedy, "deletable = pushed(deletes, deletable, block, due)", "deletable = 0"),
    (greedy, "(what == DELETE and waits > 0)", "False"),
    (greedy, "by_due = ascending(due, blocks)", "by_due = list(range(blocks))"),
    (greedy, "rank[heap[above]] <= rank[item]", "rank[heap[above]] >= rank[item]"),
    (greedy, "state = _MISSING\n    placed", "state = _VALUE\n    placed"),
    (greedy, "(what == OVERWRITE) == (state == _VALUE)", "True"),
    (greedy, "(what == OVERWRITE) == (state == _VALUE)", "False"),
    (chains, "if return_[seer] < call[before]:", "if False:"),
    (chains, "if return_[seer] < call[before]:", "if return_[seer] <= call[before]:"),
    (chains, "if return_[at] < call[late]:", "if False:"),
    (chains, "if walked != changes:", "if False:"),
    (chains, "blame[0] = changer[value]", "break"),
    (chains, "if return_[at] < return_[early]:", "if False:"),
    (chains, "late = max(late, seer)", "pass"),
    (chains, "(post[step] != 0 or wanted[step] == 0)", "True"),
    (chains, "certain[source] = 1", "certain[source] = 0"),
    (chains, "if source == _SEVERAL:", "if source == _SEVERAL and False:"),
    (chains, "(DELETE if post[at] <= 0 else 0)", "0"),
    (near_linear, "certain[step] = 0", "certain[step] = 1"),
    (near_linear, "if found == 0:", "if True:"),
    (near_linear, "for choice in range(1, 1 << found):", "for choice in range(0):"),
    (near_linear, "if not compares:", "if True:"),
    (failed_compares, "if state[gap] == unless[step]:", "if False:"),
    (failed_compares, "gap = max(floor, _below(returned, placed, call[step]))", "gap = floor"),
    (failed_compares, "floor = max(floor, into[by_return[past]])", "floor = 0"),
    (failed_compares, "_below(called, placed, return_[step] + 1)", "placed"),
    (failed_compares, "if changes[gap] <= last:", "if changes[gap] <= placed:"),
    (failed_compares, "_made_to_fit(wanted, unless, post, call, return_, values, order, count, stop), count",
     "_made_to_fit(wanted, unless, post, call, return_, values, order, count, stop), count - misfits"),
    (failed_compares, "if unless[step] != state[at]:", "if True:"),
    (failed_compares, "begin, end, count, state[begin], stop", "begin, end, count, state[at], stop"),
    (failed_compares, "if end < count:\n        wants", "if False:\n        wants"),
    (failed_compares, "wants[size + 1] = after", "avoids[size + 1] = after"),
    (failed_compares, "call[step], min(latest, return_[step])", "call[step], latest"),
    (failed_compares, "call[step], min(latest, return_[step])", "earliest, min(latest, return_[step])"),
    (failed_compares, "call[step], min(latest, return_[step])", "call[step], return_[step]"),
    (failed_compares, "avoids[at + 1], leaves[at + 1] = wanted[step], unless[step], post[step]",
     "leaves[at + 1] = wanted[step], post[step]"),
    (failed_compares, "leaves[0], goes[0]", "_, goes[0]"),
    (failed_compares, "by_call[found[at + 1] - 1]", "by_call[at]"),
    (failed_compares, "number[used[at]] = 0", "pass"),
    (failed_compares, "return_[holder[value]] < call[step] and ", ""),
    (failed_compares, " and return_[step] < call[finder[value]]", ""),
]  # fmt: skip


@pytest.mark.parametrize(("module", "line", "wrong"), MUTANTS)
def test_sees_a_wrong_line(
    module: ModuleType, line: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(str(module.__file__)).read_text()
    assert line in source
    namespace: dict[str, Any] = {"__name__": "mutant"}
    exec(source.replace(line, wrong), namespace)  # noqa: S102 - the source of this repository
    for kernel in module.KERNELS:
        if hasattr(near_linear, kernel.__name__):
            monkeypatch.setattr(near_linear, kernel.__name__, namespace[kernel.__name__])
    assert (
        any(_goes_wrong(history, truth, None) for history, truth in pool())
        or any(_goes_wrong(history, code != NOT_LINEARIZABLE, code) for history, code in _chosen())
        or loses_what_never_returned()
    )


@cache
def _chosen() -> tuple[tuple[Steps, int], ...]:
    """The small histories above, and long ones that have an order, with the code of each."""
    random = Random(5)
    long = [
        overlapping(random, clients, 300, compares)
        for _ in range(40)
        for clients in (12, 32)
        for compares in (0.0, 0.5)
    ]
    return (*SMALL.values(), (misfits(2, 300), LINEARIZABLE), *((history, LINEARIZABLE) for history in long))


def _goes_wrong(history: Steps, truth: bool, code: int | None) -> bool:
    try:
        given = answer(history)
    except IndexError:
        return True
    return code not in (None, given.code) or is_wrong(history, truth, given)
