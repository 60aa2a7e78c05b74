"""The report's section on how far back models remember and gradients flow."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.report.analysis import Results
from rnn_bench.report.conclusions import write_conclusions
from rnn_bench.report.contents import Section
from rnn_bench.report.distances import distance_found
from rnn_bench.report.formatting import format_estimate
from rnn_bench.report.sections.memory import memory_section
from rnn_bench.report.statistics import Estimate
from tests.conftest import SMALL, Command, changed
from tests.recorded import latest_results
from tests.test_run import artifacts

FOLLOWED = "evaluation.gradient_flow=true"
COLUMNS = ("initial_input", "trained_input", "initial_state", "trained_state")


def section_of(found: Results) -> Section:
    section = memory_section(found)
    assert section is not None
    return section


def test_attenuation_stands_beside_what_was_found_and_learned(rnn_bench: Command) -> None:
    small = changed(SMALL, "dataset.length=16", "dataset.cue_distance=2,8")
    assert rnn_bench("-m", "model=rnn,lstm", "seed=0,1", *small, FOLLOWED).status == 0
    found = latest_results()
    section = section_of(found)
    table = next(table for table in section.tables if table.name == "reach")
    configurations = {(each.corpus, each.label): each for each in found.compared}
    assert [row[:2] for row in table.rows] == [
        (f"demo (cue_distance {distance})", model)
        for model in dict.fromkeys(row[1] for row in table.rows)
        for distance in (2, 8)
    ]
    assert {row[1] for row in table.rows} == {"rnn", "lstm"}
    for corpus, model, is_found, learned, *steps in table.rows:
        each = configurations[str(corpus), str(model)]
        assert is_found in ("yes", "no")
        assert learned == f"{sum(run.state == 'finished' for run in each.runs)} of 2 runs"
        for name, shown in zip(COLUMNS, steps, strict=True):
            values = [run.metrics[f"gradient_flow/{name}_reach"] for run in each.runs]
            assert float(str(shown)) == pytest.approx(sum(values) / 2, abs=0.05)
    assert [figure.name for figure in section.figures] == ["distance", "gradients-1"]
    for panel in ("by input, before", "by input, after", "by state, before", "by state, after"):
        assert f"{panel} training" in section.figures[1].svg
    distance = next(table for table in section.tables if table.name == "distance")
    assert distance.columns == ("model", "2 words", "8 words")
    assert {row[0] for row in distance.rows} == {"rnn", "lstm"}
    reached, answer = write_conclusions(found)
    assert reached.startswith("Words between the cue and the end with which a model finds the cue:")
    assert "on demo (cue_distance 8), " in answer.lower()
    text = " ".join(section.text)
    assert "does not mean that a network cannot learn" in text
    assert "learns nothing" not in text


def test_a_sweep_of_one_distance_has_a_curve_and_names_both_of_its_ends(rnn_bench: Command) -> None:
    small = changed(SMALL, "dataset.length=16", "protocol.epochs=1", "dataset.marker_distance=2,6")
    rnn_bench("-m", "model=rnn", *small)
    found = latest_results()
    section = section_of(found)
    assert [figure.name for figure in section.figures] == ["distance"]
    assert "words between the marker and the cue" in section.figures[0].title
    (table,) = section.tables
    assert table.columns == ("model", "2 words", "6 words")
    (row,) = table.rows
    shown = [format_estimate(found.accuracies[each.key]) for each in found.compared]
    assert sorted(map(str, row)) == sorted(["rnn", *shown])
    assert len(section.text) == 1, (
        "all states are read, and the distance says something all the same"
    )
    reached = "Words between the marker and the cue with which a model finds the cue: rnn "
    assert write_conclusions(found)[0].startswith(reached)

    rnn_bench("-m", "model=rnn", *changed(small, "dataset.cue_distance=2,3"))
    assert memory_section(latest_results()) is None


@pytest.mark.parametrize(("readout", "warned"), [("last_token", False), ("max", True)])
def test_where_all_states_are_read_gradients_are_no_measure_of_memory(
    readout: str, warned: bool, rnn_bench: Command
) -> None:
    assert rnn_bench("-m", *SMALL, f"protocol.readout={readout}", FOLLOWED).status == 0
    text = " ".join(section_of(latest_results()).text)
    assert (f"(protocol.readout={readout})" in text) == warned


def test_a_model_finds_the_cue_up_to_the_first_distance_at_which_it_does_not() -> None:
    def point(distance: float, low: float) -> tuple[float, Estimate]:
        return distance, Estimate(0.9, low, 1.0)

    assert distance_found([point(5, 0.9), point(25, 0.76), point(50, 0.7), point(100, 0.9)]) == 25
    assert distance_found([point(5, 0.75)]) == 0


def test_gradients_by_hidden_states_alone_are_counted_until_they_are_measured_anew(
    rnn_bench: Command, recorded_runs: Callable[[], list[Run]], workplace: Path
) -> None:
    sweep = ("-m", "model=gru", "seed=0,1", *SMALL)
    rnn_bench(*sweep)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    for run in recorded_runs():
        client.log_metric(run.info.run_id, "gradient_flow/trained_reach", 3)
        file = artifacts(run) / "gradient_flow.csv"
        file.write_text("steps_back,articles,initial,trained\n0,96,1,1\n")
    found = latest_results()
    section = section_of(found)
    (sentence,) = section.text
    assert sentence.startswith("The gradient flow of 2 runs is recorded by the hidden state alone")
    assert (section.figures, section.tables, found.unread) == ([], [], [])
    rnn_bench(*sweep, FOLLOWED)
    section = section_of(latest_results())
    assert "hidden state alone" not in " ".join(section.text)
    assert [table.columns[:3] for table in section.tables] == [("corpus", "model", "learned")]
