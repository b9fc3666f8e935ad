"""Explores a test function that starts threads of its own: anybody's test, unmodified, in many schedules.

The idea (Loom's): a test that makes an object, starts threads on it, joins them and asserts says all there is to say. It
is run again and again as a simulated thread, and so are the threads that it starts; what is wrong is what would
fail the test in that order: an exception, in any of its threads, a deadlock, a thread that never ends, a lock that is
never given back.

    def both_are_counted():
        counter = Counter()
        threads = [Thread(target=counter.increment) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counter.value == 2

    def test_counter():
        explore(both_are_counted)
"""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, cast

from mapproof.spec.evidence import Verdict
from mapproof.spec.history import History, Operation
from mapproof.spec.operations import Op
from mapproof.stateful_tests.adapters import UnsuitableTarget
from mapproof.stateful_tests.execution import CANNOT_LOOK, laboratory
from mapproof.stateful_tests.exploration import Explored, run_plan
from mapproof.stateful_tests.explorer.plan import plan_named
from mapproof.stateful_tests.scenarios import Call, Scenario
from mapproof.stateful_tests.shrink import simplest_counterexample
from mapproof.stateful_tests.targets import files_of, modules_named

ONE_CALL: Final = Scenario((), ((Call(cast(Op, "run")),),), ())
"""What a concurrent test is asked to do: client 1 runs it."""

_NEVER_TRACED: Final = {"mapproof", "pytest", "_pytest", "hypothesis", "pluggy"}


class ScheduleFails(AssertionError):
    """The test fails in some schedule; the text is the counterexample."""


@dataclass(frozen=True, slots=True)
class ConcurrentTest:
    """A test function as a `Subject`: there is nothing to make, and one call, which is the whole test."""

    name: str
    function: Callable[[], Any]
    files: frozenset[str]
    modules: tuple[ModuleType, ...]

    @property
    def raises(self) -> tuple[type[Exception], ...]:
        return ()

    def make(self) -> None:
        """A test makes what it needs."""

    def perform(self, made: None, call: Call) -> Any:
        self.function()

    def expected(self, call: Call, answer: Any) -> str | None:
        return None

    def render(self, call: Call) -> str:
        return f"{self.name.rpartition(':')[2]}()"

    def told(self, operation: Operation) -> str:
        return "done"

    def decide(self, history: History) -> None:
        """A test judges itself."""


def is_test_function(found: object) -> bool:
    """Whether this is a function that a user would call a test: its name says so."""
    return inspect.isfunction(found) and found.__name__.startswith("test")


def concurrent_test(function: Callable[[], Any], name: str, trace: Iterable[str] = ()) -> ConcurrentTest:
    """The test that the function is. `trace` names modules or packages whose instructions are switch points, besides
    the function's own module and what it imports from outside of the standard library.

    Raises UnsuitableTarget if it takes arguments or a module cannot be imported.
    """
    needed = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty and parameter.kind not in _ANY_NUMBER
    ]
    if needed:
        raise UnsuitableTarget(
            f"{name} takes arguments ({', '.join(needed)}): wrap it in a function that takes none"
        )
    names = {*_imported_by(function), *trace}
    modules = tuple(modules_named(names))
    return ConcurrentTest(name, function, files_of(modules), modules)


_ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _imported_by(function: Callable[[], Any]) -> Iterator[str]:
    """The module of the function, and those of what its global names mean, as far as they are to be traced."""
    yield function.__module__
    for value in list(getattr(inspect.unwrap(function), "__globals__", {}).values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str) and _is_somebodys(name):
            yield name


def _is_somebodys(module: str) -> bool:
    return module.partition(".")[0] not in sys.stdlib_module_names | _NEVER_TRACED


def explore_test(
    test: ConcurrentTest,
    *,
    strategy: str = "auto",
    budget: float = 10.0,
    runs: int | None = None,
    seed: int = 0,
) -> Explored:
    """Run the test by a plan of that name (`explorer.plan.NAMES`) for `budget` seconds and at most so many `runs`.

    EXHAUSTED, FAILED with a counterexample, SAMPLED, or INCONCLUSIVE with the reason. Raises KeyError for a strategy
    that there is not.
    """
    started = time.perf_counter()
    failing = None
    try:
        with laboratory(test) as lab:
            walk = run_plan(lab, ONE_CALL, plan_named(strategy, seed, test.files), limit=runs, seconds=budget)
            if walk.failing is not None:
                failing = simplest_counterexample(lab, ONE_CALL, walk.failing, given=True)
            verdict, scope = walk.verdict, walk.scope
    except CANNOT_LOOK as trouble:
        verdict, scope = Verdict.INCONCLUSIVE, str(trouble)
    return Explored(test.name, verdict, scope, time.perf_counter() - started, failing)


def explore(
    function: Callable[[], Any],
    *,
    strategy: str = "auto",
    budget: float = 10.0,
    runs: int | None = None,
    seed: int = 0,
    trace: Iterable[str] = (),
) -> Explored:
    """Run a function that starts threads in many schedules; raise ScheduleFails with a counterexample if one fails.

    As `explore_test`, of `concurrent_test`. Raises RuntimeError if nothing can be said.
    """
    name = getattr(function, "__qualname__", repr(function)).replace("<locals>.", "")
    explored = explore_test(
        concurrent_test(function, name, trace), strategy=strategy, budget=budget, runs=runs, seed=seed
    )
    if explored.counterexample is not None:
        raise ScheduleFails(f"{name}\n\n{explored.counterexample.account}")
    if explored.verdict is Verdict.INCONCLUSIVE:
        raise RuntimeError(f"{name}: {explored.scope}")
    return explored
