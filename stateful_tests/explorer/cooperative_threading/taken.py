"""What modules had taken of the real `threading` before it could be replaced, wherever they keep it.

The idea: walk from the names of a module through its classes, functions, singletons and containers, as deep as
programs usually hide a lock, and note what to put where. A lock that is reached in two ways is replaced by one.
What only C can see (a lock inside an iterator, say) stays real; a run that meets it ends by the watchdog.
"""

from __future__ import annotations

import functools
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures.thread import ThreadPoolExecutor
from dataclasses import dataclass
from types import BuiltinMethodType, CellType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from mapproof.stateful_tests.explorer.cooperative_threading import real
from mapproof.stateful_tests.explorer.cooperative_threading.local import Local, in_place_of_local
from mapproof.stateful_tests.explorer.cooperative_threading.locks import Lock, RLock
from mapproof.stateful_tests.explorer.cooperative_threading.pools import SimpleQueue, semaphore

DEPTH = 6
"""So many steps away from a module's name: a singleton's list of buckets of Conditions of locks is within."""

MOST = 20_000
"""So many objects are looked at in all."""

MOST_ITEMS = 1_000
"""So many are in a container whose content is looked at."""

_OWN_OF_THE_LIBRARY = frozenset(
    {"threading", "queue", "concurrent.futures.thread", "concurrent.futures._base", "functools"}
)
"""Modules of the standard library whose objects hold locks that a simulation must know."""

_NEVER = frozenset({"mapproof", "hypothesis", "pytest", "_pytest", "greenlet"})
"""Packages that do the testing and are not tested."""

_OURS = "mapproof.stateful_tests."

_ATOMS = (str, bytes, int, float, complex, bool, type(None), type(...), type(NotImplemented))

_REAL_LOCAL = threading.local
_REAL_QUEUE = queue.SimpleQueue

_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Change:
    """Something to put in the place of something else: an attribute of `owner`, or an item of it."""

    owner: Any
    key: Any
    new: Any
    is_item: bool = False

    def make(self) -> Callable[[], None]:
        """Put it there; answers what puts the old one back."""
        old = self._old()
        self._put(self.new)
        return lambda: self._put(old)

    def _old(self) -> Any:
        if self.is_item:
            return self.owner[self.key]
        if isinstance(self.owner, (ModuleType, type)):
            return vars(self.owner).get(self.key, _ABSENT)
        return getattr(self.owner, self.key)

    def _put(self, value: Any) -> None:
        if self.is_item:
            self.owner[self.key] = value
        elif value is _ABSENT:
            delattr(self.owner, self.key)
        elif isinstance(self.owner, (ModuleType, type, FunctionType, CellType)):
            setattr(self.owner, self.key, value)
        else:
            object.__setattr__(self.owner, self.key, value)


def taken_at_import(modules: Iterable[ModuleType], originals: Mapping[int, Any]) -> list[Change]:
    """What to change in these modules; `originals` maps the identity of each real thing to its replacement."""
    walk = _Walk(dict(originals))
    given = list(modules)
    for module in given:
        walk.take_locals(module)
    for module in [*given, *_referred_to(given)]:
        walk.visit_module(module)
    return walk.changes


def _referred_to(modules: list[ModuleType]) -> Iterator[ModuleType]:
    """The modules that these name, or whose classes and functions they name, where they are somebody's own."""
    seen = {module.__name__ for module in modules}
    for module in modules:
        for value in list(vars(module).values()):
            name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(name, str) and name not in seen:
                seen.add(name)
                package = name.partition(".")[0]
                if name in sys.modules and package not in _NEVER and package not in sys.stdlib_module_names:
                    yield sys.modules[name]


