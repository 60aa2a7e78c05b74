from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.cache import Content
from rnn_bench.data.encoding import EncodedCorpus, Split
from rnn_bench.data.vocabulary import build_vocabulary, encode_tokens, tokenize
from rnn_bench.models.baselines.baseline import Baseline
from rnn_bench.models.baselines.linear import LinearClassifier
from rnn_bench.models.baselines.majority import MajorityClassifier
from rnn_bench.models.baselines.nbsvm import NbsvmClassifier
from rnn_bench.models.baselines.tfidf import TfidfClassifier
from rnn_bench.training.fitting import Fitting
from rnn_bench.training.prediction import penalty, validate

TEXTS = ["good day sun sun", "bad night", "good sun", "bad bad rain", "day rain", "night sun"]
LABELS = [1, 0, 1, 0, 0, 1]
VOCABULARY = build_vocabulary(tokenize(TEXTS))


def split(texts: list[str], labels: list[int]) -> Split:
    tokens, offsets = encode_tokens(tokenize(texts), VOCABULARY, 512)
    return Split(torch.from_numpy(tokens), torch.from_numpy(offsets), torch.tensor(labels))


def fitted(model: Baseline, train: Split, **protocol: str) -> Baseline:
    """The model with the setting that the articles themselves, as validation, find best."""
    fitting = Fitting(model, corpus_of(train, train), Protocol(name="p", **protocol))
    [*fitting.epochs(lambda *_: None)]
    return model


def corpus_of(train: Split, validation: Split) -> EncodedCorpus:
    content = Content("", "")
    return EncodedCorpus("texts", train, validation, validation, VOCABULARY, ("a", "b"), content)


def scores_of(model: Baseline, texts: list[str]) -> NDArray[np.float32]:
    scores: NDArray[np.float32] = model.log_probabilities(split(texts, [0] * len(texts))).numpy()
    return scores


UNSEEN = ["good night", "rain rain day", "words never seen", "bad words"]
GIVEN = {"vocabulary_size": len(VOCABULARY), "readout": "last_token"}


@pytest.mark.parametrize("labels", [LABELS, [0, 1, 2, 0, 1, 2]])
@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_tfidf_is_scikit_learn_s_on_tokens_and_pairs_with_sublinear_counts(
    labels: list[int], weights: str
) -> None:
    labels = [*labels, labels[0]]
    texts = [*TEXTS, "sun sun sun night"]
    model = TfidfClassifier(10.0, classes=len({*labels}), **GIVEN)
    ours = fitted(model, split(texts, labels), class_weights=weights)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    theirs = LogisticRegression(
        C=10.0, max_iter=1000, class_weight=None if weights == "none" else weights
    )
    theirs.fit(vectorizer.fit_transform(texts), labels)
    expected = theirs.predict_log_proba(vectorizer.transform(UNSEEN))
    np.testing.assert_allclose(scores_of(ours, UNSEEN), expected, atol=0.02)


def nbsvm_by_hand(texts: list[str], labels: list[int], c: float, unseen: list[str]) -> Any:
    """Margins by the equations of Wang and Manning 2012, section 2, with the whole matrix."""
    vectorizer = CountVectorizer(ngram_range=(1, 2), binary=True)
    f, y = vectorizer.fit_transform(texts).toarray(), np.array(labels)
    p, q = (1 + f[y == side].sum(0) for side in (1, 0))
    r = np.log((p / np.abs(p).sum()) / (q / np.abs(q).sum()))
    machine = LinearSVC(C=c, random_state=0, max_iter=100_000, tol=1e-6).fit(f * r, y)
    w = machine.coef_[0]
    mixed = 0.75 * np.abs(w).sum() / len(w) + 0.25 * w
    return vectorizer.transform(unseen).toarray() * r @ mixed + 0.25 * machine.intercept_[0]


def smoothed_loss(margins: NDArray[np.float64]) -> float:
    """Cross-entropy where an article has its label with probability (n + 1) / (n + 2)."""
    n = len(margins)
    return float(((n + 1) * np.logaddexp(0, -margins) + np.logaddexp(0, margins)).mean() / (n + 2))


def test_nbsvm_is_the_paper_s_up_to_a_factor_that_makes_its_margins_probabilities() -> None:
    texts, labels = [*TEXTS, "good bad rain", "sun day"], [*LABELS, 1, 0]
    ours = NbsvmClassifier(1.0, classes=2, **GIVEN)
    fitted(ours, split(texts, labels))
    margins = nbsvm_by_hand(texts, labels, 1.0, texts + UNSEEN)
    found = scores_of(ours, texts + UNSEEN)
    found = found[:, 1] - found[:, 0]
    factor = found[0] / margins[0]
    np.testing.assert_allclose(found, factor * margins, rtol=0.02, atol=1e-3)
    losses = [
        smoothed_loss(s * margins[: len(texts)] * (2 * np.array(labels) - 1))
        for s in (factor * 0.95, factor, factor * 1.05)
    ]
    assert losses[1] == min(losses)


def test_nbsvm_tells_each_of_several_classes_from_the_rest() -> None:
    texts = ["wet rain", "rain cloud", "hot sun", "sun day", "snow ice", "ice cold"]
    vocabulary = build_vocabulary(tokenize(texts))
    tokens, offsets = encode_tokens(tokenize(texts), vocabulary, 512)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    articles = Split(torch.from_numpy(tokens), torch.from_numpy(offsets), labels)
    given = {"vocabulary_size": len(vocabulary), "readout": "mean"}
    model = fitted(NbsvmClassifier("auto", classes=3, **given), articles)
    assert model.log_probabilities(articles).argmax(1).tolist() == labels.tolist()


