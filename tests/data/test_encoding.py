from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rnn_bench.config.protocol import Protocol
from rnn_bench.config.schema import Config
from rnn_bench.data.corpora.demo import DemoCorpus
from rnn_bench.data.corpus import Articles, DataError
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.data.splits import split_validation
from tests.conftest import SMALL_CORPUS

Compose = Callable[..., Config]


def cached(workplace: Path) -> list[Path]:
    return [*(workplace / "cache" / "encoded").glob("*.safetensors")]


def test_another_encoding_setting_is_another_encoding(configured: Compose, workplace: Path) -> None:
    encoded_corpus(configured(*SMALL_CORPUS))
    encoded_corpus(configured(*SMALL_CORPUS, "protocol.epochs=3", "seed=5"))
    assert len(cached(workplace)) == 1
    encoded_corpus(configured(*SMALL_CORPUS, "protocol.max_length=5"))
    encoded_corpus(configured(*SMALL_CORPUS, "protocol.split_seed=5"))
    assert len(cached(workplace)) == 3


def test_the_last_tokens_of_long_articles_are_another_encoding(
    configured: Compose, workplace: Path
) -> None:
    whole = encoded_corpus(configured(*SMALL_CORPUS))
    cut = [
        encoded_corpus(
            configured(*SMALL_CORPUS, "protocol.max_length=5", f"protocol.truncation={more}")
        )
        for more in ("head", "head_and_tail")
    ]
    assert len(cached(workplace)) == 3
    for name in ("train", "validation", "test"):
        articles, head, both = (
            [part.tolist() for part in split.tokens.split(split.lengths.tolist())]
            for split in (getattr(corpus, name) for corpus in (whole, *cut))
        )
        assert max(map(len, articles)) > 5
        assert head == [each[:5] for each in articles]
        assert both == [each if len(each) <= 5 else each[:3] + each[-2:] for each in articles]


def test_another_version_of_the_encoding_is_another_encoding(
    configured: Compose, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded_corpus(configured(*SMALL_CORPUS))
    monkeypatch.setattr("rnn_bench.data.encoding.ENCODING_VERSION", 2)
    encoded_corpus(configured(*SMALL_CORPUS))
    assert len(cached(workplace)) == 2


def test_a_class_without_training_articles_is_named(configured: Compose, tmp_path: Path) -> None:
    labels = [0, 1] * 20 + [2]
    protocol = Protocol(name="p", validation_stratified=False)
    seeds = (replace(protocol, split_seed=seed) for seed in range(100))
    unlucky = next(each for each in seeds if 40 in split_validation(labels, each)[1])
    for name in ("train.csv", "test.csv"):
        rows = "".join(f"a word,{label}\n" for label in labels)
        (tmp_path / name).write_text(f"text,label\n{rows}")
    files = (f"dataset.train={tmp_path / 'train.csv'}", f"dataset.test={tmp_path / 'test.csv'}")
    settings = ("protocol=notebook", f"protocol.split_seed={unlucky.split_seed}")
    with pytest.raises(DataError, match="no training article of the class '2' is left"):
        encoded_corpus(configured("dataset=table", *files, *settings))


def test_the_vocabulary_comes_from_training_articles_alone(
    configured: Compose, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    rows = "".join(f"word{i},{i % 2}\n" for i in range(50))
    file.write_text("text,label\n" + rows)
    arguments = ("dataset=table", f"dataset.train={file}")
    fair = encoded_corpus(configured(*arguments))
    assert len(fair.vocabulary) == 2 + 32
    assert (fair.train.tokens > 1).all()
    assert (fair.validation.tokens == 1).all()
    notebook = encoded_corpus(configured(*arguments, "protocol=notebook"))
    assert len(notebook.vocabulary) == 2 + 40
    assert (notebook.test.tokens == 1).all()


def test_one_class_in_training_is_refused(configured: Compose, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "isot" / "preprocessed"
    folder.mkdir(parents=True)
    for name in ("train.csv", "test.csv"):
        (folder / name).write_text("text,label\n" + "a,1\n" * 20)
    with pytest.raises(DataError, match="one class only, 'real'"):
        encoded_corpus(configured("dataset=isot"))


def test_folds_and_training_sizes_are_other_questions_of_the_same_corpus(
    configured: Compose, workplace: Path
) -> None:
    whole = encoded_corpus(configured(*SMALL_CORPUS))
    small = encoded_corpus(configured(*SMALL_CORPUS, "dataset.train_size=0.2"))
    assert len(small.train) == pytest.approx(len(whole.train) / 5, abs=1)
    assert len(small.validation) == pytest.approx(len(whole.validation) / 5, abs=1)
    assert len(small.test) == len(whole.test)
    folds = [
        encoded_corpus(configured(*SMALL_CORPUS, "dataset.folds=4", f"dataset.fold={fold}"))
        for fold in (0, 1)
    ]
    assert folds[0].content.fingerprint != folds[1].content.fingerprint
    assert len(folds[0].test) == (len(whole.train) + len(whole.validation) + len(whole.test)) / 4


def test_a_validation_file_is_the_validation_split(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = DemoCorpus.read

    def with_validation(corpus: DemoCorpus) -> Articles:
        articles = read(corpus)
        texts, labels = articles.train
        return replace(
            articles, train=(texts[:-6], labels[:-6]), validation=(texts[-6:], labels[-6:])
        )

    monkeypatch.setattr(DemoCorpus, "read", with_validation)
    corpus = encoded_corpus(configured(*SMALL_CORPUS))
    assert len(corpus.validation) == 6


def test_a_limited_vocabulary_has_the_most_frequent_tokens(configured: Compose) -> None:
    whole = encoded_corpus(configured(*SMALL_CORPUS))
    limited = encoded_corpus(configured(*SMALL_CORPUS, "protocol.vocabulary_size=12"))
    assert limited.vocabulary == whole.vocabulary[:12]
    expected = whole.train.tokens.where(whole.train.tokens < 12, 1)
    assert (limited.train.tokens == expected).all()
