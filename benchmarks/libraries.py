"""What mapproof says of published libraries: `python benchmarks/libraries.py [--seeds N] [--budget S] [NAME...]`.

Each is made so large that it evicts nothing, and one with methods of its own gets the face of a dict; what it does
not offer, or does not mean as a dict does, is not tested. A library that is not installed is left out and named:
`pip install -r benchmarks/libraries.txt` brings the versions of docs/in-the-wild.md, best into an environment of its
own. Exits 1 if a library gets another verdict than it has there.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mapproof.spec.evidence import Verdict
from mapproof.stateful_tests.adapters import UnsuitableTarget
from mapproof.stateful_tests.conformance import Findings, Tally, examine
from mapproof.stateful_tests.execution import CANNOT_LOOK
from mapproof.stateful_tests.targets import target_of

ROOM = 1000
"""The bound of a bounded cache: more than the 50 keys of a scenario."""

NEVER = 10**9
"""Seconds after which an entry expires."""

FOLDER = tempfile.TemporaryDirectory(prefix="mapproof-libraries-")
"""Where libraries that write files do so, each map in a folder of its own."""


@dataclass(frozen=True, slots=True)
class Face:
    """The methods by which a class reads, stores and deletes, if not as a dict does.

    A missing key is told by None, by KeyError, or by what the module calls `missing`. `value` is the attribute of the
    answer that holds the value, `prefix` what comes before each key, `more` are methods to add, or to hide by None.
    """

    read: str = "get"
    store: str = "set"
    delete: str = "delete"
    missing: str | None = None
    value: str | None = None
    prefix: tuple[Any, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def on(self, base: Any) -> type:
        """A subclass that has `m[k]`, `m[k] = v`, `del m[k]` and `get` with a default."""
        missing = getattr(sys.modules[base.__module__], self.missing) if self.missing else None

        def get(map_: Any, key: Any, default: Any = None) -> Any:
            try:
                found = getattr(base, self.read)(map_, *self.prefix, key)
            except KeyError:
                return default
            if found is None or found is missing:
                return default
            return getattr(found, self.value) if self.value else found

        def getitem(map_: Any, key: Any) -> Any:
            found = get(map_, key)
            if found is None:
                raise KeyError(key)
            return found

        def setitem(map_: Any, key: Any, value: Any) -> None:
            getattr(base, self.store)(map_, *self.prefix, key, value)

        def delitem(map_: Any, key: Any) -> None:
            getattr(base, self.delete)(map_, *self.prefix, key)

        members: dict[str, Any] = {"get": get, "__getitem__": getitem, "__setitem__": setitem}
        if hasattr(base, self.delete):
            members["__delitem__"] = delitem
        return type(base.__name__, (base,), members | dict(self.more))


@dataclass(frozen=True)
class Library:
    """A class of a distribution (`python`: of Python itself), how it is made, and the verdict that it had."""

    distribution: str
    path: str
    expected: Verdict
    made: Callable[[Any], Any] = lambda kind: kind(ROOM)
    face: Face | None = None

    @functools.cached_property
    def kind(self) -> Any:
        module, _, name = self.path.partition(":")
        found = getattr(importlib.import_module(module), name)
        return found if self.face is None else self.face.on(found)

    def make(self) -> Any:
        """A new one, empty."""
        return self.made(self.kind)

    @property
    def name(self) -> str:
        return f"{self.distribution} {self.path.partition(':')[2]}"

    @property
    def installed(self) -> str | None:
        if self.distribution == "python":
            return sys.version.split()[0]
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return None


def plainly(kind: Any) -> Any:
    return kind()


def on_files(kind: Any) -> Any:
    return kind(tempfile.mkdtemp(dir=FOLDER.name))


def of_django(kind: Any) -> Any:
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    return kind(object(), {"OPTIONS": {"MAX_ENTRIES": ROOM}, "TIMEOUT": None})


WRONG, RIGHT, UNDECIDED = Verdict.FAILED, Verdict.SAMPLED, Verdict.INCONCLUSIVE

SILENT = [
    Library("python", "builtins:dict", RIGHT, plainly),
    Library("python", "collections:OrderedDict", RIGHT, plainly),
    Library("python", "collections:UserDict", WRONG, plainly),
    Library("python", "collections:ChainMap", WRONG, plainly),
    Library("cachetools", "cachetools:LRUCache", WRONG),
    Library("cachetools", "cachetools:LFUCache", WRONG),
    Library("cachetools", "cachetools:TTLCache", WRONG, lambda kind: kind(ROOM, NEVER)),
    Library("sortedcontainers", "sortedcontainers:SortedDict", WRONG, plainly),
    Library("bidict", "bidict:bidict", WRONG, plainly),
    Library("pylru", "pylru:lrucache", WRONG),
    Library("zerodict", "zerodict:ZeroDict", WRONG, plainly),
    Library("requests", "requests.structures:CaseInsensitiveDict", WRONG, plainly),
    Library("Werkzeug", "werkzeug.datastructures:MultiDict", WRONG, plainly),
    Library("sentry-sdk", "sentry_sdk._lru_cache:LRUCache", WRONG, face=Face()),
    Library("boltons", "boltons.dictutils:OneToOne", WRONG, plainly),
    Library("dogpile.cache", "dogpile.cache.backends.memory:MemoryBackend", RIGHT, lambda kind: kind({}),
            Face(missing="NO_VALUE")),
    Library("lru-dict", "lru:LRU", RIGHT),
    Library("multidict", "multidict:MultiDict", RIGHT, plainly),
]  # fmt: skip
"""They leave locking to their users, or say nothing of threads, and take no lock."""

LOCKING = [
    Library("SQLAlchemy", "sqlalchemy.util:LRUCache", WRONG),
    Library("Jinja2", "jinja2.utils:LRUCache", WRONG),
    Library("kombu", "kombu.utils.functional:LRUCache", WRONG),
    Library("expiringdict", "expiringdict:ExpiringDict", WRONG, lambda kind: kind(ROOM, NEVER),
            Face("__getitem__", "__setitem__", "__delitem__", more={"pop": None})),
    Library("ttldict", "ttldict:TTLOrderedDict", WRONG, lambda kind: kind(NEVER)),
    Library("opentelemetry-sdk", "opentelemetry.sdk.util:BoundedDict", WRONG),
    Library("boltons", "boltons.cacheutils:LRU", RIGHT),
    Library("boltons", "boltons.cacheutils:LRI", RIGHT),
    Library("ua-parser", "ua_parser.caching:Sieve", RIGHT, face=Face("__getitem__", "__setitem__")),
]  # fmt: skip
"""They take locks, and say nothing of threads."""

CLAIMING = [
    Library("urllib3", "urllib3._collections:RecentlyUsedContainer", WRONG),
    Library("zict", "zict:LRU", WRONG, lambda kind: kind(ROOM, {})),
    Library("zict", "zict:Buffer", WRONG, lambda kind: kind({}, {}, n=2)),
    Library("mnemoreg", "mnemoreg:Registry", WRONG, lambda kind: kind(overwrite_policy=1)),
    Library("larzcache", "larzcache:FileCache", WRONG, on_files, Face()),
    Library("heapmap", "heapmap:HeapMap", WRONG, plainly),
    Library("py-lattix", "lattix:Lattix", WRONG, lambda kind: kind(enable_lock=True)),
    Library("chronomap", "chronomap:ChronoMap", WRONG, lambda kind: kind(enable_ttl_cleanup=False),
            Face(store="put", more={"items": None})),
    Library("zope.ramcache", "zope.ramcache.ram:Storage", WRONG, lambda kind: kind(ROOM, 0, NEVER),
            Face("getEntry", "setEntry", "invalidate", prefix=("page",))),
    Library("Django", "django.core.cache.backends.locmem:LocMemCache", RIGHT, of_django, Face()),
    Library("cachelib", "cachelib:SimpleCache", RIGHT, lambda kind: kind(ROOM, 0), Face()),
    Library("CacheControl", "cachecontrol.cache:DictCache", RIGHT, plainly, Face()),
    Library("cacheout", "cacheout:LRUCache", RIGHT, lambda kind: kind(maxsize=ROOM), Face()),
    Library("cachebox", "cachebox:LRUCache", RIGHT),
    Library("repoze.lru", "repoze.lru:LRUCache", RIGHT, face=Face(store="put", delete="invalidate")),
    Library("atomic-lru", "atomic_lru:Storage", RIGHT,
            lambda kind: kind(max_items=ROOM, expiration_disabled=True), Face(missing="CACHE_MISS")),
    Library("cachelocal", "cachelocal:LRUCache", RIGHT, face=Face()),
    Library("larzcache", "larzcache:LRUCache", RIGHT, face=Face()),
    Library("singleflight-cache", "singleflight_cache:SingleFlightCache", RIGHT, plainly, Face(delete="remove",
            more={"setdefault": lambda map_, key, value: map_.get_or_set(key, lambda: value)})),
    Library("concurrent-collections", "concurrent_collections:ConcurrentDictionary", RIGHT, plainly,
            Face(store="assign_atomic", delete="remove_atomic", more={"pop": None})),
    Library("threadsafe-datastore", "threadsafe_datastore:Datastore", RIGHT, plainly),
    Library("nimbuskv", "nimbuskv.modules.reactive_core:ReactiveStore", RIGHT, plainly, Face()),
    Library("smoothcache", "smoothcache.smooth:CacheController", RIGHT, plainly,
            Face(delete="remove", value="value")),
    Library("theine", "theine:Cache", UNDECIDED, face=Face()),
    Library("diskcache", "diskcache:Cache", UNDECIDED, on_files),
]  # fmt: skip
"""They say that they may be used by many threads at once."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one check of a library with one seed answered.

    `seconds` of CPU time: until the scenario that failed had begun, else all.
    """

    verdict: Verdict
    seconds: float
    told: str

    @classmethod
    def of(cls, library: Library, budget: float, seed: int) -> Look:
        times = [time.process_time()]

        def scenario_begins(tally: Tally) -> None:
            times.append(time.process_time())

        try:
            target = target_of(library.make, library.name)
            findings = examine(target, budget=budget, seed=seed, progress=scenario_begins)
        except (UnsuitableTarget, *CANNOT_LOOK) as reason:
            return cls(Verdict.INCONCLUSIVE, time.process_time() - times[0], str(reason))
        if findings.counterexample is None:
            times.append(time.process_time())
        return cls(findings.verdict, times[-1] - times[0], told(findings))


def told(findings: Findings) -> str:
    """In a few words: the size of the counterexample and what it shows, or what was run."""
    counterexample = findings.counterexample
    if counterexample is None:
        return findings.scope
    threads = " | ".join(
        "; ".join(map(findings.target.render, thread)) for thread in counterexample.scenario.threads
    )
    return f"{threads} -> {counterexample.account.splitlines()[0]}"


def row(library: Library, budget: float, seeds: int) -> bool:
    """Check one library with each seed and print what came out; False if that is not what stands here."""
    if library.installed is None:
        print(f"{library.name:44} not installed", flush=True)
        return True
    looks = [Look.of(library, budget, seed) for seed in range(seeds)]
    verdicts = ", ".join(
        f"{count} {verdict}" for verdict, count in Counter(look.verdict for look in looks).items()
    )
    seconds = statistics.median(look.seconds for look in looks)
    as_expected = {look.verdict for look in looks} == {library.expected}
    print(f"{library.name:44} {library.installed:12} {verdicts:28} {seconds:5.1f} s", end="")
    print("" if as_expected else f"  expected {library.expected}", flush=True)
    print(f"    {min((look.told for look in looks), key=len)}", flush=True)
    return as_expected


def main() -> bool:
    """Whether every library that is installed got the verdict that stands here."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", type=float, default=10.0, help="seconds for each library and seed")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="only libraries whose name has one of these in it"
    )
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    right = True
    for library in (*SILENT, *LOCKING, *CLAIMING):
        if not chosen.names or any(name.lower() in library.name.lower() for name in chosen.names):
            right &= row(library, chosen.budget, chosen.seeds)
    return right


if __name__ == "__main__":
    sys.exit(not main())
