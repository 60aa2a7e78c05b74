"""Print what the CUDA kernel takes of GPUs: threads and shared memory of a block, registers of a
thread, and what does not fit in them, as a Markdown table for each precision. It is compiled, not
run, so that no GPU is needed, but `pip install 'rnn_bench[gpu]'`.
"""

import io
import re

from rnn_bench.models.kernels.cuda.kernel import (
    ARTICLES,
    KERNELS,
    THREADS,
    program,
    shared_bytes,
)
from rnn_bench.models.kernels.library import FusedCell

CAPABILITIES = ((8, 0), (8, 9), (9, 0), (12, 0))  # A100, RTX 40, H100, RTX 50
UNITS = 128


def taken(
    capability: tuple[int, int], cell: FusedCell, precision: str
) -> dict[str, tuple[int, int]]:
    """Return the registers of a thread and the bytes that it spills, by the kernel's name."""
    log = io.StringIO()
    program(capability, cell, UNITS, precision, ["-v"]).compile("cubin", logs=log)
    sizes = {}
    for part in log.getvalue().split("Compiling entry function")[1:]:
        name = next(name for name in KERNELS if name in part)
        numbers = r"(\d+) bytes stack frame, (\d+) bytes spill stores.*Used (\d+) registers"
        stack, spilled, registers = map(int, re.search(numbers, part, re.DOTALL).groups())
        sizes[name] = registers, max(stack, spilled)
    return sizes


def main() -> None:
    for precision in ARTICLES:
        sizes = *("threads", "shared KiB"), *(f"sm_{major}{minor}" for major, minor in CAPABILITIES)
        print_row(precision, *sizes, "spilled bytes")
        print_row("---", *["---:"] * (len(sizes) + 1))
        for cell in FusedCell:
            of_gpus = [taken(capability, cell, precision) for capability in CAPABILITIES]
            shared = shared_bytes(cell, UNITS, precision) // 1024
            for kernel in KERNELS:
                registers, spilled = zip(*(sizes[kernel] for sizes in of_gpus), strict=True)
                name = f"{cell.name.lower()}, {kernel.removeprefix('recurrence_')}"
                print_row(name, UNITS * THREADS, shared, *registers, max(spilled))
        print(flush=True)


def print_row(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
