"""Decides one key with any values: the search of `register_search`, in the form that runs compiled.

The idea: the same configurations and the same three places for a step that must take effect, with all sets of
running steps as the bits of one integer. Here T, the time of the last blind write, is the set of the running
steps called before it. Such sets are nested, so the larger integer is the later time, and each move is a few
operations on bits. The returns are known, so that among blind writes of one value the one that returns first
stands for all: any other can wait for its own return, and be hidden then.

Memory grows with the changes that all configurations have in common alone (see `configurations`); the steps that
change nothing find their places in the order at the end (see `register_order`).
"""

from __future__ import annotations

from typing import Final

from mapproof.spec.linearizability import configurations, register_order
from mapproof.spec.linearizability.compiled import FOREVER, Ints, ascending, filled
from mapproof.spec.linearizability.configurations import (
    BOOKS,
    EARLY,
    FEWEST,
    FIELDS,
    LINKS,
    MASK,
    NODE,
    STAMP,
    STATE,
    TAG,
    USED,
    give_back,
    has_a_node,
    has_room,
    new_node,
    put,
    release,
    table_beside,
    twice_the_nodes,
)
from mapproof.spec.linearizability.greedy import LINEARIZABLE, NOT_LINEARIZABLE, STOPPED
from mapproof.spec.linearizability.register_order import changes_in_order, with_reads

OUT_OF_CONFIGURATIONS: Final = 6
"""More configurations at once than allowed."""

TOO_WIDE: Final = 7
"""More steps ran at once than a mask has bits."""

_NO_ROOM, _NO_NODES = -1, -2
"""Codes of one return that needs more memory than it was given, and has changed nothing."""

_WIDTH: Final = 62
"""Bits of a mask: all that keep a 64-bit integer positive."""

_BITS_MODULO: Final = 67
"""The powers of two below 2**66 differ modulo 67."""

_READS, _WRITES, _CHANGES, _AVOIDS, _KINDS = 0, 1, 2, 3, 4
"""The running steps about a value: that want it and leave it, write it blindly, change it, must not meet it."""

_ALL, _COMPARES, _BLIND, _CHANGING, _SETS = 0, 1, 2, 3, 4
"""All running steps; those that are failed compares, blind writes, and changes that want a state."""

_PRESENT, _BEFORE, _HINDSIGHT, _BEHIND, _PHASES = 1, 2, 3, 4, 5
"""Where a configuration being worked on stands: in the present; about to begin a segment in hindsight; on it;
behind a blind write in the present. Its tag is a phase + _PHASES * the state to which a segment returns."""


def decide_any(
    wanted: Ints,
    unless: Ints,
    post: Ints,
    call: Ints,
    return_: Ints,
    optional: Ints,
    max_configurations: int,
    order: Ints,
    stop: Ints,
) -> tuple[int, int]:
    """Whether the steps of one key, by call, have an order: (code, count).

    LINEARIZABLE: `order[:count]` are the steps in a valid order, `order` being as long as the columns.
    NOT_LINEARIZABLE: no configuration was left at the return of step `count`. OUT_OF_CONFIGURATIONS: more than
    `max_configurations` at once. TOO_WIDE: more than 62 steps ran at once. STOPPED: `stop[0]` was set.
    """
    length = len(wanted)
    values = 0
    for step in range(length):
        values = max(values, wanted[step], unless[step], post[step])
    returns = ascending(return_, length)
    running = filled(_KINDS * (values + 1), 0)
    slot_of = filled(length, 0)
    step_at = filled(_BITS_MODULO, 0)
    live, spare, work = filled(FEWEST, 0), filled(FEWEST, 0), filled(FEWEST, 0)
    settled_table, work_table = table_beside(work), table_beside(work)
    nodes, books, sets = filled(64 * LINKS, 0), filled(BOOKS, 0), filled(_SETS, 0)
    live[0] = books[USED] = 1
    called = 0
    for at in range(length):
        step = returns[at]
        if return_[step] == FOREVER:
            break
        if stop[0] != 0:
            return STOPPED, 0
        while called < length and call[called] <= return_[step]:
            bit = ~sets[_ALL] & (sets[_ALL] + 1)
            if bit >> _WIDTH != 0:
                return TOO_WIDE, 0
            slot_of[called] = bit
            step_at[bit % _BITS_MODULO] = called
            if post[called] < 0:
                _take_in(live, wanted[called], unless[called], bit)
            _flip(wanted[called], unless[called], post[called], bit, running, sets)
            called += 1
        bit = slot_of[step]
        if _everywhere(live, bit):
            for base in range(FIELDS, (live[0] + 1) * FIELDS, FIELDS):
                live[base + MASK] &= ~bit
                live[base + EARLY] &= ~bit
        else:
            code = _NO_ROOM
            while code < 0:
                code = _returned(
                    wanted, unless, post, return_, optional, step, bit, running, sets, step_at,
                    live, spare, work, settled_table, work_table, nodes, books, max_configurations, stop,
                )  # fmt: skip
                if code == _NO_NODES:
                    nodes = twice_the_nodes(nodes)
                elif code == _NO_ROOM:
                    if len(spare) >= len(work):
                        work = filled(2 * len(work), 0)
                        settled_table, work_table = table_beside(work), table_beside(work)
                    spare = filled(len(work), 0)
            if code != LINEARIZABLE:
                return code, step
            live, spare = spare, live
        _flip(wanted[step], unless[step], post[step], bit, running, sets)
    changes = filled(length, 0)
    placed = changes_in_order(nodes, live[FIELDS + NODE], wanted, changes)
    return LINEARIZABLE, with_reads(
        changes, placed, len(running) // _KINDS, returns, wanted, unless, post, call, return_, order
    )


