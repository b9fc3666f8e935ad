"""Objects other than a map, and the decision for any model, held against brute force over all orders."""

from __future__ import annotations

import inspect
import json
import random
import re
import runpy
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import combinations, permutations
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from mapproof.spec.history import History, HistoryError, Operation
from mapproof.spec.linearizability import ALL_KEYS, InternalError, Linearizable, Unknown, Violation, any_model
from mapproof.spec.linearizability.any_model import ModelError, check_model
from mapproof.spec.linearizability.search import Explained
from mapproof.spec.model import Inconsistent, Model, Partitioned
from mapproof.spec.objects import BankAccounts, Counter, FifoQueue, Register, Stock, StringStore

# -- brute force: every order of what happened with some of what may have


def in_time(order: Sequence[Operation]) -> bool:
    return not any(
        later.return_ is not None and later.return_ < earlier.call
        for place, earlier in enumerate(order)
        for later in order[place + 1 :]
    )


def accepted(order: Sequence[Operation], model: Model[Any]) -> bool:
    """Whether the model explains the order, all parts together."""
    states: dict[Hashable, Any] = {}
    for operation in order:
        part = model.partition(operation) if isinstance(model, Partitioned) else None
        after = model.step(states.get(part, model.initial), operation)
        if isinstance(after, Inconsistent):
            return False
        states[part] = after
    return True


def explained(operations: Sequence[Operation], model: Model[Any]) -> bool:
    sure = [operation for operation in operations if operation.completed]
    maybe = [operation for operation in operations if not operation.completed]
    return any(
        in_time(order) and accepted(order, model)
        for some in range(len(maybe) + 1)
        for chosen in combinations(maybe, some)
        for order in permutations([*sure, *chosen])
    )


# -- random small histories

CALLS: dict[type, Callable[[random.Random], tuple[str, Any, tuple[Any, ...]]]] = {
    Register: lambda r: r.choice(
        [
            ("read", None, ()),
            ("write", None, (r.randint(1, 2),)),
            ("cas", None, (r.choice([None, 1, 2]), r.randint(1, 2))),
        ]
    ),
    Counter: lambda r: r.choice([("get", None, ()), ("add", None, (r.randint(1, 2),))]),
    FifoQueue: lambda r: r.choice([("dequeue", None, ()), ("enqueue", None, (r.randint(1, 3),))]),
    BankAccounts: lambda r: r.choice(
        [("balances", None, ()), ("transfer", None, (*r.choice([(0, 1), (1, 0)]), r.randint(1, 2)))]
    ),
    StringStore: lambda r: r.choice(
        [
            ("get", r.choice("ab"), ()),
            ("put", r.choice("ab"), ("x",)),
            ("append", r.choice("ab"), (r.choice("xy"),)),
        ]
    ),
    Stock: lambda r: r.choice(
        [
            ("available", r.choice("ab"), ()),
            ("restock", r.choice("ab"), (1,)),
            *[("deduct", r.choice("ab"), (r.randint(1, 2),))] * 2,
        ]
    ),
}
MODELS = [Register(), Counter(), FifoQueue(), BankAccounts(2, 2), StringStore(), Stock(1)]
ANSWERS: dict[str, Callable[[random.Random], Any]] = {
    "read": lambda r: r.choice([None, 1, 2]),
    "cas": lambda r: r.random() < 0.5,
    "get": lambda r: r.choice(["", "x", "xy", 1, 2]),
    "dequeue": lambda r: r.choice([None, 1, 2]),
    "balances": lambda r: r.choice([[2, 2], [1, 3], [3, 1]]),
    "transfer": lambda r: r.random() < 0.5,
    "available": lambda r: r.randint(0, 2),
    "deduct": lambda r: r.random() < 0.5,
}


def answer_of(model: Model[Any], state: Any, operation: Operation) -> Any:
    """What a right object answers: the one answer of the possible ones that the model accepts."""
    possible = [None, True, False, 1, 2, 3, *range(20), "", [2, 2], [1, 3], [3, 1], [0, 4], [4, 0], state]
    for answer in possible:
        if not isinstance(model.step(state, replace(operation, result=answer)), Inconsistent):
            return answer
    raise AssertionError(operation)


