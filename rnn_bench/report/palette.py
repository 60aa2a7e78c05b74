"""One colour for each cell in every figure, on light and dark pages."""

from collections.abc import Iterator, Sequence

from rnn_bench.report.configurations import Configuration

INK, PAPER = "#010203", "#fdfefc"  # placeholders: they become the page's own
# Okabe and Ito's colours, which colour-blind readers tell apart: https://jfly.uni-koeln.de/color
CELLS = {
    "rnn": "#d55e00",
    "lstm": "#0072b2",
    "gru": "#009e73",
    "tfidf": "#cc79a7",
    "majority": "#888888",
}
OTHERS = ("#e69f00", "#56b4e9", "#a6761d", "#7570b3", "#66a61e")
# Configurations of one cell are its colour mixed with ink or paper: its share in hundredths.
MIXTURES = ((100, INK), (55, INK), (50, PAPER), (30, INK), (28, PAPER))


def colours(found: Sequence[Configuration]) -> dict[str, str]:
    """A colour for each label: the cell's, and shades of it where a cell has several. Models
    other than the benchmark's get one of the others, in turn."""
    chosen: dict[str, str] = {}
    bases: dict[str, str] = {}
    shades: dict[str, Iterator[str]] = {}
    for each in found:
        if each.label in chosen:
            continue
        if each.model not in bases:
            spare = OTHERS[sum(model not in CELLS for model in bases) % len(OTHERS)]
            bases[each.model] = CELLS.get(each.model, spare)
        base = bases[each.model]
        mixed = shades.setdefault(base, iter([mixture(base, *each) for each in MIXTURES]))
        chosen[each.label] = next(mixed, base)
    return chosen


def mixture(colour: str, share: int, other: str) -> str:
    """So many hundredths of a colour, the rest another."""
    pairs = zip(channels(colour), channels(other), strict=True)
    mixed = [round((share * one + (100 - share) * two) / 100) for one, two in pairs]
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def channels(colour: str) -> list[int]:
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def coloured(svg: str) -> str:
    """An SVG whose colours are the page's: its ink, and its own shade of each cell's colour."""
    for name, colour in CELLS.items():
        own = f"var(--{name}, {colour})"
        svg = svg.replace(colour, own)
        for share, other in MIXTURES[1:]:
            end = "currentColor" if other == INK else "var(--paper, #fff)"
            mixed = f"color-mix(in srgb, {own} {share}%, {end})"
            svg = svg.replace(mixture(colour, share, other), mixed)
    return svg.replace(INK, "currentColor")


def plain(svg: str) -> str:
    """The SVG with plain colours again, for programs that know no variables: black on white."""
    for name, colour in CELLS.items():
        own = f"var(--{name}, {colour})"
        for share, other in MIXTURES[1:]:
            end = "currentColor" if other == INK else "var(--paper, #fff)"
            mixed = f"color-mix(in srgb, {own} {share}%, {end})"
            svg = svg.replace(mixed, mixture(colour, share, other))
        svg = svg.replace(own, colour)
    return svg.replace("currentColor", "#1b1f24")
