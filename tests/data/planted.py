"""Generated articles without any flaw, for tests to plant flaws in."""

import csv
import itertools
import random
from collections.abc import Sequence
from pathlib import Path

from rnn_bench.data.audit import audit_articles
from rnn_bench.data.audit.results import CorpusAudit, ProbeResult
from rnn_bench.data.corpora.table import TableCorpus

Rows = list[tuple[str, ...]]
LEXICON = ["".join(letters) for letters in itertools.product("bdfgklmn", "aeiou", "prstvz", "aeo")]
WORDS = 60
CITIES = ("OSLO", "LIMA", "CAIRO", "SEOUL", "PARIS", "QUITO")


def articles(count: int, seed: int) -> Rows:
    """Texts of random words, and labels that have nothing to do with them."""
    chance = random.Random(seed)
    return [
        (" ".join(chance.choices(LEXICON, k=WORDS)), chance.choice(["fake", "real"]))
        for _ in range(count)
    ]


def with_other_words(text: str, positions: Sequence[int]) -> str:
    words = text.split()
    for position in positions:
        words[position] = "other"
    return " ".join(words)


def other(label: str) -> str:
    return "real" if label == "fake" else "fake"


def write(path: Path, rows: Rows, columns: Sequence[str] = ("text", "label")) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])


def corpus_of(folder: Path, cleaning: str = "lower") -> TableCorpus:
    files = (str(folder / "train.csv"), str(folder / "test.csv"))
    return TableCorpus(*files, 0.2, "text", "label", cleaning, False, folder)


def audit_of(
    folder: Path, train: Rows, test: Rows, columns: Sequence[str] = ("text", "label")
) -> CorpusAudit:
    write(folder / "train.csv", train, columns)
    write(folder / "test.csv", test, columns)
    return audit_articles(corpus_of(folder).read(), "planted")


def probe(audit: CorpusAudit, name: str) -> ProbeResult:
    (result,) = (each for each in audit.probes if each.name == name)
    return result


def write_raw_isot(folder: Path, count: int = 30) -> None:
    (folder / "isot" / "raw").mkdir(parents=True)
    for name, seed, subject in (("True.csv", 0, "worldnews"), ("Fake.csv", 1, "left-news")):
        start = "ROME (Reuters) - " if name == "True.csv" else ""
        rows = [
            (f"title{i}", start + text, subject, f"May {i}, 2017")
            for i, (text, _) in enumerate(articles(count, seed))
        ]
        write(folder / "isot" / "raw" / name, rows, ("title", "text", "subject", "date"))
