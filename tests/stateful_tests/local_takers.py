"""A module that derives from `threading.local` at import, as a map with a snapshot for each thread does."""

from __future__ import annotations

import threading


class Named(threading.local):
    def __init__(self, start: int = 0) -> None:
        super().__init__()
        self.value = start

    def add(self) -> int:
        self.value += 1
        return self.value


class Loud(Named):
    def add(self) -> int:
        return 10 * super().add()


plain = threading.local()
plain.value = "of the module"
named = Named()
loud = Loud()


def make() -> Named:
    return Loud(5)


class Told(threading.local):
    def __init__(self, value: int) -> None:
        self.value = value


told = Told(3)
