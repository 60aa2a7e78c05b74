"""The group `dataset`: the corpora, with every key's type, default, meaning and range."""

from dataclasses import dataclass, fields
from typing import Any, cast

from omegaconf import MISSING, OmegaConf

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.options import (
    FRACTION,
    INNER_FRACTION,
    SEED,
    Allowed,
    Option,
    at_least,
    between,
    entry,
    key,
    one_of,
)

STUDY_CORPORA = ("isot", "kaggle")


@dataclass
class Splitting(Option):
    """How the articles of any corpus are split. Fold and resample stand for a test file."""

    group = "dataset"
    base = "rnn_bench.data.corpus.Corpus"
    folds: int | None = key(
        None,
        "cut all articles into so many parts with equal class shares, drawn by protocol.split_seed",
        at_least(2),
        before=None,
    )
    fold: int = key(0, "the part that is test, from 0 to folds - 1", at_least(0), before=0)
    resample: int | None = key(
        None,
        "draw the test articles anew from all, as many as there were, else a fifth; the number "
        "is the seed",
        SEED,
        before=None,
    )
    train_size: float = key(
        1.0,
        "share of each class's training and validation articles that is used; a larger share "
        "contains the smaller ones",
        Allowed("above 0 and at most 1", lambda value: 0 < value <= 1),
        before=1.0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fold >= (self.folds or 1):
            raise ConfigError(
                f"dataset.fold={self.fold} is not possible: "
                + (
                    f"it must be below dataset.folds={self.folds}."
                    if self.folds
                    else "it needs the number of folds, such as dataset.folds=10."
                )
            )
        if self.folds and self.resample is not None:
            raise ConfigError(
                f"dataset.resample={self.resample} is not possible with folds. Set one to null, "
                "such as dataset.folds=null dataset.fold=0."
            )

    @property
    def redraws(self) -> bool:
        """Whether the test articles are drawn from all articles of the corpus."""
        return self.folds is not None or self.resample is not None

    @classmethod
    def of(cls, option: Any) -> "Splitting":
        """Return these keys of any option of the group.

        Raises:
            ConfigError: they do not fit each other.
            OmegaConfBaseException: a value has the wrong type.
        """
        keys = {each.name: entry(option, each.name) for each in fields(Splitting)}
        given = {name: value for name, value in keys.items() if value is not None}
        typed = OmegaConf.merge({cls.group: OmegaConf.structured(Splitting)}, {cls.group: given})
        return cast(Splitting, OmegaConf.to_object(typed.dataset))


@dataclass
class Dataset(Splitting):
    """What is read."""

    given = ("data_dir",)
    of_the_group = tuple(each.name for each in fields(Splitting))


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
    drop_bad_rows: bool = key(False, "leave out rows whose text or label is empty or blank")


@dataclass
class Demo(Dataset):
    """A generated news-like corpus with a class cue at a chosen distance from the end."""

    _target_: str = "rnn_bench.data.corpora.demo.DemoCorpus"
    name: str = key("demo", "the corpus in tables and run names")
    articles: int = key(5000, "articles in all; a fifth of them is test", between(20, 10_000_000))
    length: int = key(
        110,
        "mean words an article; lengths vary by half of it, less where the cue needs the room",
        between(4, 1_000_000),
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
