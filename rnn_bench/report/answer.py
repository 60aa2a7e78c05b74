"""The answer in sentences that the statistics support."""

from collections.abc import Sequence

from rnn_bench.report.configurations import Configuration
from rnn_bench.report.results import BASELINES, Results
from rnn_bench.report.statistics import Comparison, Estimate
from rnn_bench.report.wording import listed


def answer(results: Results) -> list[str]:
    """Two sentences for each corpus: which cell, and whether it beats the baselines."""
    if not results.compared:
        return ["No run of this sweep is answered yet."]
    return [
        sentence
        for corpus in results.corpora
        for sentence in of_corpus(results, corpus)
        if sentence
    ]


def of_corpus(results: Results, corpus: str) -> tuple[str, str]:
    accuracies = results.accuracies
    ranked = sorted(results.on(corpus), key=lambda each: -accuracies[each.key].value)
    cells = [each for each in ranked if each.model not in BASELINES]
    baselines = [each for each in ranked if each.model in BASELINES]
    comparisons = results.comparisons.get(corpus, [])
    if not cells:
        best = ranked[0]
        return f"On {corpus}, {best.label} reaches {told(accuracies[best.key])}.", ""
    best = cells[0]
    first = f"On {corpus}, {best.label} has the highest mean test accuracy of the networks, "
    first += told(accuracies[best.key])
    if len(cells) > 1:
        first += against(best, cells[1:], comparisons)
        if any(each.one_seed for each in comparisons if best.label in (each.first, each.second)):
            first += ", with one seed, which tells trained models apart but cannot rank cells"
    return f"{first}.", against_baselines(best, baselines, comparisons, accuracies)


def told(estimate: Estimate) -> str:
    if estimate.low == estimate.low:
        return f"{estimate.value:.3f} (95 % interval {estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.3f}"


def against(
    best: Configuration, others: Sequence[Configuration], comparisons: Sequence[Comparison]
) -> str:
    """Which of the others it is better than, and from which it cannot be told apart."""
    verdicts: dict[str, list[str]] = {}
    for other in others:
        found = between(best.label, other.label, comparisons)
        verdicts.setdefault(found[0] if found else "not compared", []).append(
            f"{other.label} ({chance(found[1])})" if found else other.label
        )
    parts = []
    if "better" in verdicts:
        parts.append(f"better than {listed(verdicts['better'])}")
    if "worse" in verdicts:
        parts.append(f"worse than {listed(verdicts['worse'])}")
    if "cannot be told apart" in verdicts:
        parts.append(f"and cannot be told apart from {listed(verdicts['cannot be told apart'])}")
    if "not compared" in verdicts:
        parts.append(f"not compared with {listed(verdicts['not compared'])}")
    return ", " + ", ".join(parts).removeprefix("and ")


def against_baselines(
    best: Configuration,
    baselines: Sequence[Configuration],
    comparisons: Sequence[Comparison],
    accuracies: dict[str, Estimate],
) -> str:
    if not baselines:
        return "No baseline was trained beside it, so whether a network is needed is not known."
    strongest = baselines[0]
    found = between(best.label, strongest.label, comparisons)
    reaches = (
        f"{strongest.label}, the strongest baseline, reaches {told(accuracies[strongest.key])}"
    )
    if found is None:
        return f"{reaches}."
    words = {
        "better": f"less than {best.label}",
        "worse": f"more than any network: {best.label} is worse",
    }
    difference = words.get(found[0], f"and {best.label} cannot be told apart from it")
    return f"{reaches}, {difference} ({chance(found[1])})."


def between(first: str, second: str, comparisons: Sequence[Comparison]) -> tuple[str, float] | None:
    """The verdict on the first against the second, with its corrected p."""
    for each in comparisons:
        if {each.first, each.second} == {first, second}:
            word = "cannot be told apart"
            if each.is_told_apart:
                word = "better" if (each.difference > 0) == (each.first == first) else "worse"
            return word, each.corrected_p
    return None


def chance(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
