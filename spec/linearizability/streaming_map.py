"""The keys of a stream, the operations that run on them, and what each return shows.

The idea: a key is there while it may be in the map or something runs on it, and a while longer. What acts on
the whole map is a step on each of these, or is judged when it returns (`streaming_wide`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final

from mapproof.spec.claims import Claims, Contract
from mapproof.spec.history import Operation
from mapproof.spec.linearizability.budget import Budget, OutOfBounds
from mapproof.spec.linearizability.effects import MISSING, NO_EFFECT, Effect
from mapproof.spec.linearizability.explain import impossible
from mapproof.spec.linearizability.results import ALL_KEYS, Violation
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

_MUTATES: Final = frozenset(op for op, signature in SIGNATURES.items() if signature.mutates)
_WHOLE_MAP: Final = frozenset(op for op, signature in SIGNATURES.items() if not signature.keyed)

MOST_MISSING: Final = 256
"""Keys that are kept though they are missing, for what was done to them shows best what is wrong."""


class StreamMap:
    """Takes calls and returns in the order of time, with a ticket for each operation.

    `called` answers the key that the operation is of, if it is of one; `returned` wants it back.
    """

    def __init__(self, claims: Claims, budget: Budget, remembered: int) -> None:
        self._claims = claims
        self._budget = budget
        self._remembered = remembered
        self._keys: dict[Hashable, StreamKey] = {}
        self._wides: dict[int, Wide] = {}
        self._missing: dict[Hashable, StreamKey] = {}
        self._forgot_until: int | None = None
        self._latest: int | None = None
        self._changes = 0
        self._changing = 0
        self._unjudged = 0

    def key(self, key: Any) -> StreamKey | None:
        """What is known of a key; None if it is missing and nothing runs on it."""
        return self._keys.get(identity(key))

    def undecided(self) -> str | None:
        """Why something that was taken in is not decided; None if all is."""
        for key in self._keys.values():
            if key.undecided is not None:
                return f"{key.undecided} on key {key.key!r}"
        unjudged = self._unjudged + sum(key.unjudged for key in self._keys.values())
        return f"{unjudged:,} answers cannot be judged in bounded memory" if unjudged else None

    def called(self, ticket: int, operation: Operation, answered: bool) -> StreamKey | None:
        """A call; `answered`: the operation is whole, or its answer will say nothing."""
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

    def returned(self, ticket: int, operation: Operation, key: StreamKey | None) -> Violation | None:
        """A return, and the violation that it makes certain. The operation is whole now."""
        if operation.op in _MUTATES:
            self._changing -= 1
        if operation.op in _WHOLE_MAP:
            return self._end_wide(ticket, operation)
        assert key is not None
        step = key.running.get(ticket)
        if step is None or step.operation is not operation or step.effect is NO_EFFECT:
            answered = key.step(operation)
            if isinstance(answered, Inconsistent):
                return Violation((operation,), key.key, impossible(operation, answered.reason))
            step = answered
        return self._return(key, ticket, step)

    def _new_key(self, key: Any) -> StreamKey:
        """A key that was missing until now, and what runs on the whole map runs on it too."""
        new = StreamKey(key, self._budget, self._remembered)
        new.forgotten_until = self._forgot_until
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
            self._latest = step.operation.return_
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
            if len(missing) > MOST_MISSING:
                oldest = missing.pop(next(iter(missing)))
                if oldest.missing and self._keys.get(oldest.name) is oldest:
                    self._unjudged += oldest.unjudged
                    self._forgot_until = self._latest
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
