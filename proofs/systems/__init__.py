"""The systems that are proved, a folder or a file each; `chapters()` lists what is known of each.

The idea: a system is written down in the names of its code, its invariant beside it in words and in logic, and
its mutants beside that.
"""

from __future__ import annotations

from mapproof.proofs.chapters import Chapter


def chapters() -> tuple[Chapter, ...]:
    """All of them, in the order of the table."""
    from mapproof.proofs.systems.hash_writing_mutants import CHAPTER as HASH_WRITING
    from mapproof.proofs.systems.hash_writing_mutants import VARIANT_CHAPTER as ATOMIC_END
    from mapproof.proofs.systems.inventory_mutants import CHAPTER as INVENTORY
    from mapproof.proofs.systems.local_cache_mutants import CHAPTER as LOCAL_CACHE
    from mapproof.proofs.systems.promotion_of_one_key_mutants import CHAPTER as ONE_KEY
    from mapproof.proofs.systems.rwmutex_mutants import CHAPTER as RWMUTEX
    from mapproof.proofs.systems.shard_rehash.mutants import CHAPTER as SHARD_REHASH
    from mapproof.proofs.systems.shard_rehash.tombstones import CHAPTER as TOMBSTONE_REHASH
    from mapproof.proofs.systems.sync_map.mutants import CHAPTER as SYNC_MAP

    return (
        SYNC_MAP,
        ONE_KEY,
        SHARD_REHASH,
        TOMBSTONE_REHASH,
        RWMUTEX,
        INVENTORY,
        LOCAL_CACHE,
        HASH_WRITING,
        ATOMIC_END,
    )
