"""Machines for the objects of `interleaved_objects`, as a user writes them."""

from __future__ import annotations

from typing import Any

import interleaved_objects as objects
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, initialize, invariant, rule

from mapproof.stateful_tests.interleaved import InterleavedStateMachine, observer

ACCOUNTS = st.sampled_from("ab")


def counter_machine(make: objects.Make) -> type[InterleavedStateMachine]:
    class CounterMachine(InterleavedStateMachine):
        schedules = 20

        def __init__(self) -> None:
            super().__init__()
            self.counter = make()

        @rule()
        def increment(self) -> None:
            self.counter.increment()

        @observer()
        def value(self) -> Any:
            return self.counter.value()

    return CounterMachine


def queue_machine(make: objects.Make) -> type[InterleavedStateMachine]:
    class QueueMachine(InterleavedStateMachine):
        schedules = 20

        def __init__(self) -> None:
            super().__init__()
            self.queue = make()

        @rule(item=st.integers(0, 9))
        def put(self, item: int) -> Any:
            return self.queue.put(item)

        @rule()
        def get(self) -> Any:
            return self.queue.get()

    return QueueMachine


def bank_machine(make: objects.Make) -> type[InterleavedStateMachine]:
    class BankMachine(InterleavedStateMachine):
        """Its rules answer nothing: the invariant is all that it is held to."""

        schedules = 20

        @initialize()
        def open(self) -> None:
            self.bank = make()

        @rule(source=ACCOUNTS, to=ACCOUNTS, amount=st.integers(1, 3))
        def transfer(self, source: str, to: str, amount: int) -> None:
            self.bank.transfer(source, to, amount)

        @invariant()
        def total_is_kept(self) -> None:
            assert self.bank.total() == 10, f"{self.bank.total()} in all"

    return BankMachine


def cache_machine(make: objects.Make) -> type[InterleavedStateMachine]:
    class CacheMachine(InterleavedStateMachine):
        schedules = 20

        def __init__(self) -> None:
            super().__init__()
            self.cache = make()

        @rule(key=st.integers(0, 1))
        def get(self, key: int) -> Any:
            return self.cache.get(key)

        @rule(key=st.integers(0, 1))
        def forget(self, key: int) -> Any:
            return self.cache.forget(key)

    return CacheMachine


class FilesMachine(InterleavedStateMachine):
    """Files are made by rules, written by whoever knows them, and closed by whoever is the only one to."""

    files = Bundle("file")

    def __init__(self) -> None:
        super().__init__()
        self.all = objects.Files()

    @rule(target=files)
    def open(self) -> Any:
        return self.all.open()

    @rule(file=files)
    def write(self, file: objects.File) -> None:
        file.write()

    @rule(file=consumes(files))
    def close(self, file: objects.File) -> None:
        file.close()


MACHINES = {
    "counter": (counter_machine, objects.Counter, objects.LockedCounter),
    "queue": (queue_machine, objects.LostWakeUp, objects.BoundedQueue),
    "bank": (bank_machine, objects.Bank, objects.LockedBank),
    "cache": (cache_machine, objects.Cache, objects.LockedCache),
}
