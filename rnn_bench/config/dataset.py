"""The group `dataset`: the corpora, with every key's type, default, meaning and range."""

from dataclasses import dataclass, fields
from typing import Any, cast

from omegaconf import MISSING, OmegaConf

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.options import (
    FRACTION,
    INNER_FRACTION,
    SEED,
    SHARE,
    Allowed,
    Option,
    at_least,
    between,
    entry,
    key,
    one_of,
)

SPLIT_KEYS = ("fold", "resample")  # which articles are test
STUDY_CORPORA = ("isot", "kaggle")
CLEANING = one_of("study", "lower", "none")
SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "blank": " "}
REMOVABLE = ("headers", "footers", "quotes")
DEMO_FEWEST = 3  # words of an article beside the two distances: marker, cue, and one for decoys


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
        SHARE,
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
class Published(Option):
    """A published test accuracy. A result of one of the models here has that model's name."""

    group = "dataset.published"
    model: str = key(MISSING, "the model that it is of")
    accuracy: float = key(MISSING, "share of the test articles", SHARE)
    source: str = key(MISSING, "whose result it is, and where it stands")
    spread: float | None = key(None, "how far its replications are from it", FRACTION)
    same_recipe: bool = key(False, "protocol=notebook is the recipe that it was reached with")
    train_size: float = key(1.0, "share of the training articles that it was reached with", SHARE)


@dataclass
class Public(Dataset):
    """A public corpus."""

    of_no_result = ("what", "licence", "cite", "published")
    name: str = key(MISSING, "the corpus in tables and run names")
    what: str | None = key(None, "what it is, in a sentence")
    licence: str = key("not stated at the source", "its licence, as far as it is known")
    cite: str | None = key(None, "the paper to cite")
    published: list[Published] = key([], "published test accuracies, each with its source")


@dataclass
class Study(Public):
    """A corpus of the study: `<data_dir>/<name>/preprocessed/`, else `<data_dir>/<name>/raw/`."""

    _target_: str = "rnn_bench.data.corpora.study.StudyCorpus"
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
class Card(Public):
    """A public corpus that a YAML file describes: where it is, how it is read, whose it is. Its
    files lie in `<data_dir>/<corpus>/raw/`."""

    _target_: str = "rnn_bench.data.corpora.card.CardCorpus"
    corpus: str = key(MISSING, "its folder in data_dir")
    source: str = key(MISSING, "address that the files are below, of a pinned version")
    files: dict[str, dict[str, str]] = key(
        MISSING, "each file's name, its git blob id, and its path below source if that differs"
    )
    encoding: str = key("utf-8", "of the files, such as utf-8 or latin-1")
    train: str = key(MISSING, "file with a line `label text` for each training article")
    validation: str | None = key(None, "the same for validation; empty: a part of train")
    test: str | None = key(None, "the same for test; empty: folds are cut")
    index: str | None = key(
        None,
        "file with a line `id<TAB>split<TAB>label` for each line of train, which then has the text "
        "alone",
    )
    classes: dict[Any, str] = key(MISSING, "the class that each label of the files stands for")
    cleaning: str = key("lower", "what is done to a text", CLEANING)

    def __post_init__(self) -> None:
        super().__post_init__()
        for role in ("train", "validation", "test", "index"):
            file = getattr(self, role)
            if file is not None and file not in self.files:
                raise ConfigError(
                    f"dataset.{role}={file} is not possible: dataset.files has no such file. "
                    f"Files: {', '.join(self.files)}"
                )
        for file, about in self.files.items():
            if "blob" not in about or about.keys() - {"blob", "path"}:
                raise ConfigError(
                    f"dataset.files.{file} is not possible: it must have the key blob, and may "
                    "have path."
                )


@dataclass
class Newsgroups(Public):
    """20 Newsgroups, split by date. scikit-learn fetches it to `<data_dir>/newsgroups/`; an archive
    `20news-bydate.tar.gz` or `.tar.xz` in `raw/` below is read instead."""

    _target_: str = "rnn_bench.data.corpora.newsgroups.NewsgroupsCorpus"
    remove: list[str] = key(
        [*REMOVABLE],
        "parts of a message that are left out, because they name the group",
        Allowed(f"a list of {', '.join(REMOVABLE)}", lambda parts: {*parts} <= {*REMOVABLE}),
    )
    cleaning: str = key("lower", "what is done to a text", CLEANING)


