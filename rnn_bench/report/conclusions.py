"""The conclusions that the statistics support, in sentences."""

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

from rnn_bench.evaluation.metrics import title_of
from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.distances import FOUND, accuracies_by_distance, farthest_corpus
from rnn_bench.report.formatting import format_count, format_estimate_with_count, join_words
from rnn_bench.report.statistics import BETTER, ONE_SEED, SIGNIFICANCE, UNDECIDED, WORSE, Estimate
from rnn_bench.sweep.advice import name_ceilings
from rnn_bench.sweep.equality import describe_equality, describe_sizes
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun

MOST_PARAGRAPHS = 3  # of a corpus each; with more corpora, one paragraph counts them
MOST_UNLEARNED = 6  # named; the others are counted
NOT_COMPARED = "is not compared with"
NO_BASELINE = "No baseline was trained, so whether a network is needed is not known."


def write_conclusions(results: Results) -> list[str]:
    """Return paragraphs on which network is the most accurate, and whether it beats the
    baselines."""
    if not results.compared:
        return ["No run of this sweep is completed yet."]
    if points := accuracies_by_distance(results):
        corpus = farthest_corpus(results)
        paragraphs = [f"{describe_distances(points)} {describe_best(results, corpus)}"]
    elif len(results.corpora) > MOST_PARAGRAPHS:
        paragraphs = [count_corpora(results)]
    else:
        paragraphs = [describe_corpus(results, corpus) for corpus in results.corpora]
    return [*paragraphs, *describe_unlearned(results)]


def describe_unlearned(results: Results) -> list[str]:
    """Return a paragraph on the networks that did not learn with every seed; none if all did."""
    from scipy.stats import binomtest

    found = [each for each in results.compared if each.unlearned]
    if not found:
        return []
    parts = []
    for each in found[:MOST_UNLEARNED]:
        count = len(each.completed)
        share = binomtest(count - each.unlearned, count).proportion_ci(method="exact")
        interval = f" ({share.low:.2f} to {share.high:.2f} of all seeds)" if count > 1 else ""
        parts.append(f"{each.title} {each.learned_seeds}{interval}")
    if more := len(found) - len(parts):
        parts.append(f"{more} more configurations not in all of theirs")
    return [
        f"{join_words(parts)}. Where a network did not learn, validation never beat the best "
        "constant prediction by more than chance, and a mean over its seeds says little of it."
    ]


def explain_numbers(results: Results) -> str:
    """Return what the numbers of the conclusions mean."""
    if not results.compared:
        return ""
    sentences = ["Accuracies are means over seeds. Brackets: 95 % confidence interval."]
    if not results.ranks_by_accuracy:
        metric = title_of(results.sweep.primary_metric)
        sentences = [
            f"Models are ranked by {metric}, the mean over seeds. Brackets: 95 % confidence "
            "interval over seeds. Only differences in accuracy are tested."
        ]
    elif results.comparisons:
        sentences.append(
            "Better and worse mean p < 0.05; p is corrected for the number of pairs of the corpus "
            "(Holm)."
        )
    ceilings = name_ceilings([run for each in results.compared for run in each.completed])
    return " ".join([*sentences, *ceilings, *name_other_editions(results)])


def name_other_editions(results: Results) -> list[str]:
    """Return a sentence for each public corpus whose articles are not the published ones."""
    editions = {
        run.tags[schema.DATASET]: run.tags.get(schema.DATA_EDITION)
        for run in results.sweep.runs
        if schema.PUBLISHED in run.tags
    }
    return [
        f"The articles of {corpus} are "
        + ("a sample of the published ones." if edition == "sample" else "not the published ones.")
        for corpus, edition in editions.items()
        if edition != "published"
    ]


def describe_corpus(results: Results, corpus: str) -> str:
    """Return how the best network compares with the other networks and with the baselines."""
    networks, baselines = rank(results, corpus)
    sentences = [describe_best(results, corpus)]
    if networks and baselines:
        sentences.append(describe_baseline(results, corpus, networks[0], baselines))
    elif networks:
        sentences.append(NO_BASELINE)
    return " ".join(sentences)


