"""Train by CUDA graphs: a whole step is one launch, where Python launches some forty kernels.

A graph repeats the kernels of one step on the same memory, so there is one for each length of a
batch, and lengths are rounded up to LENGTHS of them. What changes from step to step is written into
that memory before: the batch's articles, the learning rate and the share of the moving average.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.optim import Optimizer

from rnn_bench.config.protocol import Protocol
from rnn_bench.models.recurrent import RecurrentClassifier
from rnn_bench.models.torch_cell import TorchCell
from rnn_bench.training.device_errors import explained_capture_errors

LENGTHS = 16

Step = Callable[[Tensor, int], None]  # given a batch's articles and the length it is padded to


def reason_not_captured(model: nn.Module, optimizer: Optimizer, protocol: Protocol) -> str:
    """Return why a network's training steps cannot be CUDA graphs; "" if they can."""
    if not isinstance(model, RecurrentClassifier) or not all(
        isinstance(cell, TorchCell)
        for layer in cast(list[nn.ModuleList], model.layers)
        for cell in layer
    ):
        return "code of the user's own may wait for the GPU"
    if not all("capturable" in group for group in optimizer.param_groups):
        return f"torch's {type(optimizer).__name__} is not capturable"
    if protocol.readout == "padded_end":
        return "protocol.readout=padded_end lets no padding be added"
    if protocol.train_seconds is not None:
        return "protocol.train_seconds needs to know when a step has ended"
    return ""


def make_capturable(optimizer: Optimizer, device: torch.device) -> None:
    """Keep the learning rates and the number of updates of an optimizer of torch's on the GPU."""
    for group in optimizer.param_groups:
        group["capturable"] = True
        group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=device)
    for state in optimizer.state.values():
        state["step"] = state["step"].to(device)


def plain_state(optimizer: Optimizer, rates: Sequence[float]) -> dict[str, Any]:
    """Return an optimizer's state as it is without graphs, so that either can continue it.

    Args:
        rates: the learning rates it was made with.
    """
    state = optimizer.state_dict()
    for group, rate in zip(state["param_groups"], rates, strict=True):
        if isinstance(group.get("lr"), Tensor):
            group |= {"lr": rate, "capturable": False}
    return state


def bucket_length(longest: int, max_length: int) -> int:
    """Return the length that a batch is padded to: the next of LENGTHS equal steps."""
    step = -(-max_length // LENGTHS)
    return min(-(-longest // step) * step, max_length)


class CapturedStep:
    """Calls a step, with full batches of a length that came before as a CUDA graph.

    The first batch of a length is a step as any other, which lets cuDNN, cuBLAS and the optimizer
    get the memory that they keep. The second captures the graph, which computes nothing, and
    launches it. A smaller batch is never captured: there is one an epoch.
    """

    def __init__(self, step: Step, protocol: Protocol, device: torch.device) -> None:
        self.step, self.protocol, self.device = step, protocol, device
        self.stream, self.pool = torch.cuda.Stream(device), torch.cuda.graph_pool_handle()
        # What launches a length's graph; None after its first batch.
        self.graphs: dict[int, Callable[[Tensor], None] | None] = {}

    def __call__(self, articles: Int[Tensor, " batch"], longest: int) -> None:
        length = bucket_length(longest, self.protocol.max_length)
        is_full = len(articles) == self.protocol.batch_size
        with torch.cuda.device(self.device):
            if is_full and length in self.graphs:
                launch = self.graphs[length] or self._capture(articles, length)
                self.graphs[length] = launch
                launch(articles)
                return
            self._call(articles, length)
        if is_full:
            self.graphs[length] = None

    def _call(self, articles: Tensor, length: int) -> None:
        """Call the step on the stream of the graphs, between what comes before and after it."""
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            self.step(articles, length)
        current.wait_stream(self.stream)

    def _capture(self, articles: Tensor, length: int) -> Callable[[Tensor], None]:
        """Capture the step for a length, and return what launches the graph."""
        graph, its_articles = torch.cuda.CUDAGraph(), articles.clone()
        # Other threads, such as the heartbeat's, may do what they like meanwhile.
        captured = torch.cuda.graph(
            graph, self.pool, self.stream, capture_error_mode="thread_local"
        )
        with explained_capture_errors(), captured:
            self.step(its_articles, length)

        def launch(articles: Tensor) -> None:
            its_articles.copy_(articles)
            graph.replay()

        return launch
