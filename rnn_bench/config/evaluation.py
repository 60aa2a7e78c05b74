"""The group `evaluation`: what a trained model is evaluated on beside its test articles."""

from dataclasses import dataclass, field
from typing import Any

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.options import Option, key


@dataclass
class Evaluation(Option):
    """What a trained model is evaluated on beside its test articles. It changes no weights: a
    finished run is evaluated further without being trained again. A run that reads no test articles
    (`test`) is another question, whose answer is its validation figures alone.

    `corpora` has the options of the group dataset that `transfer` names. It is no key: they are
    composed with the run's config.
    """

    group = "evaluation"
    test: bool = key(
        True,
        "read the test articles; false: never, as the trials of a search, and keep no weights",
    )
    transfer: list[str] = key(
        [],
        "corpora with the same classes whose test articles are read too, the run's own skipped: "
        "options of the group dataset, such as isot, kaggle",
    )
    gradient_flow: bool = key(
        False,
        "how strongly the loss depends on the input and the state at each step back from the end",
    )
    corpora: dict[str, Any] = field(default_factory=dict, metadata={"omegaconf_ignore": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.test and self.asks:
            asked = "transfer" if self.transfer else "gradient_flow"
            raise ConfigError(
                f"evaluation.{asked} reads test articles, and evaluation.test=false reads none: "
                "leave one out."
            )

    @property
    def asks(self) -> bool:
        return bool(self.transfer) or self.gradient_flow
