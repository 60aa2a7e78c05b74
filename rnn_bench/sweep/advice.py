"""Lines that say where a sweep's budget, grid or article length was too small, with the cure, and
how accurate a model can be at all."""

import json
import math
from collections.abc import Sequence
from statistics import mean

from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun

MUCH = 0.05  # share of a split's articles above which their truncation is worth a line
MOST_NAMES = 4
# Numbers that are compared by validation loss when they are swept; others make another split.
COMPARED = ("model.", "optimizer.", "protocol.")
NOT_COMPARED = ("protocol.split_seed", "protocol.validation_fraction")


def advise(runs: Sequence[RecordedRun]) -> list[str]:
    """Return a line for each thing that a reader of completed runs should know of their settings:
    best epochs at either end of the budget, swept values at the edge of their grid, and articles
    that `max_length` cuts."""
    networks = [
        run
        for run in runs
        if not run.is_baseline and run.state in (schema.FINISHED, schema.UNLEARNED)
    ]
    learned = [run for run in networks if run.state == schema.FINISHED]
    return [
        *_best_at_the_end(learned),
        *_best_at_the_start(learned),
        *_at_the_edge(networks),
        *_truncated(runs),
    ]


def name_ceilings(runs: Sequence[RecordedRun]) -> list[str]:
    """Return a line for each corpus of completed runs that has known wrong labels, with the best
    possible accuracy on it."""
    found: dict[str, list[float]] = {}
    for run in runs:
        if not math.isnan(run.ceiling):
            found.setdefault(run.tags[schema.DATASET], []).append(run.ceiling)
    lines = []
    for corpus, each in found.items():
        if min(each) == 1:
            continue
        ends = dict.fromkeys(f"{value:.4f}" for value in (min(each), max(each)))
        best = " to ".join(ends)
        lines.append(
            f"The best possible accuracy on {corpus} is {best}: the other labels are noise."
        )
    return lines


def _best_at_the_end(runs: Sequence[RecordedRun]) -> list[str]:
    late = [run for run in runs if 0 < _trained_epochs(run) <= run.metric(schema.BEST_EPOCH)]
    if not late:
        return []
    keys = f"protocol.epochs above {max(map(_trained_epochs, late)):g}"
    if any(run.parameters.get("protocol.train_seconds", "None") != "None" for run in late):
        keys += " or protocol.train_seconds"
    reason = "the budget may be too small"
    if all(run.parameters.get("protocol.schedule", "constant") != "constant" for run in late):
        reason = "that is where the learning rate falls to 0, and a larger budget may do better"
    return [f"The best epoch is the last one of {_count(late, runs)}: {reason}. Raise {keys}."]


def _best_at_the_start(runs: Sequence[RecordedRun]) -> list[str]:
    early = [
        run for run in runs if run.metric(schema.BEST_EPOCH) == 1 and _trained_epochs(run) != 1
    ]
    if not early:
        return []
    return [
        f"The best epoch is the first one of {_count(early, runs)}: it may learn too fast. Lower "
        "optimizer.lr."
    ]


def _trained_epochs(run: RecordedRun) -> float:
    """Return how many epochs a run trained; of a row that lacks it, how many it might."""
    trained = run.tag_number(schema.TRAINED_EPOCHS)
    return run.number("protocol.epochs", 0) if math.isnan(trained) else trained


def _at_the_edge(runs: Sequence[RecordedRun]) -> list[str]:
    """Return a line for each number that was swept and whose smallest or largest value has the
    lowest mean validation loss, with all other settings equal. Below 0 there is nothing to try."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for key in sorted({key for run in runs for key in run.parameters}):
        if not key.startswith(COMPARED) or key in NOT_COMPARED or not _varies(key, runs):
            continue
        groups: dict[str, dict[float, list[float]]] = {}
        names: dict[str, str] = {}
        for run in runs:
            value = run.number(key)
            others = {k: v for k, v in run.parameters.items() if k not in (key, schema.SEED)}
            group = json.dumps([run.fingerprint, sorted(others.items())])
            if not math.isnan(value):
                groups.setdefault(group, {}).setdefault(value, []).append(run.evaluated_val_loss)
                names[group] = f"{run.tags[schema.MODEL]} on {run.tags[schema.DATASET]}"
        for group, losses in groups.items():
            means = {value: mean(each) for value, each in losses.items()}
            if len(means) < 2 or any(map(math.isnan, means.values())):
                continue
            best = min(means, key=lambda value: means[value])
            for edge, which in ((min(means), "smallest"), (max(means), "largest")):
                if best == edge and not (which == "smallest" and best == 0):
                    values = found.setdefault((key, f"{best:g}", which), [])
                    values += [names[group]] * (names[group] not in values)
    return [
        f"{key}={value} has the lowest validation loss for {_names(names)}, and is the {which} of "
        f"the values tried. Try {'smaller' if which == 'smallest' else 'larger'} ones."
        for (key, value, which), names in found.items()
    ]


def _varies(key: str, runs: Sequence[RecordedRun]) -> bool:
    return len({run.parameters.get(key) for run in runs}) > 1


def _truncated(runs: Sequence[RecordedRun]) -> list[str]:
    """Return a line for each corpus and length at which more than a few articles are cut."""
    found: dict[str, None] = {}
    for run in runs:
        shares = {
            split: run.tag_number(schema.TRUNCATED + split)
            for split in ("train", "validation", "test")
        }
        if any(share > MUCH for share in shares.values()):
            cut = ", ".join(f"{100 * share:.0f} % of {split}" for split, share in shares.items())
            limit = run.parameters.get("protocol.max_length", "")
            found[
                f"Of the articles of {run.tags[schema.DATASET]}, {cut} are longer than "
                f"{limit} tokens, and cut to that many. Raise protocol.max_length."
            ] = None
    return [*found]


def _count(some: Sequence[RecordedRun], of: Sequence[RecordedRun]) -> str:
    """Return `2 of 6 runs (gru on demo)`."""
    names = dict.fromkeys(f"{run.tags[schema.MODEL]} on {run.tags[schema.DATASET]}" for run in some)
    return f"{len(some)} of {len(of)} network runs that learned ({_names([*names])})"


def _names(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
