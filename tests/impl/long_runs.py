"""The reference maps under real threads for as long as one likes, every operation recorded and judged.

The idea: the checker is faster than the threads, so nothing need be sampled. A run is a sequence of rounds, each on
a new map (which grows, promotes and splits when it is young), so that memory stays bounded however long it takes; at
the end of a round every key is loaded once more, so that what was lost shows. Python switches threads as often as
it can, and every operation is an operation of the history.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from itertools import count
from random import Random
from typing import Any

from together import run_together, switching_often

from mapproof.impl.guarded_map import GuardedMap
from mapproof.impl.rwmutex_map import RWMutexMap
from mapproof.impl.sharded_map import ShardedMap
from mapproof.impl.sync import FatalError
from mapproof.impl.sync_map import SyncMap
from mapproof.impl.trie_map import TrieMap
from mapproof.spec.evidence import Verdict
from mapproof.spec.history import History
from mapproof.spec.linearizability import Violation, check
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.spec.recorder import Recorder

ROUND_SECONDS = 2.0
HANG_SECONDS = 60.0
"""A round that has not ended so long after its time never will."""

CHECK_SECONDS = 120.0
"""A round that takes longer to judge is UNKNOWN."""


class Flavour(Enum):
    """What the threads do. `share`: of the time of a `long` run; `keys`; `values`: 0 if each stored value is its
    own; `one_in`: one operation in so many is on the whole map, 0 for none, for these are dear to judge; `most`:
    operations of one client in a round."""

    UNIQUE_VALUES = (0.45, 300, 0, 0, 100_000)
    FEW_VALUES = (0.45, 3, 5, 0, 20_000)
    WHOLE_MAP = (0.1, 4, 0, 25, 250)

    def __init__(self, share: float, keys: int, values: int, one_in: int, most: int) -> None:
        self.share = share
        self.keys = keys
        self.values = values
        self.one_in = one_in
        self.most = most


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run. `account` says what was wrong, or why it is not known; it is "" if nothing was.
    `overlapping` operations began while another was running: the others could as well have come one by one."""

    name: str
    verdict: Verdict
    account: str
    rounds: int
    operations: int
    overlapping: int
    running_seconds: float
    checking_seconds: float

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.verdict}, {self.operations:,} operations "
            f"({self.overlapping:,} overlapping) in {self.rounds} rounds, {self.running_seconds:.1f} s, "
            f"judged in {self.checking_seconds:.1f} s" + (f"\n{self.account}" if self.account else "")
        )


Aside = Callable[[Any, int], None]
"""Called again and again while the threads run, with the map and the number of the call."""


def split(map_: ShardedMap[Any, Any], number: int) -> None:
    """Split what is overloaded, and every shard now and then, while they are not too many."""
    map_.maintain(10.0 * number)
    if number % 50 == 49 and number < 300:
        map_.rehash()
    time.sleep(1e-3)


MAPS: Mapping[str, tuple[Callable[[], Any], Aside | None]] = {
    "SyncMap": (SyncMap, None),
    "TrieMap": (TrieMap, None),
    "RWMutexMap": (RWMutexMap, None),
    "ShardedMap": (lambda: ShardedMap(shards=2, capacity=4, batch=2), split),
    "GuardedMap": (GuardedMap, None),
}


def long(name: str, seconds: float = 20.0, seed: int = 0) -> list[Outcome]:
    """The map of that name, an outcome for each flavour; `seconds` of running, and longer than that of judging."""
    factory, aside = MAPS[name]
    outcomes = [run(factory, seconds * each.share, each, aside, seed=seed) for each in Flavour]
    return [
        replace(found, name=f"{name}, {each.name}") for found, each in zip(outcomes, Flavour, strict=True)
    ]