def _flip(wanted: int, unless: int, post: int, bit: int, running: Ints, sets: Ints) -> None:
    """Begin or end a step in the masks of what runs."""
    sets[_ALL] ^= bit
    if unless >= 0:
        sets[_COMPARES] ^= bit
        running[_KINDS * unless + _AVOIDS] ^= bit
    elif post < 0:
        running[_KINDS * wanted + _READS] ^= bit
    elif wanted < 0:
        sets[_BLIND] ^= bit
        running[_KINDS * post + _WRITES] ^= bit
    else:
        sets[_CHANGING] ^= bit
        running[_KINDS * wanted + _CHANGES] ^= bit


def _take_in(live: Ints, wanted: int, unless: int, bit: int) -> None:
    """Let a step that changes nothing take effect wherever the state suits it."""
    for base in range(FIELDS, (live[0] + 1) * FIELDS, FIELDS):
        state = live[base + STATE]
        if state == wanted or (wanted < 0 and state != unless):
            live[base + MASK] |= bit


def _everywhere(live: Ints, bit: int) -> bool:
    """Whether a step is in effect in all configurations."""
    common = bit
    for base in range(FIELDS, (live[0] + 1) * FIELDS, FIELDS):
        common &= live[base + MASK]
    return common != 0


def _returned(
    wanted: Ints,
    unless: Ints,
    post: Ints,
    return_: Ints,
    optional: Ints,
    step: int,
    bit: int,
    running: Ints,
    sets: Ints,
    step_at: Ints,
    live: Ints,
    settled: Ints,
    work: Ints,
    settled_table: Ints,
    work_table: Ints,
    nodes: Ints,
    books: Ints,
    max_configurations: int,
    stop: Ints,
) -> int:
    """Fill `settled` with the configurations after the return of a step; the code.

    The entries of `work` are each worked on once, and kept until the end so that none comes twice.
    """
    books[STAMP] += 1
    settled[0] = work[0] = 0
    code = _begun(optional[step], bit, live, settled, work, settled_table, work_table, nodes, books)
    at = 0
    while code == LINEARIZABLE and at < work[0]:
        if stop[0] != 0:
            return STOPPED
        if max(settled[0], work[0]) > max_configurations:
            return OUT_OF_CONFIGURATIONS
        at += 1
        code = _worked_on(
            at, _heads(wanted[step], unless[step], post[step], bit, running, sets), post, return_, bit,
            running, sets, step_at, settled, work, settled_table, work_table, nodes, books,
        )  # fmt: skip
    give_back(work, nodes, books)
    if code < 0:
        give_back(settled, nodes, books)
        return code
    give_back(live, nodes, books)
    return LINEARIZABLE if settled[0] > 0 else NOT_LINEARIZABLE


