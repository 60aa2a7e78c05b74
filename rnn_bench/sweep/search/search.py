"""Makes a search: trials in batches, then the chosen configurations with fresh seeds."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from rnn_bench.config.composition import Job
from rnn_bench.config.errors import ConfigError
from rnn_bench.config.overrides import key_of
from rnn_bench.sweep.corpora import prepare_corpora
from rnn_bench.sweep.search.halving import Halving
from rnn_bench.sweep.search.questions import Question, lines_of, questions_of
from rnn_bench.sweep.search.studies import Study, Trial, storage_in
from rnn_bench.tracking.availability import retry_until_reachable
from rnn_bench.tracking.claims import RunClaims, find_answer
from rnn_bench.tracking.outbox import send_unsent, unsent
from rnn_bench.tracking.recorded_run import RecordedRun
from rnn_bench.tracking.run_key import run_key, run_name
from rnn_bench.tracking.store import open_store
from rnn_bench.tracking.trials import note_search, tag_trial

log = logging.getLogger("rnn_bench")

OUTPUT_DIR = "output_dir"
MOST_EXAMPLES = 10

Launch = Callable[[Sequence[Sequence[str]], int], Any]  # that of Hydra's launchers


class Search:
    """A command's search. `final_jobs` has the jobs of the chosen configurations by run key, as
    soon as they are chosen; `is_over` says whether every model was searched and trained."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        """Check the search.

        Raises:
            UsageError: the space or the stages are not possible, or Optuna is not installed.
        """
        config = jobs[0].config
        self.settings, self.sweep_id = config.search, config.sweep_id
        self.output_dir, self.tracking = Path(config.output_dir), config.tracking
        self.questions = questions_of(jobs)
        self.halving: Halving | None = None
        if self.settings.stages:
            self.halving = Halving([each for each in self.questions if each.space])
        self.studies = [
            Study(each, self.sweep_id, self.output_dir)
            for each in self.questions
            if not self.halving
        ]
        self.final_jobs: dict[str, Job] = {}
        self.is_over = False
        self._all_chosen = True
        self._launched = 0
        self._folder: list[str] = []
        self._numbers: dict[str, list[int]] = {}  # of trials, by run id
        self._impossible = set[str]()  # what was logged of trials

    def facts(self) -> dict[str, Any]:
        """Return what the record keeps of a search, beside its runs."""
        seeds = [*self.questions[0].jobs]
        return {
            "sampler": self.settings.sampler,
            "pruner": self.settings.pruner,
            "models": {
                each.name: {"trials": each.trials, "keys": [*each.space]}
                for each in self.questions
                if each.space
            },
            "seeds": seeds,
            "space": self.settings.space,
        } | ({"stages": self.halving.facts()} if self.halving else {})

    def note(self, client: MlflowClient, experiment_id: str) -> None:
        """Record what the search searches, and how far it is, once MLflow can be reached."""
        retry_until_reachable(
            lambda: note_search(client, experiment_id, self.sweep_id, self.facts()), lambda: None
        )

    def runs_of(self, question: Question) -> int:
        """Return how many runs the trials of a model make."""
        if self.halving:
            return self.halving.runs_of(question)
        return question.trials * len(question.jobs)

    def examples(self, question: Question) -> list[Job]:
        """Return jobs of some of a model's trials, of which a plan tells how long they take."""
        if self.halving:
            trials = [each for some in self.halving.trials.values() for each in some]
        else:
            trials = [each for study in self.studies for each in study.trials or study.ask()]
        own = [trial for trial in trials if trial.question is question][:MOST_EXAMPLES]
        jobs = [job for trial in own for job in self._jobs(trial, [question.config.seed])]
        return jobs or [question.first]

    def run(self, launch: Launch, given: Sequence[str] = ()) -> None:
        """Make the trials of every model, batch by batch, then train the chosen configurations and
        the models without settings with fresh seeds. `given` are the overrides of Hydra's command
        line, which on a cluster name the output folder that all machines share.

        Raises:
            KeyboardInterrupt: a signal came.
        """
        self.store = open_store(self.tracking)
        self._folder = [line for line in given if key_of(line) == OUTPUT_DIR][-1:]
        jobs = self._halve(launch) if self.halving else self._study(launch)
        if jobs:
            corpora = prepare_corpora(jobs)
            for job, corpus in zip(jobs, corpora, strict=True):
                self.final_jobs[run_key(job.config, corpus.content.fingerprint)] = job
            log.info("The chosen configurations are trained with fresh seeds and tested.")
            self._launch([*self.final_jobs.values()], launch)
        self.is_over = self._all_chosen

    def _halve(self, launch: Launch) -> list[Job]:
        """Make the stages of successive halving; return the jobs of the chosen settings."""
        assert self.halving
        chosen = self.halving.run(
            lambda trials, seeds: self._make(trials, [seeds], launch),
            lambda: self.note(*self.store),
            storage_in(self.output_dir),
            f"all models of sweep {self.sweep_id}",
        )
        if not chosen:
            log.error("No trial has a result, so none is chosen.")
            self._all_chosen = False
        jobs = [job for trial in chosen for job in trial.question.final(trial.values)]
        without = [each for each in self.questions if not each.space]
        return jobs + [job for each in without for job in each.final({})]

    def _study(self, launch: Launch) -> list[Job]:
        """Make the trials of each model, batch by batch; return the jobs of the chosen ones."""
        seeds = [*self.questions[0].jobs]
        rounds = [seeds] if self.settings.pruner == "none" else [[seed] for seed in seeds]
        while going := [study for study in self.studies if study.left]:
            batches = {study: study.ask() for study in going}
            trials = [trial for batch in batches.values() for trial in batch]
            first, last = trials[0].number + 1, max(trial.number for trial in trials) + 1
            most = max(study.question.trials for study in going)
            numbers = f"Trials {first} to {last}" if last > first else f"Trial {last}"
            models = "1 model" if len(going) == 1 else f"each of {len(going)} models"
            log.info("%s of %d, of %s.", numbers, most, models)
            self._make(trials, rounds, launch)
            for study, batch in batches.items():
                study.tell(batch)
        jobs: list[Job] = []
        for study in self.studies:
            chosen = study.chosen()
            if chosen or not study.question.space:
                jobs += study.question.final(chosen.values if chosen else {})
            else:
                log.error("%s: no trial is complete, so none is chosen.", study.question.name)
                self._all_chosen = False
        return jobs

    def _make(
        self, trials: Sequence[Trial], rounds: Sequence[Sequence[int]], launch: Launch
    ) -> None:
        """Make the runs of some trials, those of a round's seeds at once, of the trials that are
        not pruned by then."""
        for some in rounds:
            going = [trial for trial in trials if not trial.is_pruned]
            wanted = [
                (trial, seed, job)
                for trial in going
                for seed, job in zip(some, self._jobs(trial, some), strict=False)
            ]
            runs = self._recorded([job for *_, job in wanted], launch)
            for (trial, seed, _), run in zip(wanted, runs, strict=True):
                if run is not None:
                    self._tag(run, trial)
                    trial.report(seed, run.selection_figure, self.settings.pruner)

    def _jobs(self, trial: Trial, seeds: Sequence[int]) -> list[Job]:
        """Return the jobs of a trial; none, and log it once, where its values are not possible
        together."""
        try:
            return trial.question.trial(trial.values, seeds)
        except ConfigError as error:
            line = f"Trial {trial.number} is not possible: {error}"
            if line not in self._impossible:
                self._impossible.add(line)
                log.warning("%s", line)
            return []

    def _recorded(self, jobs: Sequence[Job], launch: Launch) -> list[RecordedRun | None]:
        """Return the finished run of each job, made now unless the record has it; None for a run
        that failed."""
        if not jobs:
            return []
        client, experiment_id = self.store
        claims = [
            RunClaims(client, experiment_id, run_name(job.config, job.defaults), job.config, corpus)
            for job, corpus in zip(jobs, prepare_corpora(jobs), strict=True)
        ]
        found = self._answers(claims)
        missing = {
            each.key: job for each, job in zip(claims, jobs, strict=True) if each.key not in found
        }
        if found:
            log.info("%d of %d runs are recorded already.", len(found), len(found) + len(missing))
        if missing:
            self._launch([*missing.values()], launch)
            found |= self._answers([each for each in claims if each.key in missing])
        return [found.get(each.key) for each in claims]

    def _answers(self, claims: Sequence[RunClaims]) -> dict[str, RecordedRun]:
        """Return the recorded answers of some runs by run key, once MLflow can be reached; tag them
        with this sweep."""

        def ask() -> dict[str, RecordedRun]:
            if waiting := unsent(self.output_dir):
                send_unsent(waiting)
            found = {}
            for each in claims:
                if each.key not in found and (answer := find_answer(each.rows())):
                    each.tag_as_reused(answer)
                    found[each.key] = RecordedRun(answer, self.store[0])
            return found

        return retry_until_reachable(ask, lambda: None)

    def _launch(self, jobs: Sequence[Job], launch: Launch) -> None:
        launch([self._lines(job) for job in jobs], self._launched)
        self._launched += len(jobs)

    def _lines(self, job: Job) -> list[str]:
        lines = lines_of(job)
        if {*self._folder} <= {*lines}:
            return lines
        return [*(line for line in lines if key_of(line) != OUTPUT_DIR), *self._folder]

    def _tag(self, run: RecordedRun, trial: Trial) -> None:
        """Tag a run with the trial's number. Trials that propose the same share a run."""
        numbers = self._numbers.setdefault(run.id, [])
        if trial.number not in numbers:
            numbers.append(trial.number)
        client: MlflowClient = self.store[0]
        name = trial.question.name
        retry_until_reachable(
            lambda: tag_trial(client, run.id, self.sweep_id, name, numbers), lambda: None
        )


# The search of this process's command by sweep id, for Hydra's sweeper.
SEARCHES: dict[str, Search] = {}
