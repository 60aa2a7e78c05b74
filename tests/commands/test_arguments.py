"""Arguments of the commands: a wrong one is answered in a few lines."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rnn_bench.command_line import main

CSV = "review,kind\n" + "".join(f"word{i} word,{'ab'[i % 2]}\n" for i in range(40))


@pytest.fixture
def reviews_csv(workplace: Path) -> Path:
    path = workplace / "my reviews (1).csv"
    path.write_text(CSV)
    return path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["report", "--nothing"], "Unrecognized arguments: --nothing"),
        (["report", "--sweep", "a", "--sweep", "b"], "--sweep is given twice"),
        (["report", "--sweep", "latest", "--sweep=latest"], "--sweep is given twice"),
        (["list", "--tracking-uri", "a", "--tracking-uri", "b"], "--tracking-uri is given twice"),
        (["serve", "m", "--port", "many"], "invalid int value: 'many'"),
        (["serve"], "required: MODEL"),
        (["copy"], "required: --to"),
        (["reprot"], "invalid choice: 'reprot'"),
        (["fetch", "isot", "data_dir=a", "data_dir=b"], "data_dir is given twice"),
        (
            ["audit", "dataset.train=a.csv"],
            "Name the corpus first: audit table dataset.train=a.csv",
        ),
        (["audit", "nowhere.csv"], "nowhere.csv does not exist"),
        (["audit", "dataset=table", "dataset.train=nowhere.csv"], "nowhere.csv does not exist"),
        (["audit", "demo", "seed=1", "seed=2"], "seed is given twice"),
        (["audit", "demo", "sweep_id=a"], "sweep_id is not possible"),
        (["audit", "dem"], "Did you mean demo?"),
    ],
)
def test_a_wrong_argument_is_named(
    words: Sequence[str], says: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert len(err.splitlines()) <= 6


def test_a_csv_file_is_audited_by_its_name(
    reviews_csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ["dataset.text_column=review", "dataset.label_column=kind"]
    assert main(["audit", reviews_csv.name, *columns]) == 0
    assert capsys.readouterr().out.startswith("my reviews (1) (other, ")


def test_a_missing_column_is_named_with_its_key(
    reviews_csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for column, key in (("text", "text"), ("review", "label")):
        assert main(["audit", str(reviews_csv), f"dataset.text_column={column}"]) == 2
        assert f"Name another with dataset.{key}_column=..." in capsys.readouterr().err


def test_a_shell_s_home_folder_is_found_after_an_equals_sign(
    reviews_csv: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(reviews_csv.parent / "home"))
    assert main(["predict", "RUN", "--csv=~/a.csv"]) == 2
    assert f"{reviews_csv.parent}/home/a.csv" in capsys.readouterr().err
    assert main(["prepare", "isot", "data_dir=~/data"]) == 2
    assert f"{reviews_csv.parent}/home/data" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["list", "--experiment-name"], ["audit"]])
def test_a_refusal_writes_no_control_signs_to_the_terminal(
    words: Sequence[str], new_store: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "mlflow.db").write_bytes(new_store.read_bytes())
    assert main([*words, "\x1b[2Jmodel"]) == 2
    err = capsys.readouterr().err
    assert "[2Jmodel" in err
    assert "\x1b" not in err
