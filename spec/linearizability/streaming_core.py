"""Says what is wrong when an operation of a stream returned and no order explains it.

The idea: the last few operations of the key are still there. What is older is forgotten, in the sense of `core`:
it may have left any state, until the last of it returned. Where the operations at hand are a violation even so,
they have a smallest core, and that is proper evidence. Otherwise the violation rests on more than memory holds;
then the states that the key had in all orders are what can be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mapproof.spec.history import Operation
from mapproof.spec.linearizability.budget import Budget, OutOfBounds
from mapproof.spec.linearizability.core import Core, smallest_core, surroundings, violates
from mapproof.spec.linearizability.effects import MISSING, NO_EFFECT, Effect, Values, effect_of, register_step
from mapproof.spec.linearizability.explain import explain, qualified, said
from mapproof.spec.linearizability.groups import Group
from mapproof.spec.linearizability.results import Method, Violation
from mapproof.spec.linearizability.search import PENDING, Action
from mapproof.spec.linearizability.streaming_key import Step, StreamKey
from mapproof.spec.model import Inconsistent

_MOST_NAMED = 5


def violation_on(key: StreamKey, ticket: int, failed: Step, budget: Budget) -> Violation:
    """The violation that the return of `failed`, which cannot be explained, makes certain on its key."""
    others = [step for running, step in key.running.items() if running != ticket]
    steps = [*key.tail, *others, failed]
    try:
        found = _core(key, steps, budget)
    except OutOfBounds:
        found = None
    return found or _violation_by_states(key, failed, others)


def _core(key: StreamKey, steps: Sequence[Step], budget: Budget) -> Violation | None:
    """A violation that the steps are by themselves, whatever was there before; None if they are not."""
    values = Values()
    actions = _actions(steps, values)
    until = steps[-1].operation.return_
    assert until is not None
    every = [*actions, *_forgotten(actions, key.forgotten_until)]
    group = Group(key.key, (key.key,), actions, MISSING, register_step, values)
    sources = [action.source for action in reversed(actions)]
    if not violates(group, every, set(sources), until, budget):
        return None
    calls = {action.source: action.call for action in actions}
    found: Core = smallest_core(
        group, sources, calls.__getitem__, lambda near: surroundings(every, near), until, budget
    )
    operations = [step.operation for step in steps]
    about, sentence = explain(group, found.indices, operations)
    core = sorted((operations[index] for index in found.indices), key=lambda operation: operation.call)
    return Violation(tuple(core), about, qualified(sentence, found), Method.SEARCH)


def _actions(steps: Sequence[Step], values: Values) -> list[Action[Effect]]:
    actions = []
    for source, (_, shown, _, repeatable) in enumerate(steps):
        effect = effect_of(shown, values)
        if isinstance(effect, Inconsistent) or effect == NO_EFFECT:
            continue
        ends = PENDING if shown.return_ is None else shown.return_
        optional = not shown.completed
        actions.append(Action(source, shown, shown.call, ends, effect, effect.post < 0, optional, repeatable))
    return actions


def _forgotten(actions: Sequence[Action[Effect]], until: int | None) -> Iterable[Action[Effect]]:
    """Writes of every state that somebody asks for, and of one that nobody does, with sources below 0."""
    if until is None or not actions:
        return
    first = min(actions, key=lambda action: action.call)
    states = {action.effect.wanted for action in actions} | {MISSING}
    states.add(max(max(action.effect) for action in actions) + 1)
    for state in states:
        if state >= MISSING:
            yield Action(-1 - state, first.shown, min(first.call, until), until, Effect(post=state), False)


def _violation_by_states(key: StreamKey, failed: Step, others: Sequence[Step]) -> Violation:
    held = sorted(key.states())
    texts = [_state(key, state) for state in held[:_MOST_NAMED]]
    texts += [f"one of {len(held) - _MOST_NAMED} other values"] if len(held) > _MOST_NAMED else []
    sentence = (
        f"{said(failed.operation)}, but no order of all that went before explains that: "
        f"when it returned, key {key.key!r} {' or '.join(texts)}{_beside(others)}; "
        "what this rests on is no longer in memory"
    )
    operations = sorted([failed.operation, *(step.operation for step in others)], key=_by_call)
    return Violation(tuple(operations), key.key, sentence, Method.SEARCH)


def _by_call(operation: Operation) -> int:
    return operation.call


def _state(key: StreamKey, state: int) -> str:
    return "was missing" if state == MISSING else f"held {key.values.value(state)!r}"


def _beside(others: Sequence[Step]) -> str:
    if not others:
        return " and nothing else ran on it"
    named = [said(step.operation) for step in others[:_MOST_NAMED]]
    if len(others) > _MOST_NAMED:
        named.append(f"{len(others) - _MOST_NAMED} others")
    return f", before what {' and '.join(named)} may have done"
