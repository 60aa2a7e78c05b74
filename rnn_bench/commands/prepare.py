"""The command `prepare`: write the study's training and test files from the raw ones."""

import argparse

from rnn_bench.data.corpora.editions import EDITIONS
from rnn_bench.data.corpora.study_files import preprocessed_files, raw_files, write_preprocessed
from rnn_bench.data.corpus import DataError
from rnn_bench.data.csv_files import read_csv


def run(arguments: argparse.Namespace) -> None:
    """Write the preprocessed files, and print whether they are the published ones.

    Raises:
        DataError: raw files are missing or unfit, or the folder cannot be written.
    """
    corpus, data_dir = arguments.corpus, arguments.data_dir
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
