"""The slips in the local cache and in what it stands before: a table for `mutants_local_cache`, which looks for each."""

from __future__ import annotations

from functools import partial

from mutants import Detector, Mutant

from mapproof.impl import local_cache, replication

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
            return self._append_locked(key, value, at)
""",
        """\
            version = self._append_locked(key, value, at)
        self.rows[key] = value
        return version
""",
        Detector.INVARIANT,
        "replication meets a load",
        r"BROKEN INVARIANT: primary\.rows are not what the first \d changes make",
    ),
)
