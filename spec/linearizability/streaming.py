"""Checks a history while it is recorded, in memory that does not grow with it.

The idea: linearizability is lost at one event, a return, and from then on for good (it is prefix-closed). So the
states that each key may be in are carried from event to event (`streaming_key`), and the first return that
leaves none is reported at once. What has been explained is forgotten: nothing that comes later can change it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from math import inf
from time import perf_counter
from typing import Any, Final

from mapproof.spec.claims import Claims, Contract
from mapproof.spec.evidence import Verdict
from mapproof.spec.history import Operation
from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.results import Unknown, Violation
from mapproof.spec.linearizability.streaming_key import StreamKey
from mapproof.spec.linearizability.streaming_map import StreamMap
from mapproof.spec.operations import SIGNATURES, Op

_DEFAULT: Final = Claims()
_ANSWERS_NOTHING: Final = frozenset({Op.STORE, Op.DELETE, Op.CLEAR})


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
        deadline = inf if limit_seconds is None else perf_counter() + limit_seconds
        self._map = StreamMap(claims, Budget(max_configurations, deadline), remembered)
        self._clients: dict[int, tuple[int, Operation]] = {}
        self._returns: list[tuple[int, int, Operation, StreamKey | None]] = []
        self._now: float = -inf
        self._last_return: float = -inf
        self._tickets = 0
        self._violation: Violation | None = None

    @property
    def operations(self) -> int:
        """How many operations were taken in."""
        return self._tickets

    @property
    def now(self) -> float:
        """The time of the last event, -inf before the first; for whole operations that of the last call."""
        return self._now

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
        self._map.called(ticket, operation, operation.op in _ANSWERS_NOTHING)

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
        self._violation = self._map.returned(ticket, operation, self._map.key(operation.key))
        return self._violation

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
        key = self._map.called(ticket, operation, True)
        if operation.return_ is not None:
            heappush(returns, (operation.return_, ticket, operation, key))
        return None

    def finish(self) -> Violation | Unknown | LinearizableSoFar:
        """The answer if nothing comes any more: what runs now never returns."""
        while self._returns and self._violation is None:
            self._settle_next()
        if self._violation is not None:
            return self._violation
        reason = self._map.undecided()
        return LinearizableSoFar(self._tickets) if reason is None else Unknown(reason)

    def _ticket(self) -> int:
        self._tickets += 1
        return self._tickets

    def _settle_next(self) -> Violation | None:
        time, ticket, operation, key = heappop(self._returns)
        self._last_return = time
        self._violation = self._map.returned(ticket, operation, key)
        return self._violation
