"""What a run is called, and the hash of the question that it answers."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rnn_bench
from rnn_bench.config import Config, name_of, target_of
from rnn_bench.data.encoding import digest

GROUPS = ("dataset", "model", "optimizer", "protocol")
SOURCES = ("data", "models", "training", "evaluation")
# Settings of where articles lie (their content is hashed) and what other settings are taken from.
NOT_IN_KEY = ("dataset.train", "dataset.test", "protocol.lr_by_model", "protocol.dropout_by_model")


def settings(config: Config) -> dict[str, Any]:
    """The run's own configuration, flattened: `model.cell`, `optimizer.lr`, ..., `seed`."""
    flat: dict[str, Any] = {}
    for group in GROUPS:
        option = getattr(config, group)
        keys = option if isinstance(option, dict) else vars(option)
        flat.update({f"{group}.{name}": value for name, value in keys.items() if name[0] != "_"})
    return {**flat, "seed": config.seed}


def config_key(config: Config, fingerprint: str) -> str:
    """A hash of all that decides a run's result but the seed: settings, prepared articles
    (`fingerprint`), and the sources that compute it."""
    decisive = {name: value for name, value in settings(config).items() if name not in NOT_IN_KEY}
    del decisive["seed"]
    sources = {path.name: path.read_text() for path in _sources(config)}
    return digest([decisive, fingerprint, sources])


def run_key(config: Config, fingerprint: str) -> str:
    """A hash of the question that a run answers: its config key and its seed."""
    return digest([config_key(config, fingerprint), config.seed])


def _sources(config: Config) -> Iterator[Path]:
    package = Path(rnn_bench.__file__).parent
    for folder in SOURCES:
        yield from sorted((package / folder).glob("*.py"))
    for option in (config.dataset, config.model, config.optimizer):
        if isinstance(option, dict):
            file = inspect.getsourcefile(target_of(option))
            if file:
                yield Path(file)


def run_name(config: Config, defaults: Config) -> str:
    """`gru-isot-s0`, with what differs from `defaults`, the same options with no key changed:
    `gru-isot-notebook-lr0.01-s0`."""
    parts = [name_of(config.model), name_of(config.dataset)]
    if config.protocol.name != "fair":
        parts.append(config.protocol.name)
    if name_of(config.optimizer) != "adam":
        parts.append(name_of(config.optimizer))
    usual = settings(defaults)
    for path, value in settings(config).items():
        name = path.rpartition(".")[2]
        if path not in NOT_IN_KEY and name not in ("name", "seed") and usual.get(path) != value:
            parts.append(f"{name}{value}")
    return "-".join([*parts, f"s{config.seed}"])
