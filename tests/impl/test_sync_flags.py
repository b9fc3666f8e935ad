"""PlainFlags: an atomic or is one step and loses nothing; a toggle by read and write is two, and may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mapproof.impl.sync import PlainFlags, watched_by
from mapproof.spec.accesses import Access


class Recorder:
    """A hook that writes down each access."""

    def __init__(self) -> None:
        self.seen: list[Access] = []

    def before(self, target: object, access: Access) -> None:
        self.seen.append(access)

    def wait(self, target: object, access: Access, ready: Callable[[], bool]) -> None:
        raise AssertionError("flags never wait")

    def after(self, target: object, access: Access, happened: bool) -> None:
        pass

    def thread(self) -> int:
        return 0


def test_each_access_is_seen_as_what_it_is() -> None:
    flags, recorder = PlainFlags(1), Recorder()
    with watched_by(recorder):
        flags.atomic_or(2)
        flags.write(flags.read() ^ 4)
    assert recorder.seen == [Access.OR, Access.READ, Access.WRITE]
    assert flags.peek() == 7


class OredByReadAndWrite(PlainFlags):
    def atomic_or(self, bits: int) -> None:
        value = self.read()
        for _ in range(10):
            pass
        self.write(value | bits)


def bits_that_survive(flags: PlainFlags, run_threads: Callable[..., None]) -> int:
    """How many of 4 threads' 2,000 bits each are set at the end."""

    def setting(first: int) -> None:
        for bit in range(first, 8_000, 4):
            flags.atomic_or(1 << bit)

    run_threads(*[lambda first=first: setting(first) for first in range(4)])
    return flags.peek().bit_count()


def test_no_bit_is_lost_under_real_threads(run_threads: Any) -> None:
    assert bits_that_survive(PlainFlags(), run_threads) == 8_000


def test_an_or_in_two_steps_loses_bits(run_threads: Any) -> None:
    if all(bits_that_survive(OredByReadAndWrite(), run_threads) == 8_000 for _ in range(20)):
        pytest.fail("an or by a read and a write lost nothing, so the test above says nothing")
