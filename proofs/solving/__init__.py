"""A system as questions for solvers: the obligations, who decides them, and what is made of the answers.

The idea: a proof is a list of formulas that must have no model. `queries` makes the list, `obligations.prove` asks Z3,
`second_prover` asks cvc5 the same; `counterexamples` makes a table of a model, `cores` says what a proof rests on, and
`inference` lets Spacer look for an invariant by itself.
"""
