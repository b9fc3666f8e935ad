"""Mutants of TrieMap: its source with one place changed. Each names the detector that must find it, and its words."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from tries import HASHES, divergence, explored

from mapproof.impl import trie_map

# What is wrong -> the text in the source, what stands there instead, and who finds it how.

INTERLEAVED: Mapping[str, tuple[str, str, str, str]] = {
    "compare_and_swap changes the value in place, without the lock (Go issue 70970)": (
        "            if not _holds(place.lookup(key), old):\n                return False\n",
        """\
            if not _holds(entry := place.lookup(key), old):
                return False
            Atomic(entry).load()
            if entry.value == old:
                object.__setattr__(entry, "value", new)
                return True
""",
        "compare_and_swap meets compare_and_delete",
        "not linearizable: client 1's compare_and_swap.*client 2's compare_and_delete",
    ),
    "compare_and_swap compares before it has the lock only": (
        "if entry is None or not _holds(entry, old):",
        "if entry is None:",
        "two compare_and_swap in a chain",
        "not linearizable: client 1's compare_and_swap.*client 2's compare_and_swap",
    ),
    "compare_and_delete compares before it has the lock only": (
        """\
                entry = now.lookup(key)
                if entry is None or not matches(entry.value):
                    return None
""",
        """\
                if (entry := now.lookup(key)) is None:
                    return None
""",
        "compare_and_swap meets compare_and_delete",
        "not linearizable: client 1's compare_and_swap.*client 2's compare_and_delete",
    ),
    "load_or_store overwrites what came while it waited for the lock": (
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
        "two load_or_store of one key",
        "not linearizable: client 1's load_or_store.*client 2's load_or_store",
    ),
    "a writer trusts what it saw in the slot before it had the lock": (
        "        return Place(self.node, self.shift, self.slot, head)\n",
        "        return self\n",
        "two load_or_store of one key",
        "not linearizable: client 1's load_or_store.*client 2's load_or_store",
    ),
    "a writer does not ask whether the node is dead": (
        "isinstance(head, Indirect) or self.node.dead.load()",
        "isinstance(head, Indirect)",
        "a node's removal meets a store in it",
        "not linearizable: client 2 found key 'b' missing",
    ),
    "a removed node is not marked dead": (
        "        node.dead.store(True)\n",
        "",
        "a node's removal meets a load_or_store in it",
        "not linearizable: client 2 found key 'e' missing",
    ),
    "an empty node is unlocked before its parent is locked": (
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
        "a node's removal meets a store in it",
        "not linearizable: client 0 found key 'b' missing",
    ),
    "a subtrie is published before it is filled": (
        "    top = node = Indirect(place.node)\n",
        "    top = node = Indirect(place.node)\n    place.slot.store(top)\n",
        "a split meets loads of the old key",
        "not linearizable: client 2 found key 'a' missing",
    ),
    "the flag is published before the root": (
        """\
                self.root.store(Indirect(None))
                self.inited.store(True)
""",
        """\
                self.inited.store(True)
                self.root.store(Indirect(None))
""",
        "a first use meets a load",
        "exception: .*there is no root",
    ),
    "the first use does not look again under the lock": (
        "            if not self.inited.load():\n                self.root",
        "            if True:\n                self.root",
        "two keys meet in an empty slot",
        "not linearizable: client 2 found key 'a' missing",
    ),
    "clear empties the children one by one": (
        "        self._init()\n        self.root.store(Indirect(None))\n",
        "        for slot in self._load_root().children:\n            slot.store(None)\n",
        "a clear meets loads of two keys",
        "not linearizable",
    ),
    "a node that was removed stays locked, and its parent too": (
        "            finally:\n                held.mu.unlock()\n",
        "            finally:\n                held is place.node and held.mu.unlock()\n",
        "a node's removal meets a store in it",
        "deadlock: client 2 waits to lock node.mu, held by client 1",
    ),
}

SEQUENTIAL: Mapping[str, tuple[str, str, str]] = {
    "the wrong node is unlocked after a removal": (
        "held = _prune_locked(now, hash_)",
        "_prune_locked(now, hash_)",
        "unlock of unlocked mutex",
    ),
    "a swap drops the rest of the chain": (
        "_entry(key, value, entry.overflow.load())",
        "_entry(key, value, None)",
        "left .*, not ",
    ),
    "a delete drops the rest of the chain": (
        "now.replace_locked(entry, entry.overflow.load())",
        "now.replace_locked(entry, None)",
        "left .*, not ",
    ),
    "range visits the heads of chains only": (
        "            child = child.overflow.load()\n",
        "            child = None\n",
        "left .*, not ",
    ),
    "empty nodes stay": ("node.parent is not None and node.empty()", "False", "T3"),
    "only one empty node is removed": ("        node = parent\n", "        return parent\n", "T3"),
    "a deep split forgets the parents": ("below = Indirect(node)", "below = Indirect(place.node)", "T1"),
    "keys that meet in a slot make a chain whatever their hashes": (
        "(head_hash := self._hash(place.head.key)) == hash_",
        "place.head is not None",
        "T5",
    ),
}


def mutant(before: str, after: str) -> Any:
    """TrieMap from its own source with one place changed."""
    source = inspect.getsource(trie_map)
    assert source.count(before) == 1, "the text to break was not found exactly once"
    module = ModuleType("mapproof.impl._broken_trie")
    sys.modules[module.__name__] = module  # where dataclasses look it up
    exec(compile(source.replace(before, after), "_broken_trie.py", "exec"), module.__dict__)  # noqa: S102 - our own source
    return module.TrieMap


@pytest.mark.parametrize("wrong", INTERLEAVED)
def test_the_explorer_finds_the_mutant_that_only_an_interleaving_shows(wrong: str) -> None:
    before, after, scenario, sentence = INTERLEAVED[wrong]
    kind = mutant(before, after)
    result = explored(kind, scenario, bound=2)
    assert result.verdict == "FAILED", result.evidence()
    assert result.counterexample is not None
    failure = result.counterexample.execution.failure
    assert failure is not None
    assert re.match(sentence, f"{failure.kind}: {failure.summary}"), failure


@pytest.mark.parametrize("wrong", SEQUENTIAL)
def test_random_sequences_find_the_mutant_that_is_wrong_alone(wrong: str) -> None:
    before, after, sentence = SEQUENTIAL[wrong]
    kind = mutant(before, after)
    runs = ((partial(kind, hash_of), seed) for seed in range(60) for hash_of in HASHES.values())
    found = next((found for make, seed in runs if (found := divergence(make, seed))), "nothing")
    assert re.search(sentence, found), found
