"""The answer of a report: which models are the best, in sentences."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import dropwhile
from math import isfinite, nan

from rnn_bench.evaluation.metrics import title_of
from rnn_bench.report.analysis import Results
from rnn_bench.report.cautions import cautions
from rnn_bench.report.comparing import (
    BETTER,
    EQUIVALENT,
    UNDECIDED,
    WORSE,
    Comparison,
    ranked_names,
)
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.distances import (
    Distance,
    accuracies_by_distance,
    distance_found,
    farthest_corpus,
    varied_distance,
)
from rnn_bench.report.explanations import extreme, networks_by_title
from rnn_bench.report.formatting import format_estimate, join_words
from rnn_bench.report.outcomes import FEWEST_SEEDS
from rnn_bench.report.statistics import Estimate
from rnn_bench.sweep.equality import describe_equality
from rnn_bench.tracking import schema

MOST_PARAGRAPHS = 3  # of a corpus each; with more corpora, one paragraph counts them
MOST_WARNINGS = 3  # of several corpora, in a sentence
MOST_NAMES = 5  # in a list of models; the others are counted
NO_BASELINE = "No baseline was trained, so whether a network is needed is not known."
MODELS_ALONE = (
    f"With fewer than {FEWEST_SEEDS} seeds this compares trained models and ranks no architectures."
)


def write_conclusions(results: Results) -> list[str]:
    """Return a paragraph of at most three sentences for each corpus: which models are the best,
    what their rivals are, and what to mind of the data."""
    if not results.compared:
        return ["No run of this sweep is completed yet."]
    if distance := varied_distance(results):
        corpus = farthest_corpus(results, distance)
        reached = describe_distances(distance, accuracies_by_distance(results))
        return [reached, describe_corpus(results, corpus)]
    if len(results.corpora) > MOST_PARAGRAPHS:
        return [count_corpora(results)]
    return [describe_corpus(results, corpus) for corpus in results.corpora]


def describe_corpus(results: Results, corpus: str) -> str:
    """Return the answer on one corpus."""
    rivals = limits = ""
    if results.are_ranked(corpus) and not nothing_learned(results, corpus):
        rivals = describe_rivals(results, corpus)
        limits = describe_limits(results, corpus, results.best(corpus))
    if rivals and limits:
        rivals, limits = f"{rivals.removesuffix('.')}; {limits[0].lower()}{limits[1:]}", ""
    warnings = describe_warnings(results, corpus)
    return " ".join(filter(None, [describe_best(results, corpus), rivals, limits, warnings]))


def nothing_learned(results: Results, corpus: str) -> bool:
    """Return whether no network of a corpus, whose models are ranked, learned with any seed, and no
    model's accuracy, or the loss that it is ranked by, is better than that of the best constant."""
    found, chance = results.on(corpus), results.chance(corpus)
    networks = [each for each in found if not each.is_baseline]
    return (
        results.are_ranked(corpus)
        and bool(networks)
        and all(each.learned == 0 for each in networks)
        and all(results.accuracies[each.key].low <= chance for each in found)
        and not (
            results.ranks_by_loss
            and any(
                results.primary[each.key].high < results.constant_loss(corpus) for each in found
            )
        )
    )


def describe_best(results: Results, corpus: str) -> str:
    """Return which models are the best on a corpus: all that no other one is better than."""
    found, best = results.on(corpus), results.best(corpus)
    metric = title_of(results.sweep.primary_metric)
    start = capitalize(", ".join(filter(None, (equality_on(results, corpus), f"on {corpus}"))))
    beside = describe_chance(results, corpus)
    first = found[0]
    value = format_estimate(results.primary[first.key], 3) + beside
    finite = count_finite(results, corpus)
    if not finite:
        return f"{start}, no model has a finite {metric}."
    if finite == 1 < len(found):
        return (
            f"{start}, {first.label} alone of {len(found)} models has a finite {metric}: {value}."
        )
    if len(found) == 1:
        return f"{start}, {first.label} has a {metric} of {value}."
    if not results.are_ranked(corpus):
        return (
            f"{start}, the trained {first.label} has the {extreme(results)} {metric} of "
            f"{len(found)} models: {value}. {MODELS_ALONE}"
        )
    if nothing_learned(results, corpus):
        return (
            f"{start}, no model is better than chance, and no network learned with any seed: "
            f"{first.label} has the {extreme(results)} {metric}, {value}."
        )
    ranked = len(ranked_names(results.comparisons[corpus]))
    if len(best) == 1:
        return f"{start}, {first.label} is the best of {ranked} models: {metric} {value}."
    values = {each.label: f"{each.label} {short(results.primary[each.key])}" for each in best}
    lower = [values.pop(each.label) for each in undecided_below_others(results, corpus)]
    names = name_some([*values.values()])
    pairs = pairs_among(results, corpus, best)
    if all(each.relation(each.first) == EQUIVALENT for each in pairs):
        verdict = f"they are equivalent within {results.sweep.margin:g}"
    else:
        verdict = "nothing here separates them"
    which = f"the best of {ranked} models {'are' if len(values) > 1 else 'is'}"
    if lower:
        are = "is" if len(lower) == 1 else "are"
        where = f"{are} {'higher' if results.ranks_by_loss else 'lower'}"
        names += f", perhaps {name_some(lower)} too, which {where} but not told apart from "
        names += first.label
    if len(best) == ranked:
        which = f"each of the {ranked} models may be the best:"
    return f"{start}, {which} {names} ({metric}{beside}); {verdict}."


