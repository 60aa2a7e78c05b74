"""Putting the report together."""

from rnn_bench.report.analysis import Results
from rnn_bench.report.conclusions import write_conclusions
from rnn_bench.report.contents import Report
from rnn_bench.report.explanations import explain_numbers
from rnn_bench.report.sections import SECTIONS
from rnn_bench.sweep.advice import advise
from rnn_bench.tracking import schema
from rnn_bench.tracking.sweeps import Sweep


def assemble_report(results: Results) -> Report:
    """Return the report on a sweep in whatever state it is, with the sections that have
    something to show."""
    datasets = dict.fromkeys(run.tags[schema.DATASET] for run in results.sweep.completed)
    sections = [make_section(results) for make_section in SECTIONS]
    return Report(
        title=f"rnn_bench: {', '.join(datasets) or 'no completed run'}",
        status=describe_state(results.sweep) + describe_unread(results),
        conclusions=write_conclusions(results),
        explanation=explain_numbers(results),
        advice=advise(results.sweep.completed),
        sections=[section for section in sections if section is not None],
        command=results.sweep.command,
    )


def describe_unread(results: Results) -> str:
    """Return a sentence that counts the files that could not be read; empty if there are none."""
    count = len(set(results.unread))
    if not count:
        return ""
    files = "1 file" if count == 1 else f"{count} files"
    return f" {files} of runs cannot be read: see the last section."


def describe_state(sweep: Sweep) -> str:
    """Return a sentence that counts a sweep's runs by state, and the reused and resumed ones."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(sweep.states.items()))
    sentences = [f"Sweep {sweep.id}", f"{len(sweep.runs)} runs in the record ({states or 'none'})"]
    origins = [run.origin(sweep.id) for run in sweep.runs]
    shown = [origin for origin in (schema.REUSED, schema.RESUMED) if origin in origins]
    if shown:
        sentences.append(", ".join(f"{origins.count(origin)} {origin}" for origin in shown))
    missing = (sweep.asked or 0) - len(sweep.runs)
    if missing > 0:
        sentences.append(f"{missing} not begun")
    return ". ".join(sentences) + "."
