"""One access of the code in the model: which action it is, or whether it is silent; what the binding's table means.

The idea: this is a function of where the model stands, of the thread, of the access and of the picture that it left;
nothing here remembers a run. So what was found once holds for every run that comes there again (`validator` keeps it).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mapproof.proofs.running.layout import Value
from mapproof.proofs.trace_validation.binding import Binding, Cell, Picture, Rule, Seen
from mapproof.proofs.trace_validation.model import Model, Reached, places

Brought: TypeAlias = tuple[tuple[str, str], ...]
"""The elements that came into being, each with its sort."""


class Parted(Exception):
    """The code did what the model does not allow; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Amidst:
    """Where a thread is in the accesses of an action: `position` of them are behind it.

    Before the action has happened there may be several `rules` of which they are the beginning; afterwards there is
    one, and `owed` are the old values of the cells that the code is still to write.
    """

    rules: tuple[Rule, ...]
    position: int
    happened: bool = False
    owed: tuple[tuple[Cell, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the model stands: the number of its state, and the threads that are amidst an action."""

    state: int
    amidst: tuple[tuple[str, Amidst], ...] = ()

    def of(self, thread: str) -> Amidst | None:
        """Where the thread is in the accesses of an action; None if in none."""
        return next((found for name, found in self.amidst if name == thread), None)

    def owed(self) -> dict[Cell, Value]:
        """What the real object still shows in place of the model's values."""
        return {cell: old for _, amidst in self.amidst for cell, old in amidst.owed}

    def moved(self, state: int, thread: str, amidst: Amidst | None = None) -> Standing:
        """The model is in that state now, and the thread there."""
        others = tuple(pair for pair in self.amidst if pair[0] != thread)
        return Standing(state, others if amidst is None else (*others, (thread, amidst)))


@dataclass(frozen=True, slots=True)
class Followed:
    """Where the model stands after an access, and the actions by which it came there; none for a silent access."""

    standing: Standing
    actions: tuple[str, ...] = ()

    def on(self, standing: Standing, *actions: str) -> Followed:
        """The same, and more."""
        return Followed(standing, (*self.actions, *actions))


@dataclass(frozen=True, slots=True)
class Step:
    """An access that a thread made, the real object after it, and what came into being."""

    thread: str
    seen: Seen
    picture: Picture
    brought: Brought


class Follower:
    """Follows the accesses of threads in the model. `used` are the rules by which it did."""

    def __init__(self, binding: Binding, model: Model) -> None:
        self.used: set[Rule] = set()
        self._binding = binding
        self._model = model
        self._starting = _by_place(binding)
        self._inner = _inner_by_place(binding)

    def follow(self, standing: Standing, step: Step) -> Followed:
        """What the access is to the model, which stands there. Raises Parted if it is nothing."""
        amidst = standing.of(step.thread)
        if amidst is None:
            return self._first_of(self.reached(standing, step.thread), step)
        return (
            self._complete(standing, amidst, step)
            if amidst.happened
            else self._from(Followed(standing), step, amidst)
        )

    def reached(self, standing: Standing, thread: str) -> Iterator[Followed]:
        """Where the model may stand when the thread acts next: as it is, or after steps without an access."""
        found = {standing.state: Followed(standing)}
        waiting = deque(found.values())
        while waiting:
            start = waiting.popleft()
            yield start
            for action, state in self._inner_steps(start.standing.state, thread):
                if state not in found:
                    found[state] = start.on(standing.moved(state, thread), action)
                    waiting.append(found[state])

    def agrees(self, standing: Standing, picture: Picture) -> bool:
        """Whether the real object is what the model has, but for what is still owed."""
        owed, value, state = standing.owed(), self._model.value, standing.state
        return all(shown == (owed[cell] if cell in owed else value(state, cell)) for cell, shown in picture)

    def _inner_steps(self, state: int, thread: str) -> Iterator[tuple[str, int]]:
        actions = self._model.system.actions
        for name in self._inner.get(self._place(state, thread), ()):
            for arguments in self._model.arguments(actions[name], thread):
                made = self._model.step(state, name, arguments)
                if made is not None:
                    yield name, sound(made).state

    def _place(self, state: int, thread: str) -> Value:
        return self._model.value(state, (self._binding.place, (thread,)))

    def _first_of(self, starts: Iterator[Followed], step: Step) -> Followed:
        """The first that leads to an action with this access; if none does, the first at which it is silent."""
        silent: Followed | None = None
        reason: Parted | None = None
        for start in starts:
            try:
                followed = self._from(start, step, None)
            except Parted as parted:
                reason = reason or parted
                continue
            if followed.actions != start.actions:
                return followed
            silent = silent or followed
        if silent is None:
            raise reason or Parted("the model stands nowhere")
        return silent

    def _from(self, start: Followed, step: Step, amidst: Amidst | None) -> Followed:
        """What the access is when the model stands there: an action, the beginning of one, an attempt in vain."""
        standing, position = start.standing, 0 if amidst is None else amidst.position
        view = self._model.view(standing.state)
        at_place = (
            self._starting[self._place(standing.state, step.thread)] if amidst is None else amidst.rules
        )
        fitting = [rule for rule in at_place if rule.touches[position].fits(step.seen, view, step.thread)]
        if not fitting:
            raise Parted("no action of the model makes this access here")
        happened = self._happen(start, [rule for rule in fitting if rule.fires == position], step)
        if happened is not None:
            return happened
        if not self.agrees(standing, step.picture):
            raise Parted("no action of the model does what the access did")
        begun = tuple(rule for rule in fitting if rule.fires > position)
        if begun:
            return start.on(standing.moved(standing.state, step.thread, Amidst(begun, position + 1)))
        vain = [rule for rule in fitting if rule.action is None]
        if not vain:
            raise Parted("the access does nothing, where every action of the model does something")
        self.used.update(vain)
        return start.on(standing.moved(standing.state, step.thread))

    def _happen(self, start: Followed, rules: list[Rule], step: Step) -> Followed | None:
        """The action of one of these rules that leads to the picture."""
        found = [followed for rule in rules if (followed := self._by_rule(start, rule, step)) is not None]
        if len({followed.standing for followed in found}) > 1:
            raise Parted(f"the binding is not clear: {' or '.join(made.actions[-1] for made in found)}")
        return found[0] if found else None

    def _by_rule(self, start: Followed, rule: Rule, step: Step) -> Followed | None:
        """What the rule's action leads to, if it can happen and that is the picture."""
        before = start.standing.state
        more = None if rule.action is None else self._arguments(rule.action, rule, before, step)
        if rule.action is None or more is None:
            return None
        reached = self._model.step(before, rule.action, (step.thread, *more))
        if reached is None:
            return None
        amidst = self._left_over(rule, step.picture, before, reached.state)
        standing = start.standing.moved(reached.state, step.thread, amidst)
        if not self.agrees(standing, step.picture):
            return None
        sound(reached)
        self.used.add(rule)
        return start.on(standing, rule.action)

    def _arguments(self, action: str, rule: Rule, state: int, step: Step) -> tuple[Value, ...] | None:
        """The arguments after the thread, if there are some to choose."""
        if rule.given is not None:
            return rule.given(self._model.view(state), step.thread, step.seen.element)
        chosen: list[Value] = []
        for parameter in self._model.system.actions[action].parameters[1:]:
            new = [element for sort, element in step.brought if sort == parameter.sort.__name__]
            if len(new) != 1:
                return None
            chosen += new
        return tuple(chosen)

    def _left_over(self, rule: Rule, picture: Picture, before: int, after: int) -> Amidst | None:
        """What the code still has to do once the action has happened."""
        if rule.fires + 1 == len(rule.touches):
            return None
        value = self._model.value
        owed = tuple(
            (cell, old)
            for cell, _ in picture
            if cell[0] in rule.owes and (old := value(before, cell)) != value(after, cell)
        )
        return Amidst((rule,), rule.fires + 1, True, owed)

    def _complete(self, standing: Standing, amidst: Amidst, step: Step) -> Followed:
        """The next of the accesses that come after an action has happened."""
        [rule] = amidst.rules
        if not rule.touches[amidst.position].fits(step.seen, self._model.view(standing.state), step.thread):
            raise Parted(f"{rule.action} has happened; now must come {rule.touches[amidst.position]}")
        last = amidst.position + 1 == len(rule.touches)
        left = None if last else Amidst(amidst.rules, amidst.position + 1, True, amidst.owed)
        after = standing.moved(standing.state, step.thread, left)
        if not self.agrees(after, step.picture):
            raise Parted(f"{rule.action} has happened, and this access does not complete what it does")
        return Followed(after)


def sound(reached: Reached) -> Reached:
    """The same, if it breaks nothing. Raises Parted otherwise."""
    unbroken(reached.broken)
    return reached


def unbroken(broken: tuple[str, ...]) -> None:
    """Raises Parted, naming what is broken, if anything is."""
    if broken:
        raise Parted(f"what was proved is false here: {'; '.join(broken)}")


def _by_place(binding: Binding) -> Mapping[Value, tuple[Rule, ...]]:
    """The rules that may begin at each place of a thread. Raises ValueError for an action that is not there."""
    [pc] = [function for function in binding.system.functions if function.name == binding.place]
    found: dict[Value, tuple[Rule, ...]] = dict.fromkeys(getattr(pc.result, "labels", ()), ())
    for rule in binding.rules:
        if rule.action is not None and rule.action not in binding.system.actions:
            raise ValueError(f"{binding.system.name} has no action {rule.action}")
        made = rule.at if rule.action is None else places(binding.system.actions[rule.action], pc.name)
        for place in made or found:
            found[place] = (*found[place], rule)
    return found


def _inner_by_place(binding: Binding) -> Mapping[Value, tuple[str, ...]]:
    """The actions without an access that may happen at each place of a thread."""
    found: dict[Value, tuple[str, ...]] = {}
    for name in binding.inner:
        for place in places(binding.system.actions[name], binding.place):
            found[place] = (*found.get(place, ()), name)
    return found
