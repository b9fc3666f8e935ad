"""What the tests of every small chapter ask: that its system is proved, and that each part of it is worth something."""

from mapproof.proofs.chapters import Fault
from mapproof.proofs.running.exploration import explore, machine_within
from mapproof.proofs.running.refutations import classify, equivalent
from mapproof.proofs.solving.mutants import check_mutant
from mapproof.proofs.solving.obligations import prove, vacuity
from mapproof.spec.evidence import Verdict


def assert_proved(system):
    """Every statement is proved of every step that it is asked of, and every step can happen."""
    proof = prove(system, timeout=60)
    assert proof.verdict is Verdict.PROVED, "\n".join(map(str, proof.counterexamples()))
    asked = {result.obligation.statement for result in proof.results}
    assert asked == {*system.invariants, *system.lemmas, *system.step_properties, *system.claims}
    found = vacuity(system, timeout=60)
    assert found.verdict is Verdict.EXHAUSTED
    assert not found.dead


def assert_as_said(mutant):
    """The prover refutes what the mutant is said to break, and running it shows the fault that it is said to have."""
    check = check_mutant(mutant, timeout=60)
    assert check.as_said, check.caught_by
    if mutant.fault is Fault.EQUIVALENT:
        assert equivalent(mutant, seconds=60).fault is Fault.EQUIVALENT
    else:
        assert classify(mutant, mutant.statement, seconds=60).fault is mutant.fault


def shortest_run(mutant, bound=None):
    """The names of the steps of the shortest run to a claim that is false, and those claims. The run is replayed."""
    found = classify(mutant, mutant.statement, bound, seconds=60)
    assert found.fault is Fault.WRONG_ANSWER
    machine = machine_within(mutant.system, bound or mutant.bound)
    state, broken = machine.initial(), ()
    for name, arguments in found.trace:
        assert not broken
        step = machine.step(state, name, *arguments)
        state, broken = step.after, step.broken_claims
    assert broken == found.broken
    return [name for name, _ in found.trace], broken


def unneeded(system, mutants):
    """The invariants that no mutant is said to break, and without which all of the rest can still be proved."""
    broken = {mutant.statement for mutant in mutants}

    def rest_is_proved(name):
        rest = [made for made in system.invariants.values() if made.name != name]
        weaker = system.with_invariants("weaker", rest)
        steps = ([action] for action in (system.observation.name, *system.actions))
        return all(prove(weaker, timeout=60, actions=step).verdict is not Verdict.REFUTED for step in steps)

    return [name for name in system.invariants if name not in broken and rest_is_proved(name)]


def assert_all_good(system, bound, states):
    """All states within the bound are good; there are so many, those that differ only in names counted once."""
    found = explore(machine_within(system, bound), most_states=100_000, symmetric=True)
    assert found.exhausted
    assert not found.broken
    assert found.states == states
