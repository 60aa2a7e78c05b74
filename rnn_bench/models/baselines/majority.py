"""The baseline that always answers with the shares of the classes."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from rnn_bench.data.encoding import Split
from rnn_bench.models.baselines.baseline import Baseline


class MajorityClassifier(Baseline):
    """Every article gets the shares of the classes in the training split."""

    def __init__(self, *, vocabulary_size: int, classes: int, readout: str) -> None:
        self.shares = torch.zeros(classes)

    def fit(self, split: Split) -> None:
        counts = torch.bincount(split.labels.cpu(), minlength=len(self.shares))
        self.shares = counts / counts.sum()

    def log_probabilities(self, split: Split) -> Float[Tensor, "articles classes"]:
        return self.shares.log().expand(len(split), -1)

    def state_dict(self) -> dict[str, Tensor]:
        return {"shares": self.shares}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.shares = state["shares"]
