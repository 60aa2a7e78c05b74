"""What is kept of a corpus, and when it is made again."""

import json
import multiprocessing
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
import torch

from rnn_bench.config.errors import UsageError
from rnn_bench.config.schema import Config
from rnn_bench.data.cache import CorpusReader
from rnn_bench.data.corpora.editions import PUBLISHED, blob_id
from rnn_bench.data.corpus import Articles, Corpus, DataError
from rnn_bench.data.encoding import encoded_corpus
from tests.conftest import SMALL_CORPUS

Compose = Callable[..., Config]


@dataclass
class CountedCorpus(Corpus):
    """Counts how often it is read, which takes a moment."""

    reads: str
    data_dir: Path

    def read(self) -> Articles:
        time.sleep(0.5)
        with Path(self.reads).open("a") as file:
            file.write("read\n")
        texts = [f"article {i} of a few words" for i in range(40)]
        labels = [0, 1] * 20
        return Articles((texts, labels), (["a test article"], [1]), ("no", "yes"), cleaning="lower")

    def identity(self) -> dict[str, Any]:
        return {"settings": "always the same"}


def counted(config: Config, tmp_path: Path) -> Config:
    target = f"{__name__}.CountedCorpus"
    config.dataset = {"_target_": target, "name": "counted", "reads": str(tmp_path / "reads")}
    return config


def reads(tmp_path: Path) -> int:
    return len((tmp_path / "reads").read_text().splitlines())


def cached(workplace: Path) -> list[Path]:
    return [*(workplace / "cache" / "encoded").glob("*.safetensors")]


def test_articles_are_read_and_encoded_once(configured: Compose, tmp_path: Path) -> None:
    config = counted(configured(), tmp_path)
    first, second = encoded_corpus(config), encoded_corpus(config)
    assert reads(tmp_path) == 1
    assert torch.equal(first.train.tokens, second.train.tokens)
    assert first.vocabulary == second.vocabulary


def encode(config: Config, together: Barrier) -> None:
    together.wait(timeout=60)
    encoded_corpus(config)


