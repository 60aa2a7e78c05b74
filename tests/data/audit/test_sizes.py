from pathlib import Path

from rnn_bench.data.audit.summary import summary
from tests.data.planted import articles, audit_of


def test_sizes_classes_and_lengths_add_up(tmp_path: Path) -> None:
    train, test = articles(80, 0), articles(40, 1)
    found = audit_of(tmp_path, train, test)
    for split, rows in (("train", train), ("test", test)):
        sizes = found.splits[split]
        assert sizes.articles == len(rows)
        for name in ("fake", "real"):
            count = sum(label == name for _, label in rows)
            assert sizes.classes[name] == count
            assert sum(sizes.words[name].histogram.counts) == count
    real = sum(label == "real" for _, label in train) > 40
    assert found.majority.class_name == ("real" if real else "fake")


def test_a_class_without_test_articles_has_no_lengths(tmp_path: Path) -> None:
    test = [(text, "real") for text, _ in articles(20, 1)]
    found = audit_of(tmp_path, articles(40, 0), test)
    assert found.splits["test"].classes == {"fake": 0, "real": 20}
    assert [*found.splits["test"].words] == ["real"]
    assert "fake 0 (0.0%), words none" in summary(found)
