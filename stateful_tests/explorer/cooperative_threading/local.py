"""`threading.local`: each simulated thread sees attributes of its own, for as long as an execution lasts."""

from __future__ import annotations

from typing import Any, Self

from mapproof.stateful_tests.explorer.cooperative_threading import real
from mapproof.stateful_tests.explorer.simulation import active


class Local:
    """A subclass's `__init__` runs once a thread, on first use."""

    _arguments: tuple[tuple[Any, ...], dict[str, Any]] | None
    _outside: dict[int, dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        if (args or kwargs) and cls.__init__ is object.__init__:
            raise TypeError("Initialization arguments are not supported")
        object.__setattr__(made, "_arguments", (args, kwargs))
        object.__setattr__(made, "_outside", {})
        _begin(made)
        return made

    def __getattribute__(self, name: str) -> Any:
        mine = _attributes(self)
        if name == "__dict__":
            return mine
        if name in mine and not _is_of_the_class(self, name):
            return mine[name]
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if _is_of_the_class(self, name):
            object.__setattr__(self, name, value)
        else:
            _attributes(self)[name] = value

    def __delattr__(self, name: str) -> None:
        if _is_of_the_class(self, name):
            object.__delattr__(self, name)
        elif _attributes(self).pop(name, _ABSENT) is _ABSENT:
            raise AttributeError(name)


_ABSENT = object()


def _is_of_the_class(local: Local, name: str) -> bool:
    """Whether the class says what that attribute is, as it does of a property."""
    for base in type(local).__mro__:
        if name in vars(base):
            return hasattr(type(vars(base)[name]), "__set__")
    return False


def _found(local: Local) -> dict[str, Any] | None:
    """What this thread has in it; None if it never looked."""
    simulation = active()
    if simulation is None:
        outside: dict[int, dict[str, Any]] = object.__getattribute__(local, "_outside")
        return outside.get(real.get_ident())
    kept = simulation.belongings.attributes.get((id(local), simulation.thread()))
    return None if kept is None else kept[1]


def _begin(local: Local) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    simulation = active()
    if simulation is None:
        object.__getattribute__(local, "_outside")[real.get_ident()] = attributes
    else:
        simulation.belongings.attributes[id(local), simulation.thread()] = (local, attributes)
    return attributes


def _attributes(local: Local) -> dict[str, Any]:
    found = _found(local)
    if found is None:
        found = _begin(local)
        _initialize(local)
    return found


def _initialize(local: Local) -> None:
    arguments = object.__getattribute__(local, "_arguments")
    if arguments is not None:
        type(local).__init__(local, *arguments[0], **arguments[1])
        return
    try:
        type(local).__init__(local)
    except TypeError:
        name = type(local).__name__
        raise real.UnsupportedTarget(
            f"a {name} (threading.local) was made at import, with arguments that only C knows; have its module "
            "imported by `mapproof check`"
        ) from None


def in_place_of_local(found: Any, kind: type) -> Any:
    """A local of this kind that has the attributes which the real one has in this thread."""
    made: Any = object.__new__(kind)
    object.__setattr__(made, "_arguments", None)
    object.__setattr__(made, "_outside", {real.get_ident(): dict(vars(found))})
    return made
