"""The same models over several corpora."""

import re
from itertools import chain, product

import pytest

from rnn_bench.report.conclusions import write_conclusions
from rnn_bench.report.contents import Section
from rnn_bench.report.explanations import describe_cover
from rnn_bench.report.sections.corpora import corpora_section
from tests.report.hand_made import Answer, answered, over_seeds, results_of, right_in

NAMES = ("a", "b", "c", "d", "e", "f")
SHARES = {"gru": 0.9, "rnn": 0.7, "majority": 0.5}


def on_corpora(corpora: str, seeds: int = 3, **shares: float) -> list[Answer]:
    pairs = ((name, model) for name in corpora for model in shares)
    return [*chain(*(over_seeds(m, shares[m], seeds, dataset=name) for name, m in pairs))]


def section(*answers: Answer) -> Section:
    found = corpora_section(results_of(*answers))
    assert found is not None
    return found


def test_models_are_ranked_over_corpora_and_pairs_counted_by_verdicts() -> None:
    found = section(*on_corpora("abcdef", **SHARES))
    ranks, wins = found.tables
    assert [row[:3] for row in ranks.rows] == [
        *(("gru", "a", "1.00"), ("rnn", "ab", "2.00"), ("majority", "b", "3.00")),
    ]
    assert ranks.columns[3:] == NAMES
    assert str(ranks.rows[0][3]) == "0.9000 (1)"
    assert [row[:2] for row in wins.rows] == [
        ("gru", "rnn"),
        ("gru", "majority"),
        ("rnn", "majority"),
    ]
    assert {tuple(row[2:]) for row in wins.rows} == {("6", "0", "0", "0")}
    (text,) = found.text
    assert text.startswith("Over 6 corpora, gru has the best mean rank of 3 models, 1.00.")
    assert "Nemenyi's, which needs differences of 1.35 and more, rnn may be as good" in text
    assert [figure.name for figure in found.figures] == ["ranks"]
    assert "gru 1.00; rnn 2.00; majority 3.00" in found.figures[0].text


def test_few_corpora_are_said_and_two_are_not_ranked() -> None:
    *_, warning = section(*on_corpora("abc", **SHARES)).text
    assert warning.startswith("With fewer than 5 corpora only models that are far apart")
    assert corpora_section(results_of(*on_corpora("ab", **SHARES))) is None


def test_a_model_that_lacks_a_corpus_is_left_out_and_named() -> None:
    found = section(*on_corpora("abc", **SHARES), *on_corpora("ab", lstm=0.95))
    assert {row[0] for row in found.tables[0].rows} == {*SHARES}
    assert found.tables[0].note.endswith("Not on all corpora: lstm.")


def test_settings_of_one_corpus_are_not_several_corpora() -> None:
    sizes = [over_seeds(m, 0.8, train_size=size) for m in ("gru", "rnn") for size in (0.1, 0.3, 1)]
    assert corpora_section(results_of(*chain(*sizes))) is None
    several = [
        over_seeds(model, share, dataset=name, train_size=size)
        for name in "abc"
        for size in (0.1, 1)
        for model, share in SHARES.items()
    ]
    found = section(*chain(*several))
    assert [table.title for table in found.tables[::2]] == [
        "Mean ranks over 3 corpora, train_size 0.1",
        "Mean ranks over 3 corpora, train_size 1",
    ]


@pytest.mark.parametrize(
    ("seeds", "counts"), [(2, ("0", "0", "3", "0")), (3, ("3", "0", "0", "0"))]
)
def test_trained_models_alone_are_undecided(seeds: int, counts: tuple[str, ...]) -> None:
    _, wins = section(*on_corpora("abc", seeds, gru=0.9, rnn=0.6)).tables
    assert tuple(wins.rows[0][2:]) == counts


def test_no_difference_is_said_to_be_none() -> None:
    answers = [
        answered(model, right_in(0.7 + 0.02 * ((n + k) % 3), seed=k), dataset=name)
        for n, name in enumerate(NAMES[:3])
        for k, model in enumerate(("tfidf", "nbsvm", "majority"))
    ]
    found = section(*answers)
    assert "Friedman's test finds no difference between the models (p = 1.0000)" in found.text[0]
    assert [row[1:3] for row in found.tables[0].rows] == [("a", "2.00")] * 3


def test_the_answer_counts_baselines_where_there_are_some_and_keeps_the_warnings() -> None:
    runs = on_corpora("abcd", gru=0.9, rnn=0.7)
    runs += [*over_seeds("majority", 0.5, dataset="a"), *over_seeds("lstm", 0.5, 1, dataset="b")]
    (answer,) = write_conclusions(results_of(*runs))
    assert "On 1 of the 1 with baselines every baseline is worse than the best." in answer
    assert answer.endswith("Mind: lstm is not ranked, with fewer than 3 seeds (b).")


def test_models_and_corpora_with_the_same_caution_are_named_together() -> None:
    runs = on_corpora("abcd", tfidf=0.8, nbsvm=0.7)
    runs += [*on_corpora("bd", 1, lstm=0.6, gru=0.5), *on_corpora("c", 1, gru=0.6, lstm=0.5)]
    (answer,) = write_conclusions(results_of(*runs))
    assert answer.endswith("Mind: gru and lstm are not ranked, with fewer than 3 seeds (b, c, d).")


