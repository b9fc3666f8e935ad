"""The inventories, right and wrong: random scenarios, slips that somebody might make, real threads."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import product
from math import ceil
from typing import Any

from mutants import Detector, Mutant
from together import Hang, run_together, switching_often

from mapproof.impl import inventory
from mapproof.impl.inventory import Inventory
from mapproof.spec.evidence import Verdict
from mapproof.spec.linearizability import Linearizable
from mapproof.spec.linearizability.any_model import check_model
from mapproof.spec.objects import Stock
from mapproof.spec.recorder import Client, Recorder
from mapproof.stateful_tests.catalogue.inventory import INVENTORIES, INVENTORY, scenario_of
from mapproof.stateful_tests.execution import Checks
from mapproof.stateful_tests.exploration import Explored
from mapproof.stateful_tests.objects import ObjectScenario, exhaust, sample


def random_scenario(rng: random.Random, make: Callable[[], Any]) -> ObjectScenario:
    """Two or three clients of up to three calls on one item or two."""
    items = rng.choice(("a", "ab"))

    def words(most: int) -> str:
        return "; ".join(_random_call(rng, items) for _ in range(rng.randint(1, most)))

    threads = tuple(words(3) for _ in range(rng.choice((2, 2, 3))))
    setup = f"restock a {rng.randint(1, 3)}; {words(2)}"
    return scenario_of(" | ".join((setup, *threads)), make, setup, threads)


def _random_call(rng: random.Random, items: str) -> str:
    method = rng.choice(("deduct", "deduct", "deduct", "restock", "available"))
    quantity = "" if method == "available" else rng.choice((1, 1, 2, 3))
    return f"{method} {rng.choice(items)} {quantity}"


# -- slips


def _slip(
    subject: str, wrong: str, before: str, after: str, detector: Detector, scenario: str, says: str
) -> Mutant:
    return Mutant(subject, wrong, inventory, before, after, detector, scenario, says)


_RW = partial(_slip, "RWMutexInventory")
_MUTEX = partial(_slip, "MutexInventory")
_CAS = partial(_slip, "CasInventory")

_LOOK_AGAIN = """\
            available = self.stock.get(item, 0)
            if available >= quantity:
                self.stock[item] = available - quantity
                return True
            return False
"""

MUTANTS: tuple[Mutant, ...] = (
    _RW(
        "no second look",
        f"        with self.mu.writing():\n{_LOOK_AGAIN}",
        """\
        with self.mu.writing():
            self.stock[item] = available - quantity
            return True
""",
        Detector.LINEARIZABILITY,
        "two buyers of the last piece",
        r"NOT LINEARIZABLE: up to client \d's deduct\('a', 1\) -> True",
    ),
    _RW(
        "no second look, but the stock of the moment is reduced",
        f"        with self.mu.writing():\n{_LOOK_AGAIN}",
        """\
        with self.mu.writing():
            self.stock[item] = self.stock.get(item, 0) - quantity
            return True
""",
        Detector.INVARIANT,
        "two buyers of the last piece",
        r"BROKEN INVARIANT: 'a' is oversold: its stock is -1",
    ),
    _RW(
        "the second look is over before the write lock is asked for",
        f"        with self.mu.writing():\n{_LOOK_AGAIN}",
        """\
        with self.mu.reading():
            available = self.stock.get(item, 0)
        if available < quantity:
            return False
        with self.mu.writing():
            self.stock[item] = available - quantity
            return True
""",
        Detector.LINEARIZABILITY,
        "two buyers of the last piece",
        r"NOT LINEARIZABLE: .*these \d operations on 'a'",
    ),
    _RW(
        "a buyer who comes too late keeps the read lock",
        """\
        with self.mu.reading():
            available = self.stock.get(item, 0)
        if available < quantity:
            return False
        with""",
        """\
        self.mu.rlock()
        available = self.stock.get(item, 0)
        if available < quantity:
            return False
        self.mu.runlock()
        with""",
        Detector.DEADLOCK,
        "a buyer who comes too late",
        r"DEADLOCK: .*client 2 waits to acquire mu\.writerSem",
    ),
    _RW(
        "the write lock is asked for with the read lock held",
        f"""\
        if available < quantity:
            return False
        with self.mu.writing():
{_LOOK_AGAIN}""",
        f"""\
            if available < quantity:
                return False
            self.mu.lock()
{_LOOK_AGAIN.replace("            return False", "            self.mu.unlock()")}            return False
""",
        Detector.DEADLOCK,
        "two buyers of the last piece",
        r"DEADLOCK: client 1 waits to acquire mu\.writerSem",
    ),
    _RW(
        "restock takes no lock",
        "        with self.mu.writing():\n            self.stock[item] = self.stock.get(item, 0) + quantity",
        "        self.stock[item] = self.stock.get(item, 0) + quantity",
        Detector.RACE,
        "a restock meets a buyer",
        r"DATA RACE",
    ),
    _RW(
        "the stock is written after the write lock was given back",
        _LOOK_AGAIN,
        """\
            available = self.stock.get(item, 0)
            if available < quantity:
                return False
        self.stock[item] = available - quantity
        return True
