"""Decides one key with any values: the search of `register_search`, in the form that runs compiled.

The idea: the same configurations and the same three places for a step that must take effect, with all sets of
running steps as the bits of one integer. Here T, the time of the last blind write, is the set of the running
steps called before it. Such sets are nested, so the larger integer is the later time, and each move is a few
operations on bits. The returns are known, so that among blind writes of one value the one that returns first
stands for all: any other can wait for its own return, and be hidden then.

A configuration remembers only the changes that led to it, in a tree whose dead branches are given back at once,
so that memory grows with the common past alone. Steps that change nothing find their places in the order at the
end, each in the first gap between changes that suits it and is not too early.
"""

from __future__ import annotations

from typing import Final

from mapproof.spec.linearizability.compiled import FOREVER, Ints, ascending, filled
from mapproof.spec.linearizability.near_linear import LINEARIZABLE, NOT_LINEARIZABLE, STOPPED

OUT_OF_CONFIGURATIONS: Final = 6
"""More configurations at once than allowed."""

TOO_WIDE: Final = 7
"""More steps ran at once than a mask has bits."""

_NO_ENTRIES, _NO_NODES = -1, -2
"""Codes of one return that needs more memory than it was given, and has changed nothing."""

_WIDTH: Final = 62
"""Bits of a mask: all that keep a 64-bit integer positive."""

_READS, _WRITES, _CHANGES, _AVOIDS, _KINDS = 0, 1, 2, 3, 4
"""The running steps about a value: that want it and leave it, write it blindly, change it, must not meet it."""

_STATE, _MASK, _EARLY, _NODE, _TAG, _FIELDS = 0, 1, 2, 3, 4, 5
"""The fields of a configuration, and of one being worked on; `early` are the steps called before T."""

_PRESENT, _BEHIND, _BEFORE, _HINDSIGHT, _PHASES = 0, 1, 2, 3, 4
"""Where a configuration being worked on stands: in the present; behind a blind write there; about to begin a
segment in hindsight; on it. A tag is a phase + _PHASES * the state to which a segment in hindsight returns."""

_PARENT, _ITEM, _REFERENCES, _LINKS = 0, 1, 2, 3
"""The fields of a node: a change that was placed. An item is 2 * step, + 1 in hindsight."""

_ALL, _COMPARES, _BLIND, _CHANGING, _FREE, _USED, _STAMP, _NUMBERS = 0, 1, 2, 3, 4, 5, 6, 7
"""Numbers of a search: masks of all that runs, of failed compares, of blind writes and of other changes; the
first free node (0: none), the nodes ever used, and how many returns were worked on."""

_BITS_MODULO: Final = 67
"""The powers of two below 2**66 differ modulo 67."""


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
    live, spare, work = filled(16 * _FIELDS, 0), filled(16 * _FIELDS, 0), filled(16 * _FIELDS, 0)
    settled_table, work_table = filled(64, 0), filled(64, 0)
    nodes, numbers = filled(64 * _LINKS, 0), filled(_NUMBERS, 0)
    numbers[_USED] = 1
    count, called = 1, 0
    for at in range(length):
        step = returns[at]
        if return_[step] == FOREVER:
            break
        if stop[0] != 0:
            return STOPPED, 0
        while called < length and call[called] <= return_[step]:
            bit = ~numbers[_ALL] & (numbers[_ALL] + 1)
            if bit >> _WIDTH != 0:
                return TOO_WIDE, 0
            slot_of[called] = bit
            step_at[bit % _BITS_MODULO] = called
            if post[called] < 0:
                _take_in(live, count, wanted[called], unless[called], bit)
            _flip(wanted[called], unless[called], post[called], bit, running, numbers)
            called += 1
        bit = slot_of[step]
        if _everywhere(live, count, bit):
            for base in range(0, count * _FIELDS, _FIELDS):
                live[base + _MASK] &= ~bit
                live[base + _EARLY] &= ~bit
        else:
            code, after = _NO_ENTRIES, 0
            while code < 0:
                code, after = _returned(
                    wanted, unless, post, return_, optional, step, bit, running, step_at, live, count,
                    spare, work, settled_table, work_table, nodes, numbers, max_configurations, stop,
                )  # fmt: skip
                if code == _NO_ENTRIES:
                    if len(spare) == len(work):
                        work, places = filled(2 * len(work), 0), 2 * len(work_table)
                        settled_table, work_table = filled(places, 0), filled(places, 0)
                    spare = filled(len(work), 0)
                elif code == _NO_NODES:
                    nodes = _twice_as_long(nodes)
            if code != LINEARIZABLE:
                return code, step
            live, spare, count = spare, live, after
        _flip(wanted[step], unless[step], post[step], bit, running, numbers)
    changes = filled(length, 0)
    placed = _changes_in_order(nodes, live[_NODE], wanted, changes)
    return LINEARIZABLE, _with_reads(
        changes, placed, values, returns, wanted, unless, post, call, return_, order
    )


