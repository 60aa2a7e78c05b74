"""What compared networks have in equal amounts, in words: recurrent weights, time for training."""

import re
from collections.abc import Mapping, Sequence
from statistics import median_low

from rnn_bench.config.model import cell_names
from rnn_bench.models.sizes import recurrent_parameters
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun

EQUAL = 1.05  # networks whose recurrent weights differ by less than this factor are equal in size
MOST_SIZES = 6  # named; of more networks the smallest and the largest

Networks = Mapping[str, Sequence[RecordedRun]]  # the runs of each compared network, by its label


def describe_equality(networks: Networks) -> str:
    """Return `at equal size (...) and equal training time (60 s each)`, as far as it is true of all
    networks; empty where it is not, or less than two are compared.

    Sizes are equal of several cells only, and training times where every run has used the time of
    `protocol.train_seconds` up.
    """
    if len(networks) < 2:
        return ""
    parts = [f"equal {part}" for part in (_equal_size(networks), _equal_time(networks)) if part]
    return f"at {' and '.join(parts)}" if parts else ""


def describe_sizes(networks: Networks) -> str:
    """Return a sentence with the recurrent weights of each network, where several cells are
    compared that are not of equal size; else an empty text."""
    weights = _weights_of_cells(networks)
    if not weights or _are_equal(weights):
        return ""
    ordered = sorted(weights.items(), key=lambda item: -item[1])
    shown = ordered if len(ordered) <= MOST_SIZES else [ordered[0], ordered[-1]]
    listed = ", ".join(f"{label} {count:,}" for label, count in shown)
    of = "" if shown is ordered else f" of the largest and the smallest of {len(ordered)} networks"
    return f"Sizes differ. Recurrent weights{of}: {listed}."


def _equal_size(networks: Networks) -> str:
    weights = _weights_of_cells(networks)
    if not weights or not _are_equal(weights):
        return ""
    asked = {run.parameters.get("protocol.parameters", "") for run in _all_runs(networks)}
    wanted = asked.pop() if len(asked) == 1 else ""
    count = int(wanted) if wanted.isdecimal() else median_low(weights.values())
    about = "" if {*weights.values()} == {count} else "about "
    hidden = {
        label: int(runs[0].parameters["model.hidden_size"]) for label, runs in networks.items()
    }
    ordered = sorted(hidden.items(), key=lambda item: item[1])
    sizes = ", ".join(f"{size} {label}" for label, size in ordered)
    named = f": hidden size {sizes}" if len(networks) <= MOST_SIZES else ""
    return f"size ({about}{count:,} recurrent weights each{named})"


def _equal_time(networks: Networks) -> str:
    runs = _all_runs(networks)
    limits = {run.number("protocol.train_seconds") for run in runs}
    limit = limits.pop()
    if limits or not all(run.tag_number(schema.TRAINING_SECONDS) >= limit for run in runs):
        return ""
    return f"training time ({limit:g} s each)"


def _weights_of_cells(networks: Networks) -> dict[str, int]:
    """Return the recurrent weights by label; none unless several cells are compared and those of
    each are known."""
    if len({run.parameters.get("model.cell") for run in _all_runs(networks)}) < 2:
        return {}
    counts = {label: {*map(recurrent_weights, runs)} for label, runs in networks.items()}
    if any(len(each) > 1 or 0 in each for each in counts.values()):
        return {}
    return {label: each.pop() for label, each in counts.items()}


def recurrent_weights(run: RecordedRun) -> int:
    """Return the number of weights and biases of a network's cells, from its recorded settings; 0
    where it is not known, as of a cell of the user's own, which is not imported."""
    cell = run.parameters.get("model.cell", "")
    keys = ("embedding_dim", "num_layers", "hidden_size")
    sizes = [run.parameters.get(f"model.{key}", "") for key in keys]
    if cell not in cell_names() or not all(re.fullmatch("[1-9][0-9]{0,5}", each) for each in sizes):
        return 0
    embedding, layers, hidden = map(int, sizes)
    both = run.parameters.get("model.bidirectional") == "True"
    return recurrent_parameters(cell, embedding, layers, both, hidden)


def _are_equal(weights: Mapping[str, int]) -> bool:
    return max(weights.values()) < EQUAL * min(weights.values())


def _all_runs(networks: Networks) -> list[RecordedRun]:
    return [run for runs in networks.values() for run in runs]
