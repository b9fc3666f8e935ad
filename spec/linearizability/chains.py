"""Gathers the steps of a key into blocks that nothing can divide: chains of values and those who saw them.

The idea: who saw a value stands after the one step that stored it and before the one step that found it and
changed it, and no other change comes between. So a chain of them, from a change that found no value to one whose
value nobody changed, stands together in every order, and within it the values give the order: the step that left
a value, those that only saw it, the one that changed it. What time says within a chain is checked here, with the
greatest call so far; what it says between chains is left to `greedy`.
"""

from __future__ import annotations

from typing import Final

from mapproof.spec.linearizability.compiled import Ints, filled
from mapproof.spec.linearizability.greedy import (
    DELETE,
    INSERT,
    LINEARIZABLE,
    NOT_LINEARIZABLE,
    OVERWRITE,
    STOPPED,
)

REPEATED: Final = 4
"""Two steps that may both have happened leave the same value, and somebody saw it."""

MOST_BLAMED: Final = 8

_NOBODY: Final = -1
_SEVERAL: Final = -2


def linked(
    wanted: Ints,
    post: Ints,
    optional: Ints,
    certain: Ints,
    writer: Ints,
    changer: Ints,
    reader: Ints,
    next_reader: Ints,
    blame: Ints,
) -> tuple[int, int]:
    """Tie each value to those that saw it: (code, number of steps that saw a value and changed it).

    `writer[v]` becomes the step that left v, `changer[v]` the one that found v and changed it, `reader[v]` the
    first by call that only found it, `next_reader` of a step the next one; -1 stands for none. An optional step
    whose value was found becomes certain.
    """
    for step in range(len(post)):
        if post[step] > 0:
            writer[post[step]] = step if writer[post[step]] == _NOBODY else _SEVERAL
    changes = 0
    for step in range(len(wanted) - 1, -1, -1):
        if optional[step] != 0:
            continue
        at = step
        while wanted[at] > 0:
            value = wanted[at]
            source = writer[value]
            if source == _NOBODY:
                blame[0] = at
                return NOT_LINEARIZABLE, 1
            if source == _SEVERAL:
                return REPEATED, 0
            if post[at] < 0:
                next_reader[at] = reader[value]
                reader[value] = at
            elif changer[value] == _NOBODY:
                changer[value] = at
                changes += 1
            else:
                blame[0] = changer[value]
                blame[1] = at
                blame[2] = source
                return NOT_LINEARIZABLE, 3
            if certain[source] != 0:
                break
            certain[source] = 1
            at = source
    return LINEARIZABLE, changes


def blocks_of(
    wanted: Ints,
    unless: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    certain: Ints,
    writer: Ints,
    changer: Ints,
    reader: Ints,
    next_reader: Ints,
    changes: int,
    head: Ints,
    kind: Ints,
    due: Ints,
    earliest: Ints,
    latest: Ints,
    ends_at: Ints,
    blame: Ints,
    stop: Ints,
) -> tuple[int, int]:
    """Gather the steps into blocks: (code, number of blocks or of steps to blame).

    For each block: its first step, its kind, its least return and the steps of that and of the greatest call.
    """
    blocks = 0
    walked = 0
    for step in range(len(wanted)):
        if wanted[step] > 0 or unless[step] >= 0:
            continue
        if certain[step] == 0 and (post[step] != 0 or wanted[step] == 0):
            continue
        if stop[0] != 0:
            return STOPPED, 0
        early = step
        late = step
        at = step
        while post[at] > 0:
            value = post[at]
            before = late
            seer = reader[value]
            while seer >= 0:
                if return_[seer] < call[before]:
                    return NOT_LINEARIZABLE, _crossed(wanted, post, writer, changer, seer, before, blame)
                if return_[seer] < return_[early]:
                    early = seer
                late = max(late, seer)
                seer = next_reader[seer]
            if changer[value] < 0:
                break
            at = changer[value]
            walked += 1
            if return_[at] < call[late]:
                return NOT_LINEARIZABLE, _crossed(wanted, post, writer, changer, at, late, blame)
            if return_[at] < return_[early]:
                early = at
            late = max(late, at)
        head[blocks] = step
        kind[blocks] = (INSERT if wanted[step] == 0 else OVERWRITE) + (DELETE if post[at] <= 0 else 0)
        due[blocks] = return_[early]
        earliest[blocks] = early
        latest[blocks] = late
        ends_at[late] = blocks
        blocks += 1
    if walked != changes:
        return NOT_LINEARIZABLE, _circle(wanted, post, certain, writer, changer, head[:blocks], blame)
    return LINEARIZABLE, blocks


