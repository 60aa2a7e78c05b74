import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnn_bench.data.vocabulary import UNKNOWN, build_vocabulary, encode_texts


def test_words_are_ordered_by_frequency_and_ties_by_first_appearance() -> None:
    vocabulary = build_vocabulary(["b a c", "a d c", "e"], size=100)
    assert vocabulary == ["<pad>", "<unk>", "a", "c", "b", "d", "e"]


def test_padding_and_unknown_count_towards_the_size() -> None:
    assert build_vocabulary(["a a b b b c"], size=4) == ["<pad>", "<unk>", "b", "a"]


def test_only_the_first_tokens_are_kept() -> None:
    tokens, offsets = encode_texts(["a b a b", "b"], ["<pad>", "<unk>", "a", "b"], max_length=3)
    assert (tokens.tolist(), offsets.tolist()) == ([2, 3, 2, 3], [0, 3, 4])


def test_a_text_without_words_is_one_unknown_token() -> None:
    tokens, offsets = encode_texts([" \n", ""], ["<pad>", "<unk>"], max_length=5)
    assert (tokens.tolist(), offsets.tolist()) == ([UNKNOWN, UNKNOWN], [0, 1, 2])


def test_a_word_that_looks_like_padding_is_no_padding() -> None:
    tokens, _ = encode_texts(["<pad> a"], build_vocabulary(["<pad> a"], 10), max_length=5)
    assert 0 not in tokens


@given(st.lists(st.text(max_size=40), min_size=1), st.integers(1, 5), st.integers(3, 9))
def test_known_words_decode_to_themselves(texts: list[str], longest: int, size: int) -> None:
    vocabulary = build_vocabulary(texts, size)
    tokens, offsets = encode_texts(texts, vocabulary, longest)
    assert len(vocabulary) <= size
    for text, start, end in zip(texts, offsets[:-1], offsets[1:], strict=True):
        words = text.split()[:longest]
        article = tokens[start:end]
        if not words:
            assert article.tolist() == [UNKNOWN]
            continue
        known = article != UNKNOWN
        assert np.array(vocabulary)[article][known].tolist() == np.array(words)[known].tolist()
