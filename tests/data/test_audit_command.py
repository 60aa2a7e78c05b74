"""`python -m rnn_bench.data audit`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rnn_bench.config.schema import Config
from rnn_bench.data.__main__ import main
from rnn_bench.data.audit import audit_corpus
from rnn_bench.data.audit.summary import findings


def test_the_command_prints_what_the_audit_found(
    reviews: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "table", *reviews]) == 0
    out = capsys.readouterr().out
    assert out.startswith("reviews (other, ")
    (line,) = (line for line in out.splitlines() if line.startswith("test articles that train"))
    assert line.split()[-2:] == ["1", "0"]
    assert "length alone" in out


def test_rows_that_are_left_out_are_counted(
    reviews: tuple[str, ...],
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    configured: Callable[..., Config],
) -> None:
    with (workplace / "reviews.csv").open("a") as file:
        file.write('"",news\n')
    dropping = (*reviews, "dataset.drop_bad_rows=true")
    assert main(["audit", "table", *dropping]) == 0
    assert "is empty: 1 of 61 rows of reviews.csv." in capsys.readouterr().out
    said = findings(audit_corpus(configured("dataset=table", *dropping)))
    assert said.startswith("reviews: 1 of 61 rows of reviews.csv are left out; ")


def test_the_command_prints_json(
    reviews: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "table", "--json", *reviews]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["corpus"], found["test_articles_in_train"]) == ("reviews", [20])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("isto",), "isto"),
        (("isot",), "There are no articles of isot"),
        (("table", "dataset.train=nowhere.csv"), "nowhere.csv does not exist"),
        (("kaggle", "dataset.dateline=removed"), "not possible with kaggle"),
        (("isot", "dataset.dateline=hidden"), "one of removed, kept"),
    ],
)
def test_what_cannot_be_audited_is_refused(
    workplace: Path, capsys: pytest.CaptureFixture[str], arguments: Sequence[str], words: str
) -> None:
    assert main(["audit", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert len(err.splitlines()) <= 6
