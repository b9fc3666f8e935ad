"""The search for an order of the steps of one register, whatever its values: just in time, and with hindsight.

The idea: walk over the calls and returns in time order and keep every configuration that may be the truth: the
state, which running steps are in effect, and the time T of the last blind write (one that asks nothing of the
state). A step that leaves the state as it is takes effect as soon as the state suits it. A change takes effect
only when one that returns needs it, because a blind write hides all that came just before it: whatever was
called before T may still be placed there later, unseen. So the many writes that nobody reads cost no choice at
all, and configurations stay few where a search that places each write at once has millions.

When a step o returns and is not in effect, then in any order that explains the history it stands in one of
three places. Let a chain be steps that each change the state which the one before left.

* In the present: a chain from the state ends in o, and T stays.
* In the present behind a blind write: maybe a chain from the state, then the write w, then a chain that ends
  in o, and T is now. Other writes, and what follows them, that stood before w are hidden by w from now on.
* In hindsight: just before T, a blind write w, a chain in which o is, all called before T. The state and T
  stay. Other such segments can wait: each begins with a blind write, so their order does not matter.

A chain ends with the step that is needed, except where the next write overwrites what it leaves: there it may
go on, as it will not get another chance. Steps that only read are taken in along the way. Hence, if one of the
configurations can be completed to a valid order, so can one of those that arise from it; and each stands for
an order of what is in effect, so nothing is accepted that has none. Of equal configurations the one with the
greatest T can do all that the others can.

A write that may happen again while it runs (a weak `clear`) is never used up. When it returns, any number of
segments that it begins may still have to go in, in hindsight, as it will not begin another.

Of running blind writes of the same value it does not matter which is in effect, until one returns. The one
called last stands for all: when w returns and is not in effect, but one of its value that was called later is,
then w takes its place, and the other is free again. Nothing better can be done, as the other is called before T
and can be hidden; and one called later than w is in effect whenever w could have been, because it came first.

The search is the lazy form of just-in-time linearization (Lowe, "Testing for linearizability", CCPE 2017; see
`search` for the plain form, which serves any specification). It is exponential, at worst, in the number of
changes that run at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mapproof.spec.linearizability.budget import Budget
from mapproof.spec.linearizability.effects import MISSING, Effect
from mapproof.spec.linearizability.search import PENDING, Action, Explained, Stuck


class _Running(NamedTuple):
    """A step between its call and its return: the bit that stands for it in masks, and the event of its call."""

    bit: int
    place: int
    wanted: int
    unless: int
    post: int
    event: int
    optional: bool
    repeatable: bool

    def suits(self, state: int) -> bool:
        return state != self.unless and (self.wanted < 0 or self.wanted == state)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """From here on, what was the place of `stand_in` in the order is that of `returned`."""

    returned: int
    stand_in: int


_Order = tuple[Any, Any] | None
"""A part of an order: None, or (the part before, its last item: a place, an _Exchange, or a part again)."""


class _Past(NamedTuple):
    """How a configuration came about: the event of its last blind write (0: none yet), and its order.

    `before` is what precedes that write, `since` begins with it.
    """

    event: int
    before: _Order
    since: _Order


class _Node(NamedTuple):
    """A point on a chain: the state there, the steps in effect, and the order up to it."""

    state: int
    mask: int
    order: _Order


class RegisterSearch:
    """The configurations of one register, which starts as MISSING, as its steps are called and return.

    Feed `called` and `returned` in time order, calls before returns at equal times. A step that is never
    returned stays running and is never forced. Needs memory for what runs only, unless constructed with
    `witness`. Both raise OutOfBounds when the budget ends; each configuration that arises where a returning step
    was not in effect is charged to it.
    """

    def __init__(self, budget: Budget, witness: bool = False) -> None:
        self._budget = budget
        self._witness = witness
        self._live: dict[tuple[int, int], _Past] = {(MISSING, 0): _Past(0, None, None)}
        self._running: dict[int, _Running] = {}
        self._reads: dict[int, _Running] = {}
        self._changes: dict[int, _Running] = {}
        self._writes: dict[int, _Running] = {}
        self._free_bits: list[int] = []
        self._next_bit = 1
        self._event = 0

    def called(self, place: int, effect: Effect, optional: bool, repeatable: bool = False) -> None:
        """The step at `place` begins to run.

        Optional: it may as well not have happened. Repeatable, only for a blind write of MISSING: it may take
        effect at several moments.
        """
        self._event += 1
        bit = self._free_bits.pop() if self._free_bits else self._next_bit
        if bit == self._next_bit:
            self._next_bit <<= 1
        running = _Running(bit, place, *effect, self._event, optional, repeatable)
        self._running[place] = running
        self._kind(running)[place] = running
        if running.post < 0 or repeatable:
            self._take_in(running)
        self._budget.work(len(self._live))

    def returned(self, place: int) -> bool:
        """The step at `place` has taken effect or, if it is optional, never will.

        False if no configuration allows that: then all stays as it was before, and the search is over.
        """
        self._event += 1
        step = self._running[place]
        settled: dict[tuple[int, int], _Past] = {}
        for (state, mask), past in self._live.items():
            for after, reached, how in self._settled(step, state, mask, past):
                if not mask & step.bit:
                    self._budget.create(1)
                key = after, reached & ~step.bit
                if key not in settled or settled[key].event < how.event:
                    settled[key] = how
        self._budget.work(len(self._live) + len(settled))
        if not settled:
            return False
        self._live = settled
        del self._running[place], self._kind(step)[place]
        self._free_bits.append(step.bit)
        return True

    def states(self) -> set[int]:
        """The states of the configurations: what the register may hold now if nothing more takes effect."""
        return {state for state, _ in self._live}

    def running(self) -> list[int]:
        """The places of the steps that were called and have not returned, by call."""
        return list(self._running)

    def configurations(self) -> int:
        """How many configurations there are now."""
        return len(self._live)

    def order(self) -> list[int]:
        """One order of all that has returned, and of some that runs. Raises ValueError without `witness`."""
        if not self._witness:
            raise ValueError("the search was not asked to keep the order")
        past = next(iter(self._live.values()))
        return _exchanged(_items((past.before, past.since)))

    def _kind(self, step: _Running) -> dict[int, _Running]:
        if step.post < 0:
            return self._reads
        return self._writes if step.wanted < 0 and step.unless < 0 else self._changes

    def _take_in(self, step: _Running) -> None:
        """Let a step that was just called take effect wherever that leaves the state as it is."""
        live: dict[tuple[int, int], _Past] = {}
        for (state, mask), past in self._live.items():
            if state == MISSING if step.repeatable else step.suits(state):
                live[state, mask | step.bit] = past._replace(since=self._then(past.since, step.place))
            else:
                live[state, mask] = past
        self._live = live

    def _settled(
        self, step: _Running, state: int, mask: int, past: _Past
    ) -> Iterator[tuple[int, int, _Past]]:
        """The configurations that arise from one at the return of a step."""
        if not step.repeatable:
            yield from self._settled_once(step, state, mask, past)
            return
        open_ = list(self._settled_once(step, state, mask, past))
        seen = {(after, reached, how.event) for after, reached, how in open_}
        while open_:
            after, reached, how = open_.pop()
            yield after, reached, how
            for way in self._in_hindsight(step, after, reached, how):
                if (way[0], way[1], way[2].event) not in seen:
                    seen.add((way[0], way[1], way[2].event))
                    open_.append(way)

    def _settled_once(
        self, step: _Running, state: int, mask: int, past: _Past
    ) -> Iterator[tuple[int, int, _Past]]:
        if mask & step.bit or step.optional:
            yield state, mask, past
        if mask & step.bit and not step.repeatable:
            return
        stand_in = self._stand_in(step, mask)
        if stand_in is not None:
            since = self._then(past.since, _Exchange(step.place, stand_in.place))
            yield state, mask ^ stand_in.bit, past._replace(since=since)
            return
        yield from self._in_the_present(step, state, mask, past)
        yield from self._in_hindsight(step, state, mask, past)

    def _stand_in(self, step: _Running, mask: int) -> _Running | None:
        """The blind write in effect that holds the place of a returning one: the next called of its value."""
        if step.place not in self._writes or step.repeatable:
            return None
        for other in self._writes.values():
            if (
                mask & other.bit
                and other.post == step.post
                and other.event > step.event
                and not other.repeatable
            ):
                return other
        return None

    def _in_the_present(
        self, step: _Running, state: int, mask: int, past: _Past
    ) -> Iterator[tuple[int, int, _Past]]:
        now = self._event
        blind = step.place in self._writes
        for node in self._chain(_Node(state, mask, past.since), now, 0 if blind else step.bit):
            if not blind and node.mask & step.bit:
                yield node.state, node.mask, past._replace(since=node.order)
                continue
            before = self._then(past.before, node.order)
            for write in self._heads(step, node.mask, now):
                head = self._after(_Node(node.state, node.mask, None), write, now)
                for end in self._chain(head, now, step.bit):
                    if end.mask & step.bit:
                        yield end.state, end.mask, _Past(now, before, end.order)

    def _in_hindsight(
        self, step: _Running, state: int, mask: int, past: _Past
    ) -> Iterator[tuple[int, int, _Past]]:
        if step.event > past.event:
            return
        for write in self._heads(step, mask, past.event):
            head = self._after(_Node(state, mask, past.before), write, past.event)
            for end in self._chain(head, past.event, 0):
                if end.mask & step.bit:
                    yield state, end.mask, past._replace(before=end.order)

    def _heads(self, step: _Running, mask: int, until: int) -> Iterable[_Running]:
        """The blind writes, called before `until`, that the returning step may owe its place to: one a value."""
        if step.place in self._writes:
            return (step,)
        heads: dict[int, _Running] = {}
        for write in self._writes.values():
            if write.event < until and (write.repeatable or not mask & write.bit):
                best = heads.get(write.post)
                if best is None or not best.repeatable:
                    heads[write.post] = write
        return heads.values()

    def _chain(self, start: _Node, until: int, last: int) -> Iterator[_Node]:
        """The node and all that chains of steps called before `until` lead to; none goes on behind `last`."""
        changes = [change for change in self._changes.values() if change.event < until]
        if not changes:
            yield start
            return
        seen = {(start.state, start.mask)}
        open_ = [start]
        while open_:
            node = open_.pop()
            yield node
            if node.mask & last:
                continue
            self._budget.work(len(changes))
            for change in changes:
                if not node.mask & change.bit and change.suits(node.state):
                    after = self._after(node, change, until)
                    if (after.state, after.mask) not in seen:
                        seen.add((after.state, after.mask))
                        open_.append(after)

    def _after(self, node: _Node, change: _Running, until: int) -> _Node:
        """The node after a change, and after all steps called before `until` that leave the state as it is."""
        state, mask, order = change.post, node.mask | change.bit, self._then(node.order, change.place)
        for read in self._reads.values():
            if read.event < until and not mask & read.bit and read.suits(state):
                mask |= read.bit
                order = self._then(order, read.place)
        if state == MISSING:
            for write in self._writes.values():
                if write.repeatable and write.event < until and not mask & write.bit:
                    mask |= write.bit
                    order = self._then(order, write.place)
        self._budget.work(len(self._reads))
        return _Node(state, mask, order)

    def _then(self, order: _Order, item: int | _Exchange | _Order) -> _Order:
        return (order, item) if self._witness else None


def find_register_order(actions: Sequence[Action[Effect]], budget: Budget) -> Explained | Stuck:
    """Whether the actions on one register, at first MISSING, have an order that respects time.

    The same answer as `search.find_order` with `register_step`. Raises OutOfBounds.
    """
    returns = [(action.return_, True, place) for place, action in enumerate(actions)]
    calls = [(action.call, False, place) for place, action in enumerate(actions)]
    events: list[tuple[float, bool, int]] = [*calls, *(event for event in returns if event[0] != PENDING)]
    budget.work(len(events))
    search = RegisterSearch(budget, witness=True)
    for _, is_return, place in sorted(events):
        if not is_return:
            action = actions[place]
            search.called(place, action.effect, action.optional, action.repeatable)
        elif not search.returned(place):
            return Stuck(place)
    return Explained(search.order())


def _items(order: _Order) -> list[int | _Exchange]:
    items: list[int | _Exchange] = []
    open_: list[Any] = [order]
    while open_:
        part = open_.pop()
        if isinstance(part, tuple):
            open_ += part
        elif part is not None:
            items.append(part)
    items.reverse()
    return items


def _exchanged(items: list[int | _Exchange]) -> list[int]:
    """The order with each exchange made.

    A stand-in's places are in the order of time, and so are the steps that took one over from it; the last is
    its own if it was placed again.
    """
    takers: dict[int, list[int]] = {}
    for item in reversed(items):
        if isinstance(item, _Exchange):
            takers.setdefault(item.stand_in, []).append(item.returned)
    return [takers[item].pop() if takers.get(item) else item for item in items if isinstance(item, int)]
