"""`impl.sharded_map` and the system of its migrations: which accesses of the code are which step of the model.

The idea is that of `binding`. The system says itself where each of its places is in the code (`shard_rehash.state`);
here the accesses in between are added, which a thread only makes while it holds the lock that guards them. Some steps
of the model are no access at all: the end of a loop, the choice of the next shard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mapproof.proofs.running.layout import Value
from mapproof.proofs.systems.shard_rehash.state import Key, Shard, Split, Thread
from mapproof.proofs.trace_validation.binding import Rule, Touch, View, does, touch, tries
from mapproof.spec.accesses import Access

# ------------------------------------------------------------------------------------------------ what is touched


def bin_named(shard: Value, number: Value) -> str:
    """The element that a bin of a shard is."""
    return f"{shard}.{number}"


def child(shard: Value, second: bool) -> str:
    """The new shard of this one: shards are named by the way to them."""
    return f"{shard}{int(second)}"


def split_of(shard: Value) -> str:
    """The split of this shard."""
    return f"split{str(shard).removeprefix('shard')}"


def _shard(view: View, t: str) -> Value:
    return view(Thread.shard, t)


def _split(view: View, t: str) -> Value:
    return view(Shard.split, view(Thread.shard, t))


def _own_bin(view: View, t: str) -> Value:
    """The bin of the thread's key in its shard."""
    return bin_named(_shard(view, t), view(Key.bin, view(Thread.key, t)))


def _child_bin(view: View, t: str) -> Value:
    """The bin of the thread's key in the new shard that it is for."""
    key = view(Thread.key, t)
    second = bool(view(Split.upper, _split(view, t), key))
    return bin_named(child(_shard(view, t), second), view(Key.bin, key))


def _copied_bin(second: bool) -> Callable[[View, str], Value]:
    return lambda view, t: bin_named(child(_shard(view, t), second), view(Thread.bin, t))


def _is_split(there: bool) -> Callable[[View, str, str], bool]:
    return lambda view, t, element: (_split(view, t) != "none") is there


def _in(second: bool | None) -> Callable[[View, str, str], bool]:
    """A bin of the thread's shard, or of one of its new ones."""

    def holds(view: View, t: str, element: str) -> bool:
        shard = _shard(view, t)
        return element.partition(".")[0] == (shard if second is None else child(shard, second))

    return holds


def _bin(access: Access, function: str, of: Callable[[View, str], Value]) -> Touch:
    return touch("bin", access, function, of=of)


def _store(of: Callable[[View, str], Value]) -> tuple[Touch, Touch]:
    """set_bin_locked: what the bin has is loaded, to count."""
    function = "Shard.set_bin_locked"
    return _bin(Access.LOAD, function, of), _bin(Access.STORE, function, of)


def _exchange(of: Callable[[View, str], Value]) -> tuple[Touch, ...]:
    return _bin(Access.LOAD, "Shard._exchange_here", of), *_store(of)


def _mu(access: Access, function: str) -> Touch:
    return touch("mu", access, f"ShardedMap.{function}", of=_shard)


def _migrator(access: Access) -> Touch:
    return touch("migrator", access, "ShardedMap.rehash", "ShardedMap.maintain", "ShardedMap._migrate")


def _load_route(function: str) -> Touch:
    return touch("route", Access.LOAD, f"ShardedMap.{function}")


def _read_split(function: str, there: bool) -> Touch:
    return touch("split", Access.READ, function, of=_shard, when=_is_split(there))


NOT_SPLIT: Final = _read_split("Shard.successors_locked", False)
MIGRATING: Final = (
    _read_split("Shard.successors_locked", True),
    touch("migrating", Access.READ, "Shard.successors_locked", of=_split),
)

# ------------------------------------------------------------------------------------------------ operations


def _shard_touched(view: View, t: str, element: str) -> tuple[Value, ...]:
    return (element.partition(".")[0],)


def _bin_touched(view: View, t: str, element: str) -> tuple[Value, ...]:
    return (element.partition(".")[2],)


def _both_new(view: View, t: str, element: str) -> tuple[Value, ...]:
    shard = _shard(view, t)
    return child(shard, False), child(shard, True)


def _bin_of_key(there: bool) -> Callable[[View, str, str], bool]:
    def holds(view: View, t: str, element: str) -> bool:
        return (element.partition(".")[2] == view(Key.bin, view(Thread.key, t))) is there

    return holds


RANGE_BIN: Final = "ShardedMap.range.<locals>.<genexpr>"

OPERATION_RULES: Final = (
    does("load_route_of_key", _load_route("load")),
    does("load_bin", _bin(Access.LOAD, "Shard.find", _own_bin)),
    does("range_route", _load_route("range")),
    does("range_bin", touch("bin", Access.LOAD, RANGE_BIN, when=_bin_of_key(True)), given=_shard_touched),
    tries(touch("bin", Access.LOAD, RANGE_BIN, when=_bin_of_key(False)), at=("RANGE_BINS",)),
    does("route", _load_route("_owner_locked")),
    does("lock_owner", _mu(Access.LOCK, "_owner_locked")),
    does("check_owner", NOT_SPLIT),
    does("check_owner", *MIGRATING),
    does("check_successors", *MIGRATING),
    does("unlock_retry", _mu(Access.UNLOCK, "_owner_locked")),
    does("find_and_exchange", _bin(Access.LOAD, "Shard.find", _own_bin)),
    does("find_and_leave", _bin(Access.LOAD, "Shard.find", _own_bin)),
    does("write_old", *_exchange(_own_bin)),
    does("write_only_old", _read_split("Shard.exchange_locked", False)),
    does(
        "write_new",
        _read_split("Shard.exchange_locked", True),
        *_exchange(_child_bin),
        given=_shard_touched,
    ),
    does("unlock_owner", _mu(Access.UNLOCK, "_owner_locked")),
)

