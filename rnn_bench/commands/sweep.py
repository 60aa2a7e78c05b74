"""The command `sweep`: train every run, print their comparison and write the report."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from mlflow import MlflowClient
from omegaconf import OmegaConf, open_dict

from rnn_bench.commands import FAILED, SUCCESS, shows_tracebacks
from rnn_bench.commands.report import write_results
from rnn_bench.commands.sweep_request import SweepRequest
from rnn_bench.config.composition import Job
from rnn_bench.config.errors import UsageError, describe
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.evaluation.metrics import metric_names
from rnn_bench.models.baselines.baseline import is_baseline
from rnn_bench.models.precision import check_precision
from rnn_bench.report.analysis import Results
from rnn_bench.report.terminal import print_comparison
from rnn_bench.sweep.audits import record_audits
from rnn_bench.sweep.cluster.environment import check_store, environment_overrides
from rnn_bench.sweep.corpora import prepare_corpora
from rnn_bench.sweep.launch import launch
from rnn_bench.sweep.local.devices import Device, check_devices, devices_for
from rnn_bench.sweep.local.gpus import chosen_gpus, visible_gpus
from rnn_bench.sweep.plan import print_plan
from rnn_bench.sweep.search.plan import print_search_plan
from rnn_bench.sweep.search.search import SEARCHES, Search
from rnn_bench.sweep.search.summary import (
    advise_on_search,
    advise_on_shared,
    chosen_table,
    shared_table,
    shared_trials,
    stages_left,
)
from rnn_bench.tracking import schema
from rnn_bench.tracking.availability import short_timeouts, unreachable
from rnn_bench.tracking.outbox import check_output_folder, send_unsent, unsent
from rnn_bench.tracking.rows import package_versions
from rnn_bench.tracking.run_key import SweepKeys, run_name
from rnn_bench.tracking.store import open_store, store_errors
from rnn_bench.tracking.superseded import AskedRun, explain_new_runs
from rnn_bench.tracking.sweeps import (
    Sweep,
    end_open_rows,
    keep_command,
    note_sweep,
    read_sweep,
    sweep_runs,
)
from rnn_bench.tracking.trials import searched_stages
from rnn_bench.training.console import ConsoleHandler, console
from rnn_bench.training.device import check_threads, find_device
from rnn_bench.training.interruption import stopping_at_once

log = logging.getLogger("rnn_bench")

MOST_NAMES = 12  # of metrics in an error


def run(request: SweepRequest) -> int:
    """Train every run, or print the plan of the sweep; return the exit status.

    Raises:
        UsageError: a device, corpus or store cannot be used; nothing was trained.
        KeyboardInterrupt: a signal came.
    """
    log.setLevel(logging.INFO)
    log.handlers = [ConsoleHandler(shows_tracebacks())]
    with stopping_at_once():
        check_machine(request)
        package_versions()  # each run records them
        config = request.jobs[0].config
        output_dir = check_output_folder(config.output_dir)
        check_hydra_folder(request)
        search = Search(request.jobs) if request.jobs[0].is_search else None
        client, experiment_id = open_store(config.tracking)
        for problem in send_unsent(unsent(output_dir)):
            log.warning("What waits for MLflow is not recorded: %s", problem)
        corpora = prepare_corpora(request.jobs)
        check_primary_metric(config.primary_metric, corpora)
        if search:
            with store_errors(str(client.tracking_uri)):
                return make_search(search, request, corpora, client, experiment_id)
        keys = SweepKeys()
        asked = [
            AskedRun(
                job.config, keys.run_name(job.config, job.defaults), corpus.content.fingerprint
            )
            for job, corpus in zip(request.jobs, corpora, strict=True)
        ]
        # A question that is asked twice is one run.
        runs = {
            keys.run_key(job.config, corpus.content.fingerprint): (job, corpus)
            for job, corpus in zip(request.jobs, corpora, strict=True)
        }
        with store_errors(str(client.tracking_uri)):
            for line in explain_new_runs(client, experiment_id, asked):
                log.info("%s", line)
            if config.plan:
                devices = local_devices(request, corpora)
                jobs = [job for job, _ in runs.values()]
                encoded = [corpus for _, corpus in runs.values()]
                print_plan(jobs, encoded, client, experiment_id, devices, console)
                return SUCCESS
        jobs_by_key = {key: job for key, (job, _) in runs.items()}
        return train(request, jobs_by_key, client, experiment_id)


def make_search(
    search: Search,
    request: SweepRequest,
    corpora: Sequence[EncodedCorpus],
    client: MlflowClient,
    experiment_id: str,
) -> int:
    """Make a search, or print its plan; return the exit status."""
    config = request.jobs[0].config
    if config.plan:
        of_jobs = {id(job): corpus for job, corpus in zip(request.jobs, corpora, strict=True)}
        by_name = {each.name: of_jobs[id(each.first)] for each in search.questions}
        devices = local_devices(request, corpora)
        print_search_plan(search, by_name, client, experiment_id, devices, console)
        return SUCCESS
    search.note(client, experiment_id)
    SEARCHES[request.sweep_id] = search
    return train(request, search.final_jobs, client, experiment_id, search)


def check_machine(request: SweepRequest) -> None:
    """Check that this machine has the device of every run, or that other machines can reach the
    store.

    Raises:
        UsageError: a device is missing, or the store is a file.
    """
    first = request.jobs[0]
    if first.engine and first.engine.is_remote:
        check_store(first.config, first.launcher)
        request.arguments.overrides += environment_overrides(first.config)
    if first.packing:
        check_devices(request.jobs, first.packing, visible_gpus())
    if first.launcher == "basic":  # others train elsewhere, with other devices
        for device in dict.fromkeys(job.config.device for job in request.jobs):
            find_device(device)
    if not (first.engine and first.engine.is_remote):
        check_threads(max(job.config.threads or 1 for job in request.jobs))
        check_precisions(request.jobs)


def check_precisions(jobs: Sequence[Job]) -> None:
    """Check that the networks that this machine trains can have their precision.

    Raises:
        ConfigError: they cannot.
    """
    networks = (job.config for job in jobs if not is_baseline(job.config.model))
    asked = dict.fromkeys(
        (each.device, each.protocol.precision, getattr(each.model, "kernel", "auto"))
        for each in networks
    )
    for device, precision, kernel in asked:
        if precision != "float32":
            on_gpu = device.startswith(("auto", "cuda")) and visible_gpus()
            found = torch.device("cuda") if on_gpu else find_device(device)
            check_precision(precision, found, kernel)


def check_hydra_folder(request: SweepRequest) -> None:
    """Check that the folder in which Hydra keeps the files of a command can be written; make it if
    it is missing. A plan makes none.

    Raises:
        UsageError: it cannot be written.
    """
    if request.jobs[0].config.plan:
        return
    key = "sweep" if request.is_sweep else "run"
    composed = request.jobs[0].composed.copy()
    with open_dict(composed):
        composed.hydra.job.num = 0
    folder = Path(str(OmegaConf.select(composed, f"hydra.{key}.dir")))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0")
    except OSError as error:
        raise UsageError(
            f"hydra.{key}.dir={folder} cannot be written: {error.strerror or error}. "
            "Choose another, or leave it out."
        ) from error


def check_primary_metric(name: str, corpora: Sequence[EncodedCorpus]) -> None:
    """Check that a metric ranks the models of every corpus.

    Raises:
        UsageError: it is not.
    """
    for corpus in corpora:
        if name not in (names := metric_names(corpus.classes)):
            few = ", ".join(names[:MOST_NAMES]) + ", ..." * (len(names) > MOST_NAMES)
            raise UsageError(
                f"primary_metric={name} cannot rank the models of {corpus.name}; these can: {few}"
            )


def local_devices(request: SweepRequest, corpora: Sequence[EncodedCorpus]) -> list[Device]:
    """Return the devices of this machine that train several runs at the same time; none where runs
    follow each other, or train elsewhere."""
    packing = request.jobs[0].packing
    if packing is None:
        return []
    gpus = chosen_gpus(packing, visible_gpus())
    return devices_for(request.jobs, corpora, packing, gpus)


def train(
    request: SweepRequest,
    jobs_by_key: Mapping[str, Job],
    client: MlflowClient,
    experiment_id: str,
    search: Search | None = None,
) -> int:
    """Train the runs that have no result yet, print the comparison, and write a sweep's report.
    `jobs_by_key` has the jobs by run key; those of a search are known when it has chosen. Return
    the exit status.

    Raises:
        UsageError: a single run, or the whole sweep, cannot be trained.
        KeyboardInterrupt: a signal came.
    """
    if request.is_sweep:
        config = request.jobs[0].config
        how = config.primary_metric, config.report.margin
        count = None if search else len(jobs_by_key)
        with store_errors(str(client.tracking_uri)):
            note_sweep(client, experiment_id, request.sweep_id, request.words, count, *how)
    try:
        launch(request.arguments, request.jobs, shows_tracebacks())
    except BaseException as error:
        if request.is_sweep or not isinstance(error, UsageError):
            interrupted = isinstance(error, KeyboardInterrupt)
            conclude(request, jobs_by_key, client, experiment_id, search, interrupted)
        raise
    status, results = conclude(request, jobs_by_key, client, experiment_id, search)
    if request.is_sweep and results is not None:
        write_page(results)
    return status


def conclude(
    request: SweepRequest,
    jobs_by_key: Mapping[str, Job],
    client: MlflowClient,
    experiment_id: str,
    search: Search | None = None,
    interrupted: bool = False,
) -> tuple[int, Results | None]:
    """Record waiting results and the ends of dead runs, audit the corpora, and print the comparison
    of the runs. Return the exit status, and the results unless MLflow cannot be reached."""
    config = request.jobs[0].config
    output_dir = Path(config.output_dir)
    if waiting := send_unsent(unsent(output_dir)):
        console.print(
            f"{len(waiting)} runs wait in {output_dir / 'runs'} for MLflow, which cannot be "
            f"reached. When it is back: python -m rnn_bench.tracking sync {output_dir}"
        )
    try:
        with store_errors(str(client.tracking_uri)):
            if not waiting:
                end_open_rows(client, experiment_id, config.sweep_id, interrupted)
            runs = sweep_runs(client, experiment_id, config.sweep_id)
            if request.is_sweep:
                keep_command(client, config.sweep_id, request.words, runs)
            sweep = Sweep(config.sweep_id, experiment_id, str(client.tracking_uri), [])
            if runs:
                sweep = read_sweep(client, experiment_id, config.sweep_id)
    except Exception as error:
        if not unreachable(error):
            raise
        if not waiting:
            log.error("There is no comparison: MLflow cannot be reached. %s", describe(error))
        return FAILED, None
    recorded = {run.tags[schema.RUN_KEY] for run in runs}
    missing = [
        run_name(job.config, job.defaults)
        for key, job in jobs_by_key.items()
        if key not in recorded
    ]
    incomplete = [run for run in runs if run.lacks_evaluation(config.sweep_id)]
    notes = [f"Failed: {name}: it has no record in MLflow." for name in missing]
    if interrupted and missing:
        notes = [f"{len(missing)} of {len(jobs_by_key)} runs were not begun."]
    notes += [f"Failed: {run.name}: not evaluated further." for run in incomplete]
    if not interrupted:
        notes += record_audits(client, runs, jobs_by_key)
    if search:
        notes += print_search(client, experiment_id, search)
    # An interrupted trial has no tag yet that says what it is.
    trials = {
        run.id
        for run in runs
        if search and not run.is_tested and run.tags[schema.RUN_KEY] not in jobs_by_key
    }
    results = Results(sweep)
    with short_timeouts():
        print_comparison(results, notes, output_dir, console, trials)
    all_completed = all(run.is_completed for run in runs)
    is_over = search is None or search.is_over
    answered = is_over and all_completed and not missing and not incomplete
    return SUCCESS if answered else FAILED, results


def print_search(client: MlflowClient, experiment_id: str, search: Search) -> list[str]:
    """Print what a search chose. Return lines on what to mind of it."""
    sweep = read_sweep(client, experiment_id, search.sweep_id)
    models, stages, advice = sweep.searched_models, searched_stages(sweep.search), list[str]()
    left = stages_left(stages)
    if trials := shared_trials(models, stages):
        console.print(shared_table(trials, sweep.searched))
        advice = [] if left else advise_on_shared(trials, models)
    elif models and not stages:
        console.print(chosen_table(models))
        advice = advise_on_search(models)
    notes = [f"Mind: {line}" for line in advice]
    if not search.is_over:
        what = left or "The search is not over"
        notes.append(f"{what}: the same command goes on with the same trials.")
    return notes


def write_page(results: Results) -> None:
    """Write the report on a sweep, or log why it cannot be written."""
    try:
        with short_timeouts():
            page = write_results(results, Path("reports", results.sweep.id))
        log.info("Report: %s", page)
    except Exception as error:
        log.warning("There is no report: %s", describe(error))
