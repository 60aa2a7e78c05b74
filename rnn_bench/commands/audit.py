"""The command `audit`: look for duplicates and shortcuts in any corpus."""

import argparse

from rnn_bench.commands import log_to_stdout
from rnn_bench.config.composition import Composer
from rnn_bench.data.audit import audit_corpus
from rnn_bench.data.audit.summary import summary


def run(arguments: argparse.Namespace) -> None:
    """Print the audit of a corpus, in words or as JSON.

    Raises:
        UsageError: there is no such corpus or key, a value is not allowed, or the corpus cannot be
            read or is unfit to train and test on.
    """
    log_to_stdout()
    overrides = [f"dataset={arguments.corpus}", *arguments.settings, "sweep_id=audit"]
    composer = Composer(overrides=overrides)
    audit = audit_corpus(composer.job(composer.compose(overrides)).config)
    print(audit.to_json() if arguments.json else summary(audit))
