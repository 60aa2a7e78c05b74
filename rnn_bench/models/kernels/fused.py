"""Call the fused kernel, which computes torch's cells, from autograd."""

import ctypes
from abc import ABC, abstractmethod
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rnn_bench.models.kernels.library import Call, Readout, Sequence, Sizes, Weights, library
from rnn_bench.models.torch_cell import TorchCell


class Buffers:
    """Memory that is reused. A buffer that is never given back, as after a forward pass without a
    backward one, is freed like any tensor."""

    def __init__(self) -> None:
        self._free: list[Tensor] = []

    def take(self, size: int) -> Tensor:
        """Return at least `size` floats of any value, which are the caller's until given back."""
        try:
            buffer = self._free.pop()
        except IndexError:  # threads may read side by side
            return torch.empty(size)
        return buffer if buffer.numel() >= size else torch.empty(size)

    def give_back(self, buffer: Tensor) -> None:
        """Keep the buffer if it is the largest so far."""
        if max((kept.numel() for kept in self._free), default=0) < buffer.numel():
            self._free = [buffer]


class FusedKernel(ABC):
    """Computes one of torch's cells from a state of 0, in float32; the cell keeps the weights.

    Gradients themselves have none: asking for them (`create_graph`) is a RuntimeError.
    """

    def read_out(
        self,
        cell: TorchCell,
        inputs: Float[Tensor, "batch time features"],
        lengths: Int[Tensor, " batch"],
        readout: Readout,
        backwards: bool = False,
    ) -> Float[Tensor, "batch hidden"]:
        """Return the state after each article's last step, or the mean or maximum of its states.

        With `backwards` the cell reads each article from its last token to its first.
        """
        return self._compute(cell, inputs, lengths, readout, backwards)

    def all_states(
        self,
        cell: TorchCell,
        inputs: Float[Tensor, "batch time features"],
        lengths: Int[Tensor, " batch"],
        backwards: bool = False,
    ) -> Float[Tensor, "batch time hidden"]:
        """Return the state after each token was read, 0 in the padding; in memory time comes first,
        as in torch's."""
        return self._compute(cell, inputs, lengths, Readout.EVERY_STEP, backwards).transpose(0, 1)

    @abstractmethod
    def _compute(
        self, cell: TorchCell, inputs: Tensor, lengths: Tensor, readout: Readout, backwards: bool
    ) -> Tensor:
        """Return a cell's readout, [batch, hidden], or its states at all steps, [time, batch,
        hidden]."""


class CpuKernel(FusedKernel):
    """The kernel for the CPU, with torch's number of threads.

    Raises:
        Unavailable: it cannot be compiled here.
    """

    def __init__(self, cache_dir: Path) -> None:
        self.cache_dir = cache_dir
        self.library = library(cache_dir)
        self.scratch = Buffers()
        # By the id of the cell that is trained; None: of any cell without gradients.
        self.kept = defaultdict[int | None, Buffers](Buffers)

    def __reduce__(self) -> tuple[type, tuple[Path]]:  # a copy of a model has buffers of its own
        return CpuKernel, (self.cache_dir,)

    def _compute(
        self, cell: TorchCell, inputs: Tensor, lengths: Tensor, readout: Readout, backwards: bool
    ) -> Tensor:
        """
        Raises:
            ValueError: a tensor is not of float32 on the CPU, or a length is beyond the inputs.
        """
        tensors = (inputs, *cell.weights)
        if any(each.dtype != torch.float32 or each.device.type != "cpu" for each in tensors):
            raise ValueError("The kernel computes with float32 on the CPU.")
        if len(lengths) == 0 or lengths.min() < 1 or lengths.max() > inputs.shape[1]:
            raise ValueError(f"Lengths must be given, and lie between 1 and {inputs.shape[1]}.")
        lengths, training = lengths.to(torch.int64).contiguous(), torch.is_grad_enabled()
        states: Tensor = _Layer.apply(  # type: ignore[no-untyped-call]
            self, cell, readout, backwards, training, inputs, lengths, *cell.weights
        )
        return states


