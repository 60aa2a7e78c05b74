"""`python -m rnn_bench.data`, in this process and as the process that a user starts."""

import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rnn_bench.commands.arguments import CORPORA
from rnn_bench.data.__main__ import main
from rnn_bench.data.corpora import editions, study_files
from rnn_bench.data.corpus import DataError
from tests.conftest import unable_to_write
from tests.data.file_server import serving
from tests.data.kaggle_server import ISOT, TRUE, Kaggle, kaggle_serving

COMMAND = (sys.executable, "-m", "rnn_bench.data")


@pytest.fixture
def kaggle() -> Iterator[Kaggle]:
    with kaggle_serving(ISOT) as kaggle:
        yield kaggle


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Ten articles of the Kaggle corpus, with all that its preparation must handle."""
    folder = tmp_path / "kaggle" / "raw"
    folder.mkdir(parents=True)
    rows = [f"{row},Title {row},Text-{row}!,{'REAL' if row % 2 else 'FAKE'}" for row in range(10)]
    table = "\n".join(["Unnamed: 0,title,text,label", *rows, ""])
    (folder / "fake_or_real_news.csv").write_bytes(table.encode())
    return folder


def run(
    *arguments: str, environment: dict[str, str] | None = None, prefix: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, *COMMAND, *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) <= 6
    return err


def test_fetch_without_a_terminal_says_what_it_does_and_draws_no_bar(
    kaggle: Kaggle, tmp_path: Path
) -> None:
    done = run("fetch", "isot", f"data_dir={tmp_path}", environment=kaggle.environment(tmp_path))
    assert done.returncode == 0
    page = "https://www.kaggle.com/datasets/emineyetm/fake-news-detection-datasets"
    assert done.stdout == (
        f"Downloading True.csv and Fake.csv from {page}\n"
        f"The raw files in {tmp_path}/isot/raw are another edition than the published one.\n"
        "Licence: not stated at the source.\n"
        "Cite: Ahmed, Traore and Saad 2017, Detection of online fake news using n-gram analysis "
        "and machine learning techniques.\n"
    )
    assert done.stderr == ""
    assert (tmp_path / "isot" / "raw" / "True.csv").read_bytes() == TRUE


def test_a_person_sees_a_bar(kaggle: Kaggle, tmp_path: Path) -> None:
    screen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    environment = {**os.environ, **kaggle.environment(tmp_path)}
    command = [*COMMAND, "fetch", "isot", f"data_dir={tmp_path}"]
    subprocess.run(command, env=environment, stderr=terminal, stdout=subprocess.DEVNULL, check=True)
    shown = os.read(screen, 100_000)
    os.close(screen)
    os.close(terminal)
    assert b"100%|" in shown


def test_a_refused_download_ends_with_status_2_and_no_traceback(
    kaggle: Kaggle,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kaggle.behaviour = 404
    for name, value in kaggle.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert main(["fetch", "isot", f"data_dir={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Kaggle refuses the download: 404 Not Found.\n")
    assert len(error.splitlines()) <= 6


def test_two_fetches_at_once_download_once(kaggle: Kaggle, tmp_path: Path) -> None:
    environment = {**os.environ, **kaggle.environment(tmp_path)}
    command = [*COMMAND, "fetch", "isot", f"data_dir={tmp_path}"]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(kaggle.ranges) == 1


def test_ctrl_c_ends_a_download_with_status_130(kaggle: Kaggle, tmp_path: Path) -> None:
    kaggle.behaviour = "silent half way"
    process = subprocess.Popen(
        [*COMMAND, "fetch", "isot", f"data_dir={tmp_path}"],
        env={**os.environ, **kaggle.environment(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert kaggle.sent_first_part.wait(300)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == (
        "Interrupted. The same command goes on from here.\n"
    )
    assert process.returncode == 130


def test_fetch_says_that_a_folder_is_read_only_before_it_downloads(
    kaggle: Kaggle, tmp_path: Path, raw: Path
) -> None:
    (raw / "fake_or_real_news.csv").unlink()
    done = run(
        "fetch",
        "kaggle",
        f"data_dir={tmp_path}",
        prefix=unable_to_write(raw),
        environment=kaggle.environment(tmp_path / "elsewhere"),
    )
    assert done.returncode == 2
    assert done.stderr == f"{raw} cannot be written. Choose another data_dir=FOLDER.\n"
    assert not kaggle.asked_for


def test_prepare_says_that_a_folder_is_read_only(tmp_path: Path, raw: Path) -> None:
    done = run("prepare", "kaggle", f"data_dir={tmp_path}", prefix=unable_to_write(raw.parent))
    assert done.returncode == 2
    assert done.stderr == f"{raw.parent}/preprocessed cannot be used: Permission denied.\n"


def test_prepare_writes_the_study_s_files(tmp_path: Path, raw: Path) -> None:
    assert main(["prepare", "kaggle", f"data_dir={tmp_path}"]) == 0
    folder = tmp_path / "kaggle" / "preprocessed"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "train.csv": (
            b"text,label\ntitle 4 text4,0\ntitle 2 text2,0\ntitle 6 text6,0\ntitle 7 text7,1\n"
            b"title 0 text0,0\ntitle 9 text9,1\ntitle 3 text3,1\ntitle 1 text1,1\n"
        ),
        "test.csv": b"text,label\ntitle 8 text8,0\ntitle 5 text5,1\n",
    }


def test_prepare_says_where_the_files_are_and_what(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["prepare", "kaggle", f"data_dir={tmp_path}"])
    assert capsys.readouterr().out == (
        f"{tmp_path}/kaggle/preprocessed/train.csv: 8 articles\n"
        f"{tmp_path}/kaggle/preprocessed/test.csv: 2 articles\n"
        "The raw files are a sample, with fewer articles than the published ones.\n"
        "The preprocessed files are a sample, with fewer articles than the published ones.\n"
    )


def test_prepare_says_that_the_files_are_the_published_ones(
    tmp_path: Path,
    raw: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study_files.write_preprocessed("kaggle", tmp_path)
    for path in (*raw.iterdir(), *(raw.parent / "preprocessed").iterdir()):
        name = str(path.relative_to(tmp_path))
        monkeypatch.setitem(editions.PUBLISHED, name, editions.blob_id(path))
    main(["prepare", "kaggle", f"data_dir={tmp_path}"])
    assert capsys.readouterr().out.endswith(
        "The raw files are the published ones, to the byte.\n"
        "The preprocessed files are the published ones, to the byte.\n"
    )


def test_prepare_without_raw_files_says_how_to_fetch_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(capsys, "prepare", "isot", f"data_dir={tmp_path}") == (
        f"{tmp_path}/isot/raw/True.csv and {tmp_path}/isot/raw/Fake.csv not found.\n"
        f"Get isot with: python -m rnn_bench.data fetch isot data_dir={tmp_path}\n"
    )


def test_prepare_names_what_is_wrong_in_a_raw_file(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (raw / "fake_or_real_news.csv").write_text("title,label\na,REAL\n")
    words = f"{raw}/fake_or_real_news.csv has no column 'text'"
    assert words in refusal(capsys, "prepare", "kaggle", f"data_dir={tmp_path}")


def test_the_default_folder_is_the_environment_s(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNN_BENCH_DATA", str(tmp_path / "mine"))
    assert f"{tmp_path}/mine/kaggle/raw" in refusal(capsys, "prepare", "kaggle")


def test_without_it_the_default_folder_is_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RNN_BENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert f"{tmp_path}/data/kaggle/raw" in refusal(capsys, "prepare", "kaggle")


def test_an_unknown_corpus_is_answered_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert refusal(capsys, "prepare", "isto") == (
        "isto is not a corpus that is prepared. Did you mean isot?\nCorpora: isot, kaggle\n"
    )
    known = "dataset=isto is not possible: there is no such dataset. Did you mean isot?\nOptions: "
    assert refusal(capsys, "fetch", "isto").startswith(known)


def test_a_corpus_without_files_cannot_be_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    words = "DemoCorpus has no files that can be fetched."
    assert words in refusal(capsys, "fetch", "demo")


def test_fetch_says_whose_a_corpus_is_and_its_licence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], articles: Path
) -> None:
    content = (articles / "cr" / "raw" / "custrev.all").read_bytes()
    with serving({"custrev.all": content}) as source:
        assert main(["fetch", "cr", f"data_dir={tmp_path}", f"dataset.source={source.url}"]) == 0
    assert capsys.readouterr().out == (
        f"Downloading custrev.all from {source.url}/custrev.all\n"
        f"The raw files in {tmp_path}/cr/raw are the published ones, to the byte.\n"
        "Licence: not stated at the source.\n"
        "Cite: Hu and Liu 2004, Mining and summarizing customer reviews.\n"
    )


@pytest.mark.parametrize("setting", ["datadir=here", "here", "data_dir="])
def test_an_unknown_setting_is_answered_with_the_known_one(
    capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    message = f"{setting} is not a setting here. There is one: data_dir=FOLDER\n"
    assert refusal(capsys, "prepare", "isot", setting) == message


def test_an_unknown_command_is_answered_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bring", "isot"]) == 2
    error = capsys.readouterr().err
    assert "'bring' (choose from" in error
    assert len(error.splitlines()) <= 6


def test_hydra_full_error_shows_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(DataError):
        main(["prepare", "isot", f"data_dir={tmp_path}"])


def test_help_imports_nothing_slow() -> None:
    program = (
        "import runpy, sys; sys.argv = ['data', 'fetch', '--help']\n"
        "try: runpy.run_module('rnn_bench.data', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'pandas', 'kagglehub', 'mlflow'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert "data_dir=FOLDER" in shown
    assert shown.endswith("[]\n")


def test_the_command_knows_every_corpus() -> None:
    assert tuple(study_files.RAW_FILES) == CORPORA


def test_without_arguments_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "fetch    download the files of a public corpus" in err
