"""Expected times of runs."""

from collections.abc import Callable
from unittest.mock import Mock

import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.composition import Job
from rnn_bench.config.schema import Config
from rnn_bench.data.cache import Content
from rnn_bench.data.encoding import EncodedCorpus, Split
from rnn_bench.sweep.plan import duration, expected_seconds, newest_runs
from tests.conftest import SMALL_CORPUS, Command

Compose = Callable[..., Config]
ARTICLES = Split(
    torch.zeros(1_000_000, dtype=torch.int32),
    torch.arange(0, 1_000_001, 100),
    torch.zeros(10_000, dtype=torch.int64),
)
CORPUS = EncodedCorpus("c", *3 * [ARTICLES], ["a"], ("0", "1"), Content("", "other"))


def expected(config: Config, *recorded: tuple[float, dict[str, str]]) -> float:
    """With a store that has these runs of the model, newest first."""
    runs = []
    for speed, params in recorded:
        metrics = {"tokens_per_second": speed}
        runs.append(Mock(spec=Run, data=Mock(metrics=metrics, params=params)))
    client = Mock(spec=MlflowClient)
    client.search_runs.return_value = runs
    return expected_seconds(Mock(spec=Job, config=config), CORPUS, newest_runs(client, "1"))


def test_the_record_is_asked_once_for_each_model(configured: Compose) -> None:
    client = Mock(spec=MlflowClient)
    client.search_runs.return_value = []
    newest = newest_runs(client, "1")
    for line in ("model=rnn", "model=gru", "model=rnn"):
        expected_seconds(Mock(spec=Job, config=configured(line)), CORPUS, newest)
    assert client.search_runs.call_count == 2


@pytest.mark.parametrize(("model", "speed"), [("rnn", 4e5), ("lstm", 1.2e5), ("gru", 1.5e5)])
def test_without_a_record_a_model_is_as_fast_as_on_a_usual_cpu(
    model: str, speed: float, configured: Compose
) -> None:
    config = configured(f"model={model}", "protocol.epochs=2")
    assert expected(config) == pytest.approx(2e6 / speed, rel=0.15)


def test_a_larger_model_takes_longer_in_proportion_to_its_weights(configured: Compose) -> None:
    small, large = (expected(configured(f"model.hidden_size={size}")) for size in (64, 128))
    assert large / small == pytest.approx(128 * 228 / (64 * 164))


def test_the_speed_of_a_recorded_run_is_scaled_by_the_costs(configured: Compose) -> None:
    config = configured("protocol.epochs=1")
    same = {"model.hidden_size": "128", "model.bidirectional": "False"}
    assert expected(config, *3 * [(1e5, same)]) == pytest.approx(10)
    smaller = {**same, "model.hidden_size": "64"}
    scaled = expected(config, *3 * [(1e5, smaller)])
    assert scaled == pytest.approx(10 * 128 * 228 / (64 * 164))
    both = {**same, "model.bidirectional": "True"}
    assert expected(config, *3 * [(1e5, both)]) == pytest.approx(5)


@pytest.mark.parametrize("before", [0, 1, 2, 5])
def test_a_run_on_a_busy_machine_changes_an_expected_time_little(
    before: int, configured: Compose
) -> None:
    config = configured("protocol.epochs=1")
    same = {"model.hidden_size": "128"}
    earlier = before * [(1.5e5, same)]
    ratio = expected(config, (1.5e4, same), *earlier) / expected(config, *earlier)
    assert 1 <= ratio < 3.5
    assert before == 0 or ratio < 1.2


def test_runs_of_the_nearest_size_decide_an_expected_time(configured: Compose) -> None:
    config = configured("protocol.epochs=1")
    tiny, same = {"model.hidden_size": "8"}, {"model.hidden_size": "128"}
    times = expected(config, *20 * [(3e4, tiny)], *8 * [(1e5, same)])
    assert times == pytest.approx(10)


def test_hidden_sizes_have_times_of_their_own_with_and_without_a_record(
    configured: Compose,
) -> None:
    small, large = (
        configured(f"model.hidden_size={size}", "protocol.epochs=1") for size in (64, 128)
    )
    recorded = [(1e5, {"model.hidden_size": "64"})]
    for record in ([], recorded, 9 * recorded):
        assert expected(large, *record) > 2 * expected(small, *record)


class OffMeta(torch.nn.Module):
    """A cell that cannot be built without memory."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        if torch.get_default_device().type == "meta":
            raise NotImplementedError


class Lazy(torch.nn.Module):
    """A cell whose matrix has no size before the first batch."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.inner = torch.nn.LazyLinear(hidden_size)


class WithoutMatrices(torch.nn.Module):
    """A cell that has vectors alone."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.decay = torch.nn.Parameter(torch.zeros(hidden_size))


@pytest.mark.filterwarnings("ignore:Lazy modules")
@pytest.mark.parametrize("cell", ["OffMeta", "Lazy", "WithoutMatrices"])
def test_a_time_is_expected_of_any_cell_of_the_user_s(cell: str, configured: Compose) -> None:
    config = configured(f"model.cell={__name__}.{cell}", "protocol.epochs=1")
    assert expected(config) > 0
    assert expected(config, (1e5, {})) == pytest.approx(10)


def test_a_model_may_have_any_name(rnn_bench: Command) -> None:
    for name in ("o'brien", '5\\" pipe', "back\\\\"):
        answer = rnn_bench(f'model.name="{name}"', "model=gru", "plan=true", *SMALL_CORPUS)
        assert (answer.status, answer.err) == (0, "")


def test_a_baseline_is_fitted_once(configured: Compose) -> None:
    assert expected(configured("model=tfidf")) == pytest.approx(0.5)
    assert expected(configured("model=tfidf"), (1e5, {})) == pytest.approx(10)


def test_times_are_written_in_the_unit_that_suits_them() -> None:
    assert [duration(each) for each in (5.4, 600, 7500)] == ["5 s", "10 min", "2 h 05 min"]
