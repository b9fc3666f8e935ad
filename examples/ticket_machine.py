"""A counter of tickets, and a state machine that runs its rules at once: `python examples/ticket_machine.py`.

Nothing says what `take` should answer. The answers of threads that run at once must be those of the same rules, one after
the other, and two threads with the same ticket are not.
"""

from typing import Any

from hypothesis.stateful import rule

from mapproof.stateful_tests.interleaved import (
    InterleavedStateMachine,
    MachineIsWrong,
    observer,
    run_interleaved,
)


class Tickets:
    def __init__(self) -> None:
        self.last = 0

    def take(self) -> int:
        self.last += 1
        return self.last


class TicketMachine(InterleavedStateMachine):
    trace = (__file__,)  # threads are switched in this file; not needed where Tickets has a module of its own

    def __init__(self) -> None:
        super().__init__()
        self.tickets = Tickets()

    @rule()
    def take(self) -> Any:
        return self.tickets.take()

    @observer()
    def last(self) -> Any:
        return self.tickets.last


if __name__ == "__main__":
    try:
        run_interleaved(TicketMachine)
    except MachineIsWrong as wrong:
        print(wrong)
