"""Where a sweep's runs can be trained at once: the GPUs, several runs each, and the CPU."""

import csv
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from rnn_bench.config.composition import Job
from rnn_bench.config.errors import ConfigError
from rnn_bench.config.launcher import Packed
from rnn_bench.config.options import entry
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.baselines.baseline import is_baseline
from rnn_bench.training.device import cores, find_device

MOST_JOBS_PER_GPU = 8
CUDA_CONTEXT = 600 * 2**20  # bytes: a process's context, and the kernels of cuDNN and cuBLAS
COPIES = 5  # of each weight: value, gradient, Adam's two moments, the best epoch's
BYTES = 4  # of a number


@dataclass(frozen=True)
class Gpu:
    """A GPU as nvidia-smi numbers and names it, and its free memory in bytes."""

    index: int
    name: str
    free: int


@dataclass(frozen=True)
class Place:
    """A GPU, or the CPU (`gpu` is None), and how many runs it trains at once. `number` is the GPU's
    among those that are visible."""

    gpu: Gpu | None
    slots: int
    number: int = 0


def visible_gpus() -> list[Gpu]:
    """What nvidia-smi shows of what $CUDA_VISIBLE_DEVICES admits, in its order; none where torch
    has no CUDA. Asking nvidia-smi leaves this process without a CUDA context."""
    program = shutil.which("nvidia-smi")
    if torch.version.cuda is None or program is None:
        return []
    query = [program, "--query-gpu=index,uuid,memory.free", "--format=csv,noheader,nounits"]
    try:
        shown = subprocess.run(query, capture_output=True, text=True, check=True, timeout=60).stdout
        rows = [[cell.strip() for cell in row] for row in csv.reader(shown.splitlines())]
        gpus = [Gpu(int(row[0]), row[1], _mebibytes(row[2])) for row in rows if len(row) == 3]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    return admitted(gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))


def _mebibytes(number: str) -> int:
    return int(number) * 2**20 if number.isdigit() else 0  # [N/A] with MIG


def admitted(gpus: Sequence[Gpu], visible: str | None) -> list[Gpu]:
    """The GPUs that a value of $CUDA_VISIBLE_DEVICES names, by number or by the beginning of the
    name. As in CUDA, an entry that names none hides what follows. A MIG instance has a name only:
    its free memory is unknown and counts as none."""
    if visible is None:
        return [*gpus]
    found: list[Gpu] = []
    for each in visible.split(","):
        word = each.strip()
        if word.startswith("MIG-"):
            found.append(Gpu(len(found), word, 0))
            continue
        named = [
            gpu
            for gpu in gpus
            if word == str(gpu.index) or (word.startswith("GPU-") and gpu.name.startswith(word))
        ]
        if len(named) != 1:
            break
        found += named
    return found


def chosen_gpus(packing: Packed, gpus: Sequence[Gpu]) -> list[Gpu]:
    """The visible GPUs that `hydra.launcher.gpus` names.

    Raises:
        ConfigError: one that it names is not visible.
    """
    if packing.gpus == "auto":
        return [*gpus]
    by_index = {gpu.index: gpu for gpu in gpus}
    for index in packing.gpus:
        if index not in by_index:
            seen = ", ".join(map(str, by_index)) or "none"
            raise ConfigError(
                f"hydra.launcher.gpus={packing.gpus} is not possible: there is no GPU {index}. "
                f"Visible GPUs: {seen}."
            )
    return [by_index[index] for index in packing.gpus]


def check_devices(jobs: Sequence[Job], packing: Packed, gpus: Sequence[Gpu]) -> None:
    """
    Raises:
        ConfigError: a GPU is not there that the launcher or a run asks for.
    """
    chosen = chosen_gpus(packing, gpus)
    for device in dict.fromkeys(job.config.device for job in jobs):
        kind, _, number = device.partition(":")
        if kind == "mps":
            find_device(device)
        if kind == "cuda" and int(number or 0) >= len(chosen):
            raise ConfigError(
                f"device={device} is not possible: torch sees {len(chosen)} CUDA devices here."
            )


