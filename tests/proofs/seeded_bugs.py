"""One-line changes of the maps' code, each with the contract that must notice: a contract is worth what it refuses.

The idea: the changed source is run in CrossHair's process under the name of the module, before anything imports it. So
what is searched is the contract as it is, on code that is the map's but for one line.
"""

from dataclasses import dataclass

from mapproof.proofs.contracts import CONTRACTS

SYNC_MAP, SHARDS, HASHING = "mapproof.impl.sync_map", "mapproof.impl.shards", "mapproof.impl.hashing"


@dataclass(frozen=True, slots=True)
class Bug:
    """`contract` is the last part of the target that must notice."""

    name: str
    contract: str
    module: str
    line: str
    wrong: str

    @property
    def before(self) -> str:
        """The program that puts the changed module in place of the right one."""
        return f"""
import importlib.util, sys
spec = importlib.util.find_spec({self.module!r})
source = open(spec.origin, encoding="utf-8").read()
assert source.count({self.line!r}) == 1, "the line is no longer there, or not once"
made = importlib.util.module_from_spec(spec)
sys.modules[{self.module!r}] = made
exec(compile(source.replace({self.line!r}, {self.wrong!r}), spec.origin, "exec"), made.__dict__)
"""


def contract_of(bug):
    """The contract that must notice the bug."""
    (found,) = (contract for contract in CONTRACTS if contract.target.endswith(f".{bug.contract}"))
    return found


_PROMOTED = "        read = ReadOnly(self._existing_dirty_locked(), amended=False)\n"
_COPIED = "            if not entry.try_expunge_locked():\n                dirty[key] = entry\n"
_BATCH = "range(start, min(end, bins))"

