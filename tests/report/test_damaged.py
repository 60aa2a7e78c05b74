"""Files of runs that are damaged cost the report their own part, and the page says which."""

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

from rnn_bench.data.corpus import DataError
from rnn_bench.evaluation.gradient_flow import read_gradient_flow
from rnn_bench.evaluation.predictions import read_predictions
from rnn_bench.report.__main__ import main as report_command
from tests.conftest import SMALL, SMALL_CORPUS, Command
from tests.recorded import latest_results
from tests.test_run import artifacts

PREDICTIONS, AUDIT, FLOW = "test_predictions.csv", "audit.json", "gradient_flow.csv"
TWO_TESTS = '"test": {"articles": 24, "classes": {"a": 24}, "words": {}}'
NO_TESTS = '"train": {"articles": 24, "classes": {"a": 24}, "words": {}}'
AUDIT_OF = """\
{{"corpus": "demo", "edition": "other", "fingerprint": "f", "splits": {{{splits}}},
"duplicates": {{"within_train": 0, "within_test": 0, "test_in_train": 0, "contradicting": 0}},
"near_duplicates": {{"threshold": 0.8, "method": "m", "within_train": 0, "within_test": 0,
"test_in_train": 0}}, "test_articles_in_train": {duplicates},
"majority": {{"class": "a", "accuracy": 0.5, "n": 24}}, "probes": []}}"""


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        (PREDICTIONS, b"article,label\n0,", "no column 'prediction'"),
        (PREDICTIONS, b"article,label,prediction,p_real\n0,real,real,1\n", "has 1 of "),
        (PREDICTIONS, b"article,label,prediction,p_a\n0,\xfc,a,1\n", "is not UTF-8"),
        (PREDICTIONS, b"\x89PNG\r\n\x1a\n\0\0", ""),
        (PREDICTIONS, b"", "is empty"),
        (AUDIT, b"{", "is not the audit of a corpus"),
        (AUDIT, b"\xfc", "is not the audit of a corpus"),
        (AUDIT, AUDIT_OF.format(splits="", duplicates="[]").encode(), "no test articles"),
        (AUDIT, AUDIT_OF.format(splits=NO_TESTS, duplicates="[]").encode(), "no test articles"),
        (AUDIT, AUDIT_OF.format(splits=TWO_TESTS, duplicates="[24]").encode(), "duplicates"),
        (AUDIT, AUDIT_OF.format(splits=TWO_TESTS, duplicates="[-1]").encode(), "duplicates"),
        (FLOW, b"", "is empty"),
        (FLOW, b"steps_back,initial_input\n0,1\n", "no column 'trained_input'"),
        (FLOW, b"steps_back,initial_input,trained_input\n0,1,x\n", "not a number"),
        (FLOW, b"\xff\xfe", ""),
    ],
)
def test_the_report_leaves_out_what_it_cannot_read_and_says_so(
    file: str,
    content: bytes,
    says: str,
    rnn_bench: Command,
    recorded_runs: Callable[[], list[Run]],
) -> None:
    swept = rnn_bench("-m", "model=tfidf,majority", *SMALL_CORPUS)
    assert swept.status == 0, swept.out + swept.err
    damaged, _ = recorded_runs()
    (artifacts(damaged) / file).write_bytes(content)
    assert report_command(["--out", "page"]) == 0
    html = Path("page/index.html").read_text()
    (said,) = re.findall(r"<p>([^<]*)</p>", html.partition('id="unread"')[2])
    assert said.startswith(f"{file} of {damaged.info.run_name} is not used: {file}")
    assert says in said.replace("&#39;", "'")
    assert "1 file of runs cannot be read" in html
    accuracy = damaged.data.metrics["test_accuracy"]
    assert f'<td class="">{accuracy:.4f}</td>' in html
    found = latest_results()
    recorded = next(run for run in found.sweep.runs if run.id == damaged.info.run_id)
    assert found.metric(recorded, "test_accuracy") == pytest.approx(accuracy)


def test_damaged_parameters_cost_no_report_and_no_plan(
    rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> None:
    assert rnn_bench("-m", "seed=0,1", *SMALL).status == 0
    with sqlite3.connect("mlflow.db") as database:
        database.execute("UPDATE params SET value = ''")
    database.close()
    assert report_command(["--out", "page"]) == 0
    for run in recorded_runs():
        assert f"{run.data.metrics['test_accuracy']:.4f}" in Path("page/index.html").read_text()
    assert rnn_bench("-m", "seed=7,8", *SMALL, "plan=true").status == 0


@pytest.mark.parametrize("file", [PREDICTIONS, FLOW])
def test_no_damage_to_a_table_is_more_than_an_error_of_its_data(
    file: str, rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> None:
    rnn_bench(*SMALL, "evaluation.gradient_flow=true")
    (run,) = recorded_runs()
    path = artifacts(run) / file
    whole = path.read_bytes()
    read = read_predictions if file == PREDICTIONS else read_gradient_flow
    refused = 0
    for place in range(0, len(whole), 7):
        for content in (whole[:place], whole[:place] + b"\xff" + whole[place + 1 :]):
            path.write_bytes(content)
            try:
                read(path)
            except DataError:
                refused += 1
    assert refused > 0
