"""What the numbers of a report's answer mean, and what their intervals cover."""

from rnn_bench.evaluation.metrics import title_of
from rnn_bench.report.analysis import Results
from rnn_bench.report.distances import FOUND, varied_distance
from rnn_bench.report.outcomes import FEWEST_SEEDS
from rnn_bench.sweep.advice import name_ceilings
from rnn_bench.sweep.equality import describe_sizes
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun


def explain_numbers(results: Results) -> str:
    """Return what the numbers of the conclusions mean, and what their intervals cover."""
    if not results.compared:
        return ""
    metric = title_of(results.sweep.primary_metric)
    sentences = [] if results.ranks_by_accuracy else [f"Models are ranked by {metric}."]
    if varied_distance(results):
        sentences.append(
            "A model finds the cue where the lower end of its accuracy's 95 % interval is above "
            f"{FOUND}, half way from chance to certainty."
        )
    sentences += [describe_cover(results)]
    if any(
        sum(results.primary[each.key].has_interval for each in results.on(corpus)) > 2
        for corpus in results.corpora
    ):
        sentences.append(
            f"The {extreme(results)} of several models is so by luck too, which its own interval "
            "leaves out."
        )
    if any(not each.of_models for pairs in results.comparisons.values() for each in pairs):
        sentences.append(
            "Better and worse: p < 0.05, corrected for the number of pairs of the corpus (Holm). "
            f"Equivalent: the difference is below {results.sweep.margin:g}, likewise."
        )
    ceilings = name_ceilings([run for each in results.compared for run in each.completed])
    sizes = describe_sizes(networks_by_title(results))
    return " ".join(filter(None, [*sentences, sizes, *ceilings, *name_other_editions(results)]))


def describe_cover(results: Results) -> str:
    """Return what the intervals cover, and what they leave out."""
    found = [results.primary[each.key] for each in results.compared]
    covers = dict.fromkeys(each.over for each in found if each.has_interval)
    if not covers:
        losses = "losses do not vary or are not finite, or " if results.ranks_by_loss else ""
        return f"There are no intervals: {losses}predictions or seeds are missing."
    of_one_split = [each for each in covers if not each.endswith("splits")]
    if not of_one_split:
        return (
            "Brackets: 95 % interval. It covers the splits of the corpus, with their articles and "
            "seeds, not another corpus."
        )
    has_seeds = any("seed" in each for each in of_one_split)
    sources = "seeds and test articles" if has_seeds else "articles"
    sentence = f"Brackets: 95 % interval. It covers {sources}, not another split of the corpus"
    if any(each.of_models for each in found):
        few = f"; where there are fewer than {FEWEST_SEEDS} seeds, articles alone"
        sentence += few if has_seeds else " and not other seeds"
    if len(of_one_split) < len(covers):
        sentence += "; where there are several splits, those, with their articles and seeds"
    return f"{sentence}."


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


def networks_by_title(results: Results) -> dict[str, list[RecordedRun]]:
    """Return the completed runs of the networks of all corpora together, by label."""
    found: dict[str, list[RecordedRun]] = {}
    for each in results.compared:
        if not each.is_baseline:
            found.setdefault(each.label, []).extend(each.completed)
    return found


def extreme(results: Results) -> str:
    """Return which value of the primary metric is the best: `highest` or `lowest`."""
    return "lowest" if results.ranks_by_loss else "highest"
