"""Random small histories of one register as steps, and a slow decision of them that is obviously right.

The idea: a step is a row of the six columns that the compiled searches take. Half of the histories are simulated
with hidden moments inside the intervals, the rest are changed a little. The decision fills a table: which states
can be reached by an order of exactly these steps, for every set of steps.
"""

from __future__ import annotations

from math import inf
from random import Random
from typing import Any, NamedTuple

from mapproof.spec.linearizability.compiled import FOREVER
from mapproof.spec.linearizability.effects import MISSING, NONE, Effect, register_step
from mapproof.spec.linearizability.search import Action


class Step(NamedTuple):
    """A row of the columns `wanted`, `unless`, `post`, `call`, `return_`, `optional`; and `repeatable`."""

    wanted: int
    unless: int
    post: int
    call: int
    return_: int
    optional: int
    repeatable: int = 0

    @property
    def effect(self) -> Effect:
        return Effect(self.wanted, self.unless, self.post)


def actions(steps: list[Step]) -> list[Action[Effect]]:
    shown: Any = None
    return [
        Action(
            place,
            shown,
            step.call,
            inf if step.return_ == FOREVER else step.return_,
            step.effect,
            step.post < 0,
            bool(step.optional),
            bool(step.repeatable),
        )
        for place, step in enumerate(steps)
    ]


def explicable(steps: list[Step]) -> bool:
    """Whether some order of all that must have happened, and of some that may have, respects time."""
    n = len(steps)
    must = sum(1 << i for i, step in enumerate(steps) if not step.optional)
    too_late = [sum(1 << k for k, later in enumerate(steps) if step.return_ < later.call) for step in steps]
    reached: list[set[int]] = [set() for _ in range(1 << n)]
    reached[0].add(MISSING)
    for done in range(1 << n):
        states = reached[done]
        for i, step in enumerate(steps):
            if states and done >> i & 1 and step.repeatable and not done & too_late[i]:
                states.add(step.post)
        if states and done & must == must:
            return True
        for i, step in enumerate(steps):
            if not done >> i & 1 and not done & too_late[i]:
                after = {register_step(state, step.effect) for state in states}
                reached[done | 1 << i] |= {state for state in after if state is not None}
    return False


def why_not_an_order(steps: list[Step], order: list[int]) -> str | None:
    """What is wrong with an order of the steps; None if it explains them."""
    state, latest = MISSING, -1
    for place in order:
        step = steps[place]
        if step.return_ < latest:
            return f"{place} stands behind a step that was called after its return"
        latest = max(latest, step.call)
        after = register_step(state, step.effect)
        if after is None:
            return f"{place} is not possible in state {state}"
        state = after
    for place, step in enumerate(steps):
        times = order.count(place)
        if (times > 1 and not step.repeatable) or (times == 0 and not step.optional):
            return f"{place} stands {times} times"
    return None


def random_steps(random: Random, repeatable: bool = False, count: int | None = None) -> list[Step]:
    """1 to 8 steps, or `count`, by call."""
    plans = _planned(random, count or random.choice((1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 8, 8, 8)))
    values = random.choice((1, 2, 2, 3, 20))
    weights = [random.choice((0, 1, 3)) for _ in range(6)]
    weights[1] += 1
    if random.random() < 0.3:
        weights[3:] = 0, 0, 0
    clearing = random.choice((0.2, 0.5)) if repeatable else 0.0
    fates = random.choice(((1.0, 1.0), (0.9, 0.95), (0.6, 0.8)))
    steps, state = [], MISSING
    for number, (_, call, end) in enumerate(plans):
        (kind,) = random.choices(range(6), weights)
        value = number + 1 if values == 20 else random.randint(1, values)
        other = random.randint(0, min(values, len(plans)))
        clears = random.random() < clearing
        effect = Effect(post=MISSING) if clears else _effect(kind, state, value, other)
        step = Step(*effect, call, end, 0, int(clears))
        fate = random.random()
        after = register_step(state, effect)
        if fate > fates[0]:
            step = step._replace(optional=1, return_=FOREVER if fate < fates[1] else end)
            if random.random() < 0.5:
                after = state
        if step.optional and step.post < 0:
            step = step._replace(optional=0, return_=end)
        if step.wanted == step.post:
            step = step._replace(post=NONE, optional=0, return_=end)
        state = state if after is None else after
        steps.append(step)
    if random.random() < 0.6:
        for _ in range(random.choice((1, 1, 2, 3))):
            at = random.randrange(len(steps))
            steps[at] = _changed(random, steps[at], values)
    return sorted(steps, key=lambda step: step.call)


def _planned(random: Random, count: int) -> list[tuple[float, int, int]]:
    """(moment, call, end) by moment; long intervals and few times make ties and much at once common."""
    width = random.choice((count, 2 * count, 3 * count))
    lengths = random.choice(((0, 1, 2), (0, 1, 10), (2, 6, 12), range(20)))
    plans = []
    for _ in range(count):
        call = random.randint(0, width)
        end = call + random.choice(lengths)
        plans.append((random.uniform(call, end), call, end))
    return sorted(plans)


def _effect(kind: int, state: int, value: int, other: int) -> Effect:
    match kind:
        case 0:
            return Effect(wanted=state)
        case 1:
            return Effect(post=value)
        case 2:
            return Effect(post=MISSING)
        case 3:
            return Effect(wanted=state, post=value)
        case 4:
            return Effect(unless=other) if other != state else Effect(wanted=state, post=MISSING)
        case _:
            return Effect(wanted=other, post=value)


def _changed(random: Random, step: Step, values: int) -> Step:
    which = random.random()
    if which < 0.3 and step.return_ != FOREVER:
        return step._replace(return_=random.randint(step.call, step.return_))
    if which < 0.8 and step.wanted >= 0:
        wanted = random.randint(0, min(values, 8))
        return step if wanted == step.post else step._replace(wanted=wanted)
    if step.post >= 0 and not step.repeatable:
        post = random.randint(0, min(values, 8))
        return step if post == step.wanted else step._replace(post=post)
    return step