""",
        Detector.INVARIANT,
        "two buyers of the last piece",
        r"BROKEN INVARIANT: the stock went from \{'a': 1\} to \{'a': 0\}, but changes only while a writer has mu for itself",
    ),
    _RW(
        "deducts under the read lock",
        f"        with self.mu.writing():\n{_LOOK_AGAIN}",
        f"        with self.mu.reading():\n{_LOOK_AGAIN}",
        Detector.RACE,
        "two buyers of the last piece",
        r"DATA RACE",
    ),
    _RW(
        "looks without a lock",
        "        with self.mu.reading():\n            pieces: int = self.stock.get(item, 0)",
        "        pieces: int = self.stock.get(item, 0)",
        Detector.RACE,
        "a look meets a restock",
        r"DATA RACE",
    ),
    _RW(
        "the last piece is not sold",
        "            available = self.stock.get(item, 0)\n        if available < quantity:",
        "            available = self.stock.get(item, 0)\n        if available <= quantity:",
        Detector.ANSWERS,
        "",
        r"deduct\('.', (\d)\) answered False with \1 in stock",
    ),
    _MUTEX(
        "a buyer who comes too late keeps the lock",
        """\
        with self.mu:
            available = self.stock.get(item, 0)
            if available < quantity:
                return False
            self.stock[item] = available - quantity
            return True
""",
        """\
        self.mu.lock()
        available = self.stock.get(item, 0)
        if available < quantity:
            return False
        self.stock[item] = available - quantity
        self.mu.unlock()
        return True
""",
        Detector.DEADLOCK,
        "a buyer who comes too late",
        r"DEADLOCK: .*waits to lock mu, held by client 1",
    ),
    _MUTEX(
        "takes the pieces first, and puts them back if they were too many",
        """\
            if available < quantity:
                return False
            self.stock[item] = available - quantity
            return True
""",
        """\
            self.stock[item] = available - quantity
            if available < quantity:
                self.stock[item] = available
            return available >= quantity
""",
        Detector.INVARIANT,
        "two buyers of the last piece",
        r"BROKEN INVARIANT: 'a' is oversold: its stock is -1",
    ),
    _MUTEX(
        "looks in one critical section and takes in another",
        "                return False\n            self.stock[item] = available - quantity\n",
        "                return False\n        with self.mu:\n            self.stock[item] = available - quantity\n",
        Detector.LINEARIZABILITY,
        "buyers of more than there is",
        r"NOT LINEARIZABLE: .*deduct\('a', 2\) -> True",
    ),
    _CAS(
        "compares with a second look",
        "self.stock.compare_and_swap(item, available, available - quantity)",
        "self.stock.compare_and_swap(item, self.stock.load(item)[0], available - quantity)",
        Detector.LINEARIZABILITY,
        "two buyers of the last piece",
        r"NOT LINEARIZABLE: up to client \d's deduct\('a', 1\) -> True",
    ),
    _CAS(
        "stores what it computed, whatever came meanwhile",
        """\
            if self.stock.compare_and_swap(item, available, available - quantity):
                return True
""",
        """\
            self.stock.store(item, available - quantity)
            return True
""",
        Detector.LINEARIZABILITY,
        "three buyers of two pieces",
        r"NOT LINEARIZABLE: .*deduct\('a', 1\) -> True",
    ),
    _CAS(
        "a restock is tried once",
        """\
        while known and not self.stock.compare_and_swap(item, available, available + quantity):
            available, _ = self.stock.load(item)
""",
        """\
        if known:
            self.stock.compare_and_swap(item, available, available + quantity)
""",
        Detector.LINEARIZABILITY,
        "two restocks",
        r"NOT LINEARIZABLE: up to client 0's available\('a'\) -> [23] ",
    ),
    _CAS(
        "a first restock does not ask whether another came first",
        "        available, known = self.stock.load_or_store(item, quantity)\n",
        """\
        available, known = self.stock.load(item)
        if not known:
            self.stock.store(item, quantity)
""",
        Detector.LINEARIZABILITY,
        "two first restocks",
        r"NOT LINEARIZABLE: ",
    ),
    _CAS(
        "tries again with what it saw first",
        """\
        while True:
            available, known = self.stock.load(item)
            if not known or available < quantity:
                return False
""",
        """\
        available, known = self.stock.load(item)
        if not known or available < quantity:
            return False
        while True:
