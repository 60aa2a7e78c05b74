"""The group `dataset`: the corpora, with every key's type, default, meaning and range."""

from dataclasses import dataclass

from omegaconf import MISSING

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.options import FRACTION, INNER_FRACTION, SEED, Option, at_least, key, one_of

STUDY_CORPORA = ("isot", "kaggle")


@dataclass
class Dataset(Option):
    """What is read."""

    group = "dataset"
    given = ("data_dir",)


@dataclass
class Study(Dataset):
    """A corpus of the study: `<data_dir>/<name>/preprocessed/`, else `<data_dir>/<name>/raw/`."""

    _target_: str = "rnn_bench.data.corpora.study.StudyCorpus"
    name: str = key(MISSING, "the corpus in tables and run names")
    corpus: str = key(MISSING, "which of the two", one_of(*STUDY_CORPORA))
    dateline: str = key(
        "removed",
        "of isot's true articles: removed as in the study, or kept (takes the raw files); "
        "kaggle's articles keep theirs",
        one_of("removed", "kept"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.corpus == "kaggle" and self.dateline == "removed":
            raise ConfigError(
                "dataset.dateline=removed is not possible with kaggle: the study removes datelines "
                "from isot's true articles alone."
            )


@dataclass
class Csv(Dataset):
    """The user's own CSV files."""

    _target_: str = "rnn_bench.data.corpora.csv.CsvCorpus"
    name: str = key(MISSING, "the corpus in tables and run names; by default the train file's stem")
    train: str = key(MISSING, "CSV file with the training articles")
    test: str | None = key(None, "CSV file with the test articles; empty: test_fraction of train")
    test_fraction: float = key(0.2, "share of train held out as test", INNER_FRACTION)
    text_column: str = key("text", "name of the column with the text")
    label_column: str = key("label", "name of the column with the label")
    cleaning: str = key("lower", "what is done to a text", one_of("study", "lower", "none"))
    drop_bad_rows: bool = key(False, "leave out rows with an empty text or label cell")


@dataclass
class Demo(Dataset):
    """A generated news-like corpus with a class cue at a chosen distance from the end."""

    _target_: str = "rnn_bench.data.corpora.demo.DemoCorpus"
    name: str = key("demo", "the corpus in tables and run names")
    articles: int = key(5000, "articles in all; a fifth of them is test", at_least(20))
    length: int = key(
        110,
        "mean words an article; lengths vary by half of it, less where the cue needs the room",
        at_least(4),
    )
    cue_distance: int = key(100, "most words between the class cue and the end", at_least(0))
    noise: float = key(0.02, "share of articles with the other class's label", FRACTION)
    seed: int = key(0, "of the generated words", SEED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cue_distance > self.length - 2:
            raise ConfigError(
                f"dataset.cue_distance={self.cue_distance} is not possible: with "
                f"dataset.length={self.length} it must be at most {self.length - 2}."
            )