def _flip(wanted: int, unless: int, post: int, bit: int, running: Ints, numbers: Ints) -> None:
    """Begin or end a step in the masks of what runs."""
    numbers[_ALL] ^= bit
    if unless >= 0:
        numbers[_COMPARES] ^= bit
        running[_KINDS * unless + _AVOIDS] ^= bit
    elif post < 0:
        running[_KINDS * wanted + _READS] ^= bit
    elif wanted < 0:
        numbers[_BLIND] ^= bit
        running[_KINDS * post + _WRITES] ^= bit
    else:
        numbers[_CHANGING] ^= bit
        running[_KINDS * wanted + _CHANGES] ^= bit


def _take_in(live: Ints, count: int, wanted: int, unless: int, bit: int) -> None:
    """Let a step that changes nothing take effect wherever the state suits it."""
    for base in range(0, count * _FIELDS, _FIELDS):
        state = live[base + _STATE]
        if state == wanted or (wanted < 0 and state != unless):
            live[base + _MASK] |= bit


def _everywhere(live: Ints, count: int, bit: int) -> bool:
    """Whether a step is in effect in all configurations."""
    common = bit
    for base in range(0, count * _FIELDS, _FIELDS):
        common &= live[base + _MASK]
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
    step_at: Ints,
    live: Ints,
    count: int,
    settled: Ints,
    work: Ints,
    settled_table: Ints,
    work_table: Ints,
    nodes: Ints,
    numbers: Ints,
    max_configurations: int,
    stop: Ints,
) -> tuple[int, int]:
    """Fill `settled` with the configurations after the return of a step: (code, count).

    The items of `work` are each worked on once, and kept until the end so that none comes twice.
    """
    numbers[_STAMP] += 1
    stamp, everything = numbers[_STAMP], numbers[_ALL]
    settling, working = 0, 0
    room = min(len(settled), len(work)) // _FIELDS
    for base in range(0, count * _FIELDS, _FIELDS):
        state, mask, early, node = (
            live[base + _STATE],
            live[base + _MASK],
            live[base + _EARLY],
            live[base + _NODE],
        )
        if max(settling, working) + 2 > room:
            return _given_up(_NO_ENTRIES, settled, settling, work, working, nodes, numbers), 0
        if mask & bit != 0 or optional[step] != 0:
            settling = _put(
                settled,
                settling,
                settled_table,
                0,
                stamp,
                state,
                mask & ~bit,
                early & ~bit,
                node,
                0,
                nodes,
                numbers,
            )
        if mask & bit == 0:
            working = _put(
                work, working, work_table, 1, stamp, state, mask, early, node, _PRESENT, nodes, numbers
            )
            if early & bit != 0:
                tag = _BEFORE + _PHASES * state
                working = _put(
                    work, working, work_table, 1, stamp, state, mask, early, node, tag, nodes, numbers
                )
    at = 0
    while at < working:
        if stop[0] != 0:
            return STOPPED, 0
        if max(settling, working) > max_configurations:
            return OUT_OF_CONFIGURATIONS, 0
        base = at * _FIELDS
        at += 1
        state, mask, early, node = (
            work[base + _STATE],
            work[base + _MASK],
            work[base + _EARLY],
            work[base + _NODE],
        )
        phase, outer = work[base + _TAG] % _PHASES, work[base + _TAG] // _PHASES
        hindsight = phase >= _BEFORE
        allowed = early if hindsight else everything
        chain, heads = 0, 0
        if phase != _BEFORE:
            chain = running[_KINDS * state + _CHANGES] & allowed & ~mask
        if phase in (_PRESENT, _BEFORE):
            heads = _heads(wanted[step], unless[step], post[step], bit, running, numbers) & allowed & ~mask
        while chain | heads != 0:
            if heads != 0:
                chosen = _first_to_return(
                    heads & running[_KINDS * post[step_at[(heads & -heads) % _BITS_MODULO]] + _WRITES],
                    step_at,
                    return_,
                )
                is_head = True
            else:
                chosen = chain & -chain
                is_head = False
            change = step_at[chosen % _BITS_MODULO]
            after = post[change]
            if is_head:
                heads &= ~running[_KINDS * after + _WRITES]
            else:
                chain ^= chosen
            about = _KINDS * after
            reached = (
                mask
                | chosen
                | (allowed & (running[about + _READS] | (numbers[_COMPARES] & ~running[about + _AVOIDS])))
            )
            done = reached & bit != 0
            goes_on = running[about + _CHANGES] & allowed & ~reached != 0 or (
                phase == _PRESENT and not is_head
            )
            if not done and not goes_on:
                continue
            if max(settling, working) + 2 > room:
                return _given_up(_NO_ENTRIES, settled, settling, work, working, nodes, numbers), 0
            if numbers[_FREE] == 0 and (numbers[_USED] + 1) * _LINKS > len(nodes):
                return _given_up(_NO_NODES, settled, settling, work, working, nodes, numbers), 0
            fresh = _node(nodes, numbers, node, 2 * change + (1 if hindsight else 0))
            since = everything if is_head and not hindsight else early
            if done:
                end = outer if hindsight else after
                settling = _put(
                    settled, settling, settled_table, 0, stamp,
                    end, reached & ~bit, since & ~bit, fresh, 0, nodes, numbers,
                )  # fmt: skip
            if goes_on and (hindsight or not done):
                tag = phase
                if hindsight:
                    tag = _HINDSIGHT + _PHASES * outer
                elif is_head:
                    tag = _BEHIND
                working = _put(
                    work, working, work_table, 1, stamp, after, reached, since, fresh, tag, nodes, numbers
                )
            _release(nodes, numbers, fresh)
    for base in range(0, count * _FIELDS, _FIELDS):
        _release(nodes, numbers, live[base + _NODE])
    for base in range(0, working * _FIELDS, _FIELDS):
        _release(nodes, numbers, work[base + _NODE])
    code = LINEARIZABLE if settling > 0 else NOT_LINEARIZABLE
    return code, settling


