import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_bench.data import vocabulary as module
from rnn_bench.data.vocabulary import (
    SEPARATED,
    UNKNOWN,
    Tokens,
    build_vocabulary,
    encode_tokens,
    tokenize,
)


def words_of(text: str, kind: str = "whitespace") -> list[str]:
    tokens = tokenize([text], kind)
    return [str(tokens.words[int(i)]) for i in tokens.ids if str(tokens.words[int(i)])]


def test_words_are_ordered_by_frequency_and_ties_by_first_appearance() -> None:
    vocabulary = build_vocabulary(tokenize(["b a c", "a d c", "e"]))
    assert vocabulary == ["<pad>", "<unk>", "a", "c", "b", "d", "e"]


def test_only_the_first_tokens_are_kept() -> None:
    texts = tokenize(["a b a b", "b"])
    tokens, offsets = encode_tokens(texts, ["<pad>", "<unk>", "a", "b"], max_length=3)
    assert (tokens.tolist(), offsets.tolist()) == ([2, 3, 2, 3], [0, 3, 4])


@pytest.mark.parametrize(
    ("longest", "kept"),
    [(1, "a"), (2, "ag"), (3, "abg"), (4, "abfg"), (5, "abcfg"), (7, "abcdefg"), (8, "abcdefg")],
)
def test_head_and_tail_are_half_of_the_length_and_the_head_has_the_odd_token(
    longest: int, kept: str
) -> None:
    texts = tokenize(["a b c d e f g", "a", "", "b c"])
    vocabulary = ["<pad>", "<unk>", *"abcdefg"]
    tokens, offsets = encode_tokens(texts, vocabulary, longest, "head_and_tail")
    read = ["".join(vocabulary[i] for i in tokens[a:b]) for a, b in pairwise(offsets)]
    assert read == [kept, "a", "<unk>", "b" if longest == 1 else "bc"]


def test_a_text_without_words_is_one_unknown_token() -> None:
    texts = tokenize([" \n", "", "a"])
    assert build_vocabulary(texts) == ["<pad>", "<unk>", "a"]
    tokens, offsets = encode_tokens(texts, build_vocabulary(texts), max_length=5)
    assert (tokens.tolist(), offsets.tolist()) == ([UNKNOWN, UNKNOWN, 2], [0, 1, 2, 3])


def test_no_texts_are_no_tokens() -> None:
    tokens, offsets = encode_tokens(tokenize([]), ["<pad>", "<unk>"], max_length=5)
    assert (tokens.tolist(), offsets.tolist()) == ([], [0])


def test_a_word_that_looks_like_padding_is_no_padding() -> None:
    texts = tokenize(["<pad> a"])
    tokens, _ = encode_tokens(texts, build_vocabulary(texts), max_length=5)
    assert 0 not in tokens


def test_a_lone_surrogate_is_a_question_mark() -> None:
    assert words_of("a\ud83d b") == ["a?", "b"]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("whitespace", "Don't stop_it\u00a03.14!", ["Don't", "stop_it", "3.14!"]),
        ("words", "Don't stop_it 3.14!", ["Don", "'", "t", "stop", "_", "it", "3", ".", "14", "!"]),
        ("words", "नमस्ते, می‌خواهم", ["नमस्ते", ",", "می‌خواهم"]),
        ("words", "e\u0301t\u00e9 x2 😀😀", ["e\u0301t\u00e9", "x2", "😀", "😀"]),
        ("characters", "很好。 e\u0301t", ["很", "好", "。", "e\u0301", "t"]),
    ],
)
def test_texts_are_cut_as_the_protocol_says(kind: str, text: str, expected: list[str]) -> None:
    assert words_of(text, kind) == expected


@given(st.text())
def test_white_space_is_what_python_says(text: str) -> None:
    assert words_of(text) == text.split()


@given(st.text())
def test_words_are_runs_of_letters_and_digits_or_single_signs(text: str) -> None:
    words = words_of(text, "words")
    assert "".join(words) == "".join(text.split())
    for word in words:
        categories = {unicodedata.category(sign)[0] for sign in word} - {"C"}
        assert len(word) == 1 or categories <= {"L", "N", "M"}


@pytest.mark.parametrize("kind", SEPARATED)
def test_chunks_of_texts_are_cut_as_all_at_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["b, a", "", "a c", "d", "c. b"]
    whole = tokenize(texts, kind)
    monkeypatch.setattr(module, "CHUNK_TEXTS", 2)
    chunked = tokenize(texts, kind)
    assert chunked.words.to_pylist() == whole.words.to_pylist()
    assert (chunked.ids == whole.ids).all()
    assert (chunked.offsets == whole.offsets).all()


def article(tokens: Tokens, index: int) -> list[str]:
    ids = tokens.ids[tokens.offsets[index] : tokens.offsets[index + 1]]
    return [str(tokens.words[int(i)]) for i in ids]


def head_and_tail(words: list[str], longest: int) -> list[str]:
    tail = longest // 2 if len(words) > longest else 0
    return words[: longest - tail] + words[len(words) - tail :]


@given(
    st.lists(st.text(max_size=40), min_size=1),
    st.integers(1, 5),
    st.sampled_from([*SEPARATED]),
    st.sampled_from(["head", "head_and_tail"]),
)
def test_known_words_decode_to_themselves(
    texts: list[str], longest: int, kind: str, truncation: str
) -> None:
    tokenized = tokenize(texts, kind)
    vocabulary = build_vocabulary(tokenized)
    tokens, offsets = encode_tokens(tokenized, vocabulary, longest, truncation)
    for i, (start, end) in enumerate(pairwise(offsets)):
        words, ids = article(tokenized, i), tokens[start:end]
        words = words[:longest] if truncation == "head" else head_and_tail(words, longest)
        assert len(ids) == len(words)
        known = ids != UNKNOWN
        assert np.array(vocabulary)[ids][known].tolist() == np.array(words)[known].tolist()
        assert all(not word or word in ("<pad>", "<unk>") for word in np.array(words)[~known])
