"""The command `serve`: label texts over HTTP with a run's model."""

import argparse

from rnn_bench.serving.app import serve


def run(arguments: argparse.Namespace) -> None:
    """Serve a model until Ctrl-C.

    Raises:
        UsageError: there is no such model, or the port cannot be used.
    """
    serve(**vars(arguments))
