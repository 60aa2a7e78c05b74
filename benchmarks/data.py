"""Measure the reading and encoding of the user's own files: short texts, up to a million rows.

`python -m benchmarks.data --answer FILE OVERRIDE ...` is one measurement, in a process of its own,
with nothing cached.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.answers import peak_memory_bytes
from benchmarks.drawing import line
from benchmarks.findings import Findings, Table, number
from benchmarks.workplace import Workplace
from rnn_bench.config.composition import Composer
from rnn_bench.data.encoding import encoded_corpus

VOCABULARY, SHORTEST, LONGEST = 20_000, 3, 12  # words, and words a text
KINDS = ("csv", "jsonl", "parquet")


def measure(place: Workplace) -> Findings:
    counts, samples = place.settings.rows, []
    for count in counts:
        table = short_texts(count)
        for kind in KINDS if count == max(counts) else KINDS[:1]:
            file = place.folder / f"rows-{count}.{kind}"
            write(table, file)
            samples.append({"rows": count, "kind": kind, **read_once(place, file, count)})
    largest = samples[-len(KINDS) :]
    return Findings(
        "Reading and encoding the user's own files",
        [
            f"{each['rows']:,} short rows of {each['kind']}: {each['seconds']:.1f} s to read and "
            f"encode, {each['peak_memory_bytes'] / 1e9:.2f} GB at most."
            for each in largest
        ],
        [
            Table(
                "data",
                "Reading and encoding, nothing cached",
                ["rows", "kind", "seconds", "peak memory (GB)"],
                [
                    [
                        f"{each['rows']:,}",
                        each["kind"],
                        number(each["seconds"], 2),
                        number(each["peak_memory_bytes"] / 1e9, 2),
                    ]
                    for each in samples
                ],
                note=f"Texts have {SHORTEST} to {LONGEST} words.",
            )
        ],
        [
            line(
                *("data", "Reading and encoding a CSV file", "rows", "seconds"),
                {each["rows"]: each["seconds"] for each in samples if each["kind"] == "csv"},
            )
        ],
        samples,
    )


def short_texts(count: int) -> pd.DataFrame:
    """Return texts of words whose frequencies fall as 1/rank, as in a language."""
    chance = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(VOCABULARY)], dtype=object)
    shares = 1 / np.arange(1, VOCABULARY + 1)
    ends = chance.integers(SHORTEST, LONGEST + 1, count).cumsum()
    drawn = words[chance.choice(VOCABULARY, ends[-1], p=shares / shares.sum())]
    starts = np.concatenate([[0], ends[:-1]])
    texts = [" ".join(drawn[a:b]) for a, b in zip(starts, ends, strict=True)]
    return pd.DataFrame({"text": texts, "label": chance.integers(0, 2, count)})


def write(table: pd.DataFrame, file: Path) -> None:
    if file.suffix == ".csv":
        table.to_csv(file, index=False)
    elif file.suffix == ".jsonl":
        table.to_json(file, orient="records", lines=True)
    else:
        table.to_parquet(file)


def read_once(place: Workplace, file: Path, count: int) -> dict[str, float]:
    cache = place.folder / f"cache-{file.name}"
    overrides = ("dataset=table", f"dataset.train={file}", f"cache_dir={cache}")
    answer = place.answer("benchmarks.data", *overrides)
    if answer["articles"] != count:
        raise ValueError(f"{file} has {count} rows, and {answer['articles']} were read")
    return {name: answer[name] for name in ("seconds", "peak_memory_bytes")}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--answer", type=Path, required=True)
    parser.add_argument("overrides", nargs="+")
    args = parser.parse_args()
    composer = Composer()
    config = composer.job(composer.compose([*args.overrides, "sweep_id=data"])).config
    began = time.perf_counter()
    corpus = encoded_corpus(config)
    answer = {
        "seconds": time.perf_counter() - began,
        "peak_memory_bytes": peak_memory_bytes(),
        "articles": len(corpus.train) + len(corpus.validation) + len(corpus.test),
    }
    args.answer.write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
