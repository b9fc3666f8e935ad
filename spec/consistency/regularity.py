"""Decides whether a map is regular: each read answers a write that is not wholly overwritten before the read.

The idea: a read is judged alone, against all writes of its key. It may answer any write that was called before
the read returned, unless a third one came wholly between the two: called after that write returned, and
returned before the read was called. Lamport's regular register ("On interprocess communication", Distributed
Computing 1, 1986) has one writer; of its forms for many writers this is the one that asks an order of the writes
for each read apart (Shao, Welch, Pierce and Lee, "Multiwriter consistency conditions for shared memory
registers", SIAM J. Comput. 40, 2011). Two reads may so disagree about the order of two overlapping writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mapproof.spec.consistency.registers import Access, Write, Writes, operations_of, reads_of, registers
from mapproof.spec.history import History, Operation
from mapproof.spec.linearizability.effects import MISSING
from mapproof.spec.linearizability.explain import impossible, said
from mapproof.spec.linearizability.groups import AnyGroup, Impossible


@dataclass(frozen=True, slots=True)
class Regular:
    """Each of the `reads` answered a write that overlaps it or was not wholly overwritten before it."""

    reads: int

    @property
    def sentence(self) -> str:
        return f"each of the {self.reads} reads answered a write that was not overwritten before it began"


@dataclass(frozen=True, slots=True)
class NotRegular:
    """A `read` of `key` that no write explains.

    `source` is the write of what it answered, as late as there is one (None: the start, or there is none), and
    `overwritten_by` what came wholly between the two (None if there is no source).
    """

    read: Operation
    key: Any
    source: Operation | None
    overwritten_by: Operation | None
    sentence: str


def regular(history: History | Iterable[Operation]) -> Regular | NotRegular:
    """Whether each read of one key is regular; of those that are not, the first to return. Exact, O(n log n).

    What reads and what writes is said in `registers`: an operation that does both is judged as a read and counts
    as a write; a delete writes "missing"; a failed compare must find a write of another value; of a value written
    more than once any write will do. Pending and raised operations may explain a read and overwrite nothing.
    `clear` deletes each key; `range` and `len` are not judged. Raises ValueError for an operation that returns
    before its call.
    """
    found = registers(operations_of(history))
    if isinstance(found, Impossible):
        return NotRegular(found.operation, found.key, None, None, impossible(found.operation, found.reason))
    count, wrong = 0, list[tuple[float, NotRegular]]()
    for group in found:
        accesses: list[Access] = group.actions  # type: ignore[assignment]
        writes = Writes(accesses)
        for read in reads_of(accesses):
            count += 1
            source, newest = writes.explaining(read), writes.newest_before(read)
            if source is None or (newest is not None and newest.call > source.return_):
                wrong.append((read.return_, _not_regular(group, read, source, newest)))
    return min(wrong, key=lambda pair: pair[0])[1] if wrong else Regular(count)


def _not_regular(group: AnyGroup, read: Access, source: Write | None, newest: Write | None) -> NotRegular:
    key = group.key
    if source is None:
        value = group.values.value(read.effect.wanted)
        sentence = f"{said(read.shown)}, but nobody had stored {value!r} under {key!r} when it returned"
        return NotRegular(read.shown, key, None, None, sentence)
    assert newest is not None
    assert newest.shown is not None
    sentence = (
        f"{said(read.shown)}, but {_origin(group, read, source)} was overwritten by {said(newest.shown)}, "
        "which had returned before it was called"
    )
    return NotRegular(read.shown, key, source.shown, newest.shown, sentence)


def _origin(group: AnyGroup, read: Access, source: Write) -> str:
    """What the read must have read from, in words."""
    if read.effect.unless >= 0:
        what = f"every state but {group.values.value(read.effect.unless)!r}"
    else:
        what = "the missing key" if source.value == MISSING else repr(group.values.value(source.value))
    since = "of the start" if source.shown is None else f"of {said(source.shown)}"
    return f"{what} {since}"
