"""The command: compose and check every run, train them through Hydra, print the comparison."""

import argparse
import logging
import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import hydra
from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig

from rnn_bench.config.composition import Composer, Job, config_folder, register
from rnn_bench.config.options import UsageError
from rnn_bench.training.interruption import stopping_at_once

if TYPE_CHECKING:
    from rnn_bench.data.encoding import EncodedCorpus

log = logging.getLogger("rnn_bench")

SUCCESS, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130


def main() -> int:
    """Run the command line; returns the exit status."""
    register()
    hydra_main = hydra.main(
        config_path=str(config_folder()), config_name="config", version_base="1.3"
    )(_task)
    arguments = get_args_parser().parse_args()
    if (
        arguments.help
        or arguments.hydra_help
        or arguments.cfg
        or arguments.info
        or arguments.shell_completion
    ):
        hydra_main()
        return SUCCESS
    full_error = os.environ.get("HYDRA_FULL_ERROR", "")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands errors on instead of exiting
    try:
        with stopping_at_once():
            return sweep(arguments, hydra_main, show_everything=full_error == "1")
    except UsageError as error:
        if full_error == "1":
            raise
        print(error, file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    finally:
        os.environ["HYDRA_FULL_ERROR"] = full_error


def _task(config: DictConfig) -> None:
    """What Hydra calls for each run. It is imported only then, for it takes seconds."""
    from rnn_bench.sweep.job import train_job

    train_job(config)


def sweep(
    arguments: argparse.Namespace, hydra_main: Callable[[], None], show_everything: bool
) -> int:
    """Check every run, then train them all; returns the exit status.

    Raises:
        UsageError: what the command line asks for cannot be; nothing was trained.
    """
    for flag in ("config_name", "config_path"):
        if getattr(arguments, flag):
            raise UsageError(
                f"--{flag.replace('_', '-')} is not possible. Options of your own go into a "
                "folder that --config-dir names."
            )
    sweep_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    for overrides in (arguments.overrides, sys.argv):
        overrides.append(f"sweep_id={sweep_id}")
    config_dirs = [arguments.config_dir] if arguments.config_dir else []
    jobs = Composer(config_dirs, arguments.overrides).jobs(arguments)

    # Only now what takes seconds to import.
    from rnn_bench.sweep.clusters import carried_over, check_store, end_rows_of_the_dead, launch
    from rnn_bench.sweep.job import unusable
    from rnn_bench.sweep.plan import print_plan
    from rnn_bench.sweep.table import failed, print_comparison
    from rnn_bench.tracking.keys import run_key, run_name
    from rnn_bench.tracking.record import runs_of
    from rnn_bench.tracking.store import open_store, store_uri
    from rnn_bench.training.device import find_device
    from rnn_bench.training.progress import ConsoleHandler, console

    logger = logging.getLogger("rnn_bench")
    logger.setLevel(logging.INFO)
    logger.handlers = [ConsoleHandler(show_everything)]
    config = jobs[0].config
    if jobs[0].engine:
        check_store(config, jobs[0].launcher)
        sys.argv += carried_over(config)
    for job in jobs:
        if job.launcher == "basic":  # others train elsewhere, with other devices
            find_device(job.config.device)
    client, experiment_id = open_store(config.tracking)
    corpora = prepare_corpora(jobs)
    if config.plan:
        print_plan(jobs, corpora, client, experiment_id, console)
        return SUCCESS
    questions = {
        run_key(job.config, corpus.content.fingerprint): run_name(job.config, job.defaults)
        for job, corpus in zip(jobs, corpora, strict=True)
    }
    unusable.clear()
    try:
        launch(hydra_main, jobs[0].engine, show_everything)
        end_rows_of_the_dead(client, experiment_id, sweep_id)
    finally:
        runs = runs_of(client, experiment_id, sweep_id)
        if not unusable:
            print_comparison(
                runs,
                len(questions),
                sweep_id,
                store_uri(config.tracking),
                Path(config.output_dir),
                console,
            )
    if unusable:
        raise unusable[0]
    recorded = {run.data.tags["run_key"] for run in runs}
    for name in (name for key, name in questions.items() if key not in recorded):
        console.print(f"Failed: {name}: it has no record.", markup=False)
    answered = {run.data.tags["run_key"] for run in runs if not failed(run)}
    return SUCCESS if questions.keys() <= answered else FAILED


def prepare_corpora(jobs: Sequence[Job]) -> "list[EncodedCorpus]":
    """Encode what each run reads, each corpus and setting once; fetch a corpus that is missing.

    Raises:
        UsageError: a corpus cannot be had, or not be trained on.
    """
    from rnn_bench.data.encoding import encoded_corpus
    from rnn_bench.data.study import MissingCorpus

    done: list[tuple[object, EncodedCorpus]] = []
    corpora = []
    for job in jobs:
        wanted = job.config.dataset, job.config.protocol
        known = [corpus for setting, corpus in done if setting == wanted]
        if not known:
            try:
                known = [encoded_corpus(job.config)]
            except MissingCorpus as missing:
                from rnn_bench.data.fetch import fetch

                log.info("%s", str(missing).splitlines()[0])
                fetch(job.config.dataset.corpus, Path(job.config.data_dir))
                known = [encoded_corpus(job.config)]
            done.append((wanted, known[0]))
        corpora += known
    return corpora


if __name__ == "__main__":
    sys.exit(main())