def history(model: Model[Any], rng: random.Random, size: int = 6) -> list[Operation]:
    """Operations answered by a right object in some order, then perhaps one answer made up."""
    drawn = []
    for client in range(size):
        op, key, args = CALLS[type(model)](rng)
        call = rng.randrange(2 * size)
        drawn.append(Operation(client, op, key, args, None, call, call + rng.randint(0, size)))
    states: dict[Hashable, Any] = {}
    recorded = []
    for operation in sorted(drawn, key=lambda operation: rng.uniform(operation.call, operation.return_ or 0)):
        state = states.get(operation.key, model.initial)
        operation = replace(operation, result=answer_of(model, state, operation))
        fate = rng.random()
        if fate < 0.85 or rng.random() < 0.5:
            states[operation.key] = model.step(state, operation)
        if fate > 0.92:
            operation = replace(operation, result=None, return_=None)
        elif fate > 0.85:
            operation = replace(operation, result=None, error="TimeoutError")
        recorded.append(operation)
    wrong = rng.randrange(size)
    if rng.random() < 0.6 and recorded[wrong].completed and recorded[wrong].op in ANSWERS:
        recorded[wrong] = replace(recorded[wrong], result=ANSWERS[recorded[wrong].op](rng))
    rng.shuffle(recorded)
    return recorded


def disagreements(model: Model[Any], decide: Callable[[list[Operation]], bool], runs: int = 120) -> int:
    rng = random.Random(type(model).__name__)
    histories = (history(model, rng) for _ in range(runs))
    return sum(decide(recorded) is not explained(recorded, model) for recorded in histories)


def linearizable(recorded: Sequence[Operation], model: Model[Any]) -> bool:
    answer = check_model(recorded, model)
    assert isinstance(answer, Linearizable | Violation)
    if isinstance(answer, Violation):
        assert not explained(answer.core, model), answer
        assert all(operation in recorded for operation in answer.core)
    else:
        assert all(in_time(witness.order) and accepted(witness.order, model) for witness in answer.witness)
        happened = [operation for witness in answer.witness for operation in witness.order]
        assert [
            operation for operation in recorded if operation.completed and operation not in happened
        ] == []
    return isinstance(answer, Linearizable)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_the_decision_is_that_of_brute_force(model: Model[Any]) -> None:
    assert disagreements(model, lambda recorded: linearizable(recorded, model)) == 0
    rng = random.Random(type(model).__name__)
    verdicts = [explained(history(model, rng), model) for _ in range(60)]
    assert 5 < sum(verdicts) < 55


# -- mutants that the comparison catches


@dataclass(frozen=True)
class StartsAtOne(Register):
    initial: Hashable = 1


@dataclass(frozen=True)
class OneForAll(StringStore):
    def partition(self, operation: Operation) -> Hashable:
        return 0


@dataclass(frozen=True)
class PartsByOperation(StringStore):
    def partition(self, operation: Operation) -> Hashable:
        return operation.op


@dataclass(frozen=True)
class LastInFirstOut(FifoQueue):
    def step(self, state: tuple[Hashable, ...], operation: Operation) -> Any:
        if operation.op == "enqueue":
            return FifoQueue.step(self, state, operation)
        after = FifoQueue.step(self, state[::-1], operation)
        return after if isinstance(after, Inconsistent) else after[::-1]


@dataclass(frozen=True)
class ForgetsPuts(StringStore):
    def may_answer(self, state: str, operation: Operation, before: Sequence[Operation]) -> bool:
        return super().may_answer(state, operation, ())


@dataclass(frozen=True)
class Blind(StringStore):
    """Sees no dead end."""

    def may_answer(self, state: str, operation: Operation, before: Sequence[Operation]) -> bool:
        return True


@dataclass(frozen=True)
class SellsForNothing(Stock):
    """Takes each deduction for a look."""

    def reads(self, operation: Operation) -> bool:
        return operation.op != "restock"


STRINGS = StringStore()


@dataclass(frozen=True)
class ByTheOtherSearch:
    """A StringStore that does not look ahead, so that all orders are kept at once."""

    initial: str = ""

    def partition(self, operation: Operation) -> Hashable:
        return STRINGS.partition(operation)

    def reads(self, operation: Operation) -> bool:
        return STRINGS.reads(operation)

    def step(self, state: str, operation: Operation) -> Any:
        return STRINGS.step(state, operation)


