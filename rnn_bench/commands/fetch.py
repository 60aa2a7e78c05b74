"""The command `fetch`: download the files of a public corpus."""

import argparse
import sys

from rnn_bench.commands import log_to
from rnn_bench.config.composition import Composer
from rnn_bench.config.options import entry
from rnn_bench.config.overrides import read_overrides
from rnn_bench.data.cache import configured_corpus


def run(arguments: argparse.Namespace) -> None:
    """Download the files that are missing, and say whether they are the published ones, whose they
    are and what may be done with them.

    Raises:
        UsageError: there is no such corpus or key, the files cannot be downloaded or are not the
            published ones, or the folder cannot be written.
    """
    log_to(sys.stdout)
    overrides = [
        *read_overrides([f"dataset={arguments.corpus}", *arguments.settings]),
        "sweep_id=fetch",
    ]
    composer = Composer(overrides=overrides)
    config = composer.job(composer.compose(overrides)).config
    configured_corpus(config).corpus.fetch()
    for name, key in (("Licence", "licence"), ("Cite", "cite")):
        if text := entry(config.dataset, key):
            print(f"{name}: {text}.")
