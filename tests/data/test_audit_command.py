"""`python -m rnn_bench.data audit`, and the cache of audits."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rnn_bench.config.errors import UsageError
from rnn_bench.config.schema import Config
from rnn_bench.data.__main__ import main
from rnn_bench.data.audit import audited
from rnn_bench.data.audit.summary import findings
from tests.data.planted import articles, write


@pytest.fixture
def reviews(workplace: Path) -> tuple[str, ...]:
    """A CSV corpus's settings on the command line; one of its test articles is in training."""
    train = articles(60, 0)
    write(workplace / "reviews.csv", train)
    write(workplace / "held_out.csv", [*articles(20, 1), train[0]])
    return ("dataset.train=reviews.csv", "dataset.test=held_out.csv")


def test_the_command_prints_what_the_audit_found(
    reviews: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "csv", *reviews]) == 0
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
    assert main(["audit", "csv", *dropping]) == 0
    assert "is empty: 1 of 61 rows of reviews.csv." in capsys.readouterr().out
    said = findings(audited(configured("dataset=csv", *dropping)))
    assert said.startswith("reviews: 1 of 61 rows of reviews.csv are left out; ")


def test_the_command_prints_json(
    reviews: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "csv", "--json", *reviews]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["corpus"], found["test_articles_in_train"]) == ("reviews", [20])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("isto",), "isto"),
        (("isot",), "There are no articles of isot"),
        (("csv", "dataset.train=nowhere.csv"), "nowhere.csv does not exist"),
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


# --- the cache -------------------------------------------------------------------------------


@pytest.fixture
def config(reviews: tuple[str, ...], configured: Callable[..., Config]) -> Config:
    return configured("dataset=csv", *reviews)


def kept(config: Config) -> list[Path]:
    return sorted((Path(config.cache_dir) / "audits").iterdir())


def test_an_audit_is_made_once(config: Config) -> None:
    first = audited(config)
    (file,) = kept(config)
    assert json.loads(file.read_text()) == first
    file.write_text('{"corpus": "from the cache"}')
    assert audited(config) == {"corpus": "from the cache"}


def test_a_changed_file_is_audited_anew(config: Config, workplace: Path) -> None:
    audited(config)
    write(workplace / "held_out.csv", articles(20, 1))
    assert audited(config)["test_articles_in_train"] == []
    assert len(kept(config)) == 2


def test_a_damaged_audit_is_made_again(config: Config) -> None:
    first = audited(config)
    (file,) = kept(config)
    file.write_text("{")
    assert audited(config) == first
    assert json.loads(file.read_text()) == first


def test_a_cache_that_cannot_be_written_is_named(config: Config) -> None:
    Path(config.cache_dir).mkdir(parents=True, exist_ok=True)
    (Path(config.cache_dir) / "audits").write_text("a file")
    with pytest.raises(UsageError, match=r"cache_dir=.* cannot be used"):
        audited(config)
