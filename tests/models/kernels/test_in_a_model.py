"""A model whose recurrence the fused kernel computes."""

import copy
from collections.abc import Callable

import pytest
import torch

from rnn_bench.config.model import cell_names
from rnn_bench.config.schema import Config
from rnn_bench.data.batches import training_order
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.models.initial import initial_model
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.recurrent import RecurrentClassifier
from tests.conftest import SMALL_CORPUS
from tests.models.kernels.layers import losses_of_training


@pytest.mark.parametrize("cell", cell_names())
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("readout", ["last_token", "padded_end", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_first_losses_of_training_are_torch_s(
    cell: str,
    layers: int,
    readout: str,
    bidirectional: bool,
    kernel: FusedKernel,
    configured: Callable[..., Config],
) -> None:
    config = configured(
        *("dataset.articles=1600", f"model={cell}", f"model.num_layers={layers}"),
        *("model.hidden_size=24", "dataset.length=30", "dataset.marker_distance=3"),
        *(f"protocol.readout={readout}", f"model.bidirectional={bidirectional}"),
    )
    corpus = encoded_corpus(config)
    lengths = corpus.train.lengths.numpy()
    order = training_order(lengths, 32, "bucketed", 0, 1)[:20]
    losses = [losses_of_training(config, corpus, fused, order) for fused in (None, kernel)]
    assert len(losses[0]) == 20
    assert losses[1] == pytest.approx(losses[0], rel=5e-6)
    assert losses[0][0] != pytest.approx(losses[0][-1], rel=1e-3)


def test_a_model_with_the_kernel_has_the_same_weights_and_can_be_copied(
    kernel: FusedKernel, configured: Callable[..., Config]
) -> None:
    config = configured(*SMALL_CORPUS)
    corpus = encoded_corpus(config)
    plain, fused = (initial_model(config, corpus, each) for each in (None, kernel))
    assert isinstance(fused, RecurrentClassifier)
    theirs, ours = plain.state_dict(), fused.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    assert copy.deepcopy(fused).fused is not fused.fused