BUGS = (
    # ---------------------------------------------------------------------------------------- sync.Map
    Bug("the threshold is one too high", "threshold", SYNC_MAP, "misses >= dirty_len", "misses > dirty_len"),
    Bug("the threshold is one too high", "miss", SYNC_MAP, "misses >= dirty_len", "misses > dirty_len"),
    Bug("the threshold is one too low", "miss", SYNC_MAP, "misses >= dirty_len", "misses >= dirty_len - 1"),
    Bug(
        "a promotion does not start the count anew",
        "miss",
        SYNC_MAP,
        "        self.misses.write(0)\n        return read",
        "        return read",
    ),
    Bug(
        "a promotion loses the new keys of dirty",
        "promotion",
        SYNC_MAP,
        _PROMOTED,
        "        read = ReadOnly(self._load_read_only().m, amended=False)\n",
    ),
    Bug(
        "a promotion leaves read amended",
        "promotion",
        SYNC_MAP,
        _PROMOTED,
        _PROMOTED.replace("False", "True"),
    ),
    Bug(
        "a promotion keeps dirty",
        "promotion",
        SYNC_MAP,
        "        self.dirty.write(None)\n        self.misses.write(0)\n        return read",
        "        self.misses.write(0)\n        return read",
    ),
    Bug(
        "a deleted entry is not expunged",
        "copy_of_one_entry",
        SYNC_MAP,
        "self.p.compare_and_swap(None, EXPUNGED)",
        "self.p.compare_and_swap(None, None)",
    ),
    Bug(
        "an expunged entry counts as live",
        "copy_of_one_entry",
        SYNC_MAP,
        "return p is EXPUNGED\n",
        "return False\n",
    ),
    Bug(
        "the copy takes deleted entries along",
        "copy_of_read",
        SYNC_MAP,
        _COPIED,
        "            entry.try_expunge_locked()\n            dirty[key] = entry\n",
    ),
    Bug(
        "the copy stops at the first live entry",
        "copy_of_read",
        SYNC_MAP,
        _COPIED,
        _COPIED + "                break\n",
    ),
    Bug(
        "the copy makes new entries",
        "copy_of_read",
        SYNC_MAP,
        _COPIED,
        _COPIED.replace("= entry", "= Entry(entry.p.load())"),
    ),
    Bug(
        "a new key does not amend read",
        "insertion",
        SYNC_MAP,
        "            self.read.store(ReadOnly(read.m, amended=True))\n",
        "",
    ),
    Bug(
        "the first new key comes without the old ones",
        "insertion",
        SYNC_MAP,
        "self._copy_read_locked(dirty)",
        "pass",
    ),
    Bug(
        "an expunged entry is not put back into dirty",
        "unexpunging",
        SYNC_MAP,
        "            self._existing_dirty_locked()[key] = entry\n\n    def _get",
        "            pass\n\n    def _get",
    ),
    # ---------------------------------------------------------------------------------------- shards
    Bug(
        "the children are 2s and 2s + 1",
        "rehash",
        HASHING,
        "    return shard, shard + shards\n",
        "    return 2 * shard, 2 * shard + 1\n",
    ),
    Bug(
        "a shard is split at the load, not above", "overload", SHARDS, "keys > MOST_LOAD", "keys >= MOST_LOAD"
    ),
    Bug("a node is found by its key alone", "finding", SHARDS, "node.hash == hash_value and ", ""),
    Bug(
        "a node is found by its hash alone",
        "finding",
        SHARDS,
        " and (node.key is key or node.key == key)",
        "",
    ),
    Bug("the next node is lost as well", "exchange", SHARDS, "chain[place + 1 :]", "chain[place + 2 :]"),
    Bug(
        "an exchanged node goes to the front",
        "exchange",
        SHARDS,
        "(*chain[:place], *(() if new is None else (new,)),",
        "(*(() if new is None else (new,)), *chain[:place],",
    ),
    Bug(
        "both new shards get every key",
        "division",
        SHARDS,
        "if self.child_of(node.hash) is shard)",
        "if self.child_of(node.hash))",
    ),
    Bug(
        "the new shards are taken by the low bits, whatever routes",
        "division",
        SHARDS,
        "if self.routing.shard_of(hash_value, one.shards) == one.index",
        "if hash_value % one.shards == one.index",
    ),
    Bug(
        "a write goes to the old shard alone",
        "write",
        SHARDS,
        "        if split is not None:\n            split.child_of(hash_value)._exchange_here(hash_value, old, new)\n",
        "",
    ),
    Bug("a batch skips its last bin", "batch", SHARDS, _BATCH, "range(start, min(end - 1, bins))"),
    Bug("a batch starts one bin late", "batch", SHARDS, _BATCH, "range(start + 1, min(end, bins))"),
    Bug("a batch copies the rest too", "batch", SHARDS, _BATCH, "range(start, bins)"),
    Bug(
        "the comparison skips its last bin",
        "comparison",
        SHARDS,
        "for step in range(max(start, bins), end))",
        "for step in range(max(start, bins), end - 1))",
    ),
    Bug(
        "the route keeps the old shard",
        "route_after",
        SHARDS,
        "by_index[ancestor(slot, slots, children)] if owner is split.old else owner",
        "owner",
    ),
    Bug(
        "the route takes the low bits for the top ones",
        "route_after",
        SHARDS,
        "by_index[ancestor(slot, slots, children)]",
        "by_index[slot % children]",
    ),
)

UNSEEN = {
    "two arguments that are one list": '''
def moved(source: list[int], target: list[int]) -> int:
    """
    pre: len(source) == 1 and len(target) == 1
    post: __return__ == 1
    """
    source.append(7)
    return len(target)
''',
    "a result that depends on a global variable": '''
limit = 3

def below(value: int) -> bool:
    """
    post: __return__ == (value < 3)
    """
    return value < limit

def change() -> None:
    global limit
    limit = 4
''',
    "a bool where an int is expected": '''
def is_int(value: int) -> bool:
    """
    post: __return__
    """
    return type(value) is int
''',
    "two threads": '''
class Counter:
    def __init__(self) -> None:
        self.value = 0

    def add(self) -> None:
        seen = self.value
        self.value = seen + 1

counter = Counter()

def added(times: int) -> int:
    """
    pre: 0 <= times <= 3
    post: __return__ == times
    """
    before = counter.value
    for _ in range(times):
        counter.add()
    return counter.value - before
''',
}
"""Contracts that are false for some callers, and that CrossHair confirms."""
