"""The parts of the standard library that would block the process, or differ from run to run, made to fit a simulation.

The idea: replace only what truly blocks, starts or tells the time, and let the standard library's own Python code
work on top of it. `locks` (Lock, RLock, and which are held), `threads` (Thread, and what starts one), `local`, `clock`
(sleep and the clocks, on a virtual time), `pools` (SimpleQueue, ThreadPoolExecutor), `taken` (what modules had taken of
the real ones before), `patching` (the switch).

    with patched([my_module]):
        simulation.run(...)
"""

from mapproof.stateful_tests.explorer.belongings import Uncaught
from mapproof.stateful_tests.explorer.cooperative_threading.locks import HeldLock, Lock, RLock, held_locks
from mapproof.stateful_tests.explorer.cooperative_threading.patching import patched
from mapproof.stateful_tests.explorer.cooperative_threading.real import UnsupportedTarget

__all__ = ["HeldLock", "Lock", "RLock", "Uncaught", "UnsupportedTarget", "held_locks", "patched"]
