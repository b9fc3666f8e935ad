"""Runs a map under real threads, for C extensions, free-threaded builds, and what the interpreter itself does.

The idea: a simulation chooses interleavings, but it is sequentially consistent and sees only Python. Real threads
cannot be steered, only hurried, so many short rounds are run, each on a new map, each recorded and judged. What
such a map can do to its process (crash, hang, end it, eat its memory) is contained in a child process that writes
down each operation before it begins it.

`record` is one history, in this process. `examination.examine_threads` is the campaign: `source` finds the map,
`probing` finds out how it is called, `plan` draws programs, `rounds` runs one of them and writes to the `journal`,
`child` does all that in a process that `containment` watches, and `accounts` tells what went wrong.
Nothing that the child imports needs greenlet or Hypothesis, which might switch a free-threaded build's GIL on.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from mapproof.spec.history import History
from mapproof.spec.operations import KEYED
from mapproof.stateful_tests.adapters import Adapter
from mapproof.stateful_tests.real_threads.journal import Journal
from mapproof.stateful_tests.real_threads.plan import Pace, draw
from mapproof.stateful_tests.real_threads.rounds import Round


def record(
    factory: Callable[[], Any], adapter: Adapter, *, clients: int, operations: int, keys: int, seed: int
) -> History:
    """The history of `clients` threads that each do `operations` random operations on one new map.

    Whole-map operations are left out. Every stored value is another number. A client whose operation raises
    stops there, with the name of the exception as the operation's error; what is no Exception is raised.
    """
    keyed = adapter.only(frozenset(KEYED))
    programs = draw(
        keyed.forms, clients=clients, operations=operations, keys=keys, pace=Pace.PLAIN, random=Random(seed)
    )
    journal = Journal(None, clients, operations)
    one = Round(factory(), keyed, tuple(range(keys)), programs, journal)
    one.run_threads()
    for raised in one.raised:
        if not isinstance(raised.error, Exception):
            raise raised.error
    return one.history()
