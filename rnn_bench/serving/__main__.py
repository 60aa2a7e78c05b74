"""The serving command: predict texts with a run's model, and register the best run of a sweep."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rnn_bench.config.errors import UsageError

SUCCESS, UNUSABLE = 0, 2

PROGRAM = "python -m rnn_bench.serving"
USAGE = f"""\
{PROGRAM} predict MODEL [TEXT ...] [--csv FILE] [--json]
       {PROGRAM} serve MODEL [--host HOST] [--port PORT]
       {PROGRAM} --register NAME [--sweep ID] [--dataset NAME]"""
DESCRIPTION = """\
Use what was trained.

predict           label texts with a run's model: predict --help
serve             label texts over HTTP: serve --help
--register NAME   put the run of a sweep that has the lowest validation loss into
                  MLflow's model registry, as the champion of the model NAME"""
PREDICTING = """\
Label texts with the model of a run. They are raw: cleaned, cut and read as the
run's own test articles were. Texts are those of the command line, or the lines
of standard input, or the rows of a CSV file."""
MODELS = """\
MODEL is a run's id, or a model URI: models:/NAME@champion, models:/NAME/1,
runs:/ID/model, or a folder."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    if not words:
        register_parser().print_help(sys.stderr)
        return UNUSABLE
    commands = {"predict": (predict_parser, predict), "serve": (serve_parser, run_server)}
    is_named = words[0] in commands
    parser, command = commands[words[0]] if is_named else (register_parser, register)
    arguments = parser().parse_intermixed_args(words[1:] if is_named else words)
    try:
        command(arguments)
        sys.stdout.flush()
    except UsageError as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        print(error, file=sys.stderr)
        return UNUSABLE
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return SUCCESS


def predict_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} predict",
        description=PREDICTING,
        epilog=MODELS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="see below")
    parser.add_argument(
        "texts", metavar="TEXT", nargs="*", help="a text; - or nothing: the lines of standard input"
    )
    parser.add_argument("--csv", metavar="FILE", type=Path, help="a CSV file with a text a row")
    parser.add_argument(
        "--text-column",
        metavar="NAME",
        action="append",
        help="its column, by default text; give it twice to join two, such as title and text",
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines, one a text")
    add_tracking_uri(parser)
    return parser


def serve_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} serve",
        description="Label texts over HTTP with the model of a run, until Ctrl-C.",
        epilog=MODELS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="see below")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=5000, help="0 takes a free one (%(default)s)")
    parser.add_argument(
        "--max-body-bytes",
        metavar="N",
        type=int,
        default=32 * 2**20,
        help="refuse larger requests (%(default)s)",
    )
    add_tracking_uri(parser)
    return parser


def register_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=USAGE,
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--register", metavar="NAME", required=True, help="the model's name")
    parser.add_argument(
        "--sweep",
        metavar="ID",
        default="latest",
        help="by default the latest, on the dataset if one is named",
    )
    parser.add_argument("--dataset", metavar="NAME", help="which corpus, if there are several")
    add_tracking_uri(parser)
    parser.add_argument("--experiment-name", metavar="NAME", default="rnn-bench")
    return parser


def add_tracking_uri(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow's store; by default $MLFLOW_TRACKING_URI, else mlflow.db in this folder",
    )


def predict(arguments: argparse.Namespace) -> None:
    """Print a table, or JSON lines.

    Raises:
        UsageError: there is no such model, or the texts cannot be read.
    """
    if arguments.csv is None and arguments.text_column:
        raise UsageError("--text-column names a column of the file that --csv names: give both.")
    if arguments.csv is not None and arguments.texts:
        raise UsageError("Give texts or --csv, not both.")

    from rnn_bench.serving.inputs import read_command_line, read_csv_texts
    from rnn_bench.serving.outputs import format_json_lines, format_table
    from rnn_bench.serving.stored import load_classifier
    from rnn_bench.training.device import use_threads

    if arguments.csv is None:
        texts = read_command_line(arguments.texts)
    else:
        texts = read_csv_texts(arguments.csv, arguments.text_column or ["text"])
    use_threads(1)  # of torch; the classifier starts a thread for each core itself
    classifier = load_classifier(arguments.model, arguments.tracking_uri)
    found = classifier.probabilities(texts)
    labels, probabilities = classifier.labels(found), found.tolist()
    if arguments.json:
        written = format_json_lines(labels, probabilities, classifier.classes)
    else:
        written = format_table(labels, probabilities, classifier.classes, texts)
    for line in written:
        print(line)


def run_server(arguments: argparse.Namespace) -> None:
    """Serve a model until Ctrl-C.

    Raises:
        UsageError: there is no such model, or the port cannot be used.
    """
    from rnn_bench.serving.app import serve

    serve(**vars(arguments))


def register(arguments: argparse.Namespace) -> None:
    """Say which run is the best of a sweep, and register it.

    Raises:
        UsageError: there is no such sweep, or the store does not take it.
    """
    from rnn_bench.serving.registry import ALIAS, best_run
    from rnn_bench.serving.registry import register as registered
    from rnn_bench.serving.stored import require_model, selected_store
    from rnn_bench.tracking.availability import short_timeouts
    from rnn_bench.tracking.store import open_existing
    from rnn_bench.tracking.sweeps import latest_sweep, latest_sweep_on

    client, experiment_id = open_existing(arguments.tracking_uri, arguments.experiment_name)
    name = arguments.register
    with selected_store(str(client.tracking_uri)), short_timeouts():
        sweep_id = arguments.sweep
        if sweep_id == "latest" and arguments.dataset:
            sweep_id = latest_sweep_on(client, experiment_id, arguments.dataset)
        elif sweep_id == "latest":
            sweep_id = latest_sweep(client, experiment_id)
        best = best_run(client, experiment_id, sweep_id, arguments.dataset)
        run = best.run
        require_model(client, run.id)
        version, is_new = registered(client, run, name)
    print(
        f"Of {best.candidates} finished runs of sweep {sweep_id} on {run.tags['dataset']}, "
        f"{run.name} has the lowest validation loss: {run.evaluated_val_loss:.4f}, "
        f"after epoch {run.evaluated_epoch}.\n"
        f"Run {run.id} is {'now' if is_new else 'already'} version {version} of {name}, "
        f"and its {ALIAS}.\n"
        f"Use it: {PROGRAM} predict models:/{name}@{ALIAS} TEXT"
    )


if __name__ == "__main__":
    sys.exit(main())