""",
        Detector.PROGRESS,
        "two buyers of the last piece",
        r"NEVER ENDS: ",
    ),
)

_WATCHES: Mapping[Detector, tuple[Checks, Stock | None]] = {
    Detector.LINEARIZABILITY: (Checks(), Stock()),
    Detector.RACE: (Checks(races=True), None),
    Detector.INVARIANT: (Checks(invariants=True), None),
    Detector.DEADLOCK: (Checks(), None),
    Detector.PROGRESS: (Checks(), None),
}
"""What each detector watches, and by what it judges the answers."""


def caught(mutant: Mutant) -> str:
    """What the named detector says of the mutant, "" if nothing."""
    make = mutant.built()
    if mutant.detector is Detector.ANSWERS:
        return divergence(make)
    checks, model = _WATCHES[mutant.detector]
    scenario = scenario_of(mutant.scenario, make, *INVENTORY[mutant.scenario])
    return account(exhaust(replace(scenario, checks=checks, model=model), bound=2))


def account(explored: Explored) -> str:
    """The account of a failure, or why nothing can be said; "" if nothing was found."""
    if explored.counterexample is not None:
        return f"{explored.name}: {explored.counterexample.account}"
    return f"{explored.name}: {explored.scope}" if explored.verdict is Verdict.INCONCLUSIVE else ""


def divergence(make: Callable[[], Any], programs: int = 50) -> str:
    """The first answer in random programs of one thread that is not that of a dict."""
    rng = random.Random(1)
    for _ in range(programs):
        shop, stock = make(), dict.fromkeys("ab", 0)
        for _ in range(20):
            item, quantity = rng.choice("ab"), rng.choice((1, 1, 2, 3))
            match rng.randrange(3):
                case 0:
                    shop.restock(item, quantity)
                    stock[item] += quantity
                case 1:
                    enough = quantity <= stock[item]
                    if (sold := shop.deduct(item, quantity)) is not enough:
                        return f"deduct({item!r}, {quantity}) answered {sold} with {stock[item]} in stock"
                    stock[item] -= quantity if enough else 0
                case _:
                    if (pieces := shop.available(item)) != stock[item]:
                        return f"available({item!r}) answered {pieces} with {stock[item]} in stock"
    return ""


# -- no false alarms

OF_ONE_DRAWN = 50
"""Random schedules of one drawn scenario."""


def alarms(schedules: int, seed: int) -> list[str]:
    """Accounts of what is found wrong with the inventories as they are, in so many random schedules, half of them of
    drawn scenarios, and in those within a bound, half as many at most."""
    rng, found = random.Random(seed), list[Explored]()
    share = max(2, ceil(schedules / (2 * len(INVENTORIES) * len(INVENTORY))))
    for make in INVENTORIES.values():
        named = [scenario_of(name, make, *programs) for name, programs in INVENTORY.items()]
        drawn = [random_scenario(rng, make) for _ in range(ceil(share * len(INVENTORY) / OF_ONE_DRAWN))]
        for scenario, most in (*product(named, [share]), *product(drawn, [OF_ONE_DRAWN])):
            found += [exhaust(scenario, limit=most // 2), sample(scenario, schedules=most, seed=seed)]
    return [text for explored in found if (text := account(explored))]


# -- real threads

CLIENTS = 8
CALLS = 40
"""Calls of each client in a round."""


ROUND_SECONDS = 30.0
"""A round takes milliseconds; one that takes longer than this hangs."""


def real_threads(
    seconds: float,
    inventories: Mapping[str, Callable[[], Any]] = INVENTORIES,
    round_seconds: float = ROUND_SECONDS,
) -> str:
    """Rounds of eight real threads at each inventory: `LINEARIZABLE: so many operations`, or what is wrong."""
    deadline = time.monotonic() + seconds
    rounds = operations = 0
    while rounds == 0 or time.monotonic() < deadline:
        for name, make in inventories.items():
            recorded, wrong = _one_round(make(), rounds, round_seconds)
            if wrong:
                return f"{name}, round {rounds}: {wrong}"
            operations += recorded
        rounds += 1
    return f"LINEARIZABLE: {operations:,} operations of {CLIENTS} threads in {rounds:,} rounds"


def _one_round(shop: Any, seed: int, seconds: float) -> tuple[int, str]:
    """How many operations were recorded, and what is wrong with them, "" if nothing."""
    recorder = Recorder()
    try:
        with switching_often():
            run_together(
                [partial(_client, recorder, shop, seed * CLIENTS + n) for n in range(CLIENTS)], seconds
            )
    except Hang as hang:
        return 0, str(hang)
    for item in "ab":
        _call(recorder.client(), shop, "available", item)
    history = recorder.history()
    if broken := [operation for operation in history.operations if not operation.completed]:
        return len(history), f"{broken[0]}"
    decided = check_model(history, Stock(), limit_seconds=60)
    if isinstance(decided, Linearizable):
        shop.check_invariants()
        return len(history), ""
    return len(history), f"{decided.verdict}: {decided}"


def _client(recorder: Recorder, shop: Inventory, seed: int) -> None:
    rng, mine = random.Random(seed), recorder.client()
    for _ in range(CALLS):
        method, item, *quantity = _random_call(rng, "ab").split()
        _call(mine, shop, method, item, *map(int, quantity))


def _call(client: Client, shop: Inventory, method: str, item: str, *quantity: int) -> None:
    """Record the call; what it raises is in the record."""
    with suppress(Exception), client.operation(method, item, *quantity) as running:
        running.result = getattr(shop, method)(item, *quantity)