def test_corpora_that_are_not_ranked_are_not_counted_as_such() -> None:
    runs = [*on_corpora("abc", gru=0.9, tfidf=0.7), *on_corpora("d", 1, gru=0.9, tfidf=0.7)]
    (answer,) = write_conclusions(results_of(*runs))
    assert answer.startswith("Of the 3 of 4 corpora and settings whose models are ranked, among ")


def test_one_model_on_several_corpora_is_compared_with_none() -> None:
    (answer,) = write_conclusions(results_of(*on_corpora("abcd", gru=0.9)))
    assert answer == (
        "One model was tested on each corpus, so none is compared. The tables have the numbers of "
        "4 corpora and settings."
    )


def test_more_seeds_of_a_search_are_asked_for_by_its_own_key() -> None:
    runs = [*over_seeds("gru", 0.9), *over_seeds("lstm", 0.885)]
    (plain,) = write_conclusions(results_of(*runs))
    (searched,) = write_conclusions(results_of(*runs, search={"space": {}}))
    wanted = re.search(r"the same command with seed=range\(0,(\d+)\)\.", plain)
    assert wanted
    assert f"the same command with search.seeds={wanted[1]}." in searched


def test_that_nothing_learned_is_said_where_no_model_is_better_than_chance() -> None:
    unlearned = [
        *over_seeds("gru", 0.5, outcome="unlearned"),
        *over_seeds("rnn", 0.5, outcome="diverged"),
    ]
    chance = "no model is better than chance"
    (answer,) = write_conclusions(results_of(*unlearned, *over_seeds("majority", 0.5)))
    assert f"{chance}, and no network learned with any seed" in answer
    assert "rnn diverged in 3 of 3 runs (0.29 to 1.00 of all seeds)" in answer
    assert "gru learned in 0 of 3 seeds" in answer
    for better in (over_seeds("tfidf", 0.8), over_seeds("lstm", 0.5)):
        (answer,) = write_conclusions(results_of(*unlearned, *better))
        assert chance not in answer
    several = [
        run
        for name, model in product("abcd", ("gru", "lstm"))
        for run in over_seeds(model, 0.5, dataset=name, outcome="unlearned")
    ]
    learned = on_corpora("efg", gru=0.9, rnn=0.7)
    (answer,) = write_conclusions(results_of(*several, *learned))
    assert answer.startswith("Of the 3 of 7 corpora and settings whose models are ranked, among ")
    assert f"Mind: {chance} (a, b, c, d); " in answer
    (answer,) = write_conclusions(results_of(*several))
    assert answer == "No model is better than chance on any of 4 corpora and settings."


def test_what_would_separate_the_best_is_said_beside_a_worse_baseline() -> None:
    runs = [*over_seeds("gru", 0.9), *over_seeds("lstm", 0.885), *over_seeds("majority", 0.5)]
    (answer,) = write_conclusions(results_of(*runs))
    assert re.search(
        r"nothing here separates them\. The baseline is majority: 0\.4\d\d \(.*\) worse than gru; "
        r"this sweep finds a difference of 0\.\d+ in about 4 of 5 cases, and about \d+ more seeds "
        r"would separate gru and lstm: the same command with seed=range\(0,\d+\)\.$",
        answer,
    )


def test_intervals_of_one_split_and_of_several_cover_different_things() -> None:
    splits = [
        over_seeds(model, share, 1, dataset="a", folds=3, fold=fold)
        for fold in range(3)
        for model, share in SHARES.items()
    ]
    several = "where there are several splits, those, with their articles and seeds"
    said = describe_cover(results_of(*chain(*splits), *on_corpora("b", **SHARES)))
    assert said == (
        "Brackets: 95 % interval. It covers seeds and test articles, not another split of the "
        f"corpus; {several}."
    )
    said = describe_cover(results_of(*chain(*splits), *on_corpora("b", 1, **SHARES)))
    assert said == (
        "Brackets: 95 % interval. It covers articles, not another split of the corpus and not "
        f"other seeds; {several}."
    )
    assert "covers the splits" in describe_cover(results_of(*chain(*splits)))


def test_a_model_without_predictions_is_not_called_equivalent() -> None:
    runs = [*over_seeds("gru", 0.9), *over_seeds("lstm", 0.9), *over_seeds("majority", 0.5)]
    results = results_of(*runs)
    for name in [each for each in results.predictions if each.startswith("lstm")]:
        del results.predictions[name]
    (answer,) = write_conclusions(results)
    assert "gru is the best of 2 models" in answer
    assert answer.endswith("Mind: lstm is not ranked, with predictions missing.")


def test_a_fold_that_failed_leaves_an_answer_that_says_so() -> None:
    runs = [
        answer
        for fold in range(4)
        for model in ("gru", "rnn", "majority")
        if (model, fold) != ("rnn", 2)
        for answer in over_seeds(model, SHARES[model], fold=fold, folds=4)
    ]
    (answer,) = write_conclusions(results_of(*runs))
    assert answer.endswith("Mind: rnn was tested on 3 of 4 splits.")