def run(
    factory: Callable[[], Any],
    seconds: float,
    flavour: Flavour,
    aside: Aside | None = None,
    *,
    threads: int = 8,
    seed: int = 0,
    check_seconds: float = CHECK_SECONDS,
) -> Outcome:
    """Rounds until so many seconds of running are over, or something is wrong."""
    running = checking = 0.0
    operations = overlapping = 0
    for number in count(1):
        clients = [_Client(flavour, Random(f"{seed} {number} {client}"), client) for client in range(threads)]
        started = time.perf_counter()
        map_, recorder, error = _round(factory, clients, aside, min(ROUND_SECONDS, seconds - running))
        running += time.perf_counter() - started
        history = recorder.history()
        operations += len(history)
        overlapping += _overlapping(history)
        started = time.perf_counter()
        verdict, account = _judged(map_, history, error, check_seconds)
        checking += time.perf_counter() - started
        if verdict is not Verdict.LINEARIZABLE or running >= seconds:
            break
    return Outcome(type(map_).__name__, verdict, account, number, operations, overlapping, running, checking)


def _round(
    factory: Callable[[], Any], clients: Sequence[_Client], aside: Aside | None, seconds: float
) -> tuple[Any, Recorder, BaseException | None]:
    """One new map, used by all clients at once until the time or their operations are up."""
    map_, recorder = factory(), Recorder()
    shared, done, numbers = recorder.watch(map_), threading.Event(), count()
    offered = [op for op in Op if hasattr(map_, op.value)]

    def work(client: _Client) -> None:
        try:
            client.use(shared, offered, time.monotonic() + seconds, done)
        except BaseException:
            done.set()
            raise

    try:
        with switching_often():
            run_together(
                [partial(work, client) for client in clients],
                seconds + HANG_SECONDS,
                None if aside is None else lambda: aside(map_, next(numbers)),
            )
    except (Exception, FatalError) as error:  # noqa: BLE001 - whatever the map raises is what is wrong
        return map_, recorder, error
    for key in range(clients[0].flavour.keys):
        shared.load(key)
    return map_, recorder, None


def _overlapping(history: History) -> int:
    found = ended = 0
    for operation in history.operations:
        found += operation.call < ended
        ended = max(ended, operation.return_ or 0)
    return found


def _judged(
    map_: Any, history: History, error: BaseException | None, check_seconds: float
) -> tuple[Verdict, str]:
    if error is not None:
        return Verdict.FAILED, f"{type(error).__name__}: {error}"
    decided = check(history, type(map_).claims, limit_seconds=check_seconds)
    if isinstance(decided, Violation):
        return decided.verdict, decided.explanation
    if decided.verdict is Verdict.LINEARIZABLE:
        try:
            map_.check_invariants()
        except AssertionError as broken:
            return Verdict.FAILED, f"check_invariants: {broken}"
        return decided.verdict, ""
    return decided.verdict, str(decided)


class _Client:
    """What one thread does."""

    def __init__(self, flavour: Flavour, random: Random, number: int) -> None:
        self.flavour = flavour
        self._random = random
        self._fresh = count(number, 1_000)  # threads never store the same value, unless values are few
        self._seen: dict[int, Any] = {}

    def use(self, shared: Any, offered: Sequence[Op], until: float, done: threading.Event) -> None:
        keyed = [op for op in offered if SIGNATURES[op].keyed]
        whole = [op for op in offered if not SIGNATURES[op].keyed]
        for number in range(self.flavour.most):
            if number % 16 == 0 and (time.monotonic() > until or done.is_set()):
                break
            if self.flavour.one_in and self._random.randrange(self.flavour.one_in) == 0:
                getattr(shared, self._random.choice(whole).value)()
            else:
                self._act(shared, self._random.choice(keyed), self._random.randrange(self.flavour.keys))

    def _act(self, shared: Any, op: Op, key: int) -> None:
        args = [self._argument(name, key) for name in SIGNATURES[op].arguments]
        answer = getattr(shared, op.value)(key, *args)
        # What a compare will ask for: it rarely holds unless it was seen a moment ago.
        self._seen[key] = answer[0] if isinstance(answer, tuple) else args[-1] if args else None

    def _argument(self, name: str, key: int) -> Any:
        if name == "old":
            return self._seen.get(key)
        return self._random.randrange(self.flavour.values) if self.flavour.values else next(self._fresh)
