"""The name of a run, and the hashes that say whether two runs answer the same question.

The run key is a hash of the settings, the prepared articles, the seed, and the versions of what
computes the result. No source of this package is part of it, so a run that was recorded is reused
after any change that leaves its result as it was.
"""

import json
from collections.abc import Callable
from typing import Any

from rnn_bench.config.model import cell_name
from rnn_bench.config.options import decisive_keys, entry, is_as_before, name_of, target_of
from rnn_bench.config.protocol import BUDGET_VERSION
from rnn_bench.config.schema import GROUPS, Config
from rnn_bench.data.encoding import ENCODING_VERSION
from rnn_bench.data.fingerprint import code_hash, digest
from rnn_bench.models.baselines.baseline import is_baseline
from rnn_bench.models.cell import cell_class
from rnn_bench.tracking import schema
from rnn_bench.training.epochs import RECIPE_VERSION
from rnn_bench.training.schedule import TIMED_VERSION, is_timed

FIRST_VERSION = 1
LONGEST_NAME = 250  # characters of a run's name that every database of MLflow takes
# Left out of the run key: where the articles lie and what their files look like (the articles are
# hashed), and keys that only give another key its default (that key is hashed).
NOT_IN_KEY = (
    *("dataset.train", "dataset.validation", "dataset.test", "dataset.source", "dataset.files"),
    "dataset.path",
    *("dataset.train_labels", "dataset.validation_labels", "dataset.test_labels", "dataset.labels"),
    *("dataset.form", "dataset.separator", "dataset.header", "dataset.quotes", "dataset.sheet"),
    *("protocol.lr_by_model", "protocol.dropout_by_model"),
)


def settings(config: Config) -> dict[str, Any]:
    """Return the run's own configuration, flattened: `model.cell`, `optimizer.lr`, ..., `seed`."""
    flat: dict[str, Any] = {}
    for group in GROUPS:
        keys = decisive_keys(getattr(config, group))
        flat.update({f"{group}.{name}": value for name, value in keys.items()})
    return {**flat, "seed": config.seed}


def result_versions(config: Config) -> dict[str, int | str]:
    """Return the version of each part that computes a run's result, by the part's name.

    Parts of rnn_bench have a whole number, which is raised when their results change. A class of
    the user's own has a hash of its module's code.
    """
    versions: dict[str, int | str] = {
        "encoding": ENCODING_VERSION,
        "training recipe": RECIPE_VERSION,
        **_version_of("corpus", target_of(config.dataset)),
        **_version_of("model", target_of(config.model)),
        **_version_of("optimizer", target_of(config.optimizer)),
    }
    if is_timed(config.protocol):
        versions["timed schedule"] = TIMED_VERSION
    if config.protocol.epochs is None and not is_baseline(config.model):
        versions["budget"] = BUDGET_VERSION
    if cell := getattr(config.model, "cell", None):
        versions |= _version_of("cell", cell_class(cell))
    return versions


def _version_of(role: str, target: Callable[..., Any]) -> dict[str, int | str]:
    name = f"{role} {target.__name__}"
    if code := code_hash(target):
        return {name: code}
    version = getattr(target, "version", None)
    return {} if version is None else {name: version}


def question(config: Config, fingerprint: str) -> list[Any]:
    """Return what a configuration asks, without the seed and without versions.

    A key of a schema counts only where it differs from its `before` value, so that adding a key
    changes no question that could be asked already. A run that reads no test articles is a question
    of its own.
    """
    decisive = {
        f"{group}.{name}": value
        for group in GROUPS
        for name, value in decisive_keys(getattr(config, group)).items()
        if f"{group}.{name}" not in NOT_IN_KEY and not is_as_before(getattr(config, group), name)
    }
    if not config.evaluation.test:
        decisive["evaluation.test"] = False
    own = {group: _own_target(getattr(config, group)) for group in GROUPS}
    return [decisive, {group: target for group, target in own.items() if target}, fingerprint]


def _own_target(option: Any) -> str:
    """Return the class of an option of the user's own, whose keys alone do not say what it is."""
    return str(entry(option, "_target_")) if isinstance(option, dict) else ""


