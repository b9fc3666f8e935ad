"""`impl.sharded_map` in the terms of the system of its migrations: its shards, splits, calls and answers.

The idea: a shard is named by the way to it, so `shard01` is new[1] of the split of `shard0`, and what the bits of
every key's hash say of every split that there can be is told to the model at the start. Which access is which step is
told in `sharded_map_rules`. The numbers of keys, the place of the cursor and the time of the last look are not in the
model; nor is what `len` answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from mapproof.proofs.running.layout import Value
from mapproof.proofs.systems.shard_rehash import SHARD_REHASH
from mapproof.proofs.systems.shard_rehash.state import Key, Shard, ShardedMap, Split, Thread
from mapproof.proofs.terms import Field
from mapproof.proofs.trace_validation.binding import Binding, Cell, Names, Picture, Request, View
from mapproof.proofs.trace_validation.sharded_map_rules import INNER, RULES, bin_named, child, split_of
from mapproof.proofs.transition_system import System

OPERATIONS: Final = {
    "load": "LOAD",
    "store": "SWAP",
    "swap": "SWAP",
    "load_or_store": "LOAD_OR_STORE",
    "load_and_delete": "LOAD_AND_DELETE",
    "delete": "LOAD_AND_DELETE",
    "compare_and_swap": "COMPARE_AND_SWAP",
    "compare_and_delete": "COMPARE_AND_DELETE",
    "range": "RANGE",
    "clear": "CLEAR",
    "len": "MAINTAIN",
}
FIRST: Final = "shard0"
MISPLACED: Final = "misplaced"
"""What a shard holds for a key that is in another bin than its own, or there twice: no value of the model."""


class ShardedMapBinding(Binding):
    """For runs of so many `clients`, with these keys and values, on maps like `sample`, which has one shard at first.

    `len` must do what `maintain` does, as in the maps of `impl.small_maps`. `followed` is the key that ranges are
    followed with.
    """

    rules = RULES
    inner = INNER
    unmodelled = frozenset({"count", "cursor", "sampled_at"})

    def __init__(
        self,
        sample: Any,
        *,
        clients: int,
        keys: Sequence[Any],
        values: Sequence[Any],
        followed: Any = None,
        system: System = SHARD_REHASH,
    ) -> None:
        self.system = system
        self._keys = {key: str(key) for key in keys}
        self._followed = self._keys[keys[0] if followed is None else followed]
        [first] = sample.route.peek().shards()
        self._bins = {self._keys[key]: _bin(first.bin_of(sample.hash_key(key))) for key in keys}
        self._upper: dict[tuple[Value, ...], Value] = dict(_upper(sample, self._keys))
        splits = dict.fromkeys(str(split) for split, _ in self._upper)
        olds = [f"shard{split.removeprefix('split')}" for split in splits]
        self._domains = {
            "Value": ("absent", *dict.fromkeys(map(_value, values))),
            "Bin": tuple(_bin(number) for number in range(len(first.bins))),
            "Split": ("none", *splits),
            "Key": tuple(self._keys.values()),
            "Shard": (FIRST, *(child(old, second) for old in olds for second in (False, True))),
            "Thread": tuple(self.thread(client) for client in range(clients)),
        }

    @property
    def domains(self) -> Mapping[str, tuple[str, ...]]:
        return self._domains

    @property
    def given(self) -> Mapping[str, Mapping[tuple[Value, ...], Value]]:
        return {
            _name(Key.bin): {(key,): number for key, number in self._bins.items()},
            _name(Split.upper): self._upper,
        }

    def begin(self, subject: Any, names: Names) -> None:
        for role in ("route", "migrator", "waiting", "cursor", "sampled_at"):
            names.means(getattr(subject, role), role)
        [first] = subject.route.peek().shards()
        self._means(FIRST, first, names)

    def _means(self, name: str, shard: Any, names: Names) -> None:
        names.call("Shard", shard, name)
        for role in ("mu", "split", "count"):
            names.means(getattr(shard, role), role, name)
        for number, word in enumerate(shard.bins):
            names.means(word, "bin", bin_named(name, _bin(number)))

    def picture(self, subject: Any, names: Names) -> Picture:
        route, waiting = subject.route.peek(), subject.waiting.peek()
        shards = [names.kept("Shard", FIRST)]
        shown: list[tuple[Cell, Value]] = [((_MIGRATOR, ()), subject.migrator.locked())]
        for shard in shards:
            name = names.known("Shard", shard)
            assert name is not None
            split = shard.split.peek()
            if split is not None:
                shards += split.new
                self._split(name, split, names, shown)
            shown.append(((_SPLIT, (name,)), "none" if split is None else split_of(name)))
            shown.append(((_MU, (name,)), shard.mu.locked()))
            shown.append(((_WAITING, (name,)), shard in waiting))
            shown.append(((_ROUTED, (name,)), shard in route.slots))
            self._held(name, shard, shown)
        for key, element in self._keys.items():
            owner = route.owner_of(subject.hash_key(key))
            shown.append(((_ROUTE, (element,)), names.known("Shard", owner) or "unknown"))
        return tuple(shown)

    def _split(self, name: str, split: Any, names: Names, shown: list[tuple[Cell, Value]]) -> None:
        element = split_of(name)
        names.means(split.migrating, "migrating", element)
        shown.append(((_MIGRATING, (element,)), split.migrating.peek().name))
        for second, shard in enumerate(split.new):
            new = child(name, bool(second))
            if names.known("Shard", shard) is None:
                self._means(new, shard, names)
            shown.append(((_MADE_BY, (new,)), element))
            shown.append(((_SECOND, (new,)), bool(second)))

    def _held(self, name: str, shard: Any, shown: list[tuple[Cell, Value]]) -> None:
        found: dict[str, str] = {}
        for number, word in enumerate(shard.bins):
            for node in word.peek():
                key = self._keys[node.key]
                right = key not in found and self._bins[key] == _bin(number)
                found[key] = _value(node.value) if right else MISPLACED
        for key in self._keys.values():
            shown.append(((_HELD, (name, key)), found.get(key, "absent")))

    def call(self, thread: str, request: Request, names: Names) -> tuple[str, tuple[Value, ...]]:
        op = OPERATIONS[request.operation]
        key = self._followed if request.key is None else self._keys[request.key]
        given = [_value(value) for value in request.arguments] or [self._domains["Value"][1]]
        return "invoke", (thread, op, key, given[-1], given[0])

    def answer(self, view: View, thread: str, request: Request, answer: Any) -> tuple[Any, Any]:
        found, wrote = view(Thread.found, thread), view(Thread.wrote, thread)
        pair = (None, False) if found == "absent" else (found, True)
        match request.operation:
            case "load" | "swap" | "load_and_delete":
                return pair, _pair(answer)
            case "load_or_store":
                return (view(Thread.value, thread), False) if wrote else pair, (_value(answer[0]), answer[1])
            case "compare_and_swap" | "compare_and_delete":
                return wrote, answer
            case "range":
                values = [value for key, value in answer if self._keys[key] == self._followed]
                return pair, (_value(values[0]), True) if len(values) == 1 else (None, bool(values))
            case "len":
                return None, None
            case _:
                return None, answer


def _upper(sample: Any, keys: Mapping[Any, str]) -> Iterator[tuple[tuple[Value, ...], bool]]:
    """For every split that there can be, and every key: whether its next bit is 1."""
    routing = sample.route.peek().routing
    waiting = [(FIRST, 0, 1)]
    while waiting:
        name, index, shards = waiting.pop(0)
        if 2 * shards > sample.max_shards:
            continue
        zero, one = routing.split_targets(index, shards)
        for key, element in keys.items():
            yield (split_of(name), element), routing.shard_of(sample.hash_key(key), 2 * shards) == one
        waiting += [(child(name, False), zero, 2 * shards), (child(name, True), one, 2 * shards)]


def _name(read: Field[Any]) -> str:
    return read.function.name


_MIGRATOR: Final = _name(ShardedMap.migrator)
_ROUTE: Final = _name(ShardedMap.route)
_SPLIT: Final = _name(Shard.split)
_MU: Final = _name(Shard.mu)
_WAITING: Final = _name(Shard.waiting)
_ROUTED: Final = _name(Shard.routed)
_HELD: Final = _name(Shard.held)
_MADE_BY: Final = _name(Shard.made_by)
_SECOND: Final = _name(Shard.second)
_MIGRATING: Final = _name(Split.migrating)


def _bin(number: int) -> str:
    return f"bin{number}"


def _value(value: Any) -> str:
    return f"x{value}"


def _pair(answer: Any) -> tuple[Any, Any]:
    return (_value(answer[0]), True) if answer[1] else (None, answer[1])