@dataclass
class Table(Dataset):
    """The user's own texts: files of separated cells (CSV, tabs, ...), JSON, Parquet or Excel, each
    also packed; a folder with a text a file in a folder a class; or lines."""

    _target_: str = "rnn_bench.data.corpora.table.TableCorpus"
    name: str = key(MISSING, "the corpus in tables and run names; by default the train file's stem")
    train: str = key(MISSING, "file or folder with the training articles")
    validation: str | None = key(None, "the same for validation; empty: a part of train")
    test: str | None = key(None, "the same for test; empty: test_fraction of train")
    train_labels: str | None = key(
        None, "file with a label a line, where train has a text a line and nothing else"
    )
    validation_labels: str | None = key(None, "the same for validation")
    test_labels: str | None = key(None, "the same for test")
    test_fraction: float = key(0.2, "share of train held out as test", INNER_FRACTION)
    text_column: str = key("text", "the column with the text: its name, or number from 0")
    text_columns: list[str] = key(
        [], "several columns that are the text, joined by a blank, in place of text_column"
    )
    label_column: str = key("label", "the column with the label: its name, or number from 0")
    labels: dict[Any, str] = key(
        {}, "the class that each label stands for, in this order; of a folder, what is read of it"
    )
    cleaning: str = key("lower", "what is done to a text", CLEANING)
    drop_bad_rows: bool = key(False, "leave out rows whose text or label is empty or blank")
    drop_duplicates: bool = key(
        False,
        "leave out texts, as they are after cleaning, that stand before in their file; of train "
        "also those of validation and test, of validation those of test",
    )
    form: str = key(
        "table",
        "of the files: rows and columns of a kind that is found, or lines `label text` (also with "
        "fastText's __label__)",
        one_of("table", "lines"),
    )
    separator: str | None = key(
        None,
        "between cells; empty: found",
        Allowed(
            f"one of {', '.join(SEPARATORS)}, or one character",
            lambda value: value in SEPARATORS or (len(value) == 1 and value not in '"\r\n'),
        ),
    )
    encoding: str | None = key(
        None, "such as windows-1252; empty: UTF-8, or UTF-16 if the file begins with its mark"
    )
    header: bool = key(True, "the first row names the columns; else they are 0, 1, ...")
    quotes: bool | None = key(
        None,
        "a cell may stand between quotation marks; empty: found in files with tabs, else true",
    )
    sheet: str | None = key(None, "name of the Excel sheet; empty: the only one with rows")

    def __post_init__(self) -> None:
        super().__post_init__()
        columns = [*(self.text_columns or [self.text_column]), self.label_column]
        if not (self.header or all(column.isdecimal() for column in columns)):
            texts = "text_columns=[1,2]" if self.text_columns else "text_column=1"
            raise ConfigError(
                "dataset.header=false is not possible with columns by name. Give their numbers, "
                f"counted from 0, such as dataset.{texts} dataset.label_column=0"
            )
        if self.label_column in columns[:-1]:
            raise ConfigError(
                f"dataset.label_column={self.label_column} is not possible: the text is there."
            )
        for role in ("validation", "test"):
            if getattr(self, f"{role}_labels") and not getattr(self, role):
                raise ConfigError(f"dataset.{role}_labels needs the texts: dataset.{role}=FILE")


@dataclass
class Hub(Dataset):
    """A data set of the Hugging Face hub, or a folder in its layout. It needs the extra hub. Of
    splits and columns, null means: guessed by name and type."""

    _target_: str = "rnn_bench.data.corpora.hub.HubCorpus"
    name: str = key(MISSING, "the corpus in tables and run names")
    path: str = key(MISSING, "OWNER/NAME on the hub, or a folder")
    revision: str = key(
        "main",
        "branch, tag or commit. The commit that a branch was when it was fetched stays, until it "
        "is fetched again",
    )
    configuration: str | None = key(None, "which of a data set's configurations; null: the default")
    train: str | None = key(None, "split for training")
    validation: str | None = key(None, "split for validation; if there is none, a part of train")
    test: str | None = key(None, "split for test; if there is none, test_fraction of train")
    test_fraction: float = key(0.2, "share of train held out as test", INNER_FRACTION)
    text_column: str | None = key(None, "column of the texts")
    text_columns: list[str] | None = key(
        None, "several columns, put together by a blank, instead of text_column"
    )
    label_column: str | None = key(None, "column of the labels")
    cleaning: str = key("lower", "what is done to a text", CLEANING)
    drop_bad_rows: bool = key(False, "leave out rows whose text or label is empty or blank")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text_column and self.text_columns:
            raise ConfigError(
                "dataset.text_column and dataset.text_columns are not possible together: leave "
                "one out."
            )


@dataclass
class Demo(Dataset):
    """A generated news-like corpus: the class cue stands after a marker, at chosen distances."""

    _target_: str = "rnn_bench.data.corpora.demo.DemoCorpus"
    name: str = key("demo", "the corpus in tables and run names")
    articles: int = key(4000, "articles in all; half of them are test", between(20, 10_000_000))
    length: int = key(
        110,
        "mean words an article; lengths vary by half of it, less where the distances need the room",
        between(6, 1_000_000),
    )
    cue_distance: int = key(10, "most words between the class cue and the end", at_least(0))
    marker_distance: int = key(
        95,
        "most words between the marker and the class cue; one stands there at least",
        at_least(1),
        before=3,
    )
    noise: float = key(0.02, "share of articles with the other class's label", FRACTION)
    seed: int = key(0, "of the generated words", SEED)

    def __post_init__(self) -> None:
        super().__post_init__()
        shortest = DEMO_FEWEST + self.marker_distance + self.cue_distance
        if self.length < shortest:
            raise ConfigError(
                f"dataset.length={self.length} is too short for dataset.cue_distance="
                f"{self.cue_distance} and dataset.marker_distance={self.marker_distance}: it must "
                f"be at least {shortest}."
            )
