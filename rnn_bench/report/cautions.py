"""What to mind of a corpus, beside which models are the best on it."""

from rnn_bench.config.errors import format_ends
from rnn_bench.evaluation.metrics import title_of
from rnn_bench.report.analysis import Results
from rnn_bench.report.comparing import ranked_names
from rnn_bench.report.formatting import join_words
from rnn_bench.report.outcomes import FEWEST_SEEDS
from rnn_bench.report.statistics import share_of_seeds

HARDLY = 0.25  # recall below which a class is hardly found
FEWEST_ERRORS = 20  # below which a loss's interval covers less than 0.92 (docs/protocols.md)
LEAKED = 0.01  # share of test articles that training has too, above which it is worth a word


def cautions(results: Results, corpus: str) -> list[str]:
    """Return what to mind of a corpus: models that are not ranked or lack splits, losses of few
    errors, seeds without learning, classes that the best model hardly finds, test articles that
    training has too."""
    return [
        *unranked_models(results, corpus),
        *losses_of_few_errors(results, corpus),
        *missing_splits(results, corpus),
        *unlearned_seeds(results, corpus),
        *hardly_found_classes(results, corpus),
        *leaked_articles(results, corpus),
    ]


def unranked_models(results: Results, corpus: str) -> list[str]:
    """Return which models are not ranked though others are, and why."""
    if not results.are_ranked(corpus):
        return []
    ranked = ranked_names(results.comparisons[corpus])
    by_reason: dict[str, list[str]] = {}
    for each in results.on(corpus):
        if each.label not in ranked:
            reason = "predictions missing"
            if each.key in results.primary_outcomes:
                reason = f"fewer than {FEWEST_SEEDS} seeds"
            elif each.key in results.outcomes:
                reason = f"a {title_of(results.sweep.primary_metric)} that is not finite"
            by_reason.setdefault(reason, []).append(each.label)
    return [
        f"{join_words(sorted(labels))} {'is' if len(labels) == 1 else 'are'} not ranked, with {why}"
        for why, labels in by_reason.items()
    ]


def losses_of_few_errors(results: Results, corpus: str) -> list[str]:
    """Return which models err on too few test articles for the interval of their loss."""
    if not results.ranks_by_loss:
        return []
    names = []
    for each in results.on(corpus):
        if each.key in results.primary_outcomes:
            model = results.outcomes[each.key]
            if (1 - model.value) * model.articles < FEWEST_ERRORS:
                names.append(each.label)
    if not names:
        return []
    err = "errs" if len(names) == 1 else "err"
    return [
        f"{join_words(names)} {err} on fewer than {FEWEST_ERRORS} test articles, too few for the "
        "interval of a loss, which is then too narrow"
    ]


def missing_splits(results: Results, corpus: str) -> list[str]:
    """Return which models lack splits that others were tested on."""
    found = results.on(corpus)
    count = len({split for each in found for split in each.splits})
    return [
        f"{each.label} was tested on {len(each.splits)} of {count} splits"
        for each in found
        if len(each.splits) < count
    ]


def unlearned_seeds(results: Results, corpus: str) -> list[str]:
    """Return for each network that did not learn with every seed in how many it did."""
    found = []
    for each in results.on(corpus):
        count = len(each.completed)
        if each.unlearned:
            interval = interval_of_share(each.learned, count)
            found.append(f"{each.label} {each.learned_seeds}{interval}")
        if each.diverged:
            interval = interval_of_share(each.diverged, count)
            found.append(f"{each.label} diverged in {each.diverged} of {count} runs{interval}")
    return found


def interval_of_share(some: int, count: int) -> str:
    """Return ` (0.09 to 0.99 of all seeds)`; empty for one seed, which says nothing of others."""
    low, high = share_of_seeds(some, count)
    return f" ({low:.2f} to {high:.2f} of all seeds)" if count > 1 else ""


def hardly_found_classes(results: Results, corpus: str) -> list[str]:
    """Return the classes of which the best model finds the fewest articles, if it hardly finds
    any."""
    first = results.on(corpus)[0]
    found = [results.predictions[r.id] for r in first.completed if r.id in results.predictions]
    if not found or first.unlearned:
        return []
    recalls = []
    for number, name in enumerate(found[0].classes):
        articles = sum(int((each.labels == number).sum()) for each in found)
        right = sum(int(((each.labels == number) & each.correct).sum()) for each in found)
        if articles and right / articles < HARDLY:
            runs = max(1, len(found) // max(1, len(first.splits)))
            recalls.append((right / articles, name, right / runs, articles // runs))
    return [
        f"{first.label} finds {right:.0f} of the {articles:,} test articles of {name}"
        for _, name, right, articles in sorted(recalls)[:2]
    ]


def leaked_articles(results: Results, corpus: str) -> list[str]:
    """Return how many test articles are also in training, if they are more than a few."""
    audits = [audit for (of, _), audit in results.audits_by_split.items() if of == corpus]
    shared = [each.duplicates.test_in_train for each in audits]
    articles = [each.splits["test"].articles for each in audits]
    if sum(shared) < LEAKED * sum(articles) or not any(shared):
        return []
    return [f"{format_ends(shared)} of {format_ends(articles)} test articles are also in training"]
