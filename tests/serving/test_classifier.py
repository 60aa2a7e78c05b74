"""A model that takes raw text answers as the run's own test did."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.entities import Run
from safetensors.torch import save_file

from rnn_bench.config.errors import UsageError
from rnn_bench.data.cleaning import clean_like_the_study
from rnn_bench.data.corpora.study import StudyCorpus
from rnn_bench.data.corpora.study_files import prepare, raw_files, read_raw
from rnn_bench.serving.classifier import TextClassifier
from tests.serving.conftest import CSV, TINY, Trained, model_of

ALL_READOUTS = "protocol.readout=last_token,padded_end,mean,max"
# Each cell, readout and baseline; two layers, two directions, and the study's own recipe.
SWEEPS = (
    ("model=rnn,lstm,gru", *CSV, *TINY, "dataset.cleaning=study", "protocol.readout=last_token"),
    ("model=gru", *CSV, *TINY, ALL_READOUTS),
    ("model=lstm", *CSV, *TINY, "model.num_layers=2", "model.bidirectional=true", ALL_READOUTS),
    ("model=gru", *CSV, *TINY, "protocol=notebook", "model.bidirectional=true"),
    ("model=tfidf,nbsvm,majority", *CSV, "dataset.cleaning=study,none"),
    ("model=tfidf", *CSV, "model.all_tokens=false", "protocol.vocabulary_size=9"),
    ("model=nbsvm", *CSV, "model.all_tokens=false", "protocol.vocabulary_size=9"),
    ("model=rnn,tfidf", "dataset=isot", "protocol.epochs=1"),
    (
        *("model=lstm,nbsvm", *CSV, "protocol.truncation=head_and_tail", "protocol.epochs=1"),
        *("protocol.embedding_dropout=0.5", "protocol.recurrent_init=orthogonal"),
    ),
    ("model=rnn,lstm,gru", *CSV, "protocol.epochs=1", "protocol.precision=bfloat16"),
)

KINDS = [
    *({"model": cell, "readout": "last_token"} for cell in ("rnn", "lstm", "gru")),
    *({"model": "gru", "readout": readout} for readout in ("padded_end", "mean", "max")),
    *(
        {"num_layers": "2", "bidirectional": "True", "readout": readout}
        for readout in ("last_token", "padded_end", "mean", "max")
    ),
    {"protocol": "notebook", "bidirectional": "True"},
    *(
        {"model": model, "cleaning": cleaning}
        for model in ("tfidf", "nbsvm", "majority")
        for cleaning in ("study", "none")
    ),
    *({"model": model, "all_tokens": "False"} for model in ("tfidf", "nbsvm")),
    *({"model": model, "dataset": "isot"} for model in ("rnn", "tfidf")),
    *({"model": model, "truncation": "head_and_tail"} for model in ("lstm", "nbsvm")),
    *({"model": cell, "precision": "bfloat16"} for cell in ("rnn", "lstm", "gru")),
]


def raw_test_articles(trained: Trained, run: Run) -> tuple[list[str], list[str]]:
    """Texts as they are in the user's file, and labels' names."""
    if run.data.tags["dataset"] == "isot":
        files = raw_files("isot", trained.folder / "data")
        _, test, _ = prepare("isot", files)
        raw = read_raw("isot", files).loc[test.index]
        # Datelines are removed from true articles, which a model cannot be told.
        bodies = [text.replace("PARIS (Reuters) - ", "") for text in raw["text"]]
        texts = [f"{title} {body}" for title, body in zip(raw["title"], bodies, strict=True)]
        return texts, [("fake", "real")[label] for label in test["label"]]
    test = pd.read_csv(trained.folder / "test.csv", keep_default_na=False)
    return test["text"].tolist(), test["label"].tolist()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind.values()))
def test_the_test_articles_get_the_recorded_accuracy(kind: dict[str, str], there: Trained) -> None:
    run = there.run(**kind)
    texts, labels = raw_test_articles(there, run)
    torch.set_num_threads(1)
    classifier = TextClassifier.load(model_of(run))
    probabilities = classifier.probabilities(texts)
    right = [a == b for a, b in zip(classifier.labels(probabilities), labels, strict=True)]
    assert sum(right) / len(right) == run.data.metrics["test_accuracy"]
    recorded = pd.read_csv(model_of(run).parent / "test_predictions.csv")
    shares = recorded[[f"p_{name}" for name in classifier.classes]].to_numpy()
    np.testing.assert_allclose(probabilities.numpy(), shares, rtol=1e-6)


def test_the_padding_is_that_of_the_protocol_s_batches(there: Trained) -> None:
    classifier = TextClassifier.load(model_of(there.run(readout="padded_end")))
    texts = ["sun"] * 8 + ["a b c d e f g h i"]
    together, alone = classifier.probabilities(texts), classifier.probabilities(["sun"])
    torch.testing.assert_close(together[:8], alone.expand(8, -1))
    with_the_long_one = classifier.probabilities(texts[1:])
    assert not torch.allclose(with_the_long_one[:1], alone)


@pytest.mark.parametrize("readout", ["last_token", "padded_end"])
def test_many_texts_are_read_in_parts_to_the_same_answers(
    readout: str, there: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = TextClassifier.load(model_of(there.run(model="gru", readout=readout)))
    texts = ["sun " * (number % 11) + "wet sky" for number in range(50)]
    whole = classifier.probabilities(texts)
    monkeypatch.setattr("rnn_bench.serving.classifier.CHUNK_SIZE", 12)
    torch.testing.assert_close(classifier.probabilities(texts), whole)


def test_texts_that_are_prepared_already_get_the_same_answer(there: Trained) -> None:
    run = there.run(dataset="isot", model="rnn")
    classifier = TextClassifier.load(model_of(run))
    raw = "You won't BELIEVE, what 3 said \u2014 on DAY..."
    assert clean_like_the_study(raw) != raw
    raw_and_clean = classifier.probabilities([raw, clean_like_the_study(raw)])
    torch.testing.assert_close(raw_and_clean[0], raw_and_clean[1])
    prepared = StudyCorpus("isot", there.folder / "data").read().test[0]
    assert [classifier.clean(text) for text in prepared] == prepared


def test_texts_are_cut_as_the_protocol_of_the_run_cut_them(there: Trained, tmp_path: Path) -> None:
    folder = shutil.copytree(model_of(there.run(model="gru", cleaning="study")), tmp_path / "model")
    settings = json.loads((folder / "config.json").read_text())
    assert settings["protocol"].pop("tokens") == "words"
    (folder / "config.json").write_text(json.dumps(settings))
    assert TextClassifier.load(folder).protocol.tokens == "whitespace", "the key did not exist"
    settings["protocol"]["tokens"] = "characters"
    (folder / "config.json").write_text(json.dumps(settings))
    whole, spaced = TextClassifier.load(folder).probabilities(["sun", "s u n"])
    torch.testing.assert_close(whole, spaced)


def test_the_end_of_a_long_text_is_read_where_the_run_read_it(
    there: Trained, tmp_path: Path
) -> None:
    run = there.run(model="lstm", truncation="head_and_tail")
    folder = shutil.copytree(model_of(run), tmp_path / "model")
    long, short = "sun " * 9 + "wet " * 9, "sun " * 5 + "wet " * 4  # 9 tokens are read
    both = TextClassifier.load(folder).probabilities([long, short])
    torch.testing.assert_close(both[0], both[1])
    settings = json.loads((folder / "config.json").read_text())
    assert settings["protocol"].pop("truncation") == "head_and_tail"
    (folder / "config.json").write_text(json.dumps(settings))
    both = TextClassifier.load(folder).probabilities([long, "sun " * 9])
    torch.testing.assert_close(both[0], both[1])  # as models from before the key


def test_a_model_answers_in_the_precision_of_its_run(there: Trained, tmp_path: Path) -> None:
    folder = shutil.copytree(
        model_of(there.run(model="gru", precision="bfloat16")), tmp_path / "model"
    )
    in_bfloat16 = TextClassifier.load(folder).probabilities(["sun", "wet sky"])
    settings = json.loads((folder / "config.json").read_text())
    assert settings["protocol"].pop("precision") == "bfloat16"
    (folder / "config.json").write_text(json.dumps(settings))
    in_float32 = TextClassifier.load(folder).probabilities(["sun", "wet sky"])
    assert not torch.equal(in_bfloat16, in_float32)
    torch.testing.assert_close(in_bfloat16, in_float32, rtol=0, atol=0.01)


def test_a_model_of_another_version_is_refused(there: Trained, tmp_path: Path) -> None:
    folder = shutil.copytree(model_of(there.run(model="tfidf")), tmp_path / "model")
    first_version = {"idf": torch.zeros(9), "coefficients": torch.zeros(1, 9)}
    save_file(first_version, folder / "weights.safetensors")
    with pytest.raises(UsageError, match=r"weights.safetensors does not fit .* Missing key"):
        TextClassifier.load(folder)


def test_a_model_folder_has_no_pickle_and_says_what_it_needs(there: Trained) -> None:
    run = there.run(model="gru", cleaning="study")
    folder = model_of(run)
    assert sorted(path.name for path in folder.iterdir()) == [
        "MLmodel",
        "config.json",
        "mlflow_model.py",
        "python_env.yaml",
        "requirements.txt",
        "vocabulary.json",
        "weights.safetensors",
    ]
    settings = json.loads((folder / "config.json").read_text())
    assert settings["cleaning"] == "study"
    assert settings["protocol"]["max_length"] == 9
    requirements = (folder / "requirements.txt").read_text().splitlines()
    assert [line.partition("==")[0] for line in requirements] == [
        "rnn_bench",
        "mlflow",
        "numpy",
        "pyarrow",
        "safetensors",
        "scikit-learn",
        "scipy",
        "torch",
    ]
    assert str(there.folder) not in (folder / "MLmodel").read_text(), "a path of this machine"


LOAD = """
import sys
import mlflow.pyfunc
import pandas as pd

model = mlflow.pyfunc.load_model(sys.argv[1])
answers = model.predict(pd.DataFrame({"text": ["The SUN", "", "\\0 \\U0001f600"]}))
assert list(answers.dtypes.astype(str))[1:] == ["float64", "float64"], answers.dtypes
assert list(answers.columns) == [column.name for column in model.metadata.signature.outputs]
assert "sklearn" not in sys.modules
print(answers["label"].tolist())
"""


@pytest.mark.parametrize("model", ["tfidf", "gru"])
def test_mlflow_loads_a_model_quietly_without_pickle_and_scikit_learn(
    model: str, there: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{there.folder / 'mlflow.db'}")
    run = there.run(model=model, cleaning="study")
    folder = str(model_of(run))
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, folder], capture_output=True, text=True, check=False
    )
    assert (loaded.returncode, loaded.stderr) == (0, "")
    classifier = TextClassifier.load(model_of(run))
    found = classifier.probabilities(["The SUN", "", "\0 \U0001f600"])
    assert loaded.stdout.strip() == str(classifier.labels(found))
