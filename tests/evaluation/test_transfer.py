"""Finished models on another corpus's test articles."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from mlflow.entities import Run

from rnn_bench.config.schema import Config
from rnn_bench.data.corpus import DataError, MissingCorpus
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.evaluation.transfer import transfer_corpora, transfer_split, unknown_share
from tests.conftest import Command
from tests.data.kaggle_server import kaggle_serving
from tests.test_run import artifacts, history

Runs = Callable[[], list[Run]]
Configured = Callable[..., Config]

REAL, FAKE = "the senate voted on a bill today", "you will not believe what she said"
TINY = (
    "model.hidden_size=8",
    "model.embedding_dim=8",
    "protocol.epochs=1",
    "threads=1",
)
TO_KAGGLE = "evaluation.transfer=[isot,kaggle]"
HEAD = "protocol.truncation=head"


def write_corpus(
    data: Path, name: str, train: list[tuple[str, int]], test: list[tuple[str, int]]
) -> None:
    folder = data / name / "preprocessed"
    folder.mkdir(parents=True)
    for file, articles in (("train.csv", train), ("test.csv", test)):
        pd.DataFrame(articles, columns=["text", "label"]).to_csv(folder / file, index=False)


def write_isot(data: Path) -> None:
    both = [(REAL, 1), (FAKE, 0)]
    write_corpus(data, "isot", both * 15, both * 5)


@pytest.fixture
def data(workplace: Path) -> Path:
    """Two small corpora in the study's layout, where runs look for them."""
    write_isot(workplace / "data")
    abroad = [("the senate voted abroad", 1), ("you will never believe", 0), (REAL, 1)]
    write_corpus(workplace / "data", "kaggle", [(REAL, 1), (FAKE, 0)] * 15, abroad)
    return workplace / "data"


def test_the_own_corpus_is_skipped_and_each_other_is_read_once(configured: Configured) -> None:
    both = "evaluation.transfer=[isot,kaggle,isot]"
    assert transfer_corpora(configured("dataset=kaggle", both)) == ["isot"]
    assert transfer_corpora(configured("dataset=demo", both)) == ["isot", "kaggle"]
    assert transfer_corpora(configured("dataset=isot")) == []


def test_articles_are_read_with_the_run_s_own_vocabulary(
    data: Path, configured: Configured
) -> None:
    config = configured("dataset=isot", TO_KAGGLE, "protocol.max_length=6", HEAD)
    corpus = encoded_corpus(config)
    split = transfer_split("kaggle", config, corpus)
    words = [corpus.vocabulary[token] for token in split.tokens]
    assert words == [
        *("the", "senate", "voted", "<unk>"),
        *("you", "will", "<unk>", "believe"),
        *("the", "senate", "voted", "on", "a", "bill"),
    ]
    assert [corpus.classes[label] for label in split.labels] == ["real", "fake", "real"]
    assert unknown_share(split) == pytest.approx(2 / 14)


def test_long_articles_are_cut_as_the_run_s_own(data: Path, configured: Configured) -> None:
    cut = ("dataset=isot", TO_KAGGLE, "protocol.max_length=3")
    found = []
    for config in (configured(*cut, HEAD), configured(*cut, f"{HEAD}_and_tail")):
        corpus = encoded_corpus(config)
        split = transfer_split("kaggle", config, corpus)
        found.append(" ".join(corpus.vocabulary[token] for token in split.tokens))
    assert found == [
        "the senate voted you will <unk> the senate voted",
        "the senate <unk> you will believe the senate today",
    ]


def test_labels_are_matched_by_the_classes_names(
    data: Path, workplace: Path, configured: Configured
) -> None:
    rows = [(REAL, "real"), (FAKE, "fake")] * 20
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(workplace / "own.csv", index=False)
    config = configured("dataset=table", "dataset.train=own.csv", TO_KAGGLE)
    corpus = encoded_corpus(config)
    turned = type(corpus)(**{**vars(corpus), "classes": corpus.classes[::-1]})
    split, other = (transfer_split("kaggle", config, each) for each in (corpus, turned))
    assert torch.equal(split.labels, 1 - other.labels)


