"""Decides a table: millions of operations, on all keys, by compiled kernels and on every core.

The idea: nothing becomes an object until it is to be shown. The rows are turned into the columns of each key
(`table_kernels`), each key is decided by the kernels that decide a small history too, each witness is held
against the effects where it was found, and only the few operations of a core, or the part of a witness that
somebody looks at, become `Operation`s.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, overload

from mapproof.spec.linearizability import register_kernel
from mapproof.spec.linearizability.budget import Budget, OutOfBounds
from mapproof.spec.linearizability.compiled import FOREVER
from mapproof.spec.linearizability.core import Core, smallest_core
from mapproof.spec.linearizability.deciding import WHY_SEARCHED
from mapproof.spec.linearizability.effects import MISSING, Effect, Values, register_step
from mapproof.spec.linearizability.explain import explain, impossible, qualified
from mapproof.spec.linearizability.groups import Group
from mapproof.spec.linearizability.machine import kernels
from mapproof.spec.linearizability.near_linear import LINEARIZABLE, MOST_BLAMED, NOT_LINEARIZABLE, STOPPED
from mapproof.spec.linearizability.register_search import find_register_order
from mapproof.spec.linearizability.results import Linearizable, Method, Unknown, Violation, Witness
from mapproof.spec.linearizability.search import PENDING, Action, Explained
from mapproof.spec.linearizability.table_kernels import WRONG_WITNESS
from mapproof.spec.linearizability.witness import InternalError
from mapproof.spec.table import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Keys:
    """The steps of all keys, key after key, each in the order of its calls: see `table_kernels`.

    Key k is at [starts[k], starts[k + 1]). `rows` leads back to the table. In `wanted`, `unless` and `post` the
    values are numbered from 1 over all keys.
    """

    starts: Column
    rows: Column
    wanted: Column
    unless: Column
    post: Column
    call: Column
    return_: Column
    optional: Column


def keys_of(table: Table, budget: Budget) -> tuple[Keys, int]:
    """The steps of a table, and the first row that no state explains, -1 if there is none. Raises OutOfBounds."""
    import numpy as np

    code, size, never = kernels(), len(table.op), len(table.values) + 1
    parts = [slice(begin, begin + _ROWS_AT_ONCE) for begin in range(0, size, _ROWS_AT_ONCE)]
    columns = _effect_columns(table)
    counts = np.zeros(len(table.keys) + 1, np.int64)
    refused = -1
    for part in parts:
        place = code["count_by_key"](*(column[part] for column in columns), never, counts[1:])
        refused = part.start + int(place) if refused < 0 <= place else refused
        budget.look_at_the_clock()
    by_call = _by_call(table.call)
    starts, nxt = counts.cumsum(), counts.cumsum()
    placed = [np.empty(starts[-1], np.int64) for _ in range(7)]
    for part in parts:
        budget.look_at_the_clock()
        code["place_by_key"](by_call[part], *columns, table.call, table.return_, never, nxt, *placed)
    return Keys(starts, *placed), refused


def _effect_columns(table: Table) -> tuple[NDArray[Any], ...]:
    return table.key, table.op, table.first, table.second, table.found, table.told, table.fate


_ROWS_AT_ONCE = 1_000_000
"""Between two looks at the clock."""


def _by_call(call: Column) -> Column:
    import numpy as np

    if (call[1:] >= call[:-1]).all():
        return np.arange(len(call))
    return np.argsort(call, kind="stable")


@dataclass(frozen=True, slots=True)
class Decided:
    """What the kernels said of each key: `code` and `method` (as in METHODS) and, where there is one, an order.

    `order` has the same shape as the columns of `Keys`: key k has order[starts[k] : starts[k] + count[k]], places
    within the key. Where there is none, blame[k, : count[k]] are places that the refutation rests on.
    """

    code: Column
    method: Column
    count: Column
    order: Column
    blame: Column


def decide_keys(keys: Keys, values: int, budget: Budget) -> Decided:
    """Decide each key, on all cores. Keys that were not reached in time keep the code STOPPED."""
    import numpy as np

    number = len(keys.starts) - 1
    steps = len(keys.rows)
    decided = Decided(
        np.full(number, STOPPED, np.int64),
        np.zeros(number, np.int64),
        np.zeros(number, np.int64),
        np.empty(steps, np.int64),
        np.empty((number, MOST_BLAMED), np.int64),
    )
    stop = np.zeros(1, np.int64)
    decide = kernels()["decide_range"]

    def part(bounds: tuple[int, int]) -> None:
        decide(
            *bounds,
            *(
                getattr(keys, name)
                for name in ("starts", "wanted", "unless", "post", "call", "return_", "optional")
            ),
            values,
            budget.configurations,
            *(getattr(decided, name) for name in ("code", "method", "count", "order", "blame")),
            stop,
        )

    with budget.stopping(stop):
        parts = _parts(keys.starts)
        if len(parts) <= 1:
            for bounds in parts:
                part(bounds)
        else:
            with ThreadPoolExecutor(len(parts)) as pool:
                try:
                    list(pool.map(part, parts))
                finally:
                    stop[0] = 1  # after Ctrl-C the pool waits for its threads
    return decided


def _parts(starts: Column) -> list[tuple[int, int]]:
    """Ranges of keys with about as many steps each, one a core; a single one where threads do not pay."""
    import numpy as np

    steps, keys = int(starts[-1]), len(starts) - 1
    cores = 1 if steps < _WORTH_A_THREAD else min(os.cpu_count() or 1, keys)
    cuts = [int(np.searchsorted(starts, steps * i // cores)) for i in range(cores)]
    bounds = [0, *cuts[1:], keys]
    return [(low, high) for low, high in pairwise(bounds) if low < high]


_WORTH_A_THREAD = 50_000


_METHODS: Final = {0: Method.NEAR_LINEAR, **WHY_SEARCHED}


def check_table(table: Table, budget: Budget) -> Linearizable | Violation | Unknown:
    """The answer for a table of operations on single keys. Raises FastExtraMissing, ValueError as `check`."""
    backwards = table.return_ < table.call
    if backwards.any():
        row = int(backwards.argmax())
        raise ValueError(f"operation {row} returns at {table.return_[row]}, before its call")
    try:
        keys, refused = keys_of(table, budget)
        budget.look_at_the_clock()
    except OutOfBounds as bound:
        return Unknown(f"{bound} while the history was split into keys")
    if refused >= 0:
        operation = table.operation(refused)
        reason = f"it answered to have stored {operation.result[0]!r} where {operation.args[0]!r} was given"
        return Violation((operation,), operation.key, impossible(operation, reason))
    decided = decide_keys(keys, len(table.values), budget)
    return _Answer(table, keys, decided, budget).answer()


class _Answer:
    """Turns what the kernels said into an answer."""

    def __init__(self, table: Table, keys: Keys, decided: Decided, budget: Budget) -> None:
        self._table, self._keys, self._decided, self._budget = table, keys, decided, budget

    def answer(self) -> Linearizable | Violation | Unknown:
        import numpy as np

        code = self._decided.code
        if (code == WRONG_WITNESS).any():
            raise InternalError(
                f"the witness of key {self._name(int(np.argmax(code == WRONG_WITNESS)))} is none"
            )
        refuted = np.flatnonzero(code == NOT_LINEARIZABLE)
        if len(refuted):
            lengths = np.diff(self._keys.starts)[refuted]
            return self._violation(int(refuted[np.argmin(lengths)]))
        methods = self._methods()
        orders: dict[int, Sequence[int]] = {}
        for key in np.flatnonzero(code != LINEARIZABLE):
            answer = self._again(int(key))
            if not isinstance(answer, Explained):
                return answer
            orders[int(key)] = answer.order
        return Linearizable(TableWitness(self._table, self._keys, self._decided, orders), methods)

    def _name(self, key: int) -> str:
        return repr(self._table.keys.value(key))

    def _methods(self) -> Mapping[Method, int]:
        import numpy as np

        used = self._decided.method[np.diff(self._keys.starts) > 0]
        numbers, counts = np.unique(used, return_counts=True)
        return {_METHODS[int(number)]: int(count) for number, count in zip(numbers, counts, strict=True)}

    def _again(self, key: int) -> Explained | Violation | Unknown:
        """A key that the kernels gave up: once more without their limits, if it was those that were met."""
        code = int(self._decided.code[key])
        about = f"on key {self._name(key)}"
        if code == STOPPED:
            return Unknown(f"the time limit ran out {about}")
        if code == register_kernel.OUT_OF_CONFIGURATIONS:
            return Unknown(f"the bound of {self._budget.configurations} configurations ran out {about}")
        steps = _Steps(self._table, self._keys, key)
        try:
            outcome = find_register_order(steps.actions(range(len(steps))), self._budget.renewed())
        except OutOfBounds as bound:
            return Unknown(f"{bound} {about}")
        if isinstance(outcome, Explained):
            return outcome
        return self._violation(key, [outcome.place])

    def _violation(self, key: int, blamed: Sequence[int] | None = None) -> Violation:
        steps = _Steps(self._table, self._keys, key)
        method = _METHODS[int(self._decided.method[key])]
        if blamed is None:
            blamed = [int(place) for place in self._decided.blame[key, : self._decided.count[key]]]
        whole = method is Method.NEAR_LINEAR
        until = FOREVER if whole else int(steps.return_[blamed[0]])
        core = steps.core(blamed, until, self._budget.renewed())
        group = steps.group(core.indices)
        rows = {place: steps.operation(place) for place in core.indices}
        _, sentence = explain(group, core.indices, rows)
        shown = tuple(sorted(rows.values(), key=lambda operation: operation.call))
        return Violation(shown, group.key, qualified(sentence, core), method)


class _TableValues(Values):
    """The values of a table, by the numbers of their states."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._names = table.values

    def value(self, number: int) -> Any:
        return self._names.value(number - 1)


