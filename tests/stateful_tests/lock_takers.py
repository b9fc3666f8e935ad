"""Modules take locks at import in many ways; each of these must be replaced while it is under test."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock, RLock, get_ident
from typing import Any

module_lock = Lock()
module_rlock = RLock()


class ByName:
    def __init__(self) -> None:
        self.lock, self.rlock, self.owner = Lock(), RLock(), get_ident()


class ByClassAttribute:
    lock = Lock()
    rlock = threading.RLock()
    make: Callable[[], Any] = Lock


class ByDefault:
    def __init__(self, make: Callable[[], Any] = Lock, *, also: Callable[[], Any] = RLock) -> None:
        self.lock, self.rlock = make(), also()


@dataclass
class ByFactory:
    lock: Any = field(default_factory=Lock)


class Registry:
    """A singleton, with locks in containers and in objects of its own."""

    __slots__ = ("by_key", "changed", "inner", "queue", "stripes", "waiting")

    def __init__(self) -> None:
        self.stripes = [Lock() for _ in range(2)]
        self.by_key = {"a": (1, RLock())}
        self.changed = threading.Condition()
        self.waiting = deque([threading.Semaphore(1)])
        self.inner = ByName()


class Nested:
    class Inner:
        lock = Lock()

    @staticmethod
    def given(lock: Any = module_lock) -> Any:
        return lock

    @property
    def asked(self) -> Any:
        return self.given()


def enclosing() -> Callable[[], Any]:
    lock = Lock()
    return lambda: lock


registry = Registry()
closure = enclosing()
event = threading.Event()
bounded = threading.BoundedSemaphore(2)
barrier = threading.Barrier(2)
make_later = functools.partial(Lock)
guarded = functools.partial(lambda lock, other: (lock, other), module_lock, other=module_rlock)
method = registry.inner.lock.acquire


def counted() -> Any:
    return counted.lock  # type: ignore[attr-defined]


counted.lock = Lock()  # type: ignore[attr-defined]


def every_lock() -> dict[str, Any]:
    return {
        "module": module_lock,
        "module, recursive": module_rlock,
        "name": ByName().lock,
        "name, recursive": ByName().rlock,
        "class": ByClassAttribute.lock,
        "class, recursive": ByClassAttribute.rlock,
        "class of locks": ByClassAttribute.make(),
        "default": ByDefault().lock,
        "default by name, recursive": ByDefault().rlock,
        "factory": ByFactory().lock,
        "slot, list": registry.stripes[1],
        "slot, dictionary, tuple, recursive": registry.by_key["a"][1],
        "slot, condition, recursive": registry.changed._lock,  # type: ignore[attr-defined]
        "slot, deque, semaphore": registry.waiting[0]._cond._lock,  # type: ignore[attr-defined]
        "slot, object": registry.inner.lock,
        "slot, object, recursive": registry.inner.rlock,
        "nested class": Nested.Inner.lock,
        "default of a static method": Nested.given(),
        "default behind a property": Nested().asked,
        "closure": closure(),
        "event": event._cond._lock,  # type: ignore[attr-defined]
        "semaphore": bounded._cond._lock,  # type: ignore[attr-defined]
        "barrier": barrier._cond._lock,  # type: ignore[attr-defined]
        "partial": make_later(),
        "argument of a partial": guarded()[0],
        "keyword of a partial, recursive": guarded()[1],
        "bound method": method.__self__,  # type: ignore[attr-defined]
        "attribute of a function": counted(),
    }