def config_key(config: Config, fingerprint: str) -> str:
    """Return a hash of all that decides a run's result but the seed.

    `fingerprint` is the hash of the prepared articles. A part at its first version does not count,
    so that giving a part a version changes no key.
    """
    raised = {
        part: version
        for part, version in result_versions(config).items()
        if version != FIRST_VERSION
    }
    return digest([question(config, fingerprint), raised])


def run_key(config: Config, fingerprint: str) -> str:
    """Return a hash of the question that a run answers: its config key and its seed."""
    return digest([config_key(config, fingerprint), config.seed])


def question_key(config: Config, fingerprint: str) -> str:
    """Return the run key without versions: runs that share it asked the same, at any version."""
    return digest([question(config, fingerprint), config.seed])


class SweepKeys:
    """Names and hashes the runs of a sweep. What runs have in common that differ in their seeds
    alone, is computed once; their options must be the same objects, and stay as they are."""

    def __init__(self) -> None:
        self._config_keys: dict[tuple[Any, ...], str] = {}
        self._questions: dict[tuple[Any, ...], list[Any]] = {}
        self._names: dict[tuple[Any, ...], str] = {}

    def run_key(self, config: Config, fingerprint: str) -> str:
        """Return `run_key(config, fingerprint)`."""
        of = (*_options(config), fingerprint)
        if of not in self._config_keys:
            self._config_keys[of] = config_key(config, fingerprint)
        return digest([self._config_keys[of], config.seed])

    def question_key(self, config: Config, fingerprint: str) -> str:
        """Return `question_key(config, fingerprint)`."""
        of = (*_options(config), fingerprint)
        if of not in self._questions:
            self._questions[of] = question(config, fingerprint)
        return digest([self._questions[of], config.seed])

    def run_name(self, config: Config, defaults: Config) -> str:
        """Return `run_name(config, defaults)`."""
        of = (*_options(config), *_options(defaults))
        if of not in self._names:
            self._names[of] = run_name(config, defaults).removesuffix(f"-s{config.seed}")
        return f"{self._names[of]}-s{config.seed}"


def _options(config: Config) -> tuple[int, ...]:
    return tuple(id(getattr(config, group)) for group in GROUPS)


def question_tags(config: Config, fingerprint: str) -> dict[str, str]:
    """Return the tags by which a recorded run is found again."""
    return {
        schema.RUN_KEY: run_key(config, fingerprint),
        schema.CONFIG_KEY: config_key(config, fingerprint),
        schema.QUESTION_KEY: question_key(config, fingerprint),
        schema.RESULT_VERSIONS: json.dumps(result_versions(config), sort_keys=True),
    }


def run_name(config: Config, defaults: Config) -> str:
    """Return `gru-isot-s0`, with what differs from `defaults`, the same options with no key
    changed: `gru-isot-notebook-lr0.01-s0`. The fold of a corpus that is cut into folds is always
    named. A long name is cut: it ends with a hash and the seed."""
    parts = [name_of(config.model), name_of(config.dataset)]
    if config.protocol.name != "fair":
        parts.append(config.protocol.name)
    if name_of(config.optimizer) != "adam":
        parts.append(name_of(config.optimizer))
    usual = settings(defaults)
    fold = "dataset.fold" if entry(config.dataset, "folds") else ""  # a part of the articles
    for path, value in settings(config).items():
        name = path.rpartition(".")[2]
        if path in NOT_IN_KEY or path == "seed" or name == "name":
            continue
        if usual.get(path) == value and path != fold:
            continue
        if path == "model.cell" and cell_name(value) == parts[0]:
            continue
        shown = ("+".join(map(str, value)) or "none") if isinstance(value, list) else value
        parts.append(f"{path.replace('.', '_') if name == 'seed' else name}{shown}")
    return cut_name("-".join(parts), LONGEST_NAME, f"-s{config.seed}")


def cut_name(name: str, longest: int, end: str = "") -> str:
    """Return a name and its end in at most so many characters. A name that is cut gets a hash, so
    that it stays one of a kind."""
    if len(name) + len(end) <= longest:
        return name + end
    end = f"-{digest(name)[:8]}{end}"
    return name[: longest - len(end)] + end
