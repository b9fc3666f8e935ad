"""Records what a map did under real threads, as a history that the checker may trust.

The idea: every client (a thread, unless a handle says otherwise) has a list of its own, to which it appends one
tuple before an operation and one after it. There is no lock on that path, and nothing is interpreted until a
history is asked for; an operation whose second tuple is missing was pending.

    recorder = Recorder()
    shared = recorder.watch({})             # threads use `shared` as they would use the map
    ...
    history = recorder.history()            # or recorder.write("recorded.jsonl")

Why the times are right. The clock is `time.perf_counter_ns`, one for all threads of a process and never set
back. It is read before the operation and after its return, so that an interval holds the moment of the effect
and may only be too long, which hides a bug but never invents one. On a CPython with a GIL nothing can move out of
the interval: the reads and the operation are calls that one thread makes one after the other, and a thread
that reads a later time on another core did so after taking the GIL over, which orders all memory before it.
A build without a GIL has no such order; `docs/recording.md` says what is left there.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from enum import Enum
from itertools import count, islice
from operator import attrgetter
from pathlib import Path
from time import perf_counter_ns as now
from types import TracebackType
from typing import Any, Final, Self

from mapproof.spec.history import History, Operation
from mapproof.spec.operations import SIGNATURES, Op, has_shape
from mapproof.spec.values import identity
from mapproof.spec.watched import SET_DEFAULT, STORED, Form, as_it_is, watched

_LINES_AT_ONCE: Final = 4096


class _End(Enum):
    ANSWERED = "answered"
    RAISED = "raised"
    UNANSWERED = "unanswered"


_ANSWERED, _RAISED, _UNANSWERED = _End

_Called = tuple[Form, Any, tuple[Any, ...], int]
"""Appended before an operation: (form, key, arguments after the key, time)."""

_Ended = tuple[_End, Any, int]
"""Appended after it: (how, the raw answer or the type of the exception, time)."""

_Entries = list[_Called | _Ended]


class Client:
    """The record of one client, which does one thing at a time: a thread, a task, a connection."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: _Entries = []

    def record(
        self, form: Form, key: Any, args: tuple[Any, ...], function: Callable[..., Any], /, *given: Any
    ) -> Any:
        """Call `function(*given)` and record it; answers, or raises, what it does.

        An operation inside an operation (by a callback, say) is recorded as another client's.
        """
        append = self._entries.append
        append((form, key, args, now()))
        try:
            answer = function(*given)
        except BaseException as raised:
            append((_RAISED, type(raised), now()))
            raise
        append((_ANSWERED, answer, now()))
        return answer

    def operation(self, op: str, key: Any = None, *args: Any) -> Running:
        """An operation told by hand: `with client.operation("load", key) as running: running.result = ...`.

        `op` is one of the format's, with the arguments and the result that it asks for, or any other name, for an
        object with a model of its own. Raises ValueError for a wrong number of arguments and, at the end of the
        block, for a result of a wrong shape.
        """
        if op in SIGNATURES:
            op = Op(op)
            _refuse_wrong_call(op, key, args)
        return Running(self._entries, as_it_is(op), key, args)


