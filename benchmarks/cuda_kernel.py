"""Print what the CUDA kernel takes of GPUs: threads and shared memory of a block, registers of a
thread, and what does not fit in them, as Markdown tables. It is compiled, not run: that takes no
GPU, but `pip install 'rnn_bench[gpu]'`.
"""

import io
import itertools
import re

from rnn_bench.models.kernels.cuda.kernel import KERNELS, PRODUCTS, Layout, layout_of, program
from rnn_bench.models.kernels.library import FusedCell

CAPABILITIES = ((8, 0), (8, 9), (9, 0), (12, 0))  # A100, RTX 40, H100, RTX 50
UNITS = (128, 256)  # the most of a block, and of a cluster


def taken(
    capability: tuple[int, int], cell: FusedCell, layout: Layout, precision: str
) -> dict[str, tuple[int, int]]:
    """Return the registers of a thread and the bytes that it spills, by the kernel's name."""
    log = io.StringIO()
    program(capability, cell, layout, precision, ["-v"]).compile("cubin", logs=log)
    sizes = {}
    for part in log.getvalue().split("Compiling entry function")[1:]:
        name = next(name for name in KERNELS if name in part)
        numbers = r"(\d+) bytes stack frame, (\d+) bytes spill stores.*Used (\d+) registers"
        stack, spilled, registers = map(int, re.search(numbers, part, re.DOTALL).groups())
        sizes[name] = registers, max(stack, spilled)
    return sizes


def main() -> None:
    for precision, units in itertools.product(PRODUCTS, UNITS):
        layouts = {cell: layout_of(cell, units, precision) for cell in FusedCell}
        least = layouts[FusedCell.RNN].least_capability
        capabilities = [each for each in CAPABILITIES if each >= least]
        columns = *("blocks", "threads", "shared KiB"), *(f"sm_{a}{b}" for a, b in capabilities)
        print_row(f"{precision}, {units} units", *columns, "spilled bytes")
        print_row("---", *["---:"] * (len(columns) + 1))
        for cell, layout in layouts.items():
            of_gpus = [taken(each, cell, layout, precision) for each in capabilities]
            for kernel in KERNELS:
                registers, spilled = zip(*(sizes[kernel] for sizes in of_gpus), strict=True)
                name = f"{cell.name.lower()}, {kernel.removeprefix('recurrence_')}"
                sizes = layout.blocks, layout.threads, layout.shared // 1024
                print_row(name, *sizes, *registers, max(spilled))
        print(flush=True)


def print_row(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
