"""Learning curves: what each model reaches with a share of the training articles."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from statistics import mean

from rnn_bench.report.analysis import Results
from rnn_bench.report.comparing import BETTER, WORSE
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contestants import contestants, relation_on
from rnn_bench.report.statistics import Estimate

TRAIN_SIZE = "dataset.train_size"
# How the name of a corpus has it: `trec (train_size 0.1, folds 3)`.
SETTING = re.compile(r"\btrain_size [\w.+-]+(, )?")


@dataclass(frozen=True)
class LearningCurve:
    """The models of one corpus by the share of its training articles.

    Attributes:
        title: the corpus, without the share.
        corpora: the name of the corpus by share, the smallest first.
        models: each model's configuration by that name; the best with most articles first.
    """

    results: Results
    title: str
    corpora: dict[float, str]
    models: dict[str, dict[str, Configuration]]

    @property
    def sizes(self) -> list[float]:
        return [*self.corpora]

    @cached_property
    def articles(self) -> dict[float, float]:
        """The mean number of training articles by share."""
        return {
            size: mean(
                run.split_sizes.get("train", 0)
                for each in self.results.on(corpus)
                for run in each.completed
            )
            for size, corpus in self.corpora.items()
        }

    def describe_size(self, size: float) -> str:
        """Return `0.1 (320)`, with the number of articles where it was recorded of each share."""
        counts = [*self.articles.values()]
        is_known = all(fewer < more for fewer, more in pairwise(counts))
        return f"{size:g} ({self.articles[size]:,.0f})" if is_known else f"{size:g}"

    def points(self, name: str) -> dict[float, Estimate]:
        """Return what a model reaches by share."""
        found = self.models[name]
        return {
            size: self.results.primary[found[corpus].key]
            for size, corpus in self.corpora.items()
            if corpus in found
        }

    def verdicts(self, first: str, second: str) -> dict[float, str]:
        """Return by share what the first model is to the second; UNDECIDED where trained models
        alone are compared."""
        one, other = self.models[first], self.models[second]
        return {
            size: relation_on(self.results, corpus, one[corpus], other[corpus])
            for size, corpus in self.corpora.items()
            if corpus in one and corpus in other
        }

    @property
    def overtakings(self) -> list[str]:
        """A sentence for each pair of models of which each is better with some share."""
        pairs = combinations(self.models, 2)
        return [text for pair in pairs if (text := describe_overtaking(self, *pair))]


def learning_curves(results: Results) -> list[LearningCurve]:
    """Return the curve of each corpus that was trained on several shares of its articles."""
    by_title: dict[str, dict[float, str]] = {}
    for corpus in results.corpora:
        size = results.on(corpus)[0].runs[0].number(TRAIN_SIZE, default=1.0)
        by_title.setdefault(without_size(corpus), {})[size] = corpus
    curves = []
    for title, found in by_title.items():
        corpora = dict(sorted(found.items()))
        largest_first = [*corpora.values()][::-1]
        if len(corpora) > 1 and (models := contestants(results, largest_first)):
            curves.append(LearningCurve(results, title, corpora, models))
    return curves


def without_size(corpus: str) -> str:
    """Return a corpus's name without the share of the training articles."""
    return SETTING.sub("", corpus).replace(", )", ")").removesuffix(" ()")


def describe_overtaking(curve: LearningCurve, first: str, second: str) -> str:
    """Return `tfidf is better up to 0.05 of the training articles, gru from 0.2 on`; empty if none
    of two models overtakes the other."""
    verdicts = curve.verdicts(first, second)
    sizes = [*verdicts]
    better = [size for size in sizes if verdicts[size] == BETTER]
    worse = [size for size in sizes if verdicts[size] == WORSE]
    if not better or not worse:
        return ""
    early, late = (first, better), (second, worse)
    if worse[0] < better[0]:
        early, late = late, early
    return (
        f"{early[0]} is better than {late[0]} {name_sizes(early[1], sizes)} of the training "
        f"articles, {late[0]} is better {name_sizes(late[1], sizes)}"
    )


def name_sizes(some: Sequence[float], sizes: Sequence[float]) -> str:
    """Return `up to 0.05` for the first of the sizes, `from 0.2 on` for the last, else `with 0.1
    and 0.3`."""
    count = len(some)
    if [*some] == [*sizes[:count]]:
        return f"up to {some[-1]:g}"
    if [*some] == [*sizes[-count:]]:
        if some[0] == 1:
            return "with all of them"
        return f"from {some[0]:g} on" if count > 1 else f"with {some[0]:g}"
    return "with " + " and ".join(f"{size:g}" for size in some)
