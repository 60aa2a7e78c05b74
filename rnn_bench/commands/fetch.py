"""The command `fetch`: download the raw files of a corpus of the study."""

import argparse

from rnn_bench.commands import log_to_stdout
from rnn_bench.data.fetch import fetch


def run(arguments: argparse.Namespace) -> None:
    """Download the raw files, and say whether they are the published ones.

    Raises:
        DataError: they cannot be downloaded, or the folder cannot be written.
    """
    log_to_stdout()
    fetch(arguments.corpus, arguments.data_dir)