# ------------------------------------------------------------------------------------------------ clear


def _empty(second: bool | None) -> tuple[Touch, Touch]:
    where = _in(second)
    return (
        touch("bin", Access.LOAD, "Shard.set_bin_locked", when=where),
        touch("bin", Access.STORE, "Shard.set_bin_locked", when=where),
    )


CLEARED_SPLIT: Final = touch("split", Access.READ, "Shard.clear_locked", of=_shard)

CLEAR_RULES: Final = (
    does("clear_route", _load_route("clear")),
    does("clear_lock", _mu(Access.LOCK, "clear")),
    does("clear_successors", *MIGRATING, given=_both_new),
    does("clear_owner", NOT_SPLIT, then=(CLEARED_SPLIT,)),
    does("clear_owner", *MIGRATING, then=(CLEARED_SPLIT,)),
    does("clear_old", *_empty(None), given=_bin_touched),
    does("clear_zero", *_empty(False), given=_bin_touched),
    does("clear_one", *_empty(True), given=_bin_touched),
    does("clear_unlock", _mu(Access.UNLOCK, "clear")),
)

# ------------------------------------------------------------------------------------------------ migrations


def _begun(view: View, t: str, element: str) -> tuple[Value, ...]:
    return split_of(_shard(view, t)), *_both_new(view, t, element)


def _compared(function: str, second: bool | None) -> Touch:
    return touch("bin", Access.LOAD, function, when=_in(second))


OLD_BIN: Final = _compared("Split.agrees", None)
FIRST_NEW_BIN: Final = _compared("Split.agrees.<locals>.<genexpr>", False)
SECOND_NEW_BIN: Final = _compared("Split.agrees.<locals>.<genexpr>", True)

MIGRATION_RULES: Final = (
    does("migrator_lock", _migrator(Access.LOCK)),
    does("migrator_unlock", _migrator(Access.UNLOCK)),
    tries(
        touch("waiting", Access.READ, "ShardedMap._enqueue_locked", "ShardedMap._migrate"), at=("MIGRATOR",)
    ),
    tries(
        touch("route", Access.LOAD, "ShardedMap.rehash", "ShardedMap.maintain"),
        at=("MIGRATOR",),
    ),
    tries(touch("waiting", Access.WRITE, "ShardedMap._enqueue_locked"), at=("MIGRATOR",)),
    does("migrate_lock", _mu(Access.LOCK, "_migrate")),
    does(
        "split_begin",
        _read_split("ShardedMap._split_locked", False),
        _load_route("_split_locked"),
        touch("split", Access.WRITE, "ShardedMap._split_locked", of=_shard),
        given=_begun,
    ),
    does("split_found", _read_split("ShardedMap._split_locked", True)),
    does("copy_load", touch("bin", Access.LOAD, "Split.copy_bin", when=_in(None)), given=_bin_touched),
    does("copy_zero", *_store(_copied_bin(False))),
    does("copy_one", *_store(_copied_bin(True))),
    does("compare", OLD_BIN, FIRST_NEW_BIN, SECOND_NEW_BIN, given=_bin_touched),
    does("compare_differs", OLD_BIN, FIRST_NEW_BIN, given=_bin_touched),
    does("compare_differs", OLD_BIN, FIRST_NEW_BIN, SECOND_NEW_BIN, given=_bin_touched),
    does("drop", touch("split", Access.WRITE, "ShardedMap._migrate", of=_shard)),
    does(
        "switch_route",
        _load_route("_switch_locked"),
        touch("route", Access.STORE, "ShardedMap._switch_locked"),
        given=_both_new,
    ),
    does("switch_migrating", touch("migrating", Access.WRITE, "ShardedMap._switch_locked", of=_split)),
    does("migrate_unlock", _mu(Access.UNLOCK, "_migrate")),
    does("migrated_in_part", touch("waiting", Access.WRITE, "ShardedMap._migrate")),
    does("migrated_over", touch("waiting", Access.WRITE, "ShardedMap._migrate")),
    # What `len` does after its batch, in the small maps whose `len` maintains.
    tries(touch("route", Access.LOAD, "ShardedMap.len"), at=("MIGRATOR_LOCK",)),
)

RULES: Final[tuple[Rule, ...]] = (*OPERATION_RULES, *CLEAR_RULES, *MIGRATION_RULES)

INNER: Final = (
    "range_done",
    "clear_next",
    "clear_done",
    "clear_old_done",
    "clear_zero_done",
    "clear_one_done",
    "enqueue",
    "migrate_first",
    "migrate_on",
    "batch_done",
    "maintain_done",
)
"""The steps of the model that are no access of the code."""
