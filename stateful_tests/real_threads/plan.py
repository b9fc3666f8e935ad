"""What the threads of a round do: a program for each, and how it is hurried.

The idea: few keys and many threads, so that operations meet; every stored value is another number, so that a result
names the store that it came from; and pauses at random places, because threads that run undisturbed fall into step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any, Final

from mapproof.spec.operations import SIGNATURES, WHOLE_MAP, Op


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: `form` is the adapter's way to call it, `key` the place of its key, -1 for none.

    `pause` comes before it: 0 none, 1 gives the processor away, more are so many turns of an empty loop.
    """

    op: Op
    form: int
    key: int
    args: tuple[int, ...]
    pause: int = 0


Program = tuple[Step, ...]

Forms = Mapping[Op, Sequence[Any]]


class Pace(Enum):
    """How a round is disturbed: not at all; between operations; or also inside them, at lines or at instructions of
    the map's own Python."""

    PLAIN = "plain"
    BETWEEN = "between"
    LINES = "lines"
    INSTRUCTIONS = "instructions"


KEYS: Final = (1, 1, 2, 3, 8, 64)
"""How many keys a round has, one of these: mostly few, sometimes enough to make a table grow under the threads."""

MOST_KEYS: Final = max(KEYS)

_WHOLE_MAP_OPERATIONS: Final = 4
"""So many on average in a round that has them, all clients together: each ties all keys together."""

_WHOLE_MAP_ROUNDS: Final = 1 / 3
"""In so many of the rounds there are operations on the whole map: such a round takes five times as long to judge."""

_LOOK_THEN_ACT: Final = frozenset(
    {Op.LOAD_OR_STORE, Op.LOAD_AND_DELETE, Op.SWAP, Op.COMPARE_AND_SWAP, Op.COMPARE_AND_DELETE}
)

_LATELY: Final = 12
"""A compare mostly asks for one of the last so many values."""

_LONGEST_SPIN: Final = 200


def in_this_round(forms: Forms, random: Random) -> Forms:
    """All operations that the map has, or (mostly) those on keys alone."""
    keyed = {op: ways for op, ways in forms.items() if op not in WHOLE_MAP}
    return keyed if keyed and random.random() > _WHOLE_MAP_ROUNDS else forms


def draw(
    forms: Forms, *, clients: int, operations: int, keys: int, pace: Pace, random: Random
) -> tuple[Program, ...]:
    """A program for each of the clients 1, 2, ...; the same for the same state of `random`."""
    return tuple(
        tuple(_steps(forms, client, clients, operations, keys, pace, random))
        for client in range(1, clients + 1)
    )


def observers(forms: Forms, keys: int) -> Program:
    """What client 0 asks when the others have ended, so that a lost update is seen."""
    loads = [Step(Op.LOAD, 0, key, ()) for key in range(keys)] if Op.LOAD in forms else []
    return (*loads, *(Step(op, 0, -1, ()) for op in (Op.LEN, Op.RANGE) if op in forms))


MOST_OBSERVERS: Final = MOST_KEYS + 2


def _steps(
    forms: Forms, client: int, clients: int, operations: int, keys: int, pace: Pace, random: Random
) -> Iterator[Step]:
    keyed = [op for op in forms if op not in WHOLE_MAP]
    keyed += [op for op in keyed if op in _LOOK_THEN_ACT]
    whole = [op for op in forms if op in WHOLE_MAP]
    rarely = _WHOLE_MAP_OPERATIONS / (clients * operations) if keyed else 1.0
    for number in range(operations):
        op = random.choice(whole if whole and random.random() < rarely else keyed)
        fresh = client + number * clients
        args = tuple(
            max(0, fresh - random.randrange(_LATELY)) if name == "old" else fresh
            for name in SIGNATURES[op].arguments
        )
        key = random.randrange(keys) if SIGNATURES[op].keyed else -1
        yield Step(op, random.randrange(len(forms[op])), key, args, _pause(pace, random))


def _pause(pace: Pace, random: Random) -> int:
    if pace is Pace.PLAIN or random.random() < 0.5:
        return 0
    return 1 if random.random() < 0.5 else random.randrange(2, _LONGEST_SPIN)
