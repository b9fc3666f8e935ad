"""Puts compares that failed into an order that was found without them.

The idea: a compare that failed changes nothing and excludes one state, so it fits nearly everywhere. It may stand
in any gap of the order between the last step that returned before its call and the first that was called after
its return; the earliest such gap with another state is the best, also for the compares after it. If there is
none, another order may still have one, unless the excluded value was held all the time in any order: some step
that saw or stored it had returned, and some step that still found it was called afterwards. Otherwise a block
nearby is moved to the last gap if time allows it: one that needs nothing, to where nothing needed comes next. As
nothing ever needs a value from outside its block, only a delete that is needed where it is has to stay.
"""

from __future__ import annotations

from typing import Final

from mapproof.spec.linearizability.compiled import FOREVER, Ints, ascending, filled
from mapproof.spec.linearizability.greedy import LINEARIZABLE, NOT_LINEARIZABLE

FAILED_COMPARE: Final = 3
"""A compare that failed fits nowhere in the order found; it may in another one."""

_ROUNDS: Final = 4
_WINDOW: Final = 200


def with_compares(
    wanted: Ints,
    unless: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    optional: Ints,
    values: int,
    order: Ints,
    placed: int,
    blame: Ints,
) -> tuple[int, int]:
    """Insert the steps that exclude a state into `order[:placed]`: (code, count).

    LINEARIZABLE: the new order is `order[:count]`. NOT_LINEARIZABLE: `blame[:count]` cannot be ordered.
    Otherwise FAILED_COMPARE. O(n log n).
    """
    found = 0
    for step in range(len(unless)):
        if unless[step] >= 0 and optional[step] == 0:
            found += 1
    compare = filled(found, 0)
    ends = filled(found, 0)
    found = 0
    for step in range(len(unless)):
        if unless[step] >= 0 and optional[step] == 0:
            compare[found] = step
            ends[found] = return_[step]
            found += 1
    by_return = ascending(ends, found)
    into = filled(found, 0)
    for turn in range(_ROUNDS):
        misfits = _gaps(unless, post, call, return_, order, placed, compare, by_return, into)
        if misfits == 0:
            return LINEARIZABLE, _merged(order, placed, compare, into)
        if turn == 0:
            code, count = _refuted(
                wanted, unless, post, call, return_, values, order, placed, compare, into, blame
            )
            if code == NOT_LINEARIZABLE:
                return code, count
        moved = 0
        for at in range(found):
            if into[at] < 0:
                moved += _make_room(wanted, post, call, return_, order, placed, -1 - into[at], ends[at])
        if moved == 0:
            break
    return FAILED_COMPARE, 0


def _gaps(
    unless: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    order: Ints,
    placed: int,
    compare: Ints,
    by_return: Ints,
    into: Ints,
) -> int:
    """Find for each step in `compare` the first gap that suits; how many have none.

    `into` becomes the gaps: gap g is before `order[g]`. For a step without one, -1 - g for its last gap g.
    """
    state = filled(placed + 1, 0)
    returned = filled(placed + 1, FOREVER)
    called = filled(placed + 1, FOREVER)
    changes = filled(placed + 1, placed + 1)
    for gap in range(placed):
        step = order[gap]
        state[gap + 1] = state[gap] if post[step] < 0 else post[step]
        called[gap] = call[step] if gap == 0 else max(called[gap - 1], call[step])
    for gap in range(placed - 1, -1, -1):
        returned[gap] = min(returned[gap + 1], return_[order[gap]])
        changes[gap] = gap + 1 if state[gap + 1] != state[gap] else changes[gap + 1]
    floor = 0
    past = 0
    misfits = 0
    for at in range(len(compare)):
        step = compare[at]
        while return_[compare[by_return[past]]] < call[step]:
            floor = max(floor, into[by_return[past]])
            past += 1
        gap = max(floor, _below(returned, placed, call[step]))
        if state[gap] == unless[step]:
            gap = changes[gap]
        last = _below(called, placed, return_[step] + 1)
        if gap > last:
            gap = -1 - last
            misfits += 1
        into[at] = gap
    return misfits


