"""What a report concludes, and of which metric."""

import re
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.report.analysis import Results
from rnn_bench.report.conclusions import write_conclusions
from rnn_bench.report.explanations import explain_numbers
from rnn_bench.tracking.sweeps import read_sweep
from tests.conftest import PLAIN, SMALL, SMALL_CORPUS, Command
from tests.recorded import latest_results, report_page
from tests.report.hand_made import answered, results_of, right_in

Runs = Callable[[], list[Run]]
pytestmark = pytest.mark.usefixtures("reported")

TWO_EPOCHS = (*SMALL_CORPUS, "protocol.epochs=2")


def test_fewer_than_three_seeds_rank_nothing(rnn_bench: Command, workplace: Path) -> None:
    answered = rnn_bench("-m", "model=rnn,gru", "seed=0,1", *SMALL)
    found = latest_results()
    (paragraph,) = write_conclusions(found)
    assert "With fewer than 3 seeds this compares trained models and ranks no " in paragraph
    assert paragraph in answered.out.replace("\n", " ")
    assert " is better " not in paragraph
    assert "is the best" not in paragraph
    assert len(found.best("demo")) == 2
    assert "Where a model has fewer than 3 seeds, trained models are compared" in report_page(
        workplace
    )


@pytest.mark.parametrize("folds", [(), ("dataset.folds=3", "dataset.fold=0,1,2")])
def test_the_answer_names_every_model_that_may_be_the_best(
    folds: tuple[str, ...], rnn_bench: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_bench.report.conclusions.nothing_learned", lambda *_: False)
    seeds = () if folds else ("seed=0,1,2",)
    answered = rnn_bench("-m", "model=rnn,tfidf,majority", *seeds, *folds, *TWO_EPOCHS)
    found = latest_results()
    (corpus,) = found.corpora
    assert corpus == "demo"
    best = found.best(corpus)
    assert best[0] == found.on(corpus)[0]
    (paragraph,) = write_conclusions(found)
    first = paragraph.partition(".  ")[0]
    for each in best:
        estimate = found.primary[each.key]
        assert estimate.has_interval
        assert estimate.over == ("3 splits" if folds else each_over(each.model))
        assert f"{each.label} {estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})" in (
            first.replace(" is the best of 3 models: test accuracy", "")
        )
    shown = f"{found.primary[best[0].key].low:.4f} to {found.primary[best[0].key].high:.4f}"
    assert shown in answered.out
    assert shown in report_page(workplace)
    (folder,) = (workplace / "reports").iterdir()
    assert shown in (folder / "tables/accuracy.tex").read_text()
    assert "chance 0.5" in paragraph
    for pair in found.comparisons[corpus]:
        assert pair.method == ("splits" if folds else pair.method)


def test_a_lower_model_whose_seeds_vary_more_is_perhaps_among_the_best() -> None:
    shares = {"gru": (0.96, 0.962, 0.961), "lstm": (0.93, 0.932, 0.931), "rnn": (0.8, 0.95, 0.87)}
    answers = [
        answered(model, right_in(share, articles=4000, seed=seed), seed=seed)
        for model, of_seeds in shares.items()
        for seed, share in enumerate(of_seeds)
    ]
    found = results_of(*answers)
    assert [each.label for each in found.on("demo")] == ["gru", "lstm", "rnn"]
    assert [each.label for each in found.best("demo")] == ["gru", "rnn"]
    (paragraph,) = write_conclusions(found)
    assert paragraph.startswith("On demo, the best of 3 models is gru 0.961 (")
    assert "), perhaps rnn 0.873 (" in paragraph
    assert ") too, which is lower but not told apart from gru (test accuracy; chance" in paragraph

    (paragraph,) = write_conclusions(results_of(*answers, margin=0.4))
    assert paragraph.startswith("On demo, the best of 3 models are gru 0.961 (")
    assert "they are equivalent within 0.4" in paragraph


def each_over(model: str) -> str:
    return "3 seeds and 96 articles" if model == "rnn" else "96 articles"


def test_the_margin_of_equivalence_is_the_sweep_s(rnn_bench: Command, workplace: Path) -> None:
    rnn_bench("-m", "model=rnn,gru", "seed=0,1,2", "report.margin=0.9", *SMALL)
    found = latest_results()
    ((pair,),) = found.comparisons.values()
    assert pair.margin == 0.9
    assert pair.relation("gru") == "is equivalent to"
    (answer,) = write_conclusions(found)
    assert "no model is better than chance, and no network learned with any seed: gru" in answer
    assert "(0.376 to 0.656); chance 0.552. Mind: gru learned in 0 of 3 seeds (0.00 to" in answer
    assert rnn_bench("-m", "model=rnn,gru", "report.margin=0", *SMALL).status == 2


def test_protocols_are_not_compared_with_each_other(rnn_bench: Command, workplace: Path) -> None:
    rnn_bench("-m", "model=rnn,gru", "protocol=fair,notebook", *SMALL)
    found = latest_results()
    assert found.corpora == ["demo (protocol fair)", "demo (protocol notebook)"]
    assert all(len(pairs) == 1 for pairs in found.comparisons.values())


@pytest.mark.parametrize("model", ["rnn", "majority"])
def test_settings_that_vary_beside_a_protocol_are_not_lumped(
    model: str, rnn_bench: Command, workplace: Path
) -> None:
    varied = ("protocol=fair,notebook", "protocol.max_length=8,12")
    rnn_bench("-m", f"model={model}", *varied, *TWO_EPOCHS)
    found = latest_results()
    assert len(found.corpora) == 4
    assert found.comparisons == {}
    paragraph, *_ = write_conclusions(found)
    assert paragraph.startswith("One model was tested on each corpus, so none is compared.")


def test_articles_that_changed_between_runs_are_another_corpus(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    sweep = ("-m", "model=majority,tfidf", "dataset=table", "dataset.train=mine.csv")
    for count in (60, 80):
        rows = [f"sun number {n},{n % 2}" for n in range(count)]
        (workplace / "mine.csv").write_text("\n".join(["text,label", *rows]))
        rnn_bench(*sweep)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    for run in recorded_runs():
        client.set_tag(run.info.run_id, "sweep.both", "trained")
    found = Results(read_sweep(client, "1", "both"))
    assert len(found.corpora) == 2
    assert all(re.fullmatch(r"mine \([0-9a-f]{6}\)", corpus) for corpus in found.corpora)
    assert len(found.comparisons) == 2


def test_a_user_s_own_baseline_is_not_called_a_network(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=majority,tfidf", *SMALL_CORPUS)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    best = max(recorded_runs(), key=lambda run: run.data.metrics["test_accuracy"])
    for name, value in {"model": "mine", "kind": "baseline", "kernel": "torch"}.items():
        client.set_tag(best.info.run_id, name, value)
    found = latest_results()
    paragraph, *_ = write_conclusions(found)
    assert paragraph.startswith("On demo, ")
    assert "mine" in paragraph
    assert "network" not in paragraph
    client.set_tag(best.info.run_id, "kind", "network")
    paragraph, *_ = write_conclusions(latest_results())
    assert "the trained mine has the highest test accuracy of 2 models" in paragraph


@pytest.mark.parametrize(
    ("primary", "words"),
    [
        ("test_macro_f1", "test macro F1"),
        ("test_recall/fake", "test recall of fake"),
        ("test_loss", "test loss"),
    ],
)
def test_the_primary_metric_ranks_the_table_and_the_answer(
    primary: str, words: str, rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    answer = rnn_bench(
        *("-m", "model=rnn,gru,tfidf,majority", "seed=0,1", *TWO_EPOCHS, *PLAIN[:-1]),
        f"primary_metric={primary}",
    )
    assert answer.status == 0, answer.out
    assert words in answer.out
    assert "test accuracy  chance" not in answer.out
    found = latest_results()
    paragraph, *_ = write_conclusions(found)
    means = {
        model: mean(
            run.data.metrics[primary] for run in recorded_runs() if run.data.tags["model"] == model
        )
        for model in ("rnn", "gru", "tfidf", "majority")
    }
    is_loss = primary == "test_loss"
    best = (min if is_loss else max)(means, key=means.__getitem__)
    extreme = "lowest" if is_loss else "highest"
    which = f"the trained {best} has the {extreme} {words} of 4 models: {means[best]:.3f}"
    assert which in paragraph
    assert f"&orderByAsc={str(is_loss).lower()}&" in answer.out.replace("\n", "")
    assert words in explain_numbers(found)
    again = rnn_bench("-m", "model=tfidf", "seed=0", *TWO_EPOCHS, *PLAIN[:-1])
    assert "1 reused" in again.out or "reused: run" in again.out


def test_a_primary_metric_that_a_corpus_has_not_is_refused_before_training(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench("model=majority", *SMALL_CORPUS, "primary_metric=test_f1/spam")
    assert answer.status == 2
    assert "primary_metric=test_f1/spam cannot rank the models of demo; these can:" in answer.err
    assert "test_f1/fake" in answer.err
    assert recorded_runs() == []
