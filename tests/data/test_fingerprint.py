"""Hashes of articles and of a user's own code."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.preprocessing import MinMaxScaler

from rnn_bench.data import fingerprint
from rnn_bench.data.corpora.demo import DemoCorpus
from rnn_bench.data.corpus import Articles
from rnn_bench.data.fingerprint import code_hash, content_fingerprint

SOURCE = '''"""A module."""

LIMIT = 3


def double(value):
    """Return twice the value."""
    return 2 * value  # as the name says
'''


@pytest.fixture(autouse=True)
def _forget_read_modules() -> None:
    fingerprint._module_hash.cache_clear()


def double_of(path: Path, source: str) -> Any:
    """The function `double` of a module with this source."""
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.double


@pytest.mark.parametrize(
    "edited",
    [
        SOURCE.replace("A module.", "Another docstring."),
        SOURCE.replace('"""A module."""', ""),
        SOURCE.replace("  # as the name says", ""),
        SOURCE.replace('    """Return twice the value."""\n', ""),
        SOURCE.replace("2 * value", "(2 *   value)"),
    ],
)
def test_comments_docstrings_and_layout_do_not_change_the_hash(tmp_path: Path, edited: str) -> None:
    before = code_hash(double_of(tmp_path / "one.py", SOURCE))
    assert before
    assert code_hash(double_of(tmp_path / "two.py", edited)) == before


@pytest.mark.parametrize(
    "edited", [SOURCE.replace("2 * value", "3 * value"), SOURCE.replace("LIMIT = 3", "LIMIT = 4")]
)
def test_any_code_of_the_module_changes_the_hash(tmp_path: Path, edited: str) -> None:
    before = code_hash(double_of(tmp_path / "one.py", SOURCE))
    assert code_hash(double_of(tmp_path / "two.py", edited)) != before


def test_editing_a_file_does_not_change_the_hash_in_a_running_process(tmp_path: Path) -> None:
    double = double_of(tmp_path / "one.py", SOURCE)
    before = code_hash(double)
    (tmp_path / "one.py").write_text("LIMIT = 4", encoding="utf-8")
    assert code_hash(double) == before
    fingerprint._module_hash.cache_clear()
    assert code_hash(double) != before


def test_this_package_torch_and_what_has_no_source_have_no_hash() -> None:
    targets = (DemoCorpus, torch.optim.NAdam, int, print, 3)
    assert [code_hash(target) for target in targets] == [""] * 5


def test_a_class_of_another_library_has_a_hash() -> None:
    assert code_hash(MinMaxScaler)


def test_the_fingerprint_depends_on_texts_labels_and_order() -> None:
    articles = Articles((["a", "b"], [0, 1]), (["c"], [0]), ("x", "y"))
    others = [
        Articles((["b", "a"], [1, 0]), (["c"], [0]), ("x", "y")),
        Articles((["a", "b"], [1, 1]), (["c"], [0]), ("x", "y")),
        Articles((["a"], [0]), (["b", "c"], [1, 0]), ("x", "y")),
        Articles((["a", "b"], [0, 1]), (["c"], [0]), ("x", "z")),
    ]
    assert len({content_fingerprint(each) for each in (articles, *others)}) == 5
