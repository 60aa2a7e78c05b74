"""The command `audit`: look for duplicates and shortcuts in any corpus."""

import argparse
import sys
from pathlib import Path

from rnn_bench.commands import log_to
from rnn_bench.config.composition import Composer
from rnn_bench.config.errors import UsageError
from rnn_bench.config.overrides import quoted, read_overrides
from rnn_bench.data.audit import audit_corpus
from rnn_bench.data.audit.summary import summary


def run(arguments: argparse.Namespace) -> None:
    """Print the audit of a corpus, in words or as JSON.

    Raises:
        UsageError: there is no such corpus or key, a value is not allowed, or the corpus cannot be
            read or is unfit to train and test on.
    """
    log_to(sys.stderr)  # standard output may be JSON
    settings = read_overrides([*_chosen(arguments.corpus), *arguments.settings])
    overrides = [*settings, "sweep_id=audit"]
    composer = Composer(overrides=overrides)
    audit = audit_corpus(composer.job(composer.compose(overrides)).config)
    print(audit.to_json() if arguments.json else summary(audit))


def _chosen(corpus: str) -> list[str]:
    """Return the overrides that choose a corpus: an option of the group `dataset`, or a file or
    folder."""
    name = corpus.removeprefix("dataset=")
    if name in Composer().loader.get_group_options("dataset"):
        return [f"dataset={name}"]
    if "=" in name and not Path(name).exists():
        raise UsageError(f"Name the corpus first: audit table {corpus}")
    if "/" in name or "." in name or Path(name).exists():
        return ["dataset=table", f"dataset.train={quoted(name)}"]
    return [f"dataset={name}"]
