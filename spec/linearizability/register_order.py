"""Makes an order of all steps of one key from the changes that a compiled search placed.

The idea: the search remembers only changes, in the sequence in which it placed them. That gives the order of the
changes; then each step that changes nothing takes the first gap between them that suits it.
"""

from __future__ import annotations

from typing import Final

from mapproof.spec.linearizability.compiled import Ints, filled
from mapproof.spec.linearizability.configurations import ITEM, LINKS, PARENT


def changes_in_order(nodes: Ints, node: int, wanted: Ints, changes: Ints) -> int:
    """Fill in the changes that led to a node; how many they are.

    Those of a segment in hindsight go before the last blind write in the present and all that follows it.
    """
    count = 0
    at = node
    while at != 0:
        count += 1
        at = nodes[at * LINKS + PARENT]
    items, since = filled(count, 0), filled(count, 0)
    at = node
    for place in range(count - 1, -1, -1):
        items[place] = nodes[at * LINKS + ITEM]
        at = nodes[at * LINKS + PARENT]
    before, waiting = 0, 0
    for place in range(count):
        step = items[place] >> 1
        if items[place] & 1 != 0:
            changes[before] = step
            before += 1
            continue
        if wanted[step] < 0:
            for at in range(waiting):
                changes[before + at] = since[at]
            before, waiting = before + waiting, 0
        since[waiting] = step
        waiting += 1
    for at in range(waiting):
        changes[before + at] = since[at]
    return count


def with_reads(
    changes: Ints,
    placed: int,
    states: int,
    returns: Ints,
    wanted: Ints,
    unless: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    order: Ints,
) -> int:
    """Fill `order` with the changes and, between them, the steps that change nothing; how many they are.

    Gap g comes before changes[g]. By call, each step takes the first gap that suits it and is behind all that
    returned before its call. No valid order has it earlier, so this finds one if there is any.
    """
    length = len(wanted)
    gap_of, following, last = filled(length, -1), filled(length, -1), filled(placed + 1, -1)
    first, same, other = filled(states, placed + 1), filled(placed + 1, 0), filled(placed + 1, placed + 1)
    state = filled(placed + 1, 0)
    for gap in range(placed):
        state[gap + 1] = post[changes[gap]]
        gap_of[changes[gap]] = gap + 1
    for gap in range(placed, -1, -1):
        same[gap] = first[state[gap]]
        first[state[gap]] = gap
        if gap < placed:
            other[gap] = other[gap + 1] if state[gap] == state[gap + 1] else gap + 1
    returned, least = 0, 0
    heads = filled(placed + 1, -1)
    for step in range(length):
        if post[step] >= 0:
            continue
        while return_[returns[returned]] < call[step]:
            least = max(least, gap_of[returns[returned]])
            returned += 1
        gap = least
        if wanted[step] >= 0:
            gap = first[wanted[step]]
            while gap < least:
                gap = same[gap]
            first[wanted[step]] = gap
        elif state[gap] == unless[step]:
            gap = other[gap]
        if gap > placed:
            return 0
        gap_of[step] = gap
        if last[gap] < 0:
            heads[gap] = step
        else:
            following[last[gap]] = step
        last[gap] = step
    count = 0
    for gap in range(placed + 1):
        step = heads[gap]
        while step >= 0:
            order[count] = step
            count += 1
            step = following[step]
        if gap < placed:
            order[count] = changes[gap]
            count += 1
    return count


KERNELS: Final = (changes_in_order, with_reads)
"""Called by other kernels."""
