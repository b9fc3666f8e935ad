"""Leaves out of a failing program what it can do without, and shows that nothing more can be left out.

The idea: what is left of a program without some of its calls is a program, too. Its parts are explored until one of
them fails, which is then the program. When each was explored to its end within a bound of preemptions and none fails,
the program is shown to be minimal within that bound. What may be spent is counted in steps and not in seconds, so that
a seed gives one counterexample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from typing import Final

from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.execution import Execution, Laboratory
from mapproof.stateful_tests.exploration import Walk
from mapproof.stateful_tests.explorer.pct import Pct
from mapproof.stateful_tests.explorer.plan import Plan, Turns, bounded, reduced
from mapproof.stateful_tests.explorer.random_walk import RandomWalk
from mapproof.stateful_tests.recording import Failure, FailureKind
from mapproof.stateful_tests.scenarios import Call, Scenario

MOST_STEPS: Final = 200_000
"""So many steps are spent on the search for parts that fail, and once more on showing that none does."""

EXTRA_STEPS: Final = 50_000
"""So many of them, at most, are spent on showing more than the failure asks for: more preemptions, all schedules."""

STEPS_OF_A_CALL: Final = 20
"""What an operation of client 0, whose steps are not counted, is taken to cost."""

STEPS_OF_A_RUN: Final = 40
"""What a run costs besides its steps."""

FEW_RUNS: Final = 60
"""Runs of one part by each strategy, while parts that fail are only looked for."""

FEW_CALLS: Final = 5
"""Of a program with so many calls at most, every part is explored; of a larger one, each without a single call."""

SHOWN_PREEMPTIONS: Final = 2
"""Each part is explored with so many preemptions at most, first with those that the failure needs if these are fewer."""

_PLAINEST_FIRST: Final = tuple(FailureKind)


def is_as_plain(failure: Failure, kind: FailureKind) -> bool:
    """Whether the failure is of this kind, or of a plainer one."""
    return _PLAINEST_FIRST.index(failure.kind) <= _PLAINEST_FIRST.index(kind)


def parts(scenario: Scenario) -> Iterator[Scenario]:
    """What is left of the program without some of its calls: every part of it in which a thread calls something if it
    has FEW_CALLS at most, else each without one call; the largest parts first, without threads that call nothing."""
    places = range(_calls(scenario))
    most = len(places) if len(places) <= FEW_CALLS else 2
    for count in range(1, most):
        for left_out in combinations(places, count):
            part = without(scenario, frozenset(left_out))
            if part.threads:
                yield part


def _calls(scenario: Scenario) -> int:
    return sum(1 for _ in scenario.calls())


def without(scenario: Scenario, left_out: frozenset[int]) -> Scenario:
    """The program without the calls that have these places in `calls()`."""
    places = iter(range(_calls(scenario)))

    def kept(program: tuple[Call, ...]) -> tuple[Call, ...]:
        return tuple(call for call in program if next(places) not in left_out)

    setup, threads = kept(scenario.setup), tuple(map(kept, scenario.threads))
    return Scenario(setup, tuple(filter(None, threads)), kept(scenario.observers))


@dataclass(frozen=True, slots=True)
class Shown:
    """That no part fails, of `programs` many: every part if `all`, else those without one call. So many were `done` in
    so many `runs`, `within` which schedules of each ("" if not all were run); in `otherwise` runs a part failed in a way
    that is less plain."""

    programs: int
    all: bool = False
    done: int = 0
    runs: int = 0
    within: str = ""
    otherwise: int = 0


@dataclass(slots=True)
class Reduction:
    """A failing program on its way to a smaller one."""

    lab: Laboratory
    scenario: Scenario
    execution: Execution
    steps: int = MOST_STEPS
    _known: dict[tuple[str, Scenario], _Explored] = field(default_factory=dict)
    """What was explored to its end without such a failure, by the goal of the plan."""

    def cut(self) -> None:
        """Leave out threads, and long and short stretches of calls, as long as what is left is seen to fail."""
        while _calls(self.scenario) > FEW_CALLS and self._takes(self._pieces(), self._look_for):
            pass
        self.steps = MOST_STEPS

    def show(self, execution: Execution, preemptions: int) -> Shown | None:
        """What is shown of the parts of the program, which fails so with so many preemptions; None if one of them fails,
        which is then the program."""
        self.execution = execution
        programs = list(dict.fromkeys(parts(self.scenario)))
        every = _calls(self.scenario) <= FEW_CALLS
        shown = Shown(len(programs), every)
        for make in self._plans(preemptions):
            goal = make().goal
            if shown.within:
                self.steps = min(self.steps, EXTRA_STEPS)
            runs = otherwise = 0
            for done, program in enumerate(programs):
                if (goal, program) not in self._known:
                    explored = self._explored(program, make())
                    if explored.walk.failing is not None:
                        self.scenario, self.execution = program, explored.walk.failing
                        return None
                    if explored.walk.verdict is not Verdict.EXHAUSTED:
                        return shown if shown.within else replace(shown, done=done, runs=runs)
                    self._known[goal, program] = explored
                runs += self._known[goal, program].walk.runs
                otherwise += self._known[goal, program].otherwise
            shown = Shown(len(programs), every, len(programs), runs, goal, otherwise)
        return shown

    def _takes(self, programs: Iterator[Scenario], explore: Callable[[Scenario], Execution | None]) -> bool:
        """Go on with the first of these that fails."""
        for program in programs:
            failing = explore(program)
            if failing is not None:
                self.scenario, self.execution = program, failing
                return True
        return False

    def _pieces(self) -> Iterator[Scenario]:
        """The program without a thread; without a half, a quarter and so on of its calls; without one call."""
        calls = _calls(self.scenario)
        start = len(self.scenario.setup)
        for thread in self.scenario.threads:
            if len(self.scenario.threads) > 1:
                yield without(self.scenario, frozenset(range(start, start + len(thread))))
            start += len(thread)
        size = calls // 2
        while size:
            for first in range(0, calls, size):
                piece = without(self.scenario, frozenset(range(first, first + size)))
                if piece.threads:
                    yield piece
            size //= 2

    def _look_for(self, program: Scenario) -> Execution | None:
        """A failure of the program, the simplest schedules first."""
        plans: Iterator[Plan] = map(bounded, range(SHOWN_PREEMPTIONS))
        for plan in (*plans, Turns(Pct(0), RandomWalk(0))):
            failing = self._explored(program, plan, FEW_RUNS).walk.failing
            if failing is not None:
                return failing
        return None

    def _plans(self, preemptions: int) -> Iterator[Callable[[], Plan]]:
        """What each part is explored by: each claims more than the one before it."""
        for bound in sorted({min(preemptions, SHOWN_PREEMPTIONS), SHOWN_PREEMPTIONS}):
            yield partial(bounded, bound)
        yield partial(reduced, self.lab.subject.files)

    def _explored(self, program: Scenario, plan: Plan, limit: int | None = None) -> _Explored:
        """Run what the plan has until an execution fails as plainly as the program did."""
        assert self.execution.failure is not None, "only a failure can be reduced"
        explored = _Explored(Walk(plan.goal))
        alone = STEPS_OF_A_CALL * (len(program.setup) + len(program.observers))
        for strategy in plan:
            if self.steps <= 0 or explored.walk.runs == limit:
                return explored
            execution = self.lab.run(program, strategy)
            self.steps -= execution.steps + alone + STEPS_OF_A_RUN
            if execution.failure is not None and not is_as_plain(
                execution.failure, self.execution.failure.kind
            ):
                explored.otherwise += 1
                execution = replace(execution, failure=None)
            explored.walk.count(execution)
            if execution.failure is not None:
                return explored
        explored.walk.ended = True
        explored.walk.claim(plan.exhausted)
        return explored


@dataclass(slots=True)
class _Explored:
    """What was run of a program, and how often it failed in a way that is less plain."""

    walk: Walk
    otherwise: int = 0
