"""Parts of sync.Map that are run state by state, and the mutants whose fault a test may take the time to see."""

from mapproof.proofs.chapters import Bound
from mapproof.proofs.running.exploration import explore, machine_within
from mapproof.proofs.systems.sync_map import SYNC_MAP
from mapproof.proofs.systems.sync_map.mutants import MUTANTS


def part(calls, threads=1, keys=1, values=1):
    """So many calls, over two entries and one address of a value."""
    elements = {"Thread": threads, "Key": keys, "Value": values, "Pointer": 3, "Entry": 2, "EntryMap": 4}
    return Bound(elements, {"invoke": calls})


def _is_quick(bound):
    """Under 20,000 states."""
    calls, several = bound.at_most["invoke"], bound.elements["Thread"] * bound.elements["Key"] > 1
    return calls <= 2 or (calls <= 4 and not several)


QUICK = frozenset(mutant.name for mutant in MUTANTS if _is_quick(mutant.bound))


def each_state(bound, look):
    """Call `look(read)` for every state within the bound, up to renaming; `read` gives the value of a cell."""
    machine = machine_within(SYNC_MAP, bound)

    def noted(state):
        look(lambda function, *cell: machine.read(state, function, *cell))
        return True

    assert explore(machine, most_states=100_000, invariants=False, symmetric=True, allowed=noted).exhausted


class Run:
    """One run from the empty map, step by step; no claim may be false."""

    def __init__(self, bound):
        self._machine = machine_within(SYNC_MAP, bound)
        self._state = self._machine.initial()

    def does(self, thread, *steps):
        """The steps of a thread, each an action's name and its other arguments."""
        for words in steps:
            name, *arguments = words.split()
            step = self._machine.step(self._state, name, thread, *arguments)
            assert step is not None, f"{thread} cannot {words}"
            assert not step.broken_claims
            self._state = step.after
            assert all(self._machine.holds(self._state, i) for i in SYNC_MAP.invariants)

    def read(self, function, *cell):
        """The value of a cell now."""
        return self._machine.read(self._state, function, *cell)