class _Steps:
    """The steps of one key, by place, with the states of the whole table; a few of them become actions."""

    def __init__(self, table: Table, keys: Keys, key: int) -> None:
        import numpy as np

        self._table, self._key = table, table.keys.value(key)
        part = slice(int(keys.starts[key]), int(keys.starts[key + 1]))
        self._rows = keys.rows[part]
        placed = [np.empty(len(self._rows), np.int64) for _ in range(7)]
        nxt = np.zeros(len(table.keys), np.int64)
        columns, never = _effect_columns(table), len(table.values) + 1
        kernels()["place_by_key"](self._rows, *columns, table.call, table.return_, never, nxt, *placed)
        _, self._wanted, self._unless, self._post, self.call, self.return_, self._optional = placed

    def __len__(self) -> int:
        return len(self._rows)

    def operation(self, place: int) -> Any:
        return self._table.operation(int(self._rows[place]))

    def actions(self, places: Collection[int]) -> list[Action[Effect]]:
        return [self._action(int(place)) for place in places]

    def _action(self, place: int) -> Action[Effect]:
        effect = Effect(int(self._wanted[place]), int(self._unless[place]), int(self._post[place]))
        end = int(self.return_[place])
        return Action(
            place,
            self.operation(place),
            int(self.call[place]),
            PENDING if end == FOREVER else end,
            effect,
            effect.post < 0,
            bool(self._optional[place]),
        )

    def group(self, near: Collection[int]) -> Group[int, Effect]:
        """A group of those steps and of what matters to them."""
        actions = self._around(len(self), near) if near else []
        return Group(self._key, (self._key,), actions, MISSING, register_step, _TableValues(self._table))

    def core(self, blamed: Sequence[int], until: int, budget: Budget) -> Core:
        """`blamed` and `until` as for `core.core_of`."""
        import numpy as np

        seen = len(self) if until == FOREVER else int(np.searchsorted(self.call, until, "right"))
        return smallest_core(
            self.group(()),
            _by_suspicion(blamed, seen).tolist(),
            lambda place: place,
            lambda near: self._around(seen, near),
            PENDING if until == FOREVER else until,
            budget,
        )

    def _around(self, seen: int, near: Collection[int]) -> list[Action[Effect]]:
        """What `core.surroundings` gives, of the first `seen` steps, without a look at each of them as an object."""
        import numpy as np

        kept = np.array(sorted(near))
        call, end, post = self.call[:seen], self.return_[:seen], self._post[:seen]
        gives = post >= 0
        if not (self._unless[kept] >= 0).any():
            gives &= np.isin(post, np.unique(self._wanted[kept]))
        gives[kept] = False
        begin, until = call[kept].min(), end[kept].max()
        before, after = gives & (end < begin), gives & (call > until)
        first = [
            np.flatnonzero(outside)[np.unique(post[outside], return_index=True)[1]]
            for outside in (before, after)
        ]
        meets = np.flatnonzero(gives & ~before & ~after)
        return self.actions(np.concatenate([kept, meets, *first]))


