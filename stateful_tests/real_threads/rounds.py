"""One round: threads that start together at one map, each running its program, every operation recorded.

The idea: nothing that the threads share lies on their path but the map. Each has its own program, its own list in the
recorder and its own part of the journal; how an answer looks is asked when they have ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from time import perf_counter_ns as now
from typing import Any, NamedTuple

from mapproof.spec.history import History, Operation
from mapproof.spec.operations import SIGNATURES, Op, has_shape
from mapproof.spec.recorder import Client, Recorder
from mapproof.spec.values import identity
from mapproof.spec.watched import Form, as_it_is
from mapproof.stateful_tests.adapters import Adapter
from mapproof.stateful_tests.real_threads.journal import Journal, Pen
from mapproof.stateful_tests.real_threads.plan import Program, Step


@dataclass(frozen=True, slots=True)
class Raised:
    """An operation that raised; `client` had come to this `step`. `time` is the recorder's."""

    client: int
    step: Step
    error: BaseException
    time: int


IMPOSSIBLE = "ImpossibleAnswer"
"""The error of an operation whose answer is of a wrong shape."""

_UNTIL_ALL_ARE_AWAKE = 200_000
"""Nanoseconds."""

Prepare = Callable[[int], None]
"""Called in the thread of a client before it begins."""


def _nothing(client: int) -> None:
    """Prepares nothing."""


class Round:
    """A map and the programs of clients 1, 2, ... at it. `keys` are what the places of keys stand for."""

    def __init__(
        self,
        target: Any,
        adapter: Adapter,
        keys: Sequence[Any],
        programs: Sequence[Program],
        journal: Journal,
        observers: Program = (),
    ) -> None:
        self._target = target
        self._adapter = adapter
        self._keys = keys
        self._programs = (observers, *programs)
        self._journal = journal
        self._recorder = Recorder()
        self._start = 0
        self._clients = [self._recorder.client() for _ in self._programs]
        self.raised: list[Raised] = []
        """In no order: each thread appends what ended it."""
        journal.plan(self._programs)

    def run_threads(self, deadline: float = inf, prepare: Prepare = _nothing) -> None:
        """Run all clients but 0 to their ends, or until the deadline, a time of the recorder's clock, has passed.

        Raises RuntimeError if the system gives no more threads.
        """
        barrier = threading.Barrier(len(self._programs) - 1, self._agree_on_a_start)
        threads = [
            threading.Thread(target=self._thread, args=(client, barrier, deadline, prepare), daemon=True)
            for client in range(1, len(self._programs))
        ]
        try:
            for thread in threads:
                thread.start()
        except RuntimeError:
            barrier.abort()
            raise
        for thread in threads:
            thread.join()

    def observe(self) -> None:
        """Let client 0 ask, when nothing else runs."""
        self._run(self._prepared(0), inf)

    def history(self) -> History:
        """What was recorded, each operation `settled`."""
        dict_like = self._adapter.style == "dict-like"
        recorded = self._recorder.history().operations
        return History(tuple(settled(operation, dict_like) for operation in recorded))

    def impossible_answers(self) -> list[Operation]:
        """The operations whose answers are of wrong shapes, as they are."""
        return [operation for operation in self._recorder.history().operations if _is_impossible(operation)]

    def _thread(self, client: int, barrier: threading.Barrier, deadline: float, prepare: Prepare) -> None:
        prepared = self._prepared(client)
        prepare(client)
        try:
            barrier.wait()
        except threading.BrokenBarrierError:
            return
        while now() < self._start:
            time.sleep(0)
        self._run(prepared, deadline)

    def _agree_on_a_start(self) -> None:
        """A barrier wakes its threads one after the other: without a moment to wait for, the first would be done
        before the last begins."""
        self._start = now() + _UNTIL_ALL_ARE_AWAKE

    def _prepared(self, client: int) -> _Prepared:
        """Made before the start, so that all begin at once."""
        pen = self._journal.pen(client)
        pen.begin(threading.get_ident())
        calls = [
            _Call(place, step, as_it_is(step.op), self._keys[step.key] if SIGNATURES[step.op].keyed else None)
            for place, step in enumerate(self._programs[client])
        ]
        return _Prepared(client, pen, self._clients[client], calls)

    def _run(self, prepared: _Prepared, deadline: float) -> None:
        pen, record, perform = prepared.pen, prepared.recorded.record, self._adapter.perform
        times, target, sleep, clock = pen.calls, self._target, time.sleep, now
        for place, step, form, key in prepared.calls:
            if step.pause == 1:
                sleep(0)
            elif step.pause:
                for _ in range(step.pause):
                    pass
            begun = clock()
            if begun > deadline:
                return
            times[place] = begun
            try:
                answer = record(form, key, step.args, perform, target, step.op, key, step.args, step.form)
            except BaseException as error:  # noqa: BLE001 - whatever the map raises is its answer
                pen.raised(place, type(error).__name__)
                self.raised.append(Raised(prepared.client, step, error, clock()))
                return
            pen.answered(place, answer)


class _Call(NamedTuple):
    place: int
    step: Step
    form: Form
    key: Any


class _Prepared(NamedTuple):
    """What a client's thread works with; nobody else touches it."""

    client: int
    pen: Pen
    recorded: Client
    calls: list[_Call]


def _is_impossible(operation: Operation) -> bool:
    return operation.completed and not has_shape(SIGNATURES[operation.op].result, operation.result)


def settled(operation: Operation, dict_like: bool) -> Operation:
    """As it goes into a history: an answer of a wrong shape is an exception of the name `IMPOSSIBLE`."""
    if _is_impossible(operation):
        return replace(operation, result=None, error=IMPOSSIBLE)
    if dict_like and operation.op is Op.LOAD_OR_STORE and operation.completed:
        # `setdefault` does not say whether it stored; a map that keeps no objects, as many written in C, answers an
        # equal number. No other operation gives the same one.
        value, _ = operation.result
        if identity(value) == identity(operation.args[0]):
            return replace(operation, result=(value, False))
    return operation
