"""The data command: bring the study's corpora, prepare them as the study did, audit any corpus."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rnn_bench.config.errors import UsageError, suggestion

SUCCESS, UNUSABLE, INTERRUPTED = 0, 2, 130
CORPORA = (
    "isot",
    "kaggle",
)  # rnn_bench.data.corpora.study_files has them too, but is slow to import for --help

DESCRIPTION = """\
Bring the articles of the study's two corpora, and prepare them; audit any corpus.

fetch    download the raw CSV files from Kaggle (no account needed) to
         DATA_DIR/CORPUS/raw. Files that are there are never overwritten, and a
         download that broke goes on where it stopped.
prepare  write DATA_DIR/CORPUS/preprocessed/train.csv and test.csv from the raw
         files by the study's rules. Optional: runs prepare raw files themselves.

audit    say what is in the corpus twice, equal or nearly, in the training and in
         the test file, and how well classifiers do that should fail on clean
         data: they see an article's length, dateline, subject, date or first
         five words alone. CORPUS is any option of the group dataset, and its
         keys may follow:
           audit isot dataset.dateline=kept
           audit csv dataset.train=reviews.csv dataset.text_column=review

fetch and prepare say whether the files are the published ones to the byte."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m rnn_bench.data",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = ("fetch", "prepare", "audit")
    parser.add_argument("command", metavar="COMMAND", choices=commands, help=", ".join(commands))
    parser.add_argument(
        "corpus", metavar="CORPUS", help=f"{' or '.join(CORPORA)}; for audit also csv, demo, ..."
    )
    parser.add_argument(
        "settings",
        metavar="data_dir=FOLDER",
        nargs="*",
        help="where the corpora are kept; by default $RNN_BENCH_DATA, else data. "
        "audit takes every key of a run's configuration",
    )
    parser.add_argument("--json", action="store_true", help="print the audit as JSON")
    if not (sys.argv[1:] if argv is None else argv):
        parser.print_help(sys.stderr)
        return UNUSABLE
    arguments = parser.parse_intermixed_args(argv)
    if arguments.json and arguments.command != "audit":
        parser.error("--json is for audit")
    logger = logging.getLogger("rnn_bench")
    logger.setLevel(logging.INFO)
    logger.handlers = [logging.StreamHandler(sys.stdout)]
    try:
        if arguments.command == "audit":
            print_audit(arguments.corpus, arguments.settings, arguments.json)
            return SUCCESS
        corpus, data_dir = known_corpus(arguments.corpus), data_folder(arguments.settings)
        if arguments.command == "fetch":
            from rnn_bench.data.fetch import fetch

            fetch(corpus, data_dir)
        else:
            prepare(corpus, data_dir)
    except UsageError as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        print(error, file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    return SUCCESS


def known_corpus(name: str) -> str:
    if name not in CORPORA:
        raise UsageError(
            f"{name} is not a corpus that can be fetched or prepared."
            f"{suggestion(name, list(CORPORA))}\nCorpora: {', '.join(CORPORA)}"
        )
    return name


def data_folder(settings: Sequence[str]) -> Path:
    folder = os.environ.get("RNN_BENCH_DATA", "data")
    for setting in settings:
        key, _, folder = setting.partition("=")
        if key != "data_dir" or not folder:
            raise UsageError(f"{setting} is not a setting here. There is one: data_dir=FOLDER")
    return Path(folder).absolute()


def prepare(corpus: str, data_dir: Path) -> None:
    """Write the preprocessed files and print what they are.

    Raises:
        DataError: raw files are missing or unfit, or the folder cannot be written.
    """
    from rnn_bench.data.corpora.editions import EDITIONS
    from rnn_bench.data.corpora.study_files import (
        preprocessed_files,
        raw_files,
        write_preprocessed,
    )
    from rnn_bench.data.corpus import DataError
    from rnn_bench.data.csv_files import read_csv

    missing = [str(path) for path in raw_files(corpus, data_dir) if not path.is_file()]
    if missing:
        raise DataError(
            f"{' and '.join(missing)} not found.\n"
            f"Get {corpus} with: python -m rnn_bench.data fetch {corpus} data_dir={data_dir}"
        )
    try:
        raw_edition, preprocessed_edition = write_preprocessed(corpus, data_dir)
    except OSError as error:
        where = error.filename or data_dir
        raise DataError(f"{where} cannot be used: {error.strerror or error}.") from error
    for path in preprocessed_files(corpus, data_dir):
        print(f"{path}: {len(read_csv(path))} articles")
    print(f"The raw files are {EDITIONS[raw_edition]}.")
    print(f"The preprocessed files are {EDITIONS[preprocessed_edition]}.")


def print_audit(corpus: str, settings: Sequence[str], as_json: bool) -> None:
    """Print the audit of a dataset option with these overrides, in words or as JSON.

    Raises:
        ConfigError: there is no such option or key, or a value is not allowed.
        DataError: the corpus cannot be read, or is unfit to train and test on.
    """
    from rnn_bench.config.composition import Composer
    from rnn_bench.data.audit import audit_corpus
    from rnn_bench.data.audit.summary import summary

    composer = Composer()
    config = composer.compose([f"dataset={corpus}", *settings, "sweep_id=audit"])
    audit = audit_corpus(composer.job(config).config)
    print(audit.to_json() if as_json else summary(audit))


if __name__ == "__main__":
    sys.exit(main())
