"""The log file and the artifacts of a run."""

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
from rnn_bench.data.csv_files import format_csv
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.tracking import schema
from rnn_bench.tracking.model_folder import write_model_folder
from rnn_bench.tracking.outbox import ARTIFACTS


@contextmanager
def run_log(path: Path) -> Iterator[None]:
    """Append the package's log lines to a file too, and the traceback if the block raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.raiseExceptions = False  # else a full disk fills the terminal with tracebacks
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
    probabilities: Float[Tensor, "articles classes"] | None,
) -> None:
    """Write into the artifact folder of a run: the resolved `config.yaml`, `log.txt`,
    `weights.safetensors`, `vocabulary.json`, `test_predictions.csv`, and the MLflow model. Of a run
    without `probabilities` of the test articles only the first two are kept.

    `folder` is the run's, which has the log.
    """
    log, folder = folder / schema.LOG_FILE, folder / ARTIFACTS
    folder.mkdir(exist_ok=True)
    shutil.copy(log, folder)
    OmegaConf.save(OmegaConf.structured(config), folder / schema.CONFIG_FILE)
    if probabilities is None:
        return
    save_file(
        {name: value.cpu().contiguous().clone() for name, value in weights.items()},
        folder / schema.WEIGHTS_FILE,
    )
    vocabulary = {"classes": corpus.classes, "words": corpus.vocabulary}
    (folder / schema.VOCABULARY_FILE).write_text(
        json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8"
    )
    path = folder / schema.PREDICTIONS_FILE
    write_predictions(path, corpus.classes, corpus.test.labels, probabilities)
    write_model_folder(folder, config, corpus)


def write_predictions(
    path: Path,
    classes: Sequence[str],
    labels: Int[Tensor, " articles"],
    probabilities: Float[Tensor, "articles classes"],
) -> None:
    """Write a CSV file with a row for each article, in order: its number from 0, its label, the
    predicted class, and the probability of each class."""
    names = np.array(classes, dtype=object)  # an array of texts would cut zero bytes off
    table = pd.DataFrame({"article": range(len(probabilities))})
    table["label"] = names[labels.cpu().numpy()]
    table["prediction"] = names[probabilities.numpy().argmax(1)]
    for number, name in enumerate(classes):
        table[f"p_{name}"] = probabilities[:, number].numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(format_csv(table, "%.9g"), encoding="utf-8", newline="")
