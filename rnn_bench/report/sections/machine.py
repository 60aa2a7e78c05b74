"""The section on the machine, the versions and the data."""

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.tracking import schema

CONDITIONS = {
    schema.HOST: "machine",
    schema.DEVICE: "device",
    schema.KERNEL: "kernel",
    schema.THREADS: "threads per run",
    schema.DETERMINISTIC: "deterministic algorithms alone",
    schema.GRAPH: "training steps are CUDA graphs",
    schema.CONCURRENT_JOBS: "runs at once",
}


def machine_section(results: Results) -> Section | None:
    if not results.sweep.runs:
        return None
    tables = [conditions_table(results), data_table(results)]
    return Section("machine", "Machine, versions and data", tables=tables, folded=True)


def conditions_table(results: Results) -> Table:
    """Return every value that a run of the sweep recorded of its machine and of a version."""
    values: dict[str, set[str]] = {}
    for run in results.sweep.runs:
        for tag, name in CONDITIONS.items():
            if value := run.tags.get(tag):
                values.setdefault(name, set()).add(value)
        for tag, value in run.tags.items():
            if tag.startswith(schema.VERSION):
                values.setdefault(tag.removeprefix(schema.VERSION), set()).add(value)
    rows = [(name, ", ".join(sorted(found))) for name, found in values.items()]
    return Table("machine", "Machine and versions", ("what", "value"), rows, words=2)


def data_table(results: Results) -> Table:
    """Return the edition, hash and sizes of each corpus."""
    sizes = {
        (run.tags[schema.DATASET], run.tags.get(schema.DATA_EDITION, ""), run.fingerprint): (
            run.split_sizes
        )
        for run in results.sweep.runs
    }
    splits = ("train", "validation", "test")
    return Table(
        "data",
        "Data",
        ("corpus", "edition", "fingerprint", "training", "validation", "test"),
        [
            (*corpus, *(f"{counts.get(split, 0):,}" for split in splits))
            for corpus, counts in sizes.items()
        ],
        words=3,
        note="Edition: whether the articles are the published ones, a sample of them, or other "
        "articles. Fingerprint: a hash of the prepared articles. Then articles by split.",
    )
