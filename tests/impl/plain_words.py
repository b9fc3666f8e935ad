"""Memory that somebody forgot to make atomic: what mutants put in the place of an `Atomic`."""

from __future__ import annotations

from typing import Any

from mapproof.impl.sync import Plain


class PlainWord(Plain[Any]):
    """Looks like an `Atomic`, and is a variable without synchronisation."""

    __slots__ = ()
    load = Plain.read
    store = Plain.write
