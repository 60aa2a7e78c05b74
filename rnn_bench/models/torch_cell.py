"""The base of the cells that torch computes: nn.RNN, nn.LSTM and nn.GRU."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from rnn_bench.models.kernels.library import FusedCell
from rnn_bench.models.precision import is_bfloat16, product, rounded


class TorchCell(nn.Module, ABC):
    """One layer in one direction of torch's recurrent module, from a state of 0.

    torch computes all states at once, or, if `by_steps` is set, the equations of `step` compute one
    after the other, so that each is a node of the graph, and the memory of each step is returned
    too. In bfloat16 on a CPU they do so with rounded inputs, weights and hidden states, and
    elsewhere torch gets inputs and weights in bfloat16.
    """

    torch_class: ClassVar[Callable[..., nn.RNNBase]]
    fused: ClassVar[FusedCell]
    uses_onednn: ClassVar[bool] = False  # whether oneDNN computes it on a CPU

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.recurrence = self.torch_class(input_size, hidden_size, batch_first=True)
        self.by_steps = False

    def forward(
        self, inputs: Float[Tensor, "batch time features"], lengths: Int[Tensor, " batch"]
    ) -> (
        Float[Tensor, "batch time hidden"]
        | tuple[Float[Tensor, "batch time hidden"], Float[Tensor, "batch time hidden"]]
    ):
        """Return the states; they never depend on what comes later, such as padding."""
        if self.by_steps:
            return self._steps(inputs)
        if is_bfloat16(inputs.device):
            by = self._rounded_states if inputs.device.type == "cpu" else self._bfloat16_states
            return by(inputs)
        return self.recurrence(inputs)[0]  # type: ignore[no-any-return]

    def _steps(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the states and memories, computed step by step."""
        hidden = memory = inputs.new_zeros(len(inputs), self.recurrence.hidden_size)
        states, memories = [], []
        for features in inputs.unbind(1):
            hidden, memory = self.step(features, hidden, memory)
            states.append(hidden)
            memories.append(memory)
        return torch.stack(states, 1), torch.stack(memories, 1)

    def _rounded_states(self, inputs: Tensor) -> Tensor:
        """Return the states, with inputs, weights and hidden states rounded to bfloat16; gates and
        memories are not."""
        w, u, b, b_hidden = map(rounded, self.weights)
        hidden = memory = inputs.new_zeros(len(inputs), self.recurrence.hidden_size)
        states = []
        for of_inputs in product(rounded(inputs), w, b).unbind(1):
            of_hidden = product(hidden, u, b_hidden)
            hidden, memory = self.next_state(of_inputs, of_hidden, hidden, memory)
            hidden = rounded(hidden)
            states.append(hidden)
        return torch.stack(states, 1)

    def _bfloat16_states(self, inputs: Tensor) -> Tensor:
        """Return the states, in bfloat16, that torch computes of inputs and weights in bfloat16.

        Its autocast would give float16 to cuDNN, whatever it is asked for.
        """
        flat = torch.cat([each.flatten() for each in self.weights]).bfloat16()
        parts = flat.split([each.numel() for each in self.weights])  # side by side, as in cuDNN
        weights = [part.view_as(each) for part, each in zip(parts, self.weights, strict=True)]
        zeros = flat.new_zeros(1, len(inputs), self.recurrence.hidden_size)
        mode = self.recurrence.mode
        compute: Any = {"RNN_TANH": torch.rnn_tanh, "GRU": torch.gru, "LSTM": torch.lstm}[mode]
        before = (zeros, zeros) if mode == "LSTM" else zeros
        with torch.autocast(inputs.device.type, enabled=False):
            states: Tensor = compute(
                *(inputs.bfloat16(), before, weights),
                *(True, 1, 0.0, self.training, False, True),  # has biases, ..., batch first
            )[0]
        return states

    def step(
        self,
        inputs: Float[Tensor, "batch features"],
        hidden: Float[Tensor, "batch hidden"],
        memory: Float[Tensor, "batch hidden"],
    ) -> tuple[Float[Tensor, "batch hidden"], Float[Tensor, "batch hidden"]]:
        """Return the next state and the next memory."""
        w, u, b, b_hidden = self.weights
        linear = nn.functional.linear
        return self.next_state(linear(inputs, w, b), linear(hidden, u, b_hidden), hidden, memory)

    @abstractmethod
    def next_state(
        self,
        of_inputs: Float[Tensor, "batch gates"],
        of_hidden: Float[Tensor, "batch gates"],
        hidden: Float[Tensor, "batch hidden"],
        memory: Float[Tensor, "batch hidden"],
    ) -> tuple[Float[Tensor, "batch hidden"], Float[Tensor, "batch hidden"]]:
        """Return the next state, and the next memory; a cell that has none leaves it 0.

        `of_inputs` and `of_hidden` are W x + b and U h + b', the gates side by side.
        """

    @property
    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The weights W of the inputs and U of the states, and their biases b and b'."""
        w, u, b, b_hidden = self.recurrence.all_weights[0]
        return w, u, b, b_hidden

    @torch.no_grad()
    def draw_orthogonal(self) -> None:
        """Draw the weights as Keras does: U from the matrices with orthonormal columns, all gates
        as one (Saxe et al. 2014), W by Glorot's uniform law, biases 0."""
        w, u, b, b_hidden = self.weights
        nn.init.xavier_uniform_(w)
        nn.init.orthogonal_(u)
        for bias in (b, b_hidden):
            nn.init.zeros_(bias)

    @classmethod
    def kernel_name(cls, device: torch.device, precision: str) -> str:
        """Return the name of the code by which torch computes the cell on a device."""
        if device.type == "cuda":
            return "cudnn"
        if precision == "bfloat16":
            return "torch-steps"
        return "torch-oneDNN" if cls.uses_onednn and device.type == "cpu" else "torch-native"
