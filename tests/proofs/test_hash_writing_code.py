"""The flag of impl/plain_map.py is the one of the system: every access of it, in random runs, is a step.

The idea: a few threads store one key into one map, which nothing protects. What each access to the flag did is
compared with the step of the system; accesses to anything else are the mutation, and are not looked at. Then the
shortest run of the refuted claim is made with the real map: two writers, and nobody is accused.
"""

import random
from collections import Counter

import pytest
from turns import Parted, Turns

from mapproof.impl.plain_map import PlainMap
from mapproof.impl.plain_map_buckets import HASH_WRITING as BIT
from mapproof.impl.sync import FatalError
from mapproof.proofs.chapters import Bound
from mapproof.proofs.running.exploration import machine_within
from mapproof.proofs.systems.hash_writing import HASH_WRITING
from mapproof.proofs.systems.hash_writing_mutants import MUTANTS, UNNOTICED
from mapproof.proofs.systems.hash_writing_variant import ATOMIC_END
from mapproof.spec.accesses import Access

STEPS = {
    ("_check_not_writing", Access.READ, None): ("check", "check_fatal"),
    ("_hash_writing", Access.READ, "checked"): ("toggle_read",),
    ("_hash_writing", Access.WRITE, "read_clear"): ("toggle_to_set",),
    ("_hash_writing", Access.WRITE, "read_set"): ("toggle_to_clear",),
    ("_hash_writing", Access.READ, "mutating"): ("end", "end_fatal"),
    ("_stop_writing", Access.READ, "ending"): (),
    ("_stop_writing", Access.WRITE, "ending"): ("clear",),
}
"""The steps that each access to the flag may be, by the place where the thread stands before it. What is read before
the flag is cleared decides nothing of this bit."""
PLACES = ("checked", "read_clear", "read_set", "mutating", "ending")


class FollowedMap(Turns):
    """The system takes each step that the code takes at the flag."""

    def __init__(self, system, choose):
        super().__init__(PlainMap, choose)
        self.map = PlainMap()
        self.map.store("key", 0)
        self.machine = machine_within(system, Bound({}))
        self.state = self.machine.initial()
        self.place, self.done = {}, Counter()

    def writer(self):
        """A thread that stores twice."""
        for value in (1, 2):
            self.map.store("key", value)

    def happened(self, number, access):
        function, name, kind = access
        if name != "flags" or (function, kind, self.place.get(number)) not in STEPS:
            return
        steps = STEPS[function, kind, self.place.get(number)]
        self.done[number] += 1
        self._move(number, steps)
        enabled = [step for name in steps if (step := self.machine.step(self.state, name))]
        for step in enabled:
            self.state = step.after
            assert not step.broken_claims
        if len(enabled) != bool(steps) or self._pictured() != self._seen(number):
            raise Parted(f"{access}: the code has {self._seen(number)}, the system {self._pictured()}")

    def _move(self, number, steps):
        """Where the thread stands after the access, by what there is to be seen of the flag."""
        is_set = bool(self.map.flags.peek() & BIT)
        then = {
            ("check", "check_fatal"): "checked",
            ("toggle_read",): "read_set" if is_set else "read_clear",
            ("toggle_to_set",): "mutating",
            ("toggle_to_clear",): "mutating",
            ("end", "end_fatal"): "ending",
            (): "ending",
            ("clear",): None,
        }[steps]
        accused = number in self.errors
        self.place[number] = self.place.get(number) if accused else then

    def _seen(self, number):
        count = Counter(self.place.values())
        return (*(count[place] for place in PLACES), bool(self.map.flags.peek() & BIT), bool(self.errors))

    def _pictured(self):
        places = (self.machine.read(self.state, f"Writers.{place}") for place in PLACES)
        flags = ("HMap.hash_writing", "HMap.fatal")
        return (*places, *(bool(self.machine.read(self.state, name)) for name in flags))


def follow(system=HASH_WRITING, runs=60):
    """How many runs ended with an accusation, and how many did not. Raises Parted."""
    ended = Counter()
    for seed in range(runs):
        turns = FollowedMap(system, random.Random(seed).choice)
        turns.run([turns.writer] * 3)
        assert all(isinstance(error, FatalError) for error in turns.errors.values())
        ended[bool(turns.errors)] += 1
    return ended


def test_every_access_to_the_flag_is_a_step_of_the_system():
    ended = follow()
    assert ended[True]
    assert ended[True] + ended[False] == 60


@pytest.mark.parametrize("system", [m.system for m in MUTANTS] + [ATOMIC_END], ids=lambda system: system.name)
def test_another_system_parts_from_the_code(system):
    with pytest.raises(AssertionError):
        follow(system)


def test_two_writers_of_the_real_map_overlap_and_nobody_is_accused():
    """Each is let on when the other has made as many accesses to the flag: the shortest run of the system."""
    turns = FollowedMap(UNNOTICED.system, lambda able: min(able, key=lambda number: turns.done[number]))
    with pytest.raises(AssertionError) as broken:
        turns.run([lambda: turns.map.store("key", 1), lambda: turns.map.store("key", 2)])
    assert "broken_claims" in str(broken.value)
    assert not turns.errors
    assert turns.machine.read(turns.state, "Writers.overlapped")
    assert not turns.map.flags.peek() & BIT
