"""Recognize the published files of the study's corpora, other editions, and samples."""

import hashlib
from pathlib import Path

# Git blob ids of the complete, original files.
PUBLISHED = {
    "isot/raw/True.csv": "03805733ab6dea2d4666a05bacc81d40fc6e639d",
    "isot/raw/Fake.csv": "d7058b4f5534fdee5620d1503e79237b82917123",
    "kaggle/raw/fake_or_real_news.csv": "3eb6d94a7fa7efffa1ea856c9dcd3ba686057c84",
    "isot/preprocessed/train.csv": "3d1ead6f13bcc7ae247a3b2109ef1391a29518b9",
    "isot/preprocessed/test.csv": "ea99815a2995587b185a9cd2d38d29ca0fa22a07",
    "kaggle/preprocessed/train.csv": "3486bfe312f8fd33d57ff5928c8cd7bebd4f6848",
    "kaggle/preprocessed/test.csv": "5b4276cbe211abd8808eadca5bda2c719c330f62",
}
# Articles of the complete corpora. Fewer are a sample.
PUBLISHED_ARTICLES = {"isot": 44_898, "kaggle": 6_335}

EDITIONS = {
    "published": "the published ones, to the byte",
    "other": "another edition than the published one",
    "sample": "a sample, with fewer articles than the published ones",
}


def blob_id(path: Path) -> str:
    """Return what `git hash-object` prints for a file."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def edition(corpus: str, files: list[Path], articles: int) -> str:
    """Return 'published' if every file is the original to the byte; else 'sample' if there are
    fewer articles than in the original, and 'other' if not."""
    published = {PUBLISHED[f"{corpus}/{path.parent.name}/{path.name}"] for path in files}
    if published == {blob_id(path) for path in files}:
        return "published"
    return "sample" if articles < PUBLISHED_ARTICLES[corpus] else "other"
