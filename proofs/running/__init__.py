"""A system on plain values: it is compiled to Python and run, step by step or over all states within a bound.

The idea: what an action means here owes nothing to a solver, so this is the second opinion on every counterexample, and
the judge of what a refuted obligation amounts to. Start with `concrete.Machine`; then `exploration`, `refutations`.
"""
