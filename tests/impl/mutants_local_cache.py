"""Slips that somebody might make in the local cache or in what it stands before, and who must notice each."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from caches import SITUATIONS, Deployment, Situation, divergence
from mutants import Detector, Mutant, built

from mapproof.impl import local_cache, replication
from mapproof.stateful_tests.execution import NO_CHECKS, Checks
from mapproof.stateful_tests.exhaustion import Explored
from mapproof.stateful_tests.objects import exhaust, sample

SEQUENTIAL: Mapping[str, dict[str, Any]] = {
    "one thread, the log lost": {},
    "one thread, each change within 3 s": {"delivery": 3},
    "one thread, room for one entry": {"delivery": 3, "max_entries": 1},
    "one thread, absent keys not cached": {"negative_ttl": 0.0},
}
"""Name -> what an `Oracle` is made with."""

MANY_KEYS = "a thousand keys, each read once"


def _slip(
    subject: str, wrong: str, before: str, after: str, detector: Detector, scenario: str, says: str
) -> Mutant:
    module = local_cache if subject == "LocalCache" else replication
    return Mutant(subject, wrong, module, before, after, detector, scenario, says)


_CACHE = partial(_slip, "LocalCache")
_REPLICA = partial(_slip, "Replica")

TOO_OLD = r"NOT LINEARIZABLE: .*load\('[ab]'\) -> "

MUTANTS: tuple[Mutant, ...] = (
    _CACHE(
        "an entry that is just ttl old is answered",
        "return now - entry.taken_at >= (",
        "return now - entry.taken_at > (",
        Detector.LINEARIZABILITY,
        "an expired key meets two readers",
        TOO_OLD,
    ),
    _CACHE(
        "the age is compared the wrong way round",
        "return now - entry.taken_at >= (",
        "return now - entry.taken_at < (",
        Detector.ANSWERS,
        "one thread, the log lost",
        r"was loaded again at",
    ),
    _CACHE(
        "a load replaces what ranks higher",
        "if known is not None and known.rank > entry.rank:",
        "if False:",
        Detector.LINEARIZABILITY,
        "a load meets a change of its key",
        TOO_OLD,
    ),
    _CACHE(
        "a refresh replaces what ranks higher",
        "if known is not None and known.rank > entry.rank:",
        "if False:",
        Detector.INVARIANT,
        "a refresh meets a change of its key",
        r"BROKEN INVARIANT: L2: 'a' went back from position 2 to 1; broken by client 1's refresh\(\)",
    ),
    _CACHE(
        "what ranks the same does not renew",
        "known.rank > entry.rank",
        "known.as_of >= entry.as_of",
        Detector.ANSWERS,
        "one thread, the log lost",
        r"was loaded again at",
    ),
    _CACHE(
        "a change is ignored while its key is in flight",
        "    def _receive_locked(self, change: Change[K, V]) -> None:\n",
        """\
    def _receive_locked(self, change: Change[K, V]) -> None:
        if self.flights.get(change.key) is not None:
            return
""",
        Detector.LINEARIZABILITY,
        "a load meets a change of its key",
        TOO_OLD,
    ),
    _CACHE(
        "a change of a key that is not cached is ignored",
        "    def _receive_locked(self, change: Change[K, V]) -> None:\n",
        """\
    def _receive_locked(self, change: Change[K, V]) -> None:
        if self.entries.get(change.key) is None:
            return
""",
        Detector.LINEARIZABILITY,
        "an absent key is made while it is looked for",
        TOO_OLD,
    ),
    _CACHE(
        "a late change brings back an older value",
        "if self.entries.get(change.key) is not None or change.version >= self._floor_of_locked(change.key):",
        "if True:",
        Detector.ANSWERS,
        "one thread, room for one entry",
        r"L2: '[ab]' went back from position",
    ),
    _CACHE(
        "what is dropped does not raise floor",
        "self.floor.write(max(self.floor.read(), entry.as_of))",
        "pass",
        Detector.INVARIANT,
        "an evicted key must not come back older",
        r"BROKEN INVARIANT: L2: 'a' went back from position",
    ),
    _CACHE(
        "floor is what was dropped last",
        "self.floor.write(max(self.floor.read(), entry.as_of))",
        "self.floor.write(entry.as_of)",
        Detector.ANSWERS,
        "one thread, room for one entry",
        r"L2: (floor|'[ab]') went back from",
    ),
    _CACHE(
        "a replica that is behind floor is believed",
        "return reading if reading.as_of >= flight.floor else self.primary.read(flight.key)",
        "return reading",
        Detector.LINEARIZABILITY,
        "an evicted key must not come back older",
        TOO_OLD,
    ),
    _CACHE(
        "keys in flight are dropped too",
        "if self.flights.get(key) is None:\n                dropped",
        "if True:\n                dropped",
        Detector.LINEARIZABILITY,
        "a key is dropped while it is loaded",
        TOO_OLD,
    ),
    _CACHE(
        "an age counts from the end of the load",
        "Entry(brought.value, brought.as_of, began)",
        "Entry(brought.value, brought.as_of, self.clock())",
        Detector.LINEARIZABILITY,
        "time passes while a key is loaded",
        TOO_OLD,
    ),
    _CACHE(
        "who waits takes what a flight brings that began before its call",
        "if landed is not None and landed.began >= called:",
        "if landed is not None:",
        Detector.LINEARIZABILITY,
        "a reader meets a flight that takes long",
        TOO_OLD,
    ),
    _CACHE(
        "that a key is absent is believed for ever",
        "(self.negative_ttl if entry.value is ABSENT else self.ttl)",
        "(math.inf if entry.value is ABSENT else self.ttl)",
        Detector.LINEARIZABILITY,
        "an absent key is made, and the log is lost",
        TOO_OLD,
    ),
    _CACHE(
        "a flight that fails never lands",
        """\
        finally:
            with self.mu:
                self._land_locked(flight, began, brought)
