"""A map against the model in sequence: any number of operations, one after the other.

The idea: most of a concurrent map's code can be wrong without any concurrency. Hypothesis draws long programs,
each answer is compared with `MapModel`, and a failure shrinks to the shortest program that shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mapproof.spec.model import MapModel, same_answer
from mapproof.spec.operations import SIGNATURES, Op
from mapproof.stateful_tests.adapters import Adapter

_KEYS = st.integers(0, 4)
_VALUES = st.integers(0, 3)


class MapMachine(RuleBasedStateMachine):
    """Made for one map by `machine_for`."""

    factory: ClassVar[Callable[[], Any]]
    adapter: ClassVar[Adapter]

    @initialize()
    def make(self) -> None:
        self.map = type(self).factory()
        self.state = MapModel.initial

    @rule(data=st.data(), key=_KEYS)
    def operate(self, data: st.DataObject, key: int) -> None:
        """One operation on one key; small values repeat, so that compares succeed."""
        op = data.draw(
            st.sampled_from([op for op in self.adapter.forms if SIGNATURES[op].keyed]), "operation"
        )
        self._compare(op, key, tuple(data.draw(_VALUES, name) for name in SIGNATURES[op].arguments), data)

    @precondition(lambda self: any(not SIGNATURES[op].keyed for op in self.adapter.forms))
    @rule(data=st.data())
    def operate_on_all(self, data: st.DataObject) -> None:
        """One of range, len and clear."""
        op = data.draw(
            st.sampled_from([op for op in self.adapter.forms if not SIGNATURES[op].keyed]), "operation"
        )
        self._compare(op, None, (), data)

    def _compare(self, op: Op, key: Any, args: tuple[Any, ...], data: st.DataObject) -> None:
        form = data.draw(st.integers(0, len(self.adapter.forms[op]) - 1), "form")
        answer = self.adapter.perform(self.map, op, key, args, form)
        self.state, expected = MapModel().invoke(self.state, op, key, args)
        if self.adapter.style == "dict-like" and op is Op.LOAD_OR_STORE:
            # setdefault does not say whether the key was there, and here one value may be stored twice.
            answer, expected = answer[0], expected[0]
        text = self.adapter.render(op, key, args, form)
        assert same_answer(op, answer, expected), (
            f"{text} answered {answer!r}, the model answers {expected!r}"
        )

    def teardown(self) -> None:
        invariants = getattr(getattr(self, "map", None), "check_invariants", None)
        if callable(invariants):
            invariants()


def machine_for(factory: Callable[[], Any], adapter: Adapter) -> type[MapMachine]:
    """A state machine for the map that `factory` makes."""
    attributes = {"factory": staticmethod(factory), "adapter": adapter}
    return type(f"{getattr(factory, '__name__', 'Map')}Machine", (MapMachine,), attributes)
