"""Cut texts into tokens, count them, and turn them into token ids."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

PADDING, UNKNOWN = 0, 1
SPECIAL = ("<pad>", "<unk>")
# What gets white space around it before texts are cut at white space. Marks and joiners belong to
# the letter before them, as in Devanagari and Persian.
LETTERS = r"\p{L}\p{N}\p{M}\x{200C}\x{200D}"
SEPARATED = {
    "whitespace": "",
    "words": rf"([^{LETTERS}\p{{Z}}\s])",
    "characters": r"([^\p{Z}\s][\p{M}\x{200C}\x{200D}]*)",
}
CHUNK_TEXTS = 5_000  # cut at once by a thread; bounds the memory that the cutting takes
THREADS = 4  # at most; Arrow cuts without Python's lock


@dataclass(frozen=True)
class Tokens:
    """Texts as tokens, end to end: text i is words[ids[offsets[i]:offsets[i + 1]]].

    `words` is an Arrow array of the different tokens, in the order of their first appearance. A
    text without tokens has one, the empty word.
    """

    words: Any
    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each text."""
        return np.diff(self.offsets)


def tokenize(texts: Sequence[str], kind: str = "whitespace") -> Tokens:
    """Cut texts into tokens: at white space; into `words`, which are letters and digits together
    and each other sign alone; or into `characters`.

    A lone surrogate, which is no character, becomes a question mark.
    """
    starts = range(0, max(1, len(texts)), CHUNK_TEXTS)
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        cut = [*pool.map(lambda start: _cut(texts[start : start + CHUNK_TEXTS], kind), starts)]
    chunks, lengths = zip(*cut, strict=True)
    unified = pa.chunked_array(chunks).unify_dictionaries()
    ids = np.concatenate([chunk.indices.to_numpy() for chunk in unified.chunks])
    offsets = np.concatenate([[0], np.concatenate(lengths).cumsum()])
    return Tokens(unified.chunk(0).dictionary, ids, offsets)


def _cut(texts: Sequence[str], kind: str) -> tuple[Any, NDArray[np.int32]]:
    """Return the tokens of some texts, end to end, and how many each text has."""
    try:
        array = pa.array(texts, pa.large_utf8())
    except UnicodeEncodeError:
        replaced = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        array = pa.array(replaced, pa.large_utf8())
    if SEPARATED[kind]:
        array = pc.replace_substring_regex(array, SEPARATED[kind], r" \1 ")
    words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(array))
    return pc.list_flatten(words).dictionary_encode(), pc.list_value_length(words).to_numpy()


def build_vocabulary(tokens: Tokens) -> list[str]:
    """Return all tokens in the order of their ids: padding, unknown, then by falling frequency.
    Tokens of equal frequency keep the order of their first appearance."""
    counts = np.bincount(tokens.ids, minlength=len(tokens.words))
    words = tokens.words.to_pylist()
    return [*SPECIAL, *(words[i] for i in np.argsort(-counts, kind="stable") if words[i])]


def encode_tokens(
    tokens: Tokens, vocabulary: Sequence[str], max_length: int, truncation: str = "head"
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Encode each text's first `max_length` tokens, or with `truncation=head_and_tail` of a longer
    one the first and the last half of so many; the first half is the larger one of an odd number.
    A text without tokens is one unknown token.

    Returns:
        token ids [tokens] of all texts, end to end, and offsets [texts + 1]: text i is
        tokens[offsets[i]:offsets[i + 1]].
    """
    known = pa.array(vocabulary[len(SPECIAL) :], tokens.words.type)
    found = pc.index_in(tokens.words, value_set=known)
    index = pc.fill_null(pc.add(found, len(SPECIAL)), UNKNOWN).to_numpy()
    lengths = np.minimum(tokens.lengths, max_length)
    offsets = np.concatenate([[0], lengths.cumsum()])
    kept = np.arange(offsets[-1]) + np.repeat(tokens.offsets[:-1] - offsets[:-1], lengths)
    if truncation == "head_and_tail":
        place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        cut = np.repeat(tokens.lengths - lengths, lengths)  # tokens that the text loses
        kept += np.where(place < max_length - max_length // 2, 0, cut)
    return index.astype(np.int32)[tokens.ids[kept]], offsets
