"""The whole report, each section as far as there are results for it."""

from rnn_bench.report.answer import answer, basis
from rnn_bench.report.contents import Report
from rnn_bench.report.data_sections import audit_section, memory_section, transfer_section
from rnn_bench.report.result_sections import (
    accuracy_section,
    pairs_section,
    published_section,
    tuning_section,
)
from rnn_bench.report.results import Results
from rnn_bench.report.run_sections import (
    evaluation_section,
    losses_section,
    machine_section,
    runs_section,
    time_section,
)


def report(results: Results) -> Report:
    """The whole report on a sweep, in whatever state it is."""
    datasets = dict.fromkeys(run.tags["dataset"] for run in results.sweep.answered)
    made = [
        accuracy_section(results),
        pairs_section(results),
        published_section(results),
        tuning_section(results),
        transfer_section(results),
        memory_section(results),
        losses_section(results),
        time_section(results),
        evaluation_section(results),
        audit_section(results),
        runs_section(results),
        machine_section(results),
    ]
    return Report(
        title=f"rnn_bench: {', '.join(datasets) or 'no answered run'}",
        status=status(results),
        answer=answer(results),
        basis=basis(results),
        sections=[section for section in made if section is not None],
        command=results.sweep.command,
    )


def status(results: Results) -> str:
    sweep = results.sweep
    counted = ", ".join(f"{count} {state}" for state, count in sorted(sweep.states.items()))
    hows = [run.how for run in sweep.runs]
    reused = ", ".join(f"{hows.count(how)} {how}" for how in ("reused", "resumed") if how in hows)
    missing = (sweep.asked or 0) - len(sweep.runs)
    parts = [f"Sweep {sweep.id}", f"{len(sweep.runs)} runs in the record ({counted or 'none'})"]
    parts += [reused] if reused else []
    parts += [f"{missing} not begun"] if missing > 0 else []
    return ". ".join(parts) + "."