def refuse_second_gradients() -> None:
    """Check, on the way back, that no gradients of the gradients were asked for.

    Raises:
        RuntimeError: they were, by `create_graph`.
    """
    if torch.is_grad_enabled():
        raise RuntimeError(
            "The fused kernel's gradients have no gradients: compute them with torch's."
        )


class _Layer(torch.autograd.Function):
    """What `CpuKernel` computes."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel: CpuKernel,
        cell: TorchCell,
        readout: Readout,
        backwards: bool,
        training: bool,
        inputs: Tensor,
        lengths: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        if inputs.stride(2) != 1:
            inputs = inputs.contiguous()
        weights = tuple(weight.contiguous() for weight in weights)
        (batch, time, _), hidden = inputs.shape, cell.recurrence.hidden_size
        training = training and any(ctx.needs_input_grad)
        call = Call(
            cell=cell.fused,
            inputs=inputs.shape[2],
            hidden=hidden,
            articles=batch,
            steps=time,
            shards=min(torch.get_num_threads(), batch),
            training=training,
            readout=readout,
            reversed=backwards,
            lengths=lengths.data_ptr(),
            weights=_pointers(weights),
            input=_sequence(inputs),
        )
        sizes: Sizes = kernel.library.recurrence_sizes(ctypes.byref(call))
        pool = kernel.kept[id(cell) if training else None]
        kept, scratch = pool.take(sizes.kept), kernel.scratch.take(sizes.forward_scratch)
        call.kept, call.scratch = kept.data_ptr(), scratch.data_ptr()
        if readout is Readout.EVERY_STEP:
            states = inputs.new_empty(time, batch, hidden)
            call.states = _sequence(states.transpose(0, 1))
        else:
            states = inputs.new_empty(batch, hidden)
            call.read = states.data_ptr()
        kernel.library.recurrence_forward(ctypes.byref(call))
        kernel.scratch.give_back(scratch)
        if training:
            torch.autograd.graph.increment_version(kept)  # an older way back over it is an error
            ctx.save_for_backward(kept, lengths, *weights)
            ctx.kernel, ctx.pool, ctx.call, ctx.sizes = kernel, pool, call, sizes
        else:
            pool.give_back(kept)
        return states

    @staticmethod
    def backward(ctx: Any, d_states: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_gradients()
        kept, lengths, *weights = ctx.saved_tensors
        kernel, call, sizes = ctx.kernel, ctx.call, ctx.sizes
        d_weights = tuple(torch.empty_like(weight) for weight in weights)
        scratch = kernel.scratch.take(sizes.backward_scratch)
        call.lengths, call.kept, call.scratch = (
            each.data_ptr() for each in (lengths, kept, scratch)
        )
        call.weights, call.d_weights = _pointers(weights), _pointers(d_weights)
        call.input, call.states, call.read = Sequence(), Sequence(), None
        if d_states.dim() == 2:
            d_states = d_states.contiguous()
            call.read = d_states.data_ptr()
        else:
            d_states = d_states if d_states.stride(2) == 1 else d_states.contiguous()
            call.states = _sequence(d_states.transpose(0, 1))
        d_inputs = None
        if ctx.needs_input_grad[5]:
            d_inputs = kept.new_empty(call.articles, call.steps, call.inputs)
            call.input = _sequence(d_inputs)
        kernel.library.recurrence_backward(ctypes.byref(call))
        kernel.scratch.give_back(scratch)
        ctx.pool.give_back(kept)
        return None, None, None, None, None, d_inputs, None, *d_weights


def _sequence(tensor: Tensor) -> Sequence:
    return Sequence(tensor.data_ptr(), tensor.stride(0), tensor.stride(1))


def _pointers(weights: tuple[Tensor, ...] | list[Tensor]) -> Weights:
    return Weights(*(weight.data_ptr() for weight in weights))