def _by_suspicion(blamed: Sequence[int], seen: int) -> Column:
    """The places below `seen`: the blamed ones, then the others by how near they are to the last of those."""
    import numpy as np

    center = max(blamed)
    below, above = np.arange(center - 1, -1, -1), np.arange(center + 1, seen)
    both = min(len(below), len(above))
    mixed = np.stack([below[:both], above[:both]], axis=1).ravel()
    others = np.concatenate([[center], mixed, below[both:], above[both:]])
    return np.concatenate([blamed, others[~np.isin(others, blamed)]])


class TableWitness(Sequence[Witness]):
    """The witnesses of a table's keys; the operations of one are made when it is asked for."""

    def __init__(
        self, table: Table, keys: Keys, decided: Decided, orders: Mapping[int, Sequence[int]]
    ) -> None:
        import numpy as np

        self._table, self._keys, self._decided, self._orders = table, keys, decided, orders
        self._places = np.flatnonzero(np.diff(keys.starts))

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Witness: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Witness]: ...

    def __getitem__(self, place: int | slice) -> Witness | Sequence[Witness]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        key = int(self._places[place])
        begin = int(self._keys.starts[key])
        order: Sequence[int] | None = self._orders.get(key)
        if order is None:
            order = self._decided.order[begin : begin + int(self._decided.count[key])].tolist()
        rows = (int(self._keys.rows[begin + step]) for step in order)
        return Witness(self._table.keys.value(key), tuple(self._table.operation(row) for row in rows))
