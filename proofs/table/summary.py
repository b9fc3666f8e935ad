"""What was shown, by system: a line that sums each up, and one piece of evidence for each sort of thing.

The idea: a system has tens of statements, which one table of everything need not list: they stand or fall together.
What stands is counted; what does not keeps its own line and its counterexample.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mapproof.proofs.table.checks import Part, Shown
from mapproof.spec.evidence import COUNTEREXAMPLES, NO_VERDICT, Evidence, Kind, Verdict

CONTRACTS = "contracts"


def by_subject(shown: Iterable[Shown]) -> dict[str, list[Shown]]:
    """What was shown of each system or topic, in the order of the list; all contracts together."""
    groups: dict[str, list[Shown]] = {}
    for one in shown:
        groups.setdefault(CONTRACTS if one.part is Part.CONTRACT else one.subject, []).append(one)
    return groups


def headline(group: Sequence[Shown]) -> str:
    """One line for a system or topic: obligations, by whom, how long, the slowest, and what the proof is worth."""
    parts = [_obligations(group)]
    parts += [_worth(one) for one in group if one.part in _WORTH]
    return "; ".join(part for part in parts if part)


_WORTH = {Part.STEPS: "{} can happen", Part.MUTANTS: "mutants: {}"}


def _worth(one: Shown) -> str:
    said = _WORTH[one.part].format(one.brief.partition(";")[0])
    return said if one.evidence.verdict is Verdict.EXHAUSTED else f"{one.evidence.verdict} {said}"


def _obligations(group: Sequence[Shown]) -> str:
    counted = [one for one in group if one.part in (Part.STATEMENT, Part.LEMMA, Part.CONTRACT)]
    if not counted:
        return ""
    number = sum(one.obligations for one in counted)
    seconds = sum(one.evidence.seconds for one in counted)
    slowest = max(one.slowest for one in counted)
    what = ("condition" if counted[0].part is Part.CONTRACT else "obligation") + "s" * (number != 1)
    longest = f", slowest query {slowest:.1f} s" if slowest else ""
    return f"{number:,} {what} {_verdicts(counted)} by {by_whom(group)} in {seconds:.1f} s{longest}"


def _verdicts(counted: Sequence[Shown]) -> str:
    """One word when all statements have it; else how many have which."""
    verdicts = [one.evidence.verdict for one in counted]
    different = list(dict.fromkeys(verdicts))
    if len(different) == 1:
        return str(different[0])
    numbers = ((verdicts.count(verdict), verdict) for verdict in different)
    return "(" + ", ".join(f"{n} statement{'s' if n > 1 else ''} {verdict}" for n, verdict in numbers) + ")"


def by_whom(group: Sequence[Shown]) -> str:
    """Who decided the obligations; cvc5 only where it agreed on all of them."""
    by = list(dict.fromkeys(who for one in group if one.part in _DECIDED for who in one.by))
    if any(one.part is Part.SECOND and one.evidence.verdict is Verdict.PROVED for one in group):
        by.append("cvc5")
    return " and ".join(dict.fromkeys(by)) or "nobody"


_DECIDED = (Part.STATEMENT, Part.LEMMA, Part.CONTRACT)


def summaries(shown: Iterable[Shown]) -> list[Evidence]:
    """One piece of evidence for each system and sort of thing, and one for each that is not as it should be."""
    return [evidence for name, group in by_subject(shown).items() for evidence in _summed(name, group)]


def _summed(name: str, group: list[Shown]) -> list[Evidence]:
    results: list[Evidence] = []
    standing: dict[tuple[Part, Verdict], list[Shown]] = {}
    for one in group:
        if one.evidence.verdict in COUNTEREXAMPLES | NO_VERDICT:
            results.append(one.evidence)
        else:
            standing.setdefault((one.part, one.evidence.verdict), []).append(one)
    good = [_together(name, verdict, ones, by_whom(group)) for (_, verdict), ones in standing.items()]
    return [*good, *results]


def _together(name: str, verdict: Verdict, ones: list[Shown], by: str) -> Evidence:
    first = ones[0]
    seconds = sum(one.evidence.seconds for one in ones)
    if first.part not in _DECIDED or (first.part is Part.LEMMA and len(ones) == 1):
        return Evidence(first.evidence.name, Kind.PROOF, verdict, first.brief, seconds)
    number = sum(one.obligations for one in ones)
    what = "condition" if first.part is Part.CONTRACT else "obligation"
    scope = first.evidence.scope if first.part is Part.STATEMENT else "each for the scope that it names"
    if first.part is Part.CONTRACT:
        scope = "all paths of each function, one thread, exact types, no aliases, sizes as each says"
    sort = _SORTS.get((first.part, verdict), "statement")
    return Evidence(
        f"{name}: {_number(len(ones), sort)}",
        Kind.PROOF,
        verdict,
        f"{scope}; {_number(number, what)} by {by}",
        seconds,
    )


_SORTS = {
    (Part.LEMMA, Verdict.EXHAUSTED): "witness",
    (Part.CONTRACT, Verdict.CONFIRMED): "function",
}


def _number(number: int, word: str) -> str:
    """So many of them."""
    plural = {"witness": "false statements, each with a witness that was run"}
    singular = {"witness": "false statement, with a witness that was run"}
    return f"{number:,} {singular.get(word, word) if number == 1 else plural.get(word, word + 's')}"
