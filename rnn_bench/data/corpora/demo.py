"""A generated corpus of news-like articles. How far back a reader must remember is a setting.

Words follow Zipf's law and say nothing about the class. The class is given by one cue word in each
article: the first cue word after a marker word. Between the two stand 1 to `marker_distance`
ordinary words, so that no pair of neighbours holds both, and cue words of both classes stand
everywhere else: counting words or pairs tells less than reading in order. From the cue to the end
of the article are 0 to `cue_distance` words. Both distances are drawn evenly, so that a cell that
remembers half as far reads half of the articles.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from rnn_bench.config.dataset import DEMO_FEWEST
from rnn_bench.data.corpus import Articles, Corpus

CLASSES = ("fake", "real")
WORDS = 500  # with thousands, cells memorize rare words before they find the cue
CUES_PER_CLASS = 4
DECOYS = 4  # cue words an article, of either class, that do not stand between marker and cue
ZIPF_OFFSET = 2.7  # Mandelbrot's refinement: frequency proportional to 1 / (rank + 2.7)
TEST_FRACTION = 0.5  # with fewer test articles, cells that differ are not told apart

_SYLLABLES = [a + b for a, b in product("bdfgklmnprstvz", "aeiou")]
_LEXICON = ["".join(syllables) for syllables in product(_SYLLABLES, repeat=2)]


@dataclass
class DemoCorpus(Corpus):
    """The demo corpus; the fields are the keys of `dataset=demo`."""

    version = 2

    articles: int
    length: int
    cue_distance: int
    marker_distance: int
    noise: float
    seed: int
    data_dir: Path

    def identity(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "data_dir"}

    def read(self) -> Articles:
        random = np.random.default_rng(self.seed)
        marker, words, cues = draw_lexicon(random)
        frequency = 1 / (np.arange(WORDS) + ZIPF_OFFSET)
        frequency /= frequency.sum()

        classes = random.permutation(np.arange(self.articles) % 2)
        # Near cues are learned first, and the far ones from them: the distances must differ.
        distances = random.integers(0, self.cue_distance + 1, self.articles)
        between = random.integers(1, self.marker_distance + 1, self.articles)
        # Far distances need long articles: the longest are then left out too, to keep the mean.
        shortest = DEMO_FEWEST + self.marker_distance + self.cue_distance
        spread = min(self.length // 2, self.length - shortest)
        lengths = random.integers(self.length - spread, self.length + spread + 1, self.articles)
        ends = lengths.cumsum()
        # One long row of words, cut into articles afterwards.
        row = random.choice(words, ends[-1], p=frequency)
        cue = ends - 1 - distances
        marker_place = cue - 1 - between
        # A decoy's place is drawn from the words outside the stretch from marker to cue.
        decoys = random.integers(0, lengths - between - 2, (DECOYS, self.articles)) + ends - lengths
        decoys += np.where(decoys >= marker_place, between + 2, 0)
        row[decoys] = random.choice(np.ravel(cues), decoys.shape)
        row[marker_place] = marker
        row[cue] = np.array(cues)[classes, random.integers(CUES_PER_CLASS, size=self.articles)]
        all_words = row.tolist()
        texts = [
            " ".join(all_words[end - length : end])
            for length, end in zip(lengths.tolist(), ends.tolist(), strict=True)
        ]
        flipped = random.random(self.articles) < self.noise
        labels = np.where(flipped, 1 - classes, classes).tolist()
        train = self.articles - int(self.articles * TEST_FRACTION)
        return Articles(
            (texts[:train], labels[:train]),
            (texts[train:], labels[train:]),
            CLASSES,
            noise=(flipped[:train].tolist(), flipped[train:].tolist()),
        )


def draw_lexicon(random: np.random.Generator) -> tuple[str, list[str], list[list[str]]]:
    """Return the marker, the ordinary words, the most frequent first, and each class's cues."""
    marker, *drawn = random.permutation(_LEXICON)[: 1 + WORDS + 2 * CUES_PER_CLASS].tolist()
    cues = drawn[WORDS:]
    return marker, drawn[:WORDS], [cues[:CUES_PER_CLASS], cues[CUES_PER_CLASS:]]
