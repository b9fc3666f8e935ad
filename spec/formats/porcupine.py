"""Reads the two kinds of logs that Porcupine is tested with.

The idea: a log of its key-value service is EDN, of the strings of a StringStore; a log of etcd is what Jepsen once
printed, a line of text an event, of one register. Neither is read more loosely than Porcupine reads it, but for
lines of other loggers, which an etcd log may hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from mapproof.spec.formats import jepsen
from mapproof.spec.formats.edn import forms
from mapproof.spec.formats.events import INVOKE, UNSAID, Event, Meaning, operations
from mapproof.spec.history import HistoryError, Operation
from mapproof.spec.operations import Op

_STRING_OPERATIONS: Final = ("get", "put", "append")


def read_kv(stream: BinaryIO | Iterable[bytes], name: str) -> Iterator[Operation]:
    """The operations of a StringStore: `get`, `put` and `append`. Raises HistoryError.

    A `get` of a key that was never written answers "".
    """
    return operations(_kv_events(stream, name), _kv_meaning)


def read_etcd(stream: BinaryIO | Iterable[bytes], name: str) -> Iterator[Operation]:
    """The operations of one register, on key None of a map. Raises HistoryError.

    A `cas` that failed found another value: the client of etcd says `:fail` only then. Anything else that failed
    did not happen. After `:info` an operation may take effect at any time.
    """
    return operations(_etcd_events(stream, name), _etcd_meaning)


def _kv_events(stream: Iterable[bytes], name: str) -> Iterator[Event]:
    for time, form in enumerate(forms(stream, name)):
        where = f"{name}:{form.line}"
        event = jepsen.event_of(jepsen.fields_of(form, where), where, time)
        if event.f not in _STRING_OPERATIONS:
            raise HistoryError(
                f"{where}: f: no operation {event.f!r}; one of {', '.join(_STRING_OPERATIONS)}"
            )
        if event.type == INVOKE and not isinstance(event.key, str):
            raise HistoryError(f"{where}: key: not a string")
        wanted = INVOKE if event.f != "get" else "ok"
        if event.type == wanted and not isinstance(event.value, str):
            raise HistoryError(f"{where}: value: not a string")
        yield event


def _kv_meaning(call: Event, end: Event | None) -> Meaning | None:
    if end is not None and end.type == "fail":
        return None
    if call.f == "get":
        return Meaning("get", (), end.value if end else None)
    return Meaning(call.f, (call.value,))


_NUMBER = "-?[0-9]{1,18}"
_ETCD_LINE = re.compile(
    rf"INFO\s+jepsen\.util\s+-\s+(?P<process>[0-9]{{1,18}})\s+:(?P<type>invoke|ok|fail|info)"
    rf"\s+:(?P<f>read|write|cas)\s+(?P<value>nil|:[a-z-]+|{_NUMBER}|\[{_NUMBER}\s+{_NUMBER}\])\s*"
)


def _etcd_events(stream: Iterable[bytes], name: str) -> Iterator[Event]:
    for time, line in enumerate(stream):
        where = f"{name}:{time + 1}"
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise HistoryError(f"{where}: not UTF-8") from None
        found = _ETCD_LINE.fullmatch(text)
        if found is not None:
            yield _etcd_event(found, where, time)
        elif re.match(r"INFO\s+jepsen\.util\s", text) or not text.startswith(("INFO ", "WARN ", "ERROR ")):
            raise HistoryError(f"{where}: not a line like 'INFO  jepsen.util - 0 :invoke :read nil'")


def _etcd_event(found: re.Match[str], where: str, time: int) -> Event:
    numbers = [int(number) for number in re.findall(_NUMBER, found["value"])]
    value = numbers if found["value"].startswith("[") else numbers[0] if numbers else None
    answers = found["type"] == INVOKE or (found["type"] == "ok" and found["f"] == "read")
    fits = {
        "read": not numbers or found["type"] == "ok",
        "write": len(numbers) == 1,
        "cas": len(numbers) == 2,
    }
    if answers and (not fits[found["f"]] or isinstance(value, list) != (found["f"] == "cas")):
        raise HistoryError(f"{where}: value: {found['value']} is none of {found['f']}")
    key = None if found["type"] == INVOKE else UNSAID
    return Event(where, time, int(found["process"]), found["type"], found["f"], key, value)


def _etcd_meaning(call: Event, end: Event | None) -> Meaning | None:
    if call.f == "cas" and end is not None and end.type == "fail":
        return Meaning(Op.COMPARE_AND_SWAP, tuple(call.value), False)
    return jepsen.meaning(call, end)
