"""The slips in `ShardedMap`: a table for `mutants_sharded_map`, which says how each is looked for.

The map compares old and new before its route switches, so what a slip of the algorithm would do to its users is seen
only without that comparison: the scenarios that say so are run with it taken out as well.
"""

from __future__ import annotations

from types import ModuleType

from mutants import Detector, Mutant

from mapproof.impl import hashing, sharded_map, shards

NOT_COMPARED = ", not compared"
"""What a scenario is called when the comparison before the switch is taken out of the map."""

FILLING_GAPS = ", only filling gaps"
"""What it is called when the copy leaves alone what it finds."""

IN_SEQUENCE = "any operations of one thread"
BY_TOP_BITS = "any operations of one thread, by the top bits"
COME_AND_GO = "keys that come and go while shards split"
ONE_HASH = "keys that no bit tells apart"


READS_FIRST = (
    """\
            with shard.mu:
                split = self._split_locked(shard)
                end = min(cursor + self.batch, 2 * len(shard.bins))
                agrees = split.advance_locked(cursor, end)
""",
    """\
            with shard.mu:
                split = self._split_locked(shard)
            end = min(cursor + self.batch, 2 * len(shard.bins))
            agrees = split.advance_locked(cursor, end)
            with shard.mu:
""",
)


def _slip(
    wrong: str,
    before: str,
    after: str,
    detector: Detector,
    scenario: str,
    says: str,
    module: ModuleType = sharded_map,
) -> Mutant:
    return Mutant("ShardedMap", wrong, module, before, after, detector, scenario, says)


_DUAL = "        if split is not None:\n            split.child_of"
_ONLY_WHEN_STORED = "        if split is not None and new is not None:\n            split.child_of"

