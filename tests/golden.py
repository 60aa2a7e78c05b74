"""Golden values: what each versioned part of rnn_bench computes, recorded in golden.json.

`python -m tests.golden` records anew what a part computes whose version was raised, or that is new.
"""

import io
import json
import os
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from mlflow import MlflowClient
from torch import Tensor

from rnn_bench.command_line import main
from rnn_bench.config.composition import Composer
from rnn_bench.config.model import cell_names
from rnn_bench.config.schema import Config
from rnn_bench.data.corpora.card import CardCorpus
from rnn_bench.data.corpora.demo import DemoCorpus
from rnn_bench.data.corpora.newsgroups import NewsgroupsCorpus
from rnn_bench.data.corpora.study import StudyCorpus
from rnn_bench.data.corpora.table import TableCorpus
from rnn_bench.data.encoding import ENCODING_VERSION, EncodedCorpus, encoded_corpus
from rnn_bench.data.fingerprint import content_fingerprint
from rnn_bench.models.baselines.baseline import Baseline
from rnn_bench.models.baselines.majority import MajorityClassifier
from rnn_bench.models.baselines.nbsvm import NbsvmClassifier
from rnn_bench.models.baselines.tfidf import TfidfClassifier
from rnn_bench.models.cell import cell_class
from rnn_bench.models.initial import initial_model
from rnn_bench.models.recurrent import RecurrentClassifier
from rnn_bench.training.epochs import RECIPE_VERSION
from rnn_bench.training.fitting import Fitting
from tests.conftest import PLAIN
from tests.data import planted

FILE = Path(__file__).with_name("golden.json")
TINY = ("dataset=table", "protocol.epochs=2", "threads=1")
NETWORK = ("model.hidden_size=8", "model.embedding_dim=8", "model.kernel=torch")
FAIR = (*NETWORK, *PLAIN)
READOUTS = ("last_token", "padded_end", "mean", "max")
# Runs whose losses and predictions the training recipe decides.
RUNS: dict[str, tuple[str, ...]] = {
    **{cell: (f"model={cell}", *FAIR) for cell in ("rnn", "lstm", "gru")},
    **{
        f"{cell}-notebook": (f"model={cell}", *NETWORK, "protocol=notebook")
        for cell in ("rnn", "lstm", "gru")
    },
    **{
        f"gru-{name}": ("model=gru", *FAIR, f"optimizer={name}")
        for name in ("adamw", "sgd", "rmsprop")
    },
    "gru-two-layers": ("model=gru", *FAIR, "model.num_layers=2"),
    "gru-two-directions": ("model=gru", *FAIR, "model.bidirectional=true"),
    "gru-balanced": (
        *("model=gru", *FAIR, "protocol.class_weights=balanced"),
        "protocol.select_by=val_macro_f1",
    ),
    "tfidf": ("model=tfidf",),
    "nbsvm": ("model=nbsvm",),
    "majority": ("model=majority",),
}


def parts() -> dict[str, tuple[int, str, Callable[[], Any]]]:
    """Return each part's version, where that stands, and what computes the part's values."""
    found: dict[str, tuple[int, str, Callable[[], Any]]] = {
        "corpus DemoCorpus": (
            DemoCorpus.version,
            "DemoCorpus.version in rnn_bench/data/corpora/demo.py",
            demo_articles,
        ),
        "corpus StudyCorpus": (
            StudyCorpus.version,
            "StudyCorpus.version in rnn_bench/data/corpora/study.py",
            study_articles,
        ),
        "corpus CardCorpus": (
            CardCorpus.version,
            "CardCorpus.version in rnn_bench/data/corpora/card.py",
            card_articles,
        ),
        "corpus NewsgroupsCorpus": (
            NewsgroupsCorpus.version,
            "NewsgroupsCorpus.version in rnn_bench/data/corpora/newsgroups.py",
            newsgroups_articles,
        ),
        "corpus TableCorpus": (
            TableCorpus.version,
            "TableCorpus.version in rnn_bench/data/corpora/table.py",
            table_articles,
        ),
        "encoding": (
            ENCODING_VERSION,
            "ENCODING_VERSION in rnn_bench/data/encoding.py",
            encodings,
        ),
        "model RecurrentClassifier": (
            RecurrentClassifier.version,
            "RecurrentClassifier.version in rnn_bench/models/recurrent.py",
            logits_of_networks,
        ),
        "model TfidfClassifier": (
            TfidfClassifier.version,
            "TfidfClassifier.version in rnn_bench/models/baselines/tfidf.py",
            lambda: log_probabilities("tfidf"),
        ),
        "model NbsvmClassifier": (
            NbsvmClassifier.version,
            "NbsvmClassifier.version in rnn_bench/models/baselines/nbsvm.py",
            lambda: log_probabilities("nbsvm"),
        ),
        "model MajorityClassifier": (
            MajorityClassifier.version,
            "MajorityClassifier.version in rnn_bench/models/baselines/majority.py",
            lambda: log_probabilities("majority"),
        ),
        "training recipe": (
            RECIPE_VERSION,
            "RECIPE_VERSION in rnn_bench/training/epochs.py",
            recorded_runs,
        ),
    }
    for name in cell_names():
        cell = cell_class(name)
        place = f"{cell.__name__}.version in rnn_bench/models/cells/{name}.py"
        version = int(cell.version)
        found[f"cell {cell.__name__}"] = version, place, lambda name=name: states_by_layer(name)
    return found


