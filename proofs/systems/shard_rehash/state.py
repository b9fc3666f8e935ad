"""The state of the sharded map and of its migrations, in the names of `impl/sharded_map.py` and `impl/shards.py`.

The idea: shards are a sort of their own, as many as there are, so one migration may follow another for ever, each
at its own place of the hash. Of a hash the state keeps what counts: which new shard of a split its next bit
says (`upper`), and which bin it falls into. That these are functions of the hash, and that the two new shards
share out the keys of the old one, is what the lemmas of `proofs/hashing` show of the bits.

A chain is its map from keys to values, so a bin is the keys that fall into it. Fields marked `ghost` are not in
the code. The places of a thread, and the access to shared memory that it makes there:

    PC                  file of impl/: function          the access that the step at this place makes
    LOAD_ROUTE          sharded_map: load                route.load()
    LOAD_BIN            shards: Shard.find               bins[number].load(), no lock held
    RANGE_ROUTE         sharded_map: range               route.load()
    RANGE_BINS          sharded_map: range               chain.load(), the bin of the key, shard after shard
    ROUTE               sharded_map: _owner_locked       route.load()
    LOCK                sharded_map: _owner_locked       shard.mu locks
    CHECK               shards: successors_locked        split.read(), then migrating.read() if there is a split
    FIND                shards: Shard.find               bins[number].load()
    WRITE_OLD           shards: exchange_locked          bins[number].store(...) of the shard itself
    WRITE_NEW           shards: exchange_locked          split.read() if None, else the store to the child's bin
    UNLOCK              sharded_map: _owner_locked       shard.mu unlocks; the operation is over
    UNLOCK_RETRY        sharded_map: _owner_locked       shard.mu unlocks; the shard had successors
    CLEAR_ROUTE         sharded_map: clear               route.load()
    CLEAR_NEXT          sharded_map: clear               none: shards.pop(), or the end of the loop
    CLEAR_LOCK          sharded_map: clear               shard.mu locks
    CLEAR_CHECK         shards: successors_locked        split.read(), then migrating.read() if there is a split
    CLEAR_OLD           shards: clear_locked             bins[number].store(()) of the shard itself
    CLEAR_ZERO          shards: clear_locked             bins[number].store(()) of split.new[0]
    CLEAR_ONE           shards: clear_locked             bins[number].store(()) of split.new[1]
    CLEAR_UNLOCK        sharded_map: clear               shard.mu unlocks
    MIGRATOR_LOCK       sharded_map: rehash, maintain,   migrator locks
                        _migrate
    MIGRATOR            sharded_map: _enqueue_locked     waiting.write(...), a shard a step
                        sharded_map: _migrate            waiting.read(), cursor.read(); or migrator unlocks
    MIGRATE_LOCK        sharded_map: _migrate            shard.mu locks
    SPLIT               sharded_map: _split_locked       split.read(), and split.write(...) if it was None
    CURSOR              shards: copy_bin                 old.bins[number].load()
                        shards: agrees                   the load of the bin of split.new[1]
                        sharded_map: _switch_locked      route.store(...)
    COPY_ZERO           shards: copy_bin                 the store to the bin of split.new[0]
    COPY_ONE            shards: copy_bin                 the store to the bin of split.new[1]
    SWITCH_MIGRATING    sharded_map: _switch_locked      migrating.write(NEW_ONLY)
    DROP                sharded_map: _migrate            shard.split.write(None)
    MIGRATE_UNLOCK      sharded_map: _migrate            shard.mu unlocks
    MIGRATED            sharded_map: _migrate            waiting.write(...) and cursor.write(...)

What a thread only reads while it holds the `mu` that guards it is one step with what it reads last.
"""

from __future__ import annotations

from mapproof.proofs.terms import Bool, Enumeration, Field, Globals, Sort, Table


class Value(Sort):
    """What a key can hold; equal values are one."""


absent = Value.element("absent")


class Bin(Sort):
    """The number of a bin: the same for a shard and its children."""

    copied = Field(Bool)  # the cursor of the present migration has copied it
    compared = Field(Bool)  # the cursor has compared it, and it agreed


class Migrating(Enumeration):
    """The state of a split."""

    DUAL_WRITES: Migrating
    NEW_ONLY: Migrating


class Key(Sort):
    """A key of the map."""

    bin = Field(Bin)  # never changes
    contents = Field(Value, ghost=True)  # what the abstract map holds for the key
    torn = Field(Bool, ghost=True)  # a writer is between its two stores


