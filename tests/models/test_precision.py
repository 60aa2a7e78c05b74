"""What is rounded in each precision, and what is not."""

import pytest
import torch
from torch import Tensor, nn

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.model import cell_names
from rnn_bench.models.cell import cell_class
from rnn_bench.models.precision import (
    check_precision,
    check_tensor_cores,
    linear,
    logits_in,
    products_in,
    rounded,
)
from rnn_bench.models.recurrent import RecurrentClassifier
from tests.models.test_recurrent import CELLS, READOUTS, classifier, padded

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
BACKENDS = (torch.backends.cudnn, torch.backends.cuda.matmul)
HALF_AN_ULP = 2**-9  # of bfloat16, relative


def is_rounded(values: Tensor) -> bool:
    return torch.equal(values, values.bfloat16().float())


def reference(cell: nn.Module, inputs: Tensor) -> Tensor:
    """The states in double precision, with numbers rounded before they are multiplied."""
    w, u, b, b_hidden = (rounded(each.detach()).double() for each in cell.weights)
    inputs = rounded(inputs).double()
    hidden = memory = torch.zeros(len(inputs), u.shape[1]).double()
    states = []
    for features in inputs.unbind(1):
        of_inputs, of_hidden = features @ w.T + b, hidden @ u.T + b_hidden
        hidden, memory = cell.next_state(of_inputs, of_hidden, hidden, memory)
        hidden = rounded(hidden).double()
        states.append(hidden)
    return torch.stack(states, 1)


@pytest.mark.parametrize("name", cell_names())
def test_a_cell_multiplies_rounded_numbers_and_adds_in_float32(name: str) -> None:
    torch.manual_seed(0)
    cell, inputs, lengths = cell_class(name)(30, 40), torch.randn(8, 12, 30), torch.full((8,), 12)
    with torch.autocast("cpu", torch.bfloat16):
        states = cell(inputs, lengths)
    assert is_rounded(states)
    plain, expected = cell(inputs, lengths), reference(cell, inputs).float()
    # Sums that lie between two numbers of bfloat16 may fall to either; few do.
    assert (states == expected).float().mean() > 0.99
    torch.testing.assert_close(states, expected, rtol=0, atol=4 * HALF_AN_ULP)
    assert (states == plain).float().mean() < 0.01
    torch.testing.assert_close(states, plain, rtol=0, atol=0.02)


@pytest.mark.filterwarnings("ignore:TF32 acceleration:UserWarning")  # of the flags of mkldnn
@pytest.mark.parametrize("name", cell_names())
def test_what_a_gpu_computes_is_bfloat16(name: str) -> None:
    """torch's autocast gives float16 to cuDNN. A CPU shows the types, and about the numbers."""
    torch.manual_seed(0)
    cell, inputs = cell_class(name)(30, 40), torch.randn(8, 12, 30)
    with torch.autocast("cpu", torch.bfloat16), torch.backends.mkldnn.flags(enabled=False):
        states = cell._bfloat16_states(inputs)
    assert states.dtype is torch.bfloat16
    expected = reference(cell, inputs).float()
    torch.testing.assert_close(states.float(), expected, rtol=0, atol=0.02)
    states.float().sum().backward()
    assert {each.grad.dtype for each in cell.parameters()} == {torch.float32}
    assert all(is_rounded(each.grad) for each in cell.parameters())


