"""Files of one table in many forms, and reading them as a corpus."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rnn_bench.data.corpora.table import TableCorpus
from rnn_bench.data.corpus import Articles, DataError

TEXTS = [
    "Wie schön, finde ich; ja",
    "Nie wieder | never",
    "so-so: tout à fait",
    "the end, my friend",
]
ROWS = [(f"{TEXTS[i % 4]} {i}", ("ham", "spam")[i % 2]) for i in range(24)]
TABLE = pd.DataFrame(ROWS, columns=["text", "label"])


def separated(separator: str, encoding: str = "utf-8", **more: Any) -> bytes:
    return TABLE.to_csv(sep=separator, index=False, **more).encode(encoding)


def excel(folder: Path, **sheets: pd.DataFrame) -> bytes:
    with pd.ExcelWriter(folder / "made.xlsx") as book:
        for name, table in sheets.items():
            table.to_excel(book, sheet_name=name, index=False)
    return (folder / "made.xlsx").read_bytes()


def parquet(folder: Path) -> bytes:
    categories = TABLE.astype({"label": "category"})
    categories.assign(words=[[1, 2]] * len(TABLE)).to_parquet(folder / "made.parquet")
    return (folder / "made.parquet").read_bytes()


def lines(start: str = "", separator: str = " ") -> bytes:
    return "".join(f"{start}{label}{separator}{text}\n" for text, label in ROWS).encode()


def zipped(content: bytes, folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "made.zip", "w") as archive:
        archive.writestr("reviews.tsv", content)
    return (folder / "made.zip").read_bytes()


JSON_LINES = "".join(json.dumps({"text": t, "label": n, "id": 7}) + "\n" for t, n in ROWS).encode()
BARE = {"header": False, "text_column": "1", "label_column": "0"}


def texts_and_classes(articles: Articles) -> list[tuple[str, str]]:
    return sorted(
        (text, articles.classes[label])
        for texts, labels in (articles.train, articles.test)
        for text, label in zip(texts, labels, strict=True)
    )


def read(path: Path, **keys: Any) -> Articles:
    corpus = TableCorpus(train=str(path), **{"cleaning": "none", **keys})
    corpus.identity()
    return corpus.read()


def refusal(path: Path, **keys: Any) -> str:
    with pytest.raises(DataError) as error:
        read(path, **keys)
    assert len(str(error.value).splitlines()) <= 6
    return str(error.value)


def class_folders(folder: Path) -> Path:
    for number, (text, label) in enumerate(ROWS):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{number}_7.txt").write_text(text)
    (folder / "urls_pos.txt").write_text("http://example.org\n")
    return folder
