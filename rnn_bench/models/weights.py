"""Put stored weights into a model."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from rnn_bench.config.errors import UsageError, shorten


def load_weights(model: nn.Module, path: Path, described_by: str) -> None:
    """Give a model the weights that a safetensors file holds.

    `described_by` says in an error where the model's shape comes from.

    Raises:
        UsageError: the file cannot be read, or its weights are not those of such a model.
    """
    try:
        weights = load_file(path)
    except FileNotFoundError:
        raise UsageError(f"{path.name} is missing.") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise UsageError(f"{path.name} is damaged: {shorten(str(error), 200)}.") from error
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        faults = shorten(str(error).partition(":")[2], 300)
        raise UsageError(f"{path.name} does not fit {described_by}: {faults}") from error