@pytest.mark.parametrize("name", cell_names())
def test_products_for_the_gradients_take_rounded_numbers_too(name: str) -> None:
    """With a state of 0, the gradient of the bias is a sum of what the other products take."""
    torch.manual_seed(0)
    cell, inputs, lengths = cell_class(name)(3, 4), torch.randn(1, 1, 3), torch.tensor([1])
    weights = [*cell.parameters()]
    factors = torch.randn(1, 1, 4)

    def gradients(bfloat16: bool) -> list[Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            states = cell(inputs, lengths)
        return [*torch.autograd.grad((states * factors).sum(), weights)]

    ours, plain = gradients(True), gradients(False)
    for found, expected in zip(ours, plain, strict=True):
        assert found.dtype is torch.float32
        assert is_rounded(found)
        torch.testing.assert_close(found, expected, rtol=0.05, atol=0.01)
    assert not is_rounded(plain[2])
    assert not torch.equal(ours[2], plain[2])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize(("num_layers", "bidirectional"), [(1, False), (2, True)])
def test_logits_are_near_those_of_float32_and_not_rounded(
    cell: str, readout: str, num_layers: int, bidirectional: bool
) -> None:
    model, (tokens, lengths) = (
        classifier(cell, readout, num_layers, bidirectional),
        padded([4, 9, 1]),
    )
    ours = logits_in("bfloat16", model, tokens, lengths)
    plain = model(tokens, lengths)
    assert torch.equal(logits_in("float32", model, tokens, lengths), plain)
    assert ours.dtype is torch.float32
    assert not is_rounded(ours)
    assert not torch.equal(ours, plain)
    torch.testing.assert_close(ours, plain, rtol=0, atol=0.03)


@pytest.mark.parametrize("cell", CELLS)
def test_padding_never_reaches_the_answer_in_bfloat16(cell: str) -> None:
    model, (tokens, lengths) = classifier(cell, "last_token", 2, True), padded([4, 9, 1])
    together = logits_in("bfloat16", model, tokens, lengths)
    for row, length in enumerate(lengths.tolist()):
        one = slice(row, row + 1)
        alone = logits_in("bfloat16", model, tokens[one, :length], lengths[one])
        torch.testing.assert_close(together[one], alone, rtol=0, atol=2 * HALF_AN_ULP)


def test_the_classifier_adds_in_float32() -> None:
    torch.manual_seed(0)
    layer, inputs = nn.Linear(64, 3), torch.randn(5, 64)
    with torch.autocast("cpu", torch.bfloat16):
        ours = linear(layer, inputs)
    weight, bias = (rounded(each.detach()).double() for each in layer.parameters())
    torch.testing.assert_close(ours.double(), rounded(inputs).double() @ weight.T + bias)
    assert not is_rounded(ours)
    assert torch.equal(linear(layer, inputs), layer(inputs))


class Mixed(nn.Module):
    """A user's cell, which says what its product is computed in."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.inwards = nn.Linear(input_size, hidden_size)
        self.seen: list[torch.dtype] = []

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        states = self.inwards(inputs)
        self.seen.append(states.dtype)
        return states


def test_a_cell_of_the_user_s_own_is_computed_by_autocast() -> None:
    model = RecurrentClassifier(
        *(f"{__name__}.Mixed", 5, 7, 1, False, 0.0),
        **{"vocabulary_size": 20, "classes": 3, "readout": "mean"},
    )
    tokens, lengths = padded([4, 9])
    ours, plain = (logits_in(each, model, tokens, lengths) for each in ("bfloat16", "float32"))
    assert model.layers[0][0].seen == [torch.bfloat16, torch.float32]
    assert ours.dtype is torch.float32
    torch.testing.assert_close(ours, plain, rtol=0, atol=0.03)
    ours.sum().backward()
    assert {each.grad.dtype for each in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("precision", "allowed"), [("float32", False), ("tf32", True), ("bfloat16", False)]
)
def test_the_flags_of_cuda_are_those_of_the_precision_and_then_as_before(
    precision: str, allowed: bool
) -> None:
    """Setting them takes no GPU."""

    def flags() -> list[bool]:
        return [backend.allow_tf32 for backend in BACKENDS]

    def fail() -> None:
        with products_in(precision, CUDA):
            assert flags() == [allowed, allowed]
            with products_in("tf32", CPU):
                assert flags() == [allowed, allowed]
            raise InterruptedError

    before = flags()
    with pytest.raises(InterruptedError):
        fail()
    assert flags() == before == [True, False]


@pytest.mark.parametrize(
    ("precision", "device", "says"),
    [
        ("tf32", "cpu", "protocol.precision=tf32 is not possible on cpu: it computes float32 and"),
        ("tf32", "mps", "protocol.precision=tf32 is not possible on mps: it computes float32."),
        ("bfloat16", "mps", "protocol.precision=bfloat16 is not possible on mps"),
    ],
)
def test_a_device_without_the_precision_is_refused(precision: str, device: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        check_precision(precision, torch.device(device))
    check_precision("float32", torch.device(device))
    check_precision(precision, CUDA)


@pytest.mark.parametrize(
    ("precision", "device", "computes"),
    [
        ("tf32", "cuda", "float32 and bfloat16"),
        ("tf32", "cpu", "float32"),
        ("bfloat16", "cpu", "float32"),
    ],
)
def test_a_precision_that_the_fused_kernel_lacks_is_refused(
    precision: str, device: str, computes: str
) -> None:
    said = f"precision={precision} is not possible on {device} with model.kernel=fused: it computes"
    with pytest.raises(ConfigError, match=f"{said} {computes}\\.$"):
        check_precision(precision, torch.device(device), "fused")
    check_precision("float32", torch.device(device), "fused")
    check_precision("bfloat16", CUDA, "fused")


def test_a_gpu_without_tensor_cores_for_the_precision_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    with pytest.raises(ConfigError, match=r"tf32 is not possible on cuda, of compute .* 7\.5"):
        check_tensor_cores("tf32", CUDA)
    check_tensor_cores("float32", CUDA)
    check_tensor_cores("bfloat16", CPU)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    check_tensor_cores("bfloat16", CUDA)
