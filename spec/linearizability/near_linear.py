"""Decides one key in near-linear time, where each value that somebody saw was stored by one step only.

The idea (Gibbons and Korach, "Testing Shared Memories", SIAM J. Comput. 26(4), 1997, carried over to maps): a
step that saw a value stands after the step that stored it and before the next change, so the storing step and
all that saw its value move as one. A step that saw the value and changed it continues the run with the next
value. What remains are blocks of steps that nothing may divide, of four types, and `greedy` puts those in order;
the order of the steps within a block follows from their values.

A step without an answer may as well not have happened. It did if its value was seen by a step that happened. If
not, to leave it out loses nothing, since a key that is missing allows whatever a value that nobody saw allows;
but a delete stays, as one that may go wherever it helps. A compare-and-delete without an answer is left out
first. If that leaves no order, it may delete any value: if there still is none, there is none; otherwise each set
of a few of them is tried as having happened. Compares that failed go into the order at the end.
"""

from __future__ import annotations

from typing import Final

from mapproof.spec.linearizability import chains, failed_compares, greedy
from mapproof.spec.linearizability.chains import MOST_BLAMED, REPEATED, blamed, blocks_of, linked, spelled_out
from mapproof.spec.linearizability.compiled import Ints, filled
from mapproof.spec.linearizability.failed_compares import FAILED_COMPARE, with_compares
from mapproof.spec.linearizability.greedy import LINEARIZABLE, NOT_LINEARIZABLE, STOPPED, arrange

__all__ = [
    "FAILED_COMPARE",
    "KERNELS",
    "LINEARIZABLE",
    "MOST_BLAMED",
    "NOT_LINEARIZABLE",
    "REPEATED",
    "STOPPED",
    "UNANSWERED_DELETE",
    "decide_unique",
]

UNANSWERED_DELETE: Final = 5
"""Many a compare-and-delete without an answer may have happened, and it matters."""

_MOST_TRIED: Final = 4


def decide_unique(
    wanted: Ints,
    unless: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    optional: Ints,
    values: int,
    order: Ints,
    blame: Ints,
    stop: Ints,
) -> tuple[int, int]:
    """Whether the steps of one key, by call, have an order: (code, count). O(n log n).

    The columns are those of a key's steps; states are numbered from MISSING = 0 to `values`. LINEARIZABLE:
    `order[:count]` are the steps in a valid order, `order` being as long as the columns. NOT_LINEARIZABLE:
    `blame[:count]` are steps that the refutation looked at, at most MOST_BLAMED. REPEATED, FAILED_COMPARE and
    UNANSWERED_DELETE: this way of deciding does not apply. STOPPED: `stop[0]` was set.
    """
    code, count = _decide(wanted, unless, post, call, return_, optional, values, order, blame, stop)
    if code != NOT_LINEARIZABLE:
        return code, count
    unsure = filled(_MOST_TRIED, 0)
    anywhere = filled(len(wanted), 0)
    found = _unanswered_deletes(wanted, post, optional, values, unsure, anywhere)
    if found == 0:
        return code, count
    code, count = _decide(anywhere, unless, post, call, return_, optional, values, order, blame, stop)
    if code in (NOT_LINEARIZABLE, STOPPED):
        return code, count
    if found > _MOST_TRIED:
        return UNANSWERED_DELETE, 0
    happened = filled(len(optional), 0)
    for step in range(len(optional)):
        happened[step] = optional[step]
    undecided = 0
    for choice in range(1, 1 << found):
        for at in range(found):
            happened[unsure[at]] = 1 - ((choice >> at) & 1)
        code, count = _decide(wanted, unless, post, call, return_, happened, values, order, blame, stop)
        if code in (LINEARIZABLE, STOPPED):
            return code, count
        if code != NOT_LINEARIZABLE:
            undecided = 1
    if undecided != 0:
        return UNANSWERED_DELETE, 0
    return code, count


def _unanswered_deletes(
    wanted: Ints, post: Ints, optional: Ints, values: int, found: Ints, anywhere: Ints
) -> int:
    """How many optional steps delete one value that may have been there.

    `found` gets the first of them, `anywhere` what is wanted if they could delete any value.
    """
    left = filled(values + 1, 0)
    for step in range(len(post)):
        if post[step] > 0:
            left[post[step]] = 1
    count = 0
    for step in range(len(post)):
        anywhere[step] = wanted[step]
        if optional[step] != 0 and post[step] == 0 and wanted[step] > 0 and left[wanted[step]] != 0:
            anywhere[step] = -1
            if count < len(found):
                found[count] = step
            count += 1
    return count


def _decide(
    wanted: Ints,
    unless: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    optional: Ints,
    values: int,
    order: Ints,
    blame: Ints,
    stop: Ints,
) -> tuple[int, int]:
    """As decide_unique, if no optional compare-and-delete happened."""
    length = len(wanted)
    certain = filled(length, 1)
    compares = False
    most = 0
    for step in range(length):
        if optional[step] != 0:
            certain[step] = 0
        if unless[step] >= 0:
            compares = True
        elif wanted[step] <= 0:
            most += 1
    writer = filled(values + 1, -1)
    changer = filled(values + 1, -1)
    reader = filled(values + 1, -1)
    next_reader = filled(length, -1)
    code, count = linked(wanted, post, optional, certain, writer, changer, reader, next_reader, blame)
    if code != LINEARIZABLE:
        return code, count
    head = filled(most, 0)
    kind = filled(most, 0)
    due = filled(most, 0)
    earliest = filled(most, 0)
    latest = filled(most, 0)
    ends_at = order  # until the order is known, its room serves for this
    for step in range(length):
        ends_at[step] = -1
    code, count = blocks_of(
        wanted, unless, post, call, return_, certain, writer, changer, reader, next_reader, count,
        head, kind, due, earliest, latest, ends_at, blame, stop,
    )  # fmt: skip
    if code != LINEARIZABLE:
        return code, count
    sequence = filled(count, 0)
    code, count, loser, first = arrange(kind, due, latest, count, call, certain, ends_at, sequence, stop)
    if code == NOT_LINEARIZABLE:
        return code, blamed(kind, head, earliest, latest, sequence, count, loser, first, blame)
    if code != LINEARIZABLE:
        return code, 0
    count = spelled_out(post, changer, reader, next_reader, head, sequence, count, order)
    if not compares:
        return LINEARIZABLE, count
    return with_compares(wanted, unless, post, call, return_, optional, values, order, count, blame, stop)


KERNELS: Final = (
    *chains.KERNELS,
    *greedy.KERNELS,
    *failed_compares.KERNELS,
    _decide,
    _unanswered_deletes,
    decide_unique,
)
"""All that `compiled` needs to know to compile decide_unique."""
