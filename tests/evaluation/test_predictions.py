from collections.abc import Callable, Sequence
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import Run
from sklearn.metrics import roc_auc_score

from rnn_bench.config.schema import Config
from rnn_bench.data.cache import Content
from rnn_bench.data.corpus import DataError
from rnn_bench.data.encoding import EncodedCorpus, Split
from rnn_bench.evaluation.calibration import expected_calibration_error
from rnn_bench.evaluation.metrics import compute_metrics
from rnn_bench.evaluation.predictions import (
    Predictions,
    evaluate_predictions,
    read_predictions,
)
from rnn_bench.tracking.artifacts import write_artifacts
from tests.conftest import SMALL, Command

FILE = "test_predictions.csv"


@pytest.fixture
def config(configured: Callable[..., Config]) -> Config:
    return configured()


def written(
    folder: Path,
    config: Config,
    classes: Sequence[str],
    labels: Sequence[int],
    probabilities: Sequence[Sequence[float]],
) -> Path:
    """The file that a run with these answers leaves."""
    (folder / "log.txt").touch()
    empty = Split(torch.zeros(0).int(), torch.zeros(1).int(), torch.zeros(0).int())
    test = Split(torch.zeros(0).int(), torch.zeros(len(labels) + 1).int(), torch.tensor(labels))
    content = Content("fingerprint", "other")
    corpus = EncodedCorpus("csv", empty, empty, test, [], tuple(classes), content)
    weights = {"weight": torch.zeros(1)}
    write_artifacts(folder, config, corpus, weights, torch.tensor(probabilities).double())
    return next(folder.rglob(FILE))


def predictions(
    labels: Sequence[int], probabilities: Sequence[Sequence[float]], classes: str = "abc"
) -> Predictions:
    shares = np.array(probabilities, dtype=float)
    return Predictions(
        tuple(classes[: shares.shape[1]]), np.array(labels), shares.argmax(1), shares
    )


# --- reading ------------------------------------------------------------------------------------


