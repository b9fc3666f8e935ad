"""Modules take locks at import in many ways; each of these must be replaced while it is under test."""

from __future__ import annotations

import threading
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
    def __init__(self, make: Callable[[], Any] = Lock) -> None:
        self.lock = make()


@dataclass
class ByFactory:
    lock: Any = field(default_factory=Lock)


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
        "factory": ByFactory().lock,
    }
