"""Reading the JSON files of a model folder, which may be damaged, or written by others."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from rnn_bench.config.errors import UsageError, shorten
from rnn_bench.data.cleaning import CLEANINGS
from rnn_bench.data.vocabulary import SPECIAL
from rnn_bench.serving.schemas import reason
from rnn_bench.tracking import schema
from rnn_bench.tracking.model_folder import SETTINGS

Content = TypeVar("Content")


def _require_class(option: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(option.get("_target_"), str) or not option["_target_"]:
        raise ValueError("it names no class with _target_")
    return option


def _require_cleaning(name: str) -> str:
    if name not in CLEANINGS:
        raise ValueError(f"it must be one of {', '.join(CLEANINGS)}, and is {name!r}")
    return name


@dataclass(frozen=True)
class PredictionProtocol:
    """The protocol's keys that decide how a text is predicted."""

    name: str
    max_length: int
    readout: str
    batch_size: int
    tokens: str = "whitespace"  # of the models from before this key
    truncation: str = "head"  # the same
    precision: str = "float32"  # the same


@dataclass(frozen=True)
class Settings:
    """What `config.json` holds. `model` is the path of a class and the class's keys."""

    model: Annotated[dict[str, Any], AfterValidator(_require_class)]
    protocol: PredictionProtocol
    cleaning: Annotated[str, AfterValidator(_require_cleaning)]


@dataclass(frozen=True)
class Vocabulary:
    """What `vocabulary.json` holds: the names of the classes, and of the tokens by id."""

    classes: Annotated[list[str], Field(min_length=1)]
    words: Annotated[list[str], Field(min_length=len(SPECIAL))]


def read_settings(folder: Path) -> Settings:
    """Return the settings of a model folder.

    Raises:
        UsageError: the file is missing, damaged or lacks a setting.
    """
    return _read(folder / SETTINGS, Settings)


def read_vocabulary(folder: Path) -> Vocabulary:
    """Return the classes and words of a model folder.

    Raises:
        UsageError: the file is missing, damaged or lacks one of them.
    """
    return _read(folder / schema.VOCABULARY_FILE, Vocabulary)


def _read(path: Path, form: type[Content]) -> Content:
    try:
        return TypeAdapter(form).validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path.name} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise UsageError(f"{path.name} is damaged: {shorten(reason(error), 300)}.") from error
