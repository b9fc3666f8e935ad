"""Puts compares that failed into an order that was found without them.

The idea: a compare that failed changes nothing and excludes one state, so it fits nearly everywhere. It may stand
in any gap of the order between the last step that returned before its call and the first that was called after
its return; the earliest such gap with another state is the best, also for the compares after it. If there is
none, another order may still have one, unless the excluded value was held all the time in any order: some step
that saw or stored it had returned, and some step that still found it was called afterwards.

Otherwise the misfit goes where time allows it, and the stretch of the order around it is searched again: a few
steps, between one that sets the state before the stretch and one that wants the state after it. The steps of a
stretch may take any order that respects time and joins these two states, as all others stay before or behind
them. So what is found is an order of all; if nothing is found, that says nothing.
"""

from __future__ import annotations

from typing import Final

from mapproof.spec.linearizability import register_kernel
from mapproof.spec.linearizability.compiled import FOREVER, Ints, ascending, filled
from mapproof.spec.linearizability.greedy import LINEARIZABLE, NOT_LINEARIZABLE, STOPPED
from mapproof.spec.linearizability.register_kernel import decide_any

FAILED_COMPARE: Final = 3
"""A compare that failed fits nowhere in the order found; it may in another one."""

_NEAREST: Final = 16
_FARTHEST: Final = 256
"""How many steps a stretch reaches to either side of a misfit, at first and at most."""

_MOST_CONFIGURATIONS: Final = 5_000
_MOST_STRETCHES: Final = 200
"""So many stretches of an order are searched, and one more for each thousand steps."""


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
    stop: Ints,
) -> tuple[int, int]:
    """Insert the steps that exclude a state into `order[:placed]`: (code, count).

    LINEARIZABLE: the new order is `order[:count]`. NOT_LINEARIZABLE: `blame[:count]` cannot be ordered. STOPPED:
    `stop[0]` was set. Otherwise FAILED_COMPARE. O(n log n), and the bounded search of a few stretches.
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
    misfits = _gaps(unless, post, call, return_, order, placed, compare, by_return, into)
    if misfits == 0:
        return LINEARIZABLE, _merged(order, placed, compare, into)
    code, count = _refuted(wanted, unless, post, call, return_, values, order, placed, compare, into, blame)
    if code == NOT_LINEARIZABLE:
        return code, count
    for at in range(found):
        into[at] = max(into[at], -1 - into[at])
    count = _merged(order, placed, compare, into)
    return _made_to_fit(wanted, unless, post, call, return_, values, order, count, stop), count


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

    `into` becomes the gaps: gap g is before `order[g]`. For a step without one, -1 - g for the first gap g that
    time allows.
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
        into[at] = gap
        if state[gap] == unless[step]:
            last = _below(called, placed, return_[step] + 1)
            if changes[gap] <= last:
                into[at] = changes[gap]
            else:
                into[at] = -1 - gap
                misfits += 1
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


def _made_to_fit(
    wanted: Ints,
    unless: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    values: int,
    order: Ints,
    count: int,
    stop: Ints,
) -> int:
    """Rearrange `order[:count]`, valid but for steps that meet the state they exclude, until none does; the code.

    Each stretch is left with no such step, so that the next one is found behind it.
    """
    number = filled(values + 1, 0)
    state = filled(count + 1, 0)
    left = _MOST_STRETCHES + count // 1000
    at = 0
    while at < count:
        step = order[at]
        if unless[step] != state[at]:
            state[at + 1] = state[at] if post[step] < 0 else post[step]
            at += 1
            continue
        reach = _NEAREST
        begin, end, code = at, at, NOT_LINEARIZABLE
        while code == NOT_LINEARIZABLE and left > 0 and reach <= _FARTHEST and end - begin < count:
            begin, end = max(0, at - reach), min(count, at + reach)
            code = _rearranged(
                wanted, unless, post, call, return_, number, order, begin, end, count, state[begin], stop
            )
            left -= 1
            reach *= 2
        if code != LINEARIZABLE:
            return STOPPED if code == STOPPED else FAILED_COMPARE
        at = begin
    return LINEARIZABLE


def _rearranged(
    wanted: Ints,
    unless: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    number: Ints,
    order: Ints,
    begin: int,
    end: int,
    count: int,
    state: int,
    stop: Ints,
) -> int:
    """Bring `order[begin:end]` into an order that leads from `state` to where it led; the code of the search.

    The search numbers states anew, since it keeps books on each: `number` is all 0 before and after.
    """
    size = end - begin
    calls = filled(size, 0)
    earliest, latest, after = FOREVER, -FOREVER, state
    for at in range(size):
        step = order[begin + at]
        calls[at] = call[step]
        earliest = min(earliest, call[step])
        latest = max(latest, call[step])
        if return_[step] < FOREVER:
            latest = max(latest, return_[step])
        if post[step] >= 0:
            after = post[step]
    by_call = ascending(calls, size)
    wants, avoids, leaves = filled(size + 2, -1), filled(size + 2, -1), filled(size + 2, -1)
    comes, goes = filled(size + 2, earliest - 1), filled(size + 2, latest + 1)
    leaves[0], goes[0], comes[size + 1] = state, earliest - 1, latest + 1
    if end < count:
        wants[size + 1] = after
    for at in range(size):
        step = order[begin + by_call[at]]
        wants[at + 1], avoids[at + 1], leaves[at + 1] = wanted[step], unless[step], post[step]
        comes[at + 1], goes[at + 1] = call[step], min(latest, return_[step])
    _renumber(wants, avoids, leaves, number)
    found = filled(size + 2, 0)
    code, _ = decide_any(
        wants, avoids, leaves, comes, goes, filled(size + 2, 0), _MOST_CONFIGURATIONS, found, stop
    )
    if code == LINEARIZABLE:
        for at in range(size):
            by_call[at] = order[begin + by_call[at]]
        for at in range(size):
            order[begin + at] = by_call[found[at + 1] - 1]
    return code


def _renumber(wants: Ints, avoids: Ints, leaves: Ints, number: Ints) -> None:
    """Number the values in the columns from 1, in place. `number` is all 0 before and after."""
    used = filled(3 * len(wants), 0)
    known = 0
    for column in (wants, avoids, leaves):
        for at in range(len(column)):
            value = column[at]
            if value > 0:
                if number[value] == 0:
                    used[known] = value
                    known += 1
                    number[value] = known
                column[at] = number[value]
    for at in range(known):
        number[used[at]] = 0


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


KERNELS: Final = (
    with_compares,
    _gaps,
    _merged,
    _made_to_fit,
    _rearranged,
    _renumber,
    _below,
    _refuted,
    *register_kernel.KERNELS,
)
