"""Chooses the devices of this machine for a sweep's runs, and how many runs each trains at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rnn_bench.config.composition import Job
from rnn_bench.config.errors import ConfigError
from rnn_bench.config.launcher import Packed
from rnn_bench.config.options import entry
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.baselines.baseline import is_baseline
from rnn_bench.sweep.local.gpus import Gpu, chosen_gpus
from rnn_bench.sweep.local.throughput_search import ThroughputSearch
from rnn_bench.training.device import cores, find_device
from rnn_bench.training.prediction import PREDICTION_BATCH_SIZE

ANY_GPU = -1
MOST_JOBS_PER_GPU = 8
MPS_CLIENTS = 48  # that MPS takes on every GPU
CUDA_CONTEXT = 600 * 2**20  # bytes: a process's context, and the kernels of cuDNN and cuBLAS
COPIES = 5  # of each weight: value, gradient, Adam's two moments, the best epoch's
# Numbers for each token of 256 articles that are read, and each unit of a layer's directions. On
# cuDNN an LSTM of 128 units was measured to need 3,270 a token, the others less (docs/gpu.md).
NUMBERS_A_UNIT = 28
BYTES = 4  # of a number


@dataclass(frozen=True)
class Device:
    """A GPU, or the CPU (`gpu` is None), that trains so many runs at once (`slots`).

    `ordinal` is the GPU's number among those of the sweep, the 1 of device=cuda:1. A GPU with a
    `search` begins with fewer slots, as many as that says.
    """

    gpu: Gpu | None
    slots: int = field(compare=False)
    ordinal: int = 0
    search: ThroughputSearch | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"GPU {self.gpu.index}" if self.gpu else "the CPU"


def check_devices(jobs: Sequence[Job], packing: Packed, gpus: Sequence[Gpu]) -> None:
    """Check that this machine has the devices that the launcher and the runs name.

    Raises:
        ConfigError: it lacks one of them.
    """
    chosen = chosen_gpus(packing, gpus)
    for device in dict.fromkeys(job.config.device for job in jobs):
        kind, _, ordinal = device.partition(":")
        if kind == "mps":
            find_device(device)
        if kind == "cuda" and int(ordinal or 0) >= len(chosen):
            raise ConfigError(
                f"device={device} is not possible: torch sees {len(chosen)} CUDA devices here."
            )


def wanted_gpu(config: Config, gpus: int) -> int | None:
    """Return the ordinal of the only GPU that a run may use, `ANY_GPU`, or None for the CPU.

    Baselines use the CPU, as do all runs on a machine without GPUs.
    """
    if not gpus or config.device in ("cpu", "mps") or is_baseline(config.model):
        return None
    return int(config.device[5:]) if config.device.startswith("cuda:") else ANY_GPU


def can_run_on(gpu: int | None, device: Device) -> bool:
    """Return whether a run may use a device; `gpu` is its `wanted_gpu`."""
    if device.gpu is None or gpu is None:
        return device.gpu is None and gpu is None
    return gpu in (ANY_GPU, device.ordinal)


def memory_need(config: Config, corpus: EncodedCorpus) -> int:
    """Estimate, generously, the GPU memory in bytes for training one run.

    It is the sum of the CUDA context; each weight five times, and once more where
    `protocol.ema_decay` keeps an average of it; what reading 256 test articles takes, for each
    token the embedding, and for each layer what cuDNN was measured to need; and the encoded
    corpus. A user's own model counts as one of the usual size.
    """
    size = entry(config.model, "hidden_size") or 128
    embedding = entry(config.model, "embedding_dim") or 100
    layers = entry(config.model, "num_layers") or 1
    directions = 2 if entry(config.model, "bidirectional") else 1
    weights = len(corpus.vocabulary) * embedding + size * directions * len(corpus.classes)
    for layer in range(layers):
        inputs = embedding if layer == 0 else size * directions
        weights += 4 * size * (inputs + size + 2) * directions
    tokens = max(2 * config.protocol.batch_size, PREDICTION_BATCH_SIZE) * config.protocol.max_length
    activations = tokens * (embedding + layers * directions * NUMBERS_A_UNIT * size)
    copies = COPIES + (config.protocol.ema_decay > 0)
    splits = (corpus.train, corpus.validation, corpus.test)
    numbers = sum(len(split.tokens) + 4 * len(split) for split in splits)
    return CUDA_CONTEXT + BYTES * (copies * weights + activations + numbers)


def devices_for(
    jobs: Sequence[Job], corpora: Sequence[EncodedCorpus], packing: Packed, gpus: Sequence[Gpu]
) -> list[Device]:
    """Return the devices for the runs of these jobs."""
    runs = [
        (job.config, memory_need(job.config, corpus) if gpus else 0)
        for job, corpus in zip(jobs, corpora, strict=True)
    ]
    return share_devices(packing, gpus, runs)


def share_devices(
    packing: Packed, gpus: Sequence[Gpu], runs: Sequence[tuple[Config, int]]
) -> list[Device]:
    """Return the devices for runs, each a config with the bytes that it needs on a GPU.

    A device has no more slots than there are runs for it, so that GPUs share the runs equally.
    """
    wanted = [(wanted_gpu(config, len(gpus)), need) for config, need in runs]
    anywhere = sum(gpu == ANY_GPU for gpu, _ in wanted)
    devices = []
    for ordinal in range(len(gpus)):
        needs = [need for only, need in wanted if only in (ANY_GPU, ordinal)]
        own = sum(only == ordinal for only, _ in wanted)
        if needs:
            count = own + -(-anywhere // len(gpus))
            devices.append(gpu_device(packing, gpus, ordinal, max(needs), count))
    on_cpu = [config for config, _ in runs if wanted_gpu(config, len(gpus)) is None]
    if on_cpu:
        threads = max(config.threads or 1 for config in on_cpu)
        slots = max(1, cores() // threads) if packing.jobs == "auto" else packing.jobs
        devices.append(Device(None, min(slots, len(on_cpu))))
    return devices


def gpu_device(packing: Packed, gpus: Sequence[Gpu], ordinal: int, need: int, runs: int) -> Device:
    """Return one of the GPUs for so many runs, each of which needs at most so many bytes.

    It trains as many at once as fit, at most 8, and at most its share of the cores, or 4 if the
    machine has 4. By measured throughput, the limit of 8 is one of 48.
    """
    gpu, asked = gpus[ordinal], packing.jobs_per_gpu
    if asked not in ("auto", "measured"):
        return Device(gpu, min(asked, runs), ordinal)
    by_cores = max(min(4, cores()), cores() // len(gpus))
    limit = min(MPS_CLIENTS if asked == "measured" else MOST_JOBS_PER_GPU, by_cores, runs)
    search = ThroughputSearch(limit, gpu.free / need) if asked == "measured" else None
    return Device(gpu, max(1, min(gpu.free // need, limit)), ordinal, search)
