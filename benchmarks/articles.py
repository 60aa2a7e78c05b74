"""The articles of a benchmark, as files that every contender reads for itself.

`train.csv` and `test.csv` are for rnn_bench; `training.csv` and `validation.csv` are the same
articles as train.csv, split as rnn_bench splits them, for loops that do not split by themselves.
Texts are prepared already: contenders lower, clean and drop nothing.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PADDING, UNKNOWN = 0, 1
VOCABULARY_SIZE = 30_000
BATCH_SIZE = 32
LEARNING_RATE = 0.001
EMBEDDING_DIM = 100
HIDDEN_SIZE = 128
DROPOUT = 0.5

# The same for rnn_bench: torch's initial weights and random_split, every update at one rate, every
# epoch, and the first words of an article.
SETTINGS = (
    *(f"protocol.batch_size={BATCH_SIZE}", f"optimizer.lr={LEARNING_RATE}"),
    *(f"model.dropout={DROPOUT}", "protocol.embedding_dropout=0", "protocol.embedding_std=1"),
    *("protocol.recurrent_init=torch", "protocol.forget_bias=null", "protocol.schedule=constant"),
    *("protocol.warmup=0", "protocol.ema_decay=0", "protocol.patience=null"),
    "protocol.truncation=head",
)
OVERRIDES = (*SETTINGS, "protocol.readout=last_token", "protocol.validation_stratified=false")


def write_articles(corpus: str, count: int, folder: Path) -> str:
    """Write the first `count` articles of a corpus's training file and a quarter as many of its
    test file, and return the corpus's name. `auto` is isot if its articles are there, else demo.

    Raises:
        UsageError: the corpus cannot be read.
    """
    from rnn_bench.config.composition import Composer
    from rnn_bench.data.cache import configured_corpus
    from rnn_bench.data.corpus import DataError
    from rnn_bench.data.splits import split_validation

    if corpus == "auto":
        try:
            return write_articles("isot", count, folder)
        except DataError:
            return write_articles("demo", count, folder)
    overrides = [f"dataset={corpus}", "sweep_id=benchmark", *OVERRIDES]
    if corpus == "demo":
        overrides.append(f"dataset.articles={2 * count}")
    composer = Composer()
    config = composer.job(composer.compose(overrides)).config
    articles = configured_corpus(config).articles
    train = _table(*articles.train).head(count)
    _table(*articles.test).head(-(-count // 4)).to_csv(folder / "test.csv", index=False)
    train.to_csv(folder / "train.csv", index=False)
    training, validation = split_validation(train["label"].tolist(), config.protocol)
    train.iloc[training].to_csv(folder / "training.csv", index=False)
    train.iloc[validation].to_csv(folder / "validation.csv", index=False)
    return corpus


def _table(texts: list[str], labels: list[int]) -> pd.DataFrame:
    table = pd.DataFrame({"text": texts, "label": labels})
    return table[table["text"].str.strip() != ""]


def read_articles(path: Path) -> tuple[list[str], list[int]]:
    """Return the texts and labels of a file."""
    table = pd.read_csv(path, keep_default_na=False)
    return table["text"].astype(str).tolist(), table["label"].tolist()


def build_vocabulary(texts: Sequence[str]) -> dict[str, int]:
    """Return the ids of the most frequent words; they follow padding and unknown."""
    counts = Counter(word for text in texts for word in text.split())
    words = [word for word, _ in counts.most_common(VOCABULARY_SIZE - 2)]
    return {word: number for number, word in enumerate(words, start=UNKNOWN + 1)}


def encode(text: str, vocabulary: dict[str, int], length: int) -> list[int]:
    """Return the ids of a text's first `length` words."""
    return [vocabulary.get(word, UNKNOWN) for word in text.split()[:length]]


def padded(encoded: Sequence[Sequence[int]], length: int) -> NDArray[np.int32]:
    """Return articles as rows of `length` ids, padded on the right."""
    rows = np.full((len(encoded), length), PADDING, dtype=np.int32)
    for row, ids in zip(rows, encoded, strict=True):
        row[: len(ids)] = ids
    return rows
