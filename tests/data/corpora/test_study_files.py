from pathlib import Path

import pandas as pd
import pytest

from rnn_bench.data.corpora.study_files import prepare, write_preprocessed
from rnn_bench.data.corpus import DataError


def test_kaggle_labels_are_real_and_fake(tmp_path: Path) -> None:
    file = tmp_path / "fake_or_real_news.csv"
    table = pd.DataFrame(
        {"title": "A", "text": [*map(str, range(10))], "label": ["REAL", "FAKE"] * 5}
    )
    table.to_csv(file)
    both = pd.concat(prepare("kaggle", [file])[:2]).sort_index()
    assert both["label"].tolist() == [1, 0] * 5
    assert both["text"].tolist() == [f"a {i}" for i in range(10)]


def test_an_unknown_kaggle_label_is_named(tmp_path: Path) -> None:
    file = tmp_path / "fake_or_real_news.csv"
    pd.DataFrame({"title": ["A"], "text": ["b"], "label": ["MAYBE"]}).to_csv(file)
    with pytest.raises(DataError, match="'MAYBE' is neither REAL nor FAKE"):
        prepare("kaggle", [file])


def test_preprocessed_files_have_the_columns_text_and_label(isot: Path) -> None:
    write_preprocessed("isot", isot)
    lines = (isot / "isot" / "preprocessed" / "test.csv").read_bytes().splitlines()
    assert lines[0] == b"text,label"