def _heads(wanted: int, unless: int, post: int, bit: int, running: Ints, numbers: Ints) -> int:
    """The blind writes that a step may owe its place to."""
    if post >= 0 and wanted < 0:
        return bit
    if numbers[_CHANGING] != 0:
        return numbers[_BLIND]
    if wanted >= 0:
        return running[_KINDS * wanted + _WRITES]
    return numbers[_BLIND] & ~running[_KINDS * unless + _WRITES]


def _first_to_return(candidates: int, step_at: Ints, return_: Ints) -> int:
    """The bit of the candidate that returns first."""
    best = candidates & -candidates
    rest = candidates ^ best
    while rest != 0:
        bit = rest & -rest
        rest ^= bit
        if return_[step_at[bit % _BITS_MODULO]] < return_[step_at[best % _BITS_MODULO]]:
            best = bit
    return best


def _given_up(
    code: int, settled: Ints, settling: int, work: Ints, working: int, nodes: Ints, numbers: Ints
) -> int:
    """Undo a return that needs more memory than it has; the code."""
    for base in range(0, settling * _FIELDS, _FIELDS):
        _release(nodes, numbers, settled[base + _NODE])
    for base in range(0, working * _FIELDS, _FIELDS):
        _release(nodes, numbers, work[base + _NODE])
    return code


def _place(
    table: Ints, entries: Ints, exact: int, stamp: int, state: int, mask: int, early: int, tag: int
) -> int:
    """Where in the table an equal entry is, or else where it belongs. `exact`: equal times of T too."""
    last = len(table) - 1
    mixed = (mask + exact * (early << 1)) * 0x1E3779B97F4A7C15 + (state + (tag << 24)) * 0x2545F4914F6CDD1D
    at = (mixed ^ (mixed >> 31)) & last
    while table[at] >> 32 == stamp:
        base = (table[at] & 0xFFFFFFFF) * _FIELDS
        if (
            entries[base + _MASK] == mask
            and entries[base + _STATE] == state
            and entries[base + _TAG] == tag
            and (exact == 0 or entries[base + _EARLY] == early)
        ):
            return at
        at = (at + 1) & last
    return at