def spelled_out(
    post: Ints,
    changer: Ints,
    reader: Ints,
    next_reader: Ints,
    head: Ints,
    sequence: Ints,
    blocks: int,
    order: Ints,
) -> int:
    """Write the steps of the blocks in `sequence[:blocks]` to `order`; how many they are."""
    count = 0
    for at in range(blocks):
        step = head[sequence[at]]
        while step >= 0:
            order[count] = step
            count += 1
            value = post[step]
            if value <= 0:
                break
            seer = reader[value]
            while seer >= 0:
                order[count] = seer
                count += 1
                seer = next_reader[seer]
            step = changer[value]
    return count


def blamed(
    kind: Ints,
    head: Ints,
    earliest: Ints,
    latest: Ints,
    sequence: Ints,
    placed: int,
    loser: int,
    first: int,
    blame: Ints,
) -> int:
    """The steps to blame where `arrange` found no place for the block `loser`; how many they are.

    They are the ends of that block and of the one first due, and if that is the same one, or both were
    available: the ends of the block that left the value and of the last DELETE before it.
    """
    count = _with_ends(blame, 0, loser, head, earliest, latest)
    count = _with_ends(blame, count, first, head, earliest, latest)
    at = placed - 1
    while at >= 0 and kind[sequence[at]] != OVERWRITE and kind[sequence[at]] != INSERT:
        at -= 1
    if at >= 0:
        count = _with_ends(blame, count, sequence[at], head, earliest, latest)
    while at >= 0 and kind[sequence[at]] != DELETE:
        at -= 1
    if at >= 0:
        count = _with_ends(blame, count, sequence[at], head, earliest, latest)
    return count


def _with_ends(blame: Ints, count: int, block: int, head: Ints, earliest: Ints, latest: Ints) -> int:
    count = _with(blame, count, earliest[block])
    count = _with(blame, count, latest[block])
    return _with(blame, count, head[block])


def _with(blame: Ints, count: int, step: int) -> int:
    """Blame a step, once, while there is room."""
    if count == MOST_BLAMED:
        return count
    for at in range(count):
        if blame[at] == step:
            return count
    blame[count] = step
    return count + 1


def _crossed(
    wanted: Ints, post: Ints, writer: Ints, changer: Ints, later: int, earlier: int, blame: Ints
) -> int:
    """Blame two steps of one chain that time puts the other way round, and the changes that tie them."""
    count = _with(blame, 0, later)
    count = _with(blame, count, earlier)
    value = post[earlier]
    if value < 0:
        value = wanted[earlier]
    count = _with(blame, count, writer[value])
    while value != wanted[later] and count < MOST_BLAMED:
        count = _with(blame, count, changer[value])
        value = post[changer[value]]
    return count


def _circle(
    wanted: Ints,
    post: Ints,
    certain: Ints,
    writer: Ints,
    changer: Ints,
    head: Ints,
    blame: Ints,
) -> int:
    """Blame changes of values that go round in a circle: those that no block reaches lead back to one."""
    reached = filled(len(post), 0)
    for block in range(len(head)):
        step = head[block]
        while post[step] > 0 and changer[post[step]] >= 0:
            step = changer[post[step]]
            reached[step] = 1
    step = 0
    while certain[step] == 0 or wanted[step] <= 0 or post[step] < 0 or reached[step] != 0:
        step += 1
    for _ in range(len(post)):
        step = writer[wanted[step]]
    count = 0
    while count < MOST_BLAMED and (count == 0 or step != blame[0]):
        blame[count] = step
        count += 1
        step = writer[wanted[step]]
    return count


KERNELS: Final = (linked, blocks_of, spelled_out, blamed, _with_ends, _with, _crossed, _circle)