def describe_best(results: Results, corpus: str) -> str:
    """Return how the best network compares with the others; the best baseline where there is no
    network."""
    networks, baselines = rank(results, corpus)
    best, *others = networks or baselines
    accuracy = format_estimate_with_count(results.primary[best.key])
    metric = title_of(results.sweep.primary_metric)
    if not networks or not others:
        return f"On {corpus}, {best.label} has a {metric} of {accuracy}."
    runs = {each.label: each.completed for each in networks}
    place = ", ".join(part for part in (describe_equality(runs), f"on {corpus}") if part)
    sentences = [
        f"{place[0].upper()}{place[1:]}, {best.label} has the highest mean {metric} of the "
        f"networks: {accuracy}.",
        describe_others(results, corpus, best, others),
        describe_sizes(runs),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def describe_others(
    results: Results, corpus: str, best: Configuration, others: Sequence[Configuration]
) -> str:
    """Return which of the other networks the best one is better than, and which not."""
    if not results.ranks_by_accuracy:
        ranked = [
            f"{other.label} has {format_estimate_with_count(results.primary[other.key])}"
            for other in others
        ]
        return f"{join_words(ranked)}."
    names: dict[str, list[str]] = {}
    for other in others:
        relation, p = compare(results, corpus, best, other)
        names.setdefault(relation, []).append(f"{other.label}{p}")
    parts = [
        f"{relation} {join_words(names[relation])}"
        for relation in (BETTER, WORSE, UNDECIDED, NOT_COMPARED)
        if relation in names
    ]
    sentence = f"It {' and '.join(parts)}."
    pairs = [results.comparison(corpus, best, other) for other in others]
    if any(pair is not None and pair.one_seed for pair in pairs):
        sentence += f" {ONE_SEED}"
    return sentence


def describe_baseline(
    results: Results, corpus: str, best: Configuration, baselines: Sequence[Configuration]
) -> str:
    """Return how the best network compares with the strongest baseline."""
    strongest = baselines[0]
    relation, p = compare(results, corpus, best, strongest)
    name = "The baseline" if len(baselines) == 1 else "The strongest baseline"
    accuracy = format_estimate_with_count(results.primary[strongest.key])
    if not results.ranks_by_accuracy:
        return f"{name} is {strongest.label}, with {accuracy}."
    return f"{name} is {strongest.label}, with {accuracy}; {best.label} {relation} it{p}."


def count_corpora(results: Results) -> str:
    """Return on how many corpora each network is the best, and beats the others and the
    strongest baseline."""
    wins, baseline_relations = Counter[str](), Counter[str]()
    beats_all = 0
    for corpus in results.corpora:
        networks, baselines = rank(results, corpus)
        if not networks:
            continue
        best, *others = networks
        wins[best.label] += 1
        relations = {compare(results, corpus, best, other)[0] for other in others}
        beats_all += relations == {BETTER}
        if baselines:
            baseline_relations[compare(results, corpus, best, baselines[0])[0]] += 1
    count = len(results.corpora)
    if not wins:
        return f"On {count} corpora and settings, only baselines are completed."
    runs = networks_by_title(results)
    equality = describe_equality(runs)
    winners = join_words([f"{label} on {n}" for label, n in wins.most_common()])
    start = f"A{equality[1:]}, of" if equality else "Of"
    sentences = [
        f"{start} the {count} corpora and settings, the network with the highest mean "
        f"{title_of(results.sweep.primary_metric)} is {winners}."
    ]
    if not results.ranks_by_accuracy:
        return sentences[0]
    if len({each.label for each in results.compared if not each.is_baseline}) > 1:
        sentences.append(f"It is better than every other network on {beats_all or 'none'}.")
    if baseline_relations:
        found = [
            f"{relation} the strongest baseline on {n}"
            for relation, n in baseline_relations.most_common()
        ]
        sentences.append(f"It {join_words(found)}.")
    else:
        sentences.append(NO_BASELINE)
    return " ".join(sentences)


def networks_by_title(results: Results) -> dict[str, list[RecordedRun]]:
    """Return the completed runs of the networks of all corpora together, by label."""
    found: dict[str, list[RecordedRun]] = {}
    for each in results.compared:
        if not each.is_baseline:
            found.setdefault(each.label, []).extend(each.completed)
    return found


def describe_distances(points: dict[str, list[tuple[float, Estimate]]]) -> str:
    """Return up to which distance each model finds the cue."""
    reached: dict[str, float] = {}
    for label, found in points.items():
        if len(found) > 1:
            above = [*takewhile(lambda point: point[1].low > FOUND, found)]
            reached[label] = above[-1][0] if above else 0
    parts = [
        f"{label} {f'up to {distance:g} words' if distance else 'at no distance'}"
        for label, distance in sorted(reached.items(), key=lambda each: -each[1])
    ]
    first_estimate = next(iter(points.values()))[0][1]
    return (
        f"Distance from the end at which a model finds the cue: {join_words(parts)}. A model finds "
        f"it where the lower end of the 95 % confidence interval (over "
        f"{format_count(first_estimate)}) is above {FOUND}, half way from chance to certainty."
    )


def rank(results: Results, corpus: str) -> tuple[list[Configuration], list[Configuration]]:
    """Return the networks and the baselines of a corpus, the best in the primary metric first."""
    order = sorted(results.on(corpus), key=lambda each: -results.primary[each.key].value)
    return (
        [each for each in order if not each.is_baseline],
        [each for each in order if each.is_baseline],
    )


def compare(
    results: Results, corpus: str, first: Configuration, second: Configuration
) -> tuple[str, str]:
    """Return what the first is to the second, and the corrected p in brackets."""
    found = results.comparison(corpus, first, second)
    if found is None:
        return NOT_COMPARED, ""
    p = found.corrected_p
    in_words = "p < 0.001" if p < 0.001 else f"p = {p:.{3 if p < SIGNIFICANCE else 2}f}"
    return found.relation(first.label), f" ({in_words})"
