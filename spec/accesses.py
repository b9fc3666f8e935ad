"""The kinds of access to shared memory: the words in which a run is told, whoever watches it.

The idea: what may be reordered, what orders and what races is a matter of the kind of access and of the object
alone. The primitives of `impl.sync` say both at each access; happens-before (`happens_before.py`) is built on them.
"""

from __future__ import annotations

from enum import StrEnum


class Access(StrEnum):
    """What a primitive does. Two accesses of one object commute only if both are LOAD or both READ."""

    LOAD = "load"
    STORE = "store"
    SWAP = "swap"
    COMPARE_AND_SWAP = "compare_and_swap"
    ADD = "add"
    OR = "or"
    LOCK = "lock"
    TRY_LOCK = "try_lock"
    UNLOCK = "unlock"
    R_LOCK = "rlock"
    R_UNLOCK = "runlock"
    ACQUIRE = "acquire"
    RELEASE = "release"
    READ = "read"
    WRITE = "write"
