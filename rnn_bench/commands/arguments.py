"""The arguments of every command. Those of `sweep` are left to Hydra."""

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rnn_bench.config.errors import UsageError, suggestion
from rnn_bench.config.parser import Parser, user_path
from rnn_bench.serving import MAX_BODY_BYTES

PROGRAM = "rnn-bench"
DESCRIPTION = "Which recurrent cell should read my texts, and how sure can I be?"
# rnn_bench.data.corpora.study has them too, but is slow to import.
CORPORA = ("isot", "kaggle")


@dataclass(frozen=True)
class Command:
    """A command's arguments and the texts of its help page.

    `check` raises UsageError for arguments that argparse accepts and the command does not.
    `resumes` says whether the same command continues what was interrupted."""

    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    description: str = ""
    epilog: str = ""
    check: Callable[[argparse.Namespace], None] = lambda arguments: None
    resumes: bool = False


def program_parser(program: str, commands: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser of a command's name. Its help page lists these commands."""
    width = max(map(len, commands)) + 2
    lines = [f"  {name:<{width}}{COMMANDS[name].summary}" for name in commands]
    parser = Parser(
        prog=program,
        usage=f"{program} COMMAND ...",
        description="\n".join([DESCRIPTION, "", "commands:", *lines]),
        epilog=f"A command's arguments: {program} COMMAND --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command", metavar="COMMAND", nargs="?", choices=commands, help=argparse.SUPPRESS
    )
    parser.set_defaults(version=False)
    if program == PROGRAM:
        parser.add_argument("--version", action="store_true", help="print the version of rnn_bench")
    return parser


def command_parser(name: str, program: str) -> argparse.ArgumentParser:
    """Return the parser of a command's arguments, with `program` as the command's name."""
    command = COMMANDS[name]
    parser = Parser(
        prog=program,
        description=command.description or f"{command.summary[0].upper()}{command.summary[1:]}.",
        epilog=command.epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    return parser


# --- arguments that several commands have --------------------------------------------------------


DEFAULT_STORE = "by default $MLFLOW_TRACKING_URI, else mlflow.db in this folder"


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tracking-uri", metavar="URI", help=f"MLflow's store; {DEFAULT_STORE}")


def _add_experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--experiment-name", metavar="NAME", default="rnn-bench")


def _add_record(parser: argparse.ArgumentParser) -> None:
    _add_store(parser)
    _add_experiment(parser)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="see below")
    _add_store(parser)
    words = "a module of your own that the model may need: its code runs; may be repeated"
    parser.add_argument("--trust", metavar="MODULE", action="append", default=[], help=words)


MODELS = """\
MODEL is a run's id, or a model URI: models:/NAME@champion, models:/NAME/1,
runs:/ID/model, or a folder."""

# --- report, register -----------------------------------------------------------------------------

REPORT = """\
Write the report on a sweep, from MLflow's record alone: one HTML page that
needs no network, its tables as Markdown, CSV and LaTeX, its figures as SVG.
A sweep that is not finished, or has failed runs, is reported as far as it is."""
REGISTER = """\
Put the run of a sweep that has the lowest validation loss into MLflow's model
registry, as the champion of the model NAME."""


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sweep", metavar="ID", default="latest", help="by default the latest")
    parser.add_argument(
        "--out", metavar="FOLDER", type=user_path, help="by default reports/<sweep id>"
    )
    _add_record(parser)


def _add_register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the model's name")
    words = "by default the latest, on the dataset if one is named"
    parser.add_argument("--sweep", metavar="ID", default="latest", help=words)
    parser.add_argument("--dataset", metavar="NAME", help="which corpus, if there are several")
    _add_record(parser)


# --- predict, serve -------------------------------------------------------------------------------

PREDICT = """\
Label texts with the model of a run. They are raw: cleaned, cut and read as the
run's own test articles were. Texts are those of the command line, or the lines
of standard input, or the rows of a CSV file."""


def _add_predict(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    words = "a text; - or nothing: the lines of standard input"
    parser.add_argument("texts", metavar="TEXT", nargs="*", help=words)
    parser.add_argument(
        "--csv",
        metavar="FILE",
        type=user_path,
        help="a file with a text a row: CSV, tabs, JSON, ...",
    )
    words = "its column, by default text; give it twice to join two, such as title and text"
    parser.add_argument("--text-column", metavar="NAME", action="append", help=words)
    parser.add_argument("--json", action="store_true", help="print JSON lines, one a text")


def _check_predict(arguments: argparse.Namespace) -> None:
    if arguments.csv is None and arguments.text_column:
        raise UsageError("--text-column names a column of the file that --csv names: give both.")
    if arguments.csv is not None and arguments.texts:
        raise UsageError("Give texts or --csv, not both.")


def _add_serve(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=5000, help="0 takes a free one (%(default)s)")
    words = "refuse larger requests (%(default)s)"
    parser.add_argument(
        "--max-body-bytes", metavar="N", type=int, default=MAX_BODY_BYTES, help=words
    )


# --- audit, fetch, prepare ------------------------------------------------------------------------

AUDIT = """\
Say what is in the corpus twice, equal or nearly, in the training and in the
test file, and how well classifiers do that should fail on clean data: they see
an article's length, dateline, subject, date or first five words alone. List the
single words that tell most of each class, and how far they come. CORPUS is any
option of the group dataset, or a file or folder, and keys may follow:
  audit isot dataset.dateline=kept
  audit reviews.csv dataset.text_column=review
  audit table dataset.train=reviews.csv dataset.text_column=review"""
FETCH = """\
Download the files of a public corpus to DATA_DIR/CORPUS/raw, and say whether
they are the published ones to the byte, whose they are and their licence. No
account is needed. Files that are there are never overwritten, and a download
that broke goes on where it stopped. Sweeps fetch what they lack by themselves.
Keys of the configuration may follow:
  fetch mr data_dir=/srv/corpora
  fetch mr dataset.source=http://mirror.example.org/sentences/
  fetch hub dataset.path=OWNER/NAME"""
PREPARE = """\
Write DATA_DIR/CORPUS/preprocessed/train.csv and test.csv from the raw files by
the study's rules, and say whether they are the published ones to the byte.
Optional: runs prepare raw files themselves."""


def _add_audit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", metavar="CORPUS", help="isot, kaggle, table, demo, ...")
    words = "any key of a run's configuration"
    parser.add_argument("settings", metavar="KEY=VALUE", nargs="*", help=words)
    parser.add_argument("--json", action="store_true", help="print the audit as JSON")


def _add_fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", metavar="CORPUS", help="isot, mr, newsgroups, ...")
    words = "any key of a run's configuration; data_dir=FOLDER is where the corpora are kept"
    parser.add_argument("settings", metavar="KEY=VALUE", nargs="*", help=words)


def _add_study_corpus(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", metavar="CORPUS", help=" or ".join(CORPORA))
    words = "where the corpora are kept; by default $RNN_BENCH_DATA, else data"
    parser.add_argument("settings", metavar="data_dir=FOLDER", nargs="*", help=words)


def _check_study_corpus(arguments: argparse.Namespace) -> None:
    """Check the arguments, and set `data_dir` to an absolute path."""
    if arguments.corpus not in CORPORA:
        raise UsageError(
            f"{arguments.corpus} is not a corpus that is prepared."
            f"{suggestion(arguments.corpus, [*CORPORA])}\nCorpora: {', '.join(CORPORA)}"
        )
    folder = os.environ.get("RNN_BENCH_DATA", "data")
    for setting in arguments.settings:
        key, _, folder = setting.partition("=")
        if key != "data_dir" or not folder:
            raise UsageError(f"{setting} is not a setting here. There is one: data_dir=FOLDER")
    if len(arguments.settings) > 1:
        raise UsageError(f"data_dir is given twice: {' and '.join(arguments.settings)}.")
    arguments.data_dir = user_path(folder).absolute()


# --- sync, copy -----------------------------------------------------------------------------------

SYNC = """\
Runs go on training while MLflow cannot be reached, and what they would have
recorded waits in OUTPUT_DIR/runs. A sweep sends it at its start and at its end;
this sends it now. Nothing is recorded twice."""
COPY = """\
Copy all runs of an experiment, with their history, parameters, tags, datasets
and artifacts, and the notes on its sweeps, into the experiment of the same name
of another MLflow store. Sweeps there find them as answers, and reports can be
written there.

The command can be repeated: what is there is not copied again, what has grown
since is brought up to date, and an interrupted copy goes on. Runs that somebody
is training are left out, and so are registered models."""


def _add_sync(parser: argparse.ArgumentParser) -> None:
    words = "by default outputs"
    parser.add_argument(
        "output_dir", metavar="OUTPUT_DIR", nargs="?", default="outputs", help=words
    )


def _add_copy(parser: argparse.ArgumentParser) -> None:
    words = "a server's address, or sqlite:///FILE"
    parser.add_argument("--to", metavar="URI", required=True, help=words)
    parser.add_argument("--from", dest="source", metavar="URI", help=DEFAULT_STORE)
    _add_experiment(parser)


COMMANDS = {
    "sweep": Command("train and compare models: sweep -m model=rnn,lstm,gru", resumes=True),
    "report": Command("write the report on a sweep", _add_report, REPORT),
    "list": Command("list the recorded sweeps, the newest first", _add_record),
    "predict": Command(
        "label texts with a run's model", _add_predict, PREDICT, MODELS, _check_predict
    ),
    "serve": Command(
        "label texts over HTTP with a run's model, until Ctrl-C", _add_serve, epilog=MODELS
    ),
    "register": Command(
        "put the best run of a sweep into the model registry", _add_register, REGISTER
    ),
    "audit": Command("look for duplicates and shortcuts in any corpus", _add_audit, AUDIT),
    "fetch": Command("download the files of a public corpus", _add_fetch, FETCH, resumes=True),
    "prepare": Command(
        "write the study's training and test files from the raw ones",
        _add_study_corpus,
        PREPARE,
        check=_check_study_corpus,
    ),
    "sync": Command("record what waits for MLflow", _add_sync, SYNC, resumes=True),
    "copy": Command("copy the record to another store", _add_copy, COPY, resumes=True),
}
