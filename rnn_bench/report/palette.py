"""One colour and marker for each model in every figure, on light and dark pages."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from rnn_bench.config.model import cell_names
from rnn_bench.config.options import target_of
from rnn_bench.config.schema import SCHEMAS
from rnn_bench.models.cell import cell_class
from rnn_bench.report.configurations import Configuration

INK, PAPER = "#010203", "#fdfefc"  # placeholders: they become the page's own
# For models that name no colours. These and the models' are for the most part Okabe and Ito's,
# which colour-blind readers tell apart: https://jfly.uni-koeln.de/color
OTHERS = ("#e69f00", "#56b4e9", "#a6761d", "#7570b3", "#66a61e")
OTHER_MARKER = "P"
# Configurations of one model get its colour mixed with ink or paper: its share in hundredths.
MIXTURES = ((100, INK), (55, INK), (50, PAPER), (30, INK), (28, PAPER))


@dataclass(frozen=True)
class Style:
    """A model's colours on light and on dark pages, and its marker."""

    light: str
    dark: str
    marker: str


@functools.cache
def styles() -> dict[str, Style]:
    """Collect the styles that the package's own cells and baselines name, by model name."""
    models: dict[str, Any] = {name: cell_class(name) for name in cell_names()}
    for path, option in SCHEMAS.items():
        name = vars(option).get("name", MISSING)
        if path.startswith("model/") and name != MISSING:
            models[name] = target_of(option)
    found = {}
    for name, model in models.items():
        if hasattr(model, "colours"):
            light, dark = model.colours
            found[name] = Style(light, dark, getattr(model, "marker", OTHER_MARKER))
    return found


def marker(model: str) -> str:
    """Return the marker of a model's points."""
    return styles()[model].marker if model in styles() else OTHER_MARKER


def colours(found: Sequence[Configuration]) -> dict[str, str]:
    """Choose a colour for each label: the model's, and shades of it where a model has several.
    Models without a style, such as a user's own, get one of the others, in turn."""
    chosen: dict[str, str] = {}
    bases: dict[str, str] = {}
    shades: dict[str, Iterator[str]] = {}
    for each in found:
        if each.label in chosen:
            continue
        if each.model not in bases:
            spare = OTHERS[sum(model not in styles() for model in bases) % len(OTHERS)]
            bases[each.model] = styles()[each.model].light if each.model in styles() else spare
        base = bases[each.model]
        mixed = shades.setdefault(base, iter([mixture(base, *each) for each in MIXTURES]))
        chosen[each.label] = next(mixed, base)
    return chosen


def mixture(colour: str, share: int, other: str) -> str:
    """Mix so many hundredths of a colour with another."""
    pairs = zip(*(bytes.fromhex(each.removeprefix("#")) for each in (colour, other)), strict=True)
    return "#" + bytes(round((share * a + (100 - share) * b) / 100) for a, b in pairs).hex()


def coloured(svg: str) -> str:
    """Replace an SVG's colours by the page's: its ink, and its own shade of each model's colour."""
    for drawn, in_page in replacements():
        svg = svg.replace(drawn, in_page)
    return svg.replace(INK, "currentColor")


def plain(svg: str) -> str:
    """Replace the page's colours by plain ones again, black on white, for programs that know no
    variables."""
    for drawn, in_page in reversed(replacements()):
        svg = svg.replace(in_page, drawn)
    return svg.replace("currentColor", "#1b1f24")


def replacements() -> list[tuple[str, str]]:
    """Pair each model colour that figures are drawn with, and the CSS that stands for it."""
    whole, mixed = [], []
    for name, style in styles().items():
        own = f"var(--{name}, {style.light})"
        whole.append((style.light, own))
        for share, other in MIXTURES[1:]:
            end = "currentColor" if other == INK else "var(--paper, #fff)"
            in_page = f"color-mix(in srgb, {own} {share}%, {end})"
            mixed.append((mixture(style.light, share, other), in_page))
    return [*whole, *mixed]
