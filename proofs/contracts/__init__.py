"""Contracts of the routines of promotion and of rehash, for CrossHair to confirm on the code itself.

The idea: the functions and methods that the maps call are called here, under conditions in CrossHair's own notation
(`pre:` and `post:` in the docstring). CrossHair runs them on symbolic numbers, path by path. It is a search that may
end, not a proof: one thread, values of exactly the annotated types, sizes as the conditions bound them
(`search.py` tells what else).
"""

from __future__ import annotations

from mapproof.proofs.contracts import shards, sync_map
from mapproof.proofs.contracts.search import Contract, confirm, contract

CONTRACTS = (
    contract("promotion: should_promote keeps misses below len(dirty)", sync_map.threshold, "any size"),
    contract("promotion: a miss is counted, or promotes", sync_map.miss, "up to 3 keys in dirty"),
    contract("promotion: read becomes dirty", sync_map.promotion, "a key of either, a new key, any misses"),
    contract("dirty copy: a deleted entry is expunged", sync_map.copy_of_one_entry, "one entry"),
    contract("dirty copy: live keys of read are in dirty", sync_map.copy_of_read, "two keys"),
    contract("dirty copy: a new key amends read", sync_map.insertion, "one key of read, up to two new ones"),
    contract("dirty copy: an expunged entry comes back", sync_map.unexpunging, "one entry"),
    contract("rehash: split_target agrees with shard_of", shards.rehash, "64-bit hashes, n <= 64"),
    contract("rehash: more than three keys for four bins", shards.overload, "up to 100 keys and 64 bins"),
    contract("chain: find finds the node of hash and key", shards.finding, "two nodes"),
    contract("chain: exchanged keeps the others and their order", shards.exchange, "up to 3 nodes"),
    contract("rehash: a bin is divided exactly", shards.division, "two keys, 64-bit hashes, one shard"),
    contract("rehash: a write is made in both shards", shards.write, "one key, one bin"),
    contract("rehash: a batch copies each of its bins", shards.batch, "four bins, each batch of them"),
    contract(
        "rehash: the comparison notices a bin that was not copied",
        shards.comparison,
        "four bins, two at a time",
    ),
    contract(
        "rehash: the route leads to the new shards", shards.route_after, "64-bit hashes, the fourth split"
    ),
)
"""Each a few seconds at most; what CrossHair does not come to the end of is not listed."""

__all__ = ["CONTRACTS", "Contract", "confirm"]