class Split(Sort, prefix="split"):
    """The division of a shard; its two new shards say of themselves that it made them."""

    made = Field(Bool)
    migrating = Field(Migrating)
    upper = Table(Key, Bool)  # child_of(hash of the key) is new[1]: the next bit of the hash; never changes
    covers = Table(Key, Bool, ghost=True)  # the keys of the old shard


no_split = Split.element("none")


class Shard(Sort):
    """A shard, its bins, and which keys they are for."""

    made = Field(Bool)
    mu = Field(Bool)  # held
    split = Field(Split)
    made_by = Field(Split)  # the split that it is a new shard of; none for those of the first route
    second = Field(Bool)  # it is new[1] of that split, not new[0]
    held = Table(Key, Value)  # what its bin has for the key
    waiting = Field(Bool)  # it is among the waiting shards
    routed = Field(Bool)  # the route has a slot for it
    published = Field(Bool, ghost=True)  # the route has, or had, a slot for it
    covers = Table(Key, Bool, ghost=True)  # the bits of the key's hash say that it is in this shard


first_shard = Shard.element("shard0")  # a shard of the first route, which may have others


class Op(Enumeration):
    """The operation that a thread is in."""

    LOAD: Op
    RANGE: Op  # seen by one key, which may be any
    SWAP: Op  # store is the same without its result
    LOAD_OR_STORE: Op
    LOAD_AND_DELETE: Op  # delete is the same without its result
    COMPARE_AND_SWAP: Op
    COMPARE_AND_DELETE: Op
    CLEAR: Op
    MAINTAIN: Op  # rehash and maintain: any number of critical sections of `migrator`


class PC(Enumeration):
    """What a thread does next."""

    IDLE: PC
    # load and range
    LOAD_ROUTE: PC
    LOAD_BIN: PC
    RANGE_ROUTE: PC
    RANGE_BINS: PC
    # the writers of one key
    ROUTE: PC
    LOCK: PC
    CHECK: PC
    FIND: PC
    WRITE_OLD: PC
    WRITE_NEW: PC
    UNLOCK: PC
    UNLOCK_RETRY: PC
    # clear
    CLEAR_ROUTE: PC
    CLEAR_NEXT: PC
    CLEAR_LOCK: PC
    CLEAR_CHECK: PC
    CLEAR_OLD: PC
    CLEAR_ZERO: PC
    CLEAR_ONE: PC
    CLEAR_UNLOCK: PC
    # rehash and maintain
    MIGRATOR_LOCK: PC
    MIGRATOR: PC
    MIGRATE_LOCK: PC
    SPLIT: PC
    CURSOR: PC
    COPY_ZERO: PC
    COPY_ONE: PC
    SWITCH_MIGRATING: PC
    DROP: PC
    MIGRATE_UNLOCK: PC
    MIGRATED: PC
    RETURN: PC


class Thread(Sort):
    """A thread and its local variables."""

    pc = Field(PC)
    op = Field(Op)
    key = Field(Key)
    value = Field(Value)  # the new value of the arguments
    old = Field(Value)  # the expected value of the arguments
    shard = Field(Shard)
    found = Field(Value)  # what the bin had for the key
    wrote = Field(Bool)  # the operation exchanged what it found
    pending = Table(Shard, Bool)  # the shards that range or clear has yet to go to
    emptied = Table(Bin, Bool)  # the bins that clear has emptied, of the shard that it is at
    bin = Field(Bin)  # the bin that is being copied
    chain = Table(Key, Value)  # what the old shard's bin had for the key, when it was loaded for the copy
    over = Field(Bool)  # the migration of `shard` is over: at_end or not agrees
    seen = Table(Value, Bool, ghost=True)  # the key has held this at some moment of the call
    done = Field(Bool, ghost=True)  # the operation has taken effect on the abstract map
    taken = Field(Value, ghost=True)  # what the abstract map held when it took effect
    cleared = Table(Key, Bool, ghost=True)  # this clear has deleted the key
    heir = Table(Key, Shard, ghost=True)  # where this clear is to find the key


class ShardedMap(Globals, prefix="m"):
    """The fields of the map."""

    route = Table(Key, Shard)  # route.owner_of(hash)
    migrator = Field(Bool)  # held
    front = Field(Shard)  # waiting[0], once a migration of it was begun
    busy = Field(Bool)  # there is such a one: what was done of it counts
    zero = Field(Shard, ghost=True)  # front.split.new[0]
    one = Field(Shard, ghost=True)  # front.split.new[1]


m = ShardedMap()

STATE = (Value, Bin, Split, Key, Shard, Thread, ShardedMap)
