"""Random programs of a few statements a thread, and whether DPOR does on one of them what brute force does."""

from __future__ import annotations

import linecache
import random
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from brute_force import Everything, Written
from corpus import Made, Program
from exploring import explore

from mapproof.impl.sync import Atomic, FatalError, Mutex, Semaphore
from mapproof.stateful_tests.explorer.dpor import Dpor
from mapproof.stateful_tests.explorer.endings import Outcome
from mapproof.stateful_tests.explorer.strategy import Follower

# -- made of primitives


class _Shared:
    def __init__(self, count: int) -> None:
        self.x, self.y = Atomic(0), Atomic(0)
        self.m, self.n = Mutex(), Mutex()
        self.semaphore = Semaphore(count)


Step = Callable[[_Shared, list[Any], int], Any]


def _toggle(mutex: Mutex, held: list[Any]) -> None:
    """Lock it, or unlock it if it is held already, which by then another may have done."""
    if mutex in held:
        held.remove(mutex)
        _unlock(mutex)
    else:
        mutex.lock()
        held.append(mutex)


def _unlock(mutex: Mutex) -> str:
    try:
        mutex.unlock()
    except FatalError:
        return "fatal"
    return "unlocked"


_STEPS: dict[str, Step] = {
    "x": lambda s, held, v: s.x.load(),
    "y": lambda s, held, v: s.y.load(),
    "x=": lambda s, held, v: s.x.store(v),
    "y=": lambda s, held, v: s.y.store(v),
    "cas": lambda s, held, v: s.x.compare_and_swap(0, v),
    "if": lambda s, held, v: s.x.store(99) if s.y.load() % 2 else None,
    "m": lambda s, held, v: _toggle(s.m, held),
    "n": lambda s, held, v: _toggle(s.n, held),
    "try": lambda s, held, v: s.m.try_lock() and held.append(s.m),
    "unlock": lambda s, held, v: _unlock(s.m),
    "acquire": lambda s, held, v: s.semaphore.acquire(),
    "release": lambda s, held, v: s.semaphore.release(),
}


def of_primitives(seed: int) -> Program:
    """Two or three threads that use two cells, two mutexes and a semaphore, rightly or wrongly."""
    drawn = random.Random(seed)
    threads = drawn.choice([2, 2, 3])
    plans = [
        drawn.choices(list(_STEPS), k=drawn.randint(1, 6 if threads == 2 else 3)) for _ in range(threads)
    ]
    count = drawn.choice([0, 0, 1, 2])

    def make() -> Made:
        shared = _Shared(count)
        told: list[list[Any]] = [[] for _ in plans]

        def work(me: int) -> None:
            held: list[Any] = []
            for at, name in enumerate(plans[me]):
                told[me].append(_STEPS[name](shared, held, 10 * me + at))

        return [partial(work, me) for me in range(threads)], lambda: repr(
            (told, shared.x.peek(), shared.y.peek(), shared.semaphore.peek(), shared.m.locked())
        )

    make.__name__ = f"{count} {plans}"
    return Program(make)


# -- in Python

_CLASS = """
import threading
def helper(s): return s.b
def touch(s, me): s.b = me
class Shared:
    def __init__(self):
        self.a = self.b = 0
        self.d, self.l, self.m, self.log = {}, [], [], []
        self.lock = threading.Lock()
    def bump(self): self.b = self.b + 1
    def peek(self): return self.a
    def hidden(self):
        return not self.l
    @property
    def prop(self): return self.a
    @prop.setter
    def prop(self, v): self.b = v
    def key(self, x): return self.a * x
    def op(self, w): self.log.append(w)
    def loud(self, w): self.log.append(w + w)
    def each(self):
        for x in self.l: yield x
"""

_STATEMENTS = """
s.a = me; s.a += 1; out.append(s.a); out.append(s.b); s.b = s.a; s.a, s.b = s.b, s.a
s.d['k'] = me; out.append(s.d.get('k')); s.l.append(me); out.append(len(s.l)); s.m = s.l; s.l = []
out.append(s.l == s.m); out.append(list(s.each())); s.l.sort(key=s.key); out.append(f'{s.l}')
s.bump(); out.append(s.peek()); out.append(s.prop); s.prop = me; out.append(s.hidden())
s.op('x'); s.op = s.loud; out.append(helper(s)); touch(s, me)
out.append(s.lock.locked()); s.lock.acquire(); out.append(s.lock.acquire(False))
""".replace("\n", ";").split(";")
_BLOCKS = (
    "if not s.l: s.l.append(me)",
    "if 'k' not in s.d: s.d['k'] = me",
    "with s.lock: s.a += 1",
    "with s.lock: s.l.append(me)",
)


def in_python(seed: int) -> Program:
    """Two or three threads of one or two statements each, on one object with the usual things in it."""
    drawn = random.Random(seed)
    threads = drawn.choice([2, 2, 2, 3])
    statements = [*filter(None, map(str.strip, _STATEMENTS)), *_BLOCKS]
    text = _CLASS
    for me in range(threads):
        body = drawn.choices(statements, k=drawn.randint(1, 2 if threads == 2 else 1))
        text += "\n    ".join([f"def work{me}(s, out, me):", *body]) + "\n"
    file = f"<random program {seed}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = ModuleType(f"random_program_{seed}")
    sys.modules[module.__name__] = module
    exec(compile(text, file, "exec"), vars(module))  # noqa: S102 - the text is made above

    def make() -> Made:
        shared = module.Shared()
        told: list[list[Any]] = [[] for _ in range(threads)]

        def work(me: int) -> None:
            try:
                getattr(module, f"work{me}")(shared, told[me], me + 1)
            except (ValueError, RuntimeError) as raised:  # a list that was changed while it was sorted, say
                told[me].append(type(raised).__name__)

        return [partial(work, me) for me in range(threads)], lambda: repr(
            (told, shared.a, shared.b, shared.d, shared.l, shared.m, shared.log)
        )

    make.__name__ = text.removeprefix(_CLASS)
    return Program(make, frozenset({file}))


# -- what is asked of each


def classes(program: Program, strategy: Follower, most: int) -> dict[Any, list[str]] | None:
    """The outcomes of all executions, by class; None if there are more than so many executions."""
    written = Written(strategy, program.files)

    def watched() -> Any:
        tasks, outcome = program.make()
        return tasks, lambda: (written.normal_form(), outcome())

    found: dict[Any, list[str]] = {}
    runs = explore(watched, written, files=sorted(program.files), runs=most + 1)
    for ending, (form, outcome) in runs:
        if ending.outcome is not Outcome.PRUNED:
            found.setdefault(form, []).append(f"{ending.outcome.name} {outcome}")
    return found if len(runs) <= most else None


def agrees(program: Program, most: int) -> bool | None:
    """Whether DPOR runs each class that brute force finds, exactly once, and every class has one outcome; None if there
    are more than so many schedules."""
    everything = classes(program, Everything(), most)
    if everything is None:
        return None
    found = classes(program, Dpor(program.files), most)
    once = {form: list(set(outcomes)) for form, outcomes in everything.items()}
    return found == once and all(len(outcomes) == 1 for outcomes in once.values())
