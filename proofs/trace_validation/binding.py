"""How the code of a map and its proved system are tied to each other: the vocabulary of a binding.

The idea: the code and the model meet at the accesses of shared memory. A binding is a table: for each action, the
accesses that the code makes for it, in their order, and which of these is the moment at which the action happens.
The others are silent: look-ups that only the holder of a lock could have changed, made part of one step by the
model. They must be there all the same, for a look-up that is left out is the commonest slip. Beside the table there
is a picture: what the model's cells are in the real object.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias

from mapproof.proofs.running.layout import Value
from mapproof.proofs.terms import Field
from mapproof.proofs.transition_system import System
from mapproof.spec.accesses import Access

Cell: TypeAlias = tuple[str, tuple[Value, ...]]
"""One variable of the model: the name of a state function and its arguments."""

Picture: TypeAlias = tuple[tuple[Cell, Value], ...]
"""What the real object is in the model's terms, as far as it can be seen; the same cells in the same order."""


class View(Protocol):
    """A state of the model, to read from: `view(Thread.entry, "t1")`."""

    def __call__(self, read: Field[Any], *arguments: Value) -> Value: ...

    def elements(self, sort: str) -> tuple[Value, ...]:
        """All elements of a sort."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An access that the code made: what it is to the binding (`role`), whose it is (`element`, "" where there is
    only one), and the qualified name of the function that made it."""

    role: str
    element: str
    access: Access
    function: str

    def __str__(self) -> str:
        return f"{self.role}{f' of {self.element}' if self.element else ''}: {self.access}"


@dataclass(frozen=True, slots=True)
class Touch:
    """An access that the code is to make, in one of these functions.

    It must be of the element that `of` names in the state before it, given the thread (without `of`, of any), and is
    only expected where `when` holds, given the element too.
    """

    role: str
    access: Access
    functions: frozenset[str]
    of: Callable[[View, str], Value] | None = None
    when: Callable[[View, str, str], bool] | None = None

    def fits(self, seen: Seen, view: View, thread: str) -> bool:
        """Whether the access that was seen is this one."""
        return (
            seen.role == self.role
            and seen.access is self.access
            and seen.function in self.functions
            and (self.of is None or self.of(view, thread) == seen.element)
            and (self.when is None or self.when(view, thread, seen.element))
        )

    def __str__(self) -> str:
        few = " or ".join(sorted(self.functions))
        return f"{self.role}: {self.access} in {few if len(self.functions) < 3 else 'the operation'}"


def touch(
    role: str,
    access: Access,
    *functions: str,
    of: Callable[[View, str], Value] | None = None,
    when: Callable[[View, str, str], bool] | None = None,
) -> Touch:
    """A `Touch` in one of these functions."""
    return Touch(role, access, frozenset(functions), of, when)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """The accesses by which the code does an action, which happens at number `fires` of them.

    Without an `action` they change nothing, and the thread must be at one of the places `at`. `given` chooses the
    parameters that come after the thread from the state, the thread and the element that the firing access was of;
    None if there are none to choose; without it each is the one element of its sort that the step brought into
    being. What the code writes only with an access after `fires` is named in `owes`, by state functions: nobody
    else may look there until then.
    """

    action: str | None
    touches: tuple[Touch, ...]
    fires: int
    given: Callable[[View, str, str], tuple[Value, ...] | None] | None = None
    owes: frozenset[str] = frozenset()
    at: tuple[str, ...] = ()


def does(
    action: str,
    *touches: Touch,
    then: tuple[Touch, ...] = (),
    given: Callable[[View, str, str], tuple[Value, ...] | None] | None = None,
    owes: Iterable[Field[Any]] = (),
) -> Rule:
    """The action happens with the last of `touches`; those of `then` come after it, before anything else."""
    owed = frozenset(made.function.name for made in owes)
    return Rule(action, (*touches, *then), len(touches) - 1, given, owed)


def tries(*touches: Touch, at: tuple[str, ...]) -> Rule:
    """Accesses in vain, such as a compare-and-swap that fails and is made again; nothing happens."""
    return Rule(None, touches, len(touches) - 1, at=at)


class OutOfElements(Exception):
    """A run needs more elements of a sort than the model was given: nothing can be said of it."""


@dataclass(frozen=True, slots=True)
class Known:
    """The names that an object's parts had after a setup: those asked for, in order, and those that are used up."""

    asked: tuple[str, ...]
    spent: frozenset[str]
    used: Mapping[str, int]


