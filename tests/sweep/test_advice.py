"""What a sweep says of settings that were too narrow."""

from collections.abc import Callable

from mlflow.entities import Run

from tests.conftest import SMALL, SMALL_CORPUS, Command, changed

Runs = Callable[[], list[Run]]


def advice(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.startswith("Mind: ")]


def test_a_best_epoch_at_the_end_of_the_budget_is_named_with_the_key(rnn_bench: Command) -> None:
    learns = ("dataset.articles=960", "optimizer.lr=0.01", "protocol.epochs=4")
    (line,) = advice(rnn_bench(*changed(SMALL, *learns)).out)
    assert line == (
        "Mind: The best epoch is the last one of 1 of 1 network runs that learned (gru on demo): "
        "the budget may be too small. Raise protocol.epochs."
    )


def test_a_best_value_at_the_edge_of_those_tried_is_named(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench("-m", *SMALL, "optimizer.lr=1e-9,1e-8,0.01")
    losses = {
        float(run.data.params["optimizer.lr"]): run.data.metrics["val_loss"]
        for run in recorded_runs()
    }
    assert min(losses, key=lambda rate: losses[rate]) == 0.01, "the test needs a largest one"
    assert (
        "Mind: optimizer.lr=0.01 has the lowest validation loss for gru on demo, and is the "
        "largest of the values tried. Try larger ones."
    ) in advice(answer.out)


def test_articles_that_are_cut_are_counted_by_split(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench("model=majority", *SMALL_CORPUS, "protocol.max_length=11")
    (run,) = recorded_runs()
    shares = [run.data.metrics[f"truncated/{split}"] for split in ("train", "validation", "test")]
    train, validation, test = (f"{100 * share:.0f} %" for share in shares)
    assert min(shares) > 0.05
    (line,) = advice(answer.out)
    assert f"{train} of train, {validation} of validation, {test} of test are longer" in line
    assert line.endswith("Raise protocol.max_length.")
    assert advice(rnn_bench("model=majority", *SMALL_CORPUS).out) == []