def test_processes_that_need_the_same_encoding_do_the_work_once(
    configured: Compose, tmp_path: Path
) -> None:
    config = counted(configured(), tmp_path)
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    processes = [context.Process(target=encode, args=(config, together)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert reads(tmp_path) == 1


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "foreign": lambda content: b"this is no encoding, " * 100,
}


def flipped(name: str) -> Callable[[bytes], bytes]:
    """Return what flips a bit in the middle of a tensor or of the vocabulary."""

    def flip(content: bytes) -> bytes:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        if name == "vocabulary":
            position = content.index(b"vocabulary") + 100
        else:
            start, end = header[name]["data_offsets"]
            position = 8 + size + (start + end) // 16 * 8
        changed = bytearray(content)
        changed[position] ^= 1
        return bytes(changed)

    return flip


DAMAGES |= {
    f"a flipped bit of {name}": flipped(name)
    for name in ("test.labels", "train.tokens", "validation.offsets", "vocabulary")
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_file_is_noticed_and_rebuilt(
    damage: str, configured: Compose, workplace: Path
) -> None:
    config = configured(*SMALL_CORPUS)
    encoded_corpus(config)
    whole = encoded_corpus(config)
    parts = {part: getattr(whole.test, part).clone() for part in ("tokens", "offsets", "labels")}
    (file,) = cached(workplace)
    damaged = file.with_suffix(".damaged")
    damaged.write_bytes(DAMAGES[damage](file.read_bytes()))
    damaged.replace(file)  # what is mapped from the whole file stays as it is
    again = encoded_corpus(config)
    assert all(torch.equal(getattr(again.test, part), value) for part, value in parts.items())
    assert torch.equal(again.train.tokens, whole.train.tokens)
    assert again.vocabulary == whole.vocabulary


def test_a_sound_file_with_another_encoding_is_noticed_and_rebuilt(
    configured: Compose, workplace: Path
) -> None:
    config = configured(*SMALL_CORPUS)
    whole = encoded_corpus(config)
    (file,) = cached(workplace)
    encoded_corpus(configured(*SMALL_CORPUS, "protocol.max_length=3"))
    (other,) = {*cached(workplace)} - {file}
    copy = file.with_suffix(".copy")
    shutil.copy(other, copy)
    copy.replace(file)
    assert torch.equal(encoded_corpus(config).test.tokens, whole.test.tokens)


def test_another_version_of_a_corpus_is_read_again(
    configured: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = counted(configured(), tmp_path)
    encoded_corpus(config)
    monkeypatch.setattr(CountedCorpus, "version", 2)
    encoded_corpus(config)
    assert reads(tmp_path) == 2


def test_other_code_of_a_user_s_own_corpus_is_read_again(
    configured: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = counted(configured(), tmp_path)
    encoded_corpus(config)
    monkeypatch.setattr("rnn_bench.data.cache.code_hash", lambda kind: "edited")
    encoded_corpus(config)
    assert reads(tmp_path) == 2


def test_the_cleaning_is_known_without_reading_the_articles(
    configured: Compose, tmp_path: Path
) -> None:
    config = counted(configured(), tmp_path)
    first, second = encoded_corpus(config), encoded_corpus(config)
    assert first.content.cleaning == second.content.cleaning == "lower"
    assert reads(tmp_path) == 1


def test_a_corpus_without_identity_is_read_to_know_whether_it_changed(
    configured: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CountedCorpus, "identity", lambda corpus: None)
    config = counted(configured(), tmp_path)
    first, second = encoded_corpus(config), encoded_corpus(config)
    assert first.content == second.content
    assert reads(tmp_path) == 2
    assert len(cached(tmp_path)) == 1


def test_the_edition_is_that_of_the_files_that_are_read(
    configured: Compose, articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The raw and the preprocessed files have the same texts, and so the same encoding."""
    raw = Path("kaggle") / "raw" / "fake_or_real_news.csv"
    (tmp_path / "data" / raw).parent.mkdir(parents=True)
    shutil.copy(articles / raw, tmp_path / "data" / raw)
    config = configured("dataset=kaggle")
    before = encoded_corpus(config)
    published = blob_id(tmp_path / "data" / raw)
    monkeypatch.setitem(PUBLISHED, str(raw), published)
    (tmp_path / "data" / raw).touch()
    after = encoded_corpus(config)
    assert (before.content.edition, after.content.edition) == ("sample", "published")
    assert before.content.fingerprint == after.content.fingerprint


def test_a_damaged_fingerprint_is_noticed_and_rebuilt(configured: Compose, workplace: Path) -> None:
    config = configured(*SMALL_CORPUS)
    fingerprint = encoded_corpus(config).content.fingerprint
    (file,) = (workplace / "cache" / "encoded").glob("*.json")
    for damaged in ("torn", "{}", "[1]", file.read_text().replace(fingerprint, "0" * 32)):
        file.write_text(damaged)
        assert encoded_corpus(config).content.fingerprint == fingerprint


def test_a_changed_file_is_read_again(configured: Compose, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    config = configured("dataset=table", f"dataset.train={file}")
    file.write_text("text,label\n" + "a b,1\nc d,0\n" * 20)
    before = encoded_corpus(config)
    file.write_text("text,label\n" + "a b,1\nc e,0\n" * 21)
    after = encoded_corpus(config)
    assert before.content.fingerprint != after.content.fingerprint
    assert "e" in after.vocabulary


def test_a_cache_folder_that_cannot_be_written_is_named(
    configured: Compose, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match=r"cache_dir=.* cannot be used"):
        encoded_corpus(configured(f"cache_dir={tmp_path / 'file'}"))


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(corpus: Corpus) -> Articles:
        raise PermissionError(13, "Permission denied", "mine.csv")

    monkeypatch.setattr(CountedCorpus, "read", refused)
    reader = CorpusReader(CountedCorpus("reads", tmp_path), "mine")
    with pytest.raises(DataError, match=r"^mine\.csv cannot be read: Permission denied\.$"):
        _ = reader.articles
