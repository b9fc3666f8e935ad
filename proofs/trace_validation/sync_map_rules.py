"""`impl.sync_map` and the system of Go's sync.Map: which accesses of the code are which step of the model.

The idea is that of `binding`. Where the model looks and branches in one step under `mu`, the code loads `read`, looks
into it, reads `dirty`, looks into that: all of these are listed, and the last is the moment of the step. Of a range
the model follows one key, so its steps at other keys are silent; it is followed with each key in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from mapproof.proofs.running.layout import Value
from mapproof.proofs.systems.sync_map.state import EntryMap, SyncMap, Thread
from mapproof.proofs.terms import Field
from mapproof.proofs.trace_validation.binding import (
    Rule,
    Touch,
    View,
    does,
    touch,
    tries,
)
from mapproof.spec.accesses import Access

# ------------------------------------------------------------------------------------------------ what is touched


def _local(read: Field[Any]) -> Callable[[View, str], Value]:
    """A local variable of the thread."""
    return lambda view, t: view(read, t)


def _shared(read: Field[Any]) -> Callable[[View, str], Value]:
    """A field of the map."""
    return lambda view, t: view(read)


def _dirty_is(there: bool) -> Callable[[View, str, str], bool]:
    return lambda view, t, element: (view(SyncMap.dirty) != "nil") is there


def _in(*operations: str) -> Callable[[View, str, str], bool]:
    return lambda view, t, element: view(Thread.op, t) in operations


def _method(*names: str) -> tuple[str, ...]:
    return tuple(f"SyncMap.{name}" for name in names)


KEYED: Final = _method(
    *("load", "swap", "load_or_store", "load_and_delete", "compare_and_swap", "compare_and_delete")
)

LOAD_READ = touch("read", Access.LOAD, "SyncMap._load_read_only")
LOOKUP = touch("map", Access.READ, *KEYED, of=_local(Thread.read))
RECHECK = touch("map", Access.READ, *KEYED, of=_shared(SyncMap.read))
LOCK = touch("mu", Access.LOCK, *KEYED, *_method("_pairs", "clear"))
UNLOCK = touch("mu", Access.UNLOCK, *KEYED, *_method("_pairs", "clear"))

NO_DIRTY = touch("dirty", Access.READ, "SyncMap._get_dirty_locked", when=_dirty_is(False))
DIRTY = touch("dirty", Access.READ, "SyncMap._get_dirty_locked", when=_dirty_is(True))
IN_DIRTY = touch("map", Access.READ, "SyncMap._get_dirty_locked", of=_shared(SyncMap.dirty))
EXISTING_DIRTY = touch("dirty", Access.READ, "SyncMap._existing_dirty_locked")


def _into_dirty(function: str, access: Access = Access.WRITE) -> Touch:
    return touch("map", access, f"SyncMap.{function}", of=_shared(SyncMap.dirty))


def _own_entry(method: str, access: Access) -> Touch:
    return touch("p", access, f"Entry.{method}", of=_local(Thread.entry))


# ------------------------------------------------------------------------------------------------ entries


def _loads(method: str, *actions: str) -> Iterator[Rule]:
    yield from (does(action, _own_entry(method, Access.LOAD)) for action in actions)


def _compares_and_swaps(method: str, *actions: str) -> Iterator[Rule]:
    yield from (does(action, _own_entry(method, Access.COMPARE_AND_SWAP)) for action in actions)


ENTRY_RULES: Final = (
    *_loads("load", "entry_load"),
    *_loads("try_swap", "try_swap_load"),
    *_compares_and_swaps("try_swap", "try_swap_cas", "try_swap_retry"),
    does("swap_locked", _own_entry("swap_locked", Access.SWAP)),
    *_compares_and_swaps("unexpunge_locked", "unexpunge_locked", "unexpunge_not_needed"),
    does("unexpunge_insert", EXISTING_DIRTY, _into_dirty("_unexpunge_locked")),
    *_loads("try_load_or_store", "try_load_or_store_load", "try_load_or_store_loaded"),
    *_compares_and_swaps("try_load_or_store", "try_load_or_store_cas", "try_load_or_store_retry"),
    *_loads("try_compare_and_swap", "try_compare_and_swap_load", "try_compare_and_swap_differs"),
    *_compares_and_swaps("try_compare_and_swap", "try_compare_and_swap_cas", "try_compare_and_swap_retry"),
    *_loads("compare_and_delete", "compare_and_delete_load", "compare_and_delete_differs"),
    *_compares_and_swaps("compare_and_delete", "compare_and_delete_cas", "compare_and_delete_retry"),
    *_loads("delete", "delete_load"),
    *_compares_and_swaps("delete", "delete_cas", "delete_retry"),
)

# ------------------------------------------------------------------------------------------------ lookups

LOOKED = (LOAD_READ, RECHECK)
"""Under the lock `read` is looked at again before anything else is."""

LOOKUP_RULES: Final = (
    does("read", touch("read", Access.LOAD, "SyncMap._load_read_only", when=_in("RANGE"))),
    does(
        "read",
        touch(
            "read",
            Access.LOAD,
            "SyncMap._load_read_only",
            when=lambda view, t, element: view(Thread.op, t) not in ("RANGE", "CLEAR"),
        ),
    ),
    does("lookup_hit", LOOKUP),
    does("lookup_miss", LOOKUP),
    does("lock", LOCK),
    does("recheck_hit", *LOOKED),
    does("recheck_clean", *LOOKED),
    does("get_from_dirty", *LOOKED, DIRTY, IN_DIRTY),
    *(
        does(action, *LOOKED, EXISTING_DIRTY, _into_dirty("load_and_delete"))
        for action in ("delete_not_in_dirty", "delete_emptied_from_dirty", "delete_from_dirty")
    ),
    does("store_in_dirty", *LOOKED, DIRTY, IN_DIRTY),
    does("compare_and_swap_not_in_dirty", *LOOKED, DIRTY, IN_DIRTY),
    does("compare_and_swap_not_in_dirty", *LOOKED, NO_DIRTY),
    does("store_new_key", *LOOKED, DIRTY, IN_DIRTY),
    does("store_new_key", *LOOKED, NO_DIRTY),
    does("unlock", UNLOCK),
)

# ------------------------------------------------------------------------------------------------ dirty


def _key_to_copy(view: View, t: str, element: str) -> tuple[Value, ...] | None:
    """The key of `read` that has this entry."""
    table = view(SyncMap.read)
    return next(
        (
            (key,)
            for key in view.elements("Key")
            if view(EntryMap.has, table, key) and view(EntryMap.entry, table, key) == element
        ),
        None,
    )


COPIED_PAIR = touch("map", Access.READ, "SyncMap._copy_read_locked", of=_shared(SyncMap.read))
BEFORE_ENTRY = ((LOAD_READ, COPIED_PAIR), (COPIED_PAIR,), ())
"""What comes before the look at an entry in the copy: at the first, at the next, after a compare-and-swap in vain."""
EXPUNGE_LOAD = touch("p", Access.LOAD, "Entry.try_expunge_locked")
EXPUNGE_CAS = touch(
    "p",
    Access.COMPARE_AND_SWAP,
    "Entry.try_expunge_locked",
    of=lambda view, t: view(EntryMap.entry, view(SyncMap.read), view(Thread.copying, t)),
)

DIRTY_RULES: Final = (
    does(
        "dirty_locked",
        touch("dirty", Access.READ, "SyncMap._dirty_locked"),
        touch("dirty", Access.WRITE, "SyncMap._dirty_locked"),
    ),
    does("dirty_locked_skip", touch("dirty", Access.READ, "SyncMap._dirty_locked")),
    *(
        does(
            "dirty_copy",
            *before,
            EXPUNGE_LOAD,
            then=(_into_dirty("_copy_read_locked"),),
            given=_key_to_copy,
            owes=(EntryMap.has, EntryMap.entry, EntryMap.length),
        )
        for before in BEFORE_ENTRY
    ),
    *(
        does(action, *before, EXPUNGE_LOAD, given=_key_to_copy)
        for action in ("dirty_copy_deleted", "dirty_copy_expunged")
        for before in BEFORE_ENTRY
    ),
    does("try_expunge_locked", EXPUNGE_CAS),
    does("try_expunge_retry", EXPUNGE_CAS),
    *(does("dirty_copy_done", *before) for before in BEFORE_ENTRY if before),
    does("amend", touch("read", Access.STORE, "SyncMap._insert_locked")),
    does("insert_new", EXISTING_DIRTY, _into_dirty("_insert_locked")),
    *(
        does(
            action,
            touch("misses", Access.READ, "SyncMap._miss_locked"),
            touch("misses", Access.WRITE, "SyncMap._miss_locked"),
            then=(EXISTING_DIRTY, _into_dirty("_miss_locked", Access.READ)),
        )
        for action in ("miss_locked_stay", "miss_locked_promote")
    ),
    does("promote_read", EXISTING_DIRTY, touch("read", Access.STORE, "SyncMap._promote_locked")),
    does("promote_dirty", touch("dirty", Access.WRITE, "SyncMap._promote_locked")),
    does("promote_misses", touch("misses", Access.WRITE, "SyncMap._promote_locked")),
)

# ------------------------------------------------------------------------------------------------ range, clear


def _other_entry(view: View, t: str, element: str) -> bool:
    """A range is at an entry of another key than the one that the model follows."""
    table, key = view(Thread.read, t), view(Thread.key, t)
    mine = view(EntryMap.has, table, key) and view(EntryMap.entry, table, key) == element
    return view(Thread.op, t) == "RANGE" and not mine


RANGE_PAIR = touch("map", Access.READ, "SyncMap._pairs", of=_local(Thread.read), when=_in("RANGE"))
RANGE_ENTRY = touch("p", Access.LOAD, "SyncMap._pairs", of=_local(Thread.entry), when=_in("RANGE"))
OTHER_ENTRY = touch("p", Access.LOAD, "SyncMap._pairs", when=_other_entry)
LOOPING = ("ENTRY_LOAD", "RETURN")

RANGE_RULES: Final = (
    does("range_recheck_amended", LOAD_READ),
    does("range_recheck_clean", LOAD_READ),
    does("lookup_hit", RANGE_PAIR),
    does("lookup_miss", RANGE_PAIR),
    does("entry_load", RANGE_ENTRY),
    tries(RANGE_PAIR, at=LOOPING),
    tries(OTHER_ENTRY, at=LOOPING),
)

CLEAR_LOAD = touch("read", Access.LOAD, "SyncMap._load_read_only", when=_in("CLEAR"))
LEN = touch("map", Access.READ, "ReadOnly.is_empty")

CLEAR_RULES: Final = (
    does("read", CLEAR_LOAD, then=(touch("map", Access.READ, "ReadOnly.is_empty", of=_local(Thread.read)),)),
    does("clear_nothing", CLEAR_LOAD, then=(LEN,)),
    does(
        "clear_recheck", CLEAR_LOAD, touch("map", Access.READ, "ReadOnly.is_empty", of=_shared(SyncMap.read))
    ),
    does(
        "clear_recheck_empty",
        CLEAR_LOAD,
        touch("map", Access.READ, "ReadOnly.is_empty", of=_shared(SyncMap.read)),
    ),
    does("clear_read", touch("read", Access.STORE, "SyncMap.clear")),
    does("clear_dirty", touch("dirty", Access.READ, "SyncMap.clear", when=_dirty_is(False))),
    does(
        "clear_dirty",
        touch("dirty", Access.READ, "SyncMap.clear", when=_dirty_is(True)),
        _into_dirty("clear"),
    ),
    does("clear_misses", touch("misses", Access.WRITE, "SyncMap.clear")),
)

RULES: Final = (*LOOKUP_RULES, *ENTRY_RULES, *DIRTY_RULES, *RANGE_RULES, *CLEAR_RULES)