# --- corpora and encodings -----------------------------------------------------------------------


def demo_articles() -> str:
    corpus = DemoCorpus(60, 12, 2, 3, 0.02, 0, Path())
    return content_fingerprint(corpus.read())


def study_articles() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        rows = planted.articles(60, seed=1)
        texts = [("A Title-", f"WASHINGTON (Reuters) - {text}!", "x", "today") for text, _ in rows]
        for name, part in (("True", texts[:30]), ("Fake", texts[30:])):
            raw = data / "isot" / "raw" / f"{name}.csv"
            raw.parent.mkdir(parents=True, exist_ok=True)
            planted.write(raw, part, ("title", "text", "subject", "date"))
        raw = data / "kaggle" / "raw" / "fake_or_real_news.csv"
        raw.parent.mkdir(parents=True)
        numbered = [
            (str(n), "A title", text, label.upper()) for n, (text, label) in enumerate(rows)
        ]
        planted.write(raw, numbered, ("Unnamed: 0", "title", "text", "label"))
        corpora = (
            StudyCorpus("isot", data),
            StudyCorpus("isot", data, "kept"),
            StudyCorpus("kaggle", data, "kept"),
        )
        return [content_fingerprint(corpus.read()) for corpus in corpora]


def card_articles() -> list[str]:
    lines = [f"{label} {text}" for text, label in planted.articles(60, seed=1)]
    texts = [line.partition(" ")[2] for line in lines]
    index = [f"{n}\t{'test' if n % 3 else 'train'}\t{line[:4]}" for n, line in enumerate(lines)]
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "mine", "raw")
        raw.mkdir(parents=True)
        for name, content in (("a", lines), ("b", texts), ("c", index)):
            (raw / name).write_text("\n".join(content), encoding="utf-8")
        corpora = (
            CardCorpus(
                *("mine", "", {name: {"blob": ""} for name in names}, "utf-8", names[0], None),
                *(None, names[1] if names[1:] else None, {"fake": "false", "real": "true"}),
                *("lower", Path(folder)),
            )
            for names in (("a",), ("b", "c"))
        )
        return [content_fingerprint(corpus.read()) for corpus in corpora]


def newsgroups_articles() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "newsgroups", "raw", "20news-bydate.tar.gz")
        file.parent.mkdir(parents=True)
        with tarfile.open(file, "w:gz") as archive:
            for number, (text, label) in enumerate(planted.articles(60, seed=1)):
                split = "test" if number % 3 else "train"
                member = tarfile.TarInfo(f"20news-bydate-{split}/{label}/{number}")
                content = f"From: {label}\n\nHe wrote:\n> no\n{text}\n\n--\nme\n".encode()
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        corpora = (
            NewsgroupsCorpus(remove, "lower", Path(folder))
            for remove in ((), ("headers", "footers", "quotes"))
        )
        return [content_fingerprint(corpus.read()) for corpus in corpora]


def table_articles() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "reviews.csv")
        planted.write(file, planted.articles(60, seed=1), ("review", "stars"))
        corpora = (
            TableCorpus(str(file), None, 0.2, "review", "stars", cleaning, False, Path())
            for cleaning in ("study", "lower", "none")
        )
        return [content_fingerprint(corpus.read()) for corpus in corpora]


def config_of(*overrides: str, cache: str) -> Config:
    composer = Composer()
    lines = [*TINY, write_articles(cache), *overrides, "sweep_id=golden", f"cache_dir={cache}"]
    return composer.job(composer.compose(lines)).config


def write_articles(folder: str) -> str:
    """Write the articles of all parts that are no corpus, so that a corpus's new version changes
    its own values alone; return the override that reads them."""
    rows = [(" ".join(text.split()[:12]), label) for text, label in planted.articles(120, seed=1)]
    planted.write(Path(folder, "golden.csv"), rows)
    return f"dataset.train={folder}/golden.csv"


def encodings() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as cache:
        found = {}
        for protocol in ("fair", "notebook"):
            limits = (
                *("protocol.max_length=9", "protocol.vocabulary_size=60"),
                "protocol.truncation=head",
            )
            corpus = encoded_corpus(config_of(f"protocol={protocol}", *limits, cache=cache))
            found[protocol] = {
                "vocabulary": corpus.vocabulary[:20],
                **{split: getattr(corpus, split).tokens[:40].tolist() for split in SPLITS},
                **{f"{split} sizes": sizes(corpus, split) for split in SPLITS},
            }
        return found


SPLITS = ("train", "validation", "test")


