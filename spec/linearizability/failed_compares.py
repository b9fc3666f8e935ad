"""Puts compares that failed into an order that was found without them.

The idea: a compare that failed changes nothing and excludes one state, so it fits nearly everywhere. It may stand
in any gap of the order between the last step that returned before its call and the first that was called after
its return; the earliest such gap with another state is the best, also for the compares after it. If there is
none, another order may still have one, unless the excluded value was held all the time in any order: some step
that saw or stored it had returned, and some step that still found it was called afterwards.
"""

from __future__ import annotations

from typing import Final

from mapproof.spec.linearizability.compiled import FOREVER, Ints, ascending, filled
from mapproof.spec.linearizability.greedy import LINEARIZABLE, NOT_LINEARIZABLE

FAILED_COMPARE: Final = 3
"""A compare that failed fits nowhere in the order found; it may in another one."""


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
    floor = 0
    past = 0
    misfits = 0
    for at in range(found):
        step = compare[at]
        while ends[by_return[past]] < call[step]:
            floor = max(floor, into[by_return[past]])
            past += 1
        gap = max(floor, _below(returned, placed, call[step]))
        if state[gap] == unless[step]:
            gap = changes[gap]
        if gap > _below(called, placed, return_[step] + 1):
            compare[misfits] = step
            misfits += 1
            gap = 0
        into[at] = gap
    if misfits > 0:
        return _refuted(wanted, unless, post, call, return_, values, order, placed, compare[:misfits], blame)
    by_gap = ascending(into, found)
    kept = found
    for gap in range(placed, -1, -1):
        while kept > 0 and into[by_gap[kept - 1]] == gap:
            kept -= 1
            order[gap + kept] = compare[by_gap[kept]]
        if gap > 0:
            order[gap - 1 + kept] = order[gap - 1]
    return LINEARIZABLE, placed + found


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
    misfit: Ints,
    blame: Ints,
) -> tuple[int, int]:
    """NOT_LINEARIZABLE if one of the misfits ran while its value was held in any order, else FAILED_COMPARE."""
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
    for at in range(len(misfit)):
        step = misfit[at]
        value = unless[step]
        if value <= 0 or finder[value] < 0:
            continue
        if return_[holder[value]] < call[step] and return_[step] < call[finder[value]]:
            blame[0] = step
            blame[1] = holder[value]
            blame[2] = finder[value]
            blame[3] = writer[value]
            return NOT_LINEARIZABLE, 4
    return FAILED_COMPARE, 0


KERNELS: Final = (with_compares, _below, _refuted)
