"""Which training times the report compares."""

from rnn_bench.report.sections.time import comparable_seconds
from tests.report.hand_made import over_seeds, results_of


def test_times_beside_a_varying_number_of_runs_are_not_compared() -> None:
    answers = over_seeds("gru", 0.9, seeds=5)
    tags = [run.row.data.tags for run, _ in answers]
    for each, at_once in zip(tags, ("varying", "varying", "varying", "4", "4"), strict=True):
        each["concurrent_jobs"] = at_once
    assert [*comparable_seconds(results_of(*answers))] == [run.id for run, _ in answers[3:]]
