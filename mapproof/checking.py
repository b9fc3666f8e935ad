"""`mapproof check`: finds out what the target is, and hands it to the room that tests such things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapproof.failures import Request, keep
from mapproof.spec.evidence import Evidence, Kind, Verdict
from mapproof.stateful_tests.adapters import UnsuitableTarget
from mapproof.stateful_tests.concurrent_tests import ConcurrentTest, explore_test
from mapproof.stateful_tests.conformance import Findings, examine
from mapproof.stateful_tests.execution import CANNOT_LOOK, Checks
from mapproof.stateful_tests.exploration import Explored
from mapproof.stateful_tests.explorer.plan import NAMES
from mapproof.stateful_tests.obstruction import Alone
from mapproof.stateful_tests.trace import Trace

Show = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be checked and for how long; `strategy` is for test functions, `alone` for maps,
    `failures` where one is kept."""

    request: Request
    budget: float
    seed: int
    failures: Path
    strategy: str | None = None
    alone: Alone | None = None


def check_target(order: Order, show: Show) -> tuple[Evidence, Trace | None]:
    """Test it with simulated threads: what came of it, and what happened in the run that failed.

    Raises LoadingError or UnsuitableTarget.
    """
    request = order.request
    try:
        found = _found(order, show)
    except CANNOT_LOOK as trouble:
        return Evidence(request.target, Kind.EXPLORATION, Verdict.INCONCLUSIVE, str(trouble), 0.0), None
    kept = keep(request, found.evidence(), found.counterexample, order.failures)
    return kept, None if found.counterexample is None else found.counterexample.trace


def _found(order: Order, show: Show) -> Findings | Explored:
    request, target = order.request, order.request.resolve()
    if isinstance(target, ConcurrentTest):
        show(request.target)
        if order.alone is not None:
            raise UnsuitableTarget(f"--alone: {request.target} is a test function, and this is for maps")
        if order.strategy not in (None, *NAMES):
            raise UnsuitableTarget(f"--strategy: {order.strategy!r} is none of {', '.join(NAMES)}")
        return explore_test(target, strategy=order.strategy or "auto", budget=order.budget, seed=order.seed)
    if order.strategy is not None:
        raise UnsuitableTarget(f"--strategy: {request.target} is a map, and this is for test functions")
    return examine(
        target,
        budget=order.budget,
        seed=order.seed,
        progress=lambda tally: show(f"{request.target}: {tally.runs:,} schedules"),
        checks=Checks(alone=order.alone),
    )


def check_under_real_threads(order: Order, show: Show, given: dict[str, Any]) -> Evidence:
    """Test it with real threads in a child process; `given` is what was said of them. Raises UnsuitableTarget."""
    from mapproof.stateful_tests.real_threads.examination import examine_threads
    from mapproof.stateful_tests.real_threads.source import Source

    request = order.request
    return examine_threads(
        Source.named(request.target, request.args, request.kwargs),
        budget=order.budget,
        seed=order.seed,
        ops=request.ops,
        atomic=request.atomic,
        failures=order.failures,
        progress=lambda tally: show(f"{request.target}: {tally.rounds:,} rounds"),
        **given,
    ).evidence()
