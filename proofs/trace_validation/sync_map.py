"""`impl.sync_map` in the terms of the system of Go's sync.Map: its objects, calls and answers.

The idea: every map, entry and pointer that the code makes is an element of the model from the moment when it can be
seen, and what can be seen of them is compared at every step. A value is stored at an address of its own, so each
call that stores brings one pointer with it. Which access is which step is told in `sync_map_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

from mapproof.proofs.running.layout import Value
from mapproof.proofs.systems.sync_map import SYNC_MAP
from mapproof.proofs.systems.sync_map.state import Entry, EntryMap, Pointer, SyncMap, Thread
from mapproof.proofs.terms import Field
from mapproof.proofs.trace_validation.binding import (
    Binding,
    Cell,
    Names,
    OutOfElements,
    Picture,
    Request,
    View,
)
from mapproof.proofs.trace_validation.sync_map_rules import RULES
from mapproof.proofs.transition_system import System

OPERATIONS: Final = {
    "load": "LOAD",
    "store": "SWAP",
    "swap": "SWAP",
    "load_or_store": "LOAD_OR_STORE",
    "load_and_delete": "LOAD_AND_DELETE",
    "delete": "LOAD_AND_DELETE",
    "compare_and_swap": "COMPARE_AND_SWAP",
    "compare_and_delete": "COMPARE_AND_DELETE",
    "range": "RANGE",
    "clear": "CLEAR",
}
STORING: Final = frozenset({"SWAP", "LOAD_OR_STORE", "COMPARE_AND_SWAP"})
COMPARING: Final = frozenset({"COMPARE_AND_SWAP", "COMPARE_AND_DELETE"})


class SyncMapBinding(Binding):
    """For runs of so many `clients` on these keys.

    `values` has the value of each storing call of a run, whichever makes it; `compared` are further values that calls
    compare with. A run may make so many `maps`, the first included, and no more entries than it has storing calls.
    `followed` is the key that ranges are followed with.
    """

    rules = RULES

    def __init__(
        self,
        *,
        clients: int,
        keys: Sequence[Any],
        values: Sequence[Any],
        compared: Sequence[Any] = (),
        maps: int,
        followed: Any = None,
        system: System = SYNC_MAP,
    ) -> None:
        self.system = system
        self._keys = {key: str(key) for key in keys}
        self._followed = self._keys[keys[0] if followed is None else followed]
        self._values = {f"v{n}": _value(value) for n, value in enumerate(values, 1)}
        self._domains = {
            "Value": tuple(dict.fromkeys([*self._values.values(), *map(_value, compared)])),
            "Pointer": ("nil", "expunged", *self._values),
            "Key": tuple(self._keys.values()),
            "Entry": tuple(f"e{n}" for n in range(len(values))),
            "EntryMap": ("nil", *(f"map{n}" for n in range(maps))),
            "Thread": tuple(self.thread(client) for client in range(clients)),
        }
        self._cells = {table: self._cells_of(table) for table in self._domains["EntryMap"]}

    def _cells_of(self, table: str) -> tuple[Cell, tuple[tuple[Any, Cell, Cell], ...]]:
        """The cell of its length, and for each key those of whether it has the key and of the entry."""
        rows = ((key, (HAS, (table, k)), (ENTRY, (table, k))) for key, k in self._keys.items())
        return (LENGTH, (table,)), tuple(rows)

    @property
    def domains(self) -> Mapping[str, tuple[str, ...]]:
        return self._domains

    @property
    def given(self) -> Mapping[str, Mapping[tuple[Value, ...], Value]]:
        return {Pointer.value.function.name: {(p,): value for p, value in self._values.items()}}

    def begin(self, subject: Any, names: Names) -> None:
        names.reserve("EntryMap", 2)
        names.reserve("Pointer", 2)
        names.call("EntryMap", None, "nil")
        names.call("EntryMap", subject.read.peek().m, "map0")
        for role in ("read", "dirty", "misses", "mu"):
            names.means(getattr(subject, role), role)

    def picture(self, subject: Any, names: Names) -> Picture:
        read, dirty = subject.read.peek(), subject.dirty.peek()
        held = subject.mu.locked()
        shown: list[tuple[Cell, Value]] = [
            (READ, names.name("EntryMap", read.m)),
            (AMENDED, read.amended),
            (DIRTY_MAP, names.name("EntryMap", dirty)),
            (MISSES, subject.misses.peek()),
            (HELD, held),
        ]
        if held:
            shown.append((OWNER, self.thread(subject.mu.holder)))
        self._table(read.m, names, shown)
        if dirty is not None and dirty is not read.m:
            self._table(dirty, names, shown)
        return tuple(shown)

    def _table(self, table: Any, names: Names, shown: list[tuple[Cell, Value]]) -> None:
        name = names.name("EntryMap", table)
        names.means(table, "map", name)
        items = table.peek()
        length, rows = self._cells[name]
        shown.append((length, len(items)))
        for key, has, slot in rows:
            entry = items.get(key)
            shown.append((has, entry is not None))
            if entry is not None:
                element = names.name("Entry", entry)
                names.means(entry.p, "p", element)
                shown.append((slot, element))
                self._pointer(element, entry.p.peek(), names, shown)

    def _pointer(self, entry: str, p: Any, names: Names, shown: list[tuple[Cell, Value]]) -> None:
        cell = P, (entry,)
        if p is None or isinstance(p, Enum):
            shown.append((cell, "nil" if p is None else "expunged"))
            return
        pointer = names.name("Pointer", p, names.own.get(names.actor))
        shown.append((cell, pointer))
        shown.append(((VALUE, (pointer,)), _value(p.value)))

    def call(self, thread: str, request: Request, names: Names) -> tuple[str, tuple[Value, ...]]:
        op = OPERATIONS[request.operation]
        key = self._followed if request.key is None else self._keys[request.key]
        old = _value(request.arguments[0]) if op in COMPARING else self._domains["Value"][0]
        names.own[thread] = "nil"
        if op in STORING:
            names.own[thread] = self._unused(_value(request.arguments[-1]), names)
        return "invoke", (thread, op, key, names.own[thread], old)

    def _unused(self, value: str, names: Names) -> str:
        """A pointer to this value that no call of the run has brought along."""
        left = (p for p, held in self._values.items() if held == value and p not in names.spent)
        if (found := next(left, None)) is None:
            raise OutOfElements(f"more calls store {value} than the model was told of")
        names.spent.add(found)
        return found

    def answer(self, view: View, thread: str, request: Request, answer: Any) -> tuple[Any, Any]:
        result, ok = view(Thread.result, thread), view(Thread.ok, thread)
        found = (None, False) if result in ("nil", "expunged") else (view(Pointer.value, result), True)
        match request.operation:
            case "load" | "swap" | "load_and_delete":
                return found, _pair(answer)
            case "load_or_store":
                stored = view(Pointer.value, view(Thread.value, thread)), False
                return found if ok else stored, (_value(answer[0]), answer[1])
            case "compare_and_swap" | "compare_and_delete":
                return ok, answer
            case "range":
                values = [value for key, value in answer if self._keys[key] == self._followed]
                return found, (_value(values[0]), True) if len(values) == 1 else (None, bool(values))
            case _:
                return None, answer


def _name(read: Field[Any]) -> str:
    return read.function.name


READ: Final = _name(SyncMap.read), ()
AMENDED: Final = _name(SyncMap.amended), ()
DIRTY_MAP: Final = _name(SyncMap.dirty), ()
MISSES: Final = _name(SyncMap.misses), ()
HELD: Final = _name(SyncMap.mu_held), ()
OWNER: Final = _name(SyncMap.mu_owner), ()
LENGTH: Final = _name(EntryMap.length)
HAS: Final = _name(EntryMap.has)
ENTRY: Final = _name(EntryMap.entry)
P: Final = _name(Entry.p)
VALUE: Final = _name(Pointer.value)


def _value(value: Any) -> str:
    return f"x{value}"


def _pair(answer: Any) -> tuple[Any, Any]:
    return (_value(answer[0]), True) if answer[1] else (None, answer[1])