MUTANTS: tuple[Mutant, ...] = (
    # what users would see
    _slip(
        "nothing is written twice",
        _DUAL,
        "        if False:\n            split.child_of",
        Detector.LINEARIZABILITY,
        "a store meets a split" + NOT_COMPARED,
        "key 'a'",
        shards,
    ),
    _slip(
        "a delete is not sent to the new shards",
        _DUAL,
        _ONLY_WHEN_STORED,
        Detector.LINEARIZABILITY,
        "a delete between copy and switch" + NOT_COMPARED,
        "key 'a'",
        shards,
    ),
    _slip(
        "the cursor reads and copies a bin without the lock, so a stale copy overwrites a dual write",
        *READS_FIRST,
        Detector.LINEARIZABILITY,
        "a store meets a split" + NOT_COMPARED,
        "key 'a'",
    ),
    _slip(
        "the cursor reads and copies without the lock, and fills gaps only: a deleted key comes back",
        *READS_FIRST,
        Detector.LINEARIZABILITY,
        "a delete meets a split" + FILLING_GAPS + NOT_COMPARED,
        "key 'a'",
    ),
    _slip(
        "a writer lets go of the lock between its two writes, and the route switches there",
        "        self._exchange_here(hash_value, old, new)\n        split = self.split.read()\n",
        """\
        self._exchange_here(hash_value, old, new)
        self.mu.unlock()
        self.mu.lock()
        split = self.split.read()
""",
        Detector.LINEARIZABILITY,
        "two loads around the switch" + NOT_COMPARED,
        "key 'a'",
        shards,
    ),
    _slip(
        "the route switches, and migrating becomes 0, without the lock",
        """\
                elif at_end:
                    self._switch_locked(split)
            if at_end or not agrees:
""",
        """\
            if at_end and agrees:
                self._switch_locked(split)
            if at_end or not agrees:
""",
        Detector.RACE,
        "a store meets a split",
        "migrating",
    ),
    _slip(
        "what was copied is compared without the lock, between the two writes of a writer",
        """\
                agrees = split.advance_locked(cursor, end)
                at_end = end == 2 * len(shard.bins)
""",
        """\
                agrees = end <= len(shard.bins) and split.advance_locked(cursor, end)
            agrees = agrees or split.advance_locked(cursor, end)
            with shard.mu:
                at_end = end == 2 * len(shard.bins)
""",
        Detector.EXCEPTION,
        "a delete meets the comparison",
        "RehashError: the copy of shard 0 of 1 was found wrong and dropped; no key was lost",
    ),
    _slip(
        "the route switches after the first batch",
        "at_end = end == 2 * len(shard.bins)",
        "at_end = True",
        Detector.LINEARIZABILITY,
        "a store behind and before the cursor" + NOT_COMPARED,
        "no order of these 3 operations",
    ),
    _slip(
        "a writer does not ask the route again when its shard was split while it waited",
        "if not shard.successors_locked():",
        "if True:",
        Detector.LINEARIZABILITY,
        "a write waits while its shard splits",
        "key 'c'",
    ),
    _slip(
        "a read looks into the new shard while the old one is the owner",
        "return _found(self.route.load().owner_of(hash_value).find(hash_value, key))",
        """\
shard = self.route.load().owner_of(hash_value)
        split = shard.split.read()
        return _found((shard if split is None else split.child_of(hash_value)).find(hash_value, key))""",
        Detector.LINEARIZABILITY,
        "loads meet a split",
        "key 'a'",
    ),
    _slip(
        "a clear leaves the new shards as they are",
        "for shard in (self, *(() if split is None else split.new)):",
        "for shard in (self,):",
        Detector.LINEARIZABILITY,
        "a clear between copy and switch" + NOT_COMPARED,
        "key '[ab]'|no order of these",
        shards,
    ),
    _slip(
        "a clear passes over a shard that was split meanwhile",
        "shards.extend(successors)",
        "pass",
        Detector.LINEARIZABILITY,
        "a clear meets the switch",
        "key 'a'|no order of these",
    ),
    # what the map itself sees before it switches
    _slip(
        "a delete is not sent to the new shards, which are compared",
        _DUAL,
        _ONLY_WHEN_STORED,
        Detector.EXCEPTION,
        "a delete between copy and switch",
        "RehashError: the copy of shard 0 of 1 was found wrong and dropped; no key was lost",
        shards,
    ),
    _slip(
        "the cursor reads and copies without the lock, and the copy is compared",
        *READS_FIRST,
        Detector.EXCEPTION,
        "a store meets a split",
        "RehashError: the copy of shard 0 of 1 was found wrong and dropped; no key was lost",
    ),
    _slip(
        "the children are numbered as if the top bits routed",
        "return low_bits if self is Routing.LOW_BITS else (2 * shard, 2 * shard + 1)",
        "return 2 * shard, 2 * shard + 1",
        Detector.EXCEPTION,
        "uneven splits",
        "KeyError",
        hashing,
    ),
    # what holds at every step
    _slip(
        "a store is not sent to the new shards",
        _DUAL,
        "        if split is not None and new is None:\n            split.child_of",
        Detector.INVARIANT,
        "a store behind and before the cursor",
        r"I4: bin \d of shard 0 of 1 was copied, but shard [01] of 2 differs; broken by client 2's m.store",
        shards,
    ),
    _slip(
        "a write goes to the new shards first, and unlocks between the two",
        """\
        self._exchange_here(hash_value, old, new)
        split = self.split.read()
        if split is not None:
            split.child_of(hash_value)._exchange_here(hash_value, old, new)
""",
        """\
        split = self.split.read()
        if split is not None:
            split.child_of(hash_value)._exchange_here(hash_value, old, new)
            self.mu.unlock()
            self.mu.lock()
        self._exchange_here(hash_value, old, new)
""",
        Detector.INVARIANT,
        "a store behind and before the cursor",
        r"I4: .*broken by client 2's m.store\(.*shard 0 of 1: unlock",
        shards,
    ),
    _slip(
        "the mask of twice as many shards chooses the child, whatever bits route",
        "self.routing.shard_of(hash_value, one.shards) == one.index",
        "hash_value & (2 * self.old.shards - 1) & self.old.shards",
        Detector.INVARIANT,
        "a store meets a split by the top bits",
        "I2: 'c' is in shard 0 of 2, but its hash says otherwise",
        shards,
    ),
    _slip(
        "the old shard is retired before the route leads to the new ones",
        """\
        self.route.store(self.route.load().after(split))
        split.migrating.write(Migrating.NEW_ONLY)
""",
        """\
        split.migrating.write(Migrating.NEW_ONLY)
        self.route.store(self.route.load().after(split))
""",
        Detector.INVARIANT,
        "a delete between copy and switch",
        "I1: slot 0 leads to shard 0 of 1, which is no longer the owner; broken by .*migrating: write",
    ),
    _slip(
        "a writer writes to a shard that was split while it waited",
        "if not shard.successors_locked():",
        "if not shard.successors_locked() or shard.shards == 1:",
        Detector.INVARIANT,
        "a write waits while its shard splits",
        "I5: shard 0 of 1 has left the route, but was written to; broken by client 2's m.swap.*bin: store",
    ),
    _slip(
        "a shard that is found overloaded goes before those that wait",
        "dict.fromkeys((*self.waiting.read(), *able))",
        "dict.fromkeys((*able, *self.waiting.read()))",
        Detector.INVARIANT,
        "a shard is overloaded while another splits",
        "I4: shard 1 of 2 is migrating out of turn",
    ),
    # races and deadlocks
    _slip(
        "a writer asks before it has the lock whether its shard was split",
        """\
            with shard.mu:
                if not shard.successors_locked():
                    yield shard
                    return
""",
        """\
            if not shard.successors_locked():
                with shard.mu:
                    yield shard
                    return
""",
        Detector.RACE,
        "a store meets a split",
        "writes split .* reads it at|reads split .* writes it at",
    ),
    _slip(
        "the time of the last look is read without the lock",
        """\
        with self.migrator:
            if now - self.sampled_at.read() >= SAMPLE_EVERY:
""",
        """\
        overdue = now - self.sampled_at.read() >= SAMPLE_EVERY
        with self.migrator:
            if overdue:
""",
        Detector.RACE,
        "two threads split",
        "sampled_at",
    ),
    _slip(
        "whether a shard waits is read without the lock",
        "        with self.migrator:\n            waiting, cursor = self.waiting.read(), self.cursor.read()\n",
        """\
        if not self.waiting.read():
            return False
        with self.migrator:
            waiting, cursor = self.waiting.read(), self.cursor.read()
""",
        Detector.RACE,
        "two threads split",
        "waiting",
    ),
    _slip(
        "a writer that finds its shard overloaded splits it at once, and holds its mu",
        "            return _found(node)\n\n    def compare_and_swap",
        "            self.maintain()\n            return _found(node)\n\n    def compare_and_swap",
        Detector.DEADLOCK,
        "a write waits while its shard splits",
        r"waits to lock (migrator, held by client \d; .*waits to lock shard|shard .*which it holds itself)",
    ),
    _slip(
        "maintenance keeps the lock of migrations while it does a batch, which takes it too",
        "                self._enqueue_locked(s for s in shards if is_overloaded(s.count.load(), len(s.bins)))\n        return",
        "                self._enqueue_locked(s for s in shards if is_overloaded(s.count.load(), len(s.bins)))\n            return",
        Detector.DEADLOCK,
        "two threads split",
        "waits to lock migrator, which it holds itself",
    ),
    # what is left at rest
    _slip(
        "a copy counts what a dual write has counted",
        "            shard.set_bin_locked(number, self._part(chain, shard))\n",
        """\
            shard.bins[number].store(self._part(chain, shard))
            shard.count.add(len(self._part(chain, shard)))
""",
        Detector.LEN_AT_REST,
        "a store before the cursor" + NOT_COMPARED,
        r"len\(\) is \d at rest, but there are \d keys",
        shards,
    ),
    _slip(
        "len counts a shard once for each slot that leads to it",
        "sum(shard.count.load() for shard in self.route.load().shards())",
        "sum(shard.count.load() for shard in self.route.load().slots)",
        Detector.LEN_AT_REST,
        "uneven splits",
        r"len\(\) is 4 at rest, but there are 3 keys",
    ),
    _slip(
        "a clear does not count",
        "                shard.set_bin_locked(number, ())\n",
        "                shard.bins[number].store(())\n",
        Detector.LEN_AT_REST,
        "a clear meets a whole split" + NOT_COMPARED,
        r"len\(\) is \d at rest, but there are \d keys",
        shards,
    ),
    _slip(
        "the shards that were split are kept",
        "    def _switch_locked(self, split: Split[K, V]) -> None:\n",
        "    def _switch_locked(self, split: Split[K, V], retired=[]) -> None:\n        retired.append(split)\n",
        Detector.MEMORY_BOUND,
        COME_AND_GO,
        r"keeps \d+ of 40 deleted keys",
    ),
    _slip(
        "every split doubles the route, needed or not",
        "max(fewer, children)",
        "2 * fewer",
        Detector.MEMORY_BOUND,
        COME_AND_GO,
        r"the route has \d+ slots, max_shards is 16",
        shards,
    ),
    _slip(
        "a shard is split however many there are",
        "if 2 * shard.shards <= self.max_shards",
        "if True",
        Detector.MEMORY_BOUND,
        ONE_HASH,
        r"the route has \d+ slots, max_shards is 16",
    ),
    # what one thread sees
    _slip(
        "range visits a shard once for each slot that leads to it",
        "node for shard in self.route.load().shards() for chain",
        "node for shard in self.route.load().slots for chain",
        Detector.ANSWERS,
        IN_SEQUENCE,
        r"range answered \d+ pairs, a dict \d+",
    ),
    _slip(
        "the mask chooses the child of a shard by the top bits",
        "self.routing.shard_of(hash_value, one.shards) == one.index",
        "hash_value & (2 * self.old.shards - 1) & self.old.shards",
        Detector.ANSWERS,
        BY_TOP_BITS + NOT_COMPARED,
        r"operation \d+ on key \d+ answered .* a dict \(\d+, True\)",
        shards,
    ),
    _slip(
        "a new key overwrites the last one of its bin",
        "place = len(chain) if old is None",
        "place = max(0, len(chain) - 1) if old is None",
        Detector.ANSWERS,
        IN_SEQUENCE + NOT_COMPARED,
        r"answered \(None, False\), a dict",
        shards,
    ),
)
