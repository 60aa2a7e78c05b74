"""The same models on several corpora."""

from collections.abc import Sequence
from math import isfinite

from rnn_bench.report.analysis import Results
from rnn_bench.report.comparing import UNDECIDED
from rnn_bench.report.configurations import Configuration


def contestants(results: Results, corpora: Sequence[str]) -> dict[str, dict[str, Configuration]]:
    """Return each model's configuration by corpus, those with a primary metric, by the model's
    name: its label, or the model alone where no corpus has two of it, whose settings may then
    differ, as after tuning."""
    by_corpus = {corpus: results.on(corpus) for corpus in corpora}
    several = {
        each.model
        for found in by_corpus.values()
        for each in found
        if sum(each.model == other.model for other in found) > 1
    }
    models: dict[str, dict[str, Configuration]] = {}
    for corpus, found in by_corpus.items():
        for each in found:
            if isfinite(results.primary[each.key].value):
                name = each.label if each.model in several else each.model
                models.setdefault(name, {})[corpus] = each
    return models


def name_colours(results: Results, models: dict[str, dict[str, Configuration]]) -> dict[str, str]:
    """Return the colour of each of these models."""
    return {name: results.palette[next(iter(of.values())).label] for name, of in models.items()}


def relation_on(results: Results, corpus: str, first: Configuration, second: Configuration) -> str:
    """Return what the first model is to the second on a corpus; UNDECIDED where trained models
    alone are compared."""
    pair = results.comparison(corpus, first, second)
    return UNDECIDED if pair is None or pair.of_models else pair.relation(first.label)
