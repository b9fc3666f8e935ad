"""Random small histories, half of them linearizable by construction, half of them with something changed.

The idea: clients run operations on the model at hidden moments inside their intervals. Few times, few values
and few keys make ties, repeated values and near misses common.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from mapproof.spec.history import Operation
from mapproof.spec.model import MapModel
from mapproof.spec.operations import KEYED, SIGNATURES, WHOLE_MAP, Op, Shape

MODEL = MapModel()


def history_during_a_clear(random: Random) -> list[Operation]:
    """Stores and loads of one key, all while a `clear` runs, which may delete it at more moments than one."""
    history = [Operation(0, Op.CLEAR, None, (), None, 0, 20)]
    for time in range(random.randint(2, 5)):
        found = random.choice(((time, True), (None, False)))
        if random.random() < 0.5:
            history.append(Operation(1, Op.STORE, "a", (time + 1,), None, 2 * time, 2 * time + 1))
        else:
            history.append(Operation(1, Op.LOAD, "a", (), found, 2 * time, 2 * time + 1))
    return history


def random_history(
    random: Random, *, whole_map: bool = False, perturbed: bool | None = None
) -> list[Operation]:
    """2 to 8 operations (5 with whole-map ones) of 1 to 4 clients on 1 or 2 keys, in the order of their calls."""
    if whole_map and perturbed is None and random.random() < 0.1:
        return history_during_a_clear(random)
    operations = _simulated(random, whole_map)
    if random.random() < 0.5 if perturbed is None else perturbed:
        telling = [i for i, op in enumerate(operations) if op.completed and op.result is not None]
        for _ in range(random.choice((1, 2, 3))):
            place = random.choice(telling) if telling else random.randrange(len(operations))
            operations[place] = with_another_answer(random, operations[place])
    return operations


def _simulated(random: Random, whole_map: bool) -> list[Operation]:
    count = random.choice((2, 3, 4, 5) if whole_map else (2, 3, 4, 5, 6, 6, 7, 7, 8, 8))
    clients = random.randint(1, 4)
    keys = ("a", "b")[: random.choice((1, 1, 2)) if not whole_map else random.randint(1, 2)]
    values = random.choice(((1,), (1, 2), (1, 2, 3), None))
    names = _weighted(random, whole_map)
    free_at = [0] * clients
    planned: list[tuple[float, int, Op, Any, tuple[Any, ...], int, int]] = []
    for number in range(count):
        client = random.randrange(clients)
        call = free_at[client] + random.choice((0, 0, 1, 1, 2, 3))
        end = call + random.choice((0, 1, 1, 2, 3, 5, 8))
        free_at[client] = end
        op = random.choice(names)
        pool = values or tuple(range(1, 2 * count))
        given = tuple(random.choice(pool) if values else number + 1 for _ in SIGNATURES[op].arguments)
        if values is None and given and op in (Op.COMPARE_AND_SWAP, Op.COMPARE_AND_DELETE):
            given = (random.randint(1, count), *given[1:])
        key = random.choice(keys) if SIGNATURES[op].keyed else None
        planned.append((random.uniform(call, end), client, op, key, given, call, end))
    return _run(random, planned)


def _weighted(random: Random, whole_map: bool) -> list[Op]:
    """Each history has a mix of its own, so that all pairs of operations meet often."""
    names = [op for op in KEYED if random.random() < 0.6] or [Op.STORE]
    if random.random() < 0.7:
        names += [Op.LOAD, Op.STORE]
    if whole_map:
        names += [random.choice(WHOLE_MAP), random.choice(WHOLE_MAP)]
    return names


def _run(random: Random, planned: list[Any]) -> list[Operation]:
    state, done = MODEL.initial, []
    ended: set[int] = set()
    for _, client, op, key, given, call, end in sorted(planned):
        if client in ended:
            continue
        fate = random.random()
        after, answer = MODEL.invoke(state, op, key, given)
        if fate > 0.1 or random.random() < 0.5:
            state = after
        if fate < 0.05:
            ended.add(client)
            done.append(Operation(client, op, key, given, None, call, None))
        elif fate < 0.1:
            done.append(Operation(client, op, key, given, None, call, end, "KeyError"))
        else:
            done.append(Operation(client, op, key, given, answer, call, end))
    return sorted(done, key=lambda operation: operation.call)


def with_another_answer(random: Random, operation: Operation) -> Operation:
    if random.random() < 0.2 and operation.return_ is not None:
        shorter = random.randint(operation.call, operation.return_)
        return replace(operation, return_=shorter)
    if not operation.completed:
        return operation
    return replace(operation, result=_other_answer(random, operation))


def _other_answer(random: Random, operation: Operation) -> Any:
    value = random.randint(1, 4)
    match SIGNATURES[operation.op].result:
        case Shape.NOTHING:
            return None
        case Shape.FLAG:
            return not operation.result
        case Shape.VALUE_OK:
            return random.choice(((value, True), (None, False)))
        case Shape.ACTUAL_LOADED:
            return random.choice(((value, True), (operation.args[0], False), (value, False)))
        case Shape.COUNT:
            return max(0, operation.result + random.choice((-1, 1)))
        case Shape.PAIRS:
            return random.choice(([], [["a", value]], [["a", value], ["b", 1]], operation.result * 2))
