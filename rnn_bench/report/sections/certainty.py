"""The section on what each model's certainty is worth."""

from collections.abc import Sequence

from rnn_bench.report.analysis import Results
from rnn_bench.report.certainty import CERTAIN, Certainty, certainties
from rnn_bench.report.certainty_figures import draw_reliability, draw_selective, group_by_corpus
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_estimate, format_number

MOST_SENTENCES = 3  # of a corpus each; beyond, the table has it
MANY = 30  # rows, beyond which the table is folded away


def certainty_section(results: Results) -> Section | None:
    found = certainties(results)
    if not found:
        return None
    by_corpus = group_by_corpus(found)
    text = []
    if len(by_corpus) <= MOST_SENTENCES:
        text = [describe_certainty(models[0]) for models in by_corpus.values()]
    figures = [draw_reliability(found, results.palette), draw_selective(found, results.palette)]
    return Section(
        "certainty",
        "What certainty is worth",
        text,
        [certainty_table(found)],
        [figure for figure in figures if figure is not None],
        folded=len(found) > MANY,
    )


def describe_certainty(each: Certainty) -> str:
    """Return how often a model is certain and then right, and how calibrated it is."""
    model, corpus = each.configuration.label, each.configuration.corpus
    if each.answered.value:
        share = each.answered.value
        answered = percent(share, 0) if share >= 0.01 else "less than 1 %"
        start = (
            f"At {CERTAIN} certainty {model} answers {answered} of the "
            f"articles of {corpus}, and is right in {percent(each.right.value)} of them"
        )
        if each.right.has_interval:
            start += f" ({percent(each.right.low)} to {percent(each.right.high)})"
        start += "."
    else:
        start = f"On {corpus}, {model} is never certain to {CERTAIN}."
    error, perfect = f"{each.error:.3f}", f"{each.floor.mean:.3f}"
    if each.error <= each.floor.high:
        return (
            f"{start} Its calibration error, {error}, is no more than a perfectly calibrated model "
            f"shows by chance ({perfect} on average)."
        )
    gap = each.mean - each.model.value
    how = "too certain" if gap > 0 else "too careful"
    if abs(gap) < each.error / 2:
        how = "too certain of some articles and too careful of others"
    return (
        f"{start} Its calibration error is {error}, where a perfectly calibrated model has "
        f"{perfect} by chance: it is {how}, with a mean certainty of {each.mean:.3f} and an "
        f"accuracy of {each.model.value:.3f}."
    )


def percent(share: float, places: int = 1) -> str:
    return f"{100 * share:.{places}f} %"


def certainty_table(found: Sequence[Certainty]) -> Table:
    rows = [
        (
            *(each.configuration.corpus, each.configuration.label),
            f"{each.mean - each.model.value:+.4f}",
            *map(format_number, (each.error, each.floor.mean, each.floor.high)),
            format_estimate(each.answered),
            format_estimate(each.right),
            str(len(each.runs)),
        )
        for each in found
    ]
    return Table(
        "certainty",
        "Calibration, and accuracy where a model is certain",
        (
            *("corpus", "model", "overconfidence", "calibration error", "if calibrated"),
            *("95 % below", f"answered at {CERTAIN}", "right of these", "runs"),
        ),
        rows,
        words=2,
        note="Means over runs; those without probabilities, because they diverged, are left out. "
        "Certainty: the probability of the predicted class. Overconfidence: mean certainty less "
        "accuracy. Calibration error: expected calibration "
        "error with 15 bins (Guo et al. 2017). If calibrated: the error of a perfectly calibrated "
        "model with the same certainties on as many articles, by drawing labels from them, its "
        "mean and what it stays below in 95 % of draws (Bröcker and Smith 2007); a greater error "
        f"is real. Answered: the share of articles with a certainty of {CERTAIN} and more. "
        "Brackets: 95 % interval, of the same error model as that of accuracy.",
    )
