"""The command: compose and check every run, train them through Hydra, print the comparison."""

import argparse
import logging
import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig

from rnn_bench.config.composition import Composer, Job, config_folder, register
from rnn_bench.config.errors import UsageError
from rnn_bench.config.schema import Config
from rnn_bench.sweep.local.forkserver import start_forkserver
from rnn_bench.sweep.local.launcher import PackedLauncher, register_plugin
from rnn_bench.training.interruption import stopping_at_once

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("rnn_bench")

SUCCESS, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130


def main() -> int:
    """Run the command line; returns the exit status."""
    register()
    register_plugin()
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
        try:
            hydra_main()
            sys.stdout.flush()
        except BrokenPipeError:  # the reader, such as head, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
        print("Interrupted. The same command goes on from here.", file=sys.stderr)
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
    asked = sys.argv[1:]
    config_dirs = [arguments.config_dir] if arguments.config_dir else []
    for overrides in (arguments.overrides, sys.argv):
        overrides.append(f"sweep_id={sweep_id}")
    composer = Composer(config_dirs, arguments.overrides)
    if preset := composer.preset(arguments):
        for overrides in (arguments.overrides, sys.argv):
            overrides += preset
        if not arguments.multirun:
            arguments.multirun = True
            sys.argv.insert(1, "--multirun")
    jobs = PackedLauncher.jobs = composer.jobs(arguments)
    if jobs[0].packing and not jobs[0].config.plan:
        start_forkserver()

    # Only now what takes seconds to import.
    from rnn_bench.sweep.cluster.launching import carried_over, check_store, launch
    from rnn_bench.sweep.corpora import prepare_corpora
    from rnn_bench.sweep.job import unusable
    from rnn_bench.sweep.local.devices import check_devices, devices_for
    from rnn_bench.sweep.local.gpus import chosen_gpus, visible_gpus
    from rnn_bench.sweep.plan import print_plan
    from rnn_bench.tracking.outbox import check_output_folder, send_unsent, unsent
    from rnn_bench.tracking.run_key import run_key, run_name
    from rnn_bench.tracking.store import open_store
    from rnn_bench.tracking.superseded import AskedRun, explain_new_runs
    from rnn_bench.tracking.sweeps import note_sweep
    from rnn_bench.training.console import ConsoleHandler, console
    from rnn_bench.training.device import find_device

    logger = logging.getLogger("rnn_bench")
    logger.setLevel(logging.INFO)
    logger.handlers = [ConsoleHandler(show_everything)]
    config = jobs[0].config
    packing, launcher, engine = jobs[0].packing, jobs[0].launcher, jobs[0].engine
    if engine and engine.is_remote:
        check_store(config, launcher)
        sys.argv += carried_over(config)
    if packing:
        gpus = visible_gpus()
        check_devices(jobs, packing, gpus)
    for job in jobs:
        if launcher == "basic":  # others train elsewhere, with other devices
            find_device(job.config.device)
    output_dir = check_output_folder(config.output_dir)
    client, experiment_id = open_store(config.tracking)
    for problem in send_unsent(unsent(output_dir)):
        log.warning("What waits for MLflow is not recorded: %s", problem)
    corpora = prepare_corpora(jobs)
    asked_runs = [
        AskedRun(job.config, run_name(job.config, job.defaults), corpus.content.fingerprint)
        for job, corpus in zip(jobs, corpora, strict=True)
    ]
    for line in explain_new_runs(client, experiment_id, asked_runs):
        log.info("%s", line)
    if config.plan:
        slots = 1
        if packing:
            devices = devices_for(jobs, corpora, packing, chosen_gpus(packing, gpus))
            slots = sum(device.slots for device in devices)
        print_plan(jobs, corpora, client, experiment_id, slots, console)
        return SUCCESS
    questions = {
        run_key(job.config, corpus.content.fingerprint): job
        for job, corpus in zip(jobs, corpora, strict=True)
    }
    if arguments.multirun:
        note_sweep(client, experiment_id, sweep_id, asked, len(questions))
    unusable.clear()
    interrupted, status = False, UNUSABLE
    try:
        launch(hydra_main, launcher, engine, show_everything)
    except KeyboardInterrupt:
        interrupted = True
        raise
    finally:
        if not unusable:
            status = conclude(client, experiment_id, config, questions, interrupted)
            if arguments.multirun and not interrupted:
                write_page(client, experiment_id, sweep_id)
    if unusable:
        raise unusable[0]
    return status


def conclude(
    client: "MlflowClient",
    experiment_id: str,
    config: Config,
    questions: dict[str, Job],
    interrupted: bool,
) -> int:
    """Record what still waits and how the dead ended, and print the comparison of a sweep's runs,
    which were to answer these run keys, a job's each; audit its corpora. Returns the exit
    status."""
    from rnn_bench.sweep.comparison_table import print_comparison
    from rnn_bench.sweep.corpora import record_audits
    from rnn_bench.tracking.availability import short_timeouts, unreachable
    from rnn_bench.tracking.outbox import send_unsent, unsent
    from rnn_bench.tracking.run_key import run_name
    from rnn_bench.tracking.store import store_uri
    from rnn_bench.tracking.sweeps import end_open_rows, sweep_runs
    from rnn_bench.training.console import console

    output_dir = Path(config.output_dir)
    if waiting := send_unsent(unsent(output_dir)):
        console.print(
            f"{len(waiting)} runs wait in {output_dir / 'runs'} for MLflow, which cannot be "
            f"reached. When it is back: python -m rnn_bench.tracking sync {output_dir}"
        )
    try:
        with short_timeouts():
            if not waiting:
                end_open_rows(client, experiment_id, config.sweep_id, interrupted)
            runs = sweep_runs(client, experiment_id, config.sweep_id)
    except Exception as error:
        if not unreachable(error):
            raise
        return FAILED
    store = store_uri(config.tracking)
    recorded = {run.tags["run_key"] for run in runs}
    missing = [
        run_name(job.config, job.defaults) for key, job in questions.items() if key not in recorded
    ]
    notes = [f"Failed: {name}: it has no record in MLflow." for name in missing]
    if interrupted and missing:
        notes = [f"{len(missing)} of {len(questions)} runs were not begun."]
    incomplete = [run for run in runs if run.lacks_evaluation(config.sweep_id)]
    notes += [f"Failed: {run.name}: not evaluated further." for run in incomplete]
    if not interrupted:
        notes += record_audits(client, [run.row for run in runs], questions)
    print_comparison(runs, notes, config.sweep_id, store, output_dir, console)
    all_completed = all(run.is_completed for run in runs)
    return SUCCESS if all_completed and not missing and not incomplete else FAILED


def write_page(client: "MlflowClient", experiment_id: str, sweep_id: str) -> None:
    """The report on a sweep. What goes wrong with it costs no run and no exit status."""
    from rnn_bench.report.__main__ import make_report
    from rnn_bench.tracking.availability import short_timeouts

    try:
        with short_timeouts():
            page = make_report(client, experiment_id, sweep_id, Path("reports", sweep_id))
        log.info("Report: %s", page)
    except Exception as error:
        log.warning("There is no report: %s: %s", type(error).__name__, error)


if __name__ == "__main__":
    sys.exit(main())
