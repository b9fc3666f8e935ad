"""Tests that start a thread, as one would write them for pytest: `mapproof check` runs them in many orders."""

from threading import Lock, Thread


class Tickets:
    def __init__(self) -> None:
        self.last = 0

    def take(self) -> int:
        self.last += 1
        return self.last


class LockedTickets(Tickets):
    def __init__(self) -> None:
        super().__init__()
        self.lock = Lock()

    def take(self) -> int:
        with self.lock:
            return super().take()


def take_two(tickets: Tickets) -> None:
    taken = []
    other = Thread(target=lambda: taken.append(tickets.take()), name="other")
    other.start()
    mine = tickets.take()
    other.join()
    assert taken != [mine]


def test_tickets() -> None:
    take_two(Tickets())


def test_locked_tickets() -> None:
    take_two(LockedTickets())
