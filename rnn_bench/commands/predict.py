"""The command `predict`: label texts with a run's model."""

import argparse
import tempfile
from pathlib import Path

from rnn_bench.serving.classifier import TextClassifier
from rnn_bench.serving.inputs import csv_texts, given_texts
from rnn_bench.serving.outputs import json_lines, table
from rnn_bench.serving.stored import model_folder
from rnn_bench.tracking.store import existing_store
from rnn_bench.training.device import use_threads


def run(arguments: argparse.Namespace) -> None:
    """Print a table, or JSON lines.

    Raises:
        UsageError: there is no such model, or the texts cannot be read.
    """
    if arguments.csv is None:
        texts = given_texts(arguments.texts)
    else:
        texts = csv_texts(arguments.csv, arguments.text_column or ["text"])
    is_folder = Path(arguments.model).is_dir()
    store = "" if is_folder else existing_store(arguments.tracking_uri)
    use_threads(1)  # of each reader; there are as many readers as cores
    with tempfile.TemporaryDirectory() as downloads:
        classifier = TextClassifier.load(model_folder(arguments.model, store, Path(downloads)))
    found = classifier.probabilities(texts)
    labels, probabilities = classifier.labels(found), found.tolist()
    if arguments.json:
        written = json_lines(labels, probabilities, classifier.classes)
    else:
        written = table(labels, probabilities, classifier.classes, texts)
    for line in written:
        print(line)
