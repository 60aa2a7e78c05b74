"""The runs of a sweep as what is compared: configurations on corpora, their seeds together."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from rnn_bench.tracking.sweeps import Recorded, Sweep

# A configuration is chosen among those that differ in these alone, by validation loss.
TUNED = "optimizer."


@dataclass(frozen=True)
class Configuration:
    """Runs that share a config key, by seed. `corpus` and `label` say what varies in the sweep."""

    key: str
    corpus: str
    model: str
    label: str
    runs: tuple[Recorded, ...]

    @property
    def answered(self) -> tuple[Recorded, ...]:
        return tuple(run for run in self.runs if run.is_answered)

    @property
    def title(self) -> str:
        return f"{self.label} on {self.corpus}"

    def values(self, metric: str) -> list[float]:
        """Of the answered runs, by seed."""
        return [run.metrics.get(metric, math.nan) for run in self.answered]

    @property
    def validation_loss(self) -> float:
        """Mean over seeds of the loss at the evaluated weights' epoch; infinite where it is not a
        number, as after divergence."""
        losses = [evaluated_loss(run) for run in self.answered]
        return mean(losses) if losses and not any(map(math.isnan, losses)) else math.inf


def evaluated_loss(run: Recorded) -> float:
    """The validation loss of the weights that test was evaluated with."""
    losses = [value for _, value in run.curves["val_loss"]]
    if not losses:
        return math.nan
    if run.parameters.get("protocol.evaluated_weights") == "last":
        return losses[-1]
    return min((loss for loss in losses if not math.isnan(loss)), default=math.nan)


def configurations(sweep: Sweep) -> list[Configuration]:
    """Every configuration of a sweep, in order of corpus and first run. A corpus under another
    protocol is another corpus: a protocol is what is held equal between compared runs."""
    settings = labels(sweep.runs, lambda run: run.tags["dataset"], ("dataset.", "protocol."))
    articles: dict[tuple[str, str], set[str]] = {}
    for run in sweep.runs:
        articles.setdefault((run.tags["dataset"], settings[run.id]), set()).add(run.fingerprint)
    for run in sweep.runs:
        if len(articles[run.tags["dataset"], settings[run.id]]) > 1:  # files that changed meanwhile
            settings[run.id] = f"{settings[run.id]} {run.fingerprint[:6]}".strip()

    def model_there(run: Recorded) -> str:
        return f"{run.tags['model']} {settings[run.id]}"

    models = labels(sweep.runs, model_there, ("model.", "optimizer."))
    groups: dict[str, list[Recorded]] = {}
    for run in sweep.runs:
        groups.setdefault(run.tags["config_key"], []).append(run)
    found = [
        Configuration(
            key=key,
            corpus=told(runs[0].tags["dataset"], settings[runs[0].id]),
            model=runs[0].tags["model"],
            label=told(runs[0].tags["model"], models[runs[0].id]),
            runs=tuple(sorted(runs, key=lambda run: int(run.tags["seed"]))),
        )
        for key, runs in groups.items()
    ]
    return sorted(found, key=lambda each: natural(each.corpus))


def labels(
    runs: Sequence[Recorded], alike: Callable[[Recorded], str], parts: tuple[str, ...]
) -> dict[str, str]:
    """By run id, the settings of these parts that vary between runs that are `alike`:
    `hidden_size 64`. Where a group's option varies its name stands for all of its settings."""
    groups: dict[str, list[Recorded]] = {}
    for run in runs:
        groups.setdefault(alike(run), []).append(run)
    found = {}
    for same in groups.values():
        varying = [
            name
            for name in names(same)
            if name.startswith(parts)
            and name not in UNTOLD
            and len({run.parameters.get(name) for run in same}) > 1
        ]
        shown = [name for name in varying if varies_beside_option(name, same)]
        for run in same:
            found[run.id] = ", ".join(
                f"{short(name)} {run.parameters[name]}" for name in shown if name in run.parameters
            )
    return found


def varies_beside_option(name: str, runs: Sequence[Recorded]) -> bool:
    """Whether a setting varies between runs with the same option of its group."""
    option = f"{name.partition('.')[0]}.name"
    if name == option:
        return True
    values: dict[str | None, set[str | None]] = {}
    for run in runs:
        values.setdefault(run.parameters.get(option), set()).add(run.parameters.get(name))
    return any(len(each) > 1 for each in values.values())


def told(name: str, settings: str) -> str:
    return f"{name} ({settings})" if settings else name


# What a name, another setting or the files' place says already.
UNTOLD = ("dataset.train", "dataset.test", "protocol.lr_by_model", "protocol.dropout_by_model")


def names(runs: Iterable[Recorded]) -> list[str]:
    return sorted({name for run in runs for name in run.parameters})


def short(name: str) -> str:
    group, _, key = name.partition(".")
    return group if key == "name" else key


def natural(text: str) -> list[tuple[int, float, str]]:
    """A key that sorts numbers in a text by value."""
    words = re.split(r"[\s,()]+", text)
    return [(0, float(word), "") if is_number(word) else (1, 0.0, word) for word in words]


def is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def chosen(found: Sequence[Configuration]) -> list[Configuration]:
    """Of configurations that differ in the optimizer's settings alone, the one with the lowest
    mean validation loss. Its test accuracy is the only one that may be looked at."""
    rivals: dict[tuple[object, ...], list[Configuration]] = {}
    for each in found:
        rivals.setdefault((each.corpus, each.model, untuned(each.runs[0])), []).append(each)
    best = [min(group, key=lambda each: each.validation_loss) for group in rivals.values()]
    return [each for each in found if each in best]


def untuned(run: Recorded) -> tuple[tuple[str, str], ...]:
    """A run's settings without the seed and what is tuned."""
    kept: Mapping[str, str] = run.parameters
    return tuple(
        (name, value)
        for name, value in sorted(kept.items())
        if name != "seed" and (not name.startswith(TUNED) or name == f"{TUNED}name")
    )


def corpora(found: Sequence[Configuration]) -> list[str]:
    return list(dict.fromkeys(each.corpus for each in found))


def models(found: Sequence[Configuration]) -> list[str]:
    return list(dict.fromkeys(each.label for each in found))
