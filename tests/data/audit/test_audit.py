"""Audits of flawless articles, and the cache of audits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rnn_bench.config.errors import UsageError
from rnn_bench.config.schema import Config
from rnn_bench.data.audit import audit_articles, audit_corpus
from rnn_bench.data.audit.results import ExactDuplicates
from rnn_bench.data.audit.summary import findings
from rnn_bench.data.corpus import Articles, DataError
from tests.data.planted import articles, audit_of, probe, write


def test_clean_articles_have_no_duplicates_and_fail_every_probe(tmp_path: Path) -> None:
    found = audit_of(tmp_path, articles(400, 0), articles(200, 1))
    near = found.near_duplicates
    assert found.duplicates == ExactDuplicates(0, 0, 0, 0)
    assert (near.within_train, near.within_test, near.test_in_train) == (0, 0, 0)
    for name in ("length alone", "dateline alone", "first five words"):
        assert probe(found, name).low <= found.majority.accuracy
    assert findings(found) == ""


def test_nothing_is_wrong_with_the_demo_corpus(configured: Callable[..., Config]) -> None:
    assert findings(audit_corpus(configured())) == ""


# --- the cache -------------------------------------------------------------------------------


@pytest.fixture
def config(reviews: tuple[str, ...], configured: Callable[..., Config]) -> Config:
    return configured("dataset=table", *reviews)


def cached_files(config: Config) -> list[Path]:
    return sorted((Path(config.cache_dir) / "audits").iterdir())


def test_an_audit_is_made_once(config: Config) -> None:
    first = audit_corpus(config)
    (file,) = cached_files(config)
    assert file.read_text() == first.to_json()
    file.write_text(replace(first, edition="from the cache").to_json())
    assert audit_corpus(config).edition == "from the cache"


def test_a_changed_file_is_audited_anew(config: Config, workplace: Path) -> None:
    audit_corpus(config)
    write(workplace / "held_out.csv", articles(20, 1))
    assert audit_corpus(config).test_articles_in_train == []
    assert len(cached_files(config)) == 2


def test_another_version_of_the_audit_is_made_anew(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit_corpus(config)
    monkeypatch.setattr("rnn_bench.data.audit.AUDIT_VERSION", 99)
    audit_corpus(config)
    assert len(cached_files(config)) == 2


def test_texts_that_are_cut_otherwise_are_audited_anew(
    reviews: tuple[str, ...], configured: Callable[..., Config]
) -> None:
    tables = [
        configured("dataset=table", *reviews, f"protocol.tokens={kind}")
        for kind in ("words", "characters")
    ]
    found = [audit_corpus(table).telling_words for table in tables]
    assert [telling.tokens for telling in found if telling] == ["words", "characters"]
    assert len(cached_files(tables[0])) == 2


@pytest.mark.parametrize("damage", ["{", "", "[]", '{"corpus": "half of it"}'])
def test_a_damaged_audit_is_made_again(config: Config, damage: str) -> None:
    first = audit_corpus(config)
    (file,) = cached_files(config)
    file.write_text(damage)
    assert audit_corpus(config) == first
    assert file.read_text() == first.to_json()


def test_a_cache_that_cannot_be_written_is_named(config: Config) -> None:
    Path(config.cache_dir).mkdir(parents=True, exist_ok=True)
    (Path(config.cache_dir) / "audits").write_text("a file")
    with pytest.raises(UsageError, match=r"cache_dir=.* cannot be used"):
        audit_corpus(config)


# --- unfit articles --------------------------------------------------------------------------


def test_articles_of_one_class_or_without_test_articles_are_refused() -> None:
    both, one = (["a", "b"], [0, 1]), (["a", "b"], [1, 1])
    with pytest.raises(DataError, match="of mine are not of two classes or more"):
        audit_articles(Articles(one, both, ("x", "y")), "mine")
    with pytest.raises(DataError, match="mine has no test articles"):
        audit_articles(Articles(both, ([], []), ("x", "y")), "mine")
