"""Grouping a sweep's runs: seeds of one configuration together, configurations by corpus."""

import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from statistics import mean

from rnn_bench.config.dataset import SPLIT_KEYS
from rnn_bench.config.errors import format_ends
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun
from rnn_bench.tracking.sweeps import Sweep

# Settings that are tuned: validation loss chooses among configurations that differ in them alone.
TUNED = "optimizer."
# Settings that say which articles are test: the runs of all splits are of one configuration.
SPLITS = tuple(f"dataset.{key}" for key in SPLIT_KEYS)
# Settings that no label shows, because a name or another setting says the same.
NOT_SHOWN = ("dataset.train", "dataset.test", "protocol.lr_by_model", "protocol.dropout_by_model")


@dataclass(frozen=True)
class Configuration:
    """The runs that differ in seed and split alone, by split and seed. `corpus` and `label` are the
    dataset's and the model's name, with the settings that vary in the sweep."""

    key: str
    corpus: str
    model: str
    label: str
    runs: tuple[RecordedRun, ...]

    @property
    def completed(self) -> tuple[RecordedRun, ...]:
        return tuple(run for run in self.runs if run.is_completed)

    @property
    def splits(self) -> dict[str, list[RecordedRun]]:
        """The completed runs by split, of which most corpora have one."""
        found: dict[str, list[RecordedRun]] = {}
        for run in self.completed:
            found.setdefault(split_of(run), []).append(run)
        return found

    @property
    def seeds(self) -> str:
        """The number of seeds, and of splits where there are several: `3 x 10 splits`."""
        words = format_ends(map(len, self.splits.values()))
        return words if len(self.splits) < 2 else f"{words} x {len(self.splits)} splits"

    @property
    def diverged(self) -> int:
        """The number of runs whose loss became infinite or not a number."""
        return sum(run.state == schema.DIVERGED for run in self.completed)

    @property
    def unlearned(self) -> int:
        """The number of runs that never beat the best constant prediction on validation."""
        return sum(run.state == schema.UNLEARNED for run in self.completed)

    @property
    def learned(self) -> int:
        """The number of runs that learned and did not diverge."""
        return len(self.completed) - self.unlearned - self.diverged

    @property
    def learned_seeds(self) -> str:
        """`learned in 1 of 3 seeds`; empty if all runs learned."""
        count, what = len(self.completed), "seeds" if len(self.splits) < 2 else "runs"
        return f"learned in {self.learned} of {count} {what}" if self.unlearned else ""

    @property
    def title(self) -> str:
        return f"{self.label} on {self.corpus}"

    @property
    def is_baseline(self) -> bool:
        return self.runs[0].is_baseline

    @property
    def validation_loss(self) -> float:
        """The mean over seeds of the tested weights' validation loss; infinite where it is not a
        number, as after divergence."""
        losses = [run.evaluated_val_loss for run in self.completed]
        return mean(losses) if losses and not any(map(math.isnan, losses)) else math.inf


def group_runs(sweep: Sweep) -> list[Configuration]:
    """Return every configuration of a sweep whose runs read test articles, ordered by corpus and
    first run. The label of one that a search chose does not show what was searched.

    A corpus under another protocol is another corpus: a protocol is what compared runs share.
    """
    datasets = dataset_settings(sweep.tested, sweep.searched)

    def same_model_and_dataset(run: RecordedRun) -> str:
        return f"{run.tags[schema.MODEL]} {datasets[run.id]}"

    prefixes = ("model.", "optimizer.")
    models = varying_settings(sweep.tested, same_model_and_dataset, prefixes, sweep.searched)
    found = [
        Configuration(
            key=runs[0].tags[schema.CONFIG_KEY],
            corpus=with_settings(runs[0].tags[schema.DATASET], datasets[runs[0].id]),
            model=runs[0].tags[schema.MODEL],
            label=with_settings(runs[0].tags[schema.MODEL], models[runs[0].id]),
            runs=tuple(sorted(runs, key=by_split_and_seed)),
        )
        for runs in join_splits(sweep.tested)
    ]
    return sorted(found, key=lambda each: by_value(each.corpus))


def join_splits(runs: Sequence[RecordedRun]) -> list[list[RecordedRun]]:
    """Return the runs of each config key together, those of all splits of the corpus as one."""
    groups: dict[str, list[RecordedRun]] = {}
    for run in runs:
        groups.setdefault(run.tags[schema.CONFIG_KEY], []).append(run)
    joined: dict[tuple[object, ...], list[RecordedRun]] = {}
    taken: dict[tuple[object, ...], int] = {}
    for group in groups.values():
        settings = (
            *(group[0].tags[schema.DATASET], group[0].tags[schema.MODEL]),
            *fixed_settings(group[0], (schema.SEED, *SPLITS)),
        )
        # Equal settings of one split are two configurations: the articles or a version changed.
        split = settings, split_of(group[0])
        taken[split] = taken.get(split, -1) + 1
        joined.setdefault((settings, taken[split]), []).extend(group)
    return [*joined.values()]


