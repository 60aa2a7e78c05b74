"""Test accuracy by a distance of the demo corpus: from the marker to the cue, or from there to the
article's end."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import mean

from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.statistics import Estimate

FOUND = 0.75  # accuracy half way from chance to certainty, between two classes


@dataclass(frozen=True)
class Distance:
    """A key of the demo corpus: the most words between two places of an article."""

    key: str
    start: str
    end: str
    meaning: str


CUE_DISTANCE = Distance(
    "dataset.cue_distance",
    "the cue",
    "the end",
    "One word of each article, the cue, tells its class. The further it stands from the end, the "
    "longer a model that reads the last state must remember it.",
)
MARKER_DISTANCE = Distance(
    "dataset.marker_distance",
    "the marker",
    "the cue",
    "The first cue word after a marker word tells the class of an article. The further the two "
    "stand apart, the longer a model must remember that the marker came.",
)


def varied_distance(results: Results) -> Distance | None:
    """Return the distance that a sweep varies; None if it varies neither of them, or both."""
    varied = [
        distance
        for distance in (CUE_DISTANCE, MARKER_DISTANCE)
        if len({*filter(math.isfinite, (value_of(each, distance) for each in results.ordered))}) > 1
    ]
    return varied[0] if len(varied) == 1 else None


def value_of(each: Configuration, distance: Distance) -> float:
    """Return a distance in words in a configuration's corpus; infinite in one that has none."""
    return each.runs[0].number(distance.key, default=math.inf)


def accuracies_by_distance(results: Results) -> dict[str, list[tuple[float, Estimate]]]:
    """Return pairs of distance and accuracy by label, by growing distance, the best models first;
    nothing for a sweep that does not vary exactly one distance."""
    distance = varied_distance(results)
    if distance is None:
        return {}
    found: dict[str, list[tuple[float, Estimate]]] = {}
    for each in results.ordered:
        value = value_of(each, distance)
        if math.isfinite(value):
            found.setdefault(each.label, []).append((value, results.accuracies[each.key]))
    best_first = sorted(found, key=lambda label: -mean(each.value for _, each in found[label]))
    return {label: sorted(found[label], key=lambda point: point[0]) for label in best_first}


def distance_found(points: Sequence[tuple[float, Estimate]]) -> float:
    """Return the greatest distance up to which a model finds the cue at every one tried; 0 if it
    finds it at none. `points` are of growing distance."""
    return max((distance for distance, _ in takewhile(is_found, points)), default=0.0)


def is_found(point: tuple[float, Estimate]) -> bool:
    """Return whether the whole confidence interval at a distance is above half way from chance to
    certainty."""
    return point[1].low > FOUND


def farthest_corpus(results: Results, distance: Distance) -> str:
    """Return the corpus with the greatest distance at which a model finds the cue, where models
    differ most; that with the greatest distance if none finds it."""
    found = [each for each in results.compared if results.accuracies[each.key].low > FOUND]
    values = {each.corpus: value_of(each, distance) for each in found or results.compared}
    return max(values, key=lambda corpus: (math.isfinite(values[corpus]), values[corpus]))