def describe_chance(results: Results, corpus: str) -> str:
    """Return `; chance 0.500` beside an accuracy, `; a constant has 0.693` beside a loss; empty
    beside other metrics, and without predictions."""
    words, value = "", nan
    if results.ranks_by_accuracy:
        words, value = "chance", results.chance(corpus)
    elif results.ranks_by_loss:
        words, value = "a constant has", results.constant_loss(corpus)
    return f"; {words} {value:.3f}" if isfinite(value) else ""


def undecided_below_others(results: Results, corpus: str) -> list[Configuration]:
    """Return those of the best models on a corpus that cannot be told apart from the first, though
    they stand below one that is worse than it: their seeds vary more, or they err elsewhere."""
    best, ranked = results.best(corpus), ranked_names(results.comparisons[corpus])
    found = [each for each in results.on(corpus) if each.label in ranked]
    below = [each for each in dropwhile(best.__contains__, found) if each in best]
    pairs = ((each, results.comparison(corpus, best[0], each)) for each in below)
    return [each for each, pair in pairs if pair and pair.relation(each.label) == UNDECIDED]


def describe_rivals(results: Results, corpus: str) -> str:
    """Return how the best network and the best baseline compare, or that there is no baseline."""
    found, best = results.on(corpus), results.best(corpus)
    networks = [each for each in found if not each.is_baseline]
    baselines = [each for each in found if each.is_baseline]
    if networks and baselines:
        ahead, behind = sorted((networks[0], baselines[0]), key=found.index)
        pair = results.comparison(corpus, ahead, behind)
        if pair is not None and not pair.of_models and behind not in best:
            what = "network" if behind is networks[0] else "baseline"
            others = networks if what == "network" else baselines
            name = f"The best {what}" if len(others) > 1 else f"The {what}"
            return f"{name} is {behind.label}: {describe_difference(pair, behind.label)}."
    decided = all(
        each.relation(each.first) != UNDECIDED for each in pairs_among(results, corpus, best)
    )
    return NO_BASELINE if networks and not baselines and decided else ""


def describe_difference(pair: Comparison, name: str) -> str:
    """Return how much worse, or better, a model is than the other of a pair."""
    other = pair.second if name == pair.first else pair.first
    ends = sorted((abs(pair.low), abs(pair.high)))
    size = f"{abs(pair.difference):.3f} ({ends[0]:.3f} to {ends[1]:.3f})"
    relation = pair.relation(name)
    if relation in (BETTER, WORSE):
        word = "better" if relation == BETTER else "worse"
        return f"{size} {word} than {other}"
    if relation == EQUIVALENT:
        return f"equivalent to {other} within {pair.margin:g}"
    return f"not to be told from {other} yet"


def describe_limits(results: Results, corpus: str, best: Sequence[Configuration]) -> str:
    """Return which difference this sweep could have found between the best models, and how many
    more seeds would separate them; empty where everything is decided."""
    pairs = pairs_among(results, corpus, best)
    undecided = [
        each for each in pairs if each.relation(each.first) == UNDECIDED and not each.of_models
    ]
    if not undecided:
        return ""
    first = undecided[0]
    sentence = "This sweep is too small to find a difference"
    if isfinite(first.smallest):
        sentence = f"This sweep finds a difference of {first.smallest:.3f} in about 4 of 5 cases"
    names = f"{first.first} and {first.second}"
    if not first.more_seeds:
        return f"{sentence}, and more seeds alone would not separate {names}."
    seeds = sorted({int(run.tags[schema.SEED]) for each in best for run in each.completed})
    more = f"{first.more_seeds} more seed{'s' * (first.more_seeds > 1)}"
    seeds += range(seeds[-1] + 1, seeds[-1] + 1 + first.more_seeds)
    if results.sweep.search:  # its own seeds are those of the trials
        wanted = f"search.seeds={len(seeds)}"
    elif len(seeds) == seeds[-1] - seeds[0] + 1:
        wanted = f"seed=range({seeds[0]},{seeds[-1] + 1})"
    else:
        wanted = f"seed={','.join(map(str, seeds))}"
    return f"{sentence}, and about {more} would separate {names}: the same command with {wanted}."


