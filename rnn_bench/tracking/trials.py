"""The trials of a search in the record. Each is a tag of its runs, and what was searched tags of
the experiment."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import RunTag

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.search import Domain, Search
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun, read_object

LONGEST_TAG = 5000  # characters of an experiment's tag, of JSON without other letters than ASCII


@dataclass(frozen=True)
class RecordedTrial:
    """A trial's runs, one a seed. `figure` is their mean of what validation chooses by; a trial
    that is not `is_complete` was pruned, or failed, after some of its seeds."""

    number: int
    runs: tuple[RecordedRun, ...]
    figure: float
    is_complete: bool


@dataclass(frozen=True)
class SearchedModel:
    """A model on a corpus that was searched: its recorded trials in their order, of `asked`, and
    the part of the space that it has keys for."""

    name: str
    trials: tuple[RecordedTrial, ...]
    asked: int
    space: Mapping[str, Domain]

    @property
    def title(self) -> str:
        """What validation chooses by, in words."""
        return {
            schema.VAL_LOSS: "validation loss",
            schema.VAL_ACCURACY: "validation accuracy",
            schema.VAL_MACRO_F1: "validation macro F1",
        }.get(self.select_by, self.select_by)

    @property
    def first(self) -> RecordedRun:
        return self.trials[0].runs[0]

    @property
    def select_by(self) -> str:
        return self.first.selected_by

    @property
    def sign(self) -> int:
        """1 where a lower figure is better, else -1."""
        return 1 if self.select_by == schema.VAL_LOSS else -1

    @property
    def chosen(self) -> RecordedTrial | None:
        """The complete trial with the best figure, of equal ones the first."""
        complete = [each for each in self.trials if each.is_complete]
        return min(complete, key=lambda each: self.sign * each.figure, default=None)

    @property
    def keys(self) -> list[str]:
        """The searched keys that the model has."""
        return [*self.space]

    def figures(self, seeds: Sequence[int]) -> dict[int, float]:
        """Return by trial the mean figure of some seeds, lower where it is better; of the trials
        that have them all."""
        found = {}
        for trial in self.trials:
            by_seed = {run.number(schema.SEED): run.selection_figure for run in trial.runs}
            if by_seed.keys() >= {*seeds}:
                found[trial.number] = self.sign * mean(by_seed[seed] for seed in seeds)
        return found


@dataclass(frozen=True)
class SearchStage:
    """A stage of a search for shared settings: how many trials, of which models, with which
    seeds, and whether all of its runs were made."""

    trials: int
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    is_over: bool


def note_search(
    client: MlflowClient, experiment_id: str, sweep_id: str, facts: Mapping[str, Any]
) -> None:
    """Record what a search searches, in as many tags of the experiment as it takes."""
    text = json.dumps(facts)
    parts = [text[at : at + LONGEST_TAG] for at in range(0, len(text), LONGEST_TAG)]
    for number, part in reversed([*enumerate(parts, start=1)]):
        client.set_experiment_tag(experiment_id, _tag_of_part(sweep_id, number), part)


def search_facts(client: MlflowClient, experiment_id: str, sweep_id: str) -> dict[str, Any]:
    """Return what `note_search` recorded; nothing of a sweep that is no search."""
    tags = client.get_experiment(experiment_id).tags
    names = (_tag_of_part(sweep_id, number) for number in itertools.count(1))
    return read_object(
        "".join(tags[name] for name in itertools.takewhile(tags.__contains__, names))
    )


def _tag_of_part(sweep_id: str, number: int) -> str:
    return schema.SEARCH + sweep_id + (f".{number}" if number > 1 else "")


def tag_trial(
    client: MlflowClient, run_id: str, sweep_id: str, model: str, numbers: Sequence[int]
) -> None:
    """Tag a run with the numbers of the trials, of a model of a search, that it is."""
    of_sweep = json.dumps({"model": model, "trials": [*numbers]})
    tags = {schema.TRIAL: str(numbers[0]), f"{schema.TRIAL}.{sweep_id}": of_sweep}
    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])


def searched_models(
    runs: Sequence[RecordedRun], sweep_id: str, facts: Mapping[str, Any]
) -> list[SearchedModel]:
    """Return the searched models of a sweep with the trials that its runs are tagged as. `facts`
    are `search_facts`."""
    models = _object(facts.get("models"))
    space, seeds = searched_space(facts), facts.get("seeds")
    count = len(seeds) if isinstance(seeds, list) else 1
    found: dict[str, dict[int, list[RecordedRun]]] = {}
    for run in runs:
        tag = read_object(run.tags.get(f"{schema.TRIAL}.{sweep_id}"))
        numbers = tag.get("trials")
        for number in numbers if isinstance(numbers, list) and run.is_completed else ():
            if not isinstance(number, int):
                continue
            found.setdefault(str(tag.get("model")), {}).setdefault(number, []).append(run)
    return [
        SearchedModel(
            name=name,
            trials=tuple(
                RecordedTrial(number, tuple(some), mean_figure(some), len(some) == count)
                for number, some in sorted(trials.items())
            ),
            asked=_object(models.get(name)).get("trials", len(trials)),
            space={
                key: domain
                for key, domain in space.items()
                if key in _object(models.get(name)).get("keys", ())
            },
        )
        for name, trials in found.items()
    ]


def searched_stages(facts: Mapping[str, Any]) -> list[SearchStage]:
    """Return the stages of a search for shared settings; none of another search, or where they are
    damaged."""
    stages = facts.get("stages")
    try:
        return [
            SearchStage(
                int(each["trials"]),
                (*map(str, each["models"]),),
                (*each["seeds"],),
                bool(each.get("is_over", True)),
            )
            for each in (stages if isinstance(stages, list) else [])
        ]
    except (AttributeError, KeyError, TypeError, ValueError):
        return []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def mean_figure(runs: Sequence[RecordedRun]) -> float:
    """Return the mean of the figures by which a search chooses."""
    return mean(run.selection_figure for run in runs)


def searched_space(facts: Mapping[str, Any]) -> dict[str, Domain]:
    """Return the space of a search by key; an empty one if it was not recorded, or is damaged."""
    space = facts.get("space")
    try:
        return Search(space=space if isinstance(space, dict) else {}).domains()
    except ConfigError:
        return {}
