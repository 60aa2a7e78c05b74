"""The section on machine, versions and data."""

from collections.abc import Iterator

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table

MACHINE = {
    "host": "machine",
    "device": "device",
    "kernel": "kernel",
    "threads": "threads a run",
    "concurrent_jobs": "runs at once",
}


def machine_section(results: Results) -> Section | None:
    if not results.sweep.runs:
        return None
    facts: dict[str, set[str]] = {}
    for run in results.sweep.runs:
        for name in MACHINE:
            if value := run.tags.get(name):
                facts.setdefault(MACHINE[name], set()).add(value)
        for name, value in run.tags.items():
            if name.startswith("version."):
                facts.setdefault(name.removeprefix("version."), set()).add(value)
    data = {
        (run.tags["dataset"], run.tags["data_edition"], run.fingerprint): run.articles
        for run in results.sweep.runs
    }
    tables = [
        Table("machine", "Machine and versions", ("what", "value"), list(told(facts)), words=2),
        Table(
            "data",
            "Data",
            ("corpus", "edition", "fingerprint", "training", "validation", "test"),
            [
                (*what, *(f"{sizes.get(split, 0):,}" for split in ("train", "validation", "test")))
                for what, sizes in data.items()
            ],
            words=3,
        ),
    ]
    return Section("machine", "Machine, versions and data", tables=tables, folded=True)


def told(facts: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    for name, values in facts.items():
        yield name, ", ".join(sorted(values))
