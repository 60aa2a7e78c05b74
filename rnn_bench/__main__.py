"""The command: compose and check every run, train them through Hydra, print the comparison."""

import argparse
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from rnn_bench.composition import Composer, Job, config_folder, register
from rnn_bench.config import UsageError

log = logging.getLogger("rnn_bench")

SUCCESS, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130

unusable: list[UsageError] = []  # why a single run could not be made


def main() -> int:
    """Run the command line; returns the exit status."""
    register()
    hydra_main = hydra.main(
        config_path=str(config_folder()), config_name="config", version_base="1.3"
    )(train_job)
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
    show_everything = os.environ.get("HYDRA_FULL_ERROR", "")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands errors on instead of exiting
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return sweep(arguments, hydra_main)
    except UsageError as error:
        if show_everything:
            raise
        print(error, file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    finally:
        os.environ["HYDRA_FULL_ERROR"] = show_everything


def sweep(arguments: argparse.Namespace, hydra_main: Callable[[], None]) -> int:
    """Check every run, then train them all; returns the exit status.

    Raises:
        UsageError: what the command line asks for cannot be; nothing was trained.
    """
    sweep_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    for overrides in (arguments.overrides, sys.argv):
        overrides.append(f"sweep_id={sweep_id}")
    config_dirs = [arguments.config_dir] if arguments.config_dir else []
    jobs = Composer(config_dirs).jobs(arguments)

    # Only now what takes seconds to import.
    from rnn_bench.sweep.plan import print_plan
    from rnn_bench.sweep.table import failed, print_comparison
    from rnn_bench.tracking.record import runs_of
    from rnn_bench.tracking.store import open_store, store_uri
    from rnn_bench.training.progress import ConsoleHandler, console

    logger = logging.getLogger("rnn_bench")
    logger.setLevel(logging.INFO)
    logger.handlers = [ConsoleHandler()]
    config = jobs[0].config
    client, experiment_id = open_store(config.tracking)
    prepare_corpora(jobs)
    if config.plan:
        print_plan(jobs, client, experiment_id, console)
        return SUCCESS
    unusable.clear()
    try:
        hydra_main()
    finally:
        runs = runs_of(client, experiment_id, sweep_id)
        if not unusable:
            print_comparison(
                runs,
                len(jobs),
                sweep_id,
                store_uri(config.tracking),
                Path(config.output_dir),
                console,
            )
    if unusable:
        raise unusable[0]
    return FAILED if len(runs) < len(jobs) or any(map(failed, runs)) else SUCCESS


def prepare_corpora(jobs: Sequence[Job]) -> None:
    """Encode what the runs read, each corpus and setting once; fetch a corpus that is missing.

    Raises:
        UsageError: a corpus cannot be had, or not be trained on.
    """
    from rnn_bench.data.encoding import encoded_corpus
    from rnn_bench.data.study import MissingCorpus

    done: list[tuple[object, object]] = []
    for job in jobs:
        wanted = job.config.dataset, job.config.protocol
        if wanted in done:
            continue
        try:
            encoded_corpus(job.config)
        except MissingCorpus as missing:
            from rnn_bench.data.fetch import fetch

            log.info("%s", str(missing).splitlines()[0])
            fetch(job.config.dataset.corpus, Path(job.config.data_dir))
            encoded_corpus(job.config)
        done.append(wanted)


def train_job(config: DictConfig) -> float | None:
    """Hydra's task: one run. An error ends this run alone; the record says which failed.

    Returns the lowest validation loss, for sweepers that search; None if the run failed.
    """
    from rnn_bench.run import run
    from rnn_bench.tracking.keys import run_name

    hydra_config = HydraConfig.get()
    sources = hydra_config.runtime.config_sources
    own = [source.path for source in sources if source.provider == "command-line"]
    with open_dict(config):
        config.hydra = hydra_config
    found = Composer(own).job(config)
    single = hydra_config.mode == RunMode.RUN
    name = run_name(found.config, found.defaults)
    concurrent = 1 if hydra_config.runtime.choices["hydra/launcher"] == "basic" else None
    try:
        if found.config.threads is None and not single:
            found.config.threads = 1
        return run(found.config, found.defaults, concurrent)
    except Exception as error:
        if single and isinstance(error, UsageError):
            unusable.append(error)
        else:
            log.error("%s failed: %s: %s", name, type(error).__name__, error)
        return None


def _interrupt(signal_number: int, frame: object) -> None:
    """Lets SIGTERM end a run as Ctrl-C does: recorded as killed."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