def test_the_predictions_of_a_run_are_worth_what_it_recorded(
    rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> None:
    rnn_bench(*SMALL)
    (run,) = recorded_runs()
    found = read_predictions(
        Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=FILE))
    )
    scored = compute_metrics(found)
    assert scored["test_accuracy"] == pytest.approx(run.data.metrics["test_accuracy"])
    assert scored["test_macro_f1"] == pytest.approx(run.data.metrics["test_macro_f1"])
    assert len(found.labels) > 0
    assert found.probabilities.sum(1) == pytest.approx(1)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    classes=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)
        | st.sampled_from(
            ["NA", "nan", "null", "0", "01", "1.0", "a,b", '"', "prediction", "p_", "a\rb", "\r"]
        ),
        min_size=2,
        max_size=4,
        unique=True,
    ),
    data=st.data(),
)
def test_any_class_name_survives(
    classes: list[str],
    data: st.DataObject,
    config: Config,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    labels = data.draw(st.lists(st.sampled_from(range(len(classes))), min_size=1, max_size=4))
    shares = np.eye(len(classes))[data.draw(st.permutations(labels))]
    folder = tmp_path_factory.mktemp("run")
    found = read_predictions(written(folder, config, classes, labels, shares.tolist()))
    assert found.classes == tuple(classes)
    assert found.labels.tolist() == labels
    assert found.predictions.tolist() == shares.argmax(1).tolist()
    assert (found.probabilities == shares).all()


def test_a_diverged_run_has_predictions_without_probabilities(
    config: Config, tmp_path: Path
) -> None:
    shares = [[float("nan")] * 2] * 3
    found = read_predictions(written(tmp_path, config, ["0", "1"], [0, 1, 0], shares))
    assert compute_metrics(found)["test_accuracy"] == pytest.approx(2 / 3)
    evaluation = evaluate_predictions(found)
    assert evaluation.confusion.tolist() == [[2, 0], [1, 0]]
    assert np.isnan(evaluation.roc_auc)
    assert "diverged" in evaluation.undefined["roc_auc"]
    assert not found.has_probabilities


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("article,label\n0,a\n", "no column 'prediction'"),
        ("article,label,prediction,p_a\n1,a,a,1\n", "in order"),
        ("article,label,prediction,p_a\n0,a,b,1\n", "'b' as a prediction and no column p_b"),
        ("article,label,prediction,p_a\n0,b,a,1\n", "'b' as a label and no column p_b"),
        ("article,label,prediction,p_a\n0,a,a,high\n", "not a number: .*high"),
    ],
)
def test_a_file_that_is_not_a_run_s_predictions_is_refused(
    text: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / FILE
    path.write_text(text)
    with pytest.raises(DataError, match=complaint):
        read_predictions(path)


# --- evaluating ---------------------------------------------------------------------------------


def test_three_classes_worked_out_by_hand() -> None:
    found = predictions(
        [0, 0, 1, 2],
        [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.5, 0.3, 0.2]],
    )
    evaluation = evaluate_predictions(found)
    assert (evaluation.classes, evaluation.articles) == (("a", "b", "c"), 4)
    scored = compute_metrics(found)
    assert scored["test_accuracy"] == 0.5
    assert evaluation.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    # F1 of a: precision 1/2, recall 1/2; of b: precision 1/2, recall 1; c is never predicted.
    assert scored["test_macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    # Pairs in order: of a 3 of 4, of b 3 of 3, of c 3 of 3.
    assert evaluation.roc_auc == pytest.approx((3 / 4 + 1 + 1) / 3)
    # Each article has a bin of its own: 0.8 right, 0.6 wrong, 0.7 right, 0.5 wrong.
    error = expected_calibration_error(found.certainties, found.correct)
    assert error == pytest.approx((0.2 + 0.6 + 0.3 + 0.5) / 4)
    assert evaluation.undefined == {}


@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_roc_auc_is_scikit_learn_s_one_against_the_rest(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.r_[np.arange(count), random.integers(count, size=20)]
    shares = random.dirichlet(np.ones(count), size=len(labels))
    scores = shares[:, 1] if count == 2 else shares
    expected = roc_auc_score(labels, scores, multi_class="ovr", average="macro")
    evaluation = evaluate_predictions(
        predictions(labels.tolist(), shares.tolist(), classes="abcde")
    )
    assert evaluation.roc_auc == pytest.approx(expected)


def test_roc_auc_is_undefined_without_articles_of_a_class() -> None:
    found = predictions([0, 0], [[0.9, 0.1], [0.4, 0.6]])
    evaluation = evaluate_predictions(found)
    assert np.isnan(evaluation.roc_auc)
    assert evaluation.undefined == {"roc_auc": "no test article has the label 'b'"}
    assert compute_metrics(found)["test_accuracy"] == 0.5
    assert evaluation.confusion.tolist() == [[1, 1], [0, 0]]


def test_shared_articles_are_left_out_of_the_unshared_accuracy() -> None:
    found = predictions([0, 0, 1, 1], [[1, 0], [0, 1], [0, 1], [0, 1]])
    evaluation = evaluate_predictions(found, shared=[0, 2])
    assert compute_metrics(found)["test_accuracy"] == 0.75
    assert (evaluation.unshared_accuracy, evaluation.unshared_articles) == (0.5, 2)
    nothing_shared = evaluate_predictions(found)
    assert (nothing_shared.unshared_accuracy, nothing_shared.unshared_articles) == (0.75, 4)


def test_with_every_article_shared_nothing_is_known_about_others() -> None:
    evaluation = evaluate_predictions(predictions([0, 1], [[1, 0], [0, 1]]), shared={0, 1})
    assert np.isnan(evaluation.unshared_accuracy)
    assert evaluation.unshared_articles == 0
    assert "every test article" in evaluation.undefined["unshared_accuracy"]
