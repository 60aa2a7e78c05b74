"""The whole report, each section as far as there are results for it."""

from rnn_bench.report.analysis import Results
from rnn_bench.report.conclusions import answer, basis
from rnn_bench.report.contents import Report
from rnn_bench.report.sections.accuracy import accuracy_section
from rnn_bench.report.sections.audit import audit_section
from rnn_bench.report.sections.losses import losses_section
from rnn_bench.report.sections.machine import machine_section
from rnn_bench.report.sections.memory import memory_section
from rnn_bench.report.sections.pairs import pairs_section
from rnn_bench.report.sections.predictions import evaluation_section
from rnn_bench.report.sections.published import published_section
from rnn_bench.report.sections.runs import runs_section
from rnn_bench.report.sections.time import time_section
from rnn_bench.report.sections.transfer import transfer_section
from rnn_bench.report.sections.tuning import tuning_section


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