def describe_warnings(results: Results, corpus: str) -> str:
    """Return what to mind of a corpus, in a sentence."""
    parts = cautions(results, corpus)
    return f"Mind: {'; '.join(parts)}." if parts else ""


def count_corpora(results: Results) -> str:
    """Return on how many corpora each model is among the best."""
    wins, alone = Counter[str](), Counter[str]()
    networks_needed = ranked = beside_baselines = 0
    by_chance = [corpus for corpus in results.corpora if nothing_learned(results, corpus)]
    for corpus in results.corpora:
        if not results.are_ranked(corpus) or corpus in by_chance:
            continue
        ranked += 1
        best = results.best(corpus)
        wins.update(each.label for each in best)
        if len(best) == 1:
            alone[best[0].label] += 1
        if any(each.is_baseline for each in results.on(corpus)):
            beside_baselines += 1
            networks_needed += all(not each.is_baseline for each in best)
    count = len(results.corpora)
    corpora = f"{count} corpora and settings"
    equality = describe_equality(networks_by_title(results))
    start = f"{equality}, " if equality else ""
    if len(by_chance) == count:
        return capitalize(f"{start}no model is better than chance on any of {corpora}.")
    if not ranked:
        return f"{reason_unranked(results)} The tables have the numbers of {corpora}."
    names = name_some(
        [
            f"{label} on {n}" + (f" (alone on {alone[label]})" if alone[label] else "")
            for label, n in wins.most_common()
        ]
    )
    if ranked < count:
        corpora = f"the {ranked} of {corpora} whose models are ranked"
    sentences = [capitalize(f"{start}of {corpora}, among the best are {names}.")]
    if beside_baselines:
        of = f" of the {beside_baselines} with baselines" if beside_baselines < ranked else ""
        sentences.append(
            f"On {networks_needed}{of} every baseline is worse than the best."
            if networks_needed
            else f"On none{of} is every baseline worse than the best."
        )
    else:
        sentences.append(NO_BASELINE)
    corpora_of = {"no model is better than chance": by_chance} if by_chance else {}
    for corpus in results.corpora:
        for caution in cautions(results, corpus):
            corpora_of.setdefault(caution, []).append(corpus)
    parts = [f"{caution} ({', '.join(where)})" for caution, where in corpora_of.items()]
    if parts:
        more = len(parts) - MOST_WARNINGS
        rest = f"; {more} more, by corpus in the sections" if more > 0 else ""
        sentences.append(f"Mind: {'; '.join(parts[:MOST_WARNINGS])}{rest}.")
    return " ".join(sentences)


def equality_on(results: Results, corpus: str) -> str:
    """Return `at equal size (...)` where it is true of the networks of a corpus."""
    networks = [each for each in results.on(corpus) if not each.is_baseline]
    return describe_equality({each.label: each.completed for each in networks})


def describe_distances(
    distance: Distance, points: Mapping[str, Sequence[tuple[float, Estimate]]]
) -> str:
    """Return up to which distance each model finds the cue."""
    reached = {label: distance_found(found) for label, found in points.items() if len(found) > 1}
    parts = [
        f"{label} {f'up to {words:g}' if words else 'at no distance'}"
        for label, words in sorted(reached.items(), key=lambda each: -each[1])
    ]
    return (
        f"Words between {distance.start} and {distance.end} with which a model finds the cue: "
        f"{join_words(parts)}."
    )


def pairs_among(results: Results, corpus: str, some: Sequence[Configuration]) -> list[Comparison]:
    """Return the comparisons between some models of a corpus."""
    names = {each.label for each in some}
    pairs = results.comparisons.get(corpus, [])
    return [each for each in pairs if {each.first, each.second} <= names]


def name_some(names: Sequence[str]) -> str:
    """Return a list of names; beyond a few their number."""
    if len(names) <= MOST_NAMES:
        return join_words(names)
    return f"{', '.join(names[: MOST_NAMES - 1])} and {len(names) - MOST_NAMES + 1} more"


def reason_unranked(results: Results) -> str:
    """Return why no models are ranked on any of several corpora."""
    if max(count_finite(results, corpus) for corpus in results.corpora) > 1:
        return MODELS_ALONE
    if all(len(results.on(corpus)) == 1 for corpus in results.corpora):
        return "One model was tested on each corpus, so none is compared."
    return f"No two models of a corpus have a finite {title_of(results.sweep.primary_metric)}."


def count_finite(results: Results, corpus: str) -> int:
    """Return how many models of a corpus have a finite primary metric."""
    return sum(isfinite(results.primary[each.key].value) for each in results.on(corpus))


def short(estimate: Estimate) -> str:
    return format_estimate(estimate, 3)


def capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]
