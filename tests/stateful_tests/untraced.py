"""Code that is not under test: a thread is never switched inside of it."""

from __future__ import annotations


class Holder:
    def __init__(self) -> None:
        self.v = 0

    def increment(self) -> None:
        self.v += 1


class Doubling:
    """A property whose function reads another attribute."""

    def __init__(self) -> None:
        self.v = 0

    @property
    def doubled(self) -> int:
        return 2 * self.v