def sizes(corpus: EncodedCorpus, split: str) -> list[int]:
    articles = getattr(corpus, split)
    return [len(articles), len(articles.tokens), int(articles.labels.sum())]


# --- models --------------------------------------------------------------------------------------


def patterned_weights(module: torch.nn.Module) -> None:
    """Give a module weights that depend on nothing but their shapes."""
    with torch.no_grad():
        for weight in module.parameters():
            count = torch.arange(weight.numel(), dtype=torch.float64)
            weight.copy_(torch.sin(count * 12.9898 + weight.numel()).reshape(weight.shape) / 2)


def patterned_batch() -> tuple[Tensor, Tensor]:
    """Return inputs [3, 5, 4] and lengths [3]."""
    count = torch.arange(60, dtype=torch.float64)
    return torch.cos(count * 78.233).reshape(3, 5, 4).float(), torch.tensor([5, 2, 4])


def a_cell(name: str) -> tuple[Any, Tensor, Tensor]:
    cell = cell_class(name)(4, 3)
    patterned_weights(cell)
    return cell, *patterned_batch()


def only_states(answer: Any) -> Tensor:
    """Return the states of a cell that gives a memory too, or not."""
    states: Tensor = answer[0] if isinstance(answer, tuple) else answer
    return states


def own_steps(states: Tensor, lengths: Tensor) -> list[list[float]]:
    """Return each article's states at its own steps, flattened."""
    rows = zip(states, lengths, strict=True)
    return [row[:length].double().flatten().tolist() for row, length in rows]


def states_by_layer(name: str) -> list[list[float]]:
    cell, inputs, lengths = a_cell(name)
    with torch.no_grad():
        return own_steps(only_states(cell(inputs, lengths)), lengths)


def logits_of_networks() -> dict[str, Any]:
    tokens = torch.tensor([[2, 3, 4, 5, 6], [6, 5, 0, 0, 0], [3, 3, 2, 7, 0]])
    lengths = torch.tensor([5, 2, 4])
    found = {}
    for readout in READOUTS:
        for layers, directions in ((1, 1), (2, 1), (1, 2), (2, 2)):
            network = RecurrentClassifier(
                "gru",
                *(4, 3, layers, directions == 2, 0.5),
                vocabulary_size=8,
                classes=2,
                readout=readout,
            )
            patterned_weights(network)
            with torch.no_grad():
                logits = network.eval()(tokens, lengths)
            found[f"{readout}, {layers} layers, {directions} directions"] = logits.tolist()
    return found


def log_probabilities(name: str) -> Any:
    with tempfile.TemporaryDirectory() as cache:
        config = config_of(f"model={name}", cache=cache)
        corpus = encoded_corpus(config)
        baseline = initial_model(config, corpus)
        assert isinstance(baseline, Baseline)
        [*Fitting(baseline, corpus, config.protocol).epochs(lambda *_: None)]
        return baseline.log_probabilities(corpus.test)[:10].tolist()


# --- whole runs ----------------------------------------------------------------------------------


def recorded_runs() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        os.environ["RNN_BENCH_CACHE"] = f"{folder}/cache"
        return {name: recorded_run(name, overrides) for name, overrides in RUNS.items()}


def recorded_run(name: str, overrides: tuple[str, ...]) -> dict[str, list[float]]:
    """Make a run in the working folder; return its losses and first predictions."""
    arguments = [*TINY, write_articles("."), *overrides, f"tracking.experiment_name={name}"]
    assert main(["sweep", *arguments]) == 0
    client = MlflowClient(f"sqlite:///{Path.cwd() / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    file = client.download_artifacts(run.info.run_id, "test_predictions.csv")
    losses = {
        metric: [
            point.value
            for point in sorted(
                client.get_metric_history(run.info.run_id, metric), key=lambda point: point.step
            )
        ]
        for metric in ("train_loss", "val_loss", "test_loss")
    }
    return {**losses, "p_real": pd.read_csv(file)["p_real"].head(6).tolist()}


# --- comparing and recording ---------------------------------------------------------------------


def differences(found: Any, expected: Any, path: str = "") -> Iterator[str]:
    """Yield where values differ: numbers by more than 0.001, relative or absolute."""
    if isinstance(expected, dict) and isinstance(found, dict) and found.keys() == expected.keys():
        for key in expected:
            yield from differences(found[key], expected[key], f"{path}/{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        for place, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from differences(one, other, f"{path}/{place}")
    elif isinstance(expected, float) and isinstance(found, float):
        if abs(found - expected) > 1e-3 * max(1.0, abs(expected)):
            yield f"{path}: {found:.6g}, recorded {expected:.6g}"
    elif found != expected:
        yield f"{path}: {found}, recorded {expected}"


def record() -> int:
    """Write golden.json anew; returns the exit status."""
    recorded = json.loads(FILE.read_text()) if FILE.is_file() else {}
    for part, (version, place, compute) in parts().items():
        if recorded.get(part, {}).get("version") == version:
            continue
        print(f"{part}, version {version} ({place})")
        recorded[part] = {"version": version, "values": compute()}
    FILE.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(record())