""",
        """\
        if isinstance(brought, Reading):
            with self.mu:
                self._land_locked(flight, began, brought)
""",
        Detector.PROGRESS,
        "a load fails and is tried again",
        r"NEVER ENDS",
    ),
    _CACHE(
        "a flight that landed stays in the table",
        "        self.flights.pop(flight.key)\n",
        "",
        Detector.INVARIANT,
        "a refresh that meets nothing but readers",
        r"BROKEN INVARIANT: L3: the flight of 'a' has landed, but is in flights",
    ),
    _CACHE(
        "a refresh never gives its claim back",
        "        self.flights.pop(flight.key)\n",
        "",
        Detector.PROGRESS,
        "a refresh, and much later a read",
        r"NEVER ENDS",
    ),
    _CACHE(
        "every miss makes a flight of its own",
        "            if flight is not None:\n                return flight if entry is None else entry\n",
        "",
        Detector.INVARIANT,
        "an expired key meets two readers",
        r"BROKEN INVARIANT: single flight: \{'a'\} are read twice at once",
    ),
    _CACHE(
        "a flight is made with mu held",
        """\
        self._join(flight)
        outcome = flight.outcome.read()
        if""",
        """\
        with self.mu:
            self._join(flight)
            outcome = flight.outcome.read()
        if""",
        Detector.DEADLOCK,
        "a load meets a change of its key",
        r"DEADLOCK: .*client 1 waits to lock cache\.mu, which it holds itself",
    ),
    _CACHE(
        "who finds an entry due waits for the refresh in the lock",
        """\
        try:
            self.spawn(partial(self._join, flight))
        except Exception:  # noqa: BLE001 - an executor that is full or shut down, whatever it raises
            self._join(flight)
        with self.mu:
""",
        """\
        with self.mu:
            self.spawn(partial(self._join, flight))
""",
        Detector.DEADLOCK,
        "an inline refresh meets a reader",
        r"DEADLOCK: .*waits to lock cache\.mu, which it holds itself",
    ),
    _CACHE(
        "a hit is looked for without the lock",
        "        called = now = self.clock()\n",
        """\
        called = now = self.clock()
        if (hit := self._fresh_locked(key, now)) is not None:
            return hit.answer
""",
        Detector.RACE,
        "a load meets a change of its key",
        r"DATA RACE: .*cache\.entries",
    ),
    _CACHE(
        "what a refresh brought is read without the lock",
        """\
        with self.mu:
            outcome = flight.outcome.read()
        return outcome.entry""",
        """\
        outcome = flight.outcome.read()
        return outcome.entry""",
        Detector.RACE,
        "a due read meets the worker that refreshes",
        r"DATA RACE: .*flight\.outcome",
    ),
    _CACHE(
        "entries are dropped while they are gone through",
        "                dropped.append((key, entry))\n",
        "                dropped.append((key, entry))\n                self.entries.pop(key)\n",
        Detector.EXCEPTION,
        "an evicted key must not come back older",
        r"EXCEPTION: .*changed size during iteration",
    ),
    _CACHE(
        "expired entries stay",
        "if len(dropped) >= excess and not self._expired(entry, now):",
        "if len(dropped) >= excess:",
        Detector.MEMORY_BOUND,
        MANY_KEYS,
        r"\d+ entries",
    ),
    _REPLICA(
        "the lag is ignored",
        "            self._refuse_a_lag(applied.next.load())\n",
        "",
        Detector.LINEARIZABILITY,
        "the replica lags",
        TOO_OLD,
    ),
    _REPLICA(
        "the lag is looked at in milliseconds",
        "(lag := self.clock() - missing.at) > self.max_lag",
        "(lag := (self.clock() - missing.at) / 1000) > self.max_lag",
        Detector.LINEARIZABILITY,
        "the replica lags",
        TOO_OLD,
    ),
    _REPLICA(
        "a delete is not applied",
        "            self.rows.pop(change.key)\n",
        "            pass\n",
        Detector.ANSWERS,
        "one thread, the log lost",
        r"the bound is 31|replica\.rows are not|which is newer",
    ),
    _REPLICA(
        "a row is read without the lock",
        """\
        with self.mu:
            applied = self.applied.read()
            self._refuse""",
        """\
        if True:
            applied = self.applied.read()
            self._refuse""",
        Detector.RACE,
        "replication meets a load",
        r"DATA RACE: .*replica\.",
    ),
    _slip(
        "Follower",
        "the next change is looked for before the lock is held",
        """\
            with self.mu:
                change = self.applied.read().next.load()
                if change is None:
                    return count
