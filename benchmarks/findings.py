"""Write the findings of a part of the benchmark: a JSON file with every sample, and figures as SVG;
and one page of Markdown on all parts."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rnn_bench.report.contents import Table
from rnn_bench.report.drawing import Figure
from rnn_bench.report.files import standalone
from rnn_bench.report.markdown import to_markdown

__all__ = ["Findings", "Table", "number", "write", "write_page"]
PAGE = "results.md"


@dataclass(frozen=True)
class Findings:
    """The results of a part: `headline` has sentences, `samples` all that was measured."""

    title: str
    headline: Sequence[str]
    tables: Sequence[Table]
    figures: Sequence[Figure]
    samples: Sequence[dict[str, Any]]


def number(value: float, places: int) -> str:
    """Return a number with separated thousands, "" if it is not finite."""
    return f"{value:,.{places}f}" if math.isfinite(value) else ""


def write(findings: Findings, part: str, circumstances: dict[str, Any], folder: Path) -> None:
    """Write a part's JSON and figures."""
    folder.mkdir(parents=True, exist_ok=True)
    for figure in findings.figures:
        (folder / f"{figure.name}.svg").write_text(standalone(figure), encoding="utf-8")
    facts = {
        **circumstances,
        "title": findings.title,
        "headline": list(findings.headline),
        "tables": [asdict(table) for table in findings.tables],
        "figures": {figure.name: figure.text for figure in findings.figures},
        "samples": list(findings.samples),
    }
    (folder / f"{part}.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def write_page(parts: Sequence[str], folder: Path) -> Path:
    """Write the Markdown page from the JSON files in the folder, in the order of the parts, and
    return its path."""
    files = [folder / f"{part}.json" for part in parts]
    found = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()]
    sentences = [sentence for facts in found for sentence in facts["headline"]]
    blocks = ["# Measurements of rnn_bench", "\n".join(f"- {sentence}" for sentence in sentences)]
    for facts in found:
        blocks.append(f"## {facts['title']}")
        for table in facts["tables"]:
            shown = Table(**table)
            blocks += [f"**{shown.title}**", to_markdown(shown), shown.note.strip()]
        blocks += [f"![{text}]({name}.svg)" for name, text in facts["figures"].items()]
        machine, versions, settings = (
            ", ".join(f"{name} {value}" for name, value in facts[about].items())
            for about in ("machine", "versions", "settings")
        )
        blocks.append(
            f"`{facts['command']}` on {facts['date']}. Machine: {machine}. Versions: {versions}. "
            f"Settings: {settings}."
        )
    page = folder / PAGE
    page.write_text("\n\n".join(block for block in blocks if block) + "\n", encoding="utf-8")
    return page
