"""The group `evaluation`: what a trained model is evaluated on beside its test articles."""

from dataclasses import dataclass

from rnn_bench.config.dataset import STUDY_CORPORA
from rnn_bench.config.errors import ConfigError
from rnn_bench.config.options import Option, key


@dataclass
class Evaluation(Option):
    """What a trained model is evaluated on beside its test articles. It changes no weights: a
    finished run is evaluated further without being trained again."""

    group = "evaluation"
    transfer: list[str] = key(
        [], "corpora whose test articles are read too, the run's own skipped: isot, kaggle"
    )
    gradient_flow: bool = key(
        False, "how strongly the loss depends on the hidden state at each step back from the end"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for corpus in self.transfer:
            if corpus not in STUDY_CORPORA:
                raise ConfigError(
                    f"evaluation.transfer={self.transfer} is not possible: {corpus} is not one of "
                    f"{', '.join(STUDY_CORPORA)}."
                )

    @property
    def asks(self) -> bool:
        return bool(self.transfer) or self.gradient_flow