def test_an_encoding_is_kept_until_the_articles_change(
    data: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured("dataset=isot", TO_KAGGLE)
    corpus = encoded_corpus(config)
    transfer_split("kaggle", config, corpus)
    with monkeypatch.context() as patch:
        patch.setattr(
            "rnn_bench.data.corpora.study.StudyCorpus.read", lambda self: pytest.fail("read")
        )
        assert len(transfer_split("kaggle", config, corpus)) == 3
    test = data / "kaggle" / "preprocessed" / "test.csv"
    test.write_text("text,label\nthe senate,1\n")
    assert len(transfer_split("kaggle", config, corpus)) == 1


def test_a_corpus_without_test_articles_is_refused(data: Path, configured: Configured) -> None:
    (data / "kaggle" / "preprocessed" / "test.csv").write_text("text,label\n")
    config = configured("dataset=isot", TO_KAGGLE)
    with pytest.raises(DataError, match=r"test\.csv has a header and no rows"):
        transfer_split("kaggle", config, encoded_corpus(config))


def test_a_corpus_that_is_not_there_is_missing(data: Path, configured: Configured) -> None:
    config = configured("dataset=isot", TO_KAGGLE, "data_dir=elsewhere")
    corpus = encoded_corpus(configured("dataset=isot"))
    with pytest.raises(MissingCorpus, match="no articles of kaggle"):
        transfer_split("kaggle", config, corpus)


@pytest.mark.parametrize("model", ["gru", "tfidf", "majority"])
def test_a_run_is_tested_on_the_other_corpus_too(
    model: str, data: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    small = TINY if model == "gru" else ()
    answer = rnn_bench("dataset=isot", f"model={model}", TO_KAGGLE, *small)
    assert answer.status == 0
    (run,) = recorded_runs()
    table = pd.read_csv(artifacts(run) / "transfer" / "kaggle" / "test_predictions.csv")
    assert [*table] == ["article", "label", "prediction", "p_fake", "p_real"]
    assert table["label"].tolist() == ["real", "fake", "real"]
    right = (table["label"] == table["prediction"]).mean()
    assert run.data.metrics["transfer/kaggle/accuracy"] == pytest.approx(right)
    assert run.data.metrics["transfer/kaggle/unknown_share"] == pytest.approx(2 / 15)
    assert not any(name.startswith("transfer/isot") for name in run.data.metrics)
    if model == "tfidf":
        assert right == 1


@pytest.mark.parametrize("model", ["gru", "tfidf", "majority"])
def test_a_finished_run_is_transferred_later_without_training(
    model: str, data: Path, rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    small = ("dataset=isot", f"model={model}", *(TINY if model == "gru" else ()))
    rnn_bench(*small)
    (before,) = recorded_runs()
    weights = (artifacts(before) / "weights.safetensors").read_bytes()
    answer = rnn_bench(*small, TO_KAGGLE)
    assert answer.status == 0
    assert "reused" in answer.out
    assert "epoch  1/" not in answer.out
    (run,) = recorded_runs()
    assert (artifacts(run) / "weights.safetensors").read_bytes() == weights
    assert before.data.metrics.items() <= run.data.metrics.items()
    assert len(history(workplace, run, "train_loss")) == 1

    rnn_bench(*small, TO_KAGGLE, "rerun=true")
    _, with_it = recorded_runs()
    for name in ("transfer/kaggle/accuracy", "transfer/kaggle/unknown_share"):
        assert run.data.metrics[name] == with_it.data.metrics[name]
    predictions = "transfer/kaggle/test_predictions.csv"
    assert (artifacts(run) / predictions).read_text() == (
        artifacts(with_it) / predictions
    ).read_text()


def test_a_packed_sweep_transfers_what_is_finished(
    data: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    sweep = ("-m", "dataset=isot,kaggle", "model=majority")
    rnn_bench(*sweep)
    answer = rnn_bench(*sweep, TO_KAGGLE, launcher="packed")
    assert answer.status == 0
    found = {
        run.data.tags["dataset"]: {name for name in run.data.metrics if name[:8] == "transfer"}
        for run in recorded_runs()
    }
    assert found == {
        dataset: {f"transfer/{other}/accuracy", f"transfer/{other}/unknown_share"}
        for dataset, other in (("isot", "kaggle"), ("kaggle", "isot"))
    }


def test_other_classes_are_refused_before_anything_trains(
    data: Path, workplace: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    rows = [(f"{text} {number}", text) for number in range(20) for text in ("sun", "rain", "snow")]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(workplace / "weather.csv", index=False)
    answer = rnn_bench("dataset=table", "dataset.train=weather.csv", "model=majority", TO_KAGGLE)
    assert answer.status == 2
    assert "isot has the classes fake, real, and weather has rain, snow, sun" in answer.err
    assert len(answer.err.splitlines()) <= 6
    assert recorded_runs() == []


def test_a_missing_corpus_is_fetched_before_anything_trains(
    workplace: Path, rnn_bench: Command, recorded_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_isot(workplace / "data")
    content = "Unnamed: 0,title,text,label\n" + f"1,{REAL},,REAL\n2,{FAKE},,FAKE\n" * 10
    with kaggle_serving({"fake_or_real_news.csv": content.encode()}) as kaggle:
        for name, value in kaggle.environment(workplace / "kaggle").items():
            monkeypatch.setenv(name, value)
        answer = rnn_bench("-m", "dataset=isot", "model=majority,tfidf", TO_KAGGLE)
    assert answer.status == 0
    assert answer.out.startswith("There are no articles of kaggle in data")
    assert all("transfer/kaggle/accuracy" in run.data.metrics for run in recorded_runs())


def test_a_corpus_that_cannot_be_had_stops_the_sweep_at_its_start(
    workplace: Path, rnn_bench: Command, recorded_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_isot(workplace / "data")
    with kaggle_serving({}) as kaggle:
        kaggle.behaviour = 404
        for name, value in kaggle.environment(workplace / "kaggle").items():
            monkeypatch.setenv(name, value)
        answer = rnn_bench("-m", "dataset=isot", "model=majority,tfidf", TO_KAGGLE)
    assert answer.status == 2
    assert "Kaggle refuses the download" in answer.err
    assert len(answer.err.splitlines()) <= 6
    assert recorded_runs() == []


def test_any_corpora_with_the_same_classes_are_transferred_between(
    workplace: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    folder = workplace / "my_conf" / "dataset"
    folder.mkdir(parents=True)
    for name, words in (("films", ("good film", "bad film")), ("shops", ("bad shop", "good shop"))):
        lines = ["defaults: [/schema/dataset/table@_here_, _self_]", f"name: {name}"]
        (folder / f"{name}.yaml").write_text("\n".join([*lines, f"train: {name}.csv"]))
        rows = [(word, word.split()[0]) for word in words] * 20
        pd.DataFrame(rows, columns=["text", "label"]).to_csv(workplace / f"{name}.csv", index=False)
    answer = rnn_bench(
        *("--config-dir", "my_conf", "-m", "model=tfidf", "dataset=films,shops"),
        "evaluation.transfer=[films,shops]",
    )
    assert answer.status == 0
    found = {run.data.tags["dataset"]: run.data.metrics for run in recorded_runs()}
    assert found["films"]["transfer/shops/accuracy"] == 1
    assert found["shops"]["transfer/films/accuracy"] == 1
    assert "transfer/films/accuracy" not in found["films"]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("[isto]", "evaluation.transfer=[isto] is not possible. dataset=isto is not possible"),
        (
            "[isot,table]",
            "evaluation.transfer=[isot,table] is not possible. dataset.train has no value",
        ),
    ],
)
def test_a_corpus_that_is_no_option_is_refused(names: str, says: str, rnn_bench: Command) -> None:
    answer = rnn_bench("model=majority", f"evaluation.transfer={names}")
    assert answer.status == 2
    assert answer.err.startswith(says)
    assert len(answer.err.splitlines()) <= 6


def test_real_sentences_are_read_by_models_of_other_sentences(
    articles: Path, configured: Configured
) -> None:
    config = configured("dataset=mr-textgcn", f"data_dir={articles}", "evaluation.transfer=[cr]")
    split = transfer_split("cr", config, encoded_corpus(config))
    assert len(split) == 378  # of the first of ten folds
    assert 0 < unknown_share(split) < 0.25


def test_real_articles_share_most_of_their_words(articles: Path, configured: Configured) -> None:
    limits = ("protocol.max_length=64", "evaluation.transfer=[isot]")
    config = configured("dataset=kaggle", f"data_dir={articles}", *limits)
    split = transfer_split("isot", config, encoded_corpus(config))
    assert len(split) == 1351
    assert 0.05 < unknown_share(split) < 0.25
