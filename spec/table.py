"""A large history as columns of numbers: a million operations in some 50 MB, and no object for each.

The idea: keys and values are numbered once (`Names`), an operation is a row of small integers, and only the few
operations of an explanation are ever turned back into objects. Needs the extra `fast`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol, TypeVar

from mapproof.spec.history import History, Operation, canonical_json, line_of
from mapproof.spec.operations import KEYED, SIGNATURES, Op, Shape, has_shape
from mapproof.spec.values import identity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CODES: Final[Mapping[Op, int]] = {op: code for code, op in enumerate(KEYED)}
"""The number of each keyed operation in the column `op`."""

COMPLETED, PENDING, RAISED = 0, 1, 2
"""The numbers of the column `fate`."""

ABSENT_NAME: Final = -1
"""Stands in `first`, `second` and `found` where there is no value, and in `told` where there is no flag."""

FOREVER: Final = 2**62
"""`return_` of a pending operation. Calls and returns lie between -FOREVER and FOREVER, both excluded."""

_TYPES: Final = {
    "client": "int64",
    "op": "int8",
    "key": "int32",
    "first": "int32",
    "second": "int32",
    "found": "int32",
    "told": "int8",
    "fate": "int8",
    "call": "int64",
    "return_": "int64",
}
"""The columns and the numbers in them."""

_ANSWERS_FLAG: Final = tuple(SIGNATURES[op].result is Shape.FLAG for op in KEYED)
_ANSWERS_PAIR: Final = tuple(SIGNATURES[op].result in (Shape.VALUE_OK, Shape.ACTUAL_LOADED) for op in KEYED)

_ROWS_AT_ONCE: Final = 65536
"""How many rows are plain Python numbers at a time while a table is turned into something else."""


_Item = TypeVar("_Item")


class TooLarge(ValueError):
    """A history that has no place in columns; `History` holds it."""


class Names(Protocol):
    """The keys or the values of a table, numbered from 0; the same by `identity` exactly if the same number."""

    def __len__(self) -> int: ...

    def value(self, number: int) -> Any: ...


class Numbering(Names, Protocol):
    """Names that still grow."""

    def number(self, value: Any) -> int:
        """The number of that key or value, a new one if it was not met before."""
        ...


_Names = TypeVar("_Names", bound=Numbering)


@dataclass(frozen=True, slots=True)
class Listed:
    """Names that are kept as the objects that they are."""

    values: list[Any] = field(default_factory=list)
    numbers: dict[Hashable, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def value(self, number: int) -> Any:
        return self.values[number]

    def number(self, value: Any) -> int:
        number = self.numbers.setdefault(identity(value), len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


class _Row(NamedTuple):
    """The numbers of one row, in the order of the columns of a table."""

    client: int
    op: int
    key: int
    first: int
    second: int
    found: int
    told: int
    fate: int
    call: int
    return_: int


@dataclass(frozen=True, slots=True)
class Table:
    """The keyed operations of a history, a row each, in any order; `whole` holds those on the whole map.

    `first` and `second` are the arguments after the key, `found` the value in the answer, `told` its flag
    (`ok`, `loaded`, or the answer of a compare) as 0 or 1. `errors` has the error of each RAISED row; `whole`
    pairs an operation on the whole map with its place in the history.
    """

    client: NDArray[np.int64]
    op: NDArray[np.int8]
    key: NDArray[np.int32]
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    found: NDArray[np.int32]
    told: NDArray[np.int8]
    fate: NDArray[np.int8]
    call: NDArray[np.int64]
    return_: NDArray[np.int64]
    keys: Names
    values: Names
    errors: Mapping[int, str] = field(default_factory=dict)
    whole: Sequence[tuple[int, Operation]] = ()

    @staticmethod
    def of(history: History) -> Table:
        """The same operations as columns. Raises TooLarge.

        What no column has a place for is dropped: the answer of a pending or raised operation, which says
        nothing, and the difference between values that are the same by `identity`.
        """
        rows = Rows.empty(len(history.operations), Listed(), Listed())
        for place, operation in enumerate(history.operations):
            rows.put(place, operation)
        return rows.table()

    def __len__(self) -> int:
        return len(self.op) + len(self.whole)

    def clients(self) -> int:
        """How many clients there are."""
        import numpy as np

        others = {operation.client for _, operation in self.whole}
        return len(others.union(np.unique(self.client).tolist()))

    def operation(self, row: int) -> Operation:
        """One row as an object."""
        cells = _Row(*(int(column[row]) for column in self._columns()))
        return _operation(cells, self.keys.value, self.values.value, self.errors.get(row))

    def history(self) -> History:
        """The same operations as objects."""
        return History(tuple(self.operations()))

    def operations(self) -> Iterator[Operation]:
        """All operations as objects, in the order of the rows, with those on the whole map in their places."""
        key_of, value_of = _each(self.keys, lambda key: key), _each(self.values, lambda value: value)
        keyed = (_operation(cells, key_of, value_of, self.errors.get(row)) for row, cells in self._rows())
        return _with_inserted(keyed, self.whole)

    def lines(self) -> Iterator[bytes]:
        """The lines that `history().lines()` gives, several times faster."""
        key_of, value_of = _each(self.keys, _json), _each(self.values, _json)
        keyed = (_line(cells, key_of, value_of, self.errors.get(row)) for row, cells in self._rows())
        return _with_inserted(keyed, [(place, line_of(operation)) for place, operation in self.whole])

    def write(self, path: Path | str) -> None:
        """Write the canonical JSONL file."""
        with open(path, "wb") as file:
            file.writelines(self.lines())

    def _columns(self) -> Iterator[NDArray[Any]]:
        return (getattr(self, name) for name in _TYPES)

    def _rows(self) -> Iterator[tuple[int, _Row]]:
        for start in range(0, len(self.op), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            columns = [column[part].tolist() for column in self._columns()]
            yield from enumerate(map(_Row, *columns), start)


def _each(names: Names, shown: Callable[[Any], _Item]) -> Callable[[int], _Item]:
    return cache(lambda number: shown(names.value(number)))


def _json(value: Any) -> str:
    return canonical_json(value).decode()


def _with_inserted(rows: Iterator[_Item], inserted: Sequence[tuple[int, _Item]]) -> Iterator[_Item]:
    """The rows in order, and each of the others at its place among all."""
    done = 0
    for place, item in inserted:
        yield from islice(rows, place - done)
        yield item
        done = place + 1
    yield from rows


def _operation(
    row: _Row, key_of: Callable[[int], Any], value_of: Callable[[int], Any], error: str | None
) -> Operation:
    op = KEYED[row.op]
    answer: Any = None
    if row.fate == COMPLETED and _ANSWERS_FLAG[row.op]:
        answer = row.told == 1
    elif row.fate == COMPLETED and _ANSWERS_PAIR[row.op]:
        answer = (None if row.found == ABSENT_NAME else value_of(row.found), row.told == 1)
    return Operation(
        client=row.client,
        op=op,
        key=key_of(row.key),
        args=tuple(map(value_of, (row.first, row.second)[: len(SIGNATURES[op].arguments)])),
        result=answer,
        call=row.call,
        return_=None if row.return_ == FOREVER else row.return_,
        error=error,
    )


def _line(
    row: _Row, key_of: Callable[[int], str], value_of: Callable[[int], str], error: str | None
) -> bytes:
    args = ", ".join(value_of(number) for number in (row.first, row.second) if number != ABSENT_NAME)
    if error is not None:
        outcome = f'"error": {_json(error)}'
    elif row.fate != COMPLETED or row.told == ABSENT_NAME:
        outcome = '"result": null'
    else:
        outcome = '"result": true' if row.told else '"result": false'
        if _ANSWERS_PAIR[row.op]:
            found = "null" if row.found == ABSENT_NAME else value_of(row.found)
            outcome = f'"result": [{found}, {outcome[10:]}]'
    return (
        f'{{"client": {row.client}, "op": "{KEYED[row.op]}", "key": {key_of(row.key)}, "args": [{args}], '
        f'{outcome}, "call": {row.call}, "return": {"null" if row.return_ == FOREVER else row.return_}}}\n'
    ).encode()


@dataclass(frozen=True, slots=True)
class Rows(Generic[_Names]):
    """A table in the making: a row for each place in the history, until those on the whole map are taken out."""

    client: NDArray[np.int64]
    op: NDArray[np.int8]
    key: NDArray[np.int32]
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    found: NDArray[np.int32]
    told: NDArray[np.int8]
    fate: NDArray[np.int8]
    call: NDArray[np.int64]
    return_: NDArray[np.int64]
    keys: _Names
    values: _Names
    errors: dict[int, str] = field(default_factory=dict)
    whole: list[tuple[int, Operation]] = field(default_factory=list)

    @staticmethod
    def empty(size: int, keys: _Names, values: _Names) -> Rows[_Names]:
        """Room for `size` operations; what the rows hold before they are put there is undefined."""
        import numpy

        columns: dict[str, Any] = {name: numpy.empty(size, kind) for name, kind in _TYPES.items()}
        return Rows(**columns, keys=keys, values=values)

    def columns(self) -> tuple[NDArray[Any], ...]:
        """The ten columns, in the order of a table."""
        return tuple(getattr(self, name) for name in _TYPES)

    def put(self, place: int, operation: Operation) -> None:
        """Write an operation to its row; those on the whole map in order of place. Raises TooLarge."""
        end = FOREVER if operation.return_ is None else operation.return_
        if not _is_held(operation):
            raise TooLarge(f"no column has a place for {operation}")
        self.client[place], self.call[place], self.return_[place] = operation.client, operation.call, end
        if operation.op in CODES:
            self._put_keyed(place, operation)
        else:
            self.whole.append((place, operation))

    def _put_keyed(self, place: int, operation: Operation) -> None:
        number = self.values.number
        given = (*map(number, operation.args), ABSENT_NAME, ABSENT_NAME)
        self.op[place], self.key[place] = CODES[operation.op], self.keys.number(operation.key)
        self.first[place], self.second[place] = given[:2]
        self.found[place] = self.told[place] = ABSENT_NAME
        self.fate[place] = COMPLETED if operation.completed else PENDING if operation.pending else RAISED
        if operation.error is not None:
            self.errors[place] = operation.error
        if operation.completed and _ANSWERS_FLAG[CODES[operation.op]]:
            self.told[place] = operation.result
        elif operation.completed and _ANSWERS_PAIR[CODES[operation.op]]:
            value, flag = operation.result
            self.told[place] = flag
            if flag or operation.op is Op.LOAD_OR_STORE:
                self.found[place] = number(value)

    def operation(self, place: int) -> Operation:
        """What was put at that place."""
        whole = bisect_left(self.whole, place, key=itemgetter(0))
        if whole < len(self.whole) and self.whole[whole][0] == place:
            return self.whole[whole][1]
        cells = _Row(*(int(column[place]) for column in self.columns()))
        return _operation(cells, self.keys.value, self.values.value, self.errors.get(place))

    def table(self) -> Table:
        """The table of what was put."""
        columns: dict[str, Any] = dict(zip(_TYPES, self.columns(), strict=True))
        places = [place for place, _ in self.whole]
        if places:
            import numpy

            keyed = numpy.ones(len(self.op), numpy.bool_)
            keyed[places] = False
            columns = {name: column[keyed] for name, column in columns.items()}
        errors = {place - bisect_left(places, place): error for place, error in self.errors.items()}
        return Table(**columns, keys=self.keys, values=self.values, errors=errors, whole=tuple(self.whole))


def _is_held(operation: Operation) -> bool:
    end = operation.call if operation.return_ is None else operation.return_
    if not all(isinstance(number, int) for number in (operation.client, operation.call, end)):
        return False
    if not (-(2**63) <= operation.client < 2**63 and -FOREVER < operation.call < FOREVER > end > -FOREVER):
        return False
    if operation.op not in CODES:
        return True
    signature = SIGNATURES[operation.op]
    answered = not operation.completed or has_shape(signature.result, operation.result)
    return len(operation.args) == len(signature.arguments) and answered
