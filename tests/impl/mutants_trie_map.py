"""Slips in `TrieMap`, and the detector that catches each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import Any

import hashed
import map_mutants
from mutants import Detector, Mutant
from tries import HASHES, divergence

from mapproof.impl import small_maps, trie_map, trie_map_invariants, trie_nodes
from mapproof.impl.small_maps import crowded_trie, trie_by_paths
from mapproof.impl.trie_nodes import Indirect
from mapproof.stateful_tests.catalogue.hashed import TRIE_MAP

MODULES = (trie_nodes, trie_map_invariants, trie_map, small_maps)

SCENARIOS = {
    **TRIE_MAP,
    "a node's removal meets two stores in it": (
        trie_by_paths,
        "store a 1; store b 2; delete b",
        ("delete a", "store b 3", "load_or_store e 4"),
    ),
    "drawn programs alone": (crowded_trie, "store a 1", ("load a",)),
}
"""The scenarios of the catalogue, one of three threads, and a map for programs that are drawn."""

IN_SEQUENCE = "any operations of one thread, under several hashes"
COME_AND_GO = "keys that come and go"


def _slip(
    wrong: str,
    before: str,
    after: str,
    detector: Detector,
    scenario: str,
    says: str,
    module: ModuleType = trie_map,
) -> Mutant:
    return Mutant("TrieMap", wrong, module, before, after, detector, scenario, says)


MUTANTS: tuple[Mutant, ...] = (
    _slip(
        "compare_and_swap changes the value in place, without the lock (Go issue 70970)",
        "            if not _holds(place.lookup(key), old):\n                return False\n",
        """\
            if not _holds(entry := place.lookup(key), old):
                return False
            Atomic(entry).load()
            if entry.value == old:
                object.__setattr__(entry, "value", new)
                return True
""",
        Detector.LINEARIZABILITY,
        "compare_and_swap meets compare_and_delete",
        "client 1's compare_and_swap.*client 2's compare_and_delete",
    ),
    _slip(
        "compare_and_swap compares before it has the lock only",
        "if entry is None or not _holds(entry, old):",
        "if entry is None:",
        Detector.LINEARIZABILITY,
        "two compare_and_swap in a chain",
        "client 1's compare_and_swap.*client 2's compare_and_swap",
    ),
    _slip(
        "compare_and_delete compares before it has the lock only",
        """\
                entry = now.lookup(key)
                if entry is None or not matches(entry.value):
                    return None
""",
        """\
                if (entry := now.lookup(key)) is None:
                    return None
""",
        Detector.LINEARIZABILITY,
        "compare_and_swap meets compare_and_delete",
        "client 1's compare_and_swap.*client 2's compare_and_delete",
    ),
    _slip(
        "load_or_store overwrites what came while it waited for the lock",
        """\
                if (entry := now.lookup(key)) is not None:
                    return entry.value, True
                self._insert_locked(now, hash_, key, value)
""",
        """\
                if (entry := now.lookup(key)) is not None:
                    now.replace_locked(entry, _entry(key, value, entry.overflow.load()))
                else:
                    self._insert_locked(now, hash_, key, value)
""",
        Detector.LINEARIZABILITY,
        "two load_or_store of one key",
        "client 1's load_or_store.*client 2's load_or_store",
    ),
    _slip(
        "a writer trusts what it saw in the slot before it had the lock",
        "        return Place(self.node, self.shift, self.slot, head)\n",
        "        return self\n",
        Detector.LINEARIZABILITY,
        "two load_or_store of one key",
        "client 1's load_or_store.*client 2's load_or_store",
    ),
    _slip(
        "a removed node is not marked dead",
        "        node.dead.store(True)\n",
        "",
        Detector.LINEARIZABILITY,
        "a node's removal meets a load_or_store in it",
        "client 2 found key 'e' missing",
    ),
    _slip(
        "the first use does not look again under the lock",
        "            if not self.inited.load():\n                self.root",
        "            if True:\n                self.root",
        Detector.LINEARIZABILITY,
        "two keys meet in an empty slot",
        "client 2 found key 'a' missing",
    ),
    _slip(
        "clear empties the children one by one",
        "        self._init()\n        self.root.store(Indirect(None))\n",
        "        for slot in self._load_root().children:\n            slot.store(None)\n",
        Detector.LINEARIZABILITY,
        "a clear meets loads of two keys",
        "no order of these 5 operations on the whole map",
    ),
    _slip(
        "a writer does not ask whether the node is dead",
        "isinstance(head, Indirect) or self.node.dead.load()",
        "isinstance(head, Indirect)",
        Detector.INVARIANT,
        "a node's removal meets a store in it",
        r"T7: a dead node has a child again; broken by client 2's m.store\('b', 3\) at .*trie_map",
    ),
    _slip(
        "an empty node is unlocked before its parent is locked",
        """\
        parent.mu.lock()
        node.dead.store(True)
        parent.child(hash_, shift).store(None)
        node.mu.unlock()