def split_of(run: RecordedRun) -> str:
    """Return which split of its corpus a run has, in words; empty if there is one only."""
    parameters = run.parameters
    fold, resample = (parameters.get(key, "None") for key in SPLITS)
    if resample != "None":
        return f"resample {resample}"
    return f"fold {fold}" if parameters.get("dataset.folds", "None") != "None" else ""


def by_split_and_seed(run: RecordedRun) -> list[tuple[int, float, str]]:
    return [*by_value(split_of(run)), *by_value(run.tags[schema.SEED])]


def dataset_settings(runs: Sequence[RecordedRun], searched: Collection[str] = ()) -> dict[str, str]:
    """Return by run id the dataset's and protocol's settings that vary between runs on it, without
    `searched` ones, and part of the articles' fingerprint where files were changed between runs."""

    def same_dataset(run: RecordedRun) -> str:
        return run.tags[schema.DATASET]

    # A baseline keeps `lstm`, of which networks have the number.
    sizes = {run.parameters.get("protocol.parameters") for run in runs} - {"lstm"}
    left_out = [*SPLITS, *searched, *(["protocol.parameters"] if len(sizes) == 1 else [])]
    settings = varying_settings(runs, same_dataset, ("dataset.", "protocol."), left_out)
    fingerprints: dict[tuple[str, str, str], set[str]] = {}
    for run in runs:
        corpus = same_dataset(run), settings[run.id], split_of(run)
        fingerprints.setdefault(corpus, set()).add(run.fingerprint)
    changed = {corpus[:2] for corpus, found in fingerprints.items() if len(found) > 1}
    for run in runs:
        if (same_dataset(run), settings[run.id]) in changed:
            settings[run.id] = f"{settings[run.id]} {run.fingerprint[:6]}".strip()
    return settings


def varying_settings(
    runs: Sequence[RecordedRun],
    group_of: Callable[[RecordedRun], str],
    prefixes: tuple[str, ...],
    left_out: Collection[str] = (),
) -> dict[str, str]:
    """Return by run id the settings that vary within the run's group: `hidden_size 64, lr 0.01`.

    Only parameters with one of the `prefixes` count, and none that is `left_out`. Where the option
    of a config group varies, its name stands for all settings that come with it.
    """
    groups: dict[str, list[RecordedRun]] = {}
    for run in runs:
        groups.setdefault(group_of(run), []).append(run)
    found = {}
    for group in groups.values():
        names = sorted({name for run in group for name in run.parameters})
        shown = [
            name
            for name in names
            if name.startswith(prefixes)
            and name not in (*NOT_SHOWN, *left_out)
            and len({run.parameters.get(name) for run in group}) > 1
            and not follows_from_option(name, group)
        ]
        for run in group:
            found[run.id] = ", ".join(
                f"{short_name(name)} {run.parameters[name]}"
                for name in shown
                if name in run.parameters
            )
    return found


def follows_from_option(name: str, runs: Sequence[RecordedRun]) -> bool:
    """Return whether a setting is equal in all runs with the same option of its config group."""
    option = f"{name.partition('.')[0]}.name"
    if name == option:
        return False
    values: dict[str | None, set[str | None]] = {}
    for run in runs:
        values.setdefault(run.parameters.get(option), set()).add(run.parameters.get(name))
    return all(len(each) == 1 for each in values.values())


def with_settings(name: str, settings: str) -> str:
    return f"{name} ({settings})" if settings else name


def short_name(parameter: str) -> str:
    group, _, key = parameter.partition(".")
    return group if key == "name" else key


def by_value(text: str) -> list[tuple[int, float, str]]:
    """Return a sort key under which numbers within a text are ordered by value."""
    words = re.split(r"[\s,()]+", text)
    return [(0, float(word), "") if is_number(word) else (1, 0.0, word) for word in words]


def is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def choose_tuned(found: Sequence[Configuration]) -> list[Configuration]:
    """Return the configuration with the lowest mean validation loss of each group that differs in
    the optimizer's settings alone. The report shows no other's test accuracy."""
    rivals: dict[tuple[object, ...], list[Configuration]] = {}
    for each in found:
        fixed = tuned_settings(each.runs[0])
        rivals.setdefault((each.corpus, each.model, fixed), []).append(each)
    best = [min(group, key=lambda each: each.validation_loss) for group in rivals.values()]
    return [each for each in found if each in best]


def tuned_settings(run: RecordedRun) -> tuple[tuple[str, str], ...]:
    """Return a run's settings without seed, split and what is tuned."""
    return tuple(
        (name, value)
        for name, value in fixed_settings(run, (schema.SEED, *SPLITS))
        if not name.startswith(TUNED) or name == f"{TUNED}name"
    )


def fixed_settings(run: RecordedRun, left_out: Collection[str]) -> list[tuple[str, str]]:
    """Return a run's settings in order, without some."""
    return [each for each in sorted(run.parameters.items()) if each[0] not in left_out]
