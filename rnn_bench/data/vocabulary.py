"""Turn texts into token ids: a token is a word between white space."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

PADDING, UNKNOWN = 0, 1
SPECIAL = ("<pad>", "<unk>")


def build_vocabulary(texts: Iterable[str], size: int) -> list[str]:
    """Return up to `size` tokens in the order of their ids: padding, unknown, then the texts' words
    by falling frequency. Words of equal frequency keep the order of their first appearance."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text.split())
    return [*SPECIAL, *(word for word, _ in counts.most_common(size - len(SPECIAL)))]


def encode_texts(
    texts: Sequence[str], vocabulary: Sequence[str], max_length: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Encode each text's first `max_length` words. A text without words is one unknown token.

    Returns:
        token ids [tokens] of all texts, end to end, and offsets [texts + 1]: text i is
        tokens[offsets[i]:offsets[i + 1]].
    """
    index = {word: token for token, word in enumerate(vocabulary) if token > UNKNOWN}
    tokens: list[int] = []
    offsets = [0]
    for text in texts:
        words = text.split(maxsplit=max_length)[:max_length]
        tokens.extend([index.get(word, UNKNOWN) for word in words] or [UNKNOWN])
        offsets.append(len(tokens))
    return np.array(tokens, dtype=np.int32), np.array(offsets, dtype=np.int64)
