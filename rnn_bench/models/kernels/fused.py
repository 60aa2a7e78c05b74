"""What nn.RNN, nn.GRU and nn.LSTM compute, by the kernel in this folder, with autograd."""

import ctypes
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from rnn_bench.models.kernels.library import Call, Sequence, Sizes, Weights, library

CELLS: tuple[type[nn.RNNBase], ...] = (nn.RNN, nn.GRU, nn.LSTM)  # the order of enum Cell


class Buffers:
    """Memory that is used again. What is taken belongs to the taker until it is given back; what
    never is, such as that of a forward pass without a backward one, is freed like any tensor."""

    def __init__(self) -> None:
        self._free: list[Tensor] = []

    def take(self, size: int) -> Tensor:
        """At least `size` floats, whatever they hold."""
        try:
            buffer = self._free.pop()
        except IndexError:  # threads may read side by side
            return torch.empty(size)
        return buffer if buffer.numel() >= size else torch.empty(size)

    def give_back(self, buffer: Tensor) -> None:
        """One is kept, the largest."""
        if max((kept.numel() for kept in self._free), default=0) < buffer.numel():
            self._free = [buffer]


class FusedKernel:
    """Computes a torch module's recurrence in one direction, from a state of 0, in float32 on the
    CPU with torch's number of threads; the module keeps the weights.

    Raises:
        Unavailable: it cannot be compiled here.
    """

    def __init__(self, cache_dir: Path) -> None:
        self.cache_dir = cache_dir
        self.library = library(cache_dir)
        self.scratch = Buffers()
        self.kept = defaultdict[int | None, Buffers](Buffers)  # of a layer; None: not in training

    def __reduce__(self) -> tuple[type, tuple[Path]]:  # a copy of a model has buffers of its own
        return FusedKernel, (self.cache_dir,)

    def last_states(
        self,
        module: nn.RNNBase,
        inputs: Float[Tensor, "batch time features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch hidden"]:
        """The last layer's hidden state at each row's own last step, with dropout between layers
        as the module has it.

        The gradient itself has none: asking for it (`create_graph`) is a RuntimeError.

        Raises:
            ValueError: the kernel does not compute that.
        """
        _check(module, inputs, lengths)
        lengths = lengths.to(torch.int64).contiguous()
        training = torch.is_grad_enabled()
        for layer, weights in enumerate(module.all_weights):
            is_last = layer == module.num_layers - 1
            inputs = _Layer.apply(  # type: ignore[no-untyped-call]
                self, module, layer, training, inputs, lengths, *weights
            )
            if not is_last:  # [time, batch, hidden], so that dropout draws as in torch's layers
                inputs = F.dropout(inputs, module.dropout, module.training).transpose(0, 1)
        return inputs


def _check(module: nn.RNNBase, inputs: Tensor, lengths: Tensor) -> None:
    plain = type(module) in CELLS and module.bias and not module.bidirectional
    if not plain or getattr(module, "nonlinearity", "tanh") != "tanh":
        raise ValueError("The kernel computes nn.RNN with tanh, nn.GRU and nn.LSTM, one direction.")
    tensors = (inputs, *module.parameters())
    if any(each.dtype != torch.float32 or each.device.type != "cpu" for each in tensors):
        raise ValueError("The kernel computes with float32 on the CPU.")
    if len(lengths) == 0 or lengths.min() < 1 or lengths.max() > inputs.shape[1]:
        raise ValueError(f"Lengths must lie between 1 and {inputs.shape[1]}, and be at least one.")


class _Layer(torch.autograd.Function):
    """A layer: the last one's states at the last steps, [batch, hidden], or another's states at
    all steps, [time, batch, hidden]."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel: FusedKernel,
        module: nn.RNNBase,
        layer: int,
        training: bool,
        inputs: Tensor,
        lengths: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        if inputs.stride(2) != 1:
            inputs = inputs.contiguous()
        weights = tuple(weight.contiguous() for weight in weights)
        batch, time, _ = inputs.shape
        training = training and any(ctx.needs_input_grad)
        call = Call(
            cell=CELLS.index(type(module)),
            inputs=inputs.shape[2],
            hidden=module.hidden_size,
            articles=batch,
            steps=time,
            shards=min(torch.get_num_threads(), batch),
            training=training,
            lengths=lengths.data_ptr(),
            weights=_pointers(weights),
            input=_sequence(inputs),
        )
        sizes: Sizes = kernel.library.recurrence_sizes(ctypes.byref(call))
        pool = kernel.kept[layer if training else None]
        kept, scratch = pool.take(sizes.kept), kernel.scratch.take(sizes.forward_scratch)
        call.kept, call.scratch = kept.data_ptr(), scratch.data_ptr()
        if layer == module.num_layers - 1:
            states = inputs.new_empty(batch, module.hidden_size)
            call.last = states.data_ptr()
        else:
            states = inputs.new_empty(time, batch, module.hidden_size)
            call.states = _sequence(states.transpose(0, 1))
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
        if torch.is_grad_enabled():  # create_graph=True
            raise RuntimeError(
                "The fused kernel's gradients have no gradients: compute them with torch's."
            )
        kept, lengths, *weights = ctx.saved_tensors
        kernel, call, sizes = ctx.kernel, ctx.call, ctx.sizes
        d_weights = tuple(torch.empty_like(weight) for weight in weights)
        scratch = kernel.scratch.take(sizes.backward_scratch)
        call.lengths, call.kept, call.scratch = (
            each.data_ptr() for each in (lengths, kept, scratch)
        )
        call.weights, call.d_weights = _pointers(weights), _pointers(d_weights)
        call.input, call.states, call.last = Sequence(), Sequence(), None
        if d_states.dim() == 2:
            d_states = d_states.contiguous()
            call.last = d_states.data_ptr()
        else:
            d_states = d_states if d_states.stride(2) == 1 else d_states.contiguous()
            call.states = _sequence(d_states.transpose(0, 1))
        d_inputs = None
        if ctx.needs_input_grad[4]:
            d_inputs = kept.new_empty(call.articles, call.steps, call.inputs)
            call.input = _sequence(d_inputs)
        kernel.library.recurrence_backward(ctypes.byref(call))
        kernel.scratch.give_back(scratch)
        ctx.pool.give_back(kept)
        return None, None, None, None, d_inputs, None, *d_weights


def _sequence(tensor: Tensor) -> Sequence:
    return Sequence(tensor.data_ptr(), tensor.stride(0), tensor.stride(1))


def _pointers(weights: tuple[Tensor, ...] | list[Tensor]) -> Weights:
    return Weights(*(weight.data_ptr() for weight in weights))