def wanted_gpu(config: Config, gpus: int) -> int | None:
    """The number of the only GPU that a run may use; -1 if it may use any of them, None if it is
    for the CPU, as everything is where there are no GPUs and every baseline is."""
    if not gpus or config.device in ("cpu", "mps") or is_baseline(config.model):
        return None
    return int(config.device[5:]) if config.device.startswith("cuda:") else -1


def memory_need(config: Config, corpus: EncodedCorpus) -> int:
    """Bytes of GPU memory that training one run takes, rather too many than too few: the CUDA
    context; each weight five times; a batch's activations, for each token the embedding and for
    each layer the gates (at most 4), cell and hidden states, all with their gradients; the encoded
    corpus. A model of the user's own counts as one of the usual size."""
    size = entry(config.model, "hidden_size") or 128
    embedding = entry(config.model, "embedding_dim") or 100
    layers = entry(config.model, "num_layers") or 1
    directions = 2 if entry(config.model, "bidirectional") else 1
    weights = len(corpus.vocabulary) * embedding + size * directions * len(corpus.classes)
    for layer in range(layers):
        inputs = embedding if layer == 0 else size * directions
        weights += 4 * size * (inputs + size + 2) * directions
    # Test articles are read 256 at a time without gradients: never more than twice a batch of 128.
    tokens = max(config.protocol.batch_size, 128) * config.protocol.max_length
    activations = 2 * tokens * (embedding + layers * directions * 6 * size)
    splits = (corpus.train, corpus.validation, corpus.test)
    numbers = sum(len(split.tokens) + 4 * len(split) for split in splits)
    return CUDA_CONTEXT + BYTES * (COPIES * weights + activations + numbers)


def places(packing: Packed, gpus: Sequence[Gpu], runs: Sequence[tuple[Config, int]]) -> list[Place]:
    """The places for runs, given as configs with the memory that each needs on a GPU. A place has
    no more slots than there are runs for it, so that GPUs share them equally."""
    wanted = [(wanted_gpu(config, len(gpus)), need) for config, need in runs]
    anywhere = sum(number == -1 for number, _ in wanted)
    found = []
    for number, gpu in enumerate(gpus):
        here = [need for only, need in wanted if only in (-1, number)]
        own = sum(only == number for only, _ in wanted)
        if here:
            slots = jobs_per_gpu(packing, gpu, max(here), len(gpus))
            found.append(Place(gpu, min(slots, own + -(-anywhere // len(gpus))), number))
    on_cpu = [config for config, _ in runs if wanted_gpu(config, len(gpus)) is None]
    if on_cpu:
        threads = max(config.threads or 1 for config in on_cpu)
        slots = max(1, cores() // threads) if packing.jobs == "auto" else packing.jobs
        found.append(Place(None, min(slots, len(on_cpu))))
    return found


def places_of(
    jobs: Sequence[Job], corpora: Sequence[EncodedCorpus], packing: Packed, gpus: Sequence[Gpu]
) -> list[Place]:
    """The places for the runs of these jobs."""
    runs = [
        (job.config, memory_need(job.config, corpus))
        for job, corpus in zip(jobs, corpora, strict=True)
    ]
    return places(packing, gpus, runs)


def jobs_per_gpu(packing: Packed, gpu: Gpu, need: int, gpus: int) -> int:
    """How many runs that need so many bytes a GPU trains at once: as many as fit, at most 8; and
    no more than its share of the cores, but up to 4 where the machine has 4."""
    if packing.jobs_per_gpu != "auto":
        return int(packing.jobs_per_gpu)
    by_cores = max(min(4, cores()), cores() // gpus)
    return max(1, min(gpu.free // need, by_cores, MOST_JOBS_PER_GPU))