""",
        """\
            change = self.applied.read().next.load()
            if change is None:
                return count
            with self.mu:
""",
        Detector.RACE,
        "two deliver at once",
        r"DATA RACE: .*cache\.applied",
    ),
    _slip(
        "Primary",
        "a change is in the log before the row is written",
        """\
            self.rows[key] = value
            return self._append_locked(key, value)
""",
        """\
            version = self._append_locked(key, value)
        self.rows[key] = value
        return version
""",
        Detector.INVARIANT,
        "replication meets a load",
        r"BROKEN INVARIANT: primary\.rows are not what the first \d changes make",
    ),
)

_WATCHED = {
    Detector.RACE: Checks(races=True),
    Detector.INVARIANT: Checks(invariants=True),
}


def classes_of(mutant: Mutant) -> dict[str, Any]:
    """The classes that a deployment is made of, out of sources with the change made."""
    changes = {mutant.module: [(mutant.before, mutant.after)]}
    cache = built("LocalCache", changes, (replication, local_cache))
    changed = sys.modules[f"{replication.__name__}__changed"]
    return {"cache": cache, "primary": changed.Primary, "replica": changed.Replica}


def caught(mutant: Mutant) -> str:
    """What the mutant's detector says of it in its scenario; "" if it found nothing."""
    classes, name = classes_of(mutant), mutant.scenario
    match mutant.detector:
        case Detector.ANSWERS:
            programs = (random.Random(seed) for seed in range(10))
            found = (divergence(rng, 1_000, **SEQUENTIAL[name], **classes) for rng in programs)
            return next(filter(None, found), "")
        case Detector.MEMORY_BOUND:
            return growth(**classes)
        case detector:
            judged = detector is Detector.LINEARIZABILITY
            checks = _WATCHED.get(detector, NO_CHECKS)
            return account(
                exhaust(SITUATIONS[name].scenario(name, checks=checks, judged=judged, **classes), limit=2_000)
            )


def account(explored: Explored) -> str:
    found = explored.counterexample
    return "" if found is None else found.account


def growth(**classes: Any) -> str:
    """What is wrong with the size of a cache through which many keys pass, one each second; "" if nothing is."""
    deployment = Deployment(inline=True, **classes)
    for key in range(1_000):
        deployment.store(key, key)
        deployment.replicate()
        deployment.load(key)
        deployment.advance(1)
        if (size := len(deployment.cache)) > 31:
            return f"{size} entries after {key} s, but those of 30 s are at most 31"
    return ""


def alarms(schedules: int, seed: int) -> list[str]:
    """What fails in about so many schedules of the cache as it is, all checks on: there should be nothing."""
    rng = random.Random(seed)
    found = [divergence(rng, 500, **options) for options in SEQUENTIAL.values()]
    found.append(growth())
    each = max(1, schedules // (4 * len(SITUATIONS)))
    for name, situation in SITUATIONS.items():
        scenario = situation.scenario(name)
        found.append(account(exhaust(scenario, bound=rng.choice((1, 2, 3)), limit=each)))
        found.append(account(sample(scenario, schedules=each, seed=rng.randrange(1 << 30))))
    for _ in range(schedules // 2 // 50 + 1):
        scenario = random_situation(rng).scenario("generated")
        found.append(account(sample(scenario, schedules=50, seed=rng.randrange(1 << 30))))
    return [alarm for alarm in found if alarm]


def random_situation(rng: random.Random) -> Situation:
    """Two or three clients: readers, and those who write, replicate, deliver, refresh or let time pass."""
    values = iter(range(1, 100))

    def words(most: int) -> str:
        return "; ".join(_random_step(rng, next(values)) for _ in range(rng.randint(1, most)))

    options = rng.choice(({}, {}, {"max_entries": 1}, {"negative_ttl": 0.0}, {"inline": True}))
    threads = tuple(words(3) for _ in range(rng.choice((2, 2, 3))))
    return Situation(words(5), threads, options=options)


def _random_step(rng: random.Random, value: int) -> str:
    step = rng.choice("load load load store store delete advance replicate deliver refresh".split())
    if step == "advance":
        return f"advance {rng.choice((1, 5, 11, 29, 31))}"
    if step in ("load", "store", "delete"):
        return f"{step} {rng.choice('aab')}" + (f" {value}" if step == "store" else "")
    return step
