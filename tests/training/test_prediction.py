from collections.abc import Callable

import pytest
import torch

from rnn_bench.config.options import build
from rnn_bench.config.protocol import Protocol
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.training.prediction import accuracy, batch_mean_accuracy, mean_loss, predict
from tests.conftest import SMALL

Compose = Callable[..., Config]
LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
LABELS = torch.tensor([0, 1, 1])


def test_a_mean_over_articles_counts_each_article_once() -> None:
    expected = torch.nn.functional.cross_entropy(LOGITS.double(), LABELS).item()
    assert mean_loss(LOGITS, LABELS, Protocol(name="p")) == pytest.approx(expected)
    assert accuracy(LOGITS, LABELS) == pytest.approx(2 / 3)


def test_a_mean_over_batches_lets_the_smaller_last_batch_weigh_as_much() -> None:
    protocol = Protocol(name="p", loss_average="batches", batch_size=2)
    batch_losses = [
        torch.nn.functional.cross_entropy(LOGITS[part], LABELS[part]).item()
        for part in (slice(0, 2), slice(2, 3))
    ]
    assert mean_loss(LOGITS, LABELS, protocol) == pytest.approx(sum(batch_losses) / 2)
    assert batch_mean_accuracy(LOGITS, LABELS, batch_size=2) == pytest.approx(0.5)


@pytest.mark.parametrize("readout", ["last_token", "padded_end"])
def test_answers_come_in_the_articles_order(readout: str, configured: Compose) -> None:
    config = configured(*SMALL, f"protocol.readout={readout}", "protocol.batch_size=1")
    corpus = encoded_corpus(config)
    torch.manual_seed(0)
    model = build(config.model, vocabulary_size=len(corpus.vocabulary), classes=2, readout=readout)
    logits = predict(model, corpus.test, config.protocol)
    test = corpus.test
    for i in range(len(test)):
        tokens = test.tokens[test.offsets[i] : test.offsets[i + 1]]
        alone = model(tokens[None], torch.tensor([len(tokens)]))
        torch.testing.assert_close(logits[i], alone[0].detach())


def test_the_padded_end_depends_on_the_batch_size_and_other_readouts_do_not(
    configured: Compose,
) -> None:
    def answers(readout: str, batch_size: int) -> torch.Tensor:
        config = configured(
            *SMALL, f"protocol.readout={readout}", f"protocol.batch_size={batch_size}"
        )
        corpus = encoded_corpus(config)
        torch.manual_seed(0)
        model = build(
            config.model, vocabulary_size=len(corpus.vocabulary), classes=2, readout=readout
        )
        return predict(model, corpus.test, config.protocol)

    assert not torch.allclose(answers("padded_end", 1), answers("padded_end", 8))
    assert torch.equal(answers("last_token", 1), answers("last_token", 8))
