"""The accounts that are kept in `accounts/`: what is told of each failing program, to the letter.

`python tests/stateful_tests/accounts.py` writes them anew; read the difference before you commit it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import told_programs as programs
from failing_runs import first_failure, on

from mapproof.stateful_tests.execution import NO_CHECKS, Checks
from mapproof.stateful_tests.explorer.preemption_bound import PreemptionBound
from mapproof.stateful_tests.objects import Invocation, ObjectScenario, object_laboratory
from mapproof.stateful_tests.trace import Trace, plain, trace

FOLDER = Path(__file__).parent / "accounts"
WIDTHS = (118, 80)


def of_map(make: Any, setup: str, *threads: str, state: Any = False) -> Trace:
    with on(make, setup, *threads) as (lab, scenario):
        return trace(lab, scenario, first_failure(lab, scenario), state=state)


def of_object(make: Any, *threads: str, checks: Checks = NO_CHECKS, state: Any = False) -> Trace:
    """Each thread calls methods without or with the argument 1: `add 1; once`."""
    called = tuple(tuple(_invocation(*words.split()) for words in thread.split(";")) for thread in threads)
    with object_laboratory(ObjectScenario(make.__name__, make, called, checks=checks)) as lab:
        scenario = ObjectScenario(make.__name__, make, called).program
        return trace(lab, scenario, _first(lab, scenario), state=state)


def _invocation(method: str, *args: str) -> Invocation:
    return Invocation(method, tuple(map(int, args)))


def _first(lab: Any, scenario: Any) -> Any:
    for bound in range(3):
        strategy = PreemptionBound(bound)
        while strategy.begin():
            ran = lab.run(scenario, strategy)
            if ran.failure is not None:
                return ran
    raise AssertionError("no schedule fails")


def unrepeatable() -> Trace:
    """It fails once more when it is run again, and not when it is watched."""
    programs.Chance.uses = iter(range(2))
    return of_map(programs.Chance, "", "load_or_store a 1", "load_or_store a 2")


CASES: Mapping[str, Callable[[], Trace]] = {
    "check_then_act": lambda: of_map(
        programs.CheckThenAct, "store b 9", "load_or_store a 1", "load_or_store a 2; load a"
    ),
    "check_then_act_state": lambda: of_map(
        programs.CheckThenAct, "store b 9", "load_or_store a 1", "load_or_store a 2; load a", state=True
    ),
    "three_clients": lambda: of_map(
        programs.CheckThenAct, "", "load_or_store a 1", "load_or_store a 2", "load a"
    ),
    "abba": lambda: of_map(programs.Abba, "store b 9", "load b", "store a 1"),
    "spin": lambda: of_map(programs.Spins, "store b 9", "load a", "store a 1"),
    "long": lambda: of_map(programs.Long, "", "load_or_store a 1", "load_or_store a 2"),
    "sleep": lambda: of_map(programs.Sleeps, "", "load_or_store a 1", "load_or_store a 2"),
    "values": lambda: of_map(programs.Sloppy, "", "store a 1", "store b 2", state=True),
    "disturbed": lambda: of_map(programs.Dies, "", "store a 1", "load a"),
    "unrepeatable": unrepeatable,
    "race": lambda: of_object(programs.Counters, "add 1", "add 1", checks=Checks(races=True)),
    "compare_and_swap": lambda: of_object(programs.Counters, "add_once 1", "add_once 1"),
    "readers_writer": lambda: of_object(programs.Twice, "one", "other"),
}


def told(found: Trace, width: int) -> str:
    """The account, without the folders of this machine."""
    return plain(found, width).replace(f"{FOLDER.parent}/", "") + "\n"


def main() -> None:
    """Write all accounts."""
    FOLDER.mkdir(exist_ok=True)
    for name, case in CASES.items():
        found = case()
        for width in WIDTHS:
            (FOLDER / f"{name}-{width}.txt").write_text(told(found, width))


if __name__ == "__main__":
    main()