def without_pending(recorded: list[Operation]) -> list[Operation]:
    return [operation for operation in recorded if operation.completed]


def all_at_once(recorded: list[Operation]) -> list[Operation]:
    return [replace(operation, call=0, return_=operation.return_ and 99) for operation in recorded]


def one_after_the_other(recorded: list[Operation]) -> list[Operation]:
    by_call = sorted(recorded, key=lambda operation: operation.call)
    return [
        replace(operation, call=2 * place, return_=None if operation.return_ is None else 2 * place + 1)
        for place, operation in enumerate(by_call)
    ]


def pending_must_happen(recorded: list[Operation]) -> list[Operation]:
    return [replace(o, return_=99 if o.return_ is None else o.return_, error=None) for o in recorded]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (Register(), StartsAtOne()),
        (StringStore(), OneForAll()),
        (StringStore(), PartsByOperation()),
        (StringStore(), ForgetsPuts()),
        (FifoQueue(), LastInFirstOut()),
        (Stock(1), SellsForNothing(1)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_wrong_model_is_found(right: Model[Any], wrong: Model[Any]) -> None:
    assert disagreements(right, lambda recorded: isinstance(check_model(recorded, wrong), Linearizable)) > 2


@pytest.mark.parametrize(
    "mistake",
    [without_pending, all_at_once, one_after_the_other, pending_must_happen],
    ids=lambda m: m.__name__,
)
def test_a_checker_that_mistakes_the_history_is_found(
    mistake: Callable[[list[Operation]], list[Operation]],
) -> None:
    model = Register()

    def decide(recorded: list[Operation]) -> bool:
        return isinstance(check_model(mistake(recorded), model), Linearizable)

    assert disagreements(model, decide) > 2


def test_an_order_that_the_model_refuses_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = [operation("write", (1,), None, 0, 1), operation("read", (), 1, 2, 3)]
    for order, wrong in (([1, 0], "returned before"), ([0], "leaves one out"), ([0, 0, 1], "twice")):
        monkeypatch.setattr(any_model, "find_order", lambda *_, order=order: Explained(order))
        with pytest.raises(InternalError, match=wrong):
            check_model(recorded, Register())
    recorded = [operation("write", (1,), None, 0, 9), operation("read", (), 1, 0, 9)]
    monkeypatch.setattr(any_model, "find_order", lambda *_: Explained([1, 0]))
    with pytest.raises(InternalError, match="is not possible in state None"):
        check_model(recorded, Register())


def test_both_searches_decide_alike_and_name_the_same_return() -> None:
    rng = random.Random(7)
    linearizable = 0
    for _ in range(400):
        recorded = history(StringStore(), rng, 12)
        recorded = [o if o.error is None else replace(o, error=None, return_=None) for o in recorded]
        answer, other = check_model(recorded, StringStore()), check_model(recorded, ByTheOtherSearch())
        assert type(answer) is type(other)
        linearizable += isinstance(answer, Linearizable)
        if isinstance(answer, Violation) and isinstance(other, Violation):
            assert first_return(answer) == first_return(other)
    assert 50 < linearizable < 375


def first_return(violation: Violation) -> str:
    (found,) = re.findall(r" at \d+\.\.(\d+)", violation.explanation)
    return str(found)


def clients(count: int, size: int, keys: int, wrong: bool) -> list[Operation]:
    """What `count` clients that never rest see of a right StringStore; perhaps one late `get` is wrong."""
    rng, now = random.Random(count), iter(range(10**9))
    store: dict[str, str] = {}
    moments: list[tuple[float, int, int]] = [(rng.random(), client, 0) for client in range(count)]
    running: dict[int, Operation] = {}
    recorded: list[Operation] = []
    heapify(moments)
    while len(recorded) < size:
        time, client, stage = heappop(moments)
        if stage == 0:
            key, value = str(rng.randrange(keys)), f"x {client} {len(recorded)} y"
            op = rng.choices(["get", "append", "put"], [10, 9, 1])[0]
            running[client] = Operation(
                client, op, key, () if op == "get" else (value,), None, next(now), None
            )
        elif stage == 1:
            call = running[client]
            if call.op == "get":
                running[client] = replace(call, result=store.get(call.key, ""))
            else:
                before = store.get(call.key, "") if call.op == "append" else ""
                store[call.key] = before + call.args[0]
        else:
            recorded.append(replace(running[client], return_=next(now)))
        heappush(moments, (time + rng.expovariate(1), client, (stage + 1) % 3))
    if wrong:
        place = next(p for p in range(size * 3 // 4, size) if recorded[p].op == "get" and recorded[p].result)
        recorded[place] = replace(recorded[place], result=recorded[place].result[:-1] + "z")
    done = {(operation.client, operation.call) for operation in recorded}
    return recorded + [replace(o, result=None) for o in running.values() if (o.client, o.call) not in done]


@pytest.mark.parametrize("wrong", [False, True])
def test_strings_that_many_clients_append_to_are_decided_in_seconds(wrong: bool) -> None:
    start = perf_counter()
    answer = check_model(clients(50, 2000, 10, wrong), StringStore(), limit_seconds=60)
    assert isinstance(answer, Violation if wrong else Linearizable)
    assert perf_counter() - start < 30


# -- what an answer says


def operation(
    op: str, args: tuple[Any, ...], result: Any, call: int, return_: int | None, key: Any = None
) -> Operation:
    return Operation(call, op, key, args, result, call, return_)


def test_values_that_python_cannot_hash_or_tell_apart() -> None:
    recorded = [operation("write", ([1],), None, 0, 1), operation("read", (), [1], 2, 3)]
    assert isinstance(check_model(recorded, Register()), Linearizable)
    recorded = [operation("enqueue", (1,), None, 0, 1), operation("dequeue", (), True, 2, 3)]
    assert isinstance(check_model(recorded, FifoQueue()), Violation)


def test_a_core_has_the_changes_and_the_reads_that_are_needed() -> None:
    recorded = [
        operation("append", ("x",), None, 0, 1, "a"),
        *(operation("get", (), "x", 2 * n, 2 * n + 1, "a") for n in range(1, 9)),
        operation("append", ("y",), None, 20, 21, "b"),
        operation("get", (), "", 22, 23, "a"),
        operation("get", (), "x", 24, 25, "a"),
    ]
    answer = check_model(History(tuple(recorded)), StringStore())
    assert isinstance(answer, Violation)
    assert answer.core == (recorded[0], recorded[10])
    assert answer.key == "a"
    assert answer.explanation == (
        "up to client 22's get('a') -> '' at 22..23 no order of these 2 operations on 'a' explains their results; "
        "those that change the state were not searched for fewer"
    )


def test_a_core_of_one() -> None:
    answer = check_model([operation("get", (), 1, 2, 3)], Counter())
    assert isinstance(answer, Violation)
    assert answer.key is ALL_KEYS
    assert answer.explanation == "no state that can be reached explains client 2's get() -> 1 at 2..3"


def test_an_unanswered_read_says_nothing() -> None:
    recorded = [operation("read", (), None, 0, None), operation("write", (1,), None, 0, 1)]
    answer = check_model(recorded, Register())
    assert isinstance(answer, Linearizable)
    assert [witness.order for witness in answer.witness] == [(recorded[1],)]


def test_the_parts_are_in_the_order_in_which_they_are_met() -> None:
    recorded = [operation("put", ("x",), None, n, n, key) for n, key in enumerate("cabac")]
    answer = check_model(recorded, StringStore())
    assert isinstance(answer, Linearizable)
    assert [witness.key for witness in answer.witness] == ["c", "a", "b"]


def hard(key: str, size: int = 12) -> list[Operation]:
    """Appends of which each order is a state of its own."""
    appends = [operation("append", (str(n),), None, n, 100 + n, key) for n in range(size)]
    return [*appends, operation("get", (), "?", 200, 201, key)]


def test_a_bound_that_runs_out_is_unknown_and_hides_no_violation() -> None:
    answer = check_model(hard("a"), Blind(), max_configurations=1000)
    assert answer == Unknown("the bound of 1000 configurations ran out on 'a'")
    start = perf_counter()
    answer = check_model(hard("a"), Blind(), limit_seconds=0.2)
    assert answer == Unknown("the time limit ran out on 'a'")
    assert perf_counter() - start < 2
    wrong = operation("get", (), "x", 0, 1, "b")
    assert isinstance(check_model([*hard("a"), wrong], Blind(), max_configurations=1000), Violation)


@pytest.mark.parametrize("bounds", [{"max_configurations": 0}, {"limit_seconds": 0}, {"limit_seconds": -1}])
def test_a_bound_is_positive(bounds: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        check_model([], Register(), **bounds)


def test_an_operation_that_returns_before_its_call_is_refused() -> None:
    with pytest.raises(ValueError, match="operation 0 returns at 1, before its call"):
        check_model([operation("read", (), None, 2, 1)], Register())


@dataclass(frozen=True)
class Careless:
    initial: Any = 0

    def step(self, state: Any, operation: Operation) -> Any:
        return {"list": [state], "divide": 1}[operation.op] if operation.op == "list" else 1 // 0


@pytest.mark.parametrize(
    ("op", "model", "wrong"),
    [
        ("list", Careless(), "list() -> None in state 0: TypeError: unhashable type: 'list'"),
        ("divide", Careless(), "divide() -> None in state 0: ZeroDivisionError:"),
        ("list", Careless([]), "the initial state of the model: TypeError: unhashable type: 'list'"),
        ("pop", Register(), "pop() -> None in state None: ValueError: no operation 'pop' with 0 argument(s)"),
        ("read", BankAccounts(), "read() -> None in state (100, 100): ValueError: no operation 'read'"),
    ],
)
def test_a_model_that_cannot_be_used_is_told_in_one_line(op: str, model: Model[Any], wrong: str) -> None:
    with pytest.raises(ModelError) as caught:
        check_model([operation(op, (), None, 0, 1)], model)
    assert str(caught.value).startswith(wrong)
    assert "\n" not in str(caught.value)


# -- the file


def test_a_history_of_any_operation_is_read(tmp_path: Any) -> None:
    lines = [
        {"client": 0, "op": "enqueue", "key": None, "args": [[1]], "result": None, "call": 0, "return": 1},
        {"client": 1, "op": "dequeue", "key": None, "args": [], "result": [1], "call": 2, "return": 3},
        {"client": 1, "op": "dequeue", "key": "k", "args": [], "result": None, "call": 4, "return": None},
    ]
    raw = [json.dumps(line).encode() + b"\n" for line in lines]
    read = History.parse(raw, "h", any_operation=True)
    assert isinstance(check_model(read, FifoQueue()), Linearizable)
    assert [*map(str, read.operations)] == [
        "enqueue([1]) -> None",
        "dequeue() -> [1]",
        "dequeue('k') pending",
    ]
    assert [*read.lines()] == raw
    with pytest.raises(HistoryError, match="h:1: op: no operation 'enqueue'"):
        History.parse(raw, "h")


@pytest.mark.parametrize(
    ("field", "value", "wrong"),
    [
        ("op", "", "op: the name of the operation is empty"),
        ("return", -1, "return: -1 is before the call at 0"),
        ("return", None, "result: a pending operation"),
        ("error", "E", "error: an operation that raised has no result"),
    ],
)
def test_a_history_of_any_operation_is_still_read_strictly(field: str, value: Any, wrong: str) -> None:
    line = {
        "client": 0,
        "op": "add",
        "key": None,
        "args": [1],
        "result": 5,
        "call": 0,
        "return": 1,
        field: value,
    }
    with pytest.raises(HistoryError, match=f"^h:1: {wrong}"):
        History.parse([json.dumps(line).encode()], "h", any_operation=True)


# -- the manual

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()


def test_the_model_of_the_manual_works_and_is_short(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "models.py").write_text(program)
    runpy.run_path(str(tmp_path / "models.py"))
    model = re.search(r"@dataclass.*?\n\n\n", program, re.DOTALL)
    assert model is not None
    assert len(model[0].split("\n")) < 20


def test_each_model_is_in_the_manual_and_short() -> None:
    stated = re.findall(r"^\| `([A-Z]\w+)` \|", PAGE, re.MULTILINE)
    assert stated == [type(model).__name__ for model in MODELS]
    for model in MODELS:
        lines = inspect.getsource(type(model)).split('"""')[-1].splitlines()
        assert len([line for line in lines if line.strip()]) < 20
