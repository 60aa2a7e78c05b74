"""The group `protocol`: everything held equal between compared runs."""

import re
from dataclasses import dataclass

from omegaconf import MISSING

from rnn_bench.config.options import (
    FRACTION,
    INNER_FRACTION,
    POSITIVE,
    SEED,
    Allowed,
    Option,
    at_least,
    between,
    key,
    one_of,
)

INT32 = 2**31 - 1
# The budget of a training where `epochs` is empty: whichever is longer. BUDGET_VERSION is
# raised when it changes.
EPOCHS, UPDATES, BUDGET_VERSION = 20, 1000, 2
EACH_POSITIVE = Allowed("numbers above 0", lambda given: all(map(POSITIVE.test, given.values())))
EACH_FRACTION = Allowed(
    "numbers that are at least 0 and below 1", lambda given: all(map(FRACTION.test, given.values()))
)

PARAMETERS = Allowed(
    "lstm, or a whole number above 0",
    lambda value: value == "lstm" or bool(re.fullmatch("[1-9][0-9]{0,14}", value)),
)


@dataclass
class Protocol(Option):
    """Everything held equal between compared runs."""

    group = "protocol"
    name: str = key(MISSING, "the protocol in tables and run names")
    vocabulary_size: int = key(30000, "tokens, with padding and unknown", between(3, INT32))
    vocabulary_source: str = key(
        "training",
        "articles whose tokens are counted",
        one_of("training", "training_and_validation"),
    )
    tokens: str = key(
        "words",
        "what a text is cut into: at white space; words, which are letters and digits together "
        "and each other sign alone; or characters, for texts without spaces",
        one_of("whitespace", "words", "characters"),
        before="whitespace",
    )
    max_length: int = key(512, "tokens of an article that are kept", between(1, INT32))
    truncation: str = key(
        "head",
        "which tokens of a longer article are kept: the first ones, or the first and the last half",
        one_of("head", "head_and_tail"),
        before="head",
    )
    validation_fraction: float = key(0.2, "share of the training file", INNER_FRACTION)
    validation_stratified: bool = key(True, "the same class shares in training and validation")
    split_seed: int = key(42, "of the validation split", SEED)
    batch_size: int = key(32, "articles a batch", between(1, INT32))
    epochs: int | None = key(
        None,
        f"passes over the training articles, at most; empty: {EPOCHS}, or as many as make "
        f"{UPDATES:,} optimizer updates if that is more",
        at_least(1),
    )
    min_updates: int | None = key(
        None,
        "optimizer updates at least, for which epochs are added; empty: no epoch is added",
        at_least(1),
        before=None,
    )
    train_seconds: float | None = key(
        None,
        "of training, without validation, after which a network is not trained further; results "
        "then depend on the machine; empty: any",
        POSITIVE,
        before=None,
    )
    readout: str = key(
        "max",
        "the state that the classifier reads",
        one_of("last_token", "padded_end", "mean", "max"),
    )
    batching: str = key(
        "bucketed", "batches of similar lengths, or random ones", one_of("bucketed", "shuffled")
    )
    parameters: str | None = key(
        None,
        "recurrent weights and biases, for which each cell's model.hidden_size is chosen; lstm: as "
        "many as the LSTM has with the same keys; empty: model.hidden_size stays",
        PARAMETERS,
        before=None,
    )
    embedding_std: float = key(
        0.03, "standard deviation of the initial embeddings", POSITIVE, before=1.0
    )
    recurrent_init: str = key(
        "torch",
        "initial weights of the cells: torch's, uniform; or orthogonal for the states, Glorot's "
        "uniform for the inputs and biases of 0",
        one_of("torch", "orthogonal"),
        before="torch",
    )
    forget_bias: float | None = key(
        1.0,
        "initial bias of a cell's forget gate, if it has one; empty: as recurrent_init has it",
        before=None,
    )
    embedding_dropout: float = key(
        0.0, "dropout of the embedded tokens, in training", FRACTION, before=0.0
    )
    precision: str = key(
        "float32",
        "of a network's products, in training and prediction; tf32 takes a GPU",
        one_of("float32", "tf32", "bfloat16"),
        before="float32",
    )
    schedule: str = key(
        "cosine",
        "learning rate after the warm-up: constant, or falling to 0 at the end of all epochs, in "
        "a line or half a cosine",
        one_of("constant", "linear", "cosine"),
        before="constant",
    )
    warmup: float = key(
        0.1,
        "share of the updates of all epochs in which the learning rate rises in a line",
        FRACTION,
        before=0.0,
    )
    gradient_clip_norm: float | None = key(1.0, "largest gradient norm; empty: any", POSITIVE)
    class_weights: str = key(
        "none",
        "in the training loss; balanced: articles over classes times the class's articles",
        one_of("none", "balanced"),
        before="none",
    )
    ema_decay: float = key(
        0.99,
        "share that the moving average of the weights, which is evaluated, keeps of itself in an "
        "update; 0: the weights themselves are evaluated",
        FRACTION,
        before=0.0,
    )
    evaluated_weights: str = key(
        "best", "of the best epoch, or of the last epoch", one_of("best", "last")
    )
    select_by: str = key(
        "val_loss",
        "what makes an epoch, or the c of a baseline, the best",
        one_of("val_loss", "val_accuracy", "val_macro_f1"),
        before="val_loss",
    )
    patience: int | None = key(
        10, "epochs without a better one before stopping; empty: never", at_least(1)
    )
    patience_from: str = key(
        "learning",
        "when patience begins to count: at the start, or in the epoch in which validation first "
        "beats the best constant prediction by more than chance",
        one_of("start", "learning"),
        before="start",
    )
    loss_average: str = key(
        "articles", "mean over articles, or of the batches' means", one_of("articles", "batches")
    )
    lr_by_model: dict[str, float] = key(
        {}, "learning rates that a model's name decides; others: of any other", EACH_POSITIVE
    )
    dropout_by_model: dict[str, float] = key(
        {}, "dropouts that a model's name decides; others: of any other", EACH_FRACTION
    )
