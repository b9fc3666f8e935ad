"""The kernels that take a table apart into keys and hold an order against the effects; see `compiled`.

The idea: the rows of one key are brought together in the order of their calls (a counting sort), their values are
numbered from 1 within the key, and from there on each key is six short columns that the deciding kernels know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mapproof.spec.linearizability.compiled import Ints, filled
from mapproof.spec.linearizability.near_linear import (
    FAILED_COMPARE,
    LINEARIZABLE,
    NOT_LINEARIZABLE,
    REPEATED,
    STOPPED,
    UNANSWERED_DELETE,
    decide_unique,
)
from mapproof.spec.linearizability.register_kernel import decide_any

WRONG_WITNESS = 99
"""The code of a key whose order does not replay: a bug of ours."""

LOAD, STORE, LOAD_OR_STORE, LOAD_AND_DELETE, DELETE, SWAP, COMPARE_AND_SWAP, COMPARE_AND_DELETE = range(8)


def effect_of_row(
    code: int, first: int, second: int, found: int, told: int, fate: int, never: int
) -> tuple[int, int, int]:
    """What a row wants, must not find, and leaves, as `effects.effect_of`: 0 missing, -1 none, value v as v + 1.

    A row that no state explains (a `load_or_store` that stored what it was not given) wants `never`, which is the
    number of no value.
    """
    want, avoid, leave = -1, -1, -1
    given = first + 1
    met = found + 1 if told == 1 else 0
    answered = fate == 0
    if code == LOAD:
        if answered:
            want = met
    elif code == STORE:
        leave = given
    elif code == DELETE:
        leave = 0
    elif code == LOAD_OR_STORE:
        if answered and told == 1:
            want = met
        else:
            want, leave = 0, given
            if answered and found + 1 != given:
                want = never
    elif code == LOAD_AND_DELETE:
        leave = 0
        if answered:
            want = met
    elif code == SWAP:
        leave = given
        if answered:
            want = met
    elif answered and told != 1:
        avoid = given
    else:
        want = given
        leave = second + 1 if code == COMPARE_AND_SWAP else 0
    if want == leave:
        leave = -1
        if not answered:
            want = -1
    return want, avoid, leave


def count_by_key(
    key: Sequence[int],
    op: Sequence[int],
    first: Sequence[int],
    second: Sequence[int],
    found: Sequence[int],
    told: Sequence[int],
    fate: Sequence[int],
    never: int,
    counts: Ints,
) -> int:
    """Add to counts[k] the rows of key k that ask or change something; returns the first that wants `never`, or -1."""
    refused = -1
    for row in range(len(op)):
        want, avoid, leave = effect_of_row(
            op[row], first[row], second[row], found[row], told[row], fate[row], never
        )
        if want >= 0 or avoid >= 0 or leave >= 0:
            counts[key[row]] += 1
        if want == never and refused < 0:
            refused = row
    return refused


def place_by_key(
    by_call: Sequence[int],
    key: Sequence[int],
    op: Sequence[int],
    first: Sequence[int],
    second: Sequence[int],
    found: Sequence[int],
    told: Sequence[int],
    fate: Sequence[int],
    call: Sequence[int],
    return_: Sequence[int],
    never: int,
    nxt: Ints,
    rows: Ints,
    wanted: Ints,
    unless: Ints,
    post: Ints,
    calls: Ints,
    returns: Ints,
    optional: Ints,
) -> None:
    """Put the steps of some rows, given in the order of their calls, at the next places of their keys (`nxt`).

    A row that asks nothing and changes nothing is left out. One pass, for memory is what takes the time.
    """
    for at in range(len(by_call)):
        row = by_call[at]
        want, avoid, leave = effect_of_row(
            op[row], first[row], second[row], found[row], told[row], fate[row], never
        )
        if want >= 0 or avoid >= 0 or leave >= 0:
            to = nxt[key[row]]
            nxt[key[row]] = to + 1
            rows[to] = row
            wanted[to], unless[to], post[to] = want, avoid, leave
            calls[to], returns[to] = call[row], return_[row]
            optional[to] = 1 if fate[row] != 0 else 0


def number_within_key(
    begin: int,
    end: int,
    wanted: Ints,
    unless: Ints,
    post: Ints,
    stamp: Ints,
    number: Ints,
) -> int:
    """Number the values in the columns [begin, end) from 1, in place; returns how many there are.

    `stamp[v]` is the `begin` of the key that last gave v a number: `number[v]`.
    """
    values = 0
    for at in range(begin, end):
        for column in (wanted, unless, post):
            value = column[at]
            if value > 0:
                if stamp[value] != begin:
                    stamp[value] = begin
                    values += 1
                    number[value] = values
                column[at] = number[value]
    return values


def decide_range(
    low: int,
    high: int,
    starts: Ints,
    wanted: Ints,
    unless: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    optional: Ints,
    all_values: int,
    max_configurations: int,
    code: Ints,
    method: Ints,
    count: Ints,
    order: Ints,
    blame: Any,
    stop: Ints,
) -> None:
    """Decide the keys [low, high): see `tables.Keys` and `tables.Decided` for the columns.

    Only for machine code: it works on parts of arrays in place. The value columns are renumbered within each key.
    """
    stamp, number = filled(all_values + 2, -1), filled(all_values + 2, 0)
    for k in range(low, high):
        begin, end = starts[k], starts[k + 1]
        values = number_within_key(begin, end, wanted, unless, post, stamp, number)
        if stop[0] != 0:
            return
        wants, avoids, leaves = wanted[begin:end], unless[begin:end], post[begin:end]
        calls, returns, options = call[begin:end], return_[begin:end], optional[begin:end]
        found, size = decide_unique(
            wants, avoids, leaves, calls, returns, options, values, order[begin:end], blame[k], stop
        )
        method[k] = 0
        if found in (REPEATED, FAILED_COMPARE, UNANSWERED_DELETE):
            method[k] = found
            found, size = decide_any(
                wants,
                avoids,
                leaves,
                calls,
                returns,
                options,
                max_configurations,
                order[begin:end],
                stop,
            )
            if found == NOT_LINEARIZABLE:
                blame[k][0] = size
                size = 1
        if stop[0] != 0:
            return
        if found == LINEARIZABLE and not replays(
            wants, avoids, leaves, calls, returns, options, order[begin:end], size
        ):
            found = WRONG_WITNESS
        code[k], count[k] = found, size
        if found == STOPPED:
            return


def replays(
    wanted: Sequence[int],
    unless: Sequence[int],
    post: Sequence[int],
    call: Sequence[int],
    return_: Sequence[int],
    optional: Sequence[int],
    order: Sequence[int],
    count: int,
) -> bool:
    """Whether order[:count] is a witness: possible step by step, in time, nothing twice, nothing left out."""
    length = len(wanted)
    done = filled(length, 0)
    state, latest = 0, -(2**62)
    for at in range(count):
        step = order[at]
        if step < 0 or step >= length or done[step] == 1 or return_[step] < latest:
            return False
        done[step] = 1
        if (wanted[step] >= 0 and wanted[step] != state) or unless[step] == state:
            return False
        if post[step] >= 0:
            state = post[step]
        latest = max(latest, call[step])
    if count < length:
        for step in range(length):
            if done[step] == 0 and optional[step] == 0:
                return False
    return True


KERNELS = (effect_of_row, count_by_key, place_by_key, number_within_key, decide_range, replays)
