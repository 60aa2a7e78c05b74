"""The baseline that gives every article the shares of the classes in training."""

import torch
from jaxtyping import Float
from torch import Tensor

from rnn_bench.data.encoding import Split
from rnn_bench.models.baselines.baseline import Baseline


class MajorityClassifier(Baseline):
    """The shares of the classes in the training split, for every article."""

    colours = ("#888888", "#a9b1b8")
    marker = "X"
    shares: Tensor

    def __init__(self, *, vocabulary_size: int, classes: int, readout: str) -> None:
        super().__init__()
        self.register_buffer("shares", torch.zeros(classes))

    def fit(self, split: Split) -> None:
        counts = torch.bincount(split.labels.cpu(), minlength=len(self.shares))
        self.shares.copy_(counts / counts.sum())

    def log_probabilities(self, split: Split) -> Float[Tensor, "articles classes"]:
        return self.shares.log().expand(len(split), -1)
