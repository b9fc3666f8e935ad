"""The reference maps follow their systems, and neither a wrong map nor a wrong system goes unnoticed.

The whole of what `mapproof verify` runs is longer; here are parts of it, and every mutant is given the scenario that
it is about.
"""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from mapproof.impl import hashing, sharded_map, sharded_map_invariants, shards, small_maps, sync_map
from mapproof.impl.small_maps import splitting_map, splitting_map_of_two_bins
from mapproof.proofs.systems.shard_rehash import mutants as shard_rehash_mutants
from mapproof.proofs.systems.sync_map import mutants as sync_map_mutants
from mapproof.spec.evidence import Verdict
from mapproof.validated_maps import Ground, Situation, Subject
from mapproof.validated_maps import sharded_map as sharded_map_subject
from mapproof.validated_maps import sync_map as sync_map_subject
from mapproof.validation import evidence, validated

Words = tuple[str, tuple[str, ...]]


def only(subject: Subject, ground: Ground, words: Words, bound: int) -> Subject:
    """The subject in one situation."""
    return replace(subject, grounds=(replace(ground, bounds=((bound, (Situation(*words),)),)),))


def covering(subject: Subject, situations: Sequence[Situation]) -> Subject:
    """The subject in these situations, with at most one preemption; grounds without any are left out."""
    grounds = []
    for ground in subject.grounds:
        some = tuple(s for _, of_bound in ground.bounds for s in of_bound if s in situations)
        if some:
            grounds.append(replace(ground, bounds=((1, some),)))
    assert sum(len(ground.bounds[0][1]) for ground in grounds) == len(situations)
    return replace(subject, grounds=tuple(grounds))


SYNC_MAP_SITUATIONS = [
    Situation("", ("swap a 3", "clear")),
    Situation("", ("swap a 3", "range")),
    Situation("", ("load_or_store a 1", "load_or_store a 2; load a")),
    Situation("store a 1", ("compare_and_swap a 1 2; load a", "compare_and_delete a 1")),
    Situation("store a 1", ("clear", "clear; store b 2")),
    Situation("store a 1; load a", ("load_and_delete a", "store a 2")),
    Situation("store a 1; load a", ("compare_and_swap a 1 2", "swap a 1")),
    Situation("store a 1; load a; delete a", ("load_or_store a 2", "load_or_store a 3")),
    Situation("store a 1; load a; delete a", ("store b 2", "store a 3; load a")),
    Situation("store a 1; load a; store b 2", ("load_and_delete c", "load_and_delete b")),
    Situation("store a 1; load a; store b 2", ("compare_and_delete b 2", "load_and_delete b")),
    Situation("store a 1; load a; store b 2", ("compare_and_swap c 1 2", "store c 3")),
    Situation("store a 1; load a; store b 2", ("range", "range")),
]
SHARDED_MAP_SITUATIONS = [
    Situation("store a 1; len", ("len; load b", "clear; load a")),
    Situation("store a 1; len", ("len; compare_and_delete a 1", "compare_and_swap a 1 2")),
    Situation("store a 1; store b 2; len", ("len", "range")),
    Situation("store a 1", ("len", "range")),
]
"""As few as make every action of the system."""

SUBJECTS = [
    pytest.param(covering(sync_map_subject(), SYNC_MAP_SITUATIONS), id="SyncMap"),
    pytest.param(covering(sharded_map_subject(), SHARDED_MAP_SITUATIONS), id="ShardedMap"),
]


# ------------------------------------------------------------------------------------------------ right maps


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_maps_follow_their_systems_and_make_every_action(subject: Subject) -> None:
    result = validated(subject)
    assert (result.complaint, result.undecided) == (None, None)
    assert result.covered == {a.name for a in subject.system.actions.values() if a.dead is None}


def test_what_is_exhausted_is_said() -> None:
    subject = sharded_map_subject()
    found = evidence(covering(subject, SHARDED_MAP_SITUATIONS))
    print(found)
    assert found.verdict is Verdict.EXHAUSTED
    assert "every schedule with preemptions <= 1 of 4 scenarios" in found.scope
    assert "all 50 actions of the model made" in found.scope


@pytest.mark.parametrize("subject", SUBJECTS)
def test_random_schedules_are_followed_too(subject: Subject) -> None:
    result = validated(subject, walks=4, seed=5)
    assert (result.complaint, result.undecided) == (None, None)
    assert result.schedules >= 12
    assert result.accesses > 300


def test_random_schedules_are_samples() -> None:
    subject = sync_map_subject()
    sampled = only(subject, subject.grounds[0], ("store a 1", ("load a", "load a")), 1)
    found = evidence(sampled, walks=3, seed=1)
    assert found.verdict is Verdict.SAMPLED
    assert " of 61 actions of the model made" in found.scope


def test_an_action_that_no_scenario_makes_is_a_failure() -> None:
    subject = sync_map_subject()
    found = evidence(only(subject, subject.grounds[0], ("store a 1", ("load a", "load a")), 1))
    assert found.verdict is Verdict.FAILED
    assert found.counterexample is not None
    assert "what no scenario makes of the model" in found.counterexample
    assert "clear_read" in found.counterexample


