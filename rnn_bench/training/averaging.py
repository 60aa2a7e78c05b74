"""The exponential moving average of a network's weights."""

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of a model whose weights follow the model's at each `update_parameters`.

    The first weights are copied. In the n-th update after them the average keeps the share
    min(decay, (1 + n) / (10 + n)) of itself, as TensorFlow's ExponentialMovingAverage does, so that
    it does not stay near the initial weights.
    """

    def follow(average: Tensor, weight: Tensor, before: Tensor | int) -> Tensor:
        kept = min(decay, (1 + int(before)) / (10 + int(before)))
        return average.lerp(weight, 1 - kept)

    average = AveragedModel(model, avg_fn=follow)
    for module in average.modules():
        if isinstance(module, nn.RNNBase):  # a copy's weights lie apart; cuDNN wants them together
            module.flatten_parameters()
    return average