def _begun(
    optional: int,
    bit: int,
    live: Ints,
    settled: Ints,
    work: Ints,
    settled_table: Ints,
    work_table: Ints,
    nodes: Ints,
    books: Ints,
) -> int:
    """Settle where the step is in effect already, or never will be, and begin the work where it may yet be."""
    for base in range(FIELDS, (live[0] + 1) * FIELDS, FIELDS):
        state, mask, early, node = (
            live[base + STATE],
            live[base + MASK],
            live[base + EARLY],
            live[base + NODE],
        )
        if not has_room(settled) or not has_room(work):
            return _NO_ROOM
        if mask & bit != 0 or optional != 0:
            put(settled, settled_table, state, mask & ~bit, early & ~bit, node, 0, nodes, books)
        if mask & bit == 0:
            for tag in (_PRESENT, _BEFORE + _PHASES * state):
                if tag == _PRESENT or early & bit != 0:
                    put(work, work_table, state, mask, early, node, tag, nodes, books)
    return LINEARIZABLE


def _worked_on(
    at: int,
    heads: int,
    post: Ints,
    return_: Ints,
    bit: int,
    running: Ints,
    sets: Ints,
    step_at: Ints,
    settled: Ints,
    work: Ints,
    settled_table: Ints,
    work_table: Ints,
    nodes: Ints,
    books: Ints,
) -> int:
    """Place each change that may come next on the way to the effect of the returning step; the code."""
    base = at * FIELDS
    state, mask, early, node = work[base + STATE], work[base + MASK], work[base + EARLY], work[base + NODE]
    phase, outer = work[base + TAG] % _PHASES, work[base + TAG] // _PHASES
    hindsight = phase in (_BEFORE, _HINDSIGHT)
    allowed = early if hindsight else sets[_ALL]
    chain = 0 if phase == _BEFORE else running[_KINDS * state + _CHANGES] & allowed & ~mask
    heads = heads & allowed & ~mask if phase in (_PRESENT, _BEFORE) else 0
    while chain | heads != 0:
        is_head = heads != 0
        placed = _first_to_return(heads, post, return_, running, step_at) if is_head else chain & -chain
        change = step_at[placed % _BITS_MODULO]
        after = post[change]
        about = _KINDS * after
        if is_head:
            heads &= ~running[about + _WRITES]
        else:
            chain ^= placed
        suited = running[about + _READS] | (sets[_COMPARES] & ~running[about + _AVOIDS])
        reached = mask | placed | (allowed & suited)
        done = reached & bit != 0
        goes_on = running[about + _CHANGES] & allowed & ~reached != 0 or (phase == _PRESENT and not is_head)
        if not done and not goes_on:
            continue
        if not has_room(settled) or not has_room(work):
            return _NO_ROOM
        if not has_a_node(nodes, books):
            return _NO_NODES
        new = new_node(node, 2 * change + (1 if hindsight else 0), nodes, books)
        since = sets[_ALL] if is_head and not hindsight else early
        if done:
            end = outer if hindsight else after
            put(settled, settled_table, end, reached & ~bit, since & ~bit, new, 0, nodes, books)
        if goes_on and (hindsight or not done):
            tag = phase
            if hindsight:
                tag = _HINDSIGHT + _PHASES * outer
            elif is_head:
                tag = _BEHIND
            put(work, work_table, after, reached, since, new, tag, nodes, books)
        release(new, nodes, books)
    return LINEARIZABLE


def _heads(wanted: int, unless: int, post: int, bit: int, running: Ints, sets: Ints) -> int:
    """The blind writes that a step may owe its place to."""
    if post >= 0 and wanted < 0:
        return bit
    if sets[_CHANGING] != 0:
        return sets[_BLIND]
    if wanted >= 0:
        return running[_KINDS * wanted + _WRITES]
    return sets[_BLIND] & ~running[_KINDS * unless + _WRITES]


def _first_to_return(heads: int, post: Ints, return_: Ints, running: Ints, step_at: Ints) -> int:
    """The bit of the blind write that returns first of all that write the same value as the first of them."""
    best = heads & -heads
    rest = heads & running[_KINDS * post[step_at[best % _BITS_MODULO]] + _WRITES] & ~best
    while rest != 0:
        bit = rest & -rest
        rest ^= bit
        if return_[step_at[bit % _BITS_MODULO]] < return_[step_at[best % _BITS_MODULO]]:
            best = bit
    return best


KERNELS: Final = (
    decide_any,
    _flip,
    _take_in,
    _everywhere,
    _returned,
    _begun,
    _worked_on,
    _heads,
    _first_to_return,
    *configurations.KERNELS,
    *register_order.KERNELS,
)
"""What `compiled` takes to make `decide_any` fast."""