""",
        """\
        node.mu.unlock()
        parent.mu.lock()
        node.dead.store(True)
        parent.child(hash_, shift).store(None)
""",
        Detector.INVARIANT,
        "a node's removal meets a store in it",
        "T3: a node is empty; broken by .*node.mu: unlock",
    ),
    _slip(
        "a node is marked dead before its parent is locked",
        "        parent.mu.lock()\n        node.dead.store(True)\n",
        "        node.dead.store(True)\n        parent.mu.lock()\n",
        Detector.INVARIANT,
        "a node's removal meets a store in it",
        "T2: a dead node can be reached; broken by .*node.dead: store",
    ),
    _slip(
        "a subtrie is published before it is filled",
        "    top = node = Indirect(place.node)\n",
        "    top = node = Indirect(place.node)\n    place.slot.store(top)\n",
        Detector.INVARIANT,
        "a node grows while the old key is loaded",
        r"T3: a node is empty; broken by client 1's m.store\('b', 2\) .*children\[1\]: store",
    ),
    _slip(
        "a deep subtrie forgets the parents",
        "below = Indirect(node)",
        "below = Indirect(place.node)",
        Detector.INVARIANT,
        "a node grows by two levels while the old key is deleted",
        "T1: the parent of a node is not the node that holds it",
    ),
    _slip(
        "keys that meet in a slot make a chain whatever their hashes",
        "(head_hash := self._hash(place.head.key)) == hash_",
        "place.head is not None",
        Detector.INVARIANT,
        "a node grows while the old key is loaded",
        "T5: 'a' is in a chain of another hash",
    ),
    _slip(
        "a swap changes the entry in place, under the lock",
        "now.replace_locked(entry, _entry(key, value, entry.overflow.load()))",
        'object.__setattr__(entry, "value", value)',
        Detector.INVARIANT,
        "a node grows while the old key is swapped",
        "T6: the entry of 'a' had 1 and has ",
    ),
    _slip(
        "the flag of the first use is plain memory",
        'self.inited = Atomic(False, "inited")',
        'from plain_words import PlainWord; self.inited = PlainWord(False, "inited")',
        Detector.RACE,
        "two first uses",
        "inited",
    ),
    _slip(
        "the links of a chain are plain memory",
        'return Entry(key, value, Atomic(overflow, "overflow"))',
        'from plain_words import PlainWord; return Entry(key, value, PlainWord(overflow, "overflow"))',
        Detector.RACE,
        "a load in a chain meets a swap and a delete",
        "overflow",
    ),
    _slip(
        "the children of a node are plain memory",
        """\
        self.children: Final[tuple[Atomic[Node[K, V]], ...]] = tuple(
            Atomic(None, name) for name in _CHILD_NAMES
        )
""",
        """\
        from plain_words import PlainWord
        self.children = tuple(PlainWord(None, name) for name in _CHILD_NAMES)
""",
        Detector.RACE,
        "a node grows while the old key is loaded",
        r"children\[1\]",
        trie_nodes,
    ),
    _slip(
        "a node that was removed stays locked, and its parent too",
        "            finally:\n                held.mu.unlock()\n",
        "            finally:\n                held is place.node and held.mu.unlock()\n",
        Detector.DEADLOCK,
        "a node's removal meets a store in it",
        "client 2 waits to lock node.mu, held by client 1",
    ),
    _slip(
        "load_or_store locks from the parent down, against the removal, which locks from the child up",
        "                return entry.value, True\n            with place.node.mu:\n",
        """\
                return entry.value, True
            above = place.node.parent
            above and above.mu.lock()
            with place.node.mu:
                above and above.mu.unlock()
