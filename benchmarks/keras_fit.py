"""Keras 3 on JAX, used as its documentation does: `compile` and `fit` on padded arrays.

Equal to rnn_bench in a comparison: the articles and their split; the words that are encoded and the
first words of an article that are kept; the layers, their sizes and the dropout (Keras's GRU with
`reset_after`, as torch's); the state at an article's own last token, through `mask_zero`;
cross-entropy; Adam with its learning rate; articles a batch, batches an epoch, epochs, hence the
number of updates; validation after each epoch and test at the end; 32-bit floats.

Different: every article is padded to the kept length, because XLA compiles a program for each
shape; batches are random; gradients are not clipped; initial weights are Keras's, and its LSTM and
simple cell have one bias where torch has two. Nothing is recorded and no checkpoint is written.
XLA has no setting for its threads: the process is bound to as many cores (on Linux).
"""

import argparse
import os
import time
from typing import Any

from benchmarks import articles
from benchmarks.answers import Answer, contender_arguments, peak_memory_bytes

os.environ["KERAS_BACKEND"] = "jax"
os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # else the peak is most of the GPU


def main() -> None:
    args = argparse.ArgumentParser(parents=[contender_arguments()]).parse_args()
    threads = os.cpu_count() or 1
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[: args.threads]
        os.sched_setaffinity(0, cores)
        threads = len(cores)
    if args.device == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"

    import jax
    import keras  # type: ignore[import-untyped]
    import numpy as np

    if args.device == "cuda" and jax.default_backend() != "gpu":
        raise SystemExit("JAX sees no GPU here.")
    keras.utils.set_random_seed(args.seed)
    texts, labels = articles.read_articles(args.articles / "training.csv")
    vocabulary = articles.build_vocabulary(texts)
    answer = Answer(threads)
    splits = {}
    for split in ("training", "validation", "test"):
        texts, split_labels = articles.read_articles(args.articles / f"{split}.csv")
        encoded = [articles.encode(text, vocabulary, args.length) for text in texts]
        splits[split] = articles.padded(encoded, args.length), np.array(split_labels)
        if split == "training":
            answer.tokens = sum(map(len, encoded))

    cell = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
    model = keras.Sequential(
        [
            keras.layers.Embedding(len(vocabulary) + 2, articles.EMBEDDING_DIM, mask_zero=True),
            cell[args.cell](articles.HIDDEN_SIZE),
            keras.layers.Dropout(articles.DROPOUT),
            keras.layers.Dense(len(set(labels))),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(articles.LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    class Times(keras.callbacks.Callback):  # type: ignore[misc]
        """The first step ends with its loss; the training of an epoch where validation begins."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.began = self.trained = time.time()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if not answer.first_step:
                float(logs["loss"])
                answer.stepped()
                answer.compile_seconds = answer.first_step - self.began

        def on_test_begin(self, logs: Any = None) -> None:
            self.trained = time.time()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            answer.epoch(self.began, self.trained, float(logs["val_accuracy"]))

    inputs, targets = splits["training"]
    model.fit(
        inputs,
        targets,
        batch_size=articles.BATCH_SIZE,
        epochs=args.epochs,
        validation_data=splits["validation"],
        validation_batch_size=articles.BATCH_SIZE,
        callbacks=[Times()],
        verbose=2,
    )
    model.evaluate(*splits["test"], batch_size=articles.BATCH_SIZE, verbose=2)
    if args.device == "cuda":
        peak = jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]
    else:
        peak = peak_memory_bytes()
    answer.write(args.answer, peak)


if __name__ == "__main__":
    main()
