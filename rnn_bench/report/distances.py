"""Test accuracy by the distance of the demo corpus's cue from the end of the article."""

import math
from collections.abc import Sequence
from itertools import takewhile
from statistics import mean

from rnn_bench.report.analysis import Results
from rnn_bench.report.statistics import Estimate

DISTANCE = "dataset.cue_distance"  # the most words between the cue and the end
FOUND = 0.75  # accuracy half way from chance to certainty, between two classes


def accuracies_by_distance(results: Results) -> dict[str, list[tuple[float, Estimate]]]:
    """Return pairs of distance and accuracy by label, by growing distance, the best models first;
    nothing for a sweep of one distance."""
    found: dict[str, list[tuple[float, Estimate]]] = {}
    for each in results.ordered:
        distance = each.runs[0].number(DISTANCE)
        if not math.isnan(distance):
            point = distance, results.accuracies[each.key]
            found.setdefault(each.label, []).append(point)
    if len({distance for points in found.values() for distance, _ in points}) < 2:
        return {}
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


def farthest_corpus(results: Results) -> str:
    """Return the corpus with the greatest distance at which a model finds the cue, where models
    differ most; that with the greatest distance if none finds it."""
    found = [each for each in results.compared if results.accuracies[each.key].low > FOUND]
    distances = {
        each.corpus: each.runs[0].number(DISTANCE, default=0) for each in found or results.compared
    }
    return max(distances, key=lambda corpus: distances[corpus])