def _merged(order: Ints, placed: int, compare: Ints, into: Ints) -> int:
    """Move the compares into their gaps; how many steps the order has then."""
    found = len(compare)
    by_gap = ascending(into, found)
    left = found
    for gap in range(placed, -1, -1):
        while left > 0 and into[by_gap[left - 1]] == gap:
            left -= 1
            order[gap + left] = compare[by_gap[left]]
        if gap > 0:
            order[gap - 1 + left] = order[gap - 1]
    return placed + found


def _make_room(
    wanted: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    order: Ints,
    placed: int,
    gap: int,
    until: int,
) -> int:
    """Move a block that needs nothing and was called by `until` to the gap, if a value ends there: 1 if done."""
    if gap == 0 or (gap < placed and wanted[order[gap]] >= 0):
        return 0
    before = order[gap - 1]
    if post[before] == 0 or (post[before] < 0 and wanted[before] == 0):
        return 0
    soonest = FOREVER
    for at in range(gap, min(placed, gap + _WINDOW)):
        step = order[at]
        if wanted[step] < 0 and call[step] <= until:
            latest = call[step]
            deletes = post[step] == 0
            end = at + 1
            while end < min(placed, gap + _WINDOW) and wanted[order[end]] > 0:
                latest = max(latest, call[order[end]])
                deletes = deletes or post[order[end]] == 0
                end += 1
            free = end == placed or wanted[order[end]] < 0 or (wanted[order[end]] == 0 and not deletes)
            if free and latest <= soonest:
                _exchange(order, gap, at, end)
                return 1
        soonest = min(soonest, return_[step])
    soonest = FOREVER
    latest = -FOREVER
    deletes = False
    end = gap
    for at in range(gap - 1, max(-1, gap - _WINDOW), -1):
        step = order[at]
        soonest = min(soonest, return_[step])
        deletes = deletes or post[step] == 0
        if wanted[step] <= 0:
            free = end < gap and wanted[step] < 0 and (wanted[order[end]] < 0 or not deletes)
            if free and call[step] <= until and latest <= soonest:
                _exchange(order, at, end, gap)
                return 1
            for other in range(at, end):
                latest = max(latest, call[order[other]])
            soonest = FOREVER
            deletes = False
            end = at
    return 0


def _exchange(order: Ints, begin: int, middle: int, end: int) -> None:
    """Exchange order[begin:middle] and order[middle:end]."""
    kept = filled(middle - begin, 0)
    for at in range(begin, middle):
        kept[at - begin] = order[at]
    for at in range(middle, end):
        order[begin + at - middle] = order[at]
    for at in range(middle - begin):
        order[begin + end - middle + at] = kept[at]


def _below(ascending_values: Ints, length: int, bound: int) -> int:
    """How many of the first `length` values are less than the bound."""
    low = 0
    high = length
    while low < high:
        middle = (low + high) >> 1
        if ascending_values[middle] < bound:
            low = middle + 1
        else:
            high = middle
    return low


def _refuted(
    wanted: Ints,
    unless: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    values: int,
    order: Ints,
    placed: int,
    compare: Ints,
    into: Ints,
    blame: Ints,
) -> tuple[int, int]:
    """NOT_LINEARIZABLE if a step without a gap ran while its value was held in any order, else FAILED_COMPARE."""
    holder = filled(values + 1, -1)
    writer = filled(values + 1, -1)
    finder = filled(values + 1, -1)
    for at in range(placed):
        step = order[at]
        needs = wanted[step]
        holds = post[step] if post[step] >= 0 else needs
        if needs > 0 and (finder[needs] < 0 or call[finder[needs]] < call[step]):
            finder[needs] = step
        if holds > 0 and (holder[holds] < 0 or return_[step] < return_[holder[holds]]):
            holder[holds] = step
        if post[step] > 0:
            writer[post[step]] = step
    for at in range(len(compare)):
        step = compare[at]
        value = unless[step]
        if into[at] >= 0 or value <= 0 or finder[value] < 0:
            continue
        if return_[holder[value]] < call[step] and return_[step] < call[finder[value]]:
            blame[0] = step
            blame[1] = holder[value]
            blame[2] = finder[value]
            blame[3] = writer[value]
            return NOT_LINEARIZABLE, 3 if holder[value] == writer[value] else 4
    return FAILED_COMPARE, 0


KERNELS: Final = (with_compares, _gaps, _merged, _make_room, _exchange, _below, _refuted)
