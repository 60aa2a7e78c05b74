"""A generated corpus of news-like articles. How far back a reader must remember is a setting.

Words follow Zipf's law and say nothing about the class. The class is given by one cue word in each
article, which follows a marker word. The distance from the cue to the end of the article is drawn
evenly from 0 to `cue_distance` words, so that a cell that remembers half as far gets half of the
articles right. Cue words of both classes also appear without the marker, so that counting words
tells less than reading them in order.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from rnn_bench.data.corpus import Articles, Corpus
from rnn_bench.data.splits import TEST_FRACTION

CLASSES = ("fake", "real")
WORDS = 500  # with thousands, cells memorize rare words before they find the cue
CUES_PER_CLASS = 4
DECOYS = 2  # cue words an article, of either class, without the marker
ZIPF_OFFSET = 2.7  # Mandelbrot's refinement: frequency proportional to 1 / (rank + 2.7)

_SYLLABLES = [a + b for a, b in product("bdfgklmnprstvz", "aeiou")]
_LEXICON = ["".join(syllables) for syllables in product(_SYLLABLES, repeat=2)]


@dataclass
class DemoCorpus(Corpus):
    """The demo corpus; the fields are the keys of `dataset=demo`."""

    articles: int
    length: int
    cue_distance: int
    noise: float
    seed: int
    data_dir: Path

    def identity(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "data_dir"}

    def read(self) -> Articles:
        random = np.random.default_rng(self.seed)
        marker, *lexicon = random.permutation(_LEXICON)[: 1 + WORDS + 2 * CUES_PER_CLASS]
        words, cues = lexicon[:WORDS], np.reshape(lexicon[WORDS:], (2, CUES_PER_CLASS))
        frequency = 1 / (np.arange(WORDS) + ZIPF_OFFSET)
        frequency /= frequency.sum()

        classes = random.permutation(np.arange(self.articles) % 2)
        # Near cues are learned first, and the far ones from them: the distances must differ.
        distances = random.integers(0, self.cue_distance + 1, self.articles)
        # A far cue needs long articles: the longest are then left out too, to keep the mean.
        spread = min(self.length // 2, self.length - 2 - self.cue_distance)
        lengths = random.integers(self.length - spread, self.length + spread + 1, self.articles)
        ends = lengths.cumsum()
        # One long row of words, cut into articles afterwards.
        row = random.choice(words, ends[-1], p=frequency)
        decoys = random.integers(0, lengths, (DECOYS, self.articles)) + ends - lengths
        row[decoys] = random.choice(cues.ravel(), decoys.shape)
        row[ends - 2 - distances] = marker
        chosen = random.integers(CUES_PER_CLASS, size=self.articles)
        row[ends - 1 - distances] = cues[classes, chosen]
        all_words = row.tolist()
        texts = [
            " ".join(all_words[end - length : end])
            for length, end in zip(lengths.tolist(), ends.tolist(), strict=True)
        ]
        flipped = random.random(self.articles) < self.noise
        labels = np.where(flipped, 1 - classes, classes).tolist()
        train = self.articles - int(self.articles * TEST_FRACTION)
        return Articles((texts[:train], labels[:train]), (texts[train:], labels[train:]), CLASSES)
