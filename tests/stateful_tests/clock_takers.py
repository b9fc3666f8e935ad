"""Modules take clocks at import in many ways; each of these must be replaced while it is under test."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, perf_counter

clocks = {"ticks": time.monotonic}
partial = functools.partial(time.monotonic)


class ByDefault:
    def __init__(
        self, timer: Callable[[], float] = time.monotonic, *, other: Callable[[], float] = monotonic
    ) -> None:
        self.timer, self.other = timer, other


class ByAttribute:
    timer = staticmethod(time.monotonic)


@dataclass
class ByField:
    timer: Callable[[], float] = time.monotonic
    now: float = field(default_factory=time.monotonic)


def enclosed(timer: Callable[[], float]) -> Callable[[], float]:
    return lambda: timer()


closure = enclosed(time.monotonic)
singleton = ByDefault()


def every_clock() -> dict[str, Callable[[], float]]:
    return {
        "name": lambda: monotonic(),
        "another": lambda: perf_counter(),
        "default": ByDefault().timer,
        "default by name": ByDefault().other,
        "attribute": lambda: ByAttribute.timer(),
        "field": ByField().timer,
        "factory": lambda: ByField().now,
        "closure": closure,
        "partial": lambda: partial(),
        "dictionary": lambda: clocks["ticks"](),
        "singleton": lambda: singleton.timer(),
    }
