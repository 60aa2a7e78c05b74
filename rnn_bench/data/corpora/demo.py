"""A generated news-like corpus, in which how far back a reader must remember is a setting.

Words follow Zipf's law and say nothing of the class. One word an article is drawn from its class's
cue words, and a marker precedes it; every distance from the end up to `cue_distance` words is
equally likely, so that a cell that remembers half as far gets half of the articles right. Cue words
of either class stand elsewhere too, without the marker: counting words tells less than reading them
in order.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from rnn_bench.data.corpus import Articles, Corpus

CLASSES = ("fake", "real")
WORDS = 500  # with thousands, cells memorize rare words before they find the cue
CUES_PER_CLASS = 4
DECOYS = 2  # cue words an article, of either class, that no marker precedes
TEST_FRACTION = 0.2
ZIPF_OFFSET = 2.7  # Mandelbrot's refinement: frequency proportional to 1 / (rank + 2.7)

_SYLLABLES = [a + b for a, b in product("bdfgklmnprstvz", "aeiou")]
_LEXICON = ["".join(syllables) for syllables in product(_SYLLABLES, repeat=2)]


@dataclass
class DemoCorpus(Corpus):
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
        # With one distance for all there would be no near cues to learn the far ones from.
        distances = random.integers(0, self.cue_distance + 1, self.articles)
        # Both halves of the range shrink alike where the cue needs the room: the mean stays.
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
        spoken = row.tolist()
        texts = [
            " ".join(spoken[end - length : end])
            for length, end in zip(lengths.tolist(), ends.tolist(), strict=True)
        ]
        flipped = random.random(self.articles) < self.noise
        labels = np.where(flipped, 1 - classes, classes).tolist()
        train = self.articles - int(self.articles * TEST_FRACTION)
        return Articles((texts[:train], labels[:train]), (texts[train:], labels[train:]), CLASSES)
