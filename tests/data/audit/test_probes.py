import itertools
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from rnn_bench.data.audit import audit_articles
from rnn_bench.data.audit.summary import findings
from tests.data.planted import CITIES, Rows, articles, audit_of, corpus_of, probe, write


def test_a_planted_dateline_is_found_and_length_is_not_blamed(tmp_path: Path) -> None:
    chance = random.Random(0)

    def dated(rows: Rows) -> Rows:
        return [
            (f"{chance.choice(CITIES)} (Reuters) - {' '.join(text.split()[3:])}", label)
            if label == "real"
            else (text, label)
            for text, label in rows
        ]

    found = audit_of(tmp_path, dated(articles(400, 0)), dated(articles(200, 1)))
    assert probe(found, "dateline alone").accuracy == 1
    assert probe(found, "dateline alone").low > 0.95
    assert probe(found, "length alone").accuracy == found.majority.accuracy


def test_the_dateline_is_read_before_cleaning_takes_its_dash(tmp_path: Path) -> None:
    for name, seed in (("train.csv", 0), ("test.csv", 1)):
        rows = [(f"ROME - {t}" if c == "real" else t, c) for t, c in articles(100, seed)]
        write(tmp_path / name, rows)
    found = audit_articles(corpus_of(tmp_path, "study").read(), "planted")
    assert probe(found, "dateline alone").accuracy == 1


def test_a_planted_length_is_found(tmp_path: Path) -> None:
    def shortened(rows: Rows) -> Rows:
        return [(" ".join(t.split()[:40]) if c == "real" else t, c) for t, c in rows]

    found = audit_of(tmp_path, shortened(articles(200, 0)), shortened(articles(100, 1)))
    assert probe(found, "length alone").accuracy == 1
    words = found.splits["train"].words
    assert (words["real"].min, words["real"].max, words["fake"].median) == (40, 40, 60)
    assert "length alone 1.000" in findings(found)


def test_of_several_splits_a_probe_is_named_that_tells_on_most(tmp_path: Path) -> None:
    def shortened(rows: Rows) -> Rows:
        return [(" ".join(t.split()[:40]) if c == "real" else t, c) for t, c in rows]

    plain = audit_of(tmp_path, articles(200, 0), articles(100, 1))
    telling = audit_of(tmp_path, shortened(articles(200, 0)), shortened(articles(120, 1)))
    low = probe(plain, "length alone").accuracy
    said = findings(plain, telling, telling)
    assert said.startswith("planted, 3 splits: ")
    assert f"length alone {low:.3f} to 1.000 (AUC " in said
    assert "length alone" not in findings(plain, plain)


def test_a_probe_that_an_audit_lacks_is_that_of_the_others(tmp_path: Path) -> None:
    rows = [(f"{c} {t}", c) for t, c in articles(200, 0)]
    found = audit_of(tmp_path, rows, rows[:100])
    assert "first five words 1.000" in findings(found)
    others = [each for each in found.probes if each.name != "first five words"]
    lacking = replace(found, probes=others)
    for audits in ((found, lacking, found), (lacking, found, found)):
        assert re.search(r"first five words 1\.000 \(AUC \S+\) on 2 of them", findings(*audits))


def test_a_weak_probe_is_named_that_tells_on_all_splits_together(tmp_path: Path) -> None:
    plain = audit_of(tmp_path, articles(200, 0), articles(100, 1))
    assert plain.best_constant == 0.5
    length = probe(plain, "length alone")
    low, high = binomtest(56, 100).proportion_ci(method="wilson")
    weak = replace(length, accuracy=0.56, low=low, high=high, balanced_low=0.4, auc_low=0.4)
    probes = [weak if each is length else each for each in plain.probes]
    split = replace(plain, probes=probes)
    assert findings(split) == ""
    assert "length alone 0.560" in findings(*[split] * 10)


def test_a_length_that_only_the_rare_class_has_is_found_though_a_constant_is_as_accurate(
    tmp_path: Path,
) -> None:
    """An eighth of the articles are spam and short, and of each five short ones three are not."""

    def unequal(count: int, seed: int) -> Rows:
        rows = []
        for number, (text, _) in enumerate(articles(count, seed)):
            label = "spam" if number % 8 == 0 else "ham"
            is_short = label == "spam" or number % 8 in (3, 5)
            rows.append((" ".join(text.split()[: 20 if is_short else 60]), label))
        return rows

    found = audit_of(tmp_path, unequal(800, 0), unequal(800, 1))
    length = probe(found, "length alone")
    assert length.accuracy == found.best_constant == 7 / 8
    assert (length.balanced_accuracy, length.chance) == (0.5, 0.5)
    assert length.auc == pytest.approx((5 / 7 + 1) / 2)
    assert length.auc_low > 0.5
    assert found.beats_constant(length)
    assert "length alone 0.875 (AUC 0.857)" in findings(found)


def test_balanced_accuracy_and_auc_of_a_probe_are_scikit_learn_s(tmp_path: Path) -> None:
    def graded(seed: int) -> Rows:
        rows = articles(400, seed)
        chance = random.Random(seed)
        for number, (text, _) in enumerate(rows):
            label = "abc"[0 if number % 7 < 4 else number % 3]
            words = 20 + 10 * "abc".index(label) + chance.choice((0, 10, 20))
            rows[number] = (" ".join(text.split()[:words]), label)
        return rows

    length = probe(audit_of(tmp_path, graded(0), graded(1)), "length alone")
    words = [[[len(text.split())] for text, _ in graded(seed)] for seed in (0, 1)]
    labels = [[label for _, label in graded(seed)] for seed in (0, 1)]
    tree = DecisionTreeClassifier(max_leaf_nodes=8, random_state=0).fit(words[0], labels[0])
    assert length.balanced_accuracy == pytest.approx(
        balanced_accuracy_score(labels[1], tree.predict(words[1]))
    )
    assert length.auc == pytest.approx(
        roc_auc_score(labels[1], tree.predict_proba(words[1]), multi_class="ovr")
    )
    assert length.chance == pytest.approx(1 / 3)


def test_subject_and_date_are_probed_where_there_are_such_columns(tmp_path: Path) -> None:
    def dated(rows: Rows) -> Rows:
        days = itertools.cycle(["May 1, 2017", "May 2, 2017", "May 3, 2017"])
        return [(t, c, "world" if c == "real" else "left-news", next(days)) for t, c in rows]

    columns = ("text", "label", "subject", "date")
    found = audit_of(tmp_path, dated(articles(200, 0)), dated(articles(100, 1)), columns)
    assert probe(found, "subject alone").accuracy == 1
    assert probe(found, "date alone").low <= found.majority.accuracy
    assert probe(found, "date alone").missing is None


def test_a_probe_without_its_column_says_so(tmp_path: Path) -> None:
    found = audit_of(tmp_path, articles(40, 0), articles(20, 1))
    missing = probe(found, "subject alone")
    assert missing.missing == "there is no raw column subject"
    assert (missing.accuracy, missing.low, missing.high, missing.n) == (None, None, None, None)