@pytest.mark.parametrize("make", [TfidfClassifier, NbsvmClassifier])
def test_balanced_classes_make_a_rare_class_likelier(make: type[LinearClassifier]) -> None:
    texts, labels = ["sun day", "sun night"] * 20 + ["sun rain"] * 2, [0] * 40 + [1] * 2
    plain, balanced = (
        scores_of(
            fitted(make(0.1, classes=2, **GIVEN), split(texts, labels), class_weights=weights),
            ["sun rain"],
        )
        for weights in ("none", "balanced")
    )
    assert balanced[0, 1] - balanced[0, 0] > plain[0, 1] - plain[0, 0]


@pytest.mark.parametrize("make", [TfidfClassifier, NbsvmClassifier])
@pytest.mark.parametrize("select_by", ["val_loss", "val_accuracy", "val_macro_f1"])
def test_c_is_the_one_that_the_validation_split_finds_best(
    make: type[LinearClassifier], select_by: str
) -> None:
    """The labels of some articles are wrong in training, so that a strong penalty is better."""
    chance = np.random.default_rng(0)
    words = [word for word in VOCABULARY[2:] for _ in range(3)]
    texts = [" ".join(chance.choice(words, 6)) for _ in range(120)]
    labels = [int("good" in text) for text in texts]
    noisy = [label if number % 4 else 1 - label for number, label in enumerate(labels)]
    train, validation = split(texts[:60], noisy[:60]), split(texts[60:], labels[60:])
    protocol = Protocol(name="p", select_by=select_by)
    model = make("auto", classes=2, **GIVEN)
    [*Fitting(model, corpus_of(train, validation), protocol).epochs(lambda *_: None)]
    found = penalty(validate(model, validation, protocol), select_by)
    each = []
    for c in make.choices:
        alone = make(c, classes=2, **GIVEN)
        [*Fitting(alone, corpus_of(train, validation), protocol).epochs(lambda *_: None)]
        each.append(penalty(validate(alone, validation, protocol), select_by))
    assert found == pytest.approx(min(each), abs=0.02)
    assert max(each) > min(each) + 0.05


@pytest.mark.parametrize("make", [TfidfClassifier, NbsvmClassifier])
def test_weights_of_another_vocabulary_or_other_classes_do_not_fit(
    make: type[LinearClassifier],
) -> None:
    weights = fitted(make(1.0, classes=2, **GIVEN), split(TEXTS, LABELS)).state_dict()
    larger = {**GIVEN, "vocabulary_size": len(VOCABULARY) + 1}
    with pytest.raises(RuntimeError, match="n-grams of"):
        make(1.0, classes=2, **larger).load_state_dict(weights)
    with pytest.raises(RuntimeError, match="size mismatch for coefficients"):
        make(1.0, classes=3, **GIVEN).load_state_dict(weights)


@pytest.mark.parametrize("make", [TfidfClassifier, NbsvmClassifier])
def test_a_linear_baseline_leaves_the_articles_as_they_are(make: type[LinearClassifier]) -> None:
    articles = split(TEXTS, LABELS)
    before = articles.tokens.clone(), articles.offsets.clone()
    fitted(make(1.0, classes=2, **GIVEN), articles).log_probabilities(articles)
    assert torch.equal(articles.tokens, before[0])
    assert torch.equal(articles.offsets, before[1])


def test_an_article_answers_alone_as_among_others_to_the_bit() -> None:
    model = fitted(TfidfClassifier("auto", classes=2, **GIVEN), split(TEXTS, LABELS))
    together = scores_of(model, TEXTS + UNSEEN)
    alone = np.concatenate([scores_of(model, [text]) for text in TEXTS + UNSEEN])
    assert (together == alone).all()


def test_pairs_neither_bridge_an_unknown_token_nor_two_articles() -> None:
    model = TfidfClassifier(1.0, classes=2, **GIVEN)
    fitted(model, split(["good never day", "bad sun", "rain"], [1, 0, 1]))
    pairs = [(key // len(VOCABULARY), key % len(VOCABULARY)) for key in model.ngrams.tolist()]
    words = {" ".join(VOCABULARY[token] for token in pair if token) for pair in pairs}
    assert words == {"good", "day", "bad", "sun", "rain", "bad sun"}


def test_articles_without_a_known_token_get_an_answer() -> None:
    model = fitted(TfidfClassifier("auto", classes=2, **GIVEN), split(TEXTS, LABELS))
    assert np.isfinite(scores_of(model, ["", "never"])).all()


def test_the_majority_gives_every_article_the_class_shares_of_training() -> None:
    model = MajorityClassifier(vocabulary_size=9, classes=3, readout="mean")
    model.fit(split(TEXTS, [2, 0, 2, 2, 0, 2]))
    found = model.log_probabilities(split(["a", "b"], [0, 0])).exp()
    torch.testing.assert_close(found, torch.tensor([[2 / 6, 0.0, 4 / 6]] * 2))


@pytest.mark.parametrize(
    "make",
    [MajorityClassifier, partial(TfidfClassifier, 1.0), partial(NbsvmClassifier, "auto")],
)
def test_a_baseline_that_is_loaded_answers_as_the_fitted_one(make: Callable[..., Baseline]) -> None:
    one, loaded = (
        make(vocabulary_size=len(VOCABULARY), classes=2, readout="mean") for _ in range(2)
    )
    fitted(one, split(TEXTS, LABELS))
    loaded.load_state_dict(load(save(one.state_dict())))
    unseen = split(["good night", "rain rain day", "words never seen"], [0, 0, 0])
    assert torch.equal(loaded.log_probabilities(unseen), one.log_probabilities(unseen))
