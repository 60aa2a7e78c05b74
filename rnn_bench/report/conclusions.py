"""The answer in sentences that the statistics support."""

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

from rnn_bench.report.analysis import BASELINES, Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.distances import FOUND, distances, farthest
from rnn_bench.report.formatting import listed, numbered, told
from rnn_bench.report.sections.published import PUBLISHED
from rnn_bench.report.statistics import SIGNIFICANCE, Comparison

SEVERAL = 3  # corpora that have sentences of their own; of more, the answer counts


def answer(results: Results) -> list[str]:
    """Paragraphs of two sentences: which network, and whether it beats the baselines."""
    if not results.compared:
        return ["No run of this sweep is answered yet."]
    if distances(results):
        return [of_distances(results)]
    if len(results.corpora) > SEVERAL:
        return [of_many(results)]
    return [of_corpus(results, corpus) for corpus in results.corpora]


def basis(results: Results) -> str:
    """What the numbers of the answer are."""
    if not results.compared:
        return ""
    said = "Mean test accuracies, each with a 95 % interval over what it names; splits are fixed."
    if results.comparisons:
        said += (
            " Better and worse: p below 0.05 after Holm's correction over the pairs of a corpus, "
            "which is the p given."
        )
    return " ".join([said, *samples(results)])


def samples(results: Results) -> list[str]:
    """Which corpora of the study are not as they were published."""
    editions = {run.tags["dataset"]: run.tags["data_edition"] for run in results.sweep.runs}
    return [
        f"The articles of {corpus} are "
        + ("a sample of the published ones." if edition == "sample" else "another edition.")
        for corpus, edition in editions.items()
        if corpus in PUBLISHED and edition != "published"
    ]


def of_corpus(results: Results, corpus: str) -> str:
    """The best network against the other networks, and against the baselines."""
    networks, baselines = ranked(results, corpus)
    first = of_best(results, corpus)
    if not networks:
        return first
    return f"{first} {against_baselines(results, corpus, networks[0], baselines)}"


def of_best(results: Results, corpus: str) -> str:
    """The best network against the other networks; the best baseline where there is none."""
    networks, baselines = ranked(results, corpus)
    best, *others = networks or baselines
    reaches = told(results.accuracies[best.key])
    if not networks or not others:
        return f"On {corpus}, {best.label} reaches {reaches}."
    return (
        f"On {corpus}, {best.label} has the highest mean test accuracy of the networks, "
        f"{reaches}; {against(results, corpus, best, others)}."
    )


def of_many(results: Results) -> str:
    best, over, baseline = Counter[str](), Counter[str](), Counter[str]()
    for corpus in results.corpora:
        networks, baselines = ranked(results, corpus)
        if not networks:
            continue
        best[networks[0].label] += 1
        words = {verdict(results, corpus, networks[0], other)[0] for other in networks[1:]}
        over["all" if words == {"better than"} else "not all"] += 1
        if baselines:
            baseline[verdict(results, corpus, networks[0], baselines[0])[0]] += 1
    if not best:
        return f"On {len(results.corpora)} corpora and settings, baselines alone are answered."
    corpora = f"the {len(results.corpora)} corpora and settings"
    wins = listed([f"{label} on {count}" for label, count in best.most_common()])
    first = f"Of {corpora}, the network with the highest mean test accuracy is {wins}"
    if len({each.label for each in results.compared if each.model not in BASELINES}) > 1:
        first += f"; it is better than every other network on {over['all'] or 'none'}"
    found = listed([f"{word} it on {count}" for word, count in baseline.most_common()])
    second = f"Beside the strongest baseline, that network is {found}" if found else UNKNOWN
    return f"{first}. {second}."


def of_distances(results: Results) -> str:
    """How far back each cell finds the cue, and which is best at the greatest distance where one
    does."""
    reached: dict[str, float] = {}
    points = distances(results)
    for label, found in points.items():
        above = [*takewhile(lambda point: point[1].low > FOUND, found)]
        if len(found) > 1:
            reached[label] = above[-1][0] if above else 0
    unit = next(iter(points.values()))[0][1]
    parts = [
        f"{label} {f'up to {steps:g} words' if steps else 'at no distance'}"
        for label, steps in sorted(reached.items(), key=lambda each: -each[1])
    ]
    first = f"The cue is found by {listed(parts)} before the end: accuracy stays above {FOUND}, "
    first += "half way from chance to certainty, by the lower ends of 95 % intervals over "
    first += f"{numbered(unit)}."
    return f"{first} {of_best(results, farthest(results))}"


def ranked(results: Results, corpus: str) -> tuple[list[Configuration], list[Configuration]]:
    """Networks and baselines on a corpus, the highest accuracy first."""
    order = sorted(results.on(corpus), key=lambda each: -results.accuracies[each.key].value)
    return (
        [each for each in order if each.model not in BASELINES],
        [each for each in order if each.model in BASELINES],
    )


def against(
    results: Results, corpus: str, best: Configuration, others: Sequence[Configuration]
) -> str:
    """Which of the others it is better than, and from which it cannot be told apart."""
    verdicts: dict[str, list[str]] = {}
    for other in others:
        word, chance = verdict(results, corpus, best, other)
        verdicts.setdefault(word, []).append(f"{other.label}{chance}")
    order = ("better than", "worse than", APART, "not compared with")
    parts = [
        f"{'' if word == APART else 'is '}{word} {listed(verdicts[word])}"
        for word in order
        if word in verdicts
    ]
    said = f"it {' and '.join(parts)}"
    pairs = [between(results, corpus, best, other) for other in others]
    if any(pair is not None and pair.one_seed for pair in pairs):
        said += "; one seed tells trained models apart, but a ranking of cells cannot be told "
        said += "from it"
    return said


def against_baselines(
    results: Results, corpus: str, best: Configuration, baselines: Sequence[Configuration]
) -> str:
    if not baselines:
        return f"{UNKNOWN}."
    strongest = baselines[0]
    word, chance = verdict(results, corpus, best, strongest)
    words = f"{word} it" if word == APART else f"is {word} it"
    name = "The baseline" if len(baselines) == 1 else "The strongest baseline"
    reaches = told(results.accuracies[strongest.key])
    return f"{name}, {strongest.label}, reaches {reaches}; {best.label} {words}{chance}."


def verdict(
    results: Results, corpus: str, first: Configuration, second: Configuration
) -> tuple[str, str]:
    """What the first is to the second, and the corrected p in brackets."""
    found = between(results, corpus, first, second)
    if found is None:
        return "not compared with", ""
    word = APART
    if found.is_told_apart:
        is_first = found.first == first.label
        word = "better than" if (found.difference > 0) == is_first else "worse than"
    p = found.corrected_p
    return word, " (p < 0.001)" if p < 0.001 else f" (p = {p:.{3 if p < SIGNIFICANCE else 2}f})"


def between(
    results: Results, corpus: str, first: Configuration, second: Configuration
) -> Comparison | None:
    pair = {first.label, second.label}
    pairs = results.comparisons.get(corpus, [])
    return next((each for each in pairs if {each.first, each.second} == pair), None)


APART = "cannot be told apart from"
UNKNOWN = "No baseline was trained beside it, so whether a network is needed is not known"