@dataclass(slots=True)
class Names:
    """Which element of the model a real object is. Objects get their names when they are first seen."""

    domains: Mapping[str, tuple[str, ...]]
    actor: str = ""
    """The thread whose step is being looked at."""
    own: dict[str, str] = field(default_factory=dict)
    """What each thread's call brings along, for a binding to note."""
    spent: set[str] = field(default_factory=set)
    """What the calls of the run have brought along."""
    roles: dict[int, tuple[str, str]] = field(default_factory=dict)
    _of: dict[tuple[str, int], str] = field(default_factory=dict)
    _objects: dict[tuple[str, str], object] = field(default_factory=dict)
    _used: dict[str, int] = field(default_factory=dict)
    _kept: list[object] = field(default_factory=list)
    _fresh: list[tuple[str, str]] = field(default_factory=list)
    _asked: list[str] | None = None
    _script: deque[str] = field(default_factory=deque)

    def name(self, sort: str, made: object, new: str | None = None) -> str:
        """The object's element; for one not seen before `new`, or else the next that is free."""
        found = self._of.get((sort, id(made)))
        if self._script:
            told = self._script.popleft()
            found = self.call(sort, made, told) if found is None else found
        elif found is None:
            found = self._next(sort, made) if new is None else self.call(sort, made, new)
        if self._asked is not None:
            self._asked.append(found)
        return found

    def order(self, look: Callable[[], object]) -> Known:
        """What is named so far, in the order in which `look` asks for it."""
        self._asked = []
        look()
        known = Known(tuple(self._asked), frozenset(self.spent), dict(self._used))
        self._asked = None
        return known

    def recall(self, known: Known, look: Callable[[], object]) -> None:
        """Name what `look` comes across as another object like this one was named."""
        self.spent, self._used = set(known.spent), dict(known.used)
        self._script = deque(known.asked)
        look()
        self._script.clear()
        self._fresh = []

    def known(self, sort: str, made: object) -> str | None:
        """The object's element, if it has one."""
        return self._of.get((sort, id(made)))

    def _next(self, sort: str, made: object) -> str:
        used = self._used.get(sort, 0)
        elements = self.domains[sort]
        if used >= len(elements):
            raise OutOfElements(f"the run makes more than {len(elements)} of {sort}: give the model more")
        self._used[sort] = used + 1
        self._fresh.append((sort, elements[used]))
        return self.call(sort, made, elements[used])

    def reserve(self, sort: str, elements: int) -> None:
        """The first so many elements are not for objects that appear."""
        self._used[sort] = elements

    def call(self, sort: str, made: object, name: str) -> str:
        """Say which element an object is. Kept alive: another object at its address would take its name."""
        self._kept.append(made)
        self._objects[sort, name] = made
        self._of[sort, id(made)] = name
        return name

    def kept(self, sort: str, name: str) -> Any:
        """The object that is this element. Raises KeyError if none is."""
        return self._objects[sort, name]

    def means(self, target: object, role: str, element: str = "") -> None:
        """Say what a target of accesses is."""
        if id(target) not in self.roles:
            self._kept.append(target)
            self.roles[id(target)] = role, element

    def brought(self) -> tuple[tuple[str, str], ...]:
        """The elements named since the last question, each with its sort."""
        fresh, self._fresh = tuple(self._fresh), []
        return fresh


@dataclass(frozen=True, slots=True)
class Request:
    """A call as its client made it; `operation` as in `spec.operations`."""

    operation: str
    key: Any
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        given = ", ".join(repr(x) for x in (*(() if self.key is None else (self.key,)), *self.arguments))
        return f"{self.operation}({given})"


class Binding(ABC):
    """One map and its system, for one scenario. `unmodelled` are roles of which the system does not speak."""

    system: System
    rules: ClassVar[tuple[Rule, ...]]
    place: ClassVar[str] = "Thread.pc"
    """The state function that says where a thread is, by which the rules are sorted."""
    returns: ClassVar[str] = "answer"
    """The action, of a thread alone, by which a call returns."""
    inner: ClassVar[tuple[str, ...]] = ()
    """Actions without an access of their own: they happen before the thread's next access, as that needs them."""
    unmodelled: ClassVar[frozenset[str]] = frozenset()

    @property
    @abstractmethod
    def domains(self) -> Mapping[str, tuple[str, ...]]:
        """The elements of each sort, by its name: enough for the scenario."""

    @property
    def given(self) -> Mapping[str, Mapping[tuple[Value, ...], Value]]:
        """Cells of the initial state that the system leaves open, by the name of the state function."""
        return {}

    @abstractmethod
    def begin(self, subject: Any, names: Names) -> None:
        """Name what a new object has."""

    @abstractmethod
    def picture(self, subject: Any, names: Names) -> Picture:
        """The real object as the model's cells; names what it comes across."""

    @abstractmethod
    def call(self, thread: str, request: Request, names: Names) -> tuple[str, tuple[Value, ...]]:
        """The action, and all its arguments, by which the thread makes the call."""

    @abstractmethod
    def answer(self, view: View, thread: str, request: Request, answer: Any) -> tuple[Any, Any]:
        """The answer of the model in the state before the thread's call returns, and that of the code, to compare."""

    def thread(self, client: int) -> str:
        """The thread that a client is."""
        return f"t{client}"