""",
        Detector.DEADLOCK,
        "a node's removal meets a load_or_store in it",
        "client 1 waits to lock node.mu, held by client 2; client 2 waits to lock node.mu, held by client 1",
    ),
    _slip(
        "the flag of the first use is published before the root",
        """\
                self.root.store(Indirect(None))
                self.inited.store(True)
""",
        """\
                self.inited.store(True)
                self.root.store(Indirect(None))
""",
        Detector.EXCEPTION,
        "a first use meets a load",
        "there is no root",
    ),
    _slip(
        "the first node is unlocked after a removal, not the one that is held in the end",
        "held = _prune_locked(now, hash_)",
        "_prune_locked(now, hash_)",
        Detector.EXCEPTION,
        "the last two keys of a node go at once",
        "unlock of unlocked mutex",
    ),
    _slip(
        "a swap drops the rest of the chain",
        "now.replace_locked(entry, _entry(key, value, entry.overflow.load()))",
        "now.replace_locked(entry, _entry(key, value, None))",
        Detector.ANSWERS,
        IN_SEQUENCE,
        "left .*, not ",
    ),
    _slip(
        "a delete drops the rest of the chain",
        "now.replace_locked(entry, entry.overflow.load())",
        "now.replace_locked(entry, None)",
        Detector.ANSWERS,
        IN_SEQUENCE,
        "left .*, not ",
    ),
    _slip(
        "range visits the heads of chains only",
        "            child = child.overflow.load()\n",
        "            child = None\n",
        Detector.ANSWERS,
        IN_SEQUENCE,
        "left .*, not ",
    ),
    _slip(
        "a chain is as long as two entries",
        "            place.slot.store(_entry(key, value, place.head))\n",
        """\
            head = place.head if place.head.overflow.load() is None else place.head.overflow.load()
            place.slot.store(_entry(key, value, head))
""",
        Detector.ANSWERS,
        IN_SEQUENCE,
        "left .*, not ",
    ),
    _slip(
        "empty nodes stay",
        "node.parent is not None and node.empty()",
        "False",
        Detector.MEMORY_BOUND,
        COME_AND_GO,
        r"\d+ interior nodes are left",
    ),
    _slip(
        "only one empty node is removed",
        "        node = parent\n",
        "        return parent\n",
        Detector.MEMORY_BOUND,
        COME_AND_GO,
        r"\d+ interior nodes are left",
    ),
)


def caught(mutant: Mutant) -> str:
    """What the mutant's detector says of it; "" if nothing."""
    match mutant.detector:
        case Detector.ANSWERS:
            kind = mutant.built(*MODULES[:-1])
            runs = ((partial(kind, hash_of), seed) for seed in range(60) for hash_of in HASHES.values())
            return next((found for make, seed in runs if (found := divergence(make, seed, False))), "")
        case Detector.MEMORY_BOUND:
            kind = mutant.built(*MODULES[:-1])
            return nodes_left(kind())
        case detector:
            right, *words = SCENARIOS[mutant.scenario]
            made = hashed.factory_of(mutant, right, MODULES)
            return map_mutants.account(right, made, tuple(words), detector)


def nodes_left(map_: Any, keys: int = 200) -> str:
    """Lets keys come and go; what more than the root is left of the trie, as a sentence."""
    for key in range(keys):
        map_.store(key, key)
    for key in range(keys):
        map_.delete(key)
    left = sum(1 for _ in _below(map_.root.peek()))
    return f"{keys} keys came and went: {left} interior nodes are left below the root" if left else ""


def _below(node: Any) -> Iterator[Any]:
    for child in (child.peek() for child in node.children):
        if type(child).__name__ == Indirect.__name__:
            yield child
            yield from _below(child)


def alarms(schedules: int, seed: int) -> list[str]:
    """What any detector says of about so many schedules of `TrieMap` as it is."""
    return hashed.alarms(SCENARIOS, schedules, seed)