# ------------------------------------------------------------------------------------------------ wrong code


def changed(modules: Sequence[ModuleType], name: str, before: str, after: str) -> Any:
    """An attribute of the last of the modules, all of them executed again with one place changed in one of them."""
    copies = {module.__name__: f"{module.__name__}__broken" for module in modules}
    texts = [inspect.getsource(module) for module in modules]
    assert sum(text.count(before) for text in texts) == 1, before
    copy = ModuleType("none")
    for module, text in zip(modules, texts, strict=True):
        broken = text.replace(before, after)
        for old, new in copies.items():
            broken = broken.replace(f"from {old} import", f"from {new} import")
        copy = ModuleType(copies[module.__name__])
        sys.modules[copy.__name__] = copy
        exec(compile(broken, f"{copy.__name__}.py", "exec"), copy.__dict__)  # noqa: S102 - our own source
    return getattr(copy, name)


SYNC_MAP_SLIPS: dict[str, tuple[str, str, Words, str]] = {
    "publishing amended before the copy is complete": (
        """\
            self._dirty_locked()
            self.read.store(ReadOnly(read.m, amended=True))
""",
        """\
            self.read.store(ReadOnly(read.m, amended=True))
            self._dirty_locked()
""",
        ("store a 1; load a", ("store b 2", "load b")),
        "* m.amended: False -> False, in the code True",
    ),
    "a promotion that keeps dirty": (
        "        self.dirty.write(None)\n        self.misses.write(0)\n        return read",
        "        self.misses.write(0)\n        return read",
        ("store a 1", ("load a", "load a")),
        "* m.dirty: map1 -> nil, in the code map1",
    ),
    "a store in place of a compare-and-swap": (
        "            if self.p.compare_and_swap(p, box):\n                return p, True",
        "            self.p.store(box)\n            return p, True",
        ("store a 1; load a", ("store a 2", "load a")),
        "made by p: compare_and_swap in Entry.try_swap",
    ),
    "unexpunging without the insertion into dirty": (
        "        if entry.unexpunge_locked():\n            self._existing_dirty_locked()[key] = entry",
        "        entry.unexpunge_locked()",
        ("store a 1; load a; delete a; store b 2", ("store a 3", "load b")),
        "unexpunge_insert(t1): m.dirty[key] = e",
    ),
    "misses that a promotion does not reset": (
        "        self.dirty.write(None)\n        self.misses.write(0)\n        return read",
        "        self.dirty.write(None)\n        return read",
        ("store a 1", ("load a", "load a")),
        "* m.misses: 1 -> 0, in the code 1",
    ),
    "a clear that leaves dirty": (
        "            if dirty is not None:\n                dirty.clear()\n",
        "",
        ("store a 1; load a; store b 2", ("clear", "load b")),
        "clear_dirty(t1): clear(m.dirty)",
    ),
    "a load that does not look again under the lock": (
        """\
                read = self._load_read_only()
                entry = read.m.get(key)
                if entry is None and read.amended:
                    entry = self._get_dirty_locked(key)
                    self._miss_locked()
        return (None, False) if entry is None else entry.load()
""",
        """\
                entry = self._get_dirty_locked(key)
                if entry is not None:
                    self._miss_locked()
        return (None, False) if entry is None else entry.load()
""",
        ("store a 1", ("load a", "load a")),
        "being at RECHECK",
    ),
    "a copy that does not expunge": (
        "            if self.p.compare_and_swap(None, EXPUNGED):\n                return True",
        "            return True",
        ("store a 1; load a; delete a", ("store b 2", "load a")),
        "try_expunge_locked(t1)",
    ),
    "a new key that is inserted before dirty is announced": (
        """\
        if not read.amended:
            self._dirty_locked()
            self.read.store(ReadOnly(read.m, amended=True))
        self._existing_dirty_locked()[key] = Entry(box)
""",
        """\
        if not read.amended:
            self._dirty_locked()
        self._existing_dirty_locked()[key] = Entry(box)
        if not read.amended:
            self.read.store(ReadOnly(read.m, amended=True))
""",
        ("store a 1; load a", ("store b 2", "load b")),
        "amend(t0)",
    ),
    "an answer that is another's": (
        "        return _found(self.p.load())",
        "        return (None, False)",
        ("store a 1; load a", ("load a", "load a")),
        "the call returns, where the model has more to do",
    ),
}


@pytest.mark.parametrize("slip", SYNC_MAP_SLIPS)
def test_a_line_of_sync_map_that_is_wrong_parts_from_the_model(slip: str) -> None:
    before, after, words, says = SYNC_MAP_SLIPS[slip]
    broken = changed([sync_map], "SyncMap", before, after)
    subject = sync_map_subject(broken)
    found = evidence(only(subject, subject.grounds[0], words, 2))
    assert found.verdict is Verdict.FAILED
    assert found.counterexample is not None
    assert says in found.counterexample, found.counterexample
    assert "does not follow the model sync.Map" in found.counterexample


