"""Colours and markers of models."""

from unittest.mock import Mock

from rnn_bench.config.model import cell_names
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.palette import (
    OTHER_MARKER,
    OTHERS,
    coloured,
    colours,
    marker,
    plain,
    styles,
)


def configuration(model: str, label: str) -> Configuration:
    return Mock(spec=Configuration, model=model, label=label)


def test_each_model_of_the_package_has_a_style_of_its_own() -> None:
    assert styles().keys() == {*cell_names(), "tfidf", "nbsvm", "majority"}
    looks = [(each.light, each.dark, each.marker) for each in styles().values()]
    for values in zip(*looks, strict=True):
        assert len({*values}) == len(values)


def test_models_without_a_style_get_spare_colours_in_turn() -> None:
    found = [configuration(model, model) for model in ("gru", "MinGRU", "mean", "MinGRU")]
    chosen = colours(found)
    assert chosen == {"gru": styles()["gru"].light, "MinGRU": OTHERS[0], "mean": OTHERS[1]}
    assert (marker("gru"), marker("MinGRU")) == ("^", OTHER_MARKER)


def test_configurations_of_a_model_are_shades_of_its_colour() -> None:
    first, second = colours([configuration("gru", label) for label in "ab"]).values()
    assert first == styles()["gru"].light
    drawn = f"<a fill='{first}'/><b fill='{second}'/>"
    in_page = coloured(drawn)
    own = f"var(--gru, {first})"
    assert f"<a fill='{own}'/>" in in_page
    assert f"<b fill='color-mix(in srgb, {own} 55%, currentColor)'/>" in in_page
    assert plain(in_page) == drawn
