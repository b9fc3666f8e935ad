"""The brute force of `oracle`, for small histories of keyed operations by the million.

The idea: it knows the operations and not what the checker makes of them. For each set of operations that may
have come first it holds every state that they may have left; an operation comes next by being executed, and only
where it then answers what was recorded. Plain loops over columns of integers, so that numba can compile them.
"""

from __future__ import annotations

from collections.abc import Sequence

from mapproof.spec.linearizability.compiled import Ints, filled

LOAD, STORE, LOAD_OR_STORE, LOAD_AND_DELETE, DELETE, SWAP, COMPARE_AND_SWAP, COMPARE_AND_DELETE = range(8)
"""The numbers of the operations, those of `mapproof.spec.table.CODES`."""

NOTHING = -1
"""No value: the state of a missing key, and what an answer does not tell."""

MOST_OPERATIONS, MOST_VALUES = 9, 16


def executed(op: int, first: int, second: int, state: int) -> tuple[int, int, int]:
    """The state of the key afterwards, the value in the answer, and its flag."""
    there = 0 if state == NOTHING else 1
    match = 1 if there == 1 and first == state else 0
    if op == LOAD:
        return state, state, there
    if op == STORE:
        return first, NOTHING, NOTHING
    if op == LOAD_OR_STORE:
        left = state if there == 1 else first
        return left, left, there
    if op == LOAD_AND_DELETE:
        return NOTHING, state, there
    if op == DELETE:
        return NOTHING, NOTHING, NOTHING
    if op == SWAP:
        return first, state, there
    if op == COMPARE_AND_SWAP:
        return (second if match == 1 else state), NOTHING, match
    return (NOTHING if match == 1 else state), NOTHING, match


def explained_each(
    starts: Sequence[int],
    op: Sequence[int],
    key: Sequence[int],
    first: Sequence[int],
    second: Sequence[int],
    found: Sequence[int],
    told: Sequence[int],
    fate: Sequence[int],
    call: Sequence[int],
    return_: Sequence[int],
    verdicts: Ints,
) -> None:
    """For history h, at rows [starts[h], starts[h + 1]): whether some order explains it, as 1 or 0.

    Of each history at most MOST_OPERATIONS rows, values 0 .. MOST_VALUES-1, keys 0 and 1, decided apart.
    """
    reached = filled(1 << MOST_OPERATIONS, 0)
    rows, earlier = filled(MOST_OPERATIONS, 0), filled(MOST_OPERATIONS, 0)
    for h in range(len(verdicts)):
        verdicts[h] = 1
        for k in range(2):
            count = 0
            for row in range(starts[h], starts[h + 1]):
                if key[row] == k:
                    rows[count] = row
                    count += 1
            for i in range(count):
                earlier[i] = 0
                for j in range(count):
                    if return_[rows[j]] < call[rows[i]]:
                        earlier[i] |= 1 << j
            if explained(op, first, second, found, told, fate, rows, earlier, count, reached) == 0:
                verdicts[h] = 0


def explained(
    op: Sequence[int],
    first: Sequence[int],
    second: Sequence[int],
    found: Sequence[int],
    told: Sequence[int],
    fate: Sequence[int],
    rows: Sequence[int],
    earlier: Sequence[int],
    count: int,
    reached: Ints,
) -> int:
    """Whether rows[:count] of one key have an order; `earlier[i]` is the set of those that returned before rows[i].

    `reached[done]` is filled with the states that the set `done` may have left: bit s + 1 for state s.
    """
    everything = (1 << count) - 1
    for done in range(everything + 1):
        reached[done] = 0
    reached[0] = 1
    for done in range(everything):
        if reached[done] == 0:
            continue
        for i in range(count):
            if done >> i & 1 == 1 or earlier[i] & ~done != 0:
                continue
            row = rows[i]
            after = reached[done] if fate[row] != 0 else 0
            for state in range(-1, MOST_VALUES):
                if reached[done] >> (state + 1) & 1 == 0:
                    continue
                left, value, flag = executed(op[row], first[row], second[row], state)
                if fate[row] != 0 or (value == found[row] and flag == told[row]):
                    after |= 1 << (left + 1)
            reached[done | 1 << i] |= after
    return 1 if reached[everything] != 0 else 0
