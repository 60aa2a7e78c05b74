"""The command `predict`: label texts with a run's model."""

import argparse

from rnn_bench.serving.inputs import read_command_line, read_csv_texts
from rnn_bench.serving.outputs import format_json_lines, format_table
from rnn_bench.serving.stored import load_classifier
from rnn_bench.training.device import use_threads


def run(arguments: argparse.Namespace) -> None:
    """Print each text's label and probabilities, as a table or as JSON lines.

    Raises:
        UsageError: there is no such model, or the texts cannot be read.
    """
    if arguments.csv is None:
        texts = read_command_line(arguments.texts)
    else:
        texts = read_csv_texts(arguments.csv, arguments.text_column or ["text"])
    use_threads(1)  # of torch; the classifier starts a thread for each core itself
    classifier = load_classifier(arguments.model, arguments.tracking_uri, arguments.trust)
    found = classifier.probabilities(texts)
    labels, probabilities = classifier.labels(found), found.tolist()
    if arguments.json:
        lines = format_json_lines(labels, probabilities, classifier.classes)
    else:
        lines = format_table(labels, probabilities, classifier.classes, texts)
    for line in lines:
        print(line)