class _Walk:
    """Collects `changes`. A visit answers what is to stand in place of the object, itself if nothing is."""

    def __init__(self, replaced: dict[int, Any]) -> None:
        self.changes: list[Change] = []
        self._replaced = replaced
        self._seen: dict[int, Any] = {}

    def visit_module(self, module: ModuleType) -> None:
        if id(module) not in self._seen:
            self._seen[id(module)] = module
            self._module = module.__name__
            self._visit_attributes(module, module.__name__, DEPTH)

    def take_locals(self, module: ModuleType) -> None:
        """Make a cooperative twin of each class that was derived from the real `threading.local`."""
        self._module = module.__name__
        for value in list(vars(module).values()):
            if (
                isinstance(value, type)
                and value.__module__ == module.__name__
                and value is not _REAL_LOCAL
                and issubclass(value, _REAL_LOCAL)
            ):
                self._twin(value)

    def _twin(self, kind: type) -> type:
        if kind is _REAL_LOCAL:
            return Local
        if id(kind) not in self._replaced:
            bases = tuple(
                self._twin(base) if issubclass(base, _REAL_LOCAL) else base for base in kind.__bases__
            )
            namespace = {
                name: value for name, value in vars(kind).items() if name not in ("__dict__", "__weakref__")
            }
            made = self._replaced[id(kind)] = type(kind)(kind.__name__, bases, namespace)
            self._visit_attributes(made, kind.__qualname__, DEPTH)
        twin: type = self._replaced[id(kind)]
        return twin

    def _visit(self, value: Any, where: str, depth: int) -> Any:
        kind = type(value)
        if kind in _ATOMS or isinstance(value, ModuleType):
            return value
        if id(value) in self._replaced:
            return self._replaced[id(value)]
        if kind in real.LOCK_TYPES:
            return self._keep(value, (RLock if "RLock" in kind.__name__ else Lock)(_named(kind, where)))
        if isinstance(value, _REAL_LOCAL):
            return self._keep(value, in_place_of_local(value, self._twin(kind)))
        if kind is _REAL_QUEUE:
            return self._keep(value, SimpleQueue())
        if kind in (BuiltinMethodType, MethodType) and type(value.__self__) in real.LOCK_TYPES:
            return getattr(self._visit(value.__self__, where, depth), value.__name__)
        if kind is tuple:
            return self._visit_tuple(value, where, depth)
        if kind is functools.partial:
            return self._visit_partial(value, where, depth)
        if kind in (staticmethod, classmethod):
            function = self._visit(value.__func__, where, depth)
            return value if function is value.__func__ else self._keep(value, kind(function))
        if depth > 0 and id(value) not in self._seen and len(self._seen) < MOST:
            self._seen[id(value)] = value
            self._visit_content(value, where, depth - 1)
        return value

    def _keep(self, value: Any, new: Any) -> Any:
        self._replaced[id(value)] = new
        self._seen[id(value)] = value
        return new

    def _visit_tuple(self, value: tuple[Any, ...], where: str, depth: int) -> tuple[Any, ...]:
        found = tuple(
            self._visit(item, f"{where}[{i}]", depth - 1) for i, item in enumerate(value[:MOST_ITEMS])
        )
        changed = any(new is not old for new, old in zip(found, value, strict=False))
        return found + value[MOST_ITEMS:] if changed else value

    def _visit_partial(self, value: Any, where: str, depth: int) -> Any:
        function = self._visit(value.func, where, depth - 1)
        args = self._visit_tuple(value.args, where, depth)
        keywords = {name: self._visit(item, where, depth - 1) for name, item in value.keywords.items()}
        same = function is value.func and args is value.args
        if same and all(keywords[name] is value.keywords[name] for name in keywords):
            return value
        return self._keep(value, functools.partial(function, *args, **keywords))

    def _visit_content(self, value: Any, where: str, depth: int) -> None:
        if isinstance(value, FunctionType):
            if not (value.__module__ or "").startswith(_OURS):  # they hold the real things on purpose
                self._visit_function(value, where, depth)
        elif isinstance(value, MethodType):
            self._visit(value.__func__, where, depth)
            self._visit(value.__self__, where, depth)
        elif isinstance(value, property):
            for function in (value.fget, value.fset, value.fdel):
                self._visit(function, where, depth)
        elif isinstance(value, type):
            if value.__module__ == self._module:
                self._visit_attributes(value, value.__qualname__, depth)
        elif isinstance(value, ThreadPoolExecutor):
            self._visit_pool(value, where)
        elif _may_hold_locks(type(value)):
            self._visit_items(value, where, depth)
            self._visit_instance(value, where, depth)

    def _visit_attributes(self, owner: ModuleType | type, where: str, depth: int) -> None:
        for name, value in list(vars(owner).items()):
            if name.startswith("__") and name.endswith("__") and not isinstance(value, FunctionType):
                continue
            self._note(Change(owner, name, self._visit(value, f"{where}.{name}", depth)), value)

    def _visit_function(self, function: FunctionType, where: str, depth: int) -> None:
        defaults = function.__defaults__ or ()
        found = self._visit_tuple(defaults, f"{where} default", depth)
        if found is not defaults:
            self.changes.append(Change(function, "__defaults__", found))
        self._visit_items(function.__kwdefaults__ or {}, f"{where} default", depth)
        self._visit_items(vars(function), where, depth)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
            try:
                content = cell.cell_contents
            except ValueError:  # it is empty
                continue
            self._note(Change(cell, "cell_contents", self._visit(content, f"{where} {name}", depth)), content)

    def _visit_items(self, value: Any, where: str, depth: int) -> None:
        items: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, dict) and dict.__len__(value) <= MOST_ITEMS:
            items = list(dict.items(value))
        elif isinstance(value, (list, deque)) and len(value) <= MOST_ITEMS:
            items = list(enumerate(value))
        for key, item in items:
            self._note(Change(value, key, self._visit(item, f"{where}[{key!r}]", depth), True), item)

    def _visit_instance(self, value: Any, where: str, depth: int) -> None:
        attributes = getattr(value, "__dict__", None)
        if type(attributes) is dict:
            for name, item in list(attributes.items()):
                found = self._visit(item, f"{where}.{name}", depth)
                self._note(Change(attributes, name, found, True), item)
        for kind in type(value).__mro__:
            for name, member in vars(kind).items():
                if isinstance(member, MemberDescriptorType) and kind.__module__ != "builtins":
                    item = getattr(value, name, _ABSENT)
                    if item is not _ABSENT:
                        self._note(Change(value, name, self._visit(item, f"{where}.{name}", depth)), item)

    def _visit_pool(self, pool: ThreadPoolExecutor, where: str) -> None:
        """It has workers of its own in a simulation, and gets its real ones back."""
        fresh = {
            "_threads": set(),
            "_work_queue": SimpleQueue(),
            "_idle_semaphore": semaphore(),
            "_shutdown_lock": Lock(f"Lock {where}._shutdown_lock"),
        }
        self.changes += [Change(vars(pool), name, new, True) for name, new in fresh.items()]

    def _note(self, change: Change, old: Any) -> None:
        if change.new is not old:
            self.changes.append(change)


def _named(kind: type, where: str) -> str:
    return f"{'RLock' if 'RLock' in kind.__name__ else 'Lock'} {where}"


def _may_hold_locks(kind: type) -> bool:
    """Whether to look into an object of this class: containers, and what is not the business of somebody else."""
    if kind.__module__ == "builtins" or kind is deque:
        return kind in (list, dict, deque)
    package = kind.__module__.partition(".")[0]
    return kind.__module__ in _OWN_OF_THE_LIBRARY or (
        package not in _NEVER and package not in sys.stdlib_module_names
    )