class Running:
    """An operation told by hand, between its call and its return. An exception in the block is its outcome."""

    __slots__ = ("_called", "_end", "_entries", "result")

    def __init__(self, entries: _Entries, form: Form, key: Any, args: tuple[Any, ...]) -> None:
        self._entries = entries
        self._called = (form, key, args)
        self._end = _ANSWERED
        self.result: Any = None

    def unanswered(self) -> None:
        """It may still take effect after the block: record it as pending, and what follows as another client's."""
        self._end = _UNANSWERED

    def __enter__(self) -> Self:
        self._entries.append((*self._called, now()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        time = now()
        op = self._called[0].op
        if self._end is _UNANSWERED:
            self._entries.append((_UNANSWERED, None, time))
        elif kind is not None:
            self._entries.append((_RAISED, kind, time))
        elif op in SIGNATURES and not has_shape(SIGNATURES[op].result, self.result):
            self._entries.append((_RAISED, ValueError, time))
            raise ValueError(f"{op} answers {SIGNATURES[op].result.value}; result is {self.result!r}")
        else:
            self._entries.append((_ANSWERED, self.result, time))


class Recorder:
    """The record of one map, or of one other object. Every method may be called from any thread at any time."""

    def __init__(self) -> None:
        self._clients: list[Client] = []
        self._mine = _OfThisThread(self)
        self._watched: Any = None

    def client(self) -> Client:
        """A new client, for one that is no thread: a task, a connection. Clients are numbered as they come."""
        client = Client()
        self._clients.append(client)
        return client

    def watch(self, target: Any) -> Any:
        """A stand-in for a dict-like or Go-like map, to be used by any thread; each thread is a client.

        What is in the map already is recorded as stores. Raises TypeError, one line, for what is no map or
        answers with what was never stored (`__missing__`); ValueError for a second map, whose keys would mix.
        """
        if self._watched is not None and self._watched is not target:
            raise ValueError("a recorder records one map: take another recorder for another map")
        stand_in, already = watched(target, self._mine)
        if already and self._watched is None:
            found = self.client()
            for key, value in already:
                found.record(STORED, key, (value,), lambda: None)
        self._watched = target
        return stand_in

    def operation(self, op: str, key: Any = None, *args: Any) -> Running:
        """An operation of the running thread, told by hand; see `Client.operation`."""
        return self._mine.client.operation(op, key, *args)

    def history(self) -> History:
        """What was recorded, by call. What runs at this moment is pending."""
        return History(tuple(sorted(self._operations(), key=attrgetter("call"))))

    def write(self, path: Path | str) -> None:
        """Write what was recorded as JSONL, client by client, without holding it in memory once more."""
        operations = self._operations()
        with open(path, "wb") as stream:
            while some := tuple(islice(operations, _LINES_AT_ONCE)):
                stream.writelines(History(some).lines())

    @contextmanager
    def saving(self, path: Path | str) -> Iterator[Recorder]:
        """Write the history when the block ends, above all if it ends by an exception."""
        try:
            yield self
        finally:
            self.write(path)

    def _operations(self) -> Iterator[Operation]:
        """All that was called until now, in the order of returns within a client, pending ones last."""
        cut = _moment_after_all_readings()
        records = [client._entries.copy() for client in self._clients.copy()]
        doubtful = _given_again(records)
        fresh = count(len(records))
        for number, entries in enumerate(records):
            yield from _of_client(entries, number, fresh, cut, doubtful)


class _OfThisThread(threading.local):
    """Has the `client` of the running thread, made when the thread first asks for it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __getattr__(self, name: str) -> Client:
        if name != "client":
            raise AttributeError(name)
        self.client: Client = self._recorder.client()
        return self.client


def _moment_after_all_readings() -> int:
    """A time later than any reading that has returned by now, even where the clock ticks slowly."""
    first = now()
    while (moment := now()) <= first:
        pass
    return moment


def _of_client(
    entries: _Entries, number: int, fresh: Iterator[int], cut: int, doubtful: frozenset[Hashable]
) -> Iterator[Operation]:
    """The operations of one client. `fresh` numbers those inside another one and those after an unanswered one.

    Lists are copied one after the other while threads go on. What was called after the `cut` is left out, and what
    returned at or after it is pending: nobody who returned before the cut can have seen a later call.
    """
    running: list[tuple[int, _Called]] = []
    numbers = {0: number}
    for entry in entries:
        if isinstance(entry[0], Form):
            depth = len(running)
            if depth not in numbers:
                numbers[depth] = next(fresh)
            running.append((numbers[depth], entry))
            continue
        client, called = running.pop()
        ended: _Ended = entry
        if ended[0] is _UNANSWERED:
            del numbers[len(running)]
        if called[3] <= cut:
            answered = ended[0] is not _UNANSWERED and ended[2] < cut
            operation = _settled(client, called, ended, doubtful) if answered else _pending(client, called)
            if operation is not None:
                yield operation
    yield from (_pending(client, called) for client, called in running if called[3] <= cut)


def _pending(client: int, called: _Called) -> Operation:
    form, key, args, call = called
    return Operation(client, form.op, key, args, None, call, None)


def _settled(client: int, called: _Called, ended: _Ended, doubtful: frozenset[Hashable]) -> Operation | None:
    """A returned operation; None where its answer tells nothing that the format can hold."""
    form, key, args, call = called
    how, answer, return_ = ended
    if how is _RAISED and not (form.on_key_error and issubclass(answer, KeyError)):
        return Operation(client, form.op, key, args, None, call, return_, answer.__name__)
    told = form.told(args, answer) if how is _ANSWERED else form.on_key_error
    if told is None:
        return None
    op, result = told
    if form is SET_DEFAULT and _either(key, args[0], answer, doubtful):
        op, result = Op.STORE, None
    return Operation(client, op, key, args, result, call, return_)


def _either(key: Any, given: Any, answer: Any, doubtful: frozenset[Hashable]) -> bool:
    """Whether a `setdefault` may have stored or loaded: the key held the value afterwards, no more is known."""
    if answer is given:
        return (identity(key), id(given)) in doubtful
    return identity(answer) == identity(given)


def _given_again(records: list[_Entries]) -> frozenset[Hashable]:
    """(identity of key, id of value) of each object that more than one operation gave to one key."""
    calls: list[_Called] = [entry for entries in records for entry in entries if len(entry) == 4]
    if not any(form is SET_DEFAULT for form, *_ in calls):
        return frozenset()
    given = Counter((identity(key), id(args[-1])) for _, key, args, _ in calls if args)
    return frozenset(pair for pair, times in given.items() if times > 1)


def _refuse_wrong_call(op: Op, key: Any, args: tuple[Any, ...]) -> None:
    signature = SIGNATURES[op]
    if not signature.keyed and key is not None:
        raise ValueError(f"{op} takes no key")
    if len(args) != len(signature.arguments):
        wanted = ", ".join(signature.arguments) or "none"
        raise ValueError(f"{op} takes {wanted} after its key; {len(args)} given")
