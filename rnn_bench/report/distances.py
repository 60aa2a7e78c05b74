"""Accuracy over the distance of the demo corpus's cue."""

from rnn_bench.report.analysis import Results
from rnn_bench.report.statistics import Estimate

DISTANCE = "dataset.cue_distance"
FOUND = 0.75  # of a cue for one of two classes: half way from chance to certainty


def distances(results: Results) -> dict[str, list[tuple[float, Estimate]]]:
    """Accuracies over distance by model, where a sweep has several distances."""
    found: dict[str, list[tuple[float, Estimate]]] = {}
    for each in results.compared:
        distance = each.answered[0].parameters.get(DISTANCE)
        if distance is not None:
            point = float(distance), results.accuracies[each.key]
            found.setdefault(each.label, []).append(point)
    several = len({x for points in found.values() for x, _ in points}) > 1
    return (
        {label: sorted(points, key=lambda p: p[0]) for label, points in found.items()}
        if several
        else {}
    )


def farthest(results: Results) -> str:
    """The corpus with the greatest distance at which a model finds the cue, which is where models
    differ; with the greatest of all if none finds it anywhere."""
    found = [each for each in results.compared if results.accuracies[each.key].low > FOUND]
    reached = {
        each.corpus: float(each.answered[0].parameters.get(DISTANCE, 0))
        for each in found or results.compared
    }
    return max(reached, key=lambda corpus: reached[corpus])
