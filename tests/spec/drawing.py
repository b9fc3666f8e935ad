"""Draws small random histories of keyed operations straight into columns; plain loops that numba can compile.

The idea: clients take turns to plan an operation with a call, a return and a hidden moment between them; the
operations then run in the order of those moments, and what they answer is recorded. So a history is
linearizable until `spoil` has changed an answer or an interval.
"""

from __future__ import annotations

from collections.abc import Sequence

from compiled_oracle import (
    COMPARE_AND_DELETE,
    COMPARE_AND_SWAP,
    DELETE,
    LOAD,
    LOAD_OR_STORE,
    MOST_OPERATIONS,
    NOTHING,
    STORE,
    SWAP,
    executed,
)

from mapproof.spec.linearizability.compiled import FOREVER, Ints, filled

COMPLETED, PENDING, RAISED = 0, 1, 2


def below(random: Ints, limit: int) -> int:
    """A random number in [0, limit). Two generators combined (L'Ecuyer, CACM 31(6), 1988): `random` is their state."""
    random[0] = random[0] * 40014 % 2147483563
    random[1] = random[1] * 40692 % 2147483399
    return (random[0] + random[1]) % 2147483562 % limit


def draw(
    random: Ints,
    allowed: Sequence[int],
    repeated: int,
    unanswered: int,
    starts: Ints,
    client: Ints,
    op: Ints,
    key: Ints,
    first: Ints,
    second: Ints,
    found: Ints,
    told: Ints,
    fate: Ints,
    call: Ints,
    return_: Ints,
) -> None:
    """Fill in len(starts) - 1 histories of 2 to 9 operations; for the parameters see `families.Family`."""
    moment, order = filled(MOST_OPERATIONS, 0), filled(MOST_OPERATIONS, 0)
    end = 0
    for h in range(len(starts) - 1):
        begin = end
        end = begin + 2 + max(below(random, 8), below(random, 5))
        starts[h + 1] = end
        values = 1 + below(random, 3) if below(random, 100) < repeated else 0
        plan(random, begin, end, client, call, return_, fate, moment, order, unanswered)
        choose(random, allowed, begin, end, values, op, key, first, second)
        run(random, begin, end, order, op, key, first, second, found, told, fate)
        if below(random, 2) == 0:
            for _ in range(1 + below(random, 3)):
                spoil(random, begin, end, values, op, first, found, told, fate, call, return_)


def plan(
    random: Ints,
    begin: int,
    end: int,
    client: Ints,
    call: Ints,
    return_: Ints,
    fate: Ints,
    moment: Ints,
    order: Ints,
    unanswered: int,
) -> None:
    """Who calls when, and the rows in the `order` in which they take effect. The last of a client may be pending."""
    clients = 1 + below(random, 4)
    for row in range(begin, end):
        client[row] = below(random, clients)
        free = 0
        for before in range(begin, row):
            if client[before] == client[row]:
                free = return_[before]
        call[row] = free + max(0, below(random, 6) - 2)
        lasts = below(random, 8)
        return_[row] = call[row] + (lasts // 2 if lasts < 6 else 2 * lasts - 7)
        fate[row] = RAISED if below(random, 100) < unanswered else COMPLETED
        at = row - begin
        moment[at] = 8 * call[row] + below(random, 8 * (return_[row] - call[row]) + 1)
        place = at
        while place > 0 and moment[order[place - 1]] > moment[at]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = at
    for row in range(begin, end):
        last = 1
        for later in range(row + 1, end):
            if client[later] == client[row]:
                last = 0
        if fate[row] == RAISED and last == 1 and below(random, 3) > 0:
            fate[row], return_[row] = PENDING, FOREVER


def choose(
    random: Ints,
    allowed: Sequence[int],
    begin: int,
    end: int,
    values: int,
    op: Ints,
    key: Ints,
    first: Ints,
    second: Ints,
) -> None:
    """What is called: of three operations more often than of the others, so that each pair of them meets often."""
    keys = 1 if below(random, 8) > 0 else 2
    n = len(allowed)
    often = (allowed[below(random, n)], allowed[below(random, n)], allowed[below(random, n)])
    for row in range(begin, end):
        code = often[below(random, 3)] if below(random, 3) > 0 else allowed[below(random, n)]
        op[row] = code
        key[row] = below(random, keys)
        first[row], second[row] = NOTHING, NOTHING
        stored = below(random, values) if values > 0 else row - begin
        if code in (STORE, LOAD_OR_STORE, SWAP):
            first[row] = stored
        elif code in (COMPARE_AND_SWAP, COMPARE_AND_DELETE):
            first[row] = below(random, values if values > 0 else end - begin)
            if code == COMPARE_AND_SWAP:
                second[row] = stored


def run(
    random: Ints,
    begin: int,
    end: int,
    order: Sequence[int],
    op: Sequence[int],
    key: Sequence[int],
    first: Ints,
    second: Sequence[int],
    found: Ints,
    told: Ints,
    fate: Sequence[int],
) -> None:
    """Execute and answer; every other compare asks for the value that is there. Half of the unanswered act."""
    a, b = NOTHING, NOTHING
    for place in range(end - begin):
        row = begin + order[place]
        state = a if key[row] == 0 else b
        if op[row] in (COMPARE_AND_SWAP, COMPARE_AND_DELETE) and state != NOTHING and below(random, 2) == 0:
            first[row] = state
        left, found[row], told[row] = executed(op[row], first[row], second[row], state)
        if fate[row] != COMPLETED:
            found[row], told[row] = NOTHING, NOTHING
            if below(random, 2) == 0:
                left = state
        if key[row] == 0:
            a = left
        else:
            b = left


def spoil(
    random: Ints,
    begin: int,
    end: int,
    values: int,
    op: Sequence[int],
    first: Sequence[int],
    found: Ints,
    told: Ints,
    fate: Sequence[int],
    call: Ints,
    return_: Ints,
) -> None:
    """Change one answer, or, where none is met in three tries, let an interval begin later or end earlier."""
    silent, row, code = True, begin, LOAD
    for _ in range(3):
        if silent:
            row = begin + below(random, end - begin)
            code = op[row]
            silent = code in (STORE, DELETE) or fate[row] != COMPLETED
    if silent or below(random, 5) == 0:
        if fate[row] != PENDING:
            cut = below(random, return_[row] - call[row] + 1)
            if below(random, 2) == 0:
                call[row] += cut
            else:
                return_[row] -= cut
    elif code in (COMPARE_AND_SWAP, COMPARE_AND_DELETE):
        told[row] = 1 - told[row]
    else:
        # One number more than there are values: what nobody stored.
        found[row], told[row] = below(random, (values if values > 0 else end - begin) + 1), 1
        if code == LOAD_OR_STORE:
            if below(random, 2) == 0:
                told[row] = 0
                if below(random, 16) > 0:
                    found[row] = first[row]
        elif below(random, 3) == 0:
            found[row], told[row] = NOTHING, 0


KERNELS = (below, draw, plan, choose, run, spoil, executed)
"""What has to be compiled together."""
