"""Checks a history while it is recorded, in memory that does not grow with it.

The idea: linearizability is lost at one event, a return, and from then on for good (it is prefix-closed). So the
states that each key may be in are carried from event to event (`streaming_key`), and the first return that
leaves none is reported at once. What has been explained is forgotten: nothing that comes later can change it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from math import inf
from time import perf_counter
from typing import Any, Final

from mapproof.spec.claims import Claims, Contract
from mapproof.spec.evidence import Verdict
from mapproof.spec.history import Operation
from mapproof.spec.linearizability.budget import Budget, OutOfBounds
from mapproof.spec.linearizability.effects import MISSING, NO_EFFECT, Effect
from mapproof.spec.linearizability.explain import impossible
from mapproof.spec.linearizability.results import ALL_KEYS, Unknown, Violation
from mapproof.spec.linearizability.streaming_core import violation_on
from mapproof.spec.linearizability.streaming_key import Step, StreamKey
from mapproof.spec.linearizability.streaming_wide import (
    Met,
    Wide,
    impossible_count,
    may_have_met,
    met,
    part,
    refusal,
)
from mapproof.spec.model import Inconsistent
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.spec.values import identity

_DEFAULT: Final = Claims()
_MUTATES: Final = frozenset(op for op, signature in SIGNATURES.items() if signature.mutates)
_MOST_MISSING: Final = 256
_ANSWERS_NOTHING: Final = frozenset({Op.STORE, Op.DELETE, Op.CLEAR})
_WHOLE_MAP: Final = frozenset(op for op, signature in SIGNATURES.items() if not signature.keyed)


@dataclass(frozen=True, slots=True)
class LinearizableSoFar:
    """All that was taken in has an explanation, if nothing comes after it. No witness is kept."""

    operations: int

    @property
    def verdict(self) -> Verdict:
        return Verdict.LINEARIZABLE


class OnlineChecker:
    """Takes a history event by event and says at which event it cannot be explained any more.

    Either the events in the order of time (`called`, then `returned` or `raised`; a client runs one operation at
    a time), or whole operations in the order of their calls (`feed`), and `finish` at the end. Intervals are
    closed: of equal times, calls come before returns. A violation is final: it is answered ever after.

    An answer is judged as `check` judges it, with the same claims, except that these are not decided:

    * atomic and per-shard `range`, `len` and `clear`, which tie keys together: ValueError when constructed;
    * a `len` that holds for some of the states that several keys may be in, and not for others;
    * a weak `range` that met a change, and a value that nobody stored within memory;
    * the answer of an operation given by `called` that runs for hundreds of events on its key.

    Each is counted, and `finish` answers Unknown then, as it does when the bounds ran out on a key: at one
    return, `max_configurations` of one key; or `limit_seconds` in all.

    What is kept: each operation that runs (one that never returns runs for ever; a `clear` that never returns
    keeps all keys from then on); for each key that may be in the map, or that something runs on, its possible
    states and the last `remembered` operations on it, of which a core is made; the same for 256 keys that are
    missing; nothing of any other key.
    """

    def __init__(
        self,
        claims: Claims = _DEFAULT,
        *,
        max_configurations: int = 1_000_000,
        limit_seconds: float | None = None,
        remembered: int = 64,
    ) -> None:
        """Raises ValueError for claims that cannot be decided key by key, and for bounds that are not positive."""
        for op in (Op.RANGE, Op.LEN, Op.CLEAR):
            if claims.of(op) in (Contract.ATOMIC, Contract.PER_SHARD):
                raise ValueError(
                    f"{op} claimed {claims.of(op)} ties keys together, which needs the whole history: use check"
                )
        if max_configurations < 1 or remembered < 0 or (limit_seconds is not None and not limit_seconds > 0):
            raise ValueError("max_configurations and limit_seconds must be positive, remembered at least 0")
        self._claims = claims
        self._budget = Budget(
            max_configurations, inf if limit_seconds is None else perf_counter() + limit_seconds
        )
        self._remembered = remembered
        self._keys: dict[Hashable, StreamKey] = {}
        self._wides: dict[int, Wide] = {}
        self._clients: dict[int, tuple[int, Operation]] = {}
        self._returns: list[tuple[int, int, Operation, StreamKey | None]] = []
        self._now: float = -inf
        self._last_return: float = -inf
        self._tickets = 0
        self._changes = 0
        self._changing = 0
        self._missing: dict[Hashable, StreamKey] = {}
        self._forgot_until: float = -inf
        self._unjudged = 0
        self._violation: Violation | None = None

    @property
    def operations(self) -> int:
        """How many operations were taken in."""
        return self._tickets

    def called(self, client: int, op: Op, key: Any, args: Iterable[Any], time: int) -> None:
        """A client calls an operation; `key` is None for one on the whole map.

        Raises ValueError where time goes back, at the time of a return that was given already, for a client that
        is busy, and for arguments that the operation does not take.
        """
        operation = Operation(client, Op(op), key, tuple(args), None, time, None)
        if len(operation.args) != len(SIGNATURES[operation.op].arguments):
            raise ValueError(f"{op} takes {', '.join(SIGNATURES[operation.op].arguments) or 'no arguments'}")
        if client in self._clients:
            raise ValueError(
                f"client {client} calls {op} at {time}, but its {self._clients[client][1].op} runs"
            )
        if time < self._now or time <= self._last_return:
            raise ValueError(
                f"{op} is called at {time}, after an event of {max(self._now, self._last_return):g}: "
                "events come by time, calls before returns"
            )
        if self._violation is not None:
            return
        self._now = time
        ticket = self._ticket()
        self._clients[client] = ticket, operation
        self._begin(ticket, operation, operation.op in _ANSWERS_NOTHING)

    def returned(self, client: int, result: Any, time: int) -> Violation | None:
        """The client's operation returns `result`. Raises ValueError if it runs none, or where time goes back."""
        return self._returns_now(client, time, result, None)

    def raised(self, client: int, error: str, time: int) -> Violation | None:
        """The client's operation raises: it may have taken effect or not. Raises ValueError as `returned`."""
        return self._returns_now(client, time, None, error)

    def _returns_now(self, client: int, time: int, result: Any, error: str | None) -> Violation | None:
        if self._violation is not None:
            return self._violation
        if client not in self._clients:
            raise ValueError(f"client {client} returns at {time}, but it runs nothing")
        if time < self._now:
            raise ValueError(f"client {client} returns at {time}, after an event of {self._now:g}")
        self._now = self._last_return = time
        ticket, operation = self._clients.pop(client)
        operation = replace(operation, result=result, return_=time, error=error)
        return self._end(ticket, operation, self._keys.get(identity(operation.key)))

    def feed(self, operation: Operation) -> Violation | None:
        """Take a whole operation, whose call is not before that of the one taken last.

        What returned before its call is settled first, and a violation that is found there is answered; then the
        operation itself is not taken in. Raises ValueError where time goes back.
        """
        if self._violation is not None:
            return self._violation
        call = operation.call
        if call < self._now or call <= self._last_return:
            raise ValueError(f"{operation.op} is called at {call}, before what was taken in already")
        if operation.return_ is not None and operation.return_ < call:
            raise ValueError(f"{operation.op} returns at {operation.return_}, before its call at {call}")
        returns = self._returns
        while returns and returns[0][0] < call:
            if self._settle_next() is not None:
                return self._violation
        self._now = call
        ticket = self._ticket()
        key = self._begin(ticket, operation, True)
        if operation.return_ is not None:
            heappush(returns, (operation.return_, ticket, operation, key))
        return None

    def finish(self) -> Violation | Unknown | LinearizableSoFar:
        """The answer if nothing comes any more: what runs now never returns."""
        while self._returns and self._violation is None:
            self._settle_next()
        if self._violation is not None:
            return self._violation
        reason = self._undecided()
        return LinearizableSoFar(self._tickets) if reason is None else Unknown(reason)

    def _undecided(self) -> str | None:
        for key in self._keys.values():
            if key.undecided is not None:
                return f"{key.undecided} on key {key.key!r}"
        unjudged = self._unjudged + sum(key.unjudged for key in self._keys.values())
        return f"{unjudged:,} answers cannot be judged in bounded memory" if unjudged else None

    def _ticket(self) -> int:
        self._tickets += 1
        return self._tickets

    def _settle_next(self) -> Violation | None:
        time, ticket, operation, key = heappop(self._returns)
        self._last_return = time
        return self._end(ticket, operation, key)

    def _begin(self, ticket: int, operation: Operation, answered: bool) -> StreamKey | None:
        """Take in a call; the key that it is of."""
        if operation.op in _MUTATES:
            self._changes += 1
            self._changing += 1
        if operation.op in _WHOLE_MAP:
            self._begin_wide(ticket, operation, answered)
            return None
        key = self._keys.get(identity(operation.key)) or self._new_key(operation.key)
        step = key.step(operation)
        if isinstance(step, Inconsistent):
            step = Step(operation, operation, NO_EFFECT)
        if operation.return_ is not None or not answered or step.effect != NO_EFFECT:
            self._call(key, ticket, step, answered)
        self._note_if_missing(key)
        return key

    def _end(self, ticket: int, operation: Operation, key: StreamKey | None) -> Violation | None:
        """Take in a return."""
        if operation.op in _WHOLE_MAP:
            self._violation = self._end_wide(ticket, operation)
        elif key is not None:
            step = key.step(operation)
            if isinstance(step, Inconsistent):
                self._violation = Violation((operation,), key.key, impossible(operation, step.reason))
            else:
                self._violation = self._return(key, ticket, step)
        if operation.op in _MUTATES:
            self._changing -= 1
        return self._violation

    def _new_key(self, key: Any) -> StreamKey:
        """A key that was missing until now, and what runs on the whole map runs on it too."""
        new = StreamKey(key, self._budget, self._remembered)
        new.forgotten_until = None if self._forgot_until == -inf else int(self._forgot_until)
        self._keys[new.name] = new
        for ticket, wide in self._wides.items():
            if wide.operation.op is Op.CLEAR or (self._has_parts(wide.operation) and not wide.answered):
                self._begin_part(ticket, wide, new, {})
        return new

    def _call(self, key: StreamKey, ticket: int, step: Step, answered: bool = True) -> None:
        if key.undecided is None:
            try:
                key.called(ticket, step, answered)
            except OutOfBounds as bound:
                self._give_up(key, bound)

    def _return(self, key: StreamKey, ticket: int, step: Step) -> Violation | None:
        if key.undecided is not None:
            return None
        try:
            if not key.returned(ticket, step):
                return violation_on(key, ticket, step, self._budget.renewed())
        except OutOfBounds as bound:
            self._give_up(key, bound)
        self._note_if_missing(key)
        return None

    def _give_up(self, key: StreamKey, bound: OutOfBounds) -> None:
        """Nothing more is kept of a key that is undecided but that it is so."""
        self._keys[key.name] = StreamKey(key.key, self._budget, 0)
        self._keys[key.name].undecided = key.undecided = str(bound)

    def _note_if_missing(self, key: StreamKey) -> None:
        """Forget the key that went missing first, if there are too many of them and it still is."""
        missing = self._missing
        if key.missing and key.undecided is None and key.name not in missing:
            missing[key.name] = key
            if len(missing) > _MOST_MISSING:
                oldest = missing.pop(next(iter(missing)))
                if oldest.missing and self._keys.get(oldest.name) is oldest:
                    self._unjudged += oldest.unjudged
                    self._forgot_until = self._last_return
                    del self._keys[oldest.name]

    def _begin_wide(self, ticket: int, operation: Operation, answered: bool) -> None:
        reads = operation.op is not Op.CLEAR
        if answered and reads and not operation.completed:
            return
        wide = Wide(operation, None if self._changing else self._changes, answered)
        self._wides[ticket] = wide
        if self._has_parts(operation) and not (answered and refusal(operation)):
            found = met(operation)
            for name, (key, _) in found.items():
                if name not in self._keys:
                    self._new_key(key)
            for stream_key in list(self._keys.values()):
                self._begin_part(ticket, wide, stream_key, found)

    def _begin_part(self, ticket: int, wide: Wide, key: StreamKey, found: Met) -> None:
        wide.keys[key.name] = key
        self._call(key, ticket, part(wide.operation, key, found, self._claims), wide.answered)

    def _has_parts(self, operation: Operation) -> bool:
        """Whether it is a step on each key, each at a moment of its own."""
        return operation.op is Op.CLEAR or (
            operation.op is Op.RANGE and self._claims.range is Contract.PER_KEY
        )

    def _end_wide(self, ticket: int, operation: Operation) -> Violation | None:
        wide = self._wides.pop(ticket, None)
        if wide is None:
            return None
        alone = wide.alone_since == self._changes
        if operation.completed and (reason := refusal(operation)):
            return Violation((operation,), ALL_KEYS, impossible(operation, reason))
        if self._has_parts(operation):
            return self._end_parts(ticket, wide.keys, wide.keys, operation)
        if operation.op is Op.LEN:
            return self._end_len(ticket, operation) if alone and operation.completed else None
        if operation.completed and alone:
            return self._end_parts(ticket, {}, self._keys, operation)
        if operation.completed:
            found = met(operation).items()
            self._unjudged += sum(not may_have_met(self._keys.get(name), value) for name, (_, value) in found)
        return None

    def _end_parts(
        self,
        ticket: int,
        begun: Mapping[Hashable, StreamKey],
        keys: Mapping[Hashable, StreamKey],
        operation: Operation,
    ) -> Violation | None:
        """End what the operation is on each of the keys and on those it met; some have begun before."""
        found = met(operation)
        ending = dict(keys)
        for name, (key, _) in found.items():
            if name not in ending:
                ending[name] = self._keys.get(name) or self._new_key(key)
        for name, stream_key in ending.items():
            step = part(operation, stream_key, found, self._claims)
            if name not in begun:
                self._call(stream_key, ticket, step)
            if violation := self._return(stream_key, ticket, step):
                return violation
        return None

    def _end_len(self, ticket: int, operation: Operation) -> Violation | None:
        """While nothing could change the map, each key was in one of its states."""
        may_hold = {
            name: key.states() if key.undecided is None else {MISSING, MISSING + 1}
            for name, key in self._keys.items()
        }
        fewest = sum(MISSING not in states for states in may_hold.values())
        most = sum(states != {MISSING} for states in may_hold.values())
        if not fewest <= operation.result <= most:
            return Violation((operation,), ALL_KEYS, impossible_count(operation, fewest, most))
        unsure = [self._keys[name] for name, states in may_hold.items() if MISSING in states != {MISSING}]
        if operation.result not in (fewest, most):
            self._unjudged += 1
        elif not any(key.undecided for key in unsure):
            effect = Effect(wanted=MISSING) if operation.result == fewest else Effect(unless=MISSING)
            for key in unsure:
                self._narrow(key, ticket, Step(operation, operation, effect))
        return None

    def _narrow(self, key: StreamKey, ticket: int, step: Step) -> None:
        try:
            key.narrow(ticket, step)
        except OutOfBounds as bound:
            self._give_up(key, bound)
        self._note_if_missing(key)
