"""The audit of a corpus: its sizes, what stands in it twice, and what gives its classes away.

A folder of its own: the sources in it decide no run's result, and no run key holds them.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_bench.config.errors import UsageError
from rnn_bench.config.options import build, name_of
from rnn_bench.config.schema import Config
from rnn_bench.data.audit.duplicates import exact_duplicates, near_duplicates
from rnn_bench.data.audit.probes import majority, probe_accuracies
from rnn_bench.data.corpus import Articles, Corpus, DataError, readable
from rnn_bench.data.fingerprint import content_fingerprint, digest, sources

BINS = 30


def audited(config: Config) -> dict[str, Any]:
    """The audit of the config's corpus, from the cache or made and kept there.

    Raises:
        DataError: the corpus cannot be read, or is unfit to train and test on.
        UsageError: the cache folder cannot be written.
    """
    name = name_of(config.dataset)
    corpus: Corpus = build(config.dataset, data_dir=Path(config.data_dir))
    kind = type(corpus)
    code = digest(sources(["data", "data/audit"], [kind]))
    with readable(name):
        content = corpus.identity() or content_fingerprint(corpus.read())
    key = digest([code, kind.__module__, kind.__qualname__, name, content])
    path = Path(config.cache_dir) / "audits" / f"{key}.json"
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):  # there is none, or it is damaged
        found = audit(corpus, name)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(found), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UsageError(
            f"cache_dir={config.cache_dir} cannot be used: {error.strerror or error}. "
            "Choose another with cache_dir=..."
        ) from error
    return found


def audit(corpus: Corpus, name: str) -> dict[str, Any]:
    """The audit of a corpus's prepared articles. `train` is all of the training file, with what
    a protocol takes for validation.

    Returns:
        what JSON can write: corpus, edition, fingerprint; left_out (see `Corpus`); splits
        (articles, classes, words, see `split_figures`); duplicates and test_articles_in_train
        (see `exact_duplicates`); near_duplicates and test_articles_near_train (see
        `near_duplicates`); majority (see `majority`) and probes (see `probe_accuracies`).

    Raises:
        DataError: the corpus cannot be read, has one class only, or has no test articles.
    """
    with readable(name):
        articles = corpus.read()
        try:
            columns, unavailable = corpus.columns(), ""
        except DataError as error:
            columns, unavailable = {}, str(error)
    if len(set(articles.train[1])) < 2:
        raise DataError(f"The training articles of {name} are not of two classes or more.")
    if not articles.test[0]:
        raise DataError(f"{name} has no test articles.")
    edges = length_edges(articles)
    duplicates, in_train = exact_duplicates(articles)
    near, near_train = near_duplicates(articles)
    return {
        "corpus": name,
        "edition": articles.edition,
        "fingerprint": content_fingerprint(articles),
        "left_out": corpus.left_out(),
        "splits": {
            "train": split_figures(*articles.train, articles.classes, edges),
            "test": split_figures(*articles.test, articles.classes, edges),
        },
        "duplicates": duplicates,
        "near_duplicates": near,
        "test_articles_in_train": in_train,
        "test_articles_near_train": near_train,
        "majority": majority(articles),
        "probes": probe_accuracies(articles, columns, unavailable),
    }


def split_figures(
    texts: list[str], labels: list[int], classes: tuple[str, ...], edges: NDArray[np.int64]
) -> dict[str, Any]:
    """Of a split: `articles`; `classes`, the articles of each; `words`, the distribution of the
    number of words for each class that has articles: min, q25, median, q75, max, mean, and a
    histogram with counts[i] articles of edges[i] to edges[i + 1] - 1 words."""
    counts, words = {}, {}
    lengths, of_class = _lengths(texts), np.array(labels)
    for label, name in enumerate(classes):
        own = lengths[of_class == label]
        counts[name] = len(own)
        if len(own):
            quantiles = np.quantile(own, [0, 0.25, 0.5, 0.75, 1]).tolist()
            words[name] = {
                **dict(zip(("min", "q25", "median", "q75", "max"), quantiles, strict=True)),
                "mean": float(own.mean()),
                "histogram": {
                    "edges": edges.tolist(),
                    "counts": np.histogram(own, edges)[0].tolist(),
                },
            }
    return {"articles": len(texts), "classes": counts, "words": words}


def length_edges(articles: Articles) -> NDArray[np.int64]:
    """Edges in words, the same for both splits and all classes: evenly spaced on a logarithmic
    scale, as lengths of articles are spread over several orders of magnitude."""
    longest = max(1, _lengths([*articles.train[0], *articles.test[0]]).max())
    spaced = np.geomspace(1, longest + 1, BINS).round().astype(np.int64)
    return np.unique([0, *spaced])


def _lengths(texts: list[str]) -> NDArray[np.int64]:
    return np.array([len(text.split()) for text in texts], dtype=np.int64)