def _put(
    entries: Ints,
    count: int,
    table: Ints,
    exact: int,
    stamp: int,
    state: int,
    mask: int,
    early: int,
    node: int,
    tag: int,
    nodes: Ints,
    numbers: Ints,
) -> int:
    """Add an entry unless there is an equal one that can do as much; how many there are now."""
    at = _place(table, entries, exact, stamp, state, mask, early, tag)
    if table[at] >> 32 == stamp:
        base = (table[at] & 0xFFFFFFFF) * _FIELDS
        if entries[base + _EARLY] < early:
            nodes[node * _LINKS + _REFERENCES] += 1
            _release(nodes, numbers, entries[base + _NODE])
            entries[base + _EARLY], entries[base + _NODE] = early, node
        return count
    table[at] = (stamp << 32) | count
    base = count * _FIELDS
    entries[base + _STATE], entries[base + _MASK], entries[base + _EARLY] = state, mask, early
    entries[base + _NODE], entries[base + _TAG] = node, tag
    nodes[node * _LINKS + _REFERENCES] += 1
    return count + 1


def _twice_as_long(values: Ints) -> Ints:
    longer = filled(2 * len(values), 0)
    for at in range(len(values)):
        longer[at] = values[at]
    return longer


def _node(nodes: Ints, numbers: Ints, parent: int, item: int) -> int:
    """A new node with one reference; one must be free."""
    node = numbers[_FREE]
    if node != 0:
        numbers[_FREE] = nodes[node * _LINKS + _PARENT]
    else:
        node = numbers[_USED]
        numbers[_USED] += 1
    base = node * _LINKS
    nodes[base + _PARENT], nodes[base + _ITEM], nodes[base + _REFERENCES] = parent, item, 1
    nodes[parent * _LINKS + _REFERENCES] += 1
    return node


def _release(nodes: Ints, numbers: Ints, node: int) -> None:
    """Drop a reference to a node; what nothing refers to any more becomes free. The root always stays."""
    while node != 0:
        base = node * _LINKS
        nodes[base + _REFERENCES] -= 1
        if nodes[base + _REFERENCES] > 0:
            return
        parent = nodes[base + _PARENT]
        nodes[base + _PARENT] = numbers[_FREE]
        numbers[_FREE] = node
        node = parent


def _changes_in_order(nodes: Ints, node: int, wanted: Ints, changes: Ints) -> int:
    """Fill in the changes that led to a node; how many they are.

    Those of a segment in hindsight go before the last blind write in the present and all that follows it.
    """
    count = 0
    at = node
    while at != 0:
        count += 1
        at = nodes[at * _LINKS + _PARENT]
    items, since = filled(count, 0), filled(count, 0)
    at = node
    for place in range(count - 1, -1, -1):
        items[place] = nodes[at * _LINKS + _ITEM]
        at = nodes[at * _LINKS + _PARENT]
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


def _with_reads(
    changes: Ints,
    placed: int,
    values: int,
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
    first, same, other = filled(values + 1, placed + 1), filled(placed + 1, 0), filled(placed + 1, placed + 1)
    states = filled(placed + 1, 0)
    for gap in range(placed):
        states[gap + 1] = post[changes[gap]]
        gap_of[changes[gap]] = gap + 1
    for gap in range(placed, -1, -1):
        same[gap] = first[states[gap]]
        first[states[gap]] = gap
        if gap < placed:
            other[gap] = other[gap + 1] if states[gap] == states[gap + 1] else gap + 1
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
        elif states[gap] == unless[step]:
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


KERNELS: Final = (
    decide_any,
    _flip,
    _take_in,
    _everywhere,
    _returned,
    _heads,
    _first_to_return,
    _given_up,
    _place,
    _put,
    _twice_as_long,
    _node,
    _release,
    _changes_in_order,
    _with_reads,
)
"""What `compiled` takes to make `decide_any` fast."""
