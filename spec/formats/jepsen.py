"""Reads Jepsen's histories in EDN: registers and maps of registers.

The idea: a register is a map with one key, and `nil` is the key being missing. Said so, everything that the
checker of maps knows applies: a write of nil is a `delete`, a `cas` from nil a `load_or_store` that must store, a
`cas` to nil a `compare_and_delete`.

Each event is a map with `:process`, `:type` and `:f`; other fields are not looked at, `:time` among them, which
need not be unique: the order of the events is their time. Events of processes that are keywords (`:nemesis`) are
skipped. What failed (`:fail`) did not happen, as in Jepsen's own checker; that goes for a `cas` too, so nothing is
concluded from one that did not match, which is sound. After `:info` an operation may take effect at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

from mapproof.spec.formats.edn import Form, Keyword, Tagged, forms
from mapproof.spec.formats.events import INVOKE, TYPES, UNSAID, Event, Meaning, operations
from mapproof.spec.history import HistoryError, Operation
from mapproof.spec.operations import Op

_NAMES: Final = {
    "read": "read",
    "get": "read",
    "write": "write",
    "put": "write",
    "cas": "cas",
    "delete": "delete",
}
"""`:f` -> what it means."""


def read(stream: BinaryIO | Iterable[bytes], name: str) -> Iterator[Operation]:
    """The operations on the map: key None for one register, else the key of `:key` or of `[key value]`.

    Whether values are `[key value]` (jepsen.independent) shows at the first event that settles it, and must
    then be so in all. Raises HistoryError: `name:line: field: what is wrong`.
    """
    return operations(_events(forms(stream, name), name), meaning)


def meaning(call: Event, end: Event | None) -> Meaning | None:
    """What an operation on a register is to a map that has the key exactly when the register is not nil."""
    if end is not None and end.type == "fail":
        return None
    match _NAMES[call.f]:
        case "read":
            if end is None or end.value is None:
                return Meaning(Op.LOAD, (), (None, False) if end else None)
            return Meaning(Op.LOAD, (), (end.value, True))
        case "delete":
            return Meaning(Op.DELETE, ())
        case "write":
            return Meaning(Op.DELETE, ()) if call.value is None else Meaning(Op.STORE, (call.value,))
    old, new = call.value
    return _cas(old, new, end is not None)


def _cas(old: Any, new: Any, answered: bool) -> Meaning:
    if old is None and new is None:
        return Meaning(Op.LOAD, (), (None, False) if answered else None)
    if old is None:
        return Meaning(Op.LOAD_OR_STORE, (new,), (new, False) if answered else None)
    swapped = True if answered else None
    if new is None:
        return Meaning(Op.COMPARE_AND_DELETE, (old,), swapped)
    return Meaning(Op.COMPARE_AND_SWAP, (old, new), swapped)


def _events(read_forms: Iterable[Form], name: str) -> Iterator[Event]:
    keys = _Keys()
    for time, form in enumerate(read_forms):
        where = f"{name}:{form.line}"
        fields = fields_of(form, where)
        if isinstance(fields.get(Keyword("process")), Keyword):
            continue
        event = event_of(fields, where, time)
        if event.f not in _NAMES:
            raise HistoryError(f"{where}: f: no operation {event.f!r}; one of {', '.join(_NAMES)}")
        if Keyword("key") not in fields:
            event = keys.taken_out(event)
        if event.type == INVOKE and _NAMES[event.f] == "cas" and not _is_pair(event.value):
            raise HistoryError(f"{where}: value: a cas takes [old new]")
        yield event


def fields_of(form: Form, where: str) -> dict[Any, Any]:
    """The fields of an event: a map, or a record `#jepsen.history.Op{...}`."""
    value = form.value
    if isinstance(value, Tagged) and value.tag.rpartition(".")[2] == "Op":
        value = value.value
    if not isinstance(value, dict):
        raise HistoryError(
            f"{where}: an event is a map like {{:process 0, :type :invoke, :f :read, :value nil}}"
        )
    return value


def event_of(fields: dict[Any, Any], where: str, time: int) -> Event:
    """The event of a client. Raises HistoryError."""
    for field in ("process", "type", "f"):
        if Keyword(field) not in fields:
            raise HistoryError(f"{where}: {field}: the field is missing")
    process, kind, f = (fields[Keyword(field)] for field in ("process", "type", "f"))
    if type(process) is not int:
        raise HistoryError(f"{where}: process: neither a whole number nor a keyword like :nemesis")
    if not isinstance(kind, Keyword) or kind.name not in TYPES:
        raise HistoryError(f"{where}: type: none of {', '.join(f':{known}' for known in TYPES)}")
    if not isinstance(f, Keyword):
        raise HistoryError(f"{where}: f: not a keyword")
    key = fields.get(Keyword("key"), None if kind.name == INVOKE else UNSAID)
    return Event(where, time, process, kind.name, f.name, key, fields.get(Keyword("value")))


class _Keys:
    """Tells `[key value]` from a value that is a vector of two, for a whole file at once."""

    def __init__(self) -> None:
        self._independent: bool | None = None
        self._settled_by = ""

    def taken_out(self, event: Event) -> Event:
        """The event with the key that is in its value, if so it is in this file. Raises HistoryError."""
        name, value = _NAMES[event.f], _without_tag(event.value)
        if event.type != INVOKE and (event.type != "ok" or name != "read"):
            return event
        if self._independent is None:
            self._independent = _looks_independent(name, value)
            self._settled_by = event.where.rpartition(":")[2]
        if self._independent:
            if not _is_pair(value):
                raise HistoryError(
                    f"{event.where}: value: [key value] expected, as in line {self._settled_by}"
                )
            return event._replace(key=value[0], value=value[1])
        if event.type == INVOKE and name == "read" and _is_pair(value):
            line = self._settled_by
            raise HistoryError(f"{event.where}: value: nil expected, as line {line} has no [key value]")
        return event


def _looks_independent(name: str, value: Any) -> bool:
    return _is_pair(value) and (name != "cas" or _is_pair(value[1]))


def _without_tag(value: Any) -> Any:
    """What is in a tuple that was written with a tag, whatever that is called; the value itself if in none."""
    if isinstance(value, Tagged) and value.tag.rpartition(".")[2] in ("Tuple", "MapEntry"):
        return value.value
    return value


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2
