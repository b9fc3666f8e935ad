"""Puts blocks of steps into an order, in one sweep over their deadlines.

The idea: a block is a run of steps that no other change can divide; all that matters of it is what it needs and
what it leaves. An OVERWRITE needs nothing and leaves a value, a DELETE needs nothing and leaves the key missing,
an INSERT turns missing into a value, an ABSENCE needs the key missing and leaves it so. Block A must come before
B exactly if a step of A returned before one of B was called: `due` of A (its least return) < the greatest call
of B.

The state is one bit, and *missing dominates value*: whatever is possible at a value is possible at missing. So
nothing is done before it must be, except what is free. Let M be the block of least due that is left; a block is
available if all its calls came by M's due. While a value is held every available OVERWRITE is free, and while
the key is missing every available ABSENCE: they change nothing and release what waits for them. If M cannot go
yet, those due before M's last call must go first, in the order of their dues, and each must be available (else
it and M exclude one another). The forced block itself goes in the way that spends least:

* An OVERWRITE or DELETE ends a time of missing, if there is one: an INSERT (of least due) uses it first. A DELETE
  without an INSERT to go before it lets the available OVERWRITEs go first: the state after it is missing anyway.
* An INSERT or ABSENCE at a value spends the available DELETE of least due; if there is none, no order exists.

Least due first loses nothing: of two available DELETEs, whatever must follow the one due later must follow the
other as well, so they can be exchanged in any order that spends the other one first; likewise two INSERTs. And
postponing a change of state loses nothing, as missing dominates. A DELETE that may not have happened goes as any
other while it can, as it only helps, and is left out where it cannot.
"""

from __future__ import annotations

from typing import Final

from mapproof.spec.linearizability.compiled import FOREVER, Ints, ascending, filled

NOT_LINEARIZABLE: Final = 0
LINEARIZABLE: Final = 1
STOPPED: Final = 2

OVERWRITE: Final = 0
DELETE: Final = 1
INSERT: Final = 2
ABSENCE: Final = 3

_MISSING: Final = 0
_VALUE: Final = 1


def arrange(
    kind: Ints,
    due: Ints,
    latest: Ints,
    blocks: int,
    call: Ints,
    certain: Ints,
    ends_at: Ints,
    sequence: Ints,
    stop: Ints,
) -> tuple[int, int, int, int]:
    """Order `blocks` blocks: (code, number placed in `sequence`, the block without a place, the block first due).

    `kind`, `due` and `latest` (the step of greatest call) are those of each block; `call` (ascending), `certain`
    (0 if it may as well not have happened) and `ends_at` (the block whose latest step it is, -1 for none) those
    of each step. The two blocks mean something if the code is NOT_LINEARIZABLE: either they exclude one another,
    or the first needs the key missing, when `sequence` has led to a value. O(n log n) for n steps.
    """
    by_due = ascending(due, blocks)
    done = filled(blocks, 0)
    waiting = filled(blocks, 0)  # OVERWRITEs while the key is missing, ABSENCEs while it holds a value
    deletes = filled(blocks, 0)
    inserts = filled(blocks, 0)
    waits = 0
    deletable = 0
    insertable = 0
    state = _MISSING
    placed = 0
    admitted = 0
    steps = len(call)
    for turn in range(blocks):
        if stop[0] != 0:
            return STOPPED, placed, -1, -1
        first = by_due[turn]
        if done[first]:
            continue
        limit = due[first]
        if limit == FOREVER:  # only deletes that never had to happen are left
            break
        while admitted < steps and call[admitted] <= limit:
            block = ends_at[admitted]
            admitted += 1
            if block < 0 or done[block]:
                continue
            what = kind[block]
            if what == DELETE:
                deletable = pushed(deletes, deletable, block, due)
            elif what == INSERT:
                insertable = pushed(inserts, insertable, block, due)
            elif (what == OVERWRITE) == (state == _VALUE):
                done[block] = 1
                sequence[placed] = block
                placed += 1
            else:
                waiting[waits] = block
                waits += 1
        last_call = call[latest[first]]
        look = turn
        while True:
            forced = first
            if last_call > limit:
                look += 1
                while look < blocks and due[by_due[look]] < last_call and done[by_due[look]]:
                    look += 1
                if look < blocks and due[by_due[look]] < last_call:
                    forced = by_due[look]
                    if call[latest[forced]] > limit:  # each of the two must come before the other
                        if certain[latest[forced]] != 0:
                            return NOT_LINEARIZABLE, placed, forced, first
                        done[forced] = 1
                        continue
            what = kind[forced]
            if what in (INSERT, ABSENCE):
                if state == _VALUE:
                    while deletable > 0 and done[deletes[0]]:
                        deletable = popped(deletes, deletable, due)
                    if deletable == 0:
                        return NOT_LINEARIZABLE, placed, forced, first
                    block = deletes[0]
                    done[block] = 1
                    sequence[placed] = block
                    state = _MISSING
                    placed = released(waiting, waits, done, sequence, placed + 1)
                    waits = 0
            elif state == _MISSING:
                while insertable > 0 and done[inserts[0]]:
                    insertable = popped(inserts, insertable, due)
                if insertable > 0:
                    block = inserts[0]
                    done[block] = 1
                    sequence[placed] = block
                    placed += 1
                if insertable > 0 or (what == DELETE and waits > 0):
                    state = _VALUE
                    placed = released(waiting, waits, done, sequence, placed)
                    waits = 0
            if not done[forced]:
                done[forced] = 1
                sequence[placed] = forced
                placed += 1
                leaves = _VALUE if what in (OVERWRITE, INSERT) else _MISSING
                if leaves != state:
                    state = leaves
                    placed = released(waiting, waits, done, sequence, placed)
                    waits = 0
            if forced == first:
                break
    return LINEARIZABLE, placed, -1, -1


def released(waiting: Ints, waits: int, done: Ints, sequence: Ints, placed: int) -> int:
    """Place the blocks that waited for the other state; the number placed now."""
    for at in range(waits):
        block = waiting[at]
        if not done[block]:
            done[block] = 1
            sequence[placed] = block
            placed += 1
    return placed


def pushed(heap: Ints, size: int, item: int, rank: Ints) -> int:
    """Put an item into a binary heap, least rank on top; the new size."""
    hole = size
    while hole > 0:
        above = (hole - 1) >> 1
        if rank[heap[above]] <= rank[item]:
            break
        heap[hole] = heap[above]
        hole = above
    heap[hole] = item
    return size + 1


def popped(heap: Ints, size: int, rank: Ints) -> int:
    """Take the item on top of a binary heap away; the new size."""
    size -= 1
    item = heap[size]
    hole = 0
    while 2 * hole + 1 < size:
        below = 2 * hole + 1
        if below + 1 < size and rank[heap[below + 1]] < rank[heap[below]]:
            below += 1
        if rank[item] <= rank[heap[below]]:
            break
        heap[hole] = heap[below]
        hole = below
    heap[hole] = item
    return size


KERNELS: Final = (arrange, released, pushed, popped)
