"""A statement about fixed-width integers that is decided for all of their values at once, by Z3 on bit-vectors.

The idea: a lemma is a function whose parameters are bit-vectors of the widths that their types name. What it
returns, a premise and a conclusion, is one query. Whether the statement is meant to hold is part of it: a claim
that is often made and false stands in the same list as a true one, with the function that runs its witness on the
code that the maps call. Whatever comes out otherwise than it was said is a failure.

`z3` is imported by the first formula that is built, so that the lemmas can be listed without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, NoReturn, TypeAlias, get_type_hints

from mapproof.proofs.table.findings import Finding
from mapproof.spec.evidence import Verdict


class _Z3:
    """The module `z3`, imported when it is first looked into."""

    def __getattr__(self, name: str) -> Any:
        import z3

        return getattr(z3, name)


z3: Final[Any] = _Z3()

Expr: TypeAlias = Any  # z3.ExprRef; z3 has no type hints
Word: TypeAlias = Annotated[Any, 64]
Half: TypeAlias = Annotated[Any, 32]
Byte: TypeAlias = Annotated[Any, 8]

QUERY_SECONDS: Final = 20.0
"""The most that one query may take, whatever is left of the whole."""


@dataclass(frozen=True, slots=True)
class Sequent:
    """Where the assumptions hold, the goal does."""

    assumptions: tuple[Expr, ...]
    goal: Expr

    @property
    def negation(self) -> tuple[Expr, ...]:
        """What no values satisfy when the statement is true."""
        return (*self.assumptions, z3.Not(self.goal))


Run: TypeAlias = Callable[..., str | None]
"""Takes a witness by the names of the bit-vectors; says in one line what the code did, None if that is as claimed."""


@dataclass(frozen=True, slots=True)
class Lemma:
    """A statement for all values of its bit-vectors; `run` and `denial` are there exactly when it is false.

    `least` names the bit-vectors that the witness should have small, the most important first. `hint` is an option
    that cvc5 needs to be quick about it; it has no influence on what is asked.
    """

    name: str
    scope: str
    statement: Callable[..., Sequent]
    run: Run | None = None
    denial: str = ""
    least: tuple[str, ...] = ()
    hint: str = ""

    @property
    def holds(self) -> bool:
        """Whether the statement is meant to be true."""
        return self.run is None

    @property
    def title(self) -> str:
        """What is true: the statement, or its denial."""
        return self.denial or self.name

    def vectors(self) -> dict[str, Expr]:
        """The bit-vectors by name, in the order of the parameters."""
        hints = get_type_hints(self.statement, include_extras=True)
        return {name: z3.BitVec(name, hints[name].__metadata__[0]) for name in hints if name != "return"}

    def sequent(self) -> Sequent:
        """The statement as Z3 terms."""
        return self.statement(**self.vectors())


Statement: TypeAlias = Callable[..., Sequent]


def lemma(name: str, scope: str, *, hint: str = "") -> Callable[[Statement], Lemma]:
    """Make a `Lemma` that is meant to hold of a function from annotated bit-vectors to a `Sequent`."""
    return lambda statement: Lemma(name, scope, statement, hint=hint)


def false_lemma(
    name: str, scope: str, *, denial: str, run: Run, least: tuple[str, ...]
) -> Callable[[Statement], Lemma]:
    """Make a `Lemma` that is meant to be refuted, by a witness that `run` shows in the code itself."""
    return lambda statement: Lemma(name, scope, statement, run, denial, least)


def lemmas_in(namespace: Mapping[str, object]) -> tuple[Lemma, ...]:
    """The lemmas that a module defines, in its order."""
    return tuple(made for made in namespace.values() if isinstance(made, Lemma))


def decide(lemma: Lemma, *, timeout: float) -> tuple[Verdict, dict[str, int]]:
    """PROVED, REFUTED with values of the bit-vectors, or UNDECIDED, within about `timeout` seconds."""
    end = time.monotonic() + timeout
    solver = z3.Solver()
    solver.add(*lemma.sequent().negation)
    answer = _ask(solver, end)
    if answer == z3.unsat:
        return Verdict.PROVED, {}
    if answer != z3.sat:
        return Verdict.UNDECIDED, {}
    vectors = lemma.vectors()
    model = _least(solver, [vectors[name] for name in lemma.least], end)
    return Verdict.REFUTED, {name: _value(model, vector) for name, vector in vectors.items()}


def _ask(solver: Expr, end: float, *extra: Expr) -> Expr:
    milliseconds = int(1000 * min(QUERY_SECONDS, end - time.monotonic()))
    if milliseconds < 1:
        return z3.unknown
    solver.set("timeout", milliseconds)
    return solver.check(*extra)


def _least(solver: Expr, wanted: Iterable[Expr], end: float) -> Expr:
    """A model of a satisfiable solver with small values, one after the other, by halving; the least, given time."""
    model = solver.model()
    for vector in wanted:
        low, high = 0, _value(model, vector)
        while low < high:
            middle = (low + high) // 2
            if _ask(solver, end, z3.ULE(vector, middle)) == z3.sat:
                model = solver.model()
                high = _value(model, vector)
            else:
                low = middle + 1
        solver.add(vector == high)
    return model


def _value(model: Expr, vector: Expr) -> int:
    return int(model.eval(vector, model_completion=True).as_long())


def judge(lemma: Lemma, *, timeout: float) -> Finding:
    """PROVED as meant, EXHAUSTED for a false statement whose witness was run, FAILED if it came out otherwise.

    REFUTED says that a statement that is meant to hold does not, with its values. Raises `Disagreement` when Z3's
    witness is none for the code.
    """
    verdict, witness = decide(lemma, timeout=timeout)
    shown = ", ".join(f"{name} = {value:#x}" for name, value in witness.items())
    if verdict is Verdict.UNDECIDED:
        return Finding(verdict, lemma.scope, "out of time")
    if lemma.run is None:
        return Finding(verdict, lemma.scope, shown)
    if verdict is Verdict.PROVED:
        return Finding(Verdict.FAILED, lemma.scope, "a statement that was said to be false was proved")
    ran = lemma.run(**witness)
    if ran is None:
        disagree(f"{lemma.name}: Z3's witness {shown} is none for the code")
    return Finding(Verdict.EXHAUSTED, f"one witness, run: {ran}", shown)


def smt_lib(lemma: Lemma) -> str:
    """The negated statement as SMT-LIB 2 with `(check-sat)`: unsat says that it holds, for any other prover."""
    solver = z3.Solver()
    solver.add(*lemma.sequent().negation)
    option = f"(set-option {lemma.hint})\n" if lemma.hint else ""
    return f"{option}{solver.to_smt2()}"


Spot: TypeAlias = tuple[Expr, int]
"""A formula without variables, and the value that the code has for it."""


def compare(spots: Iterable[Spot]) -> int:
    """Evaluate the formulas; how many. Raises `Disagreement` at the first that is not the value of the code."""
    compared = 0
    for formula, value in spots:
        if (found := z3.simplify(formula).as_long()) != value:
            disagree(f"{formula} is {found:#x} for Z3 and {value:#x} for the code")
        compared += 1
    return compared


def disagree(message: str) -> NoReturn:
    """Raise `Disagreement`."""
    from mapproof.proofs.solving.counterexamples import Disagreement

    raise Disagreement(f"hashing: {message}")
