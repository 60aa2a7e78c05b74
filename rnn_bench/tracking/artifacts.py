"""The files that are kept with every run, and its log."""

import json
import logging
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from omegaconf import OmegaConf
from safetensors.torch import save_file
from torch import Tensor

from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.tracking.model_folder import VOCABULARY, WEIGHTS, write_model_folder
from rnn_bench.tracking.outbox import ARTIFACTS


@contextmanager
def run_log(path: Path) -> Iterator[None]:
    """The package's log lines go to a file too; so does the traceback of an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.raiseExceptions = False  # a full disk must not fill the terminal
    logger = logging.getLogger("rnn_bench")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    except BaseException:
        ended = logging.ERROR, "", 0, "The run ended early.", (), sys.exc_info()
        handler.handle(logger.makeRecord(logger.name, *ended))
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()


def write_artifacts(
    folder: Path,
    config: Config,
    corpus: EncodedCorpus,
    weights: Mapping[str, Tensor],
    probabilities: Float[Tensor, "articles classes"],
) -> None:
    """Put into the run's artifact folder: `config.yaml` (resolved), `log.txt`,
    `weights.safetensors`, `vocabulary.json`, `test_predictions.csv`, and the MLflow model."""
    log, folder = folder / "log.txt", folder / ARTIFACTS
    folder.mkdir(exist_ok=True)
    shutil.copy(log, folder)
    OmegaConf.save(OmegaConf.structured(config), folder / "config.yaml")
    save_file(
        {name: value.cpu().contiguous().clone() for name, value in weights.items()},
        folder / WEIGHTS,
    )
    vocabulary = {"classes": corpus.classes, "words": corpus.vocabulary}
    (folder / VOCABULARY).write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    path = folder / "test_predictions.csv"
    write_predictions(path, corpus.classes, corpus.test.labels, probabilities)
    write_model_folder(folder, config, corpus)


def write_predictions(
    path: Path,
    classes: Sequence[str],
    labels: Int[Tensor, " articles"],
    probabilities: Float[Tensor, "articles classes"],
) -> None:
    """Write a row for each article in order: its number from 0, its label, the predicted class,
    and the probability of each class."""
    names, shares = np.array(classes), probabilities.numpy()
    table = pd.DataFrame({"article": range(len(shares))})
    table["label"] = names[labels.cpu().numpy()]
    table["prediction"] = names[shares.argmax(1)]
    for position, name in enumerate(classes):
        table[f"p_{name}"] = shares[:, position]
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.9g")
