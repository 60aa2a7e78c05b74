"""What a run is called, and the hash of the question that it answers."""

from typing import Any

from rnn_bench.config.model import cell_name
from rnn_bench.config.options import decisive_keys, name_of, target_of
from rnn_bench.config.schema import GROUPS, Config
from rnn_bench.data.fingerprint import digest, sources
from rnn_bench.models.cell import cell_class

SOURCES = ("data", "models", "training", "evaluation")
# Not decisive: where the articles lie (their content is hashed), and what only says which value
# another key has by default (that key is hashed).
NOT_IN_KEY = ("dataset.train", "dataset.test", "protocol.lr_by_model", "protocol.dropout_by_model")


def settings(config: Config) -> dict[str, Any]:
    """The run's own configuration, flattened: `model.cell`, `optimizer.lr`, ..., `seed`."""
    flat: dict[str, Any] = {}
    for group in GROUPS:
        keys = decisive_keys(getattr(config, group))
        flat.update({f"{group}.{name}": value for name, value in keys.items()})
    return {**flat, "seed": config.seed}


def config_key(config: Config, fingerprint: str) -> str:
    """A hash of all that decides a run's result but the seed: settings, prepared articles
    (`fingerprint`), and the sources that compute it."""
    decisive = {name: value for name, value in settings(config).items() if name not in NOT_IN_KEY}
    del decisive["seed"]
    options = (config.dataset, config.model, config.optimizer)
    own = [target_of(option) for option in options if isinstance(option, dict)]
    if "." in (cell := getattr(config.model, "cell", "")):  # a user's own
        own.append(cell_class(cell))
    return digest([decisive, fingerprint, sources(SOURCES, own)])


def run_key(config: Config, fingerprint: str) -> str:
    """A hash of the question that a run answers: its config key and its seed."""
    return digest([config_key(config, fingerprint), config.seed])


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
        if path in NOT_IN_KEY or path == "seed" or name == "name" or usual.get(path) == value:
            continue
        if path == "model.cell" and cell_name(value) == parts[0]:
            continue
        parts.append(f"{path.replace('.', '_') if name == 'seed' else name}{value}")
    return "-".join([*parts, f"s{config.seed}"])
