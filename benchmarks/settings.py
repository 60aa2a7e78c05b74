"""The settings of a benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """
    Attributes:
        corpus: isot, kaggle or demo; auto is isot if its articles are there, else demo.
        articles: of the training file, validation included; a quarter as many are test.
        length: first words of an article that are kept; of a full row in the part `steps`.
        epochs, repeats: of every measured run; medians are taken over repeats.
        device: cpu or cuda.
        threads: of every contender in a single run; None: all cores.
        cells, seeds: a sweep has a run for each pair.
        steps: batches of a sample in the part `steps`.
        factors: by which articles, length and size of the state grow in the part `scaling`.
        runs: sizes of a sweep there.
        reports: recorded runs that a report is written on there.
        rows: of the files in the part `data`.
        units, lengths: sizes of the state and steps of a row in the part `recurrence`.
        at_once: layers at once on a GPU there, and runs at once in the part `packing`.
        seconds: that runs train together there.
        sweeps: simulated ones of each case in the part `calibration`.
    """

    corpus: str = "auto"
    articles: int = 1600
    length: int = 512
    epochs: int = 4
    repeats: int = 3
    device: str = "cpu"
    threads: int | None = None
    cells: tuple[str, ...] = ("rnn", "lstm", "gru")
    seeds: tuple[int, ...] = (0, 1)
    steps: int = 8
    factors: tuple[int, ...] = (1, 2, 4)
    runs: tuple[int, ...] = (1, 2, 6, 12)
    reports: tuple[int, ...] = (6, 60, 600)
    rows: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    units: tuple[int, ...] = (64, 128, 256, 512)
    lengths: tuple[int, ...] = (64, 128, 256, 512)
    at_once: tuple[int, ...] = (1, 2, 4, 8, 16, 30)
    seconds: float = 20
    sweeps: int = 1000


QUICK = Settings(
    articles=500,
    epochs=3,
    repeats=1,
    steps=3,
    runs=(1, 2, 6),
    reports=(6, 60),
    rows=(10_000, 100_000),
    at_once=(1, 4, 16, 30),
    seconds=8,
    sweeps=20,
)