@pytest.mark.parametrize(
    "slip",
    [
        "publishing amended before the copy is complete",
        "a store in place of a compare-and-swap",
        "misses that a promotion does not reset",
        "a new key that is inserted before dirty is announced",
    ],
)
def test_slips_that_no_single_thread_sees(slip: str) -> None:
    before, after, _, _ = SYNC_MAP_SLIPS[slip]
    broken = changed([sync_map], "SyncMap", before, after)()
    model: dict[int, int] = {}
    draw = random.Random(7)
    for number in range(3_000):
        key = draw.randrange(6)
        match draw.randrange(4):
            case 0:
                broken.store(key, number)
                model[key] = number
            case 1:
                assert broken.load_and_delete(key) == (
                    (model.pop(key), True) if key in model else (None, False)
                )
            case _:
                assert broken.load(key) == ((model[key], True) if key in model else (None, False))


SHARDED = (hashing, shards, sharded_map_invariants, sharded_map, small_maps)
_COPIES = """\
        for number in range(start, min(end, bins)):
            self.copy_bin(number)
"""

SHARDED_MAP_SLIPS: dict[str, tuple[str, str, Callable[[], Any], Words, str]] = {
    "the second write is left out": (
        "        if split is not None:\n            split.child_of",
        "        if False:\n            split.child_of",
        splitting_map,
        ("store a 1; len", ("len", "store a 2")),
        "write_new(t2, shard00)",
    ),
    "a delete is not sent to the new shards": (
        "        if split is not None:\n            split.child_of",
        "        if split is not None and new is not None:\n            split.child_of",
        splitting_map,
        ("store a 1; len", ("len", "delete a")),
        "write_new(t2, shard00)",
    ),
    "the route is stored before the copy is complete": (
        "                at_end = end == 2 * len(shard.bins)\n",
        "                at_end = end >= len(shard.bins)\n",
        splitting_map_of_two_bins,
        ("store a 1; store b 2", ("len; len", "load a")),
        "* m.route[a]: shard0 -> shard0, in the code shard00",
    ),
    "the switch comes after mu is given back": (
        """\
                if not agrees:
                    shard.split.write(None)
                elif at_end:
                    self._switch_locked(split)
""",
        """\
                if not agrees:
                    shard.split.write(None)
            if agrees and at_end:
                self._switch_locked(split)
""",
        splitting_map,
        ("store a 1; len", ("len", "store a 2")),
        "t1 being at MIGRATED",
    ),
    "the cursor skips a bin": (
        _COPIES,
        _COPIES.replace("range(start,", "range(start + (start == 0),"),
        splitting_map_of_two_bins,
        ("store a 1; store b 2", ("len; len; len", "load a")),
        "copy_load(t1, bin0)",
    ),
    "the cursor reads before it locks": (
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
        splitting_map,
        ("store a 1", ("len", "store a 2")),
        "t1 being at MIGRATED",
    ),
    "a writer does not ask for successors": (
        "                if not shard.successors_locked():\n                    yield shard\n                    return\n",
        "                yield shard\n                return\n",
        splitting_map,
        ("store a 1", ("store a 2", "load a")),
        "check_owner(t",
    ),
}


@pytest.mark.parametrize("slip", SHARDED_MAP_SLIPS)
def test_a_line_of_sharded_map_that_is_wrong_parts_from_the_model(slip: str) -> None:
    before, after, made_by, words, says = SHARDED_MAP_SLIPS[slip]
    broken = changed(SHARDED, made_by.__name__, before, after)
    subject = sharded_map_subject(lambda factory: broken if factory is made_by else factory)
    ground = next(ground for ground in subject.grounds if ground.factory is broken)
    found = evidence(only(subject, ground, words, 2))
    assert found.verdict is Verdict.FAILED
    assert found.counterexample is not None
    assert says in found.counterexample, found.counterexample
    assert "does not follow the model" in found.counterexample


# ------------------------------------------------------------------------------------------------ wrong models


@pytest.mark.parametrize(
    "name",
    [
        "load does not look at read again under the lock",
        "promotion keeps dirty",
        "unexpunge does not insert into dirty",
        "swap ignores expunged",
        "clear leaves dirty",
    ],
)
def test_a_wrong_system_of_sync_map_is_noticed(name: str) -> None:
    [mutant] = [mutant for mutant in sync_map_mutants.MUTANTS if mutant.name == name]
    found = evidence(covering(sync_map_subject(system=mutant.system), SYNC_MAP_SITUATIONS))
    assert found.verdict is Verdict.FAILED


@pytest.mark.parametrize(
    "name", ["writers write to the old shard only", "the cursor takes no lock", "one child gets no copy"]
)
def test_a_wrong_system_of_sharded_map_is_noticed(name: str) -> None:
    [mutant] = [mutant for mutant in shard_rehash_mutants.MUTANTS if mutant.name == name]
    found = evidence(covering(sharded_map_subject(system=mutant.system), SHARDED_MAP_SITUATIONS))
    assert found.verdict is Verdict.FAILED
